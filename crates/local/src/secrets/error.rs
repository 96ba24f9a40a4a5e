//! Errors of the store of secrets.

use super::limits::VALUE_MAX_BYTES;
use crate::account::DirectoryError;
use crate::binding::SecretName;

/// Why the store did not do what it was asked for. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretStoreError {
    /// There is no secret with this name.
    #[error("there is no secret {}", quoted(.name))]
    NotFound {
        /// The name.
        name: SecretName,
    },
    /// There is none with this name, but one whose name differs only in case.
    #[error("there is no secret {}, but one named {}", quoted(.name), quoted(.existing))]
    OtherCase {
        /// The name that was asked for.
        name: SecretName,
        /// The name of the existing secret.
        existing: SecretName,
    },
    /// There is a secret with this name, or one whose name differs only in case.
    #[error("there is a secret named {} already", quoted(.existing))]
    Exists {
        /// The name of the existing secret.
        existing: SecretName,
    },
    /// The secret was changed or removed since it was read.
    #[error("the secret {} was changed or removed meanwhile", quoted(.name))]
    ChangedMeanwhile {
        /// The name.
        name: SecretName,
    },
    /// The secret does not have this version, or no longer has it.
    #[error("the secret {} has no version {version}; it has {first} to {last}", quoted(.name))]
    NoVersion {
        /// The secret.
        name: SecretName,
        /// The version that was asked for.
        version: u64,
        /// The oldest version that there is.
        first: u64,
        /// The current version.
        last: u64,
    },
    /// The value has no byte.
    #[error("the value is empty")]
    EmptyValue,
    /// The value is longer than [`VALUE_MAX_BYTES`].
    #[error("the value is longer than {VALUE_MAX_BYTES} bytes")]
    ValueTooLong,
    /// No variable can have the value.
    #[error("the value of {} has a NUL byte or is not text, so no variable can have it", quoted(.name))]
    NoVariable {
        /// The secret.
        name: SecretName,
    },
    /// A secret does not open, or is not complete: the database was changed.
    #[error("a secret is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

fn quoted(name: &SecretName) -> String {
    format!("{:?}", name.as_str())
}

impl From<getrandom::Error> for SecretStoreError {
    fn from(error: getrandom::Error) -> Self {
        Self::Directory(error.into())
    }
}
