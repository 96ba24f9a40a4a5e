//! Looking at sessions: changes nothing, records nothing, and waits for no lock.

use std::time::Duration;

use super::find::Found;
use super::{Owner, Session, SessionError, SessionService};
use crate::session::status::SessionStatus;
use nightlatch_core::id::AccountId;

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
            Found::Nothing => SessionStatus::none(),
            Found::Elsewhere { why, .. } => SessionStatus::elsewhere(why),
            Found::Ended {
                reason,
                session,
                claims,
            } => SessionStatus::ended(reason, session, claims.as_deref()),
        })
    }

    /// The live session of `owner`. Passive, as [`SessionService::status`].
    ///
    /// # Errors
    /// When there is none, or the keeper or the disk fails.
    pub(crate) fn peek(&self, owner: Owner) -> Result<Session, SessionError> {
        match self.find(owner)? {
            Found::Live(session) => Ok(*session),
            Found::Elsewhere { why, .. } => Err(SessionError::Elsewhere(why)),
            _ => Err(SessionError::None),
        }
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

    /// A live session of any account of the home, preferably of the account that signed in last.
    /// Passive, as [`SessionService::status`].
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
