//! The rules of Nightlatch that need neither files nor a clock: secrets in memory, cryptography,
//! identities, emails and times. The other crates of the workspace are built on them.

#![deny(missing_docs)]

pub mod clock;
pub mod crypto;
pub mod email;
pub mod id;
pub mod memory;
