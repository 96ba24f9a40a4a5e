//! Runs the `audit.on_tamper` command when the audit log fails verification or sign-in is locked.
//!
//! The command runs in its own process group, which is killed at the time limit so that the caller
//! can go on.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use nightlatch_core::clock::Clock;

/// Time limit for the command.
const LIMIT: Duration = Duration::from_secs(10);
/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How often to check whether it has ended.
const INTERVAL: Duration = Duration::from_millis(20);

/// The reason for an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// The audit log failed verification.
    Tamper,
    /// Sign-in was locked after repeated failures.
    Lockout,
}

impl AlertKind {
    /// The value of `NIGHTLATCH_ALERT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tamper => "tamper",
            Self::Lockout => "lockout",
        }
    }
}

/// The `audit.on_tamper` command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertFailed {
    /// It could not be started or waited for.
    #[error("the on_tamper command could not be run: {0}")]
    NotRun(#[from] io::Error),
    /// It exited with a nonzero code.
    #[error("the on_tamper command failed with exit code {0}")]
    Code(i32),
    /// It was killed by a signal.
    #[error("the on_tamper command was ended by signal {0}")]
    Signal(i32),
    /// It reached the time limit and was killed.
    #[error("the on_tamper command did not end within {} seconds and was stopped", LIMIT.as_secs())]
    TimedOut,
}

/// Runs `command` in a shell and waits for it, at most [`LIMIT`] plus [`GRACE`].
///
/// # Errors
/// [`AlertFailed`].
pub(super) fn run(
    command: &str,
    kind: AlertKind,
    message: &str,
    home: &Path,
    clock: &dyn Clock,
) -> Result<(), AlertFailed> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env("NIGHTLATCH_ALERT", kind.name())
        .env("NIGHTLATCH_ALERT_MESSAGE", message)
        .env("NIGHTLATCH_HOME", std::path::absolute(home)?)
        .stdin(Stdio::null())
        // A process that the command leaves behind must not hold our caller's pipes open.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    if let Some(status) = wait(&mut child, LIMIT, clock)? {
        return judge(status);
    }
    // The child leads its group and has not been reaped, so its process id has not been reused.
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    for (signal, patience) in [(Signal::TERM, GRACE), (Signal::KILL, Duration::ZERO)] {
        if let Some(group) = group {
            // The signal fails if the group has just ended, which is fine.
            let _ = kill_process_group(group, signal);
        }
        if !patience.is_zero() {
            clock.sleep(patience);
        }
    }
    child.wait()?;
    Err(AlertFailed::TimedOut)
}

/// The child's exit status; `None` when it is still running after `limit`.
fn wait(child: &mut Child, limit: Duration, clock: &dyn Clock) -> io::Result<Option<ExitStatus>> {
    let mut waited = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if waited >= limit {
            return Ok(None);
        }
        clock.sleep(INTERVAL);
        waited += INTERVAL;
    }
}

fn judge(status: ExitStatus) -> Result<(), AlertFailed> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(AlertFailed::Code(code)),
        (None, signal) => Err(AlertFailed::Signal(signal.unwrap_or_default())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;
    use nightlatch_platform::clock::SystemClock;

    fn run_in(home: &Path, command: &str) -> Result<(), AlertFailed> {
        run(
            command,
            AlertKind::Tamper,
            "what; $(is) wrong",
            home,
            &SystemClock,
        )
    }

    #[test]
    fn the_command_is_told_what_happened_by_its_environment() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("told");
        let command = format!(
            "printf '%s|%s|%s' \"$NIGHTLATCH_ALERT\" \"$NIGHTLATCH_ALERT_MESSAGE\" \"$NIGHTLATCH_HOME\" >{}; cat",
            file.display()
        );
        run_in(home.path(), &command).unwrap();
        let expected = format!("tamper|what; $(is) wrong|{}", home.path().display());
        assert_eq!(std::fs::read_to_string(file).unwrap(), expected);
    }

    #[test]
    fn a_command_that_fails_is_reported_with_its_code_or_signal() {
        let home = tempfile::tempdir().unwrap();
        let failed = |command| run_in(home.path(), command).unwrap_err().to_string();
        assert!(failed("exit 3").ends_with("exit code 3"));
        assert!(failed("no-such-command-here").ends_with("exit code 127"));
        assert!(failed("kill -9 $$").ends_with("signal 9"));
    }

    #[test]
    fn a_command_that_hangs_is_stopped_with_everything_it_started() {
        let home = tempfile::tempdir().unwrap();
        let pid = home.path().join("pid");
        let command = format!(
            "trap '' TERM; sleep 600 & echo $! >{}; wait; sleep 600",
            pid.display()
        );
        let failed = run_in(home.path(), &command).unwrap_err();
        assert!(matches!(failed, AlertFailed::TimedOut), "{failed}");
        let pid: i32 = std::fs::read_to_string(pid)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            // Where no process reaps orphans, it stays a zombie.
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        for _ in 0..500 {
            if is_gone() {
                return;
            }
            SystemClock.sleep(INTERVAL);
        }
        assert!(is_gone(), "process {pid} goes on");
    }
}
