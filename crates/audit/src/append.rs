//! Appending to the log of a home, under its lock.

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

/// Events that were written but may not survive a loss of power yet: [`Appended::sync`] them, or
/// drop this where the design lets them be lost.
#[derive(Debug)]
#[must_use = "the events may not survive a loss of power until they are synced"]
pub struct Appended {
    file: File,
    path: PathBuf,
}

impl Appended {
    /// Waits until the events would survive a loss of power. Takes no lock.
    ///
    /// # Errors
    /// When the system refuses; the events must then count as not recorded.
    pub fn sync(self) -> Result<(), AuditError> {
        self.file
            .sync_data()
            .map_err(|error| FsError::new("sync", self.path, error).into())
    }
}

impl AuditLog {
    /// Appends `events` in order, sealed, creating the log when there is none.
    ///
    /// Waits for the log's lock; a caller that also locks a session has done so before. What a crash
    /// left without a seal is first moved aside into a file of its own and recorded.
    ///
    /// # Errors
    /// When the events cannot be written, or the log does not end as the program left it. Of up to 16
    /// events none was appended then, and what was to be recorded must not happen; more are appended
    /// 16 at a time.
    pub fn append(&self, events: &[Event]) -> Result<Appended, AuditError> {
        self.append_with(|| events)
    }

    /// As [`AuditLog::append`], of what `events` gives once the log's lock is held: from then on they are
    /// as good as written.
    ///
    /// # Errors
    /// As [`AuditLog::append`].
    pub fn append_with<E: AsRef<[Event]>>(
        &self,
        events: impl FnOnce() -> E,
    ) -> Result<Appended, AuditError> {
        self.append_locked(events, |dir| Ok(dir.lock()?))
    }

    /// As [`AuditLog::append`], where the log's lock is waited for `limit` at most.
    ///
    /// # Errors
    /// As [`AuditLog::append`], and [`AuditError::Busy`].
    pub fn append_within(&self, events: &[Event], limit: Duration) -> Result<Appended, AuditError> {
        self.append_locked(
            || events,
            |dir| {
                let directory = dir.path().to_owned();
                dir.lock_within(limit)?
                    .ok_or(AuditError::Busy { directory })
            },
        )
    }

    fn append_locked<E: AsRef<[Event]>>(
        &self,
        events: impl FnOnce() -> E,
        lock: impl FnOnce(&Dir) -> Result<DirLock, AuditError>,
    ) -> Result<Appended, AuditError> {
        let dir = self.directory_to_append()?;
        // What need not be done under the lock is done before: others wait for it.
        self.origin();
        self.boot_id();
        let state = StateFile::open(&self.home)?;
        let lock = lock(&dir)?;
        self.append_under(&dir, lock, state, events().as_ref())
    }

    /// As [`AuditLog::append`], under the lock that is held already, and given back here. `state` is
    /// the sealing state's file, if it was there before.
    pub(super) fn append_under(
        &self,
        dir: &Dir,
        lock: DirLock,
        state: Option<StateFile>,
        events: &[Event],
    ) -> Result<Appended, AuditError> {
        let mut writer = Writer::open(self, dir, &lock.names()?, state)?;
        writer.append(events)?;
        drop(lock);
        if let Some(anchor) = writer.due_anchor() {
            self.tell(&anchor);
        }
        let end = writer.end;
        tracing::debug!(events = events.len(), last = end.last.seq, segment = %end.segment, "recorded");
        Ok(Appended {
            file: end.file,
            path: end.path,
        })
    }

    /// Appends `events` and waits until they would survive a loss of power.
    ///
    /// # Errors
    /// As [`AuditLog::append`] and [`Appended::sync`].
    pub fn append_durable(&self, events: &[Event]) -> Result<(), AuditError> {
        self.append(events)?.sync()
    }

    fn directory_to_append(&self) -> Result<Dir, AuditError> {
        if let Some(dir) = self.directory()? {
            return Ok(dir);
        }
        if self.is_new.as_ref().is_some_and(|is_new| !is_new()) {
            let directory = self.home.path().join(DIRECTORY);
            // Another process may have begun the log after the first look.
            return self.directory()?.ok_or(AuditError::Gone { directory });
        }
        Ok(self.home.subdir_or_create(DIRECTORY)?)
    }
}
