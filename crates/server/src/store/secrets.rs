//! Secrets that all nodes share, such as the keys that sign tokens.

use zeroize::Zeroizing;

use super::value::Statement;
use super::{Store, StoreError, all, first};
use crate::clock::Millis;

/// A shared secret.
pub struct SecretRow {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Zeroizing<Vec<u8>>,
    /// When it was made.
    pub created: Millis,
}

impl Store {
    /// Stores `fresh` under `name` unless there is a secret of that name, and returns the value
    /// that is there now: the same on all nodes.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn shared_secret(
        &self,
        name: &str,
        fresh: &[u8],
        now: Millis,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let statement = Statement::new(
            "INSERT INTO secret (name, value, created) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value",
            [name.into(), fresh.into(), now.0.into()],
        );
        let value = first(self.write(statement).await?, |row| {
            row.bytes().map(Zeroizing::new)
        })?;
        value.ok_or_else(|| StoreError::Broken("a secret was not stored".to_owned()))
    }

    /// The secrets whose names begin with `prefix`, the newest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn secrets(&self, prefix: &str) -> Result<Vec<SecretRow>, StoreError> {
        let statement = Statement::new(
            "SELECT name, value, created FROM secret \
             WHERE substr(name, 1, length(CAST($1 AS TEXT))) = $1 ORDER BY created DESC, name",
            [prefix.into()],
        );
        all(self.query(&statement).await?, |row| {
            Ok(SecretRow {
                name: row.text()?,
                value: Zeroizing::new(row.bytes()?),
                created: Millis(row.int()?),
            })
        })
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn remove_secret(&self, name: &str) -> Result<(), StoreError> {
        let statement = Statement::new("DELETE FROM secret WHERE name = $1", [name.into()]);
        self.write(statement).await.map(drop)
    }
}
