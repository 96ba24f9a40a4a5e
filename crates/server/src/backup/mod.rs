//! Backup of a node on SQLite while it runs, and its restore. Together, the copies of the database
//! and of the audit log are one point in time.

mod copy;
mod restore;
mod snapshot;
mod staged;

pub use restore::{RESTORED_LOG, Restored, restore};
pub use snapshot::{BackedUp, back_up};
pub use staged::Staged;

use std::path::PathBuf;

use nightlatch_platform::fs::FsError;

use crate::store::StoreError;

/// The names in a backup.
const DATABASE: &str = "server.db";
const LOG: &str = "audit";
/// The certificate that the server made for itself; in a backup where there is one.
const CERTIFICATE: [&str; 2] = ["tls.pem", "tls.key"];

/// Why a backup or a restore was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or directory.
    #[error(transparent)]
    File(#[from] FsError),
    /// The directory for a backup has something in it.
    #[error("{}: not empty; name a new directory", .0.display())]
    NotEmpty(PathBuf),
    /// There is nothing to back up or to restore.
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// A restore would replace data.
    #[error("{}: already there; a restore replaces nothing. Move it away first", .0.display())]
    Occupied(PathBuf),
    /// There is something beside the database of a backup that changes it.
    #[error("{}: not part of a backup; somebody used the database. Restore another copy", .0.display())]
    Changed(PathBuf),
    /// Another process is the node of the data directory.
    #[error("{} is in use by a running nightlatch-server; stop it first", .0.display())]
    InUse(PathBuf),
    /// The audit log of a backup was changed.
    #[error("{}: the audit log does not verify: {problem}", .path.display())]
    Tampered {
        /// The log.
        path: PathBuf,
        /// The first finding.
        problem: String,
    },
    /// SQLite.
    #[error("{}: {problem}", .path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The database, by way of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log, in words.
    #[error("{0}")]
    Log(String),
}
