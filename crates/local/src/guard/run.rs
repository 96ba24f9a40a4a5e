//! Runs a command so that it behaves as if it had been started directly.
//!
//! The command gets our process group, terminal, descriptors 0 to 2, directory and environment, so
//! the kernel sends it Ctrl-C, Ctrl-Z and window size changes directly. We forward only signals
//! that were sent to us alone, stop and resume with the command, and report how it ended. There is
//! one thread and no polling: SIGCHLD wakes us. A [`Witness`], a third process in the group,
//! identifies signals that were sent to us alone.

mod command_terminal;
mod ended;
mod error;
mod explain;
mod filter;
#[cfg(target_os = "linux")]
mod keys;
mod outputs;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(not(target_os = "linux"))]
#[path = "run/relay_absent.rs"]
mod relay;
mod sending;

use std::io;
use std::process::Command;

use rustix::process::{Pid, WaitOptions, WaitStatus};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN,
    SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH,
};

use super::run_options::Orphans;
use super::signals::{Catch, Caught, is_session_leader, stop_ourselves};
use crate::mask::Masking;
use nightlatch_core::memory::{CoreLimit, Witness};
use nightlatch_platform::fs::with_stops;

pub use command_terminal::{CommandTerminal, takes_lines};
pub use ended::Ended;
pub use error::RunError;
use explain::explain;
use filter::Filter;
use outputs::{Outputs, restore_streams};
use relay::Relay;
use sending::{WITNESS_AFTER, number, reached_group, send};

/// Signals forwarded to the command. Real-time signals are not forwarded and keep their default
/// action.
const HANDED_ON: &[i32] = &[
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGTSTP,
    SIGTTIN, SIGTTOU, SIGWINCH,
];

/// A command that was started and has not been waited for.
#[must_use = "a command that nobody follows becomes a zombie"]
pub struct Started {
    /// Our child: the command, or the monitor of its terminal.
    child: Pid,
    /// What masks its output.
    filters: Vec<Filter>,
    /// The terminal of its own that it runs on.
    relay: Option<Relay>,
}

impl Started {
    /// The command's process id.
    pub fn id(&self) -> u32 {
        let command = self.relay.as_ref().map_or(self.child, Relay::command);
        command.as_raw_nonzero().get().unsigned_abs()
    }

    /// The terminal that it runs on, if that is not ours.
    pub fn terminal(&self) -> Option<CommandTerminal> {
        let master = self.relay.as_ref().map(Relay::master);
        master.map(CommandTerminal::new)
    }
}

/// Prepares to run a command. From now until this is dropped, no signal ends this process, so the
/// work before and after the command (its lease, its record) is not interrupted.
pub struct Runner {
    catch: Catch,
    /// Signals that arrived before the command was started.
    early: Vec<Caught>,
    /// Whether to reap other children as well.
    reaps: bool,
    /// What to mask in its output.
    masking: Option<Masking>,
}

impl Runner {
    /// Starts to catch signals. Signals that this process was started with ignored stay ignored,
    /// here and in the command.
    ///
    /// # Errors
    /// [`RunError::Watch`].
    pub fn new() -> Result<Self, RunError> {
        // SIGCHLD and SIGCONT are needed to wait for a command, even if they were ignored.
        let catch = Catch::new(HANDED_ON, &[SIGCHLD, SIGCONT]).map_err(RunError::Watch)?;
        Ok(Self {
            catch,
            early: Vec::new(),
            reaps: false,
            masking: None,
        })
    }

    /// Sets how `orphans` are treated.
    #[must_use]
    pub fn with_orphans(mut self, orphans: Orphans) -> Self {
        let is_first = || nix::unistd::getpid().as_raw() == 1;
        self.reaps = orphans == Orphans::ReapAsInit && is_first();
        self
    }

    /// Masks secrets in what the command writes to standard output and error. The command's own
    /// redirections of the three standard streams, if it has any, are replaced.
    pub fn mask(&mut self, masking: Masking) {
        self.masking = Some(masking);
    }

