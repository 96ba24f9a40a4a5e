//! The secrets of one account in the database.

use std::path::Path;

use rusqlite::Connection;

use super::error::SecretStoreError;
use super::limits::{KEPT_VERSIONS, VALUE_MAX_BYTES};
use super::rows::{self, Head, VersionRow};
use super::seal::{NameOpener, SealedFor, SecretKeys};
use super::state::SecretsState;
use crate::account::{Directory, DirectoryError};
use crate::binding::SecretName;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::AccountKey;
use nightlatch_core::id::{AccountId, SecretId};
use nightlatch_core::memory::SecretBuffer;

/// What is known of a secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// Its name.
    pub name: SecretName,
    /// The current version, counted from 1.
    pub version: u64,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When the current version was set.
    pub set_at: Timestamp,
}

/// What is known of a version of a secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFacts {
    /// The version, counted from 1.
    pub version: u64,
    /// When it was set.
    pub set_at: Timestamp,
}

/// A value as read from the database, not yet opened.
pub(crate) struct Sealed {
    name: SecretName,
    row: VersionRow,
}

impl Sealed {
    /// The version.
    pub fn version(&self) -> u64 {
        self.row.sealed_for.version
    }

    /// The name.
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// Opens the value.
    pub fn open(&self, keys: &SecretKeys) -> Result<SecretBuffer, SecretStoreError> {
        let row = &self.row;
        keys.open_value(row.sealed_for, &self.name, &row.value)
            .ok_or(DAMAGED_VALUE)
    }
}

/// The secrets of the account that the keys belong to.
pub(crate) struct Store<'a> {
    connection: &'a Connection,
    path: &'a Path,
    keys: &'a SecretKeys,
}

impl<'a> Store<'a> {
    /// The secrets in a database. Changes need a write transaction.
    pub fn of(directory: &'a Directory, keys: &'a SecretKeys) -> Self {
        let (connection, path) = directory.parts();
        Self {
            connection,
            path,
            keys,
        }
    }

    /// The value of a secret, the current one or that of an older version. It is not opened yet.
    pub fn locate(
        &self,
        name: &SecretName,
        version: Option<u64>,
    ) -> Result<Sealed, SecretStoreError> {
        let head = self.existing(name)?;
        let current = head.sealed_for;
        let version = version.unwrap_or(current.version);
        let row = self.look(rows::version(self.connection, current.id, version))?;
        match row {
            Some(row) if version != current.version || row.sealed_for == current => Ok(Sealed {
                name: name.clone(),
                row,
            }),
            None if version != current.version => {
                let first = self.history(name)?.first().map_or(1, |facts| facts.version);
                Err(SecretStoreError::NoVersion {
                    name: name.clone(),
                    version,
                    first,
                    last: current.version,
                })
            }
            _ => Err(SecretStoreError::Damaged {
                what: "its current value is missing",
            }),
        }
    }

    /// Sets a secret: a new one, or a new version of one that there is. Returns the version. The
    /// oldest versions beyond [`KEPT_VERSIONS`] are removed.
    pub fn set(
        &self,
        name: &SecretName,
        value: &[u8],
        now: Timestamp,
    ) -> Result<u64, SecretStoreError> {
        if value.is_empty() {
            return Err(SecretStoreError::EmptyValue);
        }
        if value.len() > VALUE_MAX_BYTES {
            return Err(SecretStoreError::ValueTooLong);
        }
        let before = self.find(name)?;
        let set_at = now.unix_nanos();
        let (id, version, created_at) = match &before {
            Some((head, existing)) if existing == name => (
                head.sealed_for.id,
                head.sealed_for.version + 1,
                head.created_at,
            ),
            Some((_, existing)) => {
                return Err(SecretStoreError::Exists {
                    existing: existing.clone(),
                });
            }
            None => (SecretId::random()?, 1, set_at),
        };
        let sealed_for = SealedFor {
            id,
            version,
            stamp: stamp()?,
            set_at,
        };
        let head = self.head(sealed_for, created_at, name)?;
        let value = self.keys.seal_value(sealed_for, name, value)?;
        let (connection, account) = (self.connection, self.keys.account());
        self.look(match before {
            Some(_) => rows::update(connection, &head),
            None => rows::insert(connection, account, &head),
        })?;
        self.look(rows::put_version(
            connection,
            &VersionRow { sealed_for, value },
        ))?;
        if let Some(first @ 2..) = (version + 1).checked_sub(KEPT_VERSIONS) {
            self.look(rows::delete_versions_before(connection, id, first))?;
        }
        Ok(version)
    }

