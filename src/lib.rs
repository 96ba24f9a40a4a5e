//! placeholder
#![deny(missing_docs)]
pub mod account;
pub mod clock;
pub mod config;
mod crypto;
mod fs;
pub mod id;
pub mod memory;
pub mod paths;
pub mod session;
