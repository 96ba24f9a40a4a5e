//! The session lock, and what can only be done while it is held.

use std::time::Duration;

use super::find::Found;
use super::{NewSession, Owner, Session, SessionError, SessionService};
use crate::session::store::InUse;
use nightlatch_audit::{Event, TerminationReason};
use nightlatch_core::id::AccountId;
use nightlatch_platform::fs::DirLock;

/// The lock under which the sessions of a home change.
#[must_use = "the lock is released when this is dropped"]
pub struct SessionLock<'a> {
    pub(super) service: &'a SessionService,
    _lock: DirLock,
}

/// A session that was judged live again, and the lock under which it was: what starts before this is
/// dropped starts before the session can end.
#[must_use = "the judgement holds only while the lock is held"]
pub struct StillLive<'a> {
    /// The session.
    pub session: Session,
    /// The lock. Hold it only while starting: others wait for it.
    pub lock: SessionLock<'a>,
}

impl SessionService {
    /// Takes the lock under which sessions change.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn lock(&self) -> Result<SessionLock<'_>, SessionError> {
        // The last trace of a program that waits for a lock that is never released.
        tracing::trace!(name: "session_lock", "waiting for the session lock");
        Ok(SessionLock {
            service: self,
            _lock: self.store.lock()?,
        })
    }

    /// As [`SessionService::lock`], but first waits for the keeper that has the account's key:
    /// waiting for it under the lock would block everybody, and Ctrl-Z would have no effect.
    ///
    /// # Errors
    /// As [`SessionService::lock`], and when the keeper does not answer.
    pub fn lock_to_use(&self, account: AccountId) -> Result<SessionLock<'_>, SessionError> {
        if let Some(header) = self.header_of(account) {
            self.keepers.await_answer(header.origin.keeper)?;
        }
        self.lock()
    }

    /// Ends the account's session and records the reason. Returns whether there was one. A session
    /// that was dead already is cleared away and recorded with its own reason.
    ///
    /// # Errors
    /// When it could not be ended or recorded. The key is destroyed before any step that can fail
    /// because of the disk.
    pub fn terminate(&self, owner: Owner, reason: TerminationReason) -> Result<bool, SessionError> {
        self.lock()?.terminate(owner, reason)
    }

    /// As [`SessionService::lock`], if the lock is released within `limit`.
    pub(super) fn lock_within(&self, limit: Duration) -> Option<SessionLock<'_>> {
        tracing::trace!(name: "session_lock", "waiting for the session lock");
        match self.store.lock_within(limit) {
            Ok(lock) => lock.map(|lock| SessionLock {
                service: self,
                _lock: lock,
            }),
            Err(error) => {
                tracing::warn!(%error, "ending without the session lock");
                None
            }
        }
    }
}

impl<'a> SessionLock<'a> {
    /// Judges a recently used `session` again, for work that must not start once an end of the
    /// session was reported. It extends nothing, and records only an end that it finds.
    ///
    /// # Errors
    /// [`SessionError::None`] when it was ended or replaced meanwhile, [`SessionError::Revoked`],
    /// [`SessionError::Ended`] when it ended by itself, or a failure.
    pub fn judge_again(self, session: Session) -> Result<StillLive<'a>, SessionError> {
        match self.find_or_end(session.account().into(), true)? {
            Found::Live(found) if found.id() == session.id() => Ok(StillLive {
                session,
                lock: self,
            }),
            _ => Err(self.service.no_session(session.account())),
        }
    }

    /// Creates a session, which replaces the account's old one. The events in `also` are recorded
    /// before it.
    ///
    /// `generation` is the account's, read under this lock; `None` when there is no such account. A
    /// password change since the sign-in must not leave a session behind.
    ///
    /// # Errors
    /// [`SessionError::AccountChanged`] when the account has another generation than at sign-in; its
    /// old session is left alone. Otherwise when the session could not be created or recorded; no
    /// session of the account is live then.
    pub fn create(
        &self,
        new: NewSession,
        generation: Option<u64>,
        also: Vec<Event>,
    ) -> Result<Session, SessionError> {
        if generation != Some(new.generation) {
            return Err(SessionError::AccountChanged);
        }
        self.service.create(self, new, also)
    }

    /// Ends the account's session, as [`SessionService::terminate`] does.
    ///
    /// # Errors
    /// As [`SessionService::terminate`].
    pub fn terminate(&self, owner: Owner, reason: TerminationReason) -> Result<bool, SessionError> {
        let service = self.service;
        match service.end(self, owner, reason)? {
            None => Ok(false),
            Some(event) => {
                service.audit.append_durable(&[event])?;
                service.settle_crashes(self)?;
                Ok(true)
            }
        }
    }

    /// Makes this the account in use where none is named, without a sign-in.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn switch_to(&self, account: AccountId) -> Result<(), SessionError> {
        Ok(self.service.store.set_current(account, InUse::Switched)?)
    }

    /// Forgets that this account was the one in use. Then the only account is, if there is just one.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn forget_current(&self, account: AccountId) -> Result<(), SessionError> {
        Ok(self.service.store.forget_current(account)?)
    }

    /// As [`SessionService::find`], but ends a session that it finds dead and returns that as an
    /// error.
    pub(super) fn find_or_end(
        &self,
        owner: Owner,
        crashed_at_all: bool,
    ) -> Result<Found, SessionError> {
        let found = if crashed_at_all {
            self.service.find(owner)?
        } else {
            self.service.find_where(owner, |_| Ok(false))?
        };
        if let Found::Ended { reason, .. } = found {
            tracing::info!(%reason, "the session has ended");
            self.terminate(owner, TerminationReason::Crash)?;
            return Err(SessionError::Ended(reason));
        }
        Ok(found)
    }
}