    /// Stops this process, as Ctrl-Z does, if a stop signal was caught and nothing else. There is
    /// no command yet that would stop, and a quick one would end before it could. Call it with no
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
            // Best effort: if the process cannot stop, it goes on.
            let _ = stop_ourselves();
        }
    }

    /// Starts `command`, with `core_limit` restored if given. When this returns, the command has
    /// been executed; wait for it with [`Runner::follow`].
    ///
    /// A script without `#!` is refused. A shell would run it with `/bin/sh`, but a `Command` does
    /// not expose all of its settings (redirections, a user id, a cleared environment), and the
    /// second attempt would silently lack them. See [`Runner::start_plain`].
    ///
    /// # Errors
    /// Any [`RunError`]; nothing was started then.
    pub fn start(
        &mut self,
        command: &mut Command,
        core_limit: Option<CoreLimit>,
    ) -> Result<Started, RunError> {
        // A key pressed between here and the fork is lost. If we collected signals later, the child
        // could get one twice, and many programs quit at once on a second one.
        let early = self.catch.pending().into_iter();
        self.early
            .extend(early.filter(|caught| HANDED_ON.contains(&caught.signal)));
        let redirect = |masking: &Masking| Outputs::redirect(command, masking);
        let outputs = self.masking.as_ref().map(redirect).transpose();
        let outputs = outputs.map_err(RunError::Mask)?;
        let mut spawn = || with_stops(|| self.catch.blocked_as_before(|| command.spawn()));
        let spawned = match core_limit {
            Some(limit) => limit.restored_during(spawn),
            None => spawn(),
        };
        if outputs.is_some() {
            restore_streams(command);
        }
        let child = spawned.map_err(|problem| explain(command, problem))?;
        let child = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| RunError::Watch(io::ErrorKind::InvalidData.into()))?;
        let started = outputs.map(|outputs| outputs.started(child)).transpose();
        let (filters, relay) = started.map_err(RunError::Watch)?.unwrap_or_default();
        Ok(Started {
            child,
            filters,
            relay,
        })
    }

    /// As [`Runner::start`], for a `command` that sets only program, arguments, variables and
    /// directory. A script without `#!` is run by `/bin/sh`, as shells do.
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

    /// Waits for a started command to end. Also returns why not all of its masked output could be
    /// written, if so and if its reader was still there.
    ///
    /// # Errors
    /// [`RunError::Watch`].
    pub fn follow(&mut self, mut started: Started) -> Result<(Ended, Option<io::Error>), RunError> {
        let ended = match &mut started.relay {
            Some(relay) => {
                let early = std::mem::take(&mut self.early);
                relay.follow(&mut self.catch, early, &started.filters, self.reaps)
            }
            None => self.hand_on_until_ended(started.child),
        };
        let ended = ended.map_err(RunError::Watch)?;
        let written = outputs::finish(started.filters, &mut self.catch);
        let is_read = |error: &io::Error| error.kind() != io::ErrorKind::BrokenPipe;
        Ok((ended, written.err().filter(is_read)))
    }

    /// Forwards signals until the child has ended.
    fn hand_on_until_ended(&mut self, child: Pid) -> io::Result<Ended> {
        // Signals from before the child existed are forwarded whatever their source.
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
            // Sample before `waitpid`, or a new stop in between would be missed.
            let left_behind = stopped && resumed && is_stopped(child);
            match news_of(child, self.reaps)? {
                Some(News::Ended(ended)) => return Ok(ended),
                // Only stop now: the child has restored the terminal, so the shell may see us stop.
                Some(News::Stopped) => {
                    stopped = true;
                    stop_ourselves()?;
                }
                Some(News::Continued) => stopped = false,
                // The SIGCONT was sent to us alone, not to the group.
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

/// Whether a signal sent by a process went to our whole group, or to all processes of a service,
/// and so has reached the child too.
fn reached_all(caught: &Caught, child: Pid, witness: &mut Option<io::Result<Witness>>) -> bool {
    // A shell with job control creates its own process group. In a container entered from outside,
    // both ids are 0 and denote the same group.
    let is_beside_us = || {
        let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(number(child))));
        group == Ok(nix::unistd::getpgrp())
    };
    caught.sender.is_some() && is_beside_us() && reached_group(witness, caught.signal)
}

/// Whether a signal that reached us did not reach the child too.
fn is_for_child_alone(caught: &Caught, child: Pid) -> bool {
    is_handed_on(*caught, number(child), is_session_leader())
}

/// The rule: the terminal signals a whole process group; any other sender signalled us alone,
/// unless the witness says otherwise. A terminal hangup is sent only to the session leader, if that
/// is us.
///
/// Accepted: in a command's first 30 ms, and where no witness can be started, a signal that a
/// process sends to our whole group looks like one sent to us alone, and the child gets it twice.
fn is_handed_on(caught: Caught, child: i32, is_session_leader: bool) -> bool {
    match (caught.signal, caught.sender) {
        (SIGCHLD | SIGCONT, _)
        | (SIGINT | SIGQUIT | SIGTSTP | SIGTTIN | SIGTTOU | SIGWINCH, None) => false,
        (_, Some(sender)) => sender != child,
        (SIGHUP, None) => is_session_leader,
        // A timer that was set before we were started and was meant for the command.
        (_, None) => true,
    }
}

/// How the child's state has changed.
enum News {
    Ended(Ended),
    Stopped,
    Continued,
}

/// Polls for the latest change without blocking. Until it reports an end, the child's process id is
/// not reused. With `reaps`, it also reaps all other children.
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

/// Whether the child is stopped now. `waitpid` cannot say: it reports a stop once, and reports
/// nothing while a resumed child is about to stop again; resuming it then would swallow that stop.
/// Without `/proc`, assume that it is stopped.
#[cfg(target_os = "linux")]
fn is_stopped(child: Pid) -> bool {
    use nightlatch_platform::fs::{Proc, ProcessStat};
    let proc = Proc::open().ok();
    let stat = proc.and_then(|proc| ProcessStat::read(&proc, &number(child).to_string()));
    stat.is_none_or(|stat| stat.state() == Some('T'))
}

/// Assumes that it is stopped.
#[cfg(not(target_os = "linux"))]
fn is_stopped(_: Pid) -> bool {
    true
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

/// Wraps the command in `/bin/sh`, which looks it up and passes it its own name.
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
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(Ended::Code(255).exit_code(), 255);
        assert_eq!(Ended::Signal(SIGTERM).exit_code(), 143);
    }
}
