//! Copies of files and of databases, durable when they return.

use std::fs::File;
use std::path::Path;

use nightlatch_audit::{Progress, Verifier};
use nightlatch_platform::fs::{Dir, FsError};
use rusqlite::{Connection, OpenFlags};

use super::BackupError;

/// A database must be there.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Copies a file into another directory, over one that is there. Returns its length, or `None` if
/// there is no such file.
pub fn copy_file(from: &Dir, to: &Dir, name: &str) -> Result<Option<u64>, FsError> {
    let Some(source) = from.open_file(name)? else {
        return Ok(None);
    };
    to.unlink(name)?;
    let copy = to.create_new(name)?;
    copy_content(source, copy, &from.path().join(name)).map(Some)
}

/// Copies the content of a file, and makes it durable. `path` is that of the source, for messages.
pub fn copy_content(mut source: File, mut copy: File, path: &Path) -> Result<u64, FsError> {
    let failed = |error| FsError::new("copy", path, error);
    let length = std::io::copy(&mut source, &mut copy).map_err(failed)?;
    copy.sync_all().map_err(failed)?;
    Ok(length)
}

/// The length of a file, or `None` if there is no such file.
pub fn length(dir: &Dir, name: &str) -> Result<Option<u64>, FsError> {
    let Some(file) = dir.open_file(name)? else {
        return Ok(None);
    };
    let found = file.metadata();
    let found = found.map_err(|error| FsError::new("inspect", dir.path().join(name), error))?;
    Ok(Some(found.len()))
}

/// Opens a database that must be there.
pub fn open(path: &Path) -> Result<Connection, BackupError> {
    let connection = Connection::open_with_flags(path, FLAGS).map_err(failed(path))?;
    // Somebody else may be writing.
    let patience = std::time::Duration::from_secs(5);
    connection.busy_timeout(patience).map_err(failed(path))?;
    Ok(connection)
}

/// Copies the database of `source` as its transaction sees it. `to` must be there, and empty.
pub fn copy_database(source: &Connection, to: &Path) -> Result<(), BackupError> {
    let mut copy = open(to)?;
    let copied =
        rusqlite::backup::Backup::new(source, &mut copy).and_then(|backup| backup.step(-1));
    match copied.map_err(failed(to))? {
        rusqlite::backup::StepResult::Done => Ok(()),
        _ => Err(busy(to)),
    }
}

/// Checks that a database is whole. `shown` is the path for messages.
pub fn check(path: &Path, shown: &Path) -> Result<(), BackupError> {
    let connection = Connection::open_with_flags(path, FLAGS).map_err(failed(shown))?;
    let found = text(&connection, "PRAGMA integrity_check").map_err(failed(shown))?;
    if found == "ok" {
        return Ok(());
    }
    Err(BackupError::Database {
        path: shown.to_owned(),
        problem: format!("the database is damaged: {found}"),
    })
}

/// Makes a database one file without a log beside it, once nobody else has it open, and makes it
/// durable.
pub fn settle(path: &Path) -> Result<(), BackupError> {
    let connection = open(path)?;
    let mode = text(&connection, "PRAGMA journal_mode = DELETE").map_err(failed(path))?;
    if mode != "delete" {
        return Err(busy(path));
    }
    connection
        .close()
        .map_err(|(_, error)| failed(path)(error))?;
    let synced = open_to_sync(path).and_then(|file| file.sync_all());
    synced.map_err(|error| FsError::new("sync", path, error).into())
}

/// The one text that a statement returns.
fn text(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    connection.query_row(sql, [], |row| row.get(0))
}

fn busy(path: &Path) -> BackupError {
    BackupError::Database {
        path: path.to_owned(),
        problem: "the database is busy; try again".to_owned(),
    }
}

#[allow(clippy::disallowed_methods)] // SQLite has just written it
fn open_to_sync(path: &Path) -> std::io::Result<File> {
    File::options().write(true).open(path)
}

/// Verifies a copy of an audit log. Returns how many events are in it.
pub fn verify(log: &Path) -> Result<u64, BackupError> {
    let result = Verifier::new(log).run(&Progress::default());
    let result = result.map_err(|error| BackupError::Log(error.to_string()))?;
    match result.findings.first() {
        None => Ok(result.lines),
        Some(finding) => Err(BackupError::Tampered {
            path: log.to_owned(),
            problem: finding.problem.to_string(),
        }),
    }
}

/// Puts the path of the database before an error of SQLite.
pub fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |error| BackupError::Database {
        path: path.clone(),
        problem: error.to_string(),
    }
}
