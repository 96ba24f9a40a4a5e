//! Nightlatch's operating system layer: files opened through directory handles and checked once
//! open, file locks, and the system clocks.

#![deny(missing_docs)]

pub mod clock;
pub mod fs;
