//! Running a command so that it behaves as if it had been started directly.
//!
//! The command gets our process group, terminal, descriptors 0 to 2, directory and environment. So
//! the kernel tells it of Ctrl-C, Ctrl-Z and a new window size by itself, and our part is small:
//! hand on what was sent to us alone, stop and resume with it, and report how it ended. One thread,
//! no polling: SIGCHLD wakes us. What was sent to us alone a [`Witness`] knows, a third process in the
//! group.

mod ended;
mod error;
mod explain;

use std::io;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN,
    SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH,
};

use super::Orphans;
use super::signals::{Catch, Caught, is_session_leader, stop_ourselves};
use nightlatch_core::memory::{CoreLimit, Witness};
use nightlatch_platform::fs::with_stops;

pub use ended::Ended;
pub use error::RunError;
use explain::explain;

/// What is handed on to the command. Real-time signals are not: they keep their default action.
const HANDED_ON: &[i32] = &[
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGTSTP,
    SIGTTIN, SIGTTOU, SIGWINCH,
];

/// How long a command runs before a witness is started for it: most have ended by then.
const WITNESS_AFTER: Duration = Duration::from_millis(30);
/// How much later than this process the witness may see a signal that was sent to both.
const WITNESS_PATIENCE: Duration = Duration::from_millis(20);

/// A command that was started and not followed to its end yet.
#[must_use = "a command that nobody follows becomes a zombie"]
pub struct Started(Pid);

/// Stands ready to run a command: from here until it is dropped, no signal ends this process, so
/// what must happen before and after the command (its lease, its record) happens as a whole.
pub struct Runner {
    catch: Catch,
    /// What came before the command was started.
    early: Vec<Caught>,
    /// Whether the ends of others than the command are collected too.
    reaps: bool,
}

impl Runner {
    /// Begins to catch signals. Those this process was started with ignored stay ignored, here and
    /// in the command.
    ///
    /// # Errors
    /// [`RunError::Watch`].
    pub fn new() -> Result<Self, RunError> {
        // SIGCHLD and SIGCONT even if ignored: without them no command can be followed.
        let catch = Catch::new(HANDED_ON, &[SIGCHLD, SIGCONT]).map_err(RunError::Watch)?;
        Ok(Self {
            catch,
            early: Vec::new(),
            reaps: false,
        })
    }

    /// The same, with `orphans` treated so.
    #[must_use]
    pub fn with_orphans(mut self, orphans: Orphans) -> Self {
        let is_first = || nix::unistd::getpid().as_raw() == 1;
        self.reaps = orphans == Orphans::ReapAsInit && is_first();
        self
    }

    /// Stops this process, as Ctrl-Z does, if it was told to, and to do nothing else, since signals are caught:
    /// there is no command yet that would stop, and a quick one would have ended before it could. Call it with no
    /// lock held.
    pub fn stop_if_told(&mut self) {
        let told = self.catch.pending().into_iter();
        let told: Vec<_> = told
            .filter(|caught| HANDED_ON.contains(&caught.signal))
            .collect();
        let stops = |caught: &Caught| caught.signal == SIGTSTP;
        let is_more = told
            .iter()
            .any(|caught| !stops(caught) && caught.signal != SIGWINCH);
        if is_more || !told.iter().any(stops) {
            self.early.extend(told);
        } else {
            // Best effort: a process that nothing can stop goes on.
            let _ = stop_ourselves();
        }
    }

    /// Starts `command`. With a `core_limit`, it starts with that limit. Once this returns, the command runs
    /// and has left our program behind; follow it with [`Runner::follow`].
    ///
    /// A script without `#!` is refused: a shell would run it with `/bin/sh`, but a `Command` does
    /// not disclose all that was asked of it (redirections, a user id, a cleared environment), and
    /// the second attempt would silently lack it. See [`Runner::start_plain`].
    ///
    /// # Errors
    /// Any [`RunError`]; nothing was started then.
    pub fn start(
        &mut self,
        command: &mut Command,
        core_limit: Option<CoreLimit>,
    ) -> Result<Started, RunError> {
        // A key pressed between here and the fork is lost. Collected any later, one that the child
        // has already got would reach it twice, which for many programs means: quit at once.
        let early = self.catch.pending().into_iter();
        self.early
            .extend(early.filter(|caught| HANDED_ON.contains(&caught.signal)));
        let mut spawn = || with_stops(|| self.catch.blocked_as_before(|| command.spawn()));
        let child = match core_limit {
            Some(limit) => limit.restored_during(spawn),
            None => spawn(),
        }
        .map_err(|problem| explain(command, problem))?;
        i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .map(Started)
            .ok_or_else(|| RunError::Watch(io::ErrorKind::InvalidData.into()))
    }

