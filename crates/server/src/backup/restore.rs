//! The restore of a backup into a data directory without data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nightlatch_audit::{Details, Event, RevocationReason, RevocationScope};
use nightlatch_core::clock::Clock;
use nightlatch_platform::fs::Dir;

use super::copy::{check, copy_file, settle, verify};
use super::staged::{LEFTOVERS, Staged, beside};
use super::{BackupError, CERTIFICATE, DATABASE, LOG};
use crate::clock::ServerClock;
use crate::record::{Backlog, Outbox, SealedLog};
use crate::store::{Database, Store};

/// Where the log of a backup is put. It stays as it is: the restored node begins a log of its own,
/// because the sealing state of the old one is in no backup.
pub const RESTORED_LOG: &str = "restored-audit";
/// What belongs to a log: its files, and the state that seals it.
const OWN_LOG: [&str; 2] = [LOG, "seal"];
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
/// may have been ended, revoked or used.
///
/// The database is put in place last and atomically. A restore that fails removes what it made. One
/// that was killed leaves the unfinished database; then no server starts there until the restore is
/// repeated.
///
/// # Errors
/// [`BackupError`]. Nothing was changed if it is [`BackupError::Missing`], [`BackupError::Changed`],
/// [`BackupError::Tampered`], [`BackupError::Occupied`] (something is there that the restore would
/// replace), or [`BackupError::InUse`] (a server runs there).
pub async fn restore(
    from: &Path,
    data: &Path,
    database: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Restored, BackupError> {
    let backup = Dir::open_to_look(from)?.ok_or_else(|| BackupError::Missing(from.to_owned()))?;
    let old_log = check_backup(&backup)?;
    if let Some(path) = occupied(&backup, data, database)? {
        return Err(if SealedLog::is_in_use(data)? {
            BackupError::InUse(data.to_owned())
        } else {
            BackupError::Occupied(path)
        });
    }
    let events = match &old_log {
        Some(old) => verify(old.path())?,
        None => 0,
    };
    let log = SealedLog::open(data).map_err(BackupError::Log)?;
    if !log.is_ours() {
        return Err(BackupError::InUse(data.to_owned()));
    }
    let target = Dir::open_or_create(data)?;
    if Staged::is_left(database) {
        discard(&backup, &target, database)?;
    }
    // Another restore or a server may have made one before the lock was taken.
    if database.symlink_metadata().is_ok() {
        return Err(BackupError::Occupied(database.to_owned()));
    }
    let staged = Staged::create(database)?;
    let made = async {
        let sessions = restore_database(&backup, &staged, log.node(), clock).await?;
        if let Some(old) = &old_log {
            let copy = target.subdir_or_create(RESTORED_LOG)?;
            for name in old.names()? {
                copy_file(old, &copy, &name)?;
            }
            copy.sync()?;
        }
        for name in CERTIFICATE {
            copy_file(&backup, &target, name)?;
        }
        target.sync()?;
        // Last, so that a database that is there is whole.
        staged.put_in_place()?;
        Ok(sessions)
    };
    match made.await {
        Ok(sessions) => Ok(Restored { events, sessions }),
        Err(error) => {
            if Staged::is_left(database) {
                // The first failure counts. What is left is removed by the next restore.
                let _ = discard(&backup, &target, database);
            }
            Err(error)
        }
    }
}

/// Checks what is in a backup, without changing it. Returns its log, if there is one.
fn check_backup(backup: &Dir) -> Result<Option<Dir>, BackupError> {
    let path = backup.path().join(DATABASE);
    if !backup.contains(DATABASE)? {
        return Err(BackupError::Missing(path));
    }
    // What SQLite would apply to the database is in no backup of ours.
    for end in LEFTOVERS {
        if backup.contains(&format!("{DATABASE}{end}"))? {
            return Err(BackupError::Changed(beside(&path, end)));
        }
    }
    let log = backup.subdir(LOG)?;
    Ok(match log {
        Some(log) if !log.names()?.is_empty() => Some(log),
        _ => None,
    })
}

/// What is there already and a restore would replace or mix up, if anything.
fn occupied(backup: &Dir, data: &Path, database: &Path) -> Result<Option<PathBuf>, BackupError> {
    // SQLite would apply the log of another database to this one.
    let mut files = vec![database.to_owned()];
    files.extend(LEFTOVERS.map(|end| beside(database, end)));
    files.extend(OWN_LOG.map(|name| data.join(name)));
    // A restore that was killed left the others.
    if !Staged::is_left(database) {
        files.push(data.join(RESTORED_LOG));
        for name in CERTIFICATE {
            if backup.contains(name)? {
                files.push(data.join(name));
            }
        }
    }
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    Ok(files.into_iter().find(is_there))
}

/// Removes what an unfinished restore made, the database last: it is the sign of the others.
fn discard(backup: &Dir, target: &Dir, database: &Path) -> Result<(), BackupError> {
    if let Some(log) = target.subdir(RESTORED_LOG)? {
        for name in log.names()? {
            log.unlink(&name)?;
        }
        target.unlink(RESTORED_LOG)?;
    }
    for name in CERTIFICATE {
        // Without one in the backup, this is the operator's.
        if backup.contains(name)? {
            target.unlink(name)?;
        }
    }
    target.sync()?;
    Staged::remove(database)
}

/// Copies the database beside its place, and ends there what must not come back.
async fn restore_database(
    backup: &Dir,
    staged: &Staged,
    node: &str,
    clock: Arc<dyn Clock>,
) -> Result<i64, BackupError> {
    staged.fill(backup, DATABASE)?;
    let path = staged.path();
    check(path, &backup.path().join(DATABASE))?;
    let clock = Arc::new(ServerClock::of_this_machine(clock));
    let store = Store::open(&Database::Sqlite(path.to_owned()))?;
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
    let sessions = store.end_restored(REASON, now, Arc::new(recorded)).await?;
    store.close()?;
    settle(path)?;
    Ok(sessions)
}
