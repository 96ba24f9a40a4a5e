//! The tables of the database, and the migrations that lead to them.

use rusqlite::Connection;

/// "NLac", SQLite's `application_id`, which identifies our databases.
pub(super) const APPLICATION_ID: i64 = 0x4e4c_6163;
/// The oldest version of the tables (SQLite's `user_version`) that this program brings up to date.
pub(super) const OLDEST: i64 = 1;
/// The version of the tables that this program uses.
#[allow(clippy::cast_possible_wrap)] // there are few
pub(super) const VERSION: i64 = OLDEST + MIGRATIONS.len() as i64;

/// The first version with recovery codes.
pub(super) const WITH_RECOVERY_CODES: i64 = 3;
/// The first version with secrets.
pub(super) const WITH_SECRETS: i64 = 2;

/// The tables of version 1. Never changed: a new version is a migration.
const FIRST: &str = "
CREATE TABLE accounts (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    email TEXT NOT NULL,
    email_normalized TEXT NOT NULL UNIQUE,
    name TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 0),
    salt BLOB NOT NULL CHECK (length(salt) = 16),
    memory_kib INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    lanes INTEGER NOT NULL,
    wrap_nonce BLOB NOT NULL CHECK (length(wrap_nonce) = 12),
    wrapped_key BLOB NOT NULL CHECK (length(wrapped_key) = 32),
    wrap_tag BLOB NOT NULL CHECK (length(wrap_tag) = 16)
) STRICT, WITHOUT ROWID;
CREATE TABLE throttle (
    tag BLOB PRIMARY KEY NOT NULL CHECK (length(tag) = 16),
    failures INTEGER NOT NULL CHECK (failures >= 0),
    last_failure_at INTEGER NOT NULL,
    locked_until INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Migration n turns the tables of version n into those of version n + 1. A released one is never
/// changed, and a database of each released version is in `released/`.
const MIGRATIONS: [&str; 2] = [SECRETS, RECOVERY_CODES];

/// Secrets and their versions, sealed under keys derived from the account key.
const SECRETS: &str = "
CREATE TABLE secrets (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    account BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name_tag BLOB NOT NULL CHECK (length(name_tag) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    stamp BLOB NOT NULL CHECK (length(stamp) = 16),
    created_at INTEGER NOT NULL,
    set_at INTEGER NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    tag BLOB NOT NULL CHECK (length(tag) = 16),
    sealed_name BLOB NOT NULL,
    UNIQUE (account, name_tag)
) STRICT, WITHOUT ROWID;
CREATE TABLE secret_versions (
    secret BLOB NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    version INTEGER NOT NULL CHECK (version >= 1),
    stamp BLOB NOT NULL CHECK (length(stamp) = 16),
    set_at INTEGER NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    tag BLOB NOT NULL CHECK (length(tag) = 16),
    sealed_value BLOB NOT NULL,
    PRIMARY KEY (secret, version)
) STRICT;
";

/// The account key, sealed a second time for the recovery code.
const RECOVERY_CODES: &str = "
CREATE TABLE recovery_codes (
    account BLOB PRIMARY KEY NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    public_key BLOB NOT NULL CHECK (length(public_key) = 32),
    ephemeral_key BLOB NOT NULL CHECK (length(ephemeral_key) = 32),
    wrapped_key BLOB NOT NULL CHECK (length(wrapped_key) = 32),
    wrap_tag BLOB NOT NULL CHECK (length(wrap_tag) = 16)
) STRICT, WITHOUT ROWID;
";

/// Creates the tables in an empty database.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(FIRST)?;
    apply(connection, OLDEST)
}

/// Brings the tables of version `from` up to date. Call it in a transaction, so that a killed
/// process leaves the old version or the new one.
pub(super) fn apply(connection: &Connection, from: i64) -> rusqlite::Result<()> {
    for (version, migration) in (OLDEST..).zip(MIGRATIONS) {
        if version >= from {
            connection.execute_batch(migration)?;
        }
    }
    connection.pragma_update(None, "user_version", VERSION)
}

/// Creates the tables as the first version of the program did.
#[cfg(test)]
pub(super) fn create_oldest(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(FIRST)?;
    connection.pragma_update(None, "user_version", OLDEST)
}
