//! Appending: under the directory's lock, one write for all lines of a call, undone when it fails.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use super::anchoring::anchor_of;
use super::catch_up::catch_up;
use super::details::Details;
use super::end::End;
use super::error::{AuditError, Damage};
use super::event::Event;
use super::kind::EventType;
use super::line::{self, Link, Stamp};
use super::origin::Origin;
use super::sealing::{BadState, Place, Role, STATE_FILE, Sealing, StateFile};
use super::segment::{DIRECTORY, SEGMENT_SIZE, SegmentName, segments};
use crate::clock::{Clock, Timestamp};
use crate::fs::{Dir, DirLock, FsError};

/// The log of one home. Holds nothing open: every call finds the log as it then is.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = std::sync::Arc::new(nightlatch::Dir::open_or_create(&scratch.path().join("home"))?);
/// use nightlatch::AuditLog;
/// use nightlatch::audit::{AuditName, Details, Event, Query};
/// use nightlatch::clock::SystemClock;
///
/// let log = AuditLog::new(home, std::sync::Arc::new(SystemClock));
/// let event = Event::new(Details::LoginAttempt).about(AuditName::known("alice@example.com"));
/// log.append_durable(&[event])?;
///
/// let found = log.query(&Query::default())?;
/// let last = found.events.last().and_then(|event| event.username.as_deref());
/// assert_eq!(last, Some("alice@example.com"));
/// # Ok(())
/// # }
/// ```
pub struct AuditLog {
    home: Arc<Dir>,
    clock: Arc<dyn Clock>,
    /// Looked up with the first event: most commands that look record nothing.
    pub(super) origin: OnceLock<Origin>,
    segment_size: u64,
    /// Whether there has been nothing to record yet: where it tells otherwise, no log is created.
    is_new: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    /// Where the system log listens, when it is to be told of the log's end.
    pub(super) syslog: Option<PathBuf>,
}

/// Events that were written but may not survive a loss of power yet: [`Appended::sync`] them, or
/// drop this where the design lets them be lost.
#[derive(Debug)]
#[must_use = "the events may not survive a loss of power until they are synced"]
pub struct Appended {
    file: File,
    path: PathBuf,
    /// They carry a seal, and were synced before the state that made it was erased.
    synced: bool,
}

impl Appended {
    /// Waits until the events would survive a loss of power. Takes no lock.
    ///
    /// # Errors
    /// When the system refuses; the events must then count as not recorded.
    pub fn sync(self) -> Result<(), AuditError> {
        if self.synced {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| FsError::new("sync", self.path, error).into())
    }
}

impl AuditLog {
    /// The log in `home`, its events from this process. Touches nothing until it is used.
    pub fn new(home: Arc<Dir>, clock: Arc<dyn Clock>) -> Self {
        let origin = OnceLock::new();
        Self {
            home,
            clock,
            origin,
            segment_size: SEGMENT_SIZE,
            is_new: None,
            syslog: None,
        }
    }

    /// Closes segments at another size.
    #[cfg(test)]
    pub(super) fn with_segment_size(mut self, size: u64) -> Self {
        self.segment_size = size;
        self
    }

    /// Creates the log only while `is_new`: a directory that is missing later was taken away, and
    /// what cannot be recorded in it must not happen.
    #[must_use]
    pub fn created_only_while(mut self, is_new: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_new = Some(Box::new(is_new));
        self
    }

