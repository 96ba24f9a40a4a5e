//! How guarded commands end.

use serde::{Deserialize, Serialize};

use super::reason::CommandFailure;

/// How a guarded command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)] // a command ends in no other way
pub enum CommandEnd {
    /// With this exit code.
    #[serde(rename = "exit_code")]
    Exited(i32),
    /// By this signal.
    #[serde(rename = "signal")]
    Signalled(i32),
    /// With neither.
    #[serde(rename = "error")]
    Failed(CommandFailure),
}
