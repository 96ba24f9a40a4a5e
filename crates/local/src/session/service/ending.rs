//! Ending sessions, whatever else is broken: first the keys, then the files, and only then the record.
//! The one place where sessions end.

use std::time::Duration;

use super::find::{Found, death_details};
use super::{Owner, SessionError, SessionLock, SessionService};
use crate::session::keeper::{KeeperError, KeeperKind, Unresponsive};
use crate::session::model::{Elsewhere, EndReason};
use nightlatch_audit::{Appended, AuditName, Details, Event, InvalidReason, TerminationReason};
use nightlatch_core::id::{AccountId, SessionId};

/// How long a lock that another process holds is waited for before the sessions end without it. That
/// process may be stopped, and may not hold up who locks.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSession {
    /// Whose it was.
    pub account: AccountId,
    /// The account's normalized email, where something still told it.
    pub username: Option<String>,
    /// Whether its key was destroyed. One that cannot be reached from here is forgotten at its timeout, and opens
    /// nothing without the session file, which was removed.
    pub key_destroyed: bool,
}

/// What came of ending sessions.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "a session that could not be ended may be live"]
pub struct Ending {
    /// The sessions that were live, or could not be judged, and are not any more.
    pub ended: Vec<EndedSession>,
    /// How many were dead already, and were cleared away.
    pub cleared: usize,
    /// What did not work, the worst first: keys that could not be destroyed, files that could not be
    /// removed, and last that the end could not be recorded.
    pub failures: Vec<SessionError>,
    /// Whether another process held the session lock all the while. The sessions were ended without
    /// it; a command that was just being started may start all the same.
    pub without_lock: bool,
}

/// What ending one session came to.
pub(super) struct End {
    /// What tells of it; none when there was nothing.
    event: Option<Event>,
    username: Option<AuditName>,
    was_live: bool,
    had_key: bool,
    /// Whether it cannot be live any more: its key was destroyed, its file removed, or its end noted.
    is_over: bool,
    failure: Option<SessionError>,
}

/// Who asks for an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// The program, of itself: it clears away what is dead or replaced.
    Ours,
    /// A person, who means this session wherever it is.
    OneSession,
    /// A person, who means every session of the home, whatever else ends with them.
    EverySession,
}

impl End {
    /// The event that tells of it, none when there was nothing.
    pub(super) fn whole(self) -> Result<Option<Event>, SessionError> {
        self.failure.map_or(Ok(self.event), Err)
    }
}

impl SessionService {
    /// Ends the session of every account: those that have a file, the one that signed in last, and
    /// those that `others` names, which is asked once the first are ended. Waits two seconds at most for
    /// the session lock and as long for the audit log's.
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
        // What cannot be read names nobody who is not in the other lists.
        accounts.extend(self.store.current().ok().flatten());
        accounts.sort_unstable();
        accounts.dedup();
        let mut events = Vec::new();
        let demand = Demand::EverySession;
        // All that an agent holds ends with it: after the first session, the others would look as if they had
        // ended before.
        let unanswered = |account: AccountId| self.find(account.into()).err().filter(is_no_answer);
        let unanswered: Vec<_> = accounts.iter().copied().map(unanswered).collect();
        for (&account, unanswered) in accounts.iter().zip(unanswered) {
            events.extend(self.end_into(&mut ending, account, reason, demand, unanswered));
        }
        // The account directory may be slow, and a session without a file is not live.
        for account in others() {
            if accounts.binary_search(&account).is_err() {
                events.extend(self.end_into(&mut ending, account, reason, demand, None));
            }
        }
        self.record_ending(ending, &events, lock)
    }

    /// As [`SessionService::end_all`], of this account alone.
    pub fn end_one(&self, account: AccountId, reason: TerminationReason) -> Ending {
        let lock = self.lock_within(PATIENCE);
        let mut ending = Ending::default();
        let demand = Demand::OneSession;
        let event = self.end_into(&mut ending, account, reason, demand, None);
        self.record_ending(ending, event.as_slice(), lock)
    }

    /// The session lock, if it is to be had in time.
    fn lock_within(&self, limit: Duration) -> Option<SessionLock> {
        match self.store.lock_within(limit) {
            Ok(lock) => lock.map(|lock| SessionLock { _lock: lock }),
            Err(error) => {
                tracing::warn!(%error, "ending without the session lock");
                None
            }
        }
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

    /// Records what was ended, and settles crashes, whose sessions are among them.
    fn record_ending(
        &self,
        mut ending: Ending,
        events: &[Event],
        lock: Option<SessionLock>,
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

    /// Destroys the key, then removes the file: the event that tells of it, none when there was
    /// nothing.
    pub(super) fn end(
        &self,
        _lock: &SessionLock,
        owner: Owner,
        reason: TerminationReason,
    ) -> Result<Option<Event>, SessionError> {
        self.end_by(owner, reason, Demand::Ours, None).whole()
    }

    /// Notes that the account's session ends now, so that it stays ended though its key was out of sight: whether
    /// it could. A session whose key is destroyed is ended whether or not the disk takes another file.
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

    /// Destroys the key that the kernel holds though the agent was chosen, if that can be tried without harm:
    /// whether there was one. Where it cannot, it is forgotten at its timeout, and opens nothing until then.
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

    /// Ends the owner's session. `unanswered` is why it could not be judged before the agent that held its key
    /// was ended with another session.
    fn end_by(
        &self,
        owner: Owner,
        reason: TerminationReason,
        demand: Demand,
        unanswered: Option<SessionError>,
    ) -> End {
        // Even when it cannot be judged it must be possible to end it.
        let found = match (self.find(owner), unanswered) {
            (
                Ok(Found::EndReason {
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
        // What was found dead is so anyway.
        let is_over = is_gone || is_noted || matches!(found, Ok(Found::EndReason { .. }));
        let mut failure = match (destroyed, removed) {
            (Err(error), _) => Some(error),
            // A disk that is read-only refuses to remove what is not there.
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
            // Without its file, a key that is out of reach opens nothing.
            Ok(Found::Elsewhere { session, .. }) => {
                Some((Details::SessionTerminated { reason }, session, None))
            }
            Ok(Found::EndReason {
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
}

/// Whether an agent was waited for in vain.
fn is_no_answer(error: &SessionError) -> bool {
    matches!(error, SessionError::Keeper(KeeperError::NoAnswer { .. }))
}