    /// As [`Runner::start`], for a `command` on which nothing is set but program, arguments, added or
    /// removed variables, and directory; a script without `#!` is run by `/bin/sh`, as shells do.
    ///
    /// # Errors
    /// As [`Runner::start`].
    pub fn start_plain(
        &mut self,
        command: &mut Command,
        core_limit: Option<CoreLimit>,
    ) -> Result<Started, RunError> {
        match self.start(command, core_limit) {
            Err(RunError::UnknownFormat { .. }) => self.start(&mut in_shell(command), core_limit),
            result => result,
        }
    }

    /// Follows a started command to its end.
    ///
    /// # Errors
    /// [`RunError::Watch`].
    pub fn follow(&mut self, Started(child): Started) -> Result<Ended, RunError> {
        self.hand_on_until_ended(child).map_err(RunError::Watch)
    }

    /// Hands on signals until the child has ended.
    fn hand_on_until_ended(&mut self, child: Pid) -> io::Result<Ended> {
        // What came before there was a child is the child's, wherever it came from.
        for early in std::mem::take(&mut self.early) {
            send(child, early.signal);
        }
        let mut arrived = self.catch.pending();
        let mut stopped = false;
        let mut witness = None;
        loop {
            for caught in &arrived {
                if is_for_child_alone(caught, child) && !reached_all(caught, child, &mut witness) {
                    send(child, caught.signal);
                }
            }
            let resumed = arrived.iter().any(|caught| caught.signal == SIGCONT);
            // Looked at before the news: a new stop in between would be news.
            let left_behind = stopped && resumed && is_stopped(child);
            match news_of(child, self.reaps)? {
                Some(News::Ended(ended)) => return Ok(ended),
                // Only now, when it has put the terminal in order, may the shell see us stop.
                Some(News::Stopped) => {
                    stopped = true;
                    stop_ourselves()?;
                }
                Some(News::Continued) => stopped = false,
                // We were resumed alone, not as a group.
                None if left_behind => {
                    send(child, SIGCONT);
                    stopped = false;
                }
                None => {}
            }
            let limit = witness.is_none().then_some(WITNESS_AFTER);
            arrived = if let Some(arrived) = self.catch.wait_for(limit)? {
                arrived
            } else {
                witness = Some(Witness::start());
                self.catch.wait()?
            };
        }
    }
}

/// Whether a signal that a process sent to us was sent to our whole group, or to all of a service's
/// processes, and has reached the child too.
fn reached_all(caught: &Caught, child: Pid, witness: &mut Option<io::Result<Witness>>) -> bool {
    let Some(Ok(witness)) = witness else {
        return false;
    };
    // A shell with job control makes a group of its own.
    let is_beside_us = rustix::process::getpgid(Some(child)) == Ok(rustix::process::getpgrp());
    caught.sender.is_some() && is_beside_us && witness.saw(caught.signal, WITNESS_PATIENCE)
}

/// Whether a signal that reached us did not reach the child too.
fn is_for_child_alone(caught: &Caught, child: Pid) -> bool {
    is_handed_on(*caught, number(child), is_session_leader())
}

/// The rule: the terminal tells a whole process group, everybody else told only us, unless the witness
/// says otherwise. The hangup of a terminal is told only to the leader of its session, if that is us.
///
/// Accepted: in a command's first 30 ms, and where no witness can be started, a process that signals our
/// whole group looks as if it had signalled us alone, and the child gets that signal twice.
fn is_handed_on(caught: Caught, child: i32, is_session_leader: bool) -> bool {
    match (caught.signal, caught.sender) {
        (SIGCHLD | SIGCONT, _)
        | (SIGINT | SIGQUIT | SIGTSTP | SIGTTIN | SIGTTOU | SIGWINCH, None) => false,
        (_, Some(sender)) => sender != child,
        (SIGHUP, None) => is_session_leader,
        // A timer set before we were started, by somebody who meant the command.
        (_, None) => true,
    }
}

