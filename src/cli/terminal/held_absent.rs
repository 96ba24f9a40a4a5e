//! Every signal that ends the program can be caught here.

use rustix::event::PollFd;

/// Holds nothing back.
pub struct Held;

impl Held {
    /// Does nothing.
    pub fn begin() -> Self {
        Self
    }

    /// Nothing arrives.
    #[allow(clippy::unused_self)] // as on Linux
    pub fn poll(&self) -> Option<PollFd<'_>> {
        None
    }

    /// Nothing arrives.
    #[allow(clippy::unused_self)] // as on Linux
    pub fn next(&self) -> Option<i32> {
        None
    }
}
