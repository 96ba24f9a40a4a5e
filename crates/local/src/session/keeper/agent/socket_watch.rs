//! Notices when the agent's socket loses its name, as by a program that tidies up: nobody could reach the
//! agent any more, and nobody could take its place while it lives.

use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, statat};

use super::SOCKET;
use nightlatch_platform::fs::Dir;

/// How often it is looked at where the system does not tell.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// How long after it was told to look: whoever removes the directory as well is done by then.
pub(super) const SETTLED: Duration = Duration::from_millis(10);

/// A socket at its name.
pub(super) struct SocketWatch {
    /// Its file, by device and inode.
    file: (u64, u64),
    told: Option<OwnedFd>,
}

impl SocketWatch {
    /// Watches the socket that has just been made in `directory`.
    pub(super) fn new(directory: &Dir) -> std::io::Result<Self> {
        Ok(Self {
            file: file(directory)?,
            told: told(directory),
        })
    }

    /// Whether the socket is not where it was, as far as may be looked.
    pub(super) fn is_lost(&self, directory: &Dir) -> bool {
        match file(directory) {
            Ok(file) => file != self.file,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// What becomes readable when it may not be; `None` where it must be looked at by itself, after
    /// [`SocketWatch::look_after`].
    pub(super) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.told.as_ref().map(AsFd::as_fd)
    }

    /// After how long to look unasked.
    pub(super) fn look_after(&self) -> Option<Duration> {
        self.handle().is_none().then_some(EVERY)
    }

    /// Takes note of what was told; its details do not matter.
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

/// Tells of an unlinking, which changes the count of links, and of a new name; not of what becomes of the
/// other files in the directory. `None` where a user's share of such watches is used up.
#[cfg(target_os = "linux")]
fn told(directory: &Dir) -> Option<OwnedFd> {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    let told = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let what = WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
    add_watch(
        &told,
        super::socket_path(directory),
        what | WatchFlags::DONT_FOLLOW,
    )
    .ok()?;
    Some(told)
}

/// No system but Linux is asked.
#[cfg(not(target_os = "linux"))]
fn told(_: &Dir) -> Option<OwnedFd> {
    None
}
