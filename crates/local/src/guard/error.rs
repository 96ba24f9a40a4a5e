//! Errors of the guard.

use std::time::Duration;

use crate::account::{ChangeError, DirectoryError, PolicyRefusal, Untypeable};
use crate::config::ConfigError;
use crate::guard::run::RunError;
use crate::paths::NoHomeDirectory;
use crate::secrets::SecretStoreError;
use crate::session::{AgentError, Elsewhere, EndReason, Revocation, SessionError};
use nightlatch_audit::AuditError;
use nightlatch_core::crypto::kdf::HashFailed;
use nightlatch_core::id::SessionId;
use nightlatch_platform::fs::FsError;

/// A failure, as opposed to a denial.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no home directory to keep data in.
    #[error(transparent)]
    NoHome(#[from] NoHomeDirectory),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// A session operation failed.
    #[error(transparent)]
    Session(SessionError),
    /// The account directory failed.
    #[error(transparent)]
    Account(#[from] DirectoryError),
    /// Secrets could not be sealed again.
    #[error(transparent)]
    Secrets(#[from] SecretStoreError),
    /// The password could not be hashed; in practice, there was too little memory.
    #[error(transparent)]
    Hash(HashFailed),
    /// The agent cannot serve.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The audit log cannot be written or read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Several accounts have a session, and none was selected.
    #[error(
        "several accounts are signed in, and the record of which one signed in last is missing or damaged"
    )]
    AccountUnclear,
    /// There is no account with this email.
    #[error("there is no account {0} in this home")]
    NoSuchAccount(String),
    /// There is no session with this id.
    #[error("there is no session {0} in this home")]
    NoSuchSession(SessionId),
    /// The system provides no random numbers.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl From<SessionError> for GuardError {
    /// A failure to record is [`GuardError::Audit`], whichever layer failed.
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Audit(error) => Self::Audit(error),
            SessionError::File(error) => Self::File(error),
            error => Self::Session(error),
        }
    }
}

/// Why a guarded action was not allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// There is no live session; `ended` says why the last one ended.
    #[error("{}", no_session(*.ended))]
    NoSession {
        /// Why the last session ended, if there was one.
        ended: Option<EndReason>,
    },
    /// The session was revoked, and nobody has signed in since.
    #[error("no live session: it was revoked: {}", .0.reason)]
    Revoked(Box<Revocation>),
    /// The session belongs to an account that does not count here (see
    /// [`GuardConfig::accounts`](crate::guard::GuardConfig::accounts)).
    #[error("the session of {account} does not count here, only that of {accepted}")]
    OtherAccount {
        /// The account that is signed in, or was named.
        account: String,
        /// The accounts whose sessions count, in words.
        accepted: String,
    },
    /// There may be a live session that cannot be seen from here. It was left alone.
    #[error("no live session here: {0}")]
    Elsewhere(Elsewhere),
    /// The session would end too soon.
    #[error(
        "the session ends in {}, and at least {} are asked for",
        humantime::format_duration(Duration::from_secs(.remaining.as_secs())),
        humantime::format_duration(*.wanted)
    )]
    TooLittleTime {
        /// The session's remaining time.
        remaining: Duration,
        /// The required time.
        wanted: Duration,
    },
    /// It could not be determined whether there is a session, or its use could not be recorded.
    #[error(transparent)]
    Failed(#[from] GuardError),
}

fn no_session(ended: Option<EndReason>) -> String {
    ended.map_or_else(
        || "no live session".to_owned(),
        |reason| format!("no live session: {reason}"),
    )
}

impl From<SessionError> for Denied {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::None => Self::NoSession { ended: None },
            SessionError::Revoked(revocation) => Self::Revoked(revocation),
            SessionError::Elsewhere(why) => Self::Elsewhere(why),
            SessionError::Ended(reason) => Self::NoSession {
                ended: Some(reason),
            },
            SessionError::TooLittleTime { remaining, wanted } => {
                Self::TooLittleTime { remaining, wanted }
            }
            error => Self::Failed(error.into()),
        }
    }
}

