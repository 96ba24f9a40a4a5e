//! Logs for measurements, sealed as the program seals, without its locks and flushes.

use std::io::Write;
use std::sync::Arc;

use super::end::End;
use super::error::AuditError;
use super::event::Event;
use super::log::{AuditLog, opened};
use super::sealing::Sealing;
use super::segment::DIRECTORY;
use crate::clock::Timestamp;
use crate::fs::{Dir, FsError};

/// Lines are written this many bytes at a time.
const CHUNK: usize = 1024 * 1024;

/// Writes a new log of as many events as wanted, each at a time of its own, and forgets all care for
/// crashes and for others who write. Not a part of the API: it is for benchmarks only.
pub struct DangerUnsynced {
    log: AuditLog,
    dir: Dir,
    sealing: Sealing,
    end: End,
    pending: Vec<u8>,
}

impl DangerUnsynced {
    /// For the log in `home`, which must have none yet.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new(home: &Arc<Dir>, log: AuditLog) -> Result<Self, AuditError> {
        let dir = home.subdir_or_create(DIRECTORY)?;
        let sealing = Sealing::generate()?;
        let end = End::find(&dir, &[], &[], sealing.place())?;
        Ok(Self {
            log,
            sealing,
            dir,
            end,
            pending: Vec::with_capacity(2 * CHUNK),
        })
    }

    /// Appends `event` at the time `now`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, now: Timestamp, event: &Event) -> Result<(), AuditError> {
        if self.end.length > 0 && self.log.is_full(&self.sealing, &self.end, now) {
            let closed = self.log.closing(&mut self.sealing, &self.end, now, &[])?;
            self.end.last = closed.last;
            self.pending.extend_from_slice(&closed.lines);
            self.flush()?;
            self.end = End::after(&self.dir, self.end.last)?;
        }
        if self.end.length == 0 {
            let opened = opened(&self.sealing, self.end.segment);
            self.write(now, &opened)?;
        }
        self.write(now, event)
    }

    fn write(&mut self, now: Timestamp, event: &Event) -> Result<(), AuditError> {
        let batch = self
            .log
            .batch(&mut self.sealing, &self.end, now, std::iter::once(event))?;
        self.end.length += batch.lines.len() as u64;
        self.end.last = batch.last;
        self.pending.extend_from_slice(&batch.lines);
        if self.pending.len() >= CHUNK {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FsError> {
        (&self.end.file)
            .write_all(&self.pending)
            .map_err(|error| FsError::new("write to", &self.end.path, error))?;
        self.pending.clear();
        Ok(())
    }

    /// Writes what is left and the state: the log goes on from there as any other.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(), AuditError> {
        self.flush()?;
        Ok(self.sealing.save(&self.dir)?)
    }
}
