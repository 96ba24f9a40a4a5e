//! Changes of secrets. Each is recorded durably before it is committed.

use super::events::{removed_event, set_event};
use super::{SecretError, Secrets, Using};
use crate::secrets::{SecretName, SecretStoreError, Store};
use crate::session::SessionError;
use nightlatch_audit::SecretChange;
use nightlatch_core::memory::SecretBuffer;

/// What a secret has to be for a change to be made.
#[derive(Clone, Copy)]
pub enum Expected<'a> {
    /// Nothing: it may be new or have any value.
    Anything,
    /// There is no secret with this name.
    Absent,
    /// Its current value is this one.
    Value(&'a SecretBuffer),
}

impl Expected<'_> {
    fn check(self, store: &Store<'_>, name: &SecretName) -> Result<(), SecretStoreError> {
        match self {
            Self::Anything => Ok(()),
            Self::Absent => match store.facts(name) {
                Err(SecretStoreError::NotFound { .. }) => Ok(()),
                Ok(facts) => Err(SecretStoreError::Exists {
                    existing: facts.name,
                }),
                Err(SecretStoreError::OtherCase { existing, .. }) => {
                    Err(SecretStoreError::Exists { existing })
                }
                Err(error) => Err(error),
            },
            Self::Value(value) => match store.current_is(name, value.expose()) {
                Ok(true) => Ok(()),
                Ok(false)
                | Err(SecretStoreError::NotFound { .. } | SecretStoreError::OtherCase { .. }) => {
                    Err(SecretStoreError::ChangedMeanwhile { name: name.clone() })
                }
                Err(error) => Err(error),
            },
        }
    }
}

/// What an import does with a secret that there is already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// Leaves it as it is.
    Keep,
    /// Sets a new version, unless the value is the same.
    Replace,
}

/// What became of one secret of an import.
#[derive(Debug)]
#[non_exhaustive]
pub enum Imported {
    /// It was set, as this version.
    Set(u64),
    /// It was there already with the same value.
    Same,
    /// It was there already, and was left as it is.
    Kept,
    /// It was refused.
    Refused(SecretStoreError),
}

