//! Session operations: create, read, use, extend, end. All changes happen under the session lock.
//! The audit log's lock is taken only inside it, never around it.

mod creation;
mod end;
mod ending;
mod error;
mod find;
mod lock;
mod looking;
mod ports;
mod session;
mod using;

use std::sync::Arc;

use super::home::Identity;
use super::keeper::{KeeperKind, Keepers, Payload, Slot, Unresponsive};
use super::payload;
use super::store::{AccountInUse, Store};
use super::surroundings::Surroundings;
use nightlatch_audit::AuditLog;
use nightlatch_core::clock::Clock;
use nightlatch_core::id::AccountId;
use nightlatch_platform::fs::Dir;

pub use end::EndCause;
pub use ending::{EndedSession, Ending, UnrecordedEnding};
pub use error::SessionError;
pub use lock::{SessionLock, StillLive};
pub use ports::{CrashWatch, NameLookup, NewSession, Owner, Use};
pub use session::Session;
pub use using::{Judged, Recorded, Recording, Used};

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

    /// The account in use where none is named: the one that signed in last, or that was switched to
    /// since.
    ///
    /// # Errors
    /// When the record of it cannot be read.
    pub fn current(&self) -> Result<Option<AccountId>, SessionError> {
        Ok(self.store.current()?)
    }

    /// As [`SessionService::current`], with how it came to be in use and the account before it.
    ///
    /// # Errors
    /// As [`SessionService::current`].
    pub fn in_use(&self) -> Result<Option<AccountInUse>, SessionError> {
        Ok(self.store.in_use()?)
    }

    /// The accounts that have a session file, live or not.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn accounts(&self) -> Result<Vec<AccountId>, SessionError> {
        Ok(self.store.accounts()?)
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
