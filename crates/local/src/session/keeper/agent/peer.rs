//! The identity of a socket's peer.

use std::io;
use std::os::unix::net::UnixStream;

/// The peer's user id and process id, as recorded by the kernel. The process id is 0 when the peer
/// is in another container.
#[cfg(target_os = "linux")]
pub(super) fn user_and_process(stream: &UnixStream) -> io::Result<(u32, i32)> {
    let peer = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok((peer.uid(), peer.pid()))
}

/// The peer's user id and process id, as recorded by the kernel.
#[cfg(target_os = "macos")]
pub(super) fn user_and_process(stream: &UnixStream) -> io::Result<(u32, i32)> {
    let (user, _) = nix::unistd::getpeereid(stream)?;
    let process = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::LocalPeerPid)?;
    Ok((user.as_raw(), process))
}

/// Not available on this platform, so no peer is trusted.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) fn user_and_process(_: &UnixStream) -> io::Result<(u32, i32)> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this platform's way to tell who is at the other end of a socket is not used yet",
    ))
}

/// Our own user id.
pub(super) fn own_user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}
