//! Looking at accounts: lists and profiles. Passive.

use super::{Guard, GuardError, Home};
use crate::account::Account;
use crate::session::{SessionState, SessionStatus};
use nightlatch_core::clock::Timestamp;

/// An account in a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountOverview {
    /// The account.
    pub account: Account,
    /// Whether commands use it where none is named.
    pub is_current: bool,
    /// Whether it has a live session.
    pub is_signed_in: bool,
}

/// What there is to know about an account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// The account.
    pub account: Account,
    /// Whether commands use it where none is named.
    pub is_current: bool,
    /// Its session.
    pub session: SessionStatus,
    /// When its recovery code was made; `None` when it has none.
    pub recovery_code_since: Option<Timestamp>,
    /// How many secrets it has.
    pub secrets: u64,
}

impl Guard {
    /// All accounts of the home, sorted by email.
    ///
    /// # Errors
    /// When the accounts or their sessions cannot be read.
    pub fn list_accounts(&self) -> Result<Vec<AccountOverview>, GuardError> {
        let Some(home) = &self.home else {
            return Ok(Vec::new());
        };
        let current = home.sessions.current()?;
        let with_file = home.sessions.accounts()?;
        let overview = |account: Account| {
            // Only an account with a session file can be signed in.
            let is_signed_in = with_file.contains(&account.id)
                && session_of(home, &account)?.state == SessionState::Active;
            Ok(AccountOverview {
                is_current: current == Some(account.id),
                is_signed_in,
                account,
            })
        };
        home.accounts.all()?.into_iter().map(overview).collect()
    }

    /// What there is to know about an account.
    ///
    /// # Errors
    /// When the account or its session cannot be read.
    pub fn profile(&self, account: &Account) -> Result<Profile, GuardError> {
        let home = self.home()?;
        Ok(Profile {
            account: account.clone(),
            is_current: home.sessions.current()? == Some(account.id),
            session: session_of(home, account)?,
            recovery_code_since: home.accounts.recovery_code_since(account)?,
            secrets: home.accounts.secrets_of(account.id)?,
        })
    }
}

fn session_of(home: &Home, account: &Account) -> Result<SessionStatus, GuardError> {
    Ok(home.sessions.status(account.into())?)
}
