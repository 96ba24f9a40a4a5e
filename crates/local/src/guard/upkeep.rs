//! What is due after a sign-in.

use std::fmt;
use std::sync::Arc;

use nightlatch_audit::{AuditError, AuditLog, Pruning, Retention};

/// Events that are older than the retention are removed after each sign-in. Whoever signed in
/// chooses the moment, for example after reporting the session: with [`Upkeep::run`], or when this
/// is dropped.
#[must_use = "it removes old events when it is dropped"]
pub struct Upkeep {
    log: Option<Arc<AuditLog>>,
    retention: Retention,
}

impl Upkeep {
    pub(super) fn new(log: Arc<AuditLog>, retention: Retention) -> Self {
        Self {
            log: Some(log),
            retention,
        }
    }

    /// Removes old events now.
    ///
    /// # Errors
    /// When they cannot be removed. Nothing depends on it but the space they take.
    pub fn run(mut self) -> Result<Pruning, AuditError> {
        match self.log.take() {
            Some(log) => log.prune(self.retention),
            None => Ok(Pruning::default()),
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        let Some(log) = self.log.take() else { return };
        if let Err(error) = log.prune(self.retention) {
            tracing::warn!(%error, "old events could not be removed");
        }
    }
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upkeep").finish_non_exhaustive()
    }
}
