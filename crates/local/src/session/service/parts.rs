//! What the service is handed, and what it gives back.

use std::time::Duration;

use super::SessionLock;
use super::live::Session;
use crate::config::Limits;
use nightlatch_audit::{Appended, AuditName};
use nightlatch_core::crypto::Key;
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_platform::fs::FsError;

/// Who tells whether a process died holding a session.
pub trait CrashWatch: Send + Sync {
    /// Whether a guard process died holding `session`.
    ///
    /// # Errors
    /// When that cannot be told; the session is then not judged live.
    fn crashed(&self, session: SessionId) -> Result<bool, FsError>;

    /// The names of the crashes that were not forgotten, of whatever session.
    ///
    /// # Errors
    /// When they cannot be told.
    fn unsettled(&self) -> Result<Vec<String>, FsError>;

    /// Forgets these crashes, and no other: a process may die at any time. Called under the session
    /// lock, once every session they ended, of whatever account, is cleared away: what is forgotten
    /// too early comes to life again.
    ///
    /// # Errors
    /// When they cannot be forgotten.
    fn forget(&self, crashes: &[String]) -> Result<(), FsError>;
}

/// Tells the audit log whose session it was, where the session itself no longer does.
pub type NameLookup = Box<dyn Fn(AccountId) -> Option<AuditName> + Send + Sync>;

/// Whose session is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub account: AccountId,
    /// The account's generation, where the account directory was read anyway. A session of another
    /// generation is not live. (A password change destroys the key of every session, so that
    /// callers that did not read the directory are safe without it.)
    pub generation: Option<u64>,
}

impl From<AccountId> for Owner {
    fn from(account: AccountId) -> Self {
        Self {
            account,
            generation: None,
        }
    }
}

/// What a new session is made of.
pub struct NewSession {
    /// Whose it is.
    pub account: AccountId,
    /// The account's normalized email.
    pub username: String,
    /// The account's generation at sign-in.
    pub generation: u64,
    /// The account's key.
    pub account_key: Key,
    /// How long it lasts.
    pub limits: Limits,
}

/// How a session is to be used.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// What for, as the audit log will tell it.
    pub action: &'a str,
    /// Whether it counts as activity.
    pub extend: bool,
    /// The least time that must be left afterwards.
    pub min_remaining: Duration,
}

/// A session that was judged live under the session lock, with the lock: what starts before it is given
/// back starts before the session can end.
#[must_use = "the judgement holds only while the lock is held"]
pub struct Judged {
    /// The session.
    pub session: Session,
    /// The lock under which it was judged. Hold it no longer than a start takes: others wait for it.
    pub lock: SessionLock,
}

/// A session that was used, and the record of it.
pub struct Touched {
    /// The session as it is now.
    pub session: Session,
    /// The record; sync it where it must be durable.
    pub record: Appended,
}
