//! Waiting for a session's end without polling.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::Guard;
use crate::session::SESSIONS;
use nightlatch_platform::clock::alarm::Alarm;
use nightlatch_platform::fs::Dir;

/// Wakes when a session of the home may have ended: at a deadline, and when a session file is
/// removed or replaced, which another process does to end a session. It holds no key; call
/// [`Guard::status`] after waking.
///
/// Only Linux reports changed files. Elsewhere only the deadline wakes it.
pub struct SessionWatch {
    sessions: Option<Dir>,
    alarm: Alarm,
    changes: Option<OwnedFd>,
}

impl Guard {
    /// Starts to watch the sessions of the home; `None` when there is no home, or the system
    /// provides no timer.
    pub fn watch_sessions(&self) -> Option<SessionWatch> {
        let sessions = self.home.as_ref()?.dir.subdir(SESSIONS).ok()?;
        Some(SessionWatch {
            alarm: Alarm::new().ok()?,
            changes: sessions.as_ref().and_then(changes_in),
            sessions,
        })
    }
}

impl SessionWatch {
    /// Waits for at most `deadline`, including time in suspend, or until a session file changes.
    /// Returns `false` when `stop` became readable or its other end was closed.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn wait(&self, deadline: Duration, stop: impl AsFd) -> io::Result<bool> {
        let timeout = self.alarm.set(deadline)?;
        let mut fds = vec![PollFd::new(&stop, PollFlags::IN)];
        let others = [self.alarm.handle(), self.changes.as_ref().map(AsFd::as_fd)];
        let others = others.into_iter().flatten();
        fds.extend(others.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        rustix::io::retry_on_intr(|| poll(&mut fds, timeout.as_ref()))?;
        let is_stopped = !fds[0].revents().is_empty();
        self.forget_changes();
        Ok(!is_stopped)
    }

    /// Whether another process is ending or creating a session right now: it holds the session lock
    /// until the end is recorded and the next session exists.
    pub fn is_changing(&self) -> bool {
        let locked = self.sessions.as_ref().map(Dir::is_locked);
        matches!(locked, Some(Ok(true)))
    }

    /// Details of the changes do not matter, because the caller checks the status.
    fn forget_changes(&self) {
        let mut events = [0; 4096];
        if let Some(changes) = &self.changes {
            while matches!(rustix::io::read(changes, &mut events), Ok(1..)) {}
        }
    }
}

/// A descriptor that becomes readable when a file in `directory` is removed or replaced; `None`
/// when the user's inotify quota is used up.
#[cfg(target_os = "linux")]
fn changes_in(directory: &Dir) -> Option<OwnedFd> {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use std::os::fd::AsRawFd;

    let changes = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let path = format!("/proc/self/fd/{}", directory.handle().as_raw_fd());
    let what = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
    add_watch(&changes, path, what | WatchFlags::ONLYDIR).ok()?;
    Some(changes)
}

/// Not supported here.
#[cfg(not(target_os = "linux"))]
fn changes_in(_: &Dir) -> Option<OwnedFd> {
    None
}
