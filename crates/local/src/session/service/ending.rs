//! Ending sessions, whatever else is broken: first destroy the keys, then remove the files, and
//! only then record it. All ends of sessions happen here.

use std::time::Duration;

use super::find::{Found, death_details};
use super::{Owner, SessionError, SessionLock, SessionService};
use crate::session::keeper::{KeeperError, KeeperKind, Unresponsive};
use crate::session::model::{Elsewhere, EndReason};
use nightlatch_audit::{Appended, AuditName, Details, Event, InvalidReason, TerminationReason};
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

/// The result of ending one session.
pub(super) struct End {
    /// The event to record; `None` when there was no session.
    event: Option<Event>,
    username: Option<AuditName>,
    was_live: bool,
    had_key: bool,
    /// Whether it can no longer be live: its key was destroyed, its file was removed, or its end
    /// was noted.
    is_over: bool,
    failure: Option<SessionError>,
}

/// Who requested the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// The program itself, to clear away a dead or replaced session.
    Ours,
    /// The user, for this session wherever it is.
    OneSession,
    /// The user, for every session of the home, whatever else ends with them.
    EverySession,
}

impl End {
    /// The event to record; `None` when there was no session.
    pub(super) fn whole(self) -> Result<Option<Event>, SessionError> {
        self.failure.map_or(Ok(self.event), Err)
    }
}

impl SessionService {
    /// Ends the sessions of all accounts: those that have a session file, the one that signed in
    /// last, and those that `others` returns, which is called after the first are ended. Waits at
    /// most two seconds for the session lock, and as long for the audit log's.
    pub fn end_all(
        &self,
        reason: TerminationReason,
        others: impl FnOnce() -> Vec<AccountId>,
    ) -> Ending {
        let lock = self.lock_within(PATIENCE);
        let mut ending = Ending::default();
        let mut accounts = self.store.accounts().unwrap_or_else(|error| {
            ending.failures.push(error.into());
            Vec::new()
        });
        // If this cannot be read, its account is in one of the other lists.
        accounts.extend(self.store.current().ok().flatten());
        accounts.sort_unstable();
        accounts.dedup();
        let mut events = Vec::new();
        let demand = Demand::EverySession;
        // Killing an agent ends everything that it holds. Judge all sessions first: once the first
        // is ended, the others would look as if they had ended before.
        let unanswered = |account: AccountId| self.find(account.into()).err().filter(is_no_answer);
        let unanswered: Vec<_> = accounts.iter().copied().map(unanswered).collect();
        for (&account, unanswered) in accounts.iter().zip(unanswered) {
            events.extend(self.end_into(&mut ending, account, reason, demand, unanswered));
        }
        // Opening the account directory may be slow, and a session without a file is not live.
        for account in others() {
            if accounts.binary_search(&account).is_err() {
                events.extend(self.end_into(&mut ending, account, reason, demand, None));
            }
        }
        self.record_ending(ending, &events, lock)
    }

    /// As [`SessionService::end_all`], for one account.
    pub fn end_one(&self, account: AccountId, reason: TerminationReason) -> Ending {
        let lock = self.lock_within(PATIENCE);
        let mut ending = Ending::default();
        let demand = Demand::OneSession;
        let event = self.end_into(&mut ending, account, reason, demand, None);
        self.record_ending(ending, event.as_slice(), lock)
    }

    fn end_into(
        &self,
        ending: &mut Ending,
        account: AccountId,
        reason: TerminationReason,
        demand: Demand,
        unanswered: Option<SessionError>,
    ) -> Option<Event> {
        let End {
            event,
            username,
            was_live,
            had_key,
            is_over,
            failure,
        } = self.end_by(account.into(), reason, demand, unanswered);
        let is_ended = is_over && !matches!(failure, Some(SessionError::Keeper(_)));
        ending.failures.extend(failure);
        event.as_ref()?;
        if was_live && is_ended {
            let username = username.map(|name| name.as_str().to_owned());
            ending.ended.push(EndedSession {
                account,
                username,
                key_destroyed: had_key,
            });
        } else if is_ended {
            ending.cleared += 1;
        }
        event.filter(|_| is_ended)
    }

    /// Records the ended sessions and settles crashes, whose sessions are among them.
    fn record_ending(
        &self,
        mut ending: Ending,
        events: &[Event],
        lock: Option<SessionLock<'_>>,
    ) -> Ending {
        ending.without_lock = lock.is_none();
        ending.failures.sort_by_key(|failure| match failure {
            SessionError::Keeper(_) => 0,
            _ => 1,
        });
        if events.is_empty() {
            return ending;
        }
        let recorded = self.audit.append_within(events, PATIENCE);
        let recorded = recorded.and_then(Appended::sync);
        match (recorded, lock) {
            (Err(error), _) => ending.failures.push(error.into()),
            (Ok(()), Some(lock)) if ending.failures.is_empty() => {
                ending.failures.extend(self.settle_crashes(&lock).err());
            }
            _ => {}
        }
        ending
    }

    /// Destroys the key, then removes the file. Returns the event to record, or `None` when there
    /// was no session.
    pub(super) fn end(
        &self,
        _lock: &SessionLock<'_>,
        owner: Owner,
        reason: TerminationReason,
    ) -> Result<Option<Event>, SessionError> {
        self.end_by(owner, reason, Demand::Ours, None).whole()
    }

