//! What is needed to find the processes of a guarded command and to end them.

use super::lease::CommandProcess;
use nightlatch_core::id::ExecId;

/// A guarded command whose processes are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))] // found by it only there
    pub(super) exec: ExecId,
    /// The living process that waits for the command.
    pub(super) guard: Option<i32>,
    /// The command's own process, as far as it is known.
    pub(super) command: Option<CommandProcess>,
}

/// A signal for a command that has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndSignal {
    /// As when its terminal goes away (SIGHUP).
    HangUp,
    /// Asks it to end (SIGTERM).
    Terminate,
    /// Resumes it, so that it can act on the other signals (SIGCONT).
    Continue,
    /// Ends it (SIGKILL).
    Kill,
}

#[cfg(unix)]
impl From<EndSignal> for rustix::process::Signal {
    fn from(signal: EndSignal) -> Self {
        match signal {
            EndSignal::HangUp => Self::HUP,
            EndSignal::Terminate => Self::TERM,
            EndSignal::Continue => Self::CONT,
            EndSignal::Kill => Self::KILL,
        }
    }
}
