//! Errors of the account database.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use nightlatch_platform::fs::FsError;

/// The account directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// A file or directory is not private to this user, or cannot be reached.
    #[error(transparent)]
    File(#[from] FsError),
    /// Other processes held the database for longer than five seconds.
    #[error("the account directory is busy ({path})", path = .path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// The file is not a database.
    #[error("{path} is not an account directory", path = .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is another program's database.
    #[error("{path} is the database of another program", path = .path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// Written by a newer nightlatch.
    #[error(
        "{path} was written by a newer nightlatch (format {found}, this one knows {known})",
        path = .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of its format.
        found: i64,
        /// The newest version that this program supports.
        known: i64,
    },
    /// The database is damaged, or contains values that nightlatch never writes.
    #[error("{path} is damaged: {what}", path = .path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The disk is full.
    #[error("cannot use {path}: {what}", path = .path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// The system lets the database be neither read nor written, or only read.
    #[error("cannot use {path}: {what}", path = .path.display())]
    Inaccessible {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// SQLite failed for another reason.
    #[error("cannot use {path}: {what}", path = .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// The system provides no random numbers.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

impl DirectoryError {
    #[allow(clippy::needless_pass_by_value)] // as `map_err` gives it
    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let (path, what) = (path.to_owned(), source.to_string());
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::TypeMismatch) => {
                Self::Corrupt { path, what }
            }
            Some(ErrorCode::DiskFull) => Self::DiskFull { path, what },
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure,
            ) => Self::Inaccessible { path, what },
            _ => Self::Database { path, what },
        }
    }
}

impl From<getrandom::Error> for DirectoryError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}
