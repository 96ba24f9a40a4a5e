//! Waiting for a session's end without asking for it again and again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::Guard;
use nightlatch_platform::clock::alarm::Alarm;
use nightlatch_platform::fs::Dir;

/// Where the files are whose removal ends a session.
const SESSIONS: &str = "sessions";

/// Wakes up when a session of the home may have ended: at a deadline, and when a session file is removed or
/// replaced, as another process does that ends a session. It holds no key; whoever is woken looks with
/// [`Guard::status`].
///
/// Only Linux reports changed files. Elsewhere the deadline alone wakes it.
pub struct SessionWatch {
    sessions: Option<Dir>,
    alarm: Alarm,
    changes: Option<OwnedFd>,
}

impl Guard {
    /// Starts to watch the sessions of the home; `None` where there is no home, or the system gives no timer.
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
    /// Waits for `deadline` at most, which counts time asleep, or until a session file changes. Returns
    /// `false` when `stop` became readable or was closed on its other end, which ends the waiting.
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

    /// Whether another process is about to end or to begin a session at this moment: it holds the session lock
    /// until the end is on record, and the next session there.
    pub fn is_changing(&self) -> bool {
        let locked = self.sessions.as_ref().map(Dir::is_locked);
        matches!(locked, Some(Ok(true)))
    }

    /// What changed does not matter: whoever is woken looks.
    fn forget_changes(&self) {
        let mut events = [0; 4096];
        if let Some(changes) = &self.changes {
            while matches!(rustix::io::read(changes, &mut events), Ok(1..)) {}
        }
    }
}

/// A descriptor that becomes readable when a file in `directory` is removed or replaced; `None` where the
/// user's share of such watches is used up.
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

/// Not reported here.
#[cfg(not(target_os = "linux"))]
fn changes_in(_: &Dir) -> Option<OwnedFd> {
    None
}
