//! Reading and writing rows; every value is checked when read.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::account::model::Account;
use crate::account::sealed_key::SealedKey;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_core::display_name::DisplayName;
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;
use nightlatch_core::limits::GENERATION_CEILING;
use nightlatch_core::throttle::{FORGOTTEN_AFTER, Failures};

use super::{Directory, DirectoryError, Writing};

/// An account and its sealed key, as stored.
#[derive(Clone)]
pub(crate) struct Record {
    pub account: Account,
    pub sealed: SealedKey,
}

/// The result of inserting an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The account was inserted.
    New,
    /// Another account has its email.
    EmailTaken,
}

const BY_EMAIL: &str = "SELECT * FROM accounts WHERE email_normalized = ?1";
const BY_ID: &str = "SELECT * FROM accounts WHERE id = ?1";
/// The account with the email `?1`, else the one with the id `?2` or the next greater one, wrapping
/// around from the greatest to the least.
const ATTEMPTED: &str = "
    WITH wanted (id) AS (
        SELECT coalesce((SELECT id FROM accounts WHERE email_normalized = ?1), ?2))
    SELECT * FROM (SELECT *, email_normalized = ?1 AS known FROM accounts
        WHERE id >= (SELECT id FROM wanted) ORDER BY id LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT *, email_normalized = ?1 AS known FROM accounts ORDER BY id LIMIT 1)
    LIMIT 1";

/// The rows that a sign-in reads, whether the account exists or not.
pub(crate) struct Attempted {
    /// The account.
    pub record: Option<Record>,
    /// The cost of hashing the password: the account's, or for an unknown email that of another
    /// account, as if the email were one of them. `None` when there are no accounts.
    pub params: Option<Argon2Params>,
}

impl Directory {
    /// The account with this email.
    pub fn by_email(&self, email: &Email) -> Result<Option<Record>, DirectoryError> {
        let found = find(&self.connection, BY_EMAIL, email.normalized());
        found.map_err(|wrong| self.explain(wrong))
    }

    /// The account with this email. If there is none, reads the one nearest to `decoy` instead,
    /// which takes the same work.
    pub fn attempted(&self, email: &Email, decoy: AccountId) -> Result<Attempted, DirectoryError> {
        attempted(&self.connection, email, decoy).map_err(|wrong| self.explain(wrong))
    }

    /// The account with this id.
    pub fn by_id(&self, id: AccountId) -> Result<Option<Record>, DirectoryError> {
        let found = find(&self.connection, BY_ID, id.as_bytes().as_slice());
        found.map_err(|wrong| self.explain(wrong))
    }

    /// The generation of an account's sessions; `None` when there is no such account.
    pub fn generation(&self, id: AccountId) -> Result<Option<u64>, DirectoryError> {
        let found = self.by_id(id)?;
        Ok(found.map(|record| record.account.generation))
    }

    /// The account, if there is exactly one.
    pub fn only(&self) -> Result<Option<Record>, DirectoryError> {
        let sql = "SELECT * FROM accounts WHERE (SELECT count(*) FROM accounts) = ?1";
        find(&self.connection, sql, 1).map_err(|wrong| self.explain(wrong))
    }

    /// The number of accounts.
    pub fn count(&self) -> Result<u64, DirectoryError> {
        count(&self.connection).map_err(|error| self.failed(error))
    }

    /// The ids of all accounts.
    pub fn ids(&self) -> Result<Vec<AccountId>, DirectoryError> {
        let all = || {
            let mut statement = self.connection.prepare("SELECT id FROM accounts")?;
            let ids = statement.query_map([], |row| Ok(AccountId::from_bytes(row.get(0)?)))?;
            ids.collect::<rusqlite::Result<_>>()
        };
        all().map_err(|error| self.failed(error))
    }