    /// Whether the current value of a secret is this one.
    pub fn current_is(&self, name: &SecretName, value: &[u8]) -> Result<bool, SecretStoreError> {
        let current = self.locate(name, None)?.open(self.keys)?;
        Ok(current.expose() == value)
    }

    /// Gives a secret another name. Every version is sealed again, because its seal binds the name.
    pub fn rename(&self, name: &SecretName, new: &SecretName) -> Result<(), SecretStoreError> {
        let head = self.existing(name)?;
        let id = head.sealed_for.id;
        if let Some((other, existing)) = self.find(new)?
            && (other.sealed_for.id != id || existing == *new)
        {
            return Err(SecretStoreError::Exists { existing });
        }
        let renamed = SealedFor {
            stamp: stamp()?,
            ..head.sealed_for
        };
        for mut row in self.look(rows::versions(self.connection, id))? {
            let value = self.open(name, &row)?;
            if row.sealed_for.version == renamed.version {
                row.sealed_for = renamed;
            }
            row.value = self.keys.seal_value(row.sealed_for, new, value.expose())?;
            self.look(rows::put_version(self.connection, &row))?;
        }
        let head = self.head(renamed, head.created_at, new)?;
        self.look(rows::update(self.connection, &head))
    }

    /// Removes a secret with all of its versions.
    pub fn remove(&self, name: &SecretName) -> Result<(), SecretStoreError> {
        let id = self.existing(name)?.sealed_for.id;
        self.look(rows::delete(self.connection, id))
    }

    /// Makes the value of an older version the current one, as a new version. Returns that.
    pub fn restore(
        &self,
        name: &SecretName,
        version: u64,
        now: Timestamp,
    ) -> Result<u64, SecretStoreError> {
        let value = self.locate(name, Some(version))?.open(self.keys)?;
        self.set(name, value.expose(), now)
    }

    /// What is known of one secret.
    pub fn facts(&self, name: &SecretName) -> Result<SecretFacts, SecretStoreError> {
        Ok(facts(&self.existing(name)?, name.clone()))
    }

