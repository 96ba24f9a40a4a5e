//! Why secrets could not be used.

use crate::account::DirectoryError;
use crate::guard::error::{Denied, GuardError};
use crate::secrets::SecretStoreError;
use crate::session::SessionError;
use nightlatch_audit::AuditError;

/// Why a use of secrets failed. Nothing was handed out or changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no live session, or that could not be determined or recorded.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is a session but no account database: it was removed.
    #[error("there are no secrets: the account database is missing")]
    NoDatabase,
    /// No such secret, a name that is taken, a value that is too long, or the database failed.
    #[error(transparent)]
    Store(#[from] SecretStoreError),
}

impl From<SessionError> for SecretError {
    fn from(error: SessionError) -> Self {
        Self::Denied(error.into())
    }
}

impl From<DirectoryError> for SecretError {
    fn from(error: DirectoryError) -> Self {
        Self::Store(error.into())
    }
}

impl From<GuardError> for SecretError {
    fn from(error: GuardError) -> Self {
        Self::Denied(error.into())
    }
}

impl From<AuditError> for SecretError {
    fn from(error: AuditError) -> Self {
        Self::Denied(GuardError::from(error).into())
    }
}
