//! Appends to the log of a home, under its lock.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::error::AuditError;
use super::event::Event;
use super::log::AuditLog;
use super::segment::DIRECTORY;
use super::state_file::StateFile;
use super::writer::Writer;
use nightlatch_platform::fs::{Dir, DirLock, FsError};

/// Events that are written but might not survive a loss of power yet. Call [`Appended::sync`], or
/// drop this if the design allows losing them.
#[derive(Debug)]
#[must_use = "the events may not survive a loss of power until they are synced"]
pub struct Appended {
    file: File,
    path: PathBuf,
}

impl Appended {
    /// Waits until the events are durable. Takes no lock.
    ///
    /// # Errors
    /// When the system fails to sync; the events must then be treated as not recorded.
    pub fn sync(self) -> Result<(), AuditError> {
        self.file
            .sync_data()
            .map_err(|error| FsError::new("sync", self.path, error).into())
    }
}

/// The log, locked for one append.
#[must_use = "the lock is released when this is dropped, and nothing is appended"]
pub struct LockedLog<'a> {
    log: &'a AuditLog,
    dir: Dir,
    lock: DirLock,
    state: Option<StateFile>,
}

impl LockedLog<'_> {
    /// Appends `events` as [`AuditLog::append`] does, and releases the lock.
    ///
    /// # Errors
    /// As for [`AuditLog::append`].
    pub fn append(self, events: &[Event]) -> Result<Appended, AuditError> {
        self.append_groups(&[events])
    }

    /// Like [`LockedLog::append`]. Up to 16 events of a group are sealed together.
    pub(super) fn append_groups(self, groups: &[&[Event]]) -> Result<Appended, AuditError> {
        self.log
            .append_under(&self.dir, self.lock, self.state, groups)
    }
}

impl AuditLog {
    /// Appends `events` in order and seals them. Creates the log if there is none.
    ///
    /// Waits for the log's lock; a caller that also locks a session must lock the session first.
    /// Lines that a crash left without a seal are first moved aside into a file of their own, and
    /// this is recorded.
    ///
    /// # Errors
    /// When the events cannot be written, or the log does not end where the program left it. If
    /// there were up to 16 events, none was appended, and the action to be recorded must not
    /// happen. More events are appended 16 at a time.
    pub fn append(&self, events: &[Event]) -> Result<Appended, AuditError> {
        self.lock()?.append(events)
    }

    /// Like [`AuditLog::append`], but waits at most `limit` for the log's lock.
    ///
    /// # Errors
    /// As for [`AuditLog::append`], and [`AuditError::Busy`].
    pub fn append_within(&self, events: &[Event], limit: Duration) -> Result<Appended, AuditError> {
        self.lock_within(limit)?.append(events)
    }

    /// Like [`AuditLog::lock`], but waits at most `limit`.
    ///
    /// # Errors
    /// As for [`AuditLog::lock`], and [`AuditError::Busy`].
    pub(super) fn lock_within(&self, limit: Duration) -> Result<LockedLog<'_>, AuditError> {
        self.lock_by(|dir| {
            let directory = dir.path().to_owned();
            dir.lock_within(limit)?
                .ok_or(AuditError::Busy { directory })
        })
    }

    /// Waits for the log's lock. After that, only a failure to write can prevent events from being
    /// recorded. Creates the log if there is none.
    ///
    /// # Errors
    /// When the lock cannot be taken.
    pub fn lock(&self) -> Result<LockedLog<'_>, AuditError> {
        self.lock_by(|dir| Ok(dir.lock()?))
    }

    fn lock_by(
        &self,
        lock: impl FnOnce(&Dir) -> Result<DirLock, AuditError>,
    ) -> Result<LockedLog<'_>, AuditError> {
        let dir = self.directory_to_append()?;
        // Do this before taking the lock, which other processes wait for.
        self.origin();
        self.boot_id();
        let state = StateFile::open(&self.home)?;
        let lock = lock(&dir)?;
        Ok(LockedLog {
            log: self,
            dir,
            lock,
            state,
        })
    }

    /// Like [`AuditLog::append`], under a lock that is already held and is released here. `state`
    /// is the sealing state's file, if it existed before.
    pub(super) fn append_under(
        &self,
        dir: &Dir,
        lock: DirLock,
        state: Option<StateFile>,
        groups: &[&[Event]],
    ) -> Result<Appended, AuditError> {
        let mut writer = Writer::open(self, dir, &lock.names()?, state)?;
        writer.append(groups)?;
        drop(lock);
        if let Some(anchor) = writer.due_anchor() {
            self.tell(&anchor);
        }
        let end = writer.end;
        let events: usize = groups.iter().map(|group| group.len()).sum();
        tracing::debug!(events, last = end.last.seq, segment = %end.segment, "recorded");
        Ok(Appended {
            file: end.file,
            path: end.path,
        })
    }

    /// Appends `events` and waits until they are durable.
    ///
    /// # Errors
    /// As for [`AuditLog::append`] and [`Appended::sync`].
    pub fn append_durable(&self, events: &[Event]) -> Result<(), AuditError> {
        self.append(events)?.sync()
    }

    fn directory_to_append(&self) -> Result<Dir, AuditError> {
        if let Some(dir) = self.directory()? {
            return Ok(dir);
        }
        if self.is_new.as_ref().is_some_and(|is_new| !is_new()) {
            let directory = self.home.path().join(DIRECTORY);
            // Another process may have created the log after the first check.
            return self.directory()?.ok_or(AuditError::Gone { directory });
        }
        Ok(self.home.subdir_or_create(DIRECTORY)?)
    }
}
