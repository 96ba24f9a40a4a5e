//! Reading and writing the rows of secrets; every value is checked when read.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::seal::{SealedFor, SealedText};
use super::state::{SecretsState, StateBuilder};
use nightlatch_core::id::{AccountId, SecretId};

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
    let sql = "SELECT * FROM secrets WHERE account = ?1 AND name_tag = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row(params![account.as_bytes(), name_tag], head)
        .optional()
}

/// All secrets of an account.
pub(super) fn all(connection: &Connection, account: AccountId) -> rusqlite::Result<Vec<Head>> {
    let sql = "SELECT * FROM secrets WHERE account = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let heads = statement.query_map([account.as_bytes()], head)?;
    heads.collect()
}

/// The state of an account's secrets.
pub(super) fn state(connection: &Connection, account: AccountId) -> rusqlite::Result<SecretsState> {
    let sql = "SELECT id, version, stamp FROM secrets WHERE account = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([account.as_bytes()])?;
    let mut state = StateBuilder::default();
    while let Some(row) = rows.next()? {
        let id = SecretId::from_bytes(row.get(0)?);
        state.add(id, number(row, "version")?, row.get(2)?);
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
    let sql = "SELECT * FROM secret_versions WHERE secret = ?1 AND version = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row(params![id.as_bytes(), stored(version)], version_row)
        .optional()
}

/// All versions of a secret, oldest first.
pub(super) fn versions(connection: &Connection, id: SecretId) -> rusqlite::Result<Vec<VersionRow>> {
    let sql = "SELECT * FROM secret_versions WHERE secret = ?1 ORDER BY version";
    let mut statement = connection.prepare_cached(sql)?;
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
        sealed_for: sealed_for(row, "id")?,
        created_at: row.get("created_at")?,
        name_tag: row.get("name_tag")?,
        name: sealed(row, "sealed_name")?,
    })
}

fn version_row(row: &Row<'_>) -> rusqlite::Result<VersionRow> {
    Ok(VersionRow {
        sealed_for: sealed_for(row, "secret")?,
        value: sealed(row, "sealed_value")?,
    })
}

fn sealed_for(row: &Row<'_>, id: &str) -> rusqlite::Result<SealedFor> {
    Ok(SealedFor {
        id: SecretId::from_bytes(row.get(id)?),
        version: number(row, "version")?,
        stamp: row.get("stamp")?,
        set_at: row.get("set_at")?,
    })
}

fn sealed(row: &Row<'_>, column: &str) -> rusqlite::Result<SealedText> {
    Ok(SealedText {
        nonce: row.get("nonce")?,
        tag: row.get("tag")?,
        text: row.get(column)?,
    })
}

/// A version; the tables accept none below 1.
fn number(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// SQLite's integers are smaller than u64, but a version never gets that high.
fn stored(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
