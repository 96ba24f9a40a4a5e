//! Checks the account database without changing anything in the home.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Directory, DirectoryError, FILE, uri};
use nightlatch_platform::fs::FsError;

/// The result of checking the account database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseState {
    /// There is no database yet.
    Absent,
    /// The database is intact.
    Whole {
        /// The number of accounts in it.
        accounts: u64,
    },
    /// Another process was writing to it, or was killed while writing; a full check would have
    /// changed files. The next command that uses the database recovers it.
    InUse,
}

/// Checks the database of the home at `home` without creating or changing a file. While nobody has
/// it open, it is read as it is on disk; otherwise through the companion files of the processes
/// that use it.
///
/// # Errors
/// When it is damaged, not our database, or cannot be read.
pub fn check(home: &Path) -> Result<DatabaseState, DirectoryError> {
    let path = home.join(FILE);
    let failed = |error| FsError::new("inspect", &path, error);
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => {
            let problem = nightlatch_platform::fs::FsProblem::NotRegular;
            return Err(FsError::new("use", &path, problem).into());
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(DatabaseState::Absent);
        }
        Err(error) => return Err(failed(error).into()),
    }
    let real = std::fs::canonicalize(&path).map_err(failed)?;
    let is_there = |companion: &str| {
        let name = format!("{FILE}{companion}");
        std::fs::symlink_metadata(home.join(name)).is_ok()
    };
    let options = match (is_there("-wal"), is_there("-shm")) {
        (false, false) => "immutable=1",
        (true, true) => "readonly_shm=1",
        _ => return Ok(DatabaseState::InUse),
    };
    let written = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    let before = written(&real);
    let checked = look(&real, &path, options);
    // A process wrote to it while it was read as unchanging.
    if options == "immutable=1" && (is_there("-wal") || written(&real) != before) {
        return Ok(DatabaseState::InUse);
    }
    checked.map(|accounts| DatabaseState::Whole { accounts })
}

fn look(real: &Path, path: &Path, options: &str) -> Result<u64, DirectoryError> {
    let failed = |error| DirectoryError::from_sqlite(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(real, options), flags).map_err(failed)?;
    (|| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
    })()
    .map_err(failed)?;
    let opened = Directory::unchecked(connection, path.to_owned()).check_identity()?;
    let told: String = opened
        .connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if told != "ok" {
        return Err(opened.corrupt(told));
    }
    opened.count()
}
