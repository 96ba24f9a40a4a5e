//! The guarded commands of a home that are running, and ending them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::lease::{FoundLease, leases_in};
use super::processes::{Process, Processes};
use super::target::{EndSignal, Target};
use nightlatch_core::clock::{BootTime, Clock};
use nightlatch_core::id::{AccountId, ExecId, SessionId};
use nightlatch_platform::fs::{Dir, FsError};

/// How long a command has between being asked to end and being ended by force.
const GRACE: Duration = Duration::from_secs(5);
/// How long ending commands takes at most, from when it was requested.
const LIMIT: Duration = Duration::from_millis(5500);
/// How often to kill what is left at most: a process may start another one before it is gone.
const KILL_ROUNDS: u32 = 20;
/// Why a command is left whose guard holds the lease, perhaps in another process namespace.
const UNSEEN: &str = "its processes cannot be seen from here";
/// The first and the longest pause between looks at the processes.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// A guarded command that is running.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardedCommand {
    /// The id of the run, as in the audit log.
    pub exec_id: ExecId,
    /// The session that it was started under, which may have ended since.
    pub session_id: SessionId,
    /// The session's account; unknown for a command that an older version started.
    pub account: Option<AccountId>,
    /// The program's file name.
    pub program: String,
    /// Its process id, if that is known.
    pub pid: Option<i32>,
    /// The process id of the guard that waits for it; `None` if that was killed.
    pub guard_pid: Option<i32>,
    /// Its terminal, in the form `pts/3`, if it has one and the system says which.
    pub tty: Option<String>,
    /// How long it has been running, if the system says.
    pub running_for: Option<Duration>,
}

/// A guarded command that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedCommand {
    /// The command, as it was when the end was requested.
    pub command: GuardedCommand,
    /// Whether any of its processes did not end when asked to, and was killed. Also if its guard
    /// was killed before it started the command.
    pub was_killed: bool,
    /// Whether its guard could not record the end itself.
    pub(super) is_unrecorded: bool,
    /// Why it may still be running, if so: one of its processes runs as another user, perhaps, or
    /// none of them can be seen from this process namespace.
    pub left: Option<String>,
}

/// Whose commands are meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    All,
    OfAccount(AccountId),
    OfSession(SessionId),
}

impl Scope {
    fn includes(&self, lease: &FoundLease) -> bool {
        match self {
            Self::All => true,
            Self::OfAccount(account) => lease.run.account == Some(*account),
            Self::OfSession(session) => lease.run.session == *session,
        }
    }
}

/// The guarded commands in `home` whose guard is alive, the oldest first. Changes nothing.
///
/// # Errors
/// When they cannot be listed.
pub(super) fn running_in(home: &Dir, now: BootTime) -> Result<Vec<GuardedCommand>, FsError> {
    let mut running: Vec<_> = leases_in(home)?
        .iter()
        .filter(|lease| lease.is_held)
        .map(|lease| describe(lease, now))
        .collect();
    running.sort_by_key(|command| (std::cmp::Reverse(command.running_for), command.exec_id));
    Ok(running)
}

fn describe(lease: &FoundLease, now: BootTime) -> GuardedCommand {
    let command = lease.command.and_then(|command| {
        let process = Process::of(command.pid)?;
        is_it(process, command.start_time).then_some(process)
    });
    let guard = guard_of(lease);
    let shown = command.or(guard);
    GuardedCommand {
        exec_id: lease.run.exec,
        session_id: lease.run.session,
        account: lease.run.account,
        program: lease.program.clone(),
        pid: command.map(|command| command.pid),
        guard_pid: guard.map(|guard| guard.pid),
        tty: shown.and_then(|process| process.terminal()),
        running_for: shown.and_then(|process| process.age(now)),
    }
}

/// The process that took the lease, if it lives.
fn guard_of(lease: &FoundLease) -> Option<Process> {
    let guard = Process::of(lease.guard).filter(|_| lease.is_held)?;
    is_it(guard, lease.guard_start_time).then_some(guard)
}

/// Whether the process is the one that a lease names, by its start time: the lease may be older, or
/// of another machine. Where the system does not say, both are unknown.
fn is_it(process: Process, start_time: Option<u64>) -> bool {
    process.start_time == start_time.unwrap_or(0)
}

/// Guarded commands that were asked to end.
#[must_use = "a command that ignores the request runs on until this is finished"]
pub(super) struct EndingCommands<'a> {
    home: &'a Dir,
    clock: &'a dyn Clock,
    scope: Scope,
    /// When commands are killed.
    deadline: BootTime,
    found: BTreeMap<ExecId, Found>,
    /// The processes that were asked to end, by id and start time.
    asked: BTreeSet<(i32, u64)>,
    failure: Option<EndCommandsError>,
}

/// A command that is being ended.
struct Found {
    lease: FoundLease,
    command: GuardedCommand,
    is_released: bool,
    /// Whether its guard or one of its processes was found running. Otherwise it had ended before.
    was_seen: bool,
    was_killed: bool,
    /// Why it may still be running.
    left: Option<String>,
}

/// How a round treats the processes that it finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Asks those to end that were not asked yet.
    Ask,
    /// Kills them all, and guards that have not started their command.
    Kill,
}

impl<'a> EndingCommands<'a> {
    /// Asks the commands in `scope` to end: sends SIGTERM to all of their processes, and resumes
    /// those that are stopped. Call it under the session lock, after the sessions are ended, so that
    /// no more commands start. `begun` is when that was requested.
    pub(super) fn ask(home: &'a Dir, clock: &'a dyn Clock, scope: Scope, begun: BootTime) -> Self {
        let now = clock.now().boot;
        let mut ending = Self {
            home,
            clock,
            scope,
            deadline: now.plus(GRACE).min(begun.plus(LIMIT)),
            found: BTreeMap::new(),
            asked: BTreeSet::new(),
            failure: None,
        };
        ending.round(Round::Ask);
        ending
    }

