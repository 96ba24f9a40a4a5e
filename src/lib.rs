//! placeholder
#![deny(missing_docs)]
pub mod clock;
pub mod config;
mod crypto;
mod fs;
pub mod guard;
pub mod id;
pub mod memory;
pub mod paths;
