//! The system log on Windows, where there is none.

use std::io;
use std::path::Path;

use super::verify::Anchor;

/// Facility authpriv (10), severity info (6).
pub(super) const PRIORITY: u8 = 10 * 8 + 6;

/// Windows has no datagram sockets with a path.
pub(super) struct Socket;

impl Socket {
    /// Always fails.
    ///
    /// # Errors
    /// Always.
    pub(super) fn open(_: &Path) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this platform has no syslog",
        ))
    }

    /// Unreachable: no socket is ever opened.
    #[allow(clippy::unused_self)] // same signature as with sockets
    #[allow(clippy::unnecessary_wraps)] // as above
    pub(super) fn send(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Unreachable: nothing is ever sent.
pub(super) fn is_too_long(_: &io::Error) -> bool {
    false
}

/// Unreachable: nothing is ever sent.
pub(super) fn anchor_message(_: u32, _: &Anchor) -> String {
    String::new()
}
