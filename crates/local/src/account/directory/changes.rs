//! Changes of an account's row other than its password.

use rusqlite::params;

use super::rows::{is_taken, stored_generation};
use super::{Directory, DirectoryError, Inserted, Record, Writing};
use crate::account::model::Account;
use nightlatch_core::display_name::DisplayName;
use nightlatch_core::id::AccountId;

impl Directory {
    /// How many secrets an account has.
    pub fn secrets_of(&self, account: AccountId) -> Result<u64, DirectoryError> {
        if !self.has_secrets() {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM secrets WHERE account = ?1";
        let count = self
            .connection
            .query_row(sql, [account.as_bytes()], |row| row.get::<_, i64>(0));
        let count = count.map_err(|error| self.failed(error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl Writing {
    /// Replaces the name and modification time. Returns whether there is such an account.
    pub fn rename(&self, account: &Account) -> Result<bool, DirectoryError> {
        self.changed(
            "UPDATE accounts SET name = ?1, updated_at = ?2 WHERE id = ?3",
            params![
                account.name.as_ref().map(DisplayName::as_str),
                account.updated_at.unix_nanos(),
                account.id.as_bytes(),
            ],
        )
    }

    /// Replaces the email of an account, before [`Writing::reseal`] binds its key to it.
    pub fn readdress(&self, Record { account, .. }: &Record) -> Result<Inserted, DirectoryError> {
        let changed = self.connection.execute(
            "UPDATE accounts SET email = ?1, email_normalized = ?2 WHERE id = ?3",
            params![
                account.email.as_str(),
                account.email.normalized(),
                account.id.as_bytes(),
            ],
        );
        match changed {
            Ok(_) => Ok(Inserted::New),
            Err(error) if is_taken(&error) => Ok(Inserted::EmailTaken),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Deletes an account with everything that is its own, if its generation is still `expected`.
    /// Returns whether it was.
    pub fn remove(&self, account: AccountId, expected: u64) -> Result<bool, DirectoryError> {
        self.changed(
            "DELETE FROM accounts WHERE id = ?1 AND generation = ?2",
            params![account.as_bytes(), stored_generation(expected)],
        )
    }

    fn changed(&self, sql: &str, values: impl rusqlite::Params) -> Result<bool, DirectoryError> {
        let changed = self.connection.execute(sql, values);
        changed
            .map(|changed| changed == 1)
            .map_err(|error| self.failed(error))
    }
}
