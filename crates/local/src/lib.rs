//! Nightlatch for one local user: accounts, sessions and their key keepers, configuration, leases,
//! and the guard in front of commands.

#![deny(missing_docs)]

pub mod account;
mod binding;
pub mod config;
pub mod guard;
pub mod mask;
pub mod paths;
pub mod secrets;
pub mod session;
