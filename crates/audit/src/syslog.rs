//! Sends datagrams to the system's log, without waiting for the receiver.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::verify::Anchor;

/// Facility authpriv (10), severity info (6); RFC 3164, section 4.1.1.
pub(super) const PRIORITY: u8 = 10 * 8 + 6;

/// A Unix datagram socket that another process reads.
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
        // Symbolic links are followed: with systemd, /dev/log is one.
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
    /// When there is no reader, the socket is full, or the datagram is too long. Never waits.
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, &self.path).map(drop)
    }
}

/// Whether the error means that the datagram was too long for the socket.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

/// An anchor in the form of RFC 3164 that local programs use: the receiver adds the time and the
/// host.
pub(super) fn anchor_message(pid: u32, anchor: &Anchor) -> String {
    let Anchor { seq, hash, .. } = anchor;
    let fingerprint = anchor.fingerprint();
    format!(
        "<{PRIORITY}>nightlatch[{pid}]: audit anchor seq={seq} hash={hash} fingerprint={fingerprint}"
    )
}