    /// All accounts, sorted by email.
    pub fn all(&self) -> Result<Vec<Account>, DirectoryError> {
        let all = || {
            let sql = "SELECT * FROM accounts ORDER BY email_normalized";
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(record(row)?.account);
            }
            Ok(all)
        };
        all().map_err(|wrong| self.explain(wrong))
    }

    /// The emails of the first `limit` accounts, normalized and sorted.
    pub fn emails(&self, limit: u32) -> Result<Vec<String>, DirectoryError> {
        let sql = "SELECT email_normalized FROM accounts ORDER BY 1 LIMIT ?1";
        let all = || {
            let mut statement = self.connection.prepare(sql)?;
            let emails = statement.query_map([limit], |row| row.get(0))?;
            emails.collect::<rusqlite::Result<_>>()
        };
        all().map_err(|error| self.failed(error))
    }

    /// The failures stored under `tag`.
    pub fn failures(&self, tag: &[u8; 16]) -> Result<Option<Failures>, DirectoryError> {
        failures(&self.connection, tag).map_err(|error| self.failed(error))
    }

    /// Whether any email, known or not, has `count` or more failures in a row.
    pub fn has_failures(&self, count: u32) -> Result<bool, DirectoryError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM throttle WHERE failures >= ?1)";
        let found = self.connection.query_row(sql, [count], |row| row.get(0));
        found.map_err(|error| self.failed(error))
    }

    fn explain(&self, wrong: Wrong) -> DirectoryError {
        match wrong {
            Wrong::Refused(error) => self.failed(error),
            Wrong::Value(column) => self.corrupt(strange(column)),
        }
    }
}

impl Writing {
    /// Whether the account still exists, with the same email and generation.
    pub fn is_current(&self, account: &Account) -> Result<bool, DirectoryError> {
        let found = self.by_email(&account.email)?.map(|found| found.account);
        Ok(found
            .is_some_and(|found| (found.id, found.generation) == (account.id, account.generation)))
    }

    /// Adds an account. The UNIQUE constraint decides which of two concurrent ones wins.
    pub fn insert(&self, record: &Record) -> Result<Inserted, DirectoryError> {
        let Record { account, sealed } = record;
        let inserted = self.connection.execute(
            "INSERT INTO accounts (id, email, email_normalized, name, created_at, updated_at,
                 generation, salt, memory_kib, passes, lanes, wrap_nonce, wrapped_key, wrap_tag)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                account.id.as_bytes(),
                account.email.as_str(),
                account.email.normalized(),
                account.name.as_ref().map(DisplayName::as_str),
                account.created_at.unix_nanos(),
                account.updated_at.unix_nanos(),
                stored_generation(account.generation),
                sealed.salt,
                sealed.params.memory_kib(),
                sealed.params.passes(),
                sealed.params.lanes(),
                sealed.nonce,
                sealed.text,
                sealed.tag,
            ],
        );
        match inserted {
            Ok(_) => Ok(Inserted::New),
            Err(error) if is_taken(&error) => Ok(Inserted::EmailTaken),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Replaces the sealed key, generation and modification time of an account whose generation is
    /// still `expected`. Returns whether it was.
    pub fn reseal(&self, record: &Record, expected: u64) -> Result<bool, DirectoryError> {
        let Record { account, sealed } = record;
        let changed = self.connection.execute(
            "UPDATE accounts SET updated_at = ?1, generation = ?2, salt = ?3, memory_kib = ?4,
                 passes = ?5, lanes = ?6, wrap_nonce = ?7, wrapped_key = ?8, wrap_tag = ?9
             WHERE id = ?10 AND generation = ?11",
            params![
                account.updated_at.unix_nanos(),
                stored_generation(account.generation),
                sealed.salt,
                sealed.params.memory_kib(),
                sealed.params.passes(),
                sealed.params.lanes(),
                sealed.nonce,
                sealed.text,
                sealed.tag,
                account.id.as_bytes(),
                stored_generation(expected),
            ],
        );
        changed
            .map(|changed| changed == 1)
            .map_err(|error| self.failed(error))
    }

    /// Stores `failures` under `tag`.
    pub fn remember(&self, tag: &[u8; 16], failures: Failures) -> Result<(), DirectoryError> {
        self.execute(
            "INSERT OR REPLACE INTO throttle (tag, failures, last_failure_at, locked_until)
             VALUES (?1, ?2, ?3, ?4)",
            params![
                tag,
                failures.count,
                failures.last_at.unix_nanos(),
                failures.locked_until.map(Timestamp::unix_nanos),
            ],
        )
    }

    /// Deletes the failures under `tag`.
    pub fn forget(&self, tag: &[u8; 16]) -> Result<(), DirectoryError> {
        self.execute("DELETE FROM throttle WHERE tag = ?1", [tag])
    }

    /// Deletes old failures that lock nothing.
    pub fn prune(&self, now: Timestamp) -> Result<(), DirectoryError> {
        self.execute(
            "DELETE FROM throttle
             WHERE last_failure_at < ?1 AND (locked_until IS NULL OR locked_until <= ?2)",
            [now.minus(FORGOTTEN_AFTER).unix_nanos(), now.unix_nanos()],
        )
    }

    pub(super) fn execute(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<(), DirectoryError> {
        let done = self.connection.execute(sql, values);
        done.map(|_| ()).map_err(|error| self.failed(error))
    }
}

/// Whether the UNIQUE constraint on emails refused a row.
pub(super) fn is_taken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// Why a row could not be read.
enum Wrong {
    Refused(rusqlite::Error),
    /// The named column holds a value that we never write.
    Value(&'static str),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Refused(error)
    }
}

fn strange(column: &str) -> String {
    format!("an account has a strange {column}")
}

fn find(
    connection: &Connection,
    sql: &str,
    value: impl rusqlite::ToSql,
) -> Result<Option<Record>, Wrong> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([value])?;
    rows.next()?.map(record).transpose()
}