fn number(child: Pid) -> i32 {
    child.as_raw_nonzero().get()
}

/// What became of the child since we last asked.
enum News {
    Ended(Ended),
    Stopped,
    Continued,
}

/// The latest news, without blocking. Until it says "ended" the child's number is not reused. Where this
/// process `reaps`, the ends of all others are collected on the way.
fn news_of(child: Pid, reaps: bool) -> io::Result<Option<News>> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    let next = || {
        if reaps {
            rustix::process::wait(options)
        } else {
            rustix::process::waitpid(Some(child), options)
        }
    };
    let mut latest = None;
    while let Some((process, status)) = rustix::io::retry_on_intr(next)? {
        if process != child {
            continue;
        }
        latest = news_in(status);
        if matches!(latest, Some(News::Ended(_))) {
            break;
        }
    }
    Ok(latest)
}

/// Whether the child is stopped at this moment. `waitpid` alone cannot say: it tells of a stop once,
/// and of nothing at all while a child that was resumed is about to stop again; resuming it then
/// would swallow that stop. Where there is no `/proc`, it is taken to be stopped.
fn is_stopped(child: Pid) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let path = format!("/proc/{}/stat", number(child));
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else {
        return true;
    };
    // Number, name in parentheses (at most 64 bytes), state: all in one short read.
    let mut start = [0; 128];
    match rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut start)) {
        Ok(count) => state_in(&start[..count]) == Some(b'T'),
        Err(_) => true,
    }
}

/// The state letter in the beginning of a `/proc/PID/stat`; the name may hold anything, `)` too.
fn state_in(stat: &[u8]) -> Option<u8> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 2;
    stat.get(after_name).copied()
}

fn news_in(status: WaitStatus) -> Option<News> {
    if status.stopped() {
        Some(News::Stopped)
    } else if status.continued() {
        Some(News::Continued)
    } else {
        let code = status.exit_status().map(Ended::Code);
        let ended = code.or_else(|| status.terminating_signal().map(Ended::Signal));
        ended.map(News::Ended)
    }
}

fn send(child: Pid, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // It may have ended, or have become another user's (sudo): then nobody could have sent it.
        let _ = rustix::process::kill_process(child, signal);
    }
}

/// The same command for `/bin/sh`, which looks it up and gives it to itself.
fn in_shell(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    shell
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHILD: i32 = 500;

    fn handed_on(signal: i32, sender: Option<i32>) -> bool {
        is_handed_on(Caught { signal, sender }, CHILD, false)
    }

    #[test]
    fn what_the_terminal_sends_is_not_handed_on() {
        for signal in [SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGHUP] {
            assert!(!handed_on(signal, None), "signal {signal}");
        }
    }

    #[test]
    fn what_a_process_sends_is_handed_on() {
        for &signal in HANDED_ON {
            assert!(handed_on(signal, Some(77)), "signal {signal}");
        }
    }

    #[test]
    fn what_the_child_sends_is_not_sent_back_to_it() {
        assert!(!handed_on(SIGTERM, Some(CHILD)));
    }

    #[test]
    fn a_timer_that_ran_out_is_handed_on() {
        assert!(handed_on(SIGALRM, None));
    }

    #[test]
    fn a_hangup_is_handed_on_by_the_leader_of_the_session_only() {
        let hangup = Caught {
            signal: SIGHUP,
            sender: None,
        };
        assert!(is_handed_on(hangup, CHILD, true));
        assert!(!is_handed_on(hangup, CHILD, false));
    }

    #[test]
    fn the_state_is_found_behind_any_name() {
        assert_eq!(state_in(b"12 (sh) T 1 12"), Some(b'T'));
        assert_eq!(state_in(b"12 (a) S (b)) R 1 12"), Some(b'R'));
        assert_eq!(state_in(b"12 (sh)"), None);
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(Ended::Code(255).exit_code(), 255);
        assert_eq!(Ended::Signal(SIGTERM).exit_code(), 143);
    }
}
