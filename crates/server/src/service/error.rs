//! Errors that any service may give.

use std::time::Duration;

use crate::record::Behind;
use crate::store::StoreError;

/// Why a request could not be carried out, whatever it asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// The database or the audit log takes no changes at present. 503.
    #[error("the service is not available at present")]
    Unavailable,
    /// The queue of passwords to hash is full. 503 with Retry-After.
    #[error("too many sign-ins at once")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many attempts. 429 with Retry-After.
    #[error("too many attempts")]
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
    /// A fault of this program. 500; details are in the log.
    #[error("internal error")]
    Internal,
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Uncertain(_) => {
                tracing::warn!("{error}");
                Self::Unavailable
            }
            StoreError::Address(_) | StoreError::Broken(_) => {
                tracing::error!("{error}");
                Self::Internal
            }
        }
    }
}

impl From<Behind> for ServiceError {
    fn from(error: Behind) -> Self {
        tracing::error!("{error}");
        Self::Unavailable
    }
}

impl From<getrandom::Error> for ServiceError {
    fn from(error: getrandom::Error) -> Self {
        tracing::error!("no random numbers: {error}");
        Self::Internal
    }
}
