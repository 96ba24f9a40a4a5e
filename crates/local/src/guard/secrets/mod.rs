//! The secrets of the account that is signed in.

mod changing;
mod check;

mod error;
mod events;

use std::sync::Arc;
use std::time::Duration;

pub use changing::{Expected, IfExists, Imported};
pub use check::SecretsCheck;

pub use error::SecretError;
use events::read_event;
pub(super) use events::used_event;

use super::{Denied, Guard, Home};
use crate::account::Directory;
use crate::secrets::{SecretFacts, SecretKeys, SecretName, Store, VersionFacts};
use crate::session::{Judged, Owner, Session, Use};
use nightlatch_audit::Event;
use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_core::memory::SecretBuffer;

/// The secrets of one account. Each use requires a live session, counts as activity, and is recorded
/// before a value is handed out or changed.
///
/// ```
/// use nightlatch_core::memory::SecretBuffer;
/// use nightlatch_local::guard::{ActiveSession, SecretError};
/// use nightlatch_local::secrets::SecretName;
///
/// fn rotate(
///     session: &ActiveSession<'_>,
///     name: &SecretName,
///     new: &SecretBuffer,
/// ) -> Result<u64, SecretError> {
///     let secrets = session.secrets();
///     println!("replacing {} bytes", secrets.get(name, None)?.len());
///     secrets.set(name, new)
/// }
/// ```
pub struct Secrets<'guard> {
    home: &'guard Home,
    owner: Owner,
    clock: Arc<dyn Clock>,
}

impl Guard {
    /// The secrets of the account whose session counts. This checks nothing yet; each use does.
    ///
    /// # Errors
    /// When there is no account whose session could count.
    pub fn secrets(&self) -> Result<Secrets<'_>, Denied> {
        let (home, owner) = self.signed_in()?;
        Ok(Secrets::new(home, owner, Arc::clone(&self.clock)))
    }

    /// The names of the account's secrets, for completion. Extends and records nothing. On a guard
    /// opened with [`Guard::open_to_look`] it changes no file either.
    ///
    /// # Errors
    /// When there is no live session, or the database cannot be read.
    pub fn secret_names(&self) -> Result<Vec<SecretName>, SecretError> {
        let (home, owner) = self.signed_in()?;
        let session = home.sessions.peek(owner)?;
        let directory = Directory::open_existing(&home.dir)?;
        let Some(directory) = directory.filter(Directory::has_secrets) else {
            return Ok(Vec::new());
        };
        let keys = keys_of(&session);
        let all = Store::of(&directory, &keys).list()?;
        Ok(all.into_iter().map(|facts| facts.name).collect())
    }
}

impl<'guard> Secrets<'guard> {
    pub(super) fn new(home: &'guard Home, owner: Owner, clock: Arc<dyn Clock>) -> Self {
        Self { home, owner, clock }
    }

    /// The value of a secret: the current one, or that of an older version.
    ///
    /// # Errors
    /// When there is no live session or no such secret, or the reading cannot be recorded.
    pub fn get(
        &self,
        name: &SecretName,
        version: Option<u64>,
    ) -> Result<SecretBuffer, SecretError> {
        let mut values = self.read("secret get", &[(name.clone(), version)])?;
        values.pop().ok_or(SecretError::NoDatabase)
    }

    /// The current values of several secrets, in their order: all of them or none.
    ///
    /// # Errors
    /// As [`Secrets::get`].
    pub fn get_all(
        &self,
        action: &str,
        names: &[SecretName],
    ) -> Result<Vec<SecretBuffer>, SecretError> {
        let names: Vec<_> = names.iter().map(|name| (name.clone(), None)).collect();
        self.read(action, &names)
    }

    /// Every secret with its current value, by name: for an export.
    ///
    /// # Errors
    /// As [`Secrets::get`].
    pub fn export(&self) -> Result<Vec<(SecretName, SecretBuffer)>, SecretError> {
        let names: Vec<_> = self.list()?.into_iter().map(|facts| facts.name).collect();
        let values = self.get_all("secret export", &names)?;
        Ok(names.into_iter().zip(values).collect())
    }