    /// Waits for the commands to end, and kills those that do not.
    pub(super) fn finish(mut self) -> (Vec<EndedCommand>, Option<EndCommandsError>) {
        let mut pause = PAUSES.0;
        let mut is_any_left = self.round(Round::Ask);
        while is_any_left && self.clock.now().boot < self.deadline {
            self.clock.sleep(pause);
            pause = (pause * 2).min(PAUSES.1);
            is_any_left = self.round(Round::Ask);
        }
        for _ in 0..KILL_ROUNDS {
            if !is_any_left {
                break;
            }
            is_any_left = self.round(Round::Kill);
            self.clock.sleep(PAUSES.0);
        }
        let found = self.found.into_values();
        let ended = found.filter(|found| found.was_seen || found.left.is_some());
        let ended = ended.map(|found| EndedCommand {
            is_unrecorded: !found.lease.is_held,
            command: found.command,
            was_killed: found.was_killed,
            left: found.left,
        });
        (ended.collect(), self.failure)
    }

    /// Looks at the leases and the processes once. Returns whether any command is left.
    fn round(&mut self, round: Round) -> bool {
        if let Err(error) = self.look() {
            self.failure.get_or_insert(error.into());
        }
        if self.found.is_empty() {
            return false;
        }
        // A command is younger than its guard.
        let starts = self
            .found
            .values()
            .map(|found| found.lease.guard_start_time);
        let since = starts.min().flatten().unwrap_or(0);
        let processes = match Processes::since(since) {
            Ok(processes) => processes,
            Err(error) => {
                self.failure
                    .get_or_insert(EndCommandsError::Processes(error));
                for found in self.found.values_mut().filter(|found| !found.is_released) {
                    found.left.get_or_insert_with(|| UNSEEN.to_owned());
                }
                return true;
            }
        };
        let mut is_any_left = false;
        for found in self.found.values_mut() {
            let guard = guard_of(&found.lease).filter(|_| !found.is_released);
            let living = processes.of(&Target {
                exec: found.lease.run.exec,
                guard: guard.map(|guard| guard.pid),
                command: found.lease.command,
            });
            let is_seen = guard.is_some() || !living.is_empty();
            found.was_seen |= is_seen;
            let is_unseen = found.lease.is_held && !found.is_released && !is_seen;
            found.left = is_unseen.then(|| UNSEEN.to_owned());
            for process in &living {
                let sent = match round {
                    Round::Kill => {
                        found.was_killed = true;
                        process.send(EndSignal::Kill)
                    }
                    Round::Ask if self.asked.insert((process.pid, process.start_time)) => process
                        .send(EndSignal::Terminate)
                        .and_then(|()| process.send(EndSignal::Continue)),
                    Round::Ask => Ok(()),
                };
                found.left = Some(why_left(*process, sent));
            }
            if let Some(guard) = guard {
                // It records the end of its command, if it can.
                let is_before_start = found.lease.command.is_none() && living.is_empty();
                let sent = match round {
                    // It could still start the command, if it holds the session lock.
                    Round::Kill if is_before_start => {
                        found.was_killed = true;
                        guard.send(EndSignal::Kill)
                    }
                    _ if guard.is_stopped() => guard.send(EndSignal::Continue),
                    _ => Ok(()),
                };
                if is_before_start {
                    found.left = Some(why_left(guard, sent));
                }
            }
            is_any_left |= found.left.is_some();
        }
        is_any_left
    }

    /// Looks for new leases, and for what has become of the others.
    fn look(&mut self) -> Result<(), FsError> {
        let now = self.clock.now().boot;
        let mut leases: BTreeMap<_, _> = leases_in(self.home)?
            .into_iter()
            .map(|lease| (lease.run.exec, lease))
            .collect();
        for (exec, found) in &mut self.found {
            match leases.remove(exec) {
                Some(lease) => {
                    found.lease.is_held = lease.is_held;
                    found.lease.command = lease.command.or(found.lease.command);
                }
                None => found.is_released = true,
            }
        }
        for (exec, lease) in leases {
            if self.scope.includes(&lease) {
                let found = Found {
                    command: describe(&lease, now),
                    lease,
                    is_released: false,
                    was_seen: false,
                    was_killed: false,
                    left: None,
                };
                self.found.insert(exec, found);
            }
        }
        Ok(())
    }
}

/// Why a process is left after the signal was `sent`.
fn why_left(process: Process, sent: io::Result<()>) -> String {
    let why = sent.err().map(|error| error.to_string());
    let why = why.as_deref().unwrap_or("it is still running");
    format!("process {}: {why}", process.pid)
}

/// Sends SIGHUP to the command's processes, and resumes those that are stopped.
///
/// # Errors
/// When they cannot be listed, or the system refuses.
pub(super) fn hang_up(target: &Target) -> io::Result<()> {
    let mut result = Ok(());
    for process in Processes::since(0)?.of(target) {
        let sent = process.send(EndSignal::HangUp);
        result = result.and(sent.and_then(|()| process.send(EndSignal::Continue)));
    }
    result
}

/// Why commands could not be ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndCommandsError {
    /// The leases of running commands cannot be read.
    #[error(transparent)]
    Leases(#[from] FsError),
    /// The system does not list processes.
    #[error("cannot list the processes: {0}")]
    Processes(#[source] io::Error),
}
