//! Looking at sessions: changes nothing, records nothing, and waits for no lock.

use std::time::Duration;

use super::find::Found;
use super::{Owner, Session, SessionError, SessionService};
use crate::session::model::EndReason;
use crate::session::revocation::Revocation;
use crate::session::status::{SessionState, SessionStatus};
use nightlatch_core::id::{AccountId, SessionId};

/// How long to wait while another process changes a session.
const CHANGING_HANDS: Duration = Duration::from_millis(50);

impl SessionService {
    /// The status of the account's session. Changes nothing, records nothing, waits for no lock.
    ///
    /// # Errors
    /// When the keeper or the disk fails.
    pub fn status(&self, owner: Owner) -> Result<SessionStatus, SessionError> {
        let crashed_at_all = !self.crashes.unsettled()?.is_empty();
        let look = || {
            if crashed_at_all {
                self.find(owner)
            } else {
                self.find_where(owner, |_| Ok(false))
            }
        };
        let mut found = look()?;
        if !matches!(found, Found::Live(_) | Found::Nothing) {
            // The session may be changing right now. Give the lock's holder a moment, but do not
            // wait for it.
            if self.store.is_locked()? {
                self.clock.sleep(CHANGING_HANDS);
            }
            found = look()?;
        }
        // If a crash was forgotten meanwhile, its session was ended before, and a second look finds
        // no key.
        if crashed_at_all && matches!(found, Found::Live(_)) {
            found = look()?;
        }
        Ok(match found {
            Found::Live(session) => session.status(),
            _ if let Some(revocation) = self.revocation_of(owner.account, &found) => {
                SessionStatus::revoked(revocation)
            }
            Found::Nothing => SessionStatus::none(),
            Found::Elsewhere { why, .. } => SessionStatus::elsewhere(why),
            Found::Ended {
                reason,
                session,
                claims,
            } => SessionStatus::ended(reason, session, claims.as_deref()),
        })
    }

    /// The status of every account that has a live session, or one that cannot be seen from here.
    /// Passive, as [`SessionService::status`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn statuses(&self) -> Result<Vec<SessionStatus>, SessionError> {
        let accounts = self.accounts()?.into_iter();
        let statuses = accounts.map(|account| self.status(account.into()));
        let is_shown = |status: &SessionStatus| {
            status.state == SessionState::Active || status.elsewhere.is_some()
        };
        statuses
            .filter(|status| status.as_ref().map_or(true, is_shown))
            .collect()
    }

    /// Whether this session was the last one of an account to be revoked, and nobody has signed in
    /// since. Passive, as [`SessionService::status`].
    ///
    /// # Errors
    /// When the notes of revocations cannot be read.
    pub(crate) fn was_revoked(&self, session: SessionId) -> Result<bool, SessionError> {
        for account in self.store.revoked_accounts()? {
            let last = self.store.revocations(account)?.last;
            if last.is_some_and(|last| last.session_id == Some(session)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The live session of `owner`. Passive, as [`SessionService::status`].
    ///
    /// # Errors
    /// When there is none, or the keeper or the disk fails.
    pub(crate) fn peek(&self, owner: Owner) -> Result<Session, SessionError> {
        match self.find(owner)? {
            Found::Live(session) => Ok(*session),
            Found::Elsewhere { why, .. } => Err(SessionError::Elsewhere(why)),
            _ => Err(self.no_session(owner.account)),
        }
    }

    /// Why there is no session: the last one was revoked, or there is none.
    pub(super) fn no_session(&self, account: AccountId) -> SessionError {
        match self.revocation_of(account, &Found::Nothing) {
            Some(revocation) => SessionError::Revoked(Box::new(revocation)),
            None => SessionError::None,
        }
    }

    /// The revocation that explains what was found, if there was one. The session has ended either
    /// way, so a note that cannot be read is only missed.
    fn revocation_of(&self, account: AccountId, found: &Found) -> Option<Revocation> {
        let revocation = self.store.revocations(account).ok()?.last?;
        let is_it = match found {
            Found::Nothing => true,
            Found::Ended {
                reason, session, ..
            } => *reason == EndReason::Revoked || *session == revocation.session_id,
            Found::Live(_) | Found::Elsewhere { .. } => false,
        };
        is_it.then_some(revocation)
    }

    /// The normalized email in `account`'s live session, if it has one. Passive, as
    /// [`SessionService::status`].
    ///
    /// # Errors
    /// When the keeper or the disk fails.
    pub(crate) fn live_name(&self, account: AccountId) -> Result<Option<String>, SessionError> {
        Ok(match self.find(account.into())? {
            Found::Live(session) => Some(session.username().to_owned()),
            Found::Nothing | Found::Elsewhere { .. } | Found::Ended { .. } => None,
        })
    }

    /// A live session of any account of the home, preferably of the account in use. Passive,
    /// as [`SessionService::status`].
    ///
    /// # Errors
    /// When none is live, and at least one could not be judged.
    pub(crate) fn any_live(&self) -> Result<Option<Session>, SessionError> {
        let mut accounts: Vec<_> = self.current()?.into_iter().collect();
        accounts.extend(self.accounts()?);
        let mut failure = None;
        for account in accounts {
            match self.find(account.into()) {
                Ok(Found::Live(session)) => return Ok(Some(*session)),
                Ok(Found::Nothing | Found::Elsewhere { .. } | Found::Ended { .. }) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }
}
