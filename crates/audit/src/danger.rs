//! Writes logs for benchmarks: sealed like any other, but without locks and flushes.

use std::io::Write;
use std::sync::Arc;

use super::append_position::End;
use super::batch::Batch;
use super::details::Details;
use super::error::AuditError;
use super::event::Event;
use super::head::HeadFile;
use super::line::Link;
use super::log::AuditLog;
use super::reason::OpeningReason;
use super::sealer::{Place, Sealer};
use super::segment::DIRECTORY;
use super::state_file::StateFile;
use super::writer::{opened, rotation_due};
use nightlatch_core::clock::Timestamp;
use nightlatch_platform::fs::{Dir, FsError};

/// The number of bytes per write.
const CHUNK: usize = 1024 * 1024;

/// Writes a new log of any number of events, with no protection against crashes or concurrent
/// writers. Not part of the API: for benchmarks only.
pub struct DangerUnsynced {
    log: AuditLog,
    dir: Dir,
    state: StateFile,
    sealer: Sealer,
    end: End,
    pending: Vec<u8>,
}

impl DangerUnsynced {
    /// For the log in `home`, where there must be none yet.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new(home: &Arc<Dir>, log: AuditLog) -> Result<Self, AuditError> {
        let dir = home.subdir_or_create(DIRECTORY)?;
        let mut sealer = Sealer::generate()?;
        let state = StateFile::create(home, &mut sealer)?;
        let end = End::after(&dir, Link::GENESIS)?;
        Ok(Self {
            log,
            state,
            sealer,
            dir,
            end,
            pending: Vec::with_capacity(2 * CHUNK),
        })
    }

    /// Appends `events`, at most 16, in one append at the time `now`.
    ///
    /// # Errors
    /// When the events cannot be written.
    pub fn append(&mut self, now: Timestamp, events: &[Event]) -> Result<(), AuditError> {
        let now = now.whole_micros();
        let mut reason = OpeningReason::New;
        if self.end.length > 0
            && let Some(due) = rotation_due(&self.log, &self.sealer, self.end.length, now)
        {
            let segment = self.end.segment;
            let closed = Event::new(Details::SegmentClosed { segment });
            self.write(self.sealer.sealed_at(), &[&closed])?;
            self.flush()?;
            self.end = End::after(&self.dir, self.end.last)?;
            reason = due;
        }
        if self.end.length == 0 {
            let opened = opened(&self.log, &self.sealer, &self.end, reason);
            self.write(now, &[&opened])?;
        }
        self.write(now, &events.iter().collect::<Vec<_>>())
    }

    fn write(&mut self, now: Timestamp, events: &[&Event]) -> Result<(), AuditError> {
        let origin = self.log.origin();
        let batch = Batch::seal(&mut self.sealer, origin, now, self.end.last, events)?;
        self.end.length += batch.lines.len() as u64;
        self.end.last = batch.last;
        self.sealer.journal_start = self.end.length;
        self.sealer.ends_at(Place {
            segment: self.end.segment.first(),
            offset: self.end.length,
        });
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

    /// Writes the remaining lines, the state and the head. The log can then be continued like any
    /// other.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(), AuditError> {
        self.flush()?;
        self.state.save(&mut self.sealer)?;
        if let Some(head) = self.sealer.head() {
            HeadFile::open(&self.dir)?.write(self.dir.path(), head)?;
        }
        Ok(())
    }
}
