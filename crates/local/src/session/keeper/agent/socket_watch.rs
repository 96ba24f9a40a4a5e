//! Detects that the agent's socket was removed, for example by a clean-up program: no client could
//! reach the agent any more, and no other agent could replace it while it runs.

use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, statat};

use super::socket::SOCKET;
use nightlatch_platform::fs::Dir;

/// How often to check where the system sends no notifications.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// How long to wait after a notification: whoever removes the directory as well is done by then.
pub(super) const SETTLED: Duration = Duration::from_millis(10);

/// The agent's socket and the watch on it.
pub(super) struct SocketWatch {
    /// The socket file, by device and inode.
    file: (u64, u64),
    told: Option<OwnedFd>,
}

impl SocketWatch {
    /// Watches the socket that was just created in `directory`.
    pub(super) fn new(directory: &Dir) -> std::io::Result<Self> {
        Ok(Self {
            file: file(directory)?,
            told: told(directory),
        })
    }

    /// Whether the socket is known to be missing or replaced.
    pub(super) fn is_lost(&self, directory: &Dir) -> bool {
        match file(directory) {
            Ok(file) => file != self.file,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Becomes readable when the socket may be missing; `None` where it must be checked every
    /// [`SocketWatch::look_after`].
    pub(super) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.told.as_ref().map(AsFd::as_fd)
    }

    /// How often to check without a notification.
    pub(super) fn look_after(&self) -> Option<Duration> {
        self.handle().is_none().then_some(EVERY)
    }

    /// Reads and discards notifications, whose details do not matter.
    pub(super) fn take_note(&self) {
        if let Some(told) = self.handle() {
            let mut events = [0; 1024];
            while matches!(rustix::io::read(told, &mut events), Ok(count) if count > 0) {}
        }
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)] // `dev_t` is signed on macOS
fn file(directory: &Dir) -> std::io::Result<(u64, u64)> {
    let stat = statat(directory.handle(), SOCKET, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((stat.st_dev as u64, stat.st_ino as u64))
}

/// Reports an unlink, which changes the link count, and a rename, but no changes to other files in
/// the directory. `None` when the user's inotify quota is used up.
#[cfg(target_os = "linux")]
fn told(directory: &Dir) -> Option<OwnedFd> {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    let told = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let what = WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
    add_watch(
        &told,
        super::socket::socket_path(directory),
        what | WatchFlags::DONT_FOLLOW,
    )
    .ok()?;
    Some(told)
}

/// Not supported here.
#[cfg(not(target_os = "linux"))]
fn told(_: &Dir) -> Option<OwnedFd> {
    None
}
