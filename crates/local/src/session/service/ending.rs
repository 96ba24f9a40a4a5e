//! Ending sessions at the user's request, whatever else is broken: first every session is ended,
//! and only then is that recorded.

use std::time::Duration;

use super::end::{Demand, End, EndCause};
use super::{SessionError, SessionLock, SessionService};
use crate::session::file::Header;
use crate::session::keeper::KeeperError;
use nightlatch_audit::{Appended, Event};
use nightlatch_core::id::{AccountId, SessionId};

/// How long to wait for a lock that another process holds before ending the sessions without it.
/// That process may be stopped, and must not delay whoever ends the sessions.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSession {
    /// The account that it belonged to.
    pub account: AccountId,
    /// The account's normalized email, if it could be determined.
    pub username: Option<String>,
    /// Whether its key was destroyed. A key that cannot be reached from here is forgotten at its
    /// timeout, and opens nothing without the session file, which was removed.
    pub key_destroyed: bool,
}

/// The result of ending sessions.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "a session that could not be ended may be live"]
pub struct Ending {
    /// The sessions that were live or could not be judged, and are now ended.
    pub ended: Vec<EndedSession>,
    /// How many were dead already and were cleared away.
    pub cleared: usize,
    /// The failures, the worst first: keys that could not be destroyed, files that could not be
    /// removed, and then a failure to record the end.
    pub failures: Vec<SessionError>,
    /// Whether another process held the session lock the whole time. The sessions were ended
    /// without it, so a command that was just being started may still start.
    pub without_lock: bool,
}

/// Sessions that are ended, but not yet recorded as such. Holds the session lock, unless another
/// process did not release it in time.
#[must_use = "the ends are not recorded yet"]
pub struct UnrecordedEnding<'a> {
    service: &'a SessionService,
    lock: Option<SessionLock<'a>>,
    cause: EndCause,
    demand: Demand,
    /// The accounts whose sessions were ended, whether there were any or not.
    accounts: Vec<AccountId>,
    /// Those of them that had no live session.
    without_session: Vec<AccountId>,
    events: Vec<Event>,
    ending: Ending,
}

impl SessionService {
    /// Ends the sessions of all accounts: those that have a session file, and the one in use.
    /// Waits at most two seconds for the session lock.
    pub fn end_all(&self, cause: impl Into<EndCause>) -> UnrecordedEnding<'_> {
        let mut ending = self.begin_ending(cause.into(), Demand::EverySession);
        let mut accounts = self.store.accounts().unwrap_or_else(|error| {
            ending.ending.failures.push(error.into());
            Vec::new()
        });
        // If this cannot be read, its account is in one of the other lists.
        accounts.extend(self.store.current().ok().flatten());
        accounts.sort_unstable();
        accounts.dedup();
        // Killing an agent ends everything that it holds. Judge all sessions first: once the first
        // is ended, the others would look as if they had ended before.
        let unanswered = |account: AccountId| self.find(account.into()).err().filter(is_no_answer);
        let unanswered: Vec<_> = accounts.iter().copied().map(unanswered).collect();
        for (&account, unanswered) in accounts.iter().zip(unanswered) {
            ending.end(account, unanswered);
        }
        ending
    }

    /// As [`SessionService::end_all`], for one account.
    pub fn end_one(&self, account: AccountId, cause: impl Into<EndCause>) -> UnrecordedEnding<'_> {
        let mut ending = self.begin_ending(cause.into(), Demand::OneSession);
        ending.end(account, None);
        ending
    }

    /// As [`SessionService::end_one`], for this session, if it is the account's when the lock is
    /// taken.
    pub fn end_session(
        &self,
        session: SessionId,
        cause: impl Into<EndCause>,
    ) -> UnrecordedEnding<'_> {
        let mut ending = self.begin_ending(cause.into(), Demand::OneSession);
        match self.account_of(session) {
            Ok(None) => {}
            Ok(Some(account)) => ending.end(account, None),
            Err(error) => ending.ending.failures.push(error),
        }
        ending
    }

    /// The account whose session file is of `session`.
    fn account_of(&self, session: SessionId) -> Result<Option<AccountId>, SessionError> {
        let accounts = self.store.accounts()?;
        let is_of = |header: Header| header.session == session;
        Ok(accounts
            .into_iter()
            .find(|&account| self.header_of(account).is_some_and(is_of)))
    }

    fn begin_ending(&self, cause: EndCause, demand: Demand) -> UnrecordedEnding<'_> {
        UnrecordedEnding {
            service: self,
            lock: self.lock_within(PATIENCE),
            cause,
            demand,
            accounts: Vec::new(),
            without_session: Vec::new(),
            events: Vec::new(),
            ending: Ending::default(),
        }
    }
}

impl UnrecordedEnding<'_> {
    /// Ends the sessions of more accounts as well. A session without a file is not live, so finding
    /// out which accounts there are may come after the first are ended.
    pub fn and_of(mut self, accounts: &[AccountId]) -> Self {
        for &account in accounts {
            if !self.accounts.contains(&account) {
                self.end(account, None);
            }
        }
        self
    }

    /// The accounts whose sessions were ended, whether there were any or not.
    pub fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    fn end(&mut self, account: AccountId, unanswered: Option<SessionError>) {
        self.accounts.push(account);
        let End {
            event,
            username,
            was_live,
            had_key,
            is_over,
            is_noted,
            failures,
        } = self
            .service
            .end_by(account.into(), &self.cause, self.demand, unanswered);
        let has_key_left = failures
            .iter()
            .any(|failure| matches!(failure, SessionError::Keeper(_)));
        if (event.is_none() || !was_live) && failures.is_empty() {
            self.without_session.push(account);
        }
        // No key opens a session whose revocation is noted.
        let is_ended = is_noted || is_over && !has_key_left;
        self.ending.failures.extend(failures);
        if let Some(event) = event.filter(|_| is_ended) {
            self.events.push(event);
            if was_live {
                let username = username.map(|name| name.as_str().to_owned());
                self.ending.ended.push(EndedSession {
                    account,
                    username,
                    key_destroyed: had_key,
                });
            } else {
                self.ending.cleared += 1;
            }
        }
    }

    /// Records the ended sessions, and the revocation of accounts that had none, and settles crashes,
    /// whose sessions are among them. Waits at most two seconds for the audit log's lock.
    pub fn record(self) -> Ending {
        let Self {
            service,
            lock,
            cause,
            without_session,
            mut events,
            mut ending,
            ..
        } = self;
        ending.without_lock = lock.is_none();
        if let EndCause::Revoked(reason) = cause {
            for account in without_session {
                match service.revocation_without_session(account, &reason) {
                    Ok(event) => events.extend(event),
                    Err(error) => ending.failures.push(error),
                }
            }
        }
        ending.failures.sort_by_key(|failure| match failure {
            SessionError::Keeper(_) => 0,
            _ => 1,
        });
        if events.is_empty() {
            return ending;
        }
        let recorded = service.audit.append_within(&events, PATIENCE);
        let recorded = recorded.and_then(Appended::sync);
        match (recorded, lock) {
            (Err(error), _) => ending.failures.push(error.into()),
            (Ok(()), Some(lock)) if ending.failures.is_empty() => {
                ending.failures.extend(service.settle_crashes(&lock).err());
            }
            _ => {}
        }
        ending
    }
}

/// Whether an agent did not answer in time.
fn is_no_answer(error: &SessionError) -> bool {
    matches!(error, SessionError::Keeper(KeeperError::NoAnswer { .. }))
}
