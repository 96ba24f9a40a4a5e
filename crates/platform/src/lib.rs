//! What Nightlatch asks of the operating system: files reached by directory handles and judged when
//! open, locks, and the machine's clocks.

#![deny(missing_docs)]

pub mod clock;
pub mod fs;
