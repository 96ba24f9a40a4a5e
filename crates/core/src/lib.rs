//! The part of Nightlatch that needs neither files nor a clock: secrets in memory, cryptography,
//! identifiers, email addresses and times. The other crates of the workspace build on this one.

#![deny(missing_docs)]

pub mod clock;
pub mod crypto;
pub mod email;
pub mod id;
pub mod memory;
