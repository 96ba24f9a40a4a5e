//! placeholder
#![deny(missing_docs)]
pub mod audit;
pub mod clock;
pub mod config;
mod crypto;
mod fs;
pub mod id;
pub mod memory;
pub mod paths;
