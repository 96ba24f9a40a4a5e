//! Appending: under the directory's lock, one write for all lines of a call, undone when it fails.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use super::details::Details;
use super::error::{AuditError, Damage};
use super::event::Event;
use super::line::{self, Link, Stamp};
use super::origin::Origin;
use super::segment::{DIRECTORY, QuarantineName, SegmentName, segments};
use super::tail::Tail;
use crate::clock::{Clock, Timestamp};
use crate::fs::{Dir, FsError};

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
/// assert_eq!(found.events[0].username.as_deref(), Some("alice@example.com"));
/// # Ok(())
/// # }
/// ```
pub struct AuditLog {
    home: Arc<Dir>,
    clock: Arc<dyn Clock>,
    /// Looked up with the first event: most commands that look record nothing.
    origin: OnceLock<Origin>,
}

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
    /// The log in `home`, its events from this process. Touches nothing until it is used.
    pub fn new(home: Arc<Dir>, clock: Arc<dyn Clock>) -> Self {
        let origin = OnceLock::new();
        Self {
            home,
            clock,
            origin,
        }
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
        let dir = self.home.subdir_or_create(DIRECTORY)?;
        let lock = dir.lock()?;
        let end = End::find(&dir)?;
        if end.length == 0 {
            // Nothing is written to a segment before its name would survive a loss of power.
            dir.sync()?;
            self.home.sync()?;
        }
        let repairs = end.set_torn_aside(&dir)?;
        let lines = self.render(end.last, repairs.iter().chain(events))?;
        write_or_undo(&end.file, end.length, &lines)
            .map_err(|error| FsError::new("write to", &end.path, error))?;
        drop(lock);
        tracing::debug!(events = events.len(), bytes = lines.len(), segment = %end.segment, "recorded");
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

    /// The lines of `events`, continuing `last`.
    fn render<'a>(
        &self,
        mut last: Link,
        events: impl Iterator<Item = &'a Event>,
    ) -> Result<Vec<u8>, AuditError> {
        let timestamp = self.clock.now().wall;
        let mut lines = Vec::with_capacity(1024);
        for event in events {
            let stamp = Stamp {
                origin: self.origin.get_or_init(Origin::of_this_process),
                timestamp,
                id: event_id(timestamp)?,
            };
            last = line::write(&mut lines, last, event, &stamp);
        }
        Ok(lines)
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

/// Appends `lines` to `file`, which is `length` bytes long; when that fails, cuts it back.
fn write_or_undo(mut file: &File, length: u64, lines: &[u8]) -> io::Result<()> {
    file.write_all(lines).inspect_err(|_| {
        // The failure to report is the first one. Should this fail as well, lines of events that
        // are reported as not recorded stand in the log, and the next append moves a torn one aside.
        let _ = file.set_len(length);
    })
}

/// Where the next line goes and what it continues.
struct End {
    segment: SegmentName,
    file: File,
    path: PathBuf,
    /// The bytes of complete lines.
    length: u64,
    last: Link,
    torn: Vec<u8>,
    /// Torn lines that were moved aside, but not recorded before the process died.
    unrecorded: Vec<QuarantineName>,
}

impl End {
    /// Finds, and where there is none creates, the last segment. Call it under the lock.
    fn find(dir: &Dir) -> Result<Self, AuditError> {
        let names = dir.names()?;
        let segments = segments(&names);
        let (segment, earlier) = match segments.split_last() {
            Some((&last, earlier)) => (last, earlier),
            None => (SegmentName::starting_at(1), segments.as_slice()),
        };
        let name = segment.to_string();
        let path = dir.path().join(&name);
        let file = dir.open_append(&name)?;
        let tail = Tail::read(&file, &path)?;
        let last = match tail.last {
            Some(last) if last.seq >= segment.first() => last,
            Some(_) => return Err(AuditError::damaged(&path, Damage::Gap)),
            None => continued_by(segment, &path, dir, earlier)?,
        };
        let unrecorded = names
            .iter()
            .filter_map(|name| QuarantineName::parse(name))
            .filter(|name| name.seq() == last.seq + 1)
            .collect();
        Ok(Self {
            segment,
            file,
            path,
            length: tail.length,
            last,
            torn: tail.torn,
            unrecorded,
        })
    }

    /// Moves a torn last line into a file of its own: the events that record this, and what an
    /// earlier process moved but did not live to record.
    fn set_torn_aside(&self, dir: &Dir) -> Result<Vec<Event>, AuditError> {
        let mut repairs = Vec::new();
        for &quarantine in &self.unrecorded {
            if let Some(file) = dir.open_file(&quarantine.to_string())? {
                let path = dir.path().join(quarantine.to_string());
                let size = file
                    .metadata()
                    .map_err(|error| FsError::new("inspect", path, error))?
                    .len();
                repairs.push(self.repaired(size, quarantine));
            }
        }
        if !self.torn.is_empty() {
            let mut random = [0; 8];
            getrandom::fill(&mut random)?;
            let quarantine = QuarantineName::new(self.last.seq + 1, u64::from_le_bytes(random));
            keep(dir, &quarantine.to_string(), &self.torn)?;
            self.file
                .set_len(self.length)
                .map_err(|error| FsError::new("truncate", &self.path, error))?;
            repairs.push(self.repaired(self.torn.len() as u64, quarantine));
        }
        Ok(repairs)
    }

    fn repaired(&self, torn_bytes: u64, quarantine: QuarantineName) -> Event {
        Event::new(Details::AuditRepaired {
            segment: self.segment,
            torn_bytes,
            quarantine,
        })
    }
}

/// Puts `bytes` durably into the new file `name`.
fn keep(dir: &Dir, name: &str, bytes: &[u8]) -> Result<(), FsError> {
    let mut file = dir.create_new(name)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|error| FsError::new("write", dir.path().join(name), error))?;
    dir.sync()
}

/// The last line before `segment`, which has none itself: that of the segments `earlier`.
fn continued_by(
    segment: SegmentName,
    path: &Path,
    dir: &Dir,
    earlier: &[SegmentName],
) -> Result<Link, AuditError> {
    let mut last = Link::GENESIS;
    for name in earlier.iter().rev().map(ToString::to_string) {
        let Some(file) = dir.open_file(&name)? else {
            continue;
        };
        let path = dir.path().join(&name);
        let tail = Tail::read(&file, &path)?;
        if !tail.torn.is_empty() {
            return Err(AuditError::damaged(&path, Damage::TornInside));
        }
        if let Some(link) = tail.last {
            last = link;
            break;
        }
    }
    if last.seq + 1 == segment.first() {
        Ok(last)
    } else {
        Err(AuditError::damaged(path, Damage::Gap))
    }
}
