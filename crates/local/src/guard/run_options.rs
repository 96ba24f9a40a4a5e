//! How to run a command.

use std::time::Duration;

/// How to run a command.
///
/// ```
/// use std::time::Duration;
///
/// use nightlatch_local::guard::{Guard, RunOptions};
/// # let scratch = tempfile::tempdir()?;
/// # let config = nightlatch_local::guard::GuardConfig::under(scratch.path().join("home"));
///
/// // A deployment takes a while: refuse if the session would end within ten minutes.
/// let options = RunOptions::default().min_remaining(Duration::from_secs(600));
/// let mut deploy = std::process::Command::new("./deploy.sh");
/// let refused = Guard::open(config)?.run(&mut deploy, &options);
/// assert!(refused.is_err(), "nobody is signed in");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RunOptions {
    pub(super) extend: bool,
    pub(super) min_remaining: Duration,
    pub(super) refusals: Refusals,
    pub(super) scripts: Scripts,
    pub(super) orphans: Orphans,
    pub(super) mask: Option<&'static str>,
}

/// How to treat processes that lost their parent and became children of this one, the first process
/// of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Orphans {
    /// Leaves them unreaped; for a program that waits for children of its own.
    Leave,
    /// Reaps them while the command runs, as an init process does. Only for a program that has no
    /// other children to wait for.
    ReapAsInit,
}

/// How to treat a script that does not begin with `#!`, which the system itself does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scripts {
    /// Refuses it as not executable.
    NeedInterpreter,
    /// Runs it with `/bin/sh`, as shells do. Only for a command that sets nothing but arguments,
    /// variables and directory: everything else would be lost.
    AsShellsDo,
}

/// Who records that a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusals {
    /// The guard, immediately.
    Record,
    /// The caller, with [`Guard::record_refusal`](super::Guard::record_refusal), if signing in does
    /// not help.
    LeaveToCaller,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            extend: true,
            min_remaining: Duration::ZERO,
            refusals: Refusals::Record,
            scripts: Scripts::NeedInterpreter,
            orphans: Orphans::Leave,
            mask: None,
        }
    }
}

impl RunOptions {
    /// Sets whether it counts as activity; by default it does.
    pub fn extend(self, extend: bool) -> Self {
        Self { extend, ..self }
    }

    /// Sets the least time that the session must have left; by default any is enough.
    pub fn min_remaining(self, min_remaining: Duration) -> Self {
        Self {
            min_remaining,
            ..self
        }
    }

    /// Sets who records a refusal; by default the guard.
    pub fn refusals(self, refusals: Refusals) -> Self {
        Self { refusals, ..self }
    }

    /// Sets how to treat a script without `#!`; by default it is refused.
    pub fn scripts(self, scripts: Scripts) -> Self {
        Self { scripts, ..self }
    }

    /// Sets how to treat orphaned processes; by default they are left.
    pub fn orphans(self, orphans: Orphans) -> Self {
        Self { orphans, ..self }
    }

    /// Puts `sign` in the place of the command's secrets in what it writes to standard output and
    /// error; by default they are left as they are. If these are a terminal, the command gets one of
    /// its own in its place, where it leads a process group; its own redirections of the three
    /// standard streams are replaced. Without secrets, nothing changes.
    pub fn mask(self, sign: &'static str) -> Self {
        Self {
            mask: Some(sign),
            ..self
        }
    }
}
