//! What can be done with a session: create, look at, use, extend, end. Everything that changes one
//! happens under the session lock; the audit log's lock is only taken inside it, never around it.

mod ending;
mod error;
mod find;
mod live;
mod parts;

use std::sync::Arc;
use std::time::Duration;

use super::file;
use super::keeper::{Keeper, KeeperError, KeeperKind, Slot};
use super::model::{self, Activity, Claims, Dead, Live};
use super::payload;
use super::status::SessionStatus;
use super::store::Store;
use crate::audit::{Action, AuditLog, AuditName, Details, Event, TerminationReason};
use crate::clock::Clock;
use crate::crypto::Key;
use crate::fs::{Dir, DirLock, FsError};
use crate::id::{AccountId, SessionId};

pub use ending::{EndedSession, Ending};
pub use error::SessionError;
use find::Found;
pub use live::Session;
pub use parts::{CrashWatch, Judged, NameLookup, NewSession, Owner, Touch, Touched};

/// How long to look away from a session that is changing hands.
const CHANGING_HANDS: Duration = Duration::from_millis(50);

/// The sessions of one home.
///
/// [`Guard`](crate::Guard) puts one together; on its own it is for programs with accounts of
/// another kind.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = nightlatch::Dir::open_or_create(&scratch.path().join("home"))?;
/// use std::sync::Arc;
///
/// use nightlatch::audit::{AuditLog, TerminationReason};
/// use nightlatch::clock::SystemClock;
/// use nightlatch::config::KeeperChoice;
/// use nightlatch::id::{AccountId, SessionId};
/// use nightlatch::session::keeper::AutoKeeper;
/// use nightlatch::session::{CrashWatch, SessionService, SessionState};
/// use nightlatch::FsError;
///
/// /// Of a program that runs no commands under its sessions.
/// struct NothingCrashes;
///
/// impl CrashWatch for NothingCrashes {
///     fn crashed(&self, _: SessionId) -> Result<bool, FsError> {
///         Ok(false)
///     }
///     fn unsettled(&self) -> Result<Vec<String>, FsError> {
///         Ok(Vec::new())
///     }
///     fn forget(&self, _: &[String]) -> Result<(), FsError> {
///         Ok(())
///     }
/// }
///
/// let (home, clock) = (Arc::new(home), Arc::new(SystemClock));
/// let log = AuditLog::new(home.clone(), clock.clone());
/// let sessions = SessionService::new(
///     home.clone(),
///     Box::new(AutoKeeper::new(KeeperChoice::Auto, home, None)),
///     clock,
///     Arc::new(log),
///     Box::new(NothingCrashes),
///     Box::new(|_| None),
/// );
/// let account = AccountId::random()?;
/// assert_eq!(sessions.status(account.into())?.state, SessionState::None);
/// assert!(!sessions.terminate(account.into(), TerminationReason::Logout)?);
/// # Ok(())
/// # }
/// ```
pub struct SessionService {
    store: Store,
    keeper: Box<dyn Keeper>,
    clock: Arc<dyn Clock>,
    audit: Arc<AuditLog>,
    crashes: Box<dyn CrashWatch>,
    names: NameLookup,
}

impl SessionService {
    /// The service over `home`; touches nothing yet.
    pub fn new(
        home: Arc<Dir>,
        keeper: Box<dyn Keeper>,
        clock: Arc<dyn Clock>,
        audit: Arc<AuditLog>,
        crashes: Box<dyn CrashWatch>,
        names: NameLookup,
    ) -> Self {
        Self {
            store: Store::new(home),
            keeper,
            clock,
            audit,
            crashes,
            names,
        }
    }

    /// The account that signed in last.
    ///
    /// # Errors
    /// When the note of it cannot be read.
    pub fn current(&self) -> Result<Option<AccountId>, SessionError> {
        Ok(self.store.current()?)
    }

    /// The account that signed in before that one, where it was another.
    ///
    /// # Errors
    /// As [`SessionService::current`].
    pub fn previous(&self) -> Result<Option<AccountId>, SessionError> {
        Ok(self.store.previous()?)
    }

    /// The live session of `owner`. Passive, as [`SessionService::status`].
    ///
    /// # Errors
    /// When there is none, or the keeper or the disk fails.
    pub(crate) fn peek(&self, owner: Owner) -> Result<Session, SessionError> {
        match self.find(owner)? {
            Found::Live(session) => Ok(*session),
            _ => Err(SessionError::None),
        }
    }

