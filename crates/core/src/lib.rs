//! The part of Nightlatch that needs neither files nor a clock: secrets in memory, cryptography,
//! identifiers, email addresses and times, and the rules of passwords, throttling, limits and when a
//! session is live. The other crates of the workspace build on this one.

#![deny(missing_docs)]
#![warn(unnameable_types, unreachable_pub)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod clock;
pub mod crypto;
pub mod display_name;
pub mod email;
pub mod id;
pub mod lifetime;
pub mod limits;
pub mod memory;
pub mod password;
pub mod recovery_code;
#[cfg(feature = "suggestions")]
pub mod suggestion;
pub mod throttle;
