//! What the session service needs from its callers: their inputs, and the interfaces that they implement.

use std::time::Duration;

use crate::config::Limits;
use nightlatch_audit::AuditName;
use nightlatch_core::crypto::AccountKey;
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_platform::fs::FsError;

/// Reports whether a process died while it held a session.
pub trait CrashWatch: Send + Sync {
    /// Whether a guard process died while it held `session`.
    ///
    /// # Errors
    /// When that cannot be determined; the session then does not count as live.
    fn crashed(&self, session: SessionId) -> Result<bool, FsError>;

    /// The names of all crashes that were not forgotten, for any session.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn unsettled(&self) -> Result<Vec<String>, FsError>;

    /// Forgets these crashes only, because a process may die at any time. Called under the session
    /// lock, once every session that they ended, of any account, is cleared away: forgetting a
    /// crash too early would make its session live again.
    ///
    /// # Errors
    /// When they cannot be forgotten.
    fn forget(&self, crashes: &[String]) -> Result<(), FsError>;
}

/// Returns an account's name for the audit log, when the session no longer provides it.
pub type NameLookup = Box<dyn Fn(AccountId) -> Option<AuditName> + Send + Sync>;

/// Identifies the session by its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub account: AccountId,
    /// The account's generation, if the account directory was read anyway. A session of another
    /// generation is not live. (A password change destroys the key of every session, so callers
    /// that did not read the directory are safe without it.)
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

/// The inputs of a new session.
pub struct NewSession {
    /// The account that it belongs to.
    pub account: AccountId,
    /// The account's normalized email.
    pub username: String,
    /// The account's generation at sign-in.
    pub generation: u64,
    /// The account's key.
    pub account_key: AccountKey,
    /// Its idle and absolute limits.
    pub limits: Limits,
}

/// How to use a session.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The purpose, as recorded in the audit log.
    pub action: &'a str,
    /// Whether it counts as activity.
    pub extend: bool,
    /// The least remaining time required afterwards.
    pub min_remaining: Duration,
}