    /// The accounts that have a session file, live or not.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn accounts(&self) -> Result<Vec<AccountId>, SessionError> {
        Ok(self.store.accounts()?)
    }

    /// Starts a session, replacing the account's old one. `also` is recorded with it, in front.
    ///
    /// `still_valid` is asked under the session lock whether what was proven at sign-in still
    /// holds: a password change in between must not leave a session behind.
    ///
    /// # Errors
    /// When it could not be created or recorded; no session of the account is live then.
    pub fn create(
        &self,
        new: NewSession,
        also: Vec<Event>,
        still_valid: impl FnOnce() -> bool,
    ) -> Result<Session, SessionError> {
        let lock = self.lock()?;
        if !still_valid() {
            return Err(SessionError::AccountChanged);
        }
        let (session, key) = (SessionId::random()?, Key::random()?);
        let boot = self.clock.boot().map_err(SessionError::Boot)?;
        let now = self.clock.now();
        let deadline = model::deadline(now, new.limits);
        let claims = Claims {
            session,
            account: new.account,
            username: new.username,
            created: now.wall,
            idle: new.limits.idle(),
            deadline: deadline.wall,
            account_key: new.account_key,
        };
        let bytes = file::seal_claims(&key, boot.id, &claims)?;
        let file_hash = file::hash(&bytes);
        let activity = Activity {
            key,
            session,
            boot_id: boot.id,
            generation: new.generation,
            last: now,
            deadline,
            file_hash,
        };
        // A fresh session is live unless the clocks are not the machine's own.
        let live = model::judge(claims.idle, &activity, now, boot).map_err(SessionError::Ended)?;

        let about = |details| {
            Event::new(details)
                .about(AuditName::known(&claims.username))
                .in_session(session)
        };
        let mut events = also;
        self.settle_crashes(&lock)?;
        events.extend(self.end(&lock, claims.account.into(), TerminationReason::Replaced)?);
        events.push(about(Details::SessionCreated {
            idle: claims.idle,
            max: new.limits.max(),
        }));
        let published = self
            .audit
            .append_durable(&events)
            .map_err(SessionError::from)
            .and_then(|()| Ok(self.store.write(claims.account, &bytes)?))
            .and_then(|()| Ok(self.publish(&claims, &activity, live)?))
            .and_then(|keeper| Ok(self.store.set_current(claims.account).map(|()| keeper)?));
        match published {
            Ok(keeper) => Ok(Session {
                claims,
                activity,
                live,
                at: now,
                keeper,
            }),
            Err(error) => {
                // Whatever failed, nothing may be live that was not reported so. The first failure
                // is the one to report.
                let _ = self.keeper.destroy(&self.slot(claims.account)?);
                let _ = self.store.remove(claims.account);
                let reason = TerminationReason::CreationFailed;
                let ended = about(Details::SessionTerminated { reason });
                let _ = self.audit.append_durable(&[ended]);
                Err(error)
            }
        }
    }

    /// What `status` tells of the account's session. Changes nothing, records nothing, waits for no lock.
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
            // It may just be changing hands. Whoever holds the lock has a moment, and is not waited for.
            if self.store.is_locked()? {
                self.clock.sleep(CHANGING_HANDS);
            }
            found = look()?;
        }
        // A crash that was forgotten meanwhile has ended its session before: then the key is gone by now.
        if crashed_at_all && matches!(found, Found::Live(_)) {
            found = look()?;
        }
        Ok(match found {
            Found::Live(session) => session.status(),
            Found::Nothing => SessionStatus::none(),
            Found::Dead {
                reason,
                session,
                claims,
            } => SessionStatus::ended(reason, session, claims.as_deref()),
        })
    }

    /// Uses the account's session: judges it, extends it where asked, and records both together
    /// with what `also` gives, then does `then`, all in one step under the session lock. `also` is asked
    /// when nothing is waited for any more.
    ///
    /// # Errors
    /// [`SessionError::None`] and [`SessionError::Ended`] when there is no live session (one that
    /// ended is cleared away and its end recorded), [`SessionError::TooLittleTime`], or a failure;
    /// the session is not extended then.
    pub fn touch(
        &self,
        owner: Owner,
        how: Touch<'_>,
        also: impl FnOnce(&Session) -> Option<Event>,
        then: impl FnOnce(&Session) -> Result<(), FsError>,
    ) -> Result<Touched, SessionError> {
        let lock = self.lock()?;
        let crashed_at_all = !self.crashes.unsettled()?.is_empty();
        let mut found = self.find_or_end(&lock, owner, crashed_at_all)?;
        // Of other sessions, mostly of ended ones: they would pile up, and be looked at every time.
        if crashed_at_all {
            self.settle_crashes(&lock)?;
            let was_live = matches!(found, Found::Live(_));
            found = self.find_or_end(&lock, owner, true)?;
            // One of them held this session, and has died since it was looked at.
            if was_live && matches!(found, Found::Nothing) {
                return Err(SessionError::Ended(Dead::Crash));
            }
        }
        let Found::Live(session) = found else {
            return Err(SessionError::None);
        };
        let mut session = *session;
        let (id, remaining) = (session.id(), session.live.remaining);
        tracing::info!(session = %id, ?remaining, keeper = %session.keeper, "the session is live");
        if how.extend {
            session.activity.last = session.at;
            session.live =
                model::after_activity(session.claims.idle, &session.activity, session.at);
        }
        if session.live.remaining < how.min_remaining {
            return Err(SessionError::TooLittleTime {
                remaining: session.live.remaining,
                wanted: how.min_remaining,
            });
        }
        let mut events = vec![session.event(Details::SessionValidated {
            action: Action::new(how.action),
        })];
        if how.extend {
            events.push(session.event(Details::SessionExtended));
        }
        let record = self.audit.append_with(|| {
            events.extend(also(&session));
            events
        })?;
        then(&session)?;
        if how.extend {
            session.keeper = self.publish(&session.claims, &session.activity, session.live)?;
        }
        Ok(Touched { session, record })
    }

    /// Judges `session` again, which was used a moment ago, and keeps the lock: for what must not start
    /// once an end of the session was reported. Extends and records nothing, but an end that it finds.
    ///
    /// # Errors
    /// [`SessionError::None`] when it was ended or replaced meanwhile, [`SessionError::Ended`] when it
    /// ended by itself, or a failure.
    pub fn judge_again(&self, session: Session) -> Result<Judged, SessionError> {
        let lock = self.lock()?;
        match self.find_or_end(&lock, session.account().into(), true)? {
            Found::Live(found) if found.id() == session.id() => Ok(Judged { session, lock }),
            _ => Err(SessionError::None),
        }
    }

    /// Ends the account's session and records why: whether there was one. One that was dead already
    /// is cleared away and recorded with the reason it died of.
    ///
    /// # Errors
    /// When it could not be ended or recorded. The key is destroyed before anything that can fail
    /// for want of disk.
    pub fn terminate(&self, owner: Owner, reason: TerminationReason) -> Result<bool, SessionError> {
        let lock = self.lock()?;
        self.terminate_locked(&lock, owner, reason)
    }

    /// As [`SessionService::terminate`], under a lock already held.
    ///
    /// # Errors
    /// As [`SessionService::terminate`].
    pub fn terminate_locked(
        &self,
        lock: &SessionLock,
        owner: Owner,
        reason: TerminationReason,
    ) -> Result<bool, SessionError> {
        match self.end(lock, owner, reason)? {
            None => Ok(false),
            Some(event) => {
                self.audit.append_durable(&[event])?;
                self.settle_crashes(lock)?;
                Ok(true)
            }
        }
    }

    /// As [`SessionService::find`], but what is found dead is ended, and that is the answer.
    fn find_or_end(
        &self,
        lock: &SessionLock,
        owner: Owner,
        crashed_at_all: bool,
    ) -> Result<Found, SessionError> {
        let found = if crashed_at_all {
            self.find(owner)?
        } else {
            self.find_where(owner, |_| Ok(false))?
        };
        if let Found::Dead { reason, .. } = found {
            tracing::info!(%reason, "the session has ended");
            self.terminate_locked(lock, owner, TerminationReason::Crash)?;
            return Err(SessionError::Ended(reason));
        }
        Ok(found)
    }

    /// Ends every session that a process died holding, whosever it is, and records it; only then
    /// may the crashes be forgotten.
    fn settle_crashes(&self, lock: &SessionLock) -> Result<(), SessionError> {
        // Told before the sessions are judged: one that crashes after that is settled another time.
        let crashes = self.crashes.unsettled()?;
        let accounts = if crashes.is_empty() {
            Vec::new()
        } else {
            self.store.accounts()?
        };
        for owner in accounts.into_iter().map(Owner::from) {
            let ends = match self.find(owner) {
                Ok(Found::Dead { reason, .. }) => reason == Dead::Crash,
                Ok(Found::Live(_) | Found::Nothing) => false,
                // One that cannot be judged may have crashed as well.
                Err(_) => true,
            };
            if ends && let Some(event) = self.end(lock, owner, TerminationReason::Crash)? {
                self.audit.append_durable(&[event])?;
            }
        }
        Ok(self.crashes.forget(&crashes)?)
    }

    /// Takes the lock under which sessions change.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn lock(&self) -> Result<SessionLock, SessionError> {
        // The last that is heard of a program whose lock another one does not give back.
        tracing::trace!(name: "session_lock", "waiting for the session lock");
        Ok(SessionLock {
            _lock: self.store.lock()?,
        })
    }

    /// Hands the keeper what it is to hold for as long as the session is `live` without activity.
    fn publish(
        &self,
        claims: &Claims,
        activity: &Activity,
        live: Live,
    ) -> Result<KeeperKind, KeeperError> {
        let slot = self.slot(claims.account)?;
        self.keeper
            .publish(&slot, &payload::encode(activity), live.remaining)
    }

    fn slot(&self, account: AccountId) -> Result<Slot, KeeperError> {
        Ok(Slot::new(self.store.home(), account)?)
    }
}

/// The lock under which sessions change.
#[must_use = "the lock is released when this is dropped"]
pub struct SessionLock {
    _lock: DirLock,
}
