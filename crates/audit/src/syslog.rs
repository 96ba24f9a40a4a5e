//! Sending datagrams to the system's log, and no waiting for anybody.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::verify::Anchor;

/// Facility authpriv (10), severity info (6); RFC 3164, section 4.1.1.
pub(super) const PRIORITY: u8 = 10 * 8 + 6;

/// A Unix datagram socket that somebody else reads.
pub(super) struct Socket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Socket {
    /// Prepares to send to the socket at `path`.
    ///
    /// # Errors
    /// When there is no socket.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Links are followed: where systemd reads it, /dev/log is one.
        if !std::fs::metadata(path)?.file_type().is_socket() {
            return Err(io::Error::other("not a socket"));
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let path = path.to_owned();
        Ok(Self { socket, path })
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// When nobody reads it, the socket is full, or the datagram too long. Never waits.
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, &self.path).map(drop)
    }
}

/// Whether a datagram was longer than the socket takes.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

/// An anchor in the form of RFC 3164 as local programs write it: the time and the host are the reader's
/// to add.
pub(super) fn anchor_message(pid: u32, anchor: &Anchor) -> String {
    let Anchor { seq, hash, .. } = anchor;
    let fingerprint = anchor.fingerprint();
    format!(
        "<{PRIORITY}>nightlatch[{pid}]: audit anchor seq={seq} hash={hash} fingerprint={fingerprint}"
    )
}
