//! The processes of a guarded command where the system does not list processes: only the command's
//! own process is known, from its lease, and only while its guard waits for it.

#![allow(clippy::unused_self, clippy::unnecessary_wraps)] // the signatures of where processes are found

use std::io;
use std::time::Duration;

use super::target::{EndSignal, Target};
use nightlatch_core::clock::BootTime;

/// A process that a lease names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) start_time: u64,
}

impl Process {
    /// The process with this id, if there is one.
    #[cfg(unix)]
    pub(super) fn of(pid: i32) -> Option<Self> {
        let process = rustix::process::Pid::from_raw(pid).filter(|_| pid > 0)?;
        let exists = match rustix::process::test_kill_process(process) {
            Ok(()) | Err(rustix::io::Errno::PERM) => true,
            Err(_) => false,
        };
        exists.then_some(Self { pid, start_time: 0 })
    }

    /// No commands run here.
    #[cfg(windows)]
    pub(super) fn of(_: i32) -> Option<Self> {
        None
    }

    /// Not known here.
    pub(super) fn is_stopped(&self) -> bool {
        false
    }

    /// Not known here.
    pub(super) fn age(&self, _: BootTime) -> Option<Duration> {
        None
    }

    /// Not known here.
    pub(super) fn terminal(&self) -> Option<String> {
        None
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the system refuses, for example because it runs as another user.
    #[cfg(unix)]
    pub(super) fn send(&self, signal: EndSignal) -> io::Result<()> {
        use rustix::process::{Pid, kill_process};
        match Pid::from_raw(self.pid).map(|pid| kill_process(pid, signal.into())) {
            None | Some(Ok(()) | Err(rustix::io::Errno::SRCH)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// There is no process to send it to.
    #[cfg(windows)]
    pub(super) fn send(&self, _: EndSignal) -> io::Result<()> {
        Ok(())
    }
}

/// The processes that leases name.
pub(super) struct Processes;

impl Processes {
    /// Looks at nothing yet.
    #[allow(clippy::unnecessary_wraps)] // the same signature as on Linux
    pub(super) fn since(_: u64) -> io::Result<Self> {
        Ok(Self)
    }

    /// The command's own process, while its guard waits for it: until then no other process gets
    /// its id.
    pub(super) fn of(&self, target: &Target) -> Vec<Process> {
        let command = target.guard.and(target.command);
        command
            .and_then(|command| Process::of(command.pid))
            .into_iter()
            .collect()
    }
}
