//! Session operations: create, read, use, extend, end. All changes happen under the session lock.
//! The audit log's lock is taken only inside it, never around it.

mod creation;
mod ending;
mod error;
mod find;
mod live;
mod parts;

use std::sync::Arc;
use std::time::Duration;

use super::file;
use super::home::Identity;
use super::keeper::{KeeperKind, Keepers, Payload, Slot, Unresponsive};
use super::model::EndReason;
use super::payload;
use super::status::SessionStatus;
use super::store::Store;
use super::surroundings::Surroundings;
use nightlatch_audit::{Action, AuditLog, Details, Event, TerminationReason};
use nightlatch_core::clock::Clock;
use nightlatch_core::id::AccountId;
use nightlatch_platform::fs::{Dir, DirLock, FsError};

pub use ending::{EndedSession, Ending};
pub use error::SessionError;
use find::Found;
pub use live::Session;
pub use parts::{CrashWatch, Judged, NameLookup, NewSession, Owner, Touched, Use};

/// How long to wait while another process changes a session.
const CHANGING_HANDS: Duration = Duration::from_millis(50);

/// The sessions of one home.
///
/// [`Guard`](crate::guard::Guard) creates one. Using it directly is for programs with other kinds
/// of accounts.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = nightlatch_platform::fs::Dir::open_or_create(&scratch.path().join("home"))?;
/// use std::sync::Arc;
///
/// use nightlatch_audit::{AuditLog, TerminationReason};
/// use nightlatch_platform::clock::SystemClock;
/// use nightlatch_local::config::KeeperChoice;
/// use nightlatch_core::id::{AccountId, SessionId};
/// use nightlatch_local::session::keeper::Keepers;
/// use nightlatch_local::session::{CrashWatch, SessionService, SessionState};
/// use nightlatch_platform::fs::FsError;
///
/// /// For a program that runs no commands under its sessions.
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
///     Keepers::new(KeeperChoice::Auto, home, None),
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
    pub(super) store: Store,
    keepers: Keepers,
    clock: Arc<dyn Clock>,
    /// Returns the machine and the user namespace of this process.
    pub(super) surroundings: Box<dyn Fn() -> std::io::Result<Surroundings> + Send + Sync>,
    /// Whether a forbidden system call may kill this process.
    pub(super) is_filtered: Box<dyn Fn() -> bool + Send + Sync>,
    audit: Arc<AuditLog>,
    crashes: Box<dyn CrashWatch>,
    names: NameLookup,
}

impl SessionService {
    /// Creates the service over `home`, without touching it yet.
    pub fn new(
        home: Arc<Dir>,
        keepers: Keepers,
        clock: Arc<dyn Clock>,
        audit: Arc<AuditLog>,
        crashes: Box<dyn CrashWatch>,
        names: NameLookup,
    ) -> Self {
        Self {
            store: Store::new(home),
            keepers,
            clock,
            surroundings: Box::new(Surroundings::of_this_process),
            is_filtered: Box::new(nightlatch_core::memory::is_filtered),
            audit,
            crashes,
            names,
        }
    }

    /// Gives the home an id, if it has none yet.
    ///
    /// # Errors
    /// When it cannot be written; signing in tries again.
    pub(crate) fn name_home(&self) -> Result<(), SessionError> {
        self.store.identity_or_create()?;
        Ok(())
    }

    /// The account that signed in last.
    ///
    /// # Errors
    /// When the record of it cannot be read.
    pub fn current(&self) -> Result<Option<AccountId>, SessionError> {
        Ok(self.store.current()?)
    }

    /// The last other account that signed in before the current one.
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
            Found::Elsewhere { why, .. } => Err(SessionError::Elsewhere(why)),
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

    /// Uses the account's session: judges it, extends it if requested, records both together with
    /// the event from `also`, and then runs `then`, all in one step under the session lock. `also`
    /// is called when no more waiting is needed.
    ///
    /// # Errors
    /// [`SessionError::None`] and [`SessionError::Ended`] when there is no live session (one that
    /// has ended is cleared away and its end recorded), [`SessionError::TooLittleTime`], or a
    /// failure; the session is not extended then.
    pub fn touch(
        &self,
        owner: Owner,
        how: Use<'_>,
        also: impl FnOnce(&Session) -> Option<Event>,
        then: impl FnOnce(&Session) -> Result<(), FsError>,
    ) -> Result<Touched, SessionError> {
        self.await_keeper(owner.account)?;
        let lock = self.lock()?;
        let crashed_at_all = !self.crashes.unsettled()?.is_empty();
        let mut found = self.find_or_end(&lock, owner, crashed_at_all)?;
        // Crashes of other sessions, mostly ended ones: left alone, they would pile up and slow
        // every use.
        if crashed_at_all {
            self.settle_crashes(&lock)?;
            let was_live = matches!(found, Found::Live(_));
            found = self.find_or_end(&lock, owner, true)?;
            // One of the crashed processes held this session, and died after the first look.
            if was_live && matches!(found, Found::Nothing) {
                return Err(SessionError::Ended(EndReason::Crash));
            }
        }
        let mut session = match found {
            Found::Live(session) => *session,
            Found::Elsewhere { why, .. } => return Err(SessionError::Elsewhere(why)),
            _ => return Err(SessionError::None),
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
            self.publish(&session)?;
        }
        Ok(Touched { session, record })
    }

