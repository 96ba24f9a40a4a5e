//! The processes of a guarded command: itself, what it started, and what those started, also in
//! process groups and sessions of their own, and without a parent.
//!
//! They are found by their ancestors, by their process group, and by the variable that every guarded
//! command gets. A process that removes the variable and leaves its parent and group is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};

use super::target::{EndSignal, Target};
use nightlatch_core::clock::BootTime;
use nightlatch_core::id::ExecId;
use nightlatch_platform::fs::{Proc, ProcessStat};

/// The variable that every guarded command gets, with the `=`.
const VARIABLE: &[u8] = b"NIGHTLATCH_EXEC_ID=";
/// More than most environments take. The variable is not found in a longer one.
const ENVIRONMENT: usize = 256 * 1024;

/// A clock tick in nanoseconds: on every system that we build for there are 100 a second.
const TICK_NANOS: u64 = 10_000_000;

/// A process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    /// Its terminal's device number; 0 for none.
    terminal: i32,
    /// In clock ticks after boot; distinguishes it from a later process with the same id.
    pub(super) start_time: u64,
    state: char,
}

impl Process {
    /// The process with this id, if there is one.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Self::read(&Proc::open().ok()?, pid)
    }

    fn read(proc: &Proc, pid: i32) -> Option<Self> {
        let stat = ProcessStat::read(proc, &pid.to_string())?;
        Some(Self {
            pid,
            parent: stat.field(4)?,
            group: stat.field(5)?,
            session: stat.field(6)?,
            terminal: stat.field(7)?,
            start_time: stat.start_time()?,
            state: stat.state()?,
        })
    }

    /// How long it has been running.
    pub(super) fn age(&self, now: BootTime) -> Option<Duration> {
        let started = self.start_time.checked_mul(TICK_NANOS)?;
        Some(now.since(BootTime::from_nanos(started)))
    }

    /// Whether it is stopped, as by Ctrl-Z.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Whether it has ended, and only its parent has not noticed.
    fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Its terminal, in the form `pts/3`.
    pub(super) fn terminal(&self) -> Option<String> {
        let device = u64::from(self.terminal.cast_unsigned());
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        match major {
            136..=143 => Some(format!("pts/{}", (major - 136) * 256 + minor)),
            4 if minor < 64 => Some(format!("tty{minor}")),
            4 => Some(format!("ttyS{}", minor - 64)),
            _ => None,
        }
    }

    /// Sends it a signal, unless it has ended meanwhile and its id belongs to another process.
    ///
    /// # Errors
    /// When the system refuses, for example because it runs as another user.
    pub(super) fn send(&self, signal: EndSignal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        // With a handle that was taken before looking, no other process can get the signal.
        let handle = pidfd_open(pid, PidfdFlags::empty());
        if Self::of(self.pid).is_none_or(|now| now.start_time != self.start_time) {
            return Ok(());
        }
        let sent = match handle {
            Ok(handle) => pidfd_send_signal(&handle, signal.into()),
            // Before Linux 5.3, or under a profile that does not know the call.
            Err(_) => kill_process(pid, signal.into()),
        };
        match sent {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

/// All visible processes at one moment.
pub(super) struct Processes {
    all: Vec<Process>,
    /// The processes that were started with a run's id in the variable.
    marked: BTreeMap<i32, ExecId>,
}

impl Processes {
    /// Looks at them all, and at the environments of those that were started `since` this clock
    /// tick.
    ///
    /// # Errors
    /// When the processes cannot be listed.
    pub(super) fn since(since: u64) -> io::Result<Self> {
        let proc = Proc::open()?;
        let ids = proc.process_ids()?.into_iter();
        let all: Vec<_> = ids.filter_map(|pid| Process::read(&proc, pid)).collect();
        let mut buffer = vec![0; ENVIRONMENT];
        let is_looked_into = |process: &&Process| !process.is_over() && process.start_time >= since;
        let living = all.iter().filter(is_looked_into);
        let marked = living
            .filter_map(|process| Some((process.pid, run_of(&proc, process.pid, &mut buffer)?)))
            .collect();
        Ok(Self { all, marked })
    }

    /// The living processes of the command, in the order of their ids. Never this process or the
    /// guard.
    pub(super) fn of(&self, target: &Target) -> Vec<Process> {
        let marked = self.marked.iter().filter(|(_, exec)| **exec == target.exec);
        members(target, &self.all, &marked.map(|(&pid, _)| pid).collect())
    }
}

/// The run whose id is in the process's environment.
fn run_of(proc: &Proc, pid: i32, buffer: &mut [u8]) -> Option<ExecId> {
    let length = proc.read(&format!("{pid}/environ"), buffer).ok()?;
    let mut variables = buffer.get(..length)?.split(|&byte| byte == 0);
    let id = variables.find_map(|one| one.strip_prefix(VARIABLE))?;
    std::str::from_utf8(id).ok()?.parse().ok()
}

/// The processes among `all` that belong to the command; those in `marked` do in any case.
fn members(target: &Target, all: &[Process], marked: &BTreeSet<i32>) -> Vec<Process> {
    let own = std::process::id().cast_signed();
    let is_command = |process: &Process| {
        target.command.is_some_and(|command| {
            process.pid == command.pid && Some(process.start_time) == command.start_time
        })
    };
    let guard = target.guard;
    let is_apart = |process: &Process| process.pid == own || Some(process.pid) == guard;
    let mut members: BTreeSet<i32> = all
        .iter()
        .filter(|process| is_command(process) || marked.contains(&process.pid))
        .filter(|process| !is_apart(process))
        .map(|process| process.pid)
        .collect();
    loop {
        let before = members.len();
        for process in all {
            // The guard's own group and session have other processes too. They are not led by the
            // command.
            let leads = |leader: i32| members.contains(&leader);
            if !is_apart(process)
                && (leads(process.parent) || leads(process.group) || leads(process.session))
            {
                members.insert(process.pid);
            }
        }
        if members.len() == before {
            break;
        }
    }
    all.iter()
        .filter(|process| members.contains(&process.pid) && !process.is_over())
        .copied()
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::guard::lease::CommandProcess;

    /// A process with a parent, a group and a session.
    fn process(pid: i32, parent: i32, group: i32, session: i32) -> Process {
        Process {
            pid,
            parent,
            group,
            session,
            terminal: 0,
            start_time: 7,
            state: 'S',
        }
    }

    fn found(target: &Target, all: &[Process], marked: &[i32]) -> Vec<i32> {
        let found = members(target, all, &marked.iter().copied().collect());
        found.iter().map(|process| process.pid).collect()
    }

    fn target(guard: Option<Process>) -> Target {
        Target {
            exec: ExecId::from_bytes([1; 16]),
            guard: guard.map(|guard| guard.pid),
            command: Some(CommandProcess {
                pid: 20,
                start_time: Some(7),
            }),
        }
    }

    #[test]
    fn a_commands_children_are_found_in_other_groups_and_sessions_and_without_a_parent() {
        let guard = process(10, 2, 10, 2);
        let all = [
            process(1, 0, 1, 1),
            process(2, 1, 2, 2),
            guard,
            // In the guard's group, as the command is: the other end of its pipeline, and its witness.
            process(11, 2, 10, 2),
            process(12, 10, 10, 2),
            process(20, 10, 10, 2),
            process(21, 20, 21, 2),
            process(22, 21, 22, 22),
            // Its parent has ended, and its group is led by the command's child.
            process(23, 1, 21, 2),
            process(24, 1, 24, 22),
            // Only the variable shows where it came from.
            process(25, 1, 25, 25),
            process(26, 25, 25, 25),
        ];
        assert_eq!(
            found(&target(Some(guard)), &all, &[20, 25]),
            [20, 21, 22, 23, 24, 25, 26]
        );
    }

    #[test]
    fn another_process_with_the_commands_old_id_and_its_family_are_left_alone() {
        let other = Process {
            start_time: 8,
            ..process(20, 1, 20, 20)
        };
        let all = [other, process(21, 20, 20, 20)];
        assert_eq!(found(&target(None), &all, &[]), [0; 0]);
    }

    #[test]
    fn a_process_that_has_ended_is_not_running() {
        let zombie = Process {
            state: 'Z',
            ..process(20, 10, 10, 2)
        };
        assert_eq!(
            found(&target(None), &[zombie, process(21, 20, 21, 2)], &[]),
            [21]
        );
    }

    #[test]
    fn this_process_is_found_with_its_terminal_and_start_and_is_not_its_own_target() {
        let own = Process::of(std::process::id().cast_signed()).unwrap();
        assert!(own.start_time > 0 && !own.is_over());
        assert!(own.terminal().is_none_or(|name| !name.contains("/dev/")));
        let target = Target {
            exec: ExecId::from_bytes([1; 16]),
            guard: None,
            command: Some(CommandProcess {
                pid: own.pid,
                start_time: Some(own.start_time),
            }),
        };
        let found = Processes::since(0).unwrap().of(&target);
        assert!(!found.contains(&own));
    }

    #[test]
    fn a_terminal_is_named_by_its_device() {
        let on = |terminal| {
            Process {
                terminal,
                ..process(1, 0, 1, 1)
            }
            .terminal()
        };
        assert_eq!(on(0x8803).as_deref(), Some("pts/3"));
        assert_eq!(on(0x0401).as_deref(), Some("tty1"));
        assert_eq!(on(0x0440).as_deref(), Some("ttyS0"));
        assert_eq!(on(0), None);
    }
}
