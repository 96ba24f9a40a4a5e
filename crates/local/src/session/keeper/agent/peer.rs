//! Who is at the other end of a socket.

use std::io;
use std::os::unix::net::UnixStream;

/// The user id and the process id of the process at the other end, as the kernel noted them. The
/// process id is 0 when it is in another container.
#[cfg(target_os = "linux")]
pub(super) fn user_and_process(stream: &UnixStream) -> io::Result<(u32, i32)> {
    let peer = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok((peer.uid(), peer.pid()))
}

/// The user id and the process id of the process at the other end, as the kernel noted them.
#[cfg(target_os = "macos")]
pub(super) fn user_and_process(stream: &UnixStream) -> io::Result<(u32, i32)> {
    let (user, _) = nix::unistd::getpeereid(stream)?;
    let process = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::LocalPeerPid)?;
    Ok((user.as_raw(), process))
}

/// Not told on this platform, so nobody is trusted.
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
