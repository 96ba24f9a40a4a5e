//! Notifies the person at the terminal that the session ended while the command runs, and hangs up
//! the command if that is requested.
//!
//! A separate thread waits, so that no slow disk and no stopped terminal delays a signal to the
//! command.

use std::io::{self, IsTerminal};
use std::os::unix::net::UnixStream;
use std::thread::Scope;
use std::time::Duration;

use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_core::id::SessionId;
use nightlatch_local::config::OnEnd;
use nightlatch_local::guard::run::CommandTerminal;
use nightlatch_local::guard::{Guard, HangUp, SessionWatch};
use nightlatch_local::session::{EndReason, SessionState, SessionStatus};
use nightlatch_platform::clock::SystemClock;
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

/// How long to wait between attempts to determine the session's state, and how many of them in a
/// row may fail before a command is hung up for that: three seconds.
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
    /// The terminal that it has instead of ours, if any.
    pub(super) terminal: Option<CommandTerminal>,
}

/// Watches until it is dropped.
pub(super) struct EndWatch {
    /// Dropping it closes the socket.
    _stop: UnixStream,
}

impl EndWatch {
    /// Starts the watch if there is a terminal for the notice, or the command is to be hung up. The
    /// notice is best effort: the end is also reported after the command. If the watch cannot start,
    /// a warning says so.
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
        let program = watched.program;
        let started = Self::start(scope, context, watched, is_seen);
        let warn = |error: &io::Error| {
            let what = format!("cannot watch the session while {program} runs: {error}");
            context.ui.warn(&what);
        };
        started.inspect_err(warn).ok()
    }

    fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        context: &'env Context,
        watched: Watched<'env>,
        is_seen: bool,
    ) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let watch = move || {
            let Some(end) = watched.end(context, &stopped) else {
                return;
            };
            let hangs_up = watched.on_end == OnEnd::HangUp;
            let how = match end {
                SessionEnd::Explained(how) => how,
                _ if !hangs_up => return,
                SessionEnd::Unexplained => "the session has ended".to_owned(),
                SessionEnd::Undetermined => "cannot check whether the session is live".to_owned(),
            };
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
                let line = format!("nightlatch: {how}; {what}");
                notify(&line, watched.terminal.as_ref());
            }
        };
        std::thread::Builder::new().spawn_scoped(scope, watch)?;
        Ok(Self { _stop: stop })
    }
}

/// What is known about a session's end.
#[derive(Debug, PartialEq, Eq)]
enum SessionEnd {
    /// It ended, and how.
    Explained(String),
    /// It ended, and nothing says how.
    Unexplained,
    /// Its state could not be determined for three seconds.
    Undetermined,
}

/// What was last seen of the session.
struct LastSeen {
    session: SessionId,
    ends: Option<Timestamp>,
}

impl Watched<'_> {
    /// Waits for the session's end; `None` if the command ended first. If a later session of the
    /// account replaced it, nothing is locked.
    fn end(&self, context: &Context, stopped: &UnixStream) -> Option<SessionEnd> {
        if has_come(stopped, LONG) {
            return None;
        }
        // An agent that does not respond must not delay the end of the command or hold the
        // terminal.
        wait_for_nobody();
        let mut seen = LastSeen {
            session: self.session,
            ends: None,
        };
        persist(
            |is_live| self.watch(context, stopped, &mut seen, is_live),
            |pause| has_come(stopped, pause),
        )
    }

    /// Waits for the session's end; `None` if its state cannot be determined, or the command ended
    /// first. Sets `is_live` if it found the session live.
    fn watch(
        &self,
        context: &Context,
        stopped: &UnixStream,
        seen: &mut LastSeen,
        is_live: &mut bool,
    ) -> Option<SessionEnd> {
        let config = context.config.clone().account(self.username.parse().ok()?);
        let guard = Guard::open_to_look(config).ok()?;
        let watch = guard.watch_sessions()?;
        loop {
            let mut status = guard.status().ok()?;
            if is_told_by_the_log(&status, seen.ends) {
                await_quiet(&watch, stopped)?;
                status = guard.status().ok()?;
            }
            if status.elsewhere.is_some() {
                return None;
            }
            if status.state != SessionState::Active {
                let how = ending::of_session(context, &status, seen.session, self.username);
                return Some(how.map_or(SessionEnd::Unexplained, SessionEnd::Explained));
            }
            *is_live = true;
            seen.session = status.session_id?;
            seen.ends = status.expires_at;
            let left = seen.ends?.since(SystemClock.now().wall);
            if !watch.wait(left + MARGIN, stopped).ok()? {
                return None;
            }
        }
    }
}

/// Repeats `watch`, with a pause after each time that it fails. Too many failures in a row count as
/// an end; one after which the session was live again, which `watch` says by setting its argument,
/// is forgotten. `None` as soon as `is_over`, which waits for the given time, says so.
fn persist(
    mut watch: impl FnMut(&mut bool) -> Option<SessionEnd>,
    is_over: impl Fn(Duration) -> bool,
) -> Option<SessionEnd> {
    let (pause, most) = UNKNOWN;
    let mut failures = 0;
    while failures < most {
        let mut was_live = false;
        if let Some(end) = watch(&mut was_live) {
            return Some(end);
        }
        failures = if was_live { 1 } else { failures + 1 };
        if is_over(pause) {
            return None;
        }
    }
    Some(SessionEnd::Undetermined)
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What `persist` finds, in how many attempts, and how long it paused, where each attempt fails
    /// and `was_live` says whether it had found the session live. The command ends after 100.
    fn persisting(was_live: impl Fn(u32) -> bool) -> (Option<SessionEnd>, u32, Duration) {
        let (attempts, paused) = (Cell::new(0), Cell::new(Duration::ZERO));
        let end = persist(
            |is_live| {
                attempts.set(attempts.get() + 1);
                *is_live = was_live(attempts.get());
                None
            },
            |pause| {
                paused.set(paused.get() + pause);
                attempts.get() == 100
            },
        );
        (end, attempts.get(), paused.get())
    }

    #[test]
    fn a_state_that_is_unknown_for_three_seconds_counts_as_an_end() {
        let (end, _, paused) = persisting(|_| false);
        assert_eq!(end, Some(SessionEnd::Undetermined));
        assert_eq!(paused, Duration::from_secs(3));
    }

    #[test]
    fn failures_with_a_live_session_in_between_do_not_add_up() {
        let (end, attempts, _) = persisting(|attempt| attempt % 5 == 0);
        assert_eq!((end, attempts), (None, 100));
        let (end, attempts, _) = persisting(|attempt| attempt == 6);
        assert_eq!((end, attempts), (Some(SessionEnd::Undetermined), 11));
    }

    #[test]
    fn a_known_end_is_returned_at_once() {
        let pauses = Cell::new(0);
        let end = persist(
            |_| Some(SessionEnd::Unexplained),
            |_| {
                pauses.set(pauses.get() + 1);
                true
            },
        );
        assert_eq!((end, pauses.get()), (Some(SessionEnd::Unexplained), 0));
    }
}
