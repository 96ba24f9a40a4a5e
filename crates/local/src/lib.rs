//! One user's home of Nightlatch: accounts, sessions and the keepers of their keys, configuration,
//! leases, and the guard that stands before commands.

#![deny(missing_docs)]

pub mod account;
pub mod config;
pub mod guard;
pub mod paths;
pub mod session;