fn count(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM accounts";
    let count = connection.query_row(sql, [], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn attempted(connection: &Connection, email: &Email, decoy: AccountId) -> Result<Attempted, Wrong> {
    // One statement, so that every transaction reads the same pages in the same order.
    let mut statement = connection.prepare(ATTEMPTED)?;
    let mut rows = statement.query(params![email.normalized(), decoy.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(Attempted {
            record: None,
            params: None,
        });
    };
    let (nearest, known) = (record(row)?, row.get::<_, bool>("known")?);
    let params = Some(nearest.sealed.params);
    Ok(Attempted {
        record: known.then_some(nearest),
        params,
    })
}

fn failures(connection: &Connection, tag: &[u8; 16]) -> rusqlite::Result<Option<Failures>> {
    let sql = "SELECT failures, last_failure_at, locked_until FROM throttle WHERE tag = ?1";
    let read = |row: &Row<'_>| {
        Ok(Failures {
            // Only an edited value is out of range; use the maximum then, which locks.
            count: u32::try_from(row.get::<_, i64>(0)?).unwrap_or(u32::MAX),
            last_at: Timestamp::from_unix_nanos(row.get(1)?),
            locked_until: row
                .get::<_, Option<i64>>(2)?
                .map(Timestamp::from_unix_nanos),
        })
    };
    connection.query_row(sql, [tag], read).optional()
}

fn record(row: &Row<'_>) -> Result<Record, Wrong> {
    let number = |column| -> Result<u32, Wrong> {
        u32::try_from(row.get::<_, i64>(column)?).map_err(|_| Wrong::Value(column))
    };
    let (memory_kib, passes, lanes) = (number("memory_kib")?, number("passes")?, number("lanes")?);
    let email = text(row, "email")?.unwrap_or_default();
    let email: Email = email.parse().map_err(|_| Wrong::Value("email"))?;
    // The stored lookup key must match the email.
    if text(row, "email_normalized")? != Some(email.normalized()) {
        return Err(Wrong::Value("email"));
    }
    let name = text(row, "name")?.map(str::parse).transpose();
    Ok(Record {
        account: Account {
            id: AccountId::from_bytes(bytes(row, "id")?),
            email,
            name: name.map_err(|_| Wrong::Value("name"))?,
            created_at: Timestamp::from_unix_nanos(row.get("created_at")?),
            updated_at: Timestamp::from_unix_nanos(row.get("updated_at")?),
            generation: u64::try_from(row.get::<_, i64>("generation")?)
                .ok()
                .filter(|&generation| generation <= GENERATION_CEILING)
                .ok_or(Wrong::Value("generation"))?,
        },
        sealed: SealedKey {
            salt: bytes(row, "salt")?,
            params: Argon2Params::new(memory_kib, passes, lanes)
                .map_err(|_| Wrong::Value("cost of its password hash"))?,
            nonce: bytes(row, "wrap_nonce")?,
            text: bytes(row, "wrapped_key")?,
            tag: bytes(row, "wrap_tag")?,
        },
    })
}

fn bytes<const N: usize>(row: &Row<'_>, column: &'static str) -> Result<[u8; N], Wrong> {
    let stored = row
        .get_ref(column)?
        .as_blob()
        .map_err(|_| Wrong::Value(column))?;
    stored.try_into().map_err(|_| Wrong::Value(column))
}

fn text<'a>(row: &'a Row<'_>, column: &'static str) -> Result<Option<&'a str>, Wrong> {
    row.get_ref(column)?
        .as_str_or_null()
        .map_err(|_| Wrong::Value(column))
}

/// SQLite's integers are smaller than u64, but a generation never gets that high.
pub(super) fn stored_generation(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}