    /// What is known of all secrets, by name.
    pub fn list(&self) -> Result<Vec<SecretFacts>, SecretStoreError> {
        let heads = self.look(rows::all(self.connection, self.keys.account()))?;
        let mut all = self.keys.open_names(|opener| {
            let facts = |head| self.open_name(opener, head).map(|name| facts(head, name));
            heads.iter().map(facts).collect::<Result<Vec<_>, _>>()
        })?;
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// The versions of a secret, oldest first.
    pub fn history(&self, name: &SecretName) -> Result<Vec<VersionFacts>, SecretStoreError> {
        let id = self.existing(name)?.sealed_for.id;
        let versions = self.look(rows::versions(self.connection, id))?;
        let facts = |row: &VersionRow| VersionFacts {
            version: row.sealed_for.version,
            set_at: Timestamp::from_unix_nanos(row.sealed_for.set_at),
        };
        Ok(versions.iter().map(facts).collect())
    }

    /// The state of the account's secrets, for the audit log.
    pub fn state(&self) -> Result<SecretsState, SecretStoreError> {
        self.look(rows::state(self.connection, self.keys.account()))
    }

    /// Seals every name and value again, under `new` keys of the same account. What does not open
    /// is damaged already and stays as it is.
    pub fn reseal(&self, new: &SecretKeys) -> Result<(), SecretStoreError> {
        for head in self.look(rows::all(self.connection, self.keys.account()))? {
            let Ok(name) = self.name_in(&head) else {
                continue;
            };
            for mut row in self.look(rows::versions(self.connection, head.sealed_for.id))? {
                let Ok(value) = self.open(&name, &row) else {
                    continue;
                };
                row.value = new.seal_value(row.sealed_for, &name, value.expose())?;
                self.look(rows::put_version(self.connection, &row))?;
            }
            let head = Head {
                name_tag: new.tag(&name),
                name: new.seal_name(head.sealed_for, head.created_at, &name)?,
                ..head
            };
            self.look(rows::update(self.connection, &head))?;
        }
        Ok(())
    }

    /// The secret with this name, or with one that differs only in case, and its name as stored.
    fn find(&self, name: &SecretName) -> Result<Option<(Head, SecretName)>, SecretStoreError> {
        let tag = self.keys.tag(name);
        let found = self.look(rows::find(self.connection, self.keys.account(), &tag))?;
        let Some(head) = found else { return Ok(None) };
        let stored = self.name_in(&head)?;
        Ok(Some((head, stored)))
    }

    fn existing(&self, name: &SecretName) -> Result<Head, SecretStoreError> {
        let name = name.clone();
        match self.find(&name)? {
            Some((head, stored)) if stored == name => Ok(head),
            Some((_, existing)) => Err(SecretStoreError::OtherCase { name, existing }),
            None => Err(SecretStoreError::NotFound { name }),
        }
    }

    fn name_in(&self, head: &Head) -> Result<SecretName, SecretStoreError> {
        self.keys.open_names(|opener| self.open_name(opener, head))
    }

    /// The name of a secret, checked against the tag by which it is found.
    fn open_name(
        &self,
        opener: &NameOpener<'_>,
        head: &Head,
    ) -> Result<SecretName, SecretStoreError> {
        opener
            .open(head.sealed_for, head.created_at, &head.name)
            .filter(|name| self.keys.tag(name) == head.name_tag)
            .ok_or(SecretStoreError::Damaged {
                what: "its name does not open",
            })
    }

    fn open(&self, name: &SecretName, row: &VersionRow) -> Result<SecretBuffer, SecretStoreError> {
        self.keys
            .open_value(row.sealed_for, name, &row.value)
            .ok_or(DAMAGED_VALUE)
    }

    fn head(
        &self,
        sealed_for: SealedFor,
        created_at: i64,
        name: &SecretName,
    ) -> Result<Head, SecretStoreError> {
        Ok(Head {
            sealed_for,
            created_at,
            name_tag: self.keys.tag(name),
            name: self.keys.seal_name(sealed_for, created_at, name)?,
        })
    }

    fn look<T>(&self, result: rusqlite::Result<T>) -> Result<T, SecretStoreError> {
        result.map_err(|error| DirectoryError::from_sqlite(self.path, error).into())
    }
}

/// Seals all secrets of an account again, under keys derived from its `new` key.
pub(crate) fn reseal(
    directory: &Directory,
    account: AccountId,
    old: &AccountKey,
    new: &AccountKey,
) -> Result<(), SecretStoreError> {
    let [old, new] = [old, new].map(|key| SecretKeys::of(account, key));
    Store::of(directory, &old).reseal(&new)
}

/// The state of an account's secrets, without any key.
pub(crate) fn state_of(
    directory: &Directory,
    account: AccountId,
) -> Result<SecretsState, DirectoryError> {
    if !directory.has_secrets() {
        return Ok(SecretsState::empty());
    }
    let (connection, path) = directory.parts();
    rows::state(connection, account).map_err(|error| DirectoryError::from_sqlite(path, error))
}

const DAMAGED_VALUE: SecretStoreError = SecretStoreError::Damaged {
    what: "its value does not open",
};

fn facts(head: &Head, name: SecretName) -> SecretFacts {
    SecretFacts {
        name,
        version: head.sealed_for.version,
        created_at: Timestamp::from_unix_nanos(head.created_at),
        set_at: Timestamp::from_unix_nanos(head.sealed_for.set_at),
    }
}

fn stamp() -> Result<[u8; 16], getrandom::Error> {
    let mut stamp = [0; 16];
    getrandom::fill(&mut stamp)?;
    Ok(stamp)
}
