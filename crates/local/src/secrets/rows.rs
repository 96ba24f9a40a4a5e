//! Reading and writing the rows of secrets; every value is checked when read.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::seal::{SealedFor, SealedText};
use super::state::{SecretsState, StateBuilder};
use nightlatch_core::id::{AccountId, SecretId};

/// The columns of a secret in the order in which [`head`] reads them. Looking up columns by name
/// takes most of the time of reading many rows.
const HEAD: &str = "id, version, stamp, set_at, nonce, tag, sealed_name, created_at, name_tag";
/// As [`HEAD`], for [`version_row`].
const VERSION_ROW: &str = "secret, version, stamp, set_at, nonce, tag, sealed_value";

/// A secret without its values.
pub(super) struct Head {
    /// What the name is sealed for. The stamp and the version are also those of the current value.
    pub sealed_for: SealedFor,
    /// When the secret was first set, in nanoseconds since the Unix epoch.
    pub created_at: i64,
    pub name_tag: [u8; 16],
    pub name: SealedText,
}

/// One version of a secret.
pub(super) struct VersionRow {
    pub sealed_for: SealedFor,
    pub value: SealedText,
}

/// The secret with this tag.
pub(super) fn find(
    connection: &Connection,
    account: AccountId,
    name_tag: &[u8; 16],
) -> rusqlite::Result<Option<Head>> {
    let sql = format!("SELECT {HEAD} FROM secrets WHERE account = ?1 AND name_tag = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_row(params![account.as_bytes(), name_tag], head)
        .optional()
}

/// All secrets of an account. The `+` keeps SQLite from using the index, through which it would look
/// up each row on its own. So it reads the table from its start to its end.
pub(super) fn all(connection: &Connection, account: AccountId) -> rusqlite::Result<Vec<Head>> {
    let sql = format!("SELECT {HEAD} FROM secrets WHERE +account = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let heads = statement.query_map([account.as_bytes()], head)?;
    heads.collect()
}

/// The state of an account's secrets, read as in [`all`].
pub(super) fn state(connection: &Connection, account: AccountId) -> rusqlite::Result<SecretsState> {
    let sql = "SELECT id, version, stamp FROM secrets WHERE +account = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([account.as_bytes()])?;
    let mut state = StateBuilder::default();
    while let Some(row) = rows.next()? {
        let id = SecretId::from_bytes(row.get(0)?);
        state.add(id, number(row, 1)?, row.get(2)?);
    }
    Ok(state.finish())
}

/// Adds a secret.
pub(super) fn insert(
    connection: &Connection,
    account: AccountId,
    head: &Head,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO secrets
        (id, account, name_tag, version, stamp, created_at, set_at, nonce, tag, sealed_name)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![
        head.sealed_for.id.as_bytes(),
        account.as_bytes(),
        head.name_tag,
        stored(head.sealed_for.version),
        head.sealed_for.stamp,
        head.created_at,
        head.sealed_for.set_at,
        head.name.nonce,
        head.name.tag,
        head.name.text,
    ])?;
    Ok(())
}

/// Replaces the name, version and stamp of a secret.
pub(super) fn update(connection: &Connection, head: &Head) -> rusqlite::Result<()> {
    let sql = "UPDATE secrets SET name_tag = ?2, version = ?3, stamp = ?4, set_at = ?5,
        nonce = ?6, tag = ?7, sealed_name = ?8 WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![
        head.sealed_for.id.as_bytes(),
        head.name_tag,
        stored(head.sealed_for.version),
        head.sealed_for.stamp,
        head.sealed_for.set_at,
        head.name.nonce,
        head.name.tag,
        head.name.text,
    ])?;
    Ok(())
}

/// Removes a secret and its versions.
pub(super) fn delete(connection: &Connection, id: SecretId) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM secrets WHERE id = ?1", [id.as_bytes()])?;
    Ok(())
}

/// One version of a secret.
pub(super) fn version(
    connection: &Connection,
    id: SecretId,
    version: u64,
) -> rusqlite::Result<Option<VersionRow>> {
    let sql =
        format!("SELECT {VERSION_ROW} FROM secret_versions WHERE secret = ?1 AND version = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_row(params![id.as_bytes(), stored(version)], version_row)
        .optional()
}

/// All versions of a secret, oldest first.
pub(super) fn versions(connection: &Connection, id: SecretId) -> rusqlite::Result<Vec<VersionRow>> {
    let sql =
        format!("SELECT {VERSION_ROW} FROM secret_versions WHERE secret = ?1 ORDER BY version");
    let mut statement = connection.prepare_cached(&sql)?;
    let versions = statement.query_map([id.as_bytes()], version_row)?;
    versions.collect()
}

/// Adds a version, or replaces it.
pub(super) fn put_version(connection: &Connection, row: &VersionRow) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO secret_versions
        (secret, version, stamp, set_at, nonce, tag, sealed_value)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![
        row.sealed_for.id.as_bytes(),
        stored(row.sealed_for.version),
        row.sealed_for.stamp,
        row.sealed_for.set_at,
        row.value.nonce,
        row.value.tag,
        row.value.text,
    ])?;
    Ok(())
}

/// Removes the versions before `first`.
pub(super) fn delete_versions_before(
    connection: &Connection,
    id: SecretId,
    first: u64,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM secret_versions WHERE secret = ?1 AND version < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![id.as_bytes(), stored(first)])?;
    Ok(())
}

fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        sealed_for: sealed_for(row)?,
        name: sealed(row)?,
        created_at: row.get(7)?,
        name_tag: row.get(8)?,
    })
}

fn version_row(row: &Row<'_>) -> rusqlite::Result<VersionRow> {
    Ok(VersionRow {
        sealed_for: sealed_for(row)?,
        value: sealed(row)?,
    })
}

/// What the first four columns say.
fn sealed_for(row: &Row<'_>) -> rusqlite::Result<SealedFor> {
    Ok(SealedFor {
        id: SecretId::from_bytes(row.get(0)?),
        version: number(row, 1)?,
        stamp: row.get(2)?,
        set_at: row.get(3)?,
    })
}

/// The sealed name or value in the three columns after those.
fn sealed(row: &Row<'_>) -> rusqlite::Result<SealedText> {
    Ok(SealedText {
        nonce: row.get(4)?,
        tag: row.get(5)?,
        text: row.get(6)?,
    })
}

/// A version; the tables accept none below 1.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// SQLite's integers are smaller than u64, but a version never gets that high.
fn stored(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
