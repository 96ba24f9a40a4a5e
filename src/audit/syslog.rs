//! A line to the system's log: one datagram, and no waiting for anybody.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::verify::Anchor;

/// Facility authpriv (10), severity info (6); RFC 3164, section 4.1.1.
const PRIORITY: u8 = 10 * 8 + 6;

/// Sends `anchor` to the socket at `path`.
///
/// # Errors
/// When there is no socket, nobody reads it, or it is full. Never waits.
pub(super) fn send(path: &Path, pid: u32, anchor: &Anchor) -> io::Result<()> {
    // Links are followed: where systemd reads it, /dev/log is one.
    if !std::fs::metadata(path)?.file_type().is_socket() {
        return Err(io::Error::other("not a socket"));
    }
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket
        .send_to(message(pid, anchor).as_bytes(), path)
        .map(drop)
}

/// In the form of RFC 3164 as local programs write it: the time and the host are the reader's to add.
fn message(pid: u32, anchor: &Anchor) -> String {
    let Anchor { seq, hash, .. } = anchor;
    let fingerprint = anchor.fingerprint();
    format!(
        "<{PRIORITY}>nightlatch[{pid}]: audit anchor seq={seq} hash={hash} fingerprint={fingerprint}"
    )
}