    /// What is known of every secret, by name.
    ///
    /// # Errors
    /// When there is no live session, or the database cannot be read.
    pub fn list(&self) -> Result<Vec<SecretFacts>, SecretError> {
        let using = self.begin("secret list")?;
        let all = using.store().list()?;
        using.finish(Vec::new())?;
        Ok(all)
    }

    /// What is known of one secret, without its value.
    ///
    /// # Errors
    /// As [`Secrets::list`], and when there is no such secret.
    pub fn facts(&self, name: &SecretName) -> Result<SecretFacts, SecretError> {
        let using = self.begin("secret show")?;
        let facts = using.store().facts(name)?;
        using.finish(Vec::new())?;
        Ok(facts)
    }

    /// The versions of a secret, oldest first.
    ///
    /// # Errors
    /// As [`Secrets::facts`].
    pub fn history(&self, name: &SecretName) -> Result<Vec<VersionFacts>, SecretError> {
        let using = self.begin("secret history")?;
        let versions = using.store().history(name)?;
        using.finish(Vec::new())?;
        Ok(versions)
    }

    /// Finds the sealed values, records that they are read, and opens them once that is durable and
    /// the session was judged again.
    fn read(
        &self,
        action: &str,
        wanted: &[(SecretName, Option<u64>)],
    ) -> Result<Vec<SecretBuffer>, SecretError> {
        let using = self.begin(action)?;
        let store = using.store();
        let found = wanted
            .iter()
            .map(|(name, version)| store.locate(name, *version));
        let found: Vec<_> = found.collect::<Result<_, _>>()?;
        let event = |sealed| read_event(using.session(), &using.keys, sealed);
        let events = found.iter().map(event).collect();
        let keys = using.finish_durably(self.home, events)?;
        let opened = found.iter().map(|sealed| sealed.open(&keys));
        Ok(opened.collect::<Result<_, _>>()?)
    }

    /// Judges the session for `action`. Nothing is recorded or extended yet.
    fn begin(&self, action: &str) -> Result<Using<'guard>, SecretError> {
        let how = Use {
            action,
            extend: true,
            min_remaining: Duration::ZERO,
        };
        // Opened first, so that nobody waits for it under the lock.
        let directory = Directory::open_existing(&self.home.dir)?;
        let lock = self.home.sessions.lock_to_use(self.owner.account)?;
        let judged = lock.judge(self.owner, how)?;
        let directory = directory.ok_or(SecretError::NoDatabase)?;
        let keys = keys_of(judged.session());
        Ok(Using {
            judged,
            directory,
            keys,
        })
    }

    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }
}

/// A use of the secrets, under the session lock: what is found now is what will be recorded.
struct Using<'guard> {
    judged: Judged<'guard>,
    directory: Directory,
    keys: SecretKeys,
}

impl Using<'_> {
    fn store(&self) -> Store<'_> {
        Store::of(&self.directory, &self.keys)
    }

    fn session(&self) -> &Session {
        self.judged.session()
    }

    /// Records the use and extends the session. Not synced, as for any use that hands out nothing.
    fn finish(self, events: Vec<Event>) -> Result<(), SecretError> {
        let _unsynced = self.judged.await_log()?.record(events)?.publish()?;
        Ok(())
    }

    /// As [`Using::finish`], and waits until the record is durable. Gives the keys if the session is
    /// live even then.
    fn finish_durably(self, home: &Home, events: Vec<Event>) -> Result<SecretKeys, SecretError> {
        let used = self.judged.await_log()?.record(events)?.publish()?;
        used.record.sync()?;
        let _still_live = home.sessions.lock()?.judge_again(used.session)?;
        Ok(self.keys)
    }
}

/// The keys for the secrets of the session's account.
pub(super) fn keys_of(session: &Session) -> SecretKeys {
    SecretKeys::of(session.account(), session.account_key())
}