    /// As [`AuditLog::new`], its events from elsewhere.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin.into();
        self
    }

    /// Appends `events` in order, all of them or none, creating the log when there is none.
    ///
    /// Waits for the log's lock; a caller that also locks a session has done so before. A last line
    /// that a crash left torn is first moved aside into a file of its own and recorded.
    ///
    /// # Errors
    /// When the events cannot be written, or the log's last line is not what was written there.
    /// Nothing was then appended, and what was to be recorded must not happen.
    pub fn append(&self, events: &[Event]) -> Result<Appended, AuditError> {
        let dir = self.directory_to_append()?;
        // What need not be done under the lock is done before: others wait for it.
        self.origin.get_or_init(Origin::of_this_process);
        let state = StateFile::open(&dir)?;
        let lock = dir.lock()?;
        self.append_under(&dir, lock, state, events)
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
        let names = lock.names()?;
        let segments = segments(&names);
        let mut sealing = sealing_of(dir, state, &segments)?;
        let mut end = End::find(dir, &names, &segments, sealing.place())?;
        catch_up(&mut sealing, dir, &segments, &end)?;
        let now = self.now();
        let mut due = end.set_torn_aside(dir)?;
        let mut follows_another = false;
        if end.length > 0 && (sealing.must_open() || self.is_full(&sealing, &end, now)) {
            if !sealing.must_open() {
                let last = self.close(&mut sealing, &end, now, &due)?;
                due.clear();
                end.last = last;
            }
            end = End::after(dir, end.last)?;
            follows_another = true;
        }
        if end.length == 0 {
            // Nothing is written to a segment before its name would survive a loss of power.
            dir.sync()?;
            self.home.sync()?;
            due.insert(0, opened(&sealing, end.segment));
        }
        let batch = self.batch(&mut sealing, &end, now, due.iter().chain(events))?;
        batch.write(&end)?;
        let synced = batch.is_sealed;
        if synced {
            save(&mut sealing, dir, &end)?;
        }
        drop(lock);
        if follows_another && let Some(anchor) = anchor_of(&sealing) {
            self.tell(&anchor);
        }
        tracing::debug!(events = events.len(), bytes = batch.lines.len(), segment = %end.segment, "recorded");
        Ok(Appended {
            file: end.file,
            path: end.path,
            synced,
        })
    }

    /// Appends `events` and waits until they would survive a loss of power.
    ///
    /// # Errors
    /// As [`AuditLog::append`] and [`Appended::sync`].
    pub fn append_durable(&self, events: &[Event]) -> Result<(), AuditError> {
        self.append(events)?.sync()
    }

    /// Ends the segment with `events` and the record of its end, durably: the last line.
    fn close(
        &self,
        sealing: &mut Sealing,
        end: &End,
        now: Timestamp,
        events: &[Event],
    ) -> Result<Link, AuditError> {
        let batch = self.closing(sealing, end, now, events)?;
        batch.write(end)?;
        sync(end)?;
        Ok(batch.last)
    }

    /// The lines that end the segment at `end`: `events` and the record of its end.
    pub(super) fn closing(
        &self,
        sealing: &mut Sealing,
        end: &End,
        now: Timestamp,
        events: &[Event],
    ) -> Result<Batch, AuditError> {
        let closed = Event::new(Details::SegmentClosed {
            segment: end.segment,
        });
        self.batch(sealing, end, now, events.iter().chain([&closed]))
    }

    /// Whether the open segment is to be closed: it is large, of another day (UTC), or the clock was
    /// set back, so that times in a segment rise, which a query for a range of time relies on.
    pub(super) fn is_full(&self, sealing: &Sealing, end: &End, now: Timestamp) -> bool {
        end.length >= self.segment_size
            || sealing.opened_at().day() != now.day()
            || now < sealing.sealed_at()
    }

    /// The lines of `events` at `end`, the last of them with a seal when one is due.
    pub(super) fn batch<'a>(
        &self,
        sealing: &mut Sealing,
        end: &End,
        now: Timestamp,
        events: impl Iterator<Item = &'a Event>,
    ) -> Result<Batch, AuditError> {
        let mut batch = Batch {
            lines: Vec::with_capacity(1024),
            last: end.last,
            is_sealed: false,
        };
        let mut events = events.peekable();
        let mut must_seal = false;
        while let Some(event) = events.next() {
            let stamp = Stamp {
                origin: self.origin.get_or_init(Origin::of_this_process),
                timestamp: now,
                id: event_id(now)?,
            };
            must_seal |= event.event_type().is_sealed_at_once();
            let role = role_of(event.event_type());
            let is_last = events.peek().is_none();
            let seals = role != Role::Inner
                || is_last && (must_seal || sealing.is_due(batch.last.seq + 1, now));
            batch.last = line::write(&mut batch.lines, batch.last, event, &stamp, |link| {
                seals.then(|| sealing.seal(role, link, now))
            });
            if seals {
                must_seal = false;
                batch.is_sealed = true;
                sealing.ends_at(Place {
                    segment: end.segment.first(),
                    offset: end.length + batch.lines.len() as u64,
                });
            }
        }
        Ok(batch)
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

    /// The present, by the wall clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// The directory of the log; `None` when there is none yet.
    pub(super) fn directory(&self) -> Result<Option<Dir>, AuditError> {
        Ok(self.home.subdir(DIRECTORY)?)
    }
}