    /// Notes that the account's session ends now, so that it stays ended even if its key could not
    /// be reached. Returns whether that worked. A session whose key is destroyed has ended, whether
    /// or not the note can be written.
    fn note_end(&self, account: AccountId) -> bool {
        let now = self.clock.now().boot;
        let noted = self
            .clock
            .boot()
            .map_err(SessionError::Boot)
            .and_then(|boot| Ok(self.store.note_end(account, boot.id, now)?));
        if let Err(error) = &noted {
            tracing::warn!(%error, "cannot note the end of a session");
        }
        noted.is_ok()
    }

    /// Destroys a key that the kernel holds although the agent is configured, if trying that is
    /// safe. Returns whether there was one. Otherwise the kernel drops it at its timeout, and it
    /// opens nothing until then.
    fn destroy_unchosen(&self, account: AccountId) -> bool {
        if (self.is_filtered)() {
            return false;
        }
        let kernel = Some(KeeperKind::Kernel);
        match self.destroy(account, kernel, Unresponsive::Stays) {
            Ok(had_key) => had_key,
            Err(error) => {
                tracing::warn!(%error, "a replaced session leaves its key until its timeout");
                false
            }
        }
    }

    /// Ends the owner's session. `unanswered` is why it could not be judged before its agent was
    /// killed to end another session.
    fn end_by(
        &self,
        owner: Owner,
        reason: TerminationReason,
        demand: Demand,
        unanswered: Option<SessionError>,
    ) -> End {
        // It must be possible to end a session even when it cannot be judged.
        let found = match (self.find(owner), unanswered) {
            (
                Ok(Found::Ended {
                    reason: EndReason::KeyGone,
                    ..
                }),
                Some(unanswered),
            ) => Err(unanswered),
            (found, _) => found,
        };
        let is_in_kernel = matches!(
            found,
            Ok(Found::Elsewhere {
                why: Elsewhere::NotChosen(KeeperKind::Kernel),
                ..
            })
        );
        let known = (is_in_kernel && demand != Demand::Ours).then_some(KeeperKind::Kernel);
        let unresponsive = match demand {
            Demand::EverySession => Unresponsive::IsEnded,
            Demand::OneSession | Demand::Ours => Unresponsive::Stays,
        };
        let mut destroyed = self.destroy(owner.account, known, unresponsive);
        if is_in_kernel && demand == Demand::Ours {
            destroyed = destroyed.map(|had_key| had_key | self.destroy_unchosen(owner.account));
        }
        let is_noted = !matches!(found, Ok(Found::Nothing)) && self.note_end(owner.account);
        let removed = self.store.remove(owner.account);
        let had_key = matches!(destroyed, Ok(true));
        let is_gone = had_key || matches!(removed, Ok(true));
        // A session that was found dead is over in any case.
        let is_over = is_gone || is_noted || matches!(found, Ok(Found::Ended { .. }));
        let mut failure = match (destroyed, removed) {
            (Err(error), _) => Some(error),
            // A read-only disk refuses even to remove a missing file.
            (_, Err(error)) if !matches!(found, Ok(Found::Nothing)) => Some(error.into()),
            _ => None,
        };
        let mut was_live = true;
        let described: Option<(Details, Option<SessionId>, Option<AuditName>)> = match found {
            Ok(Found::Live(session)) => Some((
                Details::SessionTerminated { reason },
                Some(session.id()),
                Some(AuditName::known(session.username())),
            )),
            // Without its file, an unreachable key opens nothing.
            Ok(Found::Elsewhere { session, .. }) => {
                Some((Details::SessionTerminated { reason }, session, None))
            }
            Ok(Found::Ended {
                reason,
                session,
                claims,
            }) => {
                was_live = false;
                let name = claims.map(|both| AuditName::known(&both.0.username));
                Some((death_details(reason), session, name))
            }
            Ok(Found::Nothing) => None,
            Err(_) if is_gone => {
                let reason = InvalidReason::Unreadable;
                Some((Details::SessionInvalid { reason }, None, None))
            }
            Err(error) => {
                failure = failure.or(Some(error));
                None
            }
        };
        let Some((details, session, name)) = described else {
            return End {
                event: None,
                username: None,
                was_live,
                had_key,
                is_over,
                failure,
            };
        };
        let name = name.or_else(|| (self.names)(owner.account));
        let mut event = Event::new(details);
        if let Some(name) = &name {
            event = event.about(name.clone());
        }
        if let Some(session) = session {
            event = event.in_session(session);
        }
        End {
            event: Some(event),
            username: name,
            was_live,
            had_key,
            is_over,
            failure,
        }
    }

    /// Ends and records every session, of any account, that a process died holding. Only then may
    /// the crashes be forgotten.
    pub(super) fn settle_crashes(&self, lock: &SessionLock<'_>) -> Result<(), SessionError> {
        // List the crashes before judging sessions; a process that crashes later is settled next
        // time.
        let crashes = self.crashes.unsettled()?;
        let accounts = if crashes.is_empty() {
            Vec::new()
        } else {
            self.store.accounts()?
        };
        for owner in accounts.into_iter().map(Owner::from) {
            let ends = match self.find(owner) {
                Ok(Found::Ended { reason, .. }) => reason == EndReason::Crash,
                Ok(Found::Live(_) | Found::Nothing | Found::Elsewhere { .. }) => false,
                // A session that cannot be judged may have crashed as well.
                Err(_) => true,
            };
            if ends && let Some(event) = self.end(lock, owner, TerminationReason::Crash)? {
                self.audit.append_durable(&[event])?;
            }
        }
        Ok(self.crashes.forget(&crashes)?)
    }
}

/// Whether an agent did not answer in time.
fn is_no_answer(error: &SessionError) -> bool {
    matches!(error, SessionError::Keeper(KeeperError::NoAnswer { .. }))
}
