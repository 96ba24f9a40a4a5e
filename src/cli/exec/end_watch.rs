//! Notifies the person at the terminal that the session ended while the command runs, and hangs up
//! the command if that is requested.
//!
//! A separate thread waits, so that no slow disk and no stopped terminal delays a signal to the
//! command.

use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::thread::Scope;
use std::time::Duration;

use nightlatch::clock::{Clock, SystemClock, Timestamp};
use nightlatch::config::OnEnd;
use nightlatch::id::SessionId;
use nightlatch::session::{EndReason, SessionState, SessionStatus};
use nightlatch::{Guard, HangUp, SessionWatch};
use nightlatch_platform::clock::alarm::timespec;
use rustix::event::{PollFd, PollFlags, poll};

use super::super::context::Context;
use super::super::ending;
use super::super::session_state::wait_for_nobody;
use super::super::terminal::notify;

/// Most commands end earlier, and no session ends by itself in less time.
const LONG: Duration = Duration::from_secs(1);
/// A delay after the session's end, so that the next check does not find it live.
const MARGIN: Duration = Duration::from_millis(5);
/// How often, and at most how many times, to check whether a session that is being ended has ended.
const CHANGE: (Duration, u32) = (Duration::from_millis(50), 60);

/// How long, and how often, to try again when the session's state cannot be determined, before a
/// command is hung up for that.
const UNKNOWN: (Duration, u32) = (Duration::from_millis(500), 6);

/// A running command, and the session that allowed it to start.
pub(super) struct Watched<'a> {
    pub(super) session: SessionId,
    /// The account's normalized email.
    pub(super) username: &'a str,
    /// The program's name as shown to the person.
    pub(super) program: &'a str,
    pub(super) on_end: OnEnd,
    pub(super) hang_up: HangUp,
}

/// Watches until it is dropped.
pub(super) struct EndWatch {
    /// Dropping it closes the socket.
    _stop: UnixStream,
}

impl EndWatch {
    /// Starts the watch if there is a terminal for the notice, or the command is to be hung up. The
    /// notice is best effort: the end is also reported after the command.
    pub(super) fn begin<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        context: &'env Context,
        watched: Watched<'env>,
    ) -> Option<Self> {
        let hangs_up = watched.on_end == OnEnd::HangUp;
        let is_seen = !context.ui.quiet && !context.ui.json && std::io::stderr().is_terminal();
        if watched.on_end == OnEnd::Continue || !(is_seen || hangs_up) {
            return None;
        }
        let (stop, stopped) = UnixStream::pair().ok()?;
        let watch = move || {
            let how = if hangs_up {
                watched.certain_end(context, &stopped)
            } else {
                watched.end(context, &stopped)
            };
            let Some(how) = how else { return };
            let program = watched.program;
            let what = if hangs_up {
                match watched.hang_up.send() {
                    Ok(()) => format!("{program} is hung up"),
                    Err(error) => format!("{program} cannot be hung up: {error}"),
                }
            } else {
                format!("{program} keeps running")
            };
            if is_seen {
                notify(&format!("nightlatch: {how}; {what}"));
            }
        };
        std::thread::Builder::new()
            .spawn_scoped(scope, watch)
            .ok()?;
        Some(Self { _stop: stop })
    }
}

impl Watched<'_> {
    /// As [`Watched::end`], but a session whose state cannot be determined for some seconds counts
    /// as ended; `None` only if the command ended first.
    fn certain_end(&self, context: &Context, stopped: &UnixStream) -> Option<String> {
        let (every, times) = UNKNOWN;
        for _ in 0..times {
            if let Some(how) = self.end(context, stopped) {
                return Some(how);
            }
            if has_come(stopped, every) {
                return None;
            }
        }
        Some("it cannot be told whether the session is live".to_owned())
    }

    /// Waits for the session's end, and returns how it ended; `None` if the command ended first, or
    /// the reason cannot be determined. If a later session of the account replaced it, nothing is
    /// locked.
    fn end(&self, context: &Context, stopped: &UnixStream) -> Option<String> {
        if has_come(stopped, LONG) {
            return None;
        }
        // An agent that does not respond must not delay the end of the command or hold the
        // terminal.
        wait_for_nobody();
        let config = context.config.clone().account(self.username.parse().ok()?);
        let guard = Guard::open_to_look(config).ok()?;
        let watch = guard.watch_sessions()?;
        let (mut session, mut ends) = (self.session, None);
        loop {
            let mut status = guard.status().ok()?;
            if is_told_by_the_log(&status, ends) {
                await_quiet(&watch, stopped)?;
                status = guard.status().ok()?;
            }
            if status.state != SessionState::Active {
                let is_seen = status.elsewhere.is_none();
                return is_seen
                    .then(|| ending::of_session(context, &status, session, self.username))?;
            }
            session = status.session_id?;
            ends = status.expires_at;
            let left = ends?.since(SystemClock.now().wall);
            if !watch.wait(left + MARGIN, stopped).ok()? {
                return None;
            }
        }
    }
}

/// Whether there is no session and the clocks do not explain why: somebody has ended it, and may
/// not have recorded that yet, or may be about to start another. Its own end was due at `ends`.
fn is_told_by_the_log(status: &SessionStatus, ends: Option<Timestamp>) -> bool {
    let is_over = ends.is_some_and(|ends| ends <= SystemClock.now().wall);
    match status.ended {
        None => status.state != SessionState::Active,
        Some(reason) => reason == EndReason::KeyGone && !is_over,
    }
}

/// Waits a limited time until no process is changing a session; `None` if the command ends first.
fn await_quiet(watch: &SessionWatch, stopped: &UnixStream) -> Option<()> {
    let (every, times) = CHANGE;
    for _ in 0..times {
        if !watch.is_changing() {
            break;
        }
        watch.wait(every, stopped).ok()?.then_some(())?;
    }
    Some(())
}

/// Whether the other end was closed within `limit`.
fn has_come(stopped: &UnixStream, limit: Duration) -> bool {
    let mut fds = [PollFd::new(stopped, PollFlags::IN)];
    !matches!(
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timespec(limit)))),
        Ok(0)
    )
}
