//! What can become of registering, signing in and changing a password.

use crate::account::directory::DirectoryError;
use crate::account::password::Untypeable;
use crate::account::policy::PolicyRefusal;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::kdf::HashFailed;
use nightlatch_core::id::AccountId;

/// No account was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError<E> {
    /// The home has an account already, and none of them lets this one in.
    #[error("no account of this home lets the new one in")]
    NoSponsor,
    /// Another account has the email.
    #[error("there is already an account with this email")]
    EmailTaken,
    /// The account directory cannot be used.
    #[error("{0}")]
    Directory(DirectoryError),
    /// What had to happen before the account was made failed, so it was not.
    #[error("{0}")]
    BeforeCommit(E),
}

impl<E> From<DirectoryError> for RegisterError<E> {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

/// Nobody was signed in. The message is the same whether the account exists or not; the fields
/// tell, and are for the audit log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// Something that no account's password can be. Whether there is an account was not looked at, and no
    /// attempt is counted.
    #[error("the password has {0}, which no password can have")]
    Untypeable(Untypeable),
    /// Wrong password, or no such account.
    #[error("wrong email or password")]
    Wrong {
        /// The keyed digest of the email.
        tag: [u8; 16],
        /// The account, when there is one. Not to be shown.
        known: Option<AccountId>,
        /// The attempts left before the email is locked: counted for an unknown one as for a known
        /// one, so showing it does not give away which it is.
        remaining_attempts: u32,
        /// Whether this failure locked the email.
        just_locked: bool,
        /// Failures in a row, this one included.
        failures: u32,
    },
    /// Too many failures: no password is accepted until then, not even the right one.
    #[error("locked after too many failed attempts, until {until}")]
    Locked {
        /// The keyed digest of the email.
        tag: [u8; 16],
        /// The account, when there is one. Not to be shown.
        known: Option<AccountId>,
        /// When the lock runs out.
        until: Timestamp,
    },
    /// The password could not be hashed: too little memory. The attempt counts as failed.
    #[error("{0}")]
    Hash(HashFailed),
    /// The account directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// The password is still the old one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError<E> {
    /// The new password breaks a rule.
    #[error("{0}")]
    Policy(PolicyRefusal),
    /// The new password is the old one.
    #[error("the new password is the old one")]
    SameAsOld,
    /// Another process changed it meanwhile.
    #[error("the password was changed by another process just now")]
    ChangedMeanwhile,
    /// The new password could not be hashed: too little memory.
    #[error("{0}")]
    Hash(HashFailed),
    /// The account directory cannot be used.
    #[error("{0}")]
    Directory(DirectoryError),
    /// What had to happen before the change failed, so nothing changed.
    #[error("{0}")]
    BeforeCommit(E),
}

impl<E> From<DirectoryError> for ChangeError<E> {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}