    /// Judges a recently used `session` again and keeps the lock, for work that must not start once
    /// an end of the session was reported. It extends nothing, and records only an end that it
    /// finds.
    ///
    /// # Errors
    /// [`SessionError::None`] when it was ended or replaced meanwhile, [`SessionError::Ended`] when
    /// it ended by itself, or a failure.
    pub fn judge_again(&self, session: Session) -> Result<Judged, SessionError> {
        let lock = self.lock()?;
        match self.find_or_end(&lock, session.account().into(), true)? {
            Found::Live(found) if found.id() == session.id() => Ok(Judged { session, lock }),
            _ => Err(SessionError::None),
        }
    }

    /// Ends the account's session and records the reason. Returns whether there was one. A session
    /// that was dead already is cleared away and recorded with its own reason.
    ///
    /// # Errors
    /// When it could not be ended or recorded. The key is destroyed before any step that can fail
    /// because of the disk.
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

    /// As [`SessionService::find`], but ends a session that it finds dead and returns that as an
    /// error.
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
        if let Found::Ended { reason, .. } = found {
            tracing::info!(%reason, "the session has ended");
            self.terminate_locked(lock, owner, TerminationReason::Crash)?;
            return Err(SessionError::Ended(reason));
        }
        Ok(found)
    }

    /// Ends and records every session, of any account, that a process died holding. Only then may
    /// the crashes be forgotten.
    fn settle_crashes(&self, lock: &SessionLock) -> Result<(), SessionError> {
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

    /// Waits for the keeper that has the account's key before taking the session lock: waiting
    /// under the lock would block everybody, and Ctrl-Z would have no effect.
    fn await_keeper(&self, account: AccountId) -> Result<(), SessionError> {
        let keeper = self.store.read(account).ok().flatten();
        let keeper = keeper.and_then(|bytes| Some(file::read_header(&bytes).ok()?.origin.keeper));
        match keeper {
            Some(keeper) => Ok(self.keepers.await_answer(keeper)?),
            None => Ok(()),
        }
    }

    /// Takes the lock under which sessions change.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn lock(&self) -> Result<SessionLock, SessionError> {
        // The last trace of a program that waits for a lock that is never released.
        tracing::trace!(name: "session_lock", "waiting for the session lock");
        Ok(SessionLock {
            _lock: self.store.lock()?,
        })
    }

    /// Gives the session's keeper its payload, for as long as the session is live without further
    /// activity.
    fn publish(&self, session: &Session) -> Result<(), SessionError> {
        let Some(home) = self.store.identity()? else {
            return Err(SessionError::None);
        };
        let slot = Slot::new(home.id, session.account());
        let payload = payload::encode(&session.activity);
        Ok(self
            .keepers
            .publish(session.keeper, &slot, &payload, session.live.remaining)?)
    }

    /// Destroys the account's key in every reachable keeper. Returns whether there was one. Leaves
    /// alone the key of a copy of this home, or of the home that this one was copied from.
    fn destroy(
        &self,
        account: AccountId,
        known: Option<KeeperKind>,
        unresponsive: Unresponsive,
    ) -> Result<bool, SessionError> {
        let Some(home) = self.store.identity()? else {
            return Ok(false);
        };
        let slot = Slot::new(home.id, account);
        let spared = |payload: &Payload| is_of_another(home, payload);
        Ok(self.keepers.destroy(&slot, known, unresponsive, spared)?)
    }
}

fn is_of_another(home: Identity, payload: &Payload) -> bool {
    payload::decode(payload).is_ok_and(|held| !home.place.is_same(held.home))
}

/// The lock under which sessions change.
#[must_use = "the lock is released when this is dropped"]
pub struct SessionLock {
    _lock: DirLock,
}
