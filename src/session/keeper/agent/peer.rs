//! Who is at the other end of a socket.

use std::io;
use std::os::unix::net::UnixStream;

/// The user id of the process at the other end, as the kernel noted it.
#[cfg(target_os = "linux")]
pub(super) fn user_id(stream: &UnixStream) -> io::Result<u32> {
    // Its process id, told with it, is 0 when it is in another container.
    let peer = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok(peer.uid())
}

/// Not told on this platform, so nobody is trusted.
#[cfg(not(target_os = "linux"))]
pub(super) fn user_id(_: &UnixStream) -> io::Result<u32> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this platform's way to tell who is at the other end of a socket is not used yet",
    ))
}

/// Our own user id.
pub(super) fn own_user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}
