//! The system's log where none is written to: Windows.

use std::io;
use std::path::Path;

use super::verify::Anchor;

/// Facility authpriv (10), severity info (6).
pub(super) const PRIORITY: u8 = 10 * 8 + 6;

/// Datagram sockets with a path are not there.
pub(super) struct Socket;

impl Socket {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub(super) fn open(_: &Path) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this platform has no syslog",
        ))
    }

    /// Not reachable: no socket is ever opened.
    #[allow(clippy::unused_self)] // the same face as where there are sockets
    #[allow(clippy::unnecessary_wraps)] // as where there is one
    pub(super) fn send(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Nothing is ever sent.
pub(super) fn is_too_long(_: &io::Error) -> bool {
    false
}

/// Nothing is ever sent.
pub(super) fn anchor_message(_: u32, _: &Anchor) -> String {
    String::new()
}