/// Why a guarded command did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It was not allowed to start.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It was allowed, but a secret for it is missing or cannot be given.
    #[error(transparent)]
    Secret(#[from] SecretStoreError),
    /// It was allowed, but could not be started.
    #[error(transparent)]
    Start(#[from] RunError),
}

impl From<SessionError> for CommandError {
    fn from(error: SessionError) -> Self {
        Self::Denied(error.into())
    }
}

impl From<GuardError> for CommandError {
    fn from(error: GuardError) -> Self {
        Self::Denied(error.into())
    }
}

/// Why sign-in failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The text cannot be a password of any account, for example because of a carriage return. It
    /// is not a failed sign-in: nothing is counted or recorded.
    #[error("the password has {0}, which no password can have")]
    Untypeable(Untypeable),
    /// No such account, or a wrong password; never distinguished.
    #[error("sign-in failed: wrong email or password")]
    Wrong {
        /// How many attempts are left before the email is locked. The same for unknown and known
        /// names, so showing it does not reveal whether the account exists.
        remaining_attempts: u32,
    },
    /// Too many failures, for unknown and known names alike.
    #[error("sign-in is locked after too many failures")]
    Locked {
        /// How long the lock lasts at most.
        retry_after: Duration,
    },
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] GuardError),
}

/// Why an account was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The password does not meet the rules.
    #[error(transparent)]
    Password(#[from] PolicyRefusal),
    /// An account with this email exists.
    #[error("there is an account with that email already")]
    EmailTaken,
    /// The home has an account, and nobody is signed in: a new account needs a live session or the
    /// password of an existing account ([`Guard::vouch`](crate::guard::Guard::vouch)).
    #[error(
        "this home has an account already: creating another one takes a live session or an existing account's password"
    )]
    NoSponsor,
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] GuardError),
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordChangeError {
    /// There is no account to change the password of, or there are several and none was named.
    #[error("which account? none is signed in")]
    NoAccount,
    /// The old password was not accepted.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The new password does not meet the rules.
    #[error(transparent)]
    Password(#[from] PolicyRefusal),
    /// The new password is the same as the old one.
    #[error("the new password is the old one")]
    SameAsOld,
    /// Another process changed it at the same time.
    #[error("the password was changed by another process just now")]
    ChangedMeanwhile,
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] GuardError),
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The password was not accepted.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// There is no live session of the account.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Another account has the new email.
    #[error("there is an account with that email already")]
    EmailTaken,
    /// Another process changed or removed the account at the same time.
    #[error("the account was changed by another process just now")]
    ChangedMeanwhile,
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] GuardError),
}

impl From<SessionError> for AccountError {
    fn from(error: SessionError) -> Self {
        match Denied::from(error) {
            Denied::Failed(error) => Self::Failed(error),
            denied => Self::Denied(denied),
        }
    }
}

impl From<ChangeError> for AccountError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::EmailTaken => Self::EmailTaken,
            // Only a new password can break a rule, and none of these changes sets one.
            ChangeError::Policy(_) | ChangeError::SameAsOld | ChangeError::ChangedMeanwhile => {
                Self::ChangedMeanwhile
            }
            ChangeError::Hash(error) => GuardError::Hash(error).into(),
            ChangeError::Directory(error) => GuardError::from(error).into(),
        }
    }
}

/// Why no password was set with a recovery code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// No such account, no recovery code, or a wrong one; never distinguished.
    #[error("recovery failed: wrong email or recovery code")]
    Wrong {
        /// How many attempts are left before recovery is locked. The same for unknown and known
        /// names.
        remaining_attempts: u32,
    },
    /// Too many failures, for unknown and known names alike.
    #[error("recovery is locked after too many failures")]
    Locked {
        /// How long the lock lasts at most.
        retry_after: Duration,
    },
    /// The new password does not meet the rules.
    #[error(transparent)]
    Password(#[from] PolicyRefusal),
    /// The new password is the same as the old one.
    #[error("the new password is the old one")]
    SameAsOld,
    /// Another process used or replaced the code, or changed the password, at the same time.
    #[error("the recovery code was used or replaced by another process just now")]
    UsedMeanwhile,
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] GuardError),
}

impl From<SignInError> for RecoverError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Wrong { remaining_attempts } => Self::Wrong { remaining_attempts },
            SignInError::Locked { retry_after } => Self::Locked { retry_after },
            SignInError::Failed(error) => Self::Failed(error),
            // Only a password can be untypeable.
            SignInError::Untypeable(_) => Self::Wrong {
                remaining_attempts: 0,
            },
        }
    }
}
