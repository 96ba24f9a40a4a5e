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
    /// SQLite failed for another reason: the disk is full, or cannot be read.
    #[error("cannot use {path}: {source}", path = .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The system provides no random numbers.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

impl DirectoryError {
    pub(in crate::account) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::TypeMismatch) => {
                let what = source.to_string();
                Self::Corrupt { path, what }
            }
            _ => Self::Database { path, source },
        }
    }

    /// How the user can correct it, if possible.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Busy { .. } => Some("try again in a moment".to_owned()),
            Self::NotADatabase { path } | Self::Foreign { path } => Some(format!(
                "move {} out of the way, or choose another place with --home",
                path.display()
            )),
            Self::Newer { .. } => Some("update nightlatch".to_owned()),
            Self::Corrupt { path, .. } => Some(format!(
                "put a backup of {} back; nothing in it was changed",
                path.display()
            )),
            Self::Database { path, source } => match source.sqlite_error_code()? {
                ErrorCode::DiskFull => Some("free some disk space and try again".to_owned()),
                ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure => {
                    let directory = path.parent().unwrap_or(path).display();
                    Some(format!(
                        "make sure that {directory} can be written to and is not on a disk that is \
                         full or mounted read-only"
                    ))
                }
                _ => None,
            },
            Self::Random(_) => None,
        }
    }
}

impl From<getrandom::Error> for DirectoryError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}
