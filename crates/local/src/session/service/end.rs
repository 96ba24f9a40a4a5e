//! The end of one session: first destroy the key, then remove the file, and only then record it. All
//! ends of sessions happen here.

use super::find::{Found, death_details};
use super::{Owner, SessionError, SessionLock, SessionService};
use crate::session::keeper::{KeeperKind, Unresponsive};
use crate::session::model::{Elsewhere, EndReason};
use crate::session::revocation::Revocation;
use nightlatch_audit::{
    AuditName, Details, Event, InvalidReason, RevocationReason, RevocationScope, TerminationReason,
};
use nightlatch_core::id::{AccountId, SessionId};

/// Why a session is ended.
#[derive(Clone, Debug)]
pub enum EndCause {
    /// It is ended for this reason.
    Terminated(TerminationReason),
    /// A person revokes it, and says why. No copy of it lives again, and the account's next status
    /// gives the reason.
    Revoked(RevocationReason),
}

impl From<TerminationReason> for EndCause {
    fn from(reason: TerminationReason) -> Self {
        Self::Terminated(reason)
    }
}

impl EndCause {
    /// The record of a session that was live or may have been.
    fn details(&self) -> Details {
        match self {
            Self::Terminated(reason) => Details::SessionTerminated { reason: *reason },
            Self::Revoked(reason) => revoked(reason, None),
        }
    }
}

/// The record of a revocation of one session, or with `sessions` of an account that had so many.
fn revoked(reason: &RevocationReason, sessions: Option<u64>) -> Details {
    Details::SessionRevoked {
        reason: reason.clone(),
        incident: None,
        scope: sessions.map(|_| RevocationScope::Account),
        sessions,
        by: None,
    }
}

/// Who requested the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// The program itself, to clear away a dead or replaced session.
    Ours,
    /// The user, for this session wherever it is.
    OneSession,
    /// The user, for every session of the home, whatever else ends with them.
    EverySession,
}

/// The result of ending one session.
#[derive(Default)]
pub(super) struct End {
    /// The event to record; `None` when there was no session.
    pub(super) event: Option<Event>,
    pub(super) username: Option<AuditName>,
    pub(super) was_live: bool,
    pub(super) had_key: bool,
    /// Whether it can no longer be live: its key was destroyed, its file was removed, or its end
    /// was noted.
    pub(super) is_over: bool,
    /// Whether its revocation was noted.
    pub(super) is_noted: bool,
    /// What failed, the worst first.
    pub(super) failures: Vec<SessionError>,
}

impl End {
    /// The event to record; `None` when there was no session.
    pub(super) fn whole(self) -> Result<Option<Event>, SessionError> {
        let failure = self.failures.into_iter().next();
        failure.map_or(Ok(self.event), Err)
    }
}

impl SessionService {
    /// Destroys the key, then removes the file. Returns the event to record, or `None` when there
    /// was no session.
    pub(super) fn end(
        &self,
        _lock: &SessionLock<'_>,
        owner: Owner,
        reason: TerminationReason,
    ) -> Result<Option<Event>, SessionError> {
        self.end_by(owner, &reason.into(), Demand::Ours, None)
            .whole()
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

    /// Counts the revocation, so that no copy of the session lives again, and notes its reason.
    fn note_revocation(
        &self,
        account: AccountId,
        session_id: Option<SessionId>,
        username: Option<&AuditName>,
        reason: &RevocationReason,
    ) -> Result<(), SessionError> {
        let noted = self.store.revocations(account)?;
        let revocation = Revocation {
            session_id,
            username: username.map(|name| name.as_str().to_owned()),
            at: self.clock.now().wall,
            reason: reason.clone(),
        };
        Ok(self
            .store
            .note_revocations(account, &noted.and(revocation))?)
    }

    /// The record of the revocation of an account that had no live session: somebody wanted it, for
    /// a reason. `None` if its last session was revoked already, and nobody has signed in since.
    pub(super) fn revocation_without_session(
        &self,
        account: AccountId,
        reason: &RevocationReason,
    ) -> Result<Option<Event>, SessionError> {
        if self.store.revocations(account)?.last.is_some() {
            return Ok(None);
        }
        let event = Event::new(revoked(reason, Some(0)));
        Ok(Some(event.about((self.names)(account))))
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
    pub(super) fn end_by(
        &self,
        owner: Owner,
        cause: &EndCause,
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
        let is_end_noted = !matches!(found, Ok(Found::Nothing)) && self.note_end(owner.account);
        let removed = self.store.remove(owner.account);
        let had_key = matches!(destroyed, Ok(true));
        let is_gone = had_key || matches!(removed, Ok(true));
        let mut end = End {
            had_key,
            // A session that was found dead is over in any case.
            is_over: is_gone || is_end_noted || matches!(found, Ok(Found::Ended { .. })),
            was_live: true,
            ..End::default()
        };
        match (destroyed, removed) {
            (Err(error), _) => end.failures.push(error),
            // A read-only disk refuses even to remove a missing file.
            (_, Err(error)) if !matches!(found, Ok(Found::Nothing)) => {
                end.failures.push(error.into());
            }
            _ => {}
        }
        let (details, session, name) = match found {
            Ok(Found::Live(session)) => {
                let name = AuditName::known(session.username());
                (cause.details(), Some(session.id()), Some(name))
            }
            // Without its file, an unreachable key opens nothing.
            Ok(Found::Elsewhere { session, .. }) => (cause.details(), session, None),
            Ok(Found::Ended {
                reason,
                session,
                claims,
            }) => {
                end.was_live = false;
                let name = claims.map(|both| AuditName::known(&both.0.username));
                (death_details(reason), session, name)
            }
            Ok(Found::Nothing) => return end,
            Err(_) if is_gone => match cause {
                EndCause::Revoked(_) => (cause.details(), None, None),
                EndCause::Terminated(_) => {
                    let reason = InvalidReason::Unreadable;
                    (Details::SessionInvalid { reason }, None, None)
                }
            },
            Err(error) => {
                if end.failures.is_empty() {
                    end.failures.push(error);
                }
                return end;
            }
        };
        end.username = name.or_else(|| (self.names)(owner.account));
        if let (true, EndCause::Revoked(reason)) = (end.was_live, cause) {
            let noted = self.note_revocation(owner.account, session, end.username.as_ref(), reason);
            end.is_noted = noted.is_ok();
            end.failures.extend(noted.err());
        }
        let mut event = Event::new(details).about(end.username.clone());
        if let Some(session) = session {
            event = event.in_session(session);
        }
        end.event = Some(event);
        end
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
