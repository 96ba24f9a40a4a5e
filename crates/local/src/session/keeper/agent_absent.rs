//! The agent keeper on platforms where it does not run yet: every call is refused.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{AgentLaunch, Keeper, KeeperError, KeeperKind, Payload, Slot};
use nightlatch_core::clock::Clock;
use nightlatch_platform::fs::{Dir, FsError};

/// Holds nothing: a socket's peer cannot be identified here.
pub struct AgentKeeper(());

/// Why an agent could not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// There is none on this platform.
    #[error("{WHY}")]
    Unsupported,
}

const WHY: &str = "the agent does not run on this platform yet";

/// Whether an agent serves the home at `home`: none does.
///
/// # Errors
/// Never.
#[allow(clippy::unnecessary_wraps)] // the same signature as where there is one
pub fn is_running(_: &Path) -> Result<bool, FsError> {
    Ok(false)
}

/// Refuses to serve.
///
/// # Errors
/// Always.
pub fn serve(_: &Dir, _: &dyn Clock) -> Result<(), AgentError> {
    Err(AgentError::Unsupported)
}

impl AgentKeeper {
    /// An agent that holds nothing.
    pub fn new(_: Arc<Dir>, _: Option<AgentLaunch>) -> Self {
        Self(())
    }

    /// Whether an agent can be started here.
    ///
    /// # Errors
    /// Always: it cannot.
    pub fn probe() -> Result<(), KeeperError> {
        Err(unusable())
    }
}

fn unusable() -> KeeperError {
    KeeperError::Unusable {
        keeper: KeeperKind::Agent,
        why: WHY.to_owned(),
    }
}

impl Keeper for AgentKeeper {
    fn publish(&self, _: &Slot, _: &Payload, _: Duration) -> Result<(), KeeperError> {
        Err(unusable())
    }

    fn read(&self, _: &Slot) -> Result<Option<Payload>, KeeperError> {
        Err(unusable())
    }

    fn destroy(&self, _: &Slot) -> Result<bool, KeeperError> {
        Err(unusable())
    }
}

/// Does nothing: there is no agent to ask.
pub fn answer_within(_: std::time::Duration) {}
