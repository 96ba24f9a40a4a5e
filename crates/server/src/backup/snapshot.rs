//! The backup of a node that may be running.

use std::collections::BTreeMap;
use std::path::Path;

use nightlatch_audit::{Limit, LogReader, Progress, Query};
use nightlatch_platform::fs::{Dir, DirLock};
use rusqlite::Connection;

use super::copy::{check, copy_database, copy_file, failed, length, open, settle, verify};
use super::{BackupError, CERTIFICATE, DATABASE, LOG};

/// A backup that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// How many events are in the copy of the log.
    pub events: u64,
}

/// Copies the database and the audit log of a data directory to a new directory `to`.
///
/// The sealer is held up only while the end of the log is copied, and nobody else at all. The log's
/// sealing state (`seal/`), mails, and what identifies the node are not part of it.
///
/// # Errors
/// [`BackupError`]; then `to` has no whole backup.
pub fn back_up(data: &Path, database: &Path, to: &Path) -> Result<BackedUp, BackupError> {
    let source = Dir::open(data)?.ok_or_else(|| BackupError::Missing(data.to_owned()))?;
    let connection = open(database)?;
    // A directory that is not for this backup keeps its mode.
    if let Some(other) = Dir::open_to_look(to)?
        && !other.all_names()?.is_empty()
    {
        return Err(BackupError::NotEmpty(to.to_owned()));
    }
    let target = Dir::open_or_create(to)?;
    let log = source.subdir(LOG)?;
    let log_copy = target.subdir_or_create(LOG)?;
    if let Some(log) = &log {
        let begun = copy_log(log, &log_copy, &log.names()?, &BTreeMap::new())?;
        let lock = log.lock()?;
        // While the log is locked, no event leaves the database's outbox for it.
        pin(&connection, database)?;
        finish_log(log, &log_copy, &lock, &begun)?;
    } else {
        pin(&connection, database)?;
    }
    let copy = to.join(DATABASE);
    drop(target.create_new(DATABASE)?);
    copy_database(&connection, &copy)?;
    forget_sealed(&copy, &log_copy)?;
    check(&copy, &copy)?;
    settle(&copy)?;
    for name in CERTIFICATE {
        copy_file(&source, &target, name)?;
    }
    log_copy.sync()?;
    target.sync()?;
    let events = if log.is_some() {
        verify(log_copy.path())?
    } else {
        0
    };
    Ok(BackedUp { events })
}

/// Begins a transaction that sees the database as it is now until it ends.
fn pin(connection: &Connection, database: &Path) -> Result<(), BackupError> {
    // It is the first reading that fixes what is seen.
    let pinned = connection.execute_batch("BEGIN; SELECT count(*) FROM migration");
    pinned.map_err(failed(database))
}

/// Copies the files of a log that are not in `done` with their present length. Segments only grow;
/// the other files are small, and copied each time.
fn copy_log(
    log: &Dir,
    copy: &Dir,
    names: &[String],
    done: &BTreeMap<String, u64>,
) -> Result<BTreeMap<String, u64>, BackupError> {
    let mut copied = BTreeMap::new();
    for name in names {
        let is_segment = name.starts_with(|c: char| c.is_ascii_digit());
        if is_segment && done.contains_key(name) && length(log, name)? == done.get(name).copied() {
            copied.insert(name.clone(), done[name]);
        } else if let Some(length) = copy_file(log, copy, name)? {
            copied.insert(name.clone(), length);
        }
    }
    Ok(copied)
}

/// Brings the copy of a locked log up to date.
fn finish_log(
    log: &Dir,
    copy: &Dir,
    lock: &DirLock,
    begun: &BTreeMap<String, u64>,
) -> Result<(), BackupError> {
    let copied = copy_log(log, copy, &lock.names()?, begun)?;
    for name in begun.keys().filter(|name| !copied.contains_key(*name)) {
        // Retention removed it meanwhile.
        copy.unlink(name)?;
    }
    Ok(())
}

/// Removes the events from a copy's outbox that its log has: the sealer had sealed them and not
/// removed them yet. A restored node would seal them again.
fn forget_sealed(database: &Path, log: &Dir) -> Result<(), BackupError> {
    let wrong = |error: nightlatch_audit::AuditError| BackupError::Log(error.to_string());
    if log.names()?.is_empty() {
        return Ok(());
    }
    let newest = Query::default().limit(Limit::MAX);
    let reader = LogReader::copy(log.path()).map_err(wrong)?;
    let reading = reader.list(&newest, &Progress::default()).map_err(wrong)?;
    let connection = open(database)?;
    for line in reading.answer.events {
        let removed = connection.execute("DELETE FROM outbox WHERE id = ?1", [line.id]);
        removed.map_err(failed(database))?;
    }
    connection
        .close()
        .map_err(|(_, error)| failed(database)(error))
}
