//! Platforms without a witness for signals to the process group.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

/// Never exists here.
pub struct Witness(Infallible);

impl Witness {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn start() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cannot be called.
    pub fn saw(&mut self, _: i32, _: Duration) -> bool {
        match self.0 {}
    }
}