impl Secrets<'_> {
    /// Sets a secret: a new one, or a new version of one that there is. Returns the version.
    ///
    /// # Errors
    /// When there is no live session, the value is empty or too long, another name differs from
    /// this one only in case, or the change cannot be recorded or written.
    pub fn set(&self, name: &SecretName, value: &SecretBuffer) -> Result<u64, SecretError> {
        self.set_if(name, Expected::Anything, value, SecretChange::Set)
    }

    /// As [`Secrets::set`], if the secret still is as expected, so that nobody else's change is lost;
    /// `how` its value came to be is recorded. Returns the version.
    ///
    /// # Errors
    /// As [`Secrets::set`]; [`SecretStoreError::ChangedMeanwhile`] if it has another value than the
    /// expected one or was removed, and [`SecretStoreError::Exists`] if it was to be absent.
    pub fn set_if(
        &self,
        name: &SecretName,
        expected: Expected<'_>,
        value: &SecretBuffer,
        how: SecretChange,
    ) -> Result<u64, SecretError> {
        self.change("secret set", |store, changes| {
            expected.check(store, name)?;
            let version = store.set(name, value.expose(), self.now())?;
            changes.set(name, version, how);
            Ok(version)
        })
    }

    /// Gives a secret another name. Its versions keep their numbers.
    ///
    /// # Errors
    /// As [`Secrets::set`], and when there is no such secret, or the new name is taken.
    pub fn rename(&self, name: &SecretName, new: &SecretName) -> Result<(), SecretError> {
        self.change("secret rename", |store, changes| {
            let version = store.facts(name)?.version;
            store.rename(name, new)?;
            changes.removed(name);
            changes.set(new, version, SecretChange::Renamed);
            Ok(())
        })
    }

    /// Removes a secret with all of its versions, and overwrites them.
    ///
    /// # Errors
    /// As [`Secrets::set`], and when there is no such secret.
    pub fn remove(&self, name: &SecretName) -> Result<(), SecretError> {
        self.change("secret rm", |store, changes| {
            store.remove(name)?;
            changes.removed(name);
            Ok(())
        })
    }

    /// Makes the value of an older version the current one, as a new version. Returns that.
    ///
    /// # Errors
    /// As [`Secrets::set`], and when there is no such secret or version.
    pub fn restore(&self, name: &SecretName, version: u64) -> Result<u64, SecretError> {
        self.change("secret restore", |store, changes| {
            let version = store.restore(name, version, self.now())?;
            changes.set(name, version, SecretChange::Restored);
            Ok(version)
        })
    }

    /// Sets many secrets in one step. One that is refused does not keep the others from being set.
    ///
    /// # Errors
    /// When there is no live session, or the changes cannot be recorded or written; none is made
    /// then.
    pub fn import(
        &self,
        items: &[(SecretName, SecretBuffer)],
        if_exists: IfExists,
    ) -> Result<Vec<Imported>, SecretError> {
        self.change("secret import", |store, changes| {
            let mut outcomes = Vec::with_capacity(items.len());
            for (name, value) in items {
                let outcome = self.import_one(store, name, value, if_exists)?;
                if let Imported::Set(version) = outcome {
                    changes.set(name, version, SecretChange::Imported);
                }
                outcomes.push(outcome);
            }
            Ok(outcomes)
        })
    }

    fn import_one(
        &self,
        store: &Store<'_>,
        name: &SecretName,
        value: &SecretBuffer,
        if_exists: IfExists,
    ) -> Result<Imported, SecretStoreError> {
        match store.current_is(name, value.expose()) {
            Ok(true) => return Ok(Imported::Same),
            Ok(false) if if_exists == IfExists::Keep => return Ok(Imported::Kept),
            Ok(false) | Err(SecretStoreError::NotFound { .. }) => {}
            Err(SecretStoreError::OtherCase { existing, .. }) => {
                return Ok(Imported::Refused(SecretStoreError::Exists { existing }));
            }
            Err(error) => return Err(error),
        }
        match store.set(name, value.expose(), self.now()) {
            Ok(version) => Ok(Imported::Set(version)),
            Err(refused @ (SecretStoreError::EmptyValue | SecretStoreError::ValueTooLong)) => {
                Ok(Imported::Refused(refused))
            }
            Err(error) => Err(error),
        }
    }

    /// Changes secrets in one transaction: judges the session, makes the changes, records them
    /// durably with the states that they lead from and to, judges the session again, and commits them.
    fn change<T>(
        &self,
        action: &str,
        work: impl FnOnce(&Store<'_>, &mut Changes) -> Result<T, SecretStoreError>,
    ) -> Result<T, SecretError> {
        let Using {
            judged,
            directory,
            keys,
        } = self.begin(action)?;
        let session = judged.session();
        let writing = directory.begin()?;
        // A password change seals everything under another account key: a session from before it
        // must not add what the new key does not open.
        if writing.generation(session.account())? != Some(session.generation()) {
            return Err(SessionError::None.into());
        }
        let store = Store::of(&writing, &keys);
        let mut changes = Changes::default();
        let before = store.state()?;
        let done = work(&store, &mut changes)?;
        let states = (&before, &store.state()?);
        let event = |change: &Change| match change {
            Change::Set(name, version, how) => {
                set_event(session, &keys, (name, *version, *how), states)
            }
            Change::Removed(name) => removed_event(session, &keys, name, states),
        };
        let events: Vec<_> = changes.0.iter().map(event).collect();
        let still_live = judged.await_log()?.record(events)?.publish_durably()?;
        let directory = writing.commit()?;
        drop(still_live);
        directory.erase_leftovers();
        Ok(done)
    }
}

/// The changes of one transaction, for the log.
#[derive(Default)]
struct Changes(Vec<Change>);

enum Change {
    Set(SecretName, u64, SecretChange),
    Removed(SecretName),
}

impl Changes {
    fn set(&mut self, name: &SecretName, version: u64, how: SecretChange) {
        self.0.push(Change::Set(name.clone(), version, how));
    }

    fn removed(&mut self, name: &SecretName) {
        self.0.push(Change::Removed(name.clone()));
    }
}
