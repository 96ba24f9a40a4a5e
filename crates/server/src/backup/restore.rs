//! The restore of a backup into an empty data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nightlatch_audit::{Details, Event, RevocationReason, RevocationScope};
use nightlatch_core::clock::Clock;
use nightlatch_platform::fs::Dir;

use super::copy::{copy_database, copy_file, failed, open, settle, verify};
use super::{BackupError, DATABASE, LOG};
use crate::clock::ServerClock;
use crate::record::{Backlog, Outbox, SealedLog};
use crate::store::{Database, Store};

/// Where the log of a backup is put. It stays as it is: the restored node begins a log of its own,
/// because the sealing state of the old one is in no backup.
pub const RESTORED_LOG: &str = "restored-audit";
/// The database while it is being restored.
const UNFINISHED: &str = "server.db.restoring";
/// What people whose session was in the backup are told.
const REASON: &str = "the server was restored from a backup";

/// A restore that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many events are in the restored log.
    pub events: u64,
    /// How many live sessions of users were ended.
    pub sessions: i64,
}

/// Restores a backup. Sessions of users and pending links do not come back: since the backup they
/// may have been ended, revoked or used. If it fails, it can be repeated.
///
/// # Errors
/// [`BackupError`]; [`BackupError::Occupied`] if there is a database or a log already, and
/// [`BackupError::InUse`] while a server runs.
pub async fn restore(
    from: &Path,
    data: &Path,
    database: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Restored, BackupError> {
    let backup = Dir::open(from)?.ok_or_else(|| BackupError::Missing(from.to_owned()))?;
    let source = from.join(DATABASE);
    if !backup.contains(DATABASE)? {
        return Err(BackupError::Missing(source));
    }
    let log = SealedLog::open(data).map_err(BackupError::Log)?;
    if !log.is_ours() {
        return Err(BackupError::InUse(data.to_owned()));
    }
    let target = Dir::open_or_create(data)?;
    // SQLite would apply the log of another database to this one.
    let files = ["", "-wal", "-shm", "-journal"].map(|end| {
        let mut path = database.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    });
    if let Some(path) = files
        .into_iter()
        .chain([data.join(LOG)])
        .find(|path| path.exists())
    {
        return Err(BackupError::Occupied(path));
    }
    let mut events = 0;
    if let Some(old) = backup
        .subdir(LOG)?
        .filter(|old| old.names().is_ok_and(|names| !names.is_empty()))
    {
        events = verify(old.path())?;
        let copy = target.subdir_or_create(RESTORED_LOG)?;
        for name in old.names()? {
            copy_file(&old, &copy, &name)?;
        }
        copy.sync()?;
    }
    let sessions = restore_database(&source, &target, log.node(), clock).await?;
    for name in backup
        .names()?
        .iter()
        .filter(|name| name.starts_with("tls."))
    {
        copy_file(&backup, &target, name)?;
    }
    // Last, so that a database that is there is whole.
    let unfinished = data.join(UNFINISHED);
    let renamed = rename(&unfinished, database);
    renamed.map_err(|error| nightlatch_platform::fs::FsError::new("rename", &unfinished, error))?;
    target.sync()?;
    Ok(Restored { events, sessions })
}

/// Copies the database beside its place, and ends there what must not come back.
async fn restore_database(
    source: &Path,
    target: &Dir,
    node: &str,
    clock: Arc<dyn Clock>,
) -> Result<i64, BackupError> {
    for name in ["", "-wal", "-shm", "-journal"] {
        target.unlink(&format!("{UNFINISHED}{name}"))?;
    }
    drop(target.create_new(UNFINISHED)?);
    let path = target.path().join(UNFINISHED);
    let original = open(source)?;
    copy_database(&original, &path)?;
    original
        .close()
        .map_err(|(_, error)| failed(source)(error))?;
    settle(&path)?;
    let clock = Arc::new(ServerClock::of_this_machine(clock));
    let store = Store::open(&Database::Sqlite(path.clone()))?;
    let now = clock.now();
    store.migrate(now).await?;
    let outbox = Outbox::new(node.to_owned(), clock, Arc::new(Backlog::default()));
    let recorded = move |sessions: i64| {
        outbox.rows(&[Event::new(Details::SessionRevoked {
            reason: RevocationReason::new(REASON),
            incident: None,
            scope: Some(RevocationScope::AllAuthenticated),
            sessions: u64::try_from(sessions).ok(),
            by: None,
        })])
    };
    let sessions = store.forget_past(REASON, now, Arc::new(recorded)).await?;
    store.close()?;
    settle(&path)?;
    Ok(sessions)
}

#[allow(clippy::disallowed_methods)] // the database may be configured to be elsewhere
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::rename(from, to)
}
