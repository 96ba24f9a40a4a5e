//! Errors of registering, signing in and changing a password.

use crate::account::directory::DirectoryError;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::kdf::HashFailed;
use nightlatch_core::id::AccountId;
use nightlatch_core::password::{PolicyRefusal, Untypeable};

/// No account was created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    /// The home already has an account, and none has authorized this one.
    #[error("no account of this home lets the new one in")]
    NoSponsor,
    /// Another account has the email.
    #[error("there is already an account with this email")]
    EmailTaken,
    /// The account directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Sign-in failed. The message is the same whether the account exists or not. The fields differ;
/// they are for the audit log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// The text cannot be a password of any account. The account was not looked up, and no attempt
    /// is counted.
    #[error("the password has {0}, which no password can have")]
    Untypeable(Untypeable),
    /// Wrong password, or no such account.
    #[error("wrong email or password")]
    Wrong {
        /// The keyed digest of the email.
        tag: [u8; 16],
        /// The account, if it exists. Do not show it.
        known: Option<AccountId>,
        /// The attempts left before the email is locked. Counted for unknown emails too, so showing
        /// it does not reveal whether the account exists.
        remaining_attempts: u32,
        /// Whether this failure locked the email.
        just_locked: bool,
        /// Failures in a row, including this one.
        failures: u32,
    },
    /// Too many failures: until then no password is accepted, not even the right one.
    #[error("locked after too many failed attempts, until {until}")]
    Locked {
        /// The keyed digest of the email.
        tag: [u8; 16],
        /// The account, if it exists. Do not show it.
        known: Option<AccountId>,
        /// When the lock expires.
        until: Timestamp,
    },
    /// The password could not be hashed because there was too little memory. The attempt counts as
    /// failed.
    #[error("{0}")]
    Hash(HashFailed),
    /// The account directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// The account was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The new password breaks a rule.
    #[error("{0}")]
    Policy(PolicyRefusal),
    /// The new password is the same as the old one.
    #[error("the new password is the old one")]
    SameAsOld,
    /// Another account has the new email.
    #[error("there is already an account with this email")]
    EmailTaken,
    /// Another process changed the account meanwhile.
    #[error("the account was changed by another process just now")]
    ChangedMeanwhile,
    /// The new password could not be hashed because there was too little memory.
    #[error("{0}")]
    Hash(HashFailed),
    /// The account directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}
