//! The steps of using a session, each a value that the caller carries to the next one: judged, about
//! to be recorded, recorded, used. Dropping one of them ends the use: the lock is released, and the
//! session is as it was, but for what was recorded.

use super::find::Found;
use super::lock::{SessionLock, StillLive};
use super::{Owner, Session, SessionError, SessionService, Use};
use crate::session::model::EndReason;
use nightlatch_audit::{Action, Appended, Details, Event, LockedLog};

/// A session that was judged live and may be used.
#[must_use = "nothing is recorded or extended until this is carried on"]
pub struct Judged<'a> {
    lock: SessionLock<'a>,
    session: Session,
    extends: bool,
    events: Vec<Event>,
}

/// A use that only a failure can keep from being recorded: nothing has to be waited for any more.
#[must_use = "nothing is recorded or extended until this is carried on"]
pub struct Recording<'a> {
    judged: Judged<'a>,
    log: LockedLog<'a>,
}

/// A use that was recorded, and does not count as activity yet.
#[must_use = "the session is not extended until this is carried on"]
pub struct Recorded<'a> {
    lock: SessionLock<'a>,
    session: Session,
    extends: bool,
    record: Appended,
}

/// A session that was used, and its audit record.
pub struct Used {
    /// The session as it is now.
    pub session: Session,
    /// The record; sync it where it must be durable.
    pub record: Appended,
}

impl SessionService {
    /// Uses the account's session in one step: judges it, records that, and extends it if requested.
    ///
    /// # Errors
    /// [`SessionError::None`], [`SessionError::Revoked`] and [`SessionError::Ended`] when there is no
    /// live session (one that has ended is cleared away and its end recorded),
    /// [`SessionError::TooLittleTime`], or a failure; the session is not extended then.
    pub fn use_now(&self, owner: Owner, how: Use<'_>) -> Result<Used, SessionError> {
        let judged = self.lock_to_use(owner.account)?.judge(owner, how)?;
        judged.await_log()?.record(None)?.publish()
    }
}

impl<'a> SessionLock<'a> {
    /// Judges the owner's session, and whether it may be used like this. Changes nothing yet; only
    /// [`Recorded::publish`](super::Recorded::publish) extends the session.
    ///
    /// # Errors
    /// [`SessionError::None`], [`SessionError::Revoked`] and [`SessionError::Ended`] when there is no
    /// live session (one that has ended is cleared away and its end recorded),
    /// [`SessionError::TooLittleTime`], or a failure.
    pub fn judge(self, owner: Owner, how: Use<'_>) -> Result<Judged<'a>, SessionError> {
        let service = self.service;
        let crashed_at_all = !service.crashes.unsettled()?.is_empty();
        let mut found = self.find_or_end(owner, crashed_at_all)?;
        // Crashes of other sessions, mostly ended ones: left alone, they would pile up and slow
        // every use.
        if crashed_at_all {
            service.settle_crashes(&self)?;
            let was_live = matches!(found, Found::Live(_));
            found = self.find_or_end(owner, true)?;
            // One of the crashed processes held this session, and died after the first look.
            if was_live && matches!(found, Found::Nothing) {
                return Err(SessionError::Ended(EndReason::Crash));
            }
        }
        let mut session = match found {
            Found::Live(session) => *session,
            Found::Elsewhere { why, .. } => return Err(SessionError::Elsewhere(why)),
            _ => return Err(service.no_session(owner.account)),
        };
        let (id, remaining) = (session.id(), session.live.remaining);
        tracing::info!(session = %id, ?remaining, keeper = %session.keeper, "the session is live");
        if how.extend {
            session.activity.last = session.at;
            session.live = session
                .activity
                .lifetime(session.claims.idle)
                .after_activity(session.at);
        }
        if session.live.remaining < how.min_remaining {
            return Err(SessionError::TooLittleTime {
                remaining: session.live.remaining,
                wanted: how.min_remaining,
            });
        }
        Ok(Judged::new(self, session, how))
    }
}

impl<'a> Judged<'a> {
    /// `session` is as it will be after this use.
    pub(super) fn new(lock: SessionLock<'a>, session: Session, how: Use<'_>) -> Self {
        let action = Action::new(how.action);
        let mut events = vec![session.event(Details::SessionValidated { action })];
        if how.extend {
            events.push(session.event(Details::SessionExtended));
        }
        Self {
            lock,
            session,
            extends: how.extend,
            events,
        }
    }

    /// The session as it will be after this use.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Waits for the lock of the audit log.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn await_log(self) -> Result<Recording<'a>, SessionError> {
        let log = self.lock.service.audit.lock()?;
        Ok(Recording { judged: self, log })
    }
}

impl<'a> Recording<'a> {
    /// The session as it will be after this use.
    pub fn session(&self) -> &Session {
        &self.judged.session
    }

    /// Records the use, and `more` in the same step.
    ///
    /// # Errors
    /// When it cannot be recorded; nothing was recorded then.
    pub fn record(
        self,
        more: impl IntoIterator<Item = Event>,
    ) -> Result<Recorded<'a>, SessionError> {
        let Judged {
            lock,
            session,
            extends,
            mut events,
        } = self.judged;
        events.extend(more);
        let record = self.log.append(&events)?;
        Ok(Recorded {
            lock,
            session,
            extends,
            record,
        })
    }
}

impl<'a> Recorded<'a> {
    /// The session as it will be after this use.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Extends the session, if the use counts as activity, waits until the record is durable, and
    /// judges the session again. Keeps the lock: what is changed before that is dropped is changed
    /// before an end of the session is reported.
    ///
    /// # Errors
    /// When the keeper fails, the record cannot be made durable, or the session has ended: whoever
    /// ends it waits only a limited time for the lock.
    pub fn publish_durably(self) -> Result<StillLive<'a>, SessionError> {
        if self.extends {
            self.lock.service.publish(&self.session)?;
        }
        self.record.sync()?;
        self.lock.judge_again(self.session)
    }

    /// Extends the session, if the use counts as activity, and releases the lock.
    ///
    /// # Errors
    /// When the keeper fails; the session is not extended then.
    pub fn publish(self) -> Result<Used, SessionError> {
        if self.extends {
            self.lock.service.publish(&self.session)?;
        }
        Ok(Used {
            session: self.session,
            record: self.record,
        })
    }
}
