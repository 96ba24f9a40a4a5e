//! The agent's socket.

use rustix::io::Errno;

use nightlatch_platform::fs::Dir;

/// The directory in the home that contains the socket and is locked.
pub(super) const RUN: &str = "run";
/// The socket in it.
pub(super) const SOCKET: &str = "agent.sock";
/// The path used to reach the socket in `run`. A socket address holds 107 bytes, and the home's own
/// path may be longer. The path leads through the open handle, so it also stays in the checked
/// directory.
#[cfg(target_os = "linux")]
pub(super) fn socket_path(run: &Dir) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}/{SOCKET}", run.handle().as_raw_fd()).into()
}

/// The path of the socket in `run`; binding and connecting fail when it is too long.
#[cfg(not(target_os = "linux"))]
pub(super) fn socket_path(run: &Dir) -> std::path::PathBuf {
    run.path().join(SOCKET)
}

/// Whether a system call was interrupted (EINTR).
pub(super) fn interrupted(error: Errno) -> bool {
    error == Errno::INTR
}
