//! How guarded commands end.

use super::reason::CommandFailure;

/// How a guarded command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// With neither.
    Failed(CommandFailure),
}
