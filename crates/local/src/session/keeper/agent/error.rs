//! Why an agent could not serve.

use std::io;

use nightlatch_platform::fs::FsError;

/// Why an agent could not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Its directory, lock or socket cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The system refused something it needs.
    #[error("the agent cannot {operation}: {source}")]
    System {
        /// The failed operation, as a verb with its object.
        operation: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

impl AgentError {
    pub(super) fn system(operation: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System {
            operation,
            source: source.into(),
        }
    }
}