/// A UUID of version 7: the millisecond, then random bits.
fn event_id(timestamp: Timestamp) -> Result<Uuid, AuditError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let millis = u64::try_from(timestamp.unix_nanos() / 1_000_000).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

/// Lines to be appended.
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    /// The last of them.
    pub(super) last: Link,
    is_sealed: bool,
}

impl Batch {
    /// Appends the lines at `end`; when that fails, cuts the segment back.
    fn write(&self, end: &End) -> Result<(), FsError> {
        let mut file = &end.file;
        file.write_all(&self.lines).map_err(|error| {
            cut_back(end);
            FsError::new("write to", &end.path, error)
        })
    }
}

/// Makes sealed lines durable, and then the state that comes after them, in this order: the state is
/// never ahead of the log. When it fails, cuts the segment back.
fn save(sealing: &mut Sealing, dir: &Dir, end: &End) -> Result<(), FsError> {
    sync(end)?;
    sealing.save(dir).inspect_err(|_| {
        let saved = Sealing::load(dir);
        let is_ahead = matches!(saved, Ok(Some(Ok(saved))) if saved.last().seq > end.last.seq);
        if !is_ahead {
            cut_back(end);
        }
    })
}

/// Makes what was appended at `end` durable; when that fails, cuts the segment back.
fn sync(end: &End) -> Result<(), FsError> {
    end.file.sync_data().map_err(|error| {
        cut_back(end);
        FsError::new("sync", &end.path, error)
    })
}

/// Takes back what was appended at `end`.
fn cut_back(end: &End) {
    // The failure to report is the first one. Should this fail as well, lines of events that are
    // reported as not recorded stand in the log, and the next append moves a torn one aside.
    let _ = end.file.set_len(end.length);
}

pub(super) fn opened(sealing: &Sealing, segment: SegmentName) -> Event {
    Event::new(Details::SegmentOpened {
        segment,
        fingerprint: sealing.fingerprint(),
        key: sealing.segment_key(),
    })
}

pub(super) fn role_of(event_type: EventType) -> Role {
    match event_type {
        EventType::SegmentOpened => Role::Opening,
        EventType::SegmentClosed => Role::Closing,
        _ => Role::Inner,
    }
}

/// The sealing state of the log in `dir`, whose `segments` there are; a new one for a new log.
fn sealing_of(
    dir: &Dir,
    state: Option<StateFile>,
    segments: &[SegmentName],
) -> Result<Sealing, AuditError> {
    let state = match state {
        Some(file) => Some(file.read(dir.path())?),
        // Another process may have begun the log since.
        None => Sealing::load(dir)?,
    };
    match (state, segments) {
        (Some(Ok(sealing)), _) => Ok(sealing),
        (None | Some(Err(BadState::Unwritten)), []) => {
            let mut sealing = Sealing::generate()?;
            sealing.save(dir)?;
            Ok(sealing)
        }
        (None | Some(Err(_)), segments) => {
            let named = segments.last().map(ToString::to_string);
            let path = dir.path().join(named.as_deref().unwrap_or(STATE_FILE));
            Err(AuditError::damaged(&path, Damage::NoSealState))
        }
    }
}
