//! Retention: whole closed segments go when they are old enough, and the log says so first.
//!
//! The order makes a crash harmless at every point. The first lines of what is to go are kept in a
//! file of their own; then a sealed AUDIT_PRUNED says what goes; then the files go, the oldest first,
//! each durably before the next. Whatever a crash leaves is a log that verifies, and the next pruning
//! finishes it without recording it again.
//!
//! A clock that was set forward must not remove anything early. So the wall clock alone does not
//! decide: as many days must also be on record after a segment as it is to be kept, and a jump
//! forward, however far, puts one day on record; one more than needed is asked for.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::details::Details;
use super::error::{AuditError, Damage};
use super::event::Event;
use super::kind::EventType;
use super::line::{LINE_LIMIT, Link};
use super::log::AuditLog;
use super::reader::{Found, Lines};
use super::record::Record;
use super::seal::Parts;
use super::segment::{OPENINGS, PRUNING_LOCK, SegmentName, segments};
use super::tail::Tail;
use super::verify::pruned;
use crate::clock::Timestamp;
use crate::fs::{Dir, Durability, FileExt, FsError, read_bounded};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Enough for the first line of any segment this program writes.
const FIRST_READ: usize = 4 * 1024;
/// First lines of segments of some centuries, one a day.
const OPENINGS_LIMIT: usize = 64 * 1024 * 1024;

/// How long a closed segment is kept: at least one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retention(Duration);

/// A retention of less than a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log must be kept for at least 1day, not {}", humantime::format_duration(*.0))]
pub struct RetentionTooShort(Duration);

impl Retention {
    /// 90 days. PCI DSS 10.5.1 asks for twelve months: configure `400d` where it applies.
    pub const DEFAULT: Self = Self(Duration::from_secs(90 * 24 * 3600));

    /// For this long after a segment was closed.
    ///
    /// # Errors
    /// When it is less than a day, which is how long a segment lasts.
    pub fn new(length: Duration) -> Result<Self, RetentionTooShort> {
        if length < DAY {
            return Err(RetentionTooShort(length));
        }
        Ok(Self(length))
    }

    /// How long.
    pub fn get(self) -> Duration {
        self.0
    }

    /// How many different days must be on record after a segment that goes: the day it was closed
    /// on, which was nearly over perhaps, one for each day of the retention, begun ones too, the day
    /// after, which proves that these are over, and one that a clock set forward may have made up.
    fn days_on_record(self) -> u64 {
        let whole = self.0.as_secs() / DAY.as_secs();
        let begun =
            u64::from(self.0 > DAY.saturating_mul(u32::try_from(whole).unwrap_or(u32::MAX)));
        whole + begun + 3
    }
}

/// A segment that is old enough to go, or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSegment {
    /// Its file.
    pub name: SegmentName,
    /// The number of its last event; that of its first is in its name.
    pub last_seq: u64,
    /// Its size.
    pub bytes: u64,
    /// When the segment after it was opened, which is when it was closed.
    pub closed_at: Timestamp,
}

/// A segment that may go, and what must be kept of it.
struct Due {
    segment: OldSegment,
    last: Link,
    /// Its first line, without the line end.
    opening: Vec<u8>,
}

/// The first line of a segment.
struct Opening {
    line: Vec<u8>,
    timestamp: Timestamp,
    continues: Link,
}

impl AuditLog {
    /// What [`AuditLog::prune`] would remove now, oldest first. Removes and records nothing.
    ///
    /// # Errors
    /// As [`AuditLog::prune`].
    pub fn prunable(&self, retention: Retention) -> Result<Vec<OldSegment>, AuditError> {
        let due = match self.long_enough(retention)? {
            Some(dir) => {
                let _pruning = dir.lock_file(PRUNING_LOCK)?;
                self.due(&dir, retention)?
            }
            None => Vec::new(),
        };
        Ok(due.into_iter().map(|due| due.segment).collect())
    }

    /// Removes the segments that were closed at least `retention` ago and after which as many days
    /// are on record: what was removed, oldest first. The open segment stays. Events can be appended
    /// all the while. Cheap when nothing is due: it then reads names, or two lines more.
    ///
    /// # Errors
    /// When a file cannot be read, written or removed, or a segment that is due
    /// does not begin and end as one: it is evidence then, and it stays, and all after it.
    pub fn prune(&self, retention: Retention) -> Result<Vec<OldSegment>, AuditError> {
        let Some(dir) = self.long_enough(retention)? else {
            return Ok(Vec::new());
        };
        // One process prunes at a time, without keeping others from appending. What it looks at are
        // closed segments, which only pruning changes.
        let _pruning = dir.lock_file(PRUNING_LOCK)?;
        let due = self.due(&dir, retention)?;
        let Some(last) = due.last() else {
            return Ok(Vec::new());
        };
        let mut kept = openings(&dir)?;
        let known = listed(&kept);
        // Left over by a pruning that was cut short; its record may have been, too.
        let left_over = due
            .iter()
            .take_while(|due| known.contains(&due.segment.name))
            .count();
        let recorded = match left_over.checked_sub(1).map(|at| due[at].last) {
            Some(last) if is_recorded(&dir, last)? => left_over,
            _ => 0,
        };
        if recorded < due.len() {
            for due in due.iter().filter(|due| !known.contains(&due.segment.name)) {
                kept.extend_from_slice(&due.opening);
                kept.push(b'\n');
            }
            let lock = dir.lock()?;
            dir.sweep_temporary()?;
            dir.write_atomic(OPENINGS, &kept, Durability::Synced)?;
            let record = Event::new(Details::AuditPruned {
                segments: (due.len() - recorded) as u64,
                last_seq: last.last.seq,
                last_hash: last.last.hash,
            });
            self.append_under(&dir, lock, None, &[record])?.sync()?;
        }
        for due in &due {
            dir.unlink(&due.segment.name.to_string())?;
            // Each for itself: after a loss of power there must be no gap among those that remain.
            dir.sync()?;
        }
        Ok(due.into_iter().map(|due| due.segment).collect())
    }

    /// The directory, when there are segments enough for one to be old: every day takes one.
    fn long_enough(&self, retention: Retention) -> Result<Option<Dir>, AuditError> {
        let Some(dir) = self.directory()? else {
            return Ok(None);
        };
        let count = segments(&dir.names()?).len() as u64;
        Ok((count > retention.days_on_record()).then_some(dir))
    }

    /// The segments that may go, oldest first.
    fn due(&self, dir: &Dir, retention: Retention) -> Result<Vec<Due>, AuditError> {
        let now = self.now();
        let segments = segments(&dir.names()?);
        let mut due = Vec::new();
        let mut covered = None;
        let mut own = None;
        for (at, pair) in segments.windows(2).enumerate() {
            let (name, next_name) = (pair[0], pair[1]);
            let next = opening(dir, next_name)?;
            let is_old = next
                .as_ref()
                .is_none_or(|next| now.since(next.timestamp) >= retention.get());
            if !is_old {
                break;
            }
            let covered = match covered {
                Some(covered) => covered,
                None => *covered.insert(followed_by_days(dir, &segments, retention, now)?),
            };
            if at >= covered {
                break;
            }
            let damaged = |name: SegmentName, damage| {
                AuditError::damaged(&dir.path().join(name.to_string()), damage)
            };
            let next = next.ok_or_else(|| damaged(next_name, Damage::NotAnEvent))?;
            let first = match own.take() {
                Some(first) => first,
                None => opening(dir, name)?.ok_or_else(|| damaged(name, Damage::NotAnEvent))?,
            };
            let (last, bytes) = end(dir, name)?;
            if last != next.continues {
                return Err(damaged(next_name, Damage::Gap));
            }
            due.push(Due {
                segment: OldSegment {
                    name,
                    last_seq: last.seq,
                    bytes,
                    closed_at: next.timestamp,
                },
                last,
                opening: first.line,
            });
            own = Some(next);
        }
        Ok(due)
    }
}

/// How many of the `segments`, from the oldest on, are followed by as many different days as the
/// retention asks for, none of them after today.
fn followed_by_days(
    dir: &Dir,
    segments: &[SegmentName],
    retention: Retention,
    now: Timestamp,
) -> Result<usize, AuditError> {
    let mut days = BTreeSet::new();
    for (at, &name) in segments.iter().enumerate().skip(1).rev() {
        let opened = opening(dir, name)?.map(|opening| opening.timestamp.day());
        days.extend(opened.filter(|&day| day <= now.day()));
        if days.len() as u64 >= retention.days_on_record() {
            return Ok(at);
        }
    }
    Ok(0)
}

/// The first line of a segment; `None` when it is none that opens this segment, or was changed.
fn opening(dir: &Dir, segment: SegmentName) -> Result<Option<Opening>, AuditError> {
    let name = segment.to_string();
    let Some(file) = dir.open_file(&name)? else {
        return Ok(None);
    };
    let line =
        first_line(&file).map_err(|error| FsError::new("read", dir.path().join(&name), error))?;
    let Some(line) = line else {
        return Ok(None);
    };
    let record = Record::parse(&line).filter(|record| {
        record.event_type == EventType::SegmentOpened && record.seq == segment.first()
    });
    let is_right = Parts::of(&line).is_some_and(|parts| parts.hash_is_right());
    Ok(record.filter(|_| is_right).map(|record| Opening {
        line,
        timestamp: record.timestamp,
        continues: Link {
            seq: record.seq - 1,
            hash: record.prev,
        },
    }))
}

fn first_line(file: &File) -> std::io::Result<Option<Vec<u8>>> {
    for window in [FIRST_READ, LINE_LIMIT] {
        let mut bytes = vec![0; window];
        let mut filled = 0;
        while filled < window {
            match file.read_at(&mut bytes[filled..], filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        if let Some(length) = memchr::memchr(b'\n', &bytes[..filled]) {
            bytes.truncate(length);
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// The last line of a closed segment, and the segment's size.
fn end(dir: &Dir, segment: SegmentName) -> Result<(Link, u64), AuditError> {
    let name = segment.to_string();
    let path: PathBuf = dir.path().join(&name);
    let file = dir.open_file(&name)?;
    let file = file.ok_or_else(|| AuditError::damaged(&path, Damage::Gap))?;
    let inspected = file.metadata();
    let size = inspected
        .map_err(|error| FsError::new("inspect", &path, error))?
        .len();
    let tail = Tail::read(&file, &path, size)?;
    match tail.last {
        Some(last) if tail.sealed == size => Ok((last, size)),
        _ => Err(AuditError::damaged(&path, Damage::TornInside)),
    }
}

/// The first lines of segments that went, or were to go, as they are kept.
fn openings(dir: &Dir) -> Result<Vec<u8>, AuditError> {
    match dir.open_file(OPENINGS)? {
        Some(file) => Ok(read_bounded(
            &file,
            &dir.path().join(OPENINGS),
            OPENINGS_LIMIT,
        )?),
        None => Ok(Vec::new()),
    }
}

/// The segments whose first lines are kept.
fn listed(kept: &[u8]) -> BTreeSet<SegmentName> {
    kept.split(|&byte| byte == b'\n')
        .filter_map(Record::parse)
        .map(|record| SegmentName::starting_at(record.seq))
        .collect()
}

/// Whether it is on record that everything up to `last` goes. Read from the newest segment back,
/// and only when a pruning was cut short.
fn is_recorded(dir: &Dir, last: Link) -> Result<bool, AuditError> {
    let names = segments(&dir.names()?);
    for name in names.iter().rev().filter(|name| name.first() > last.seq) {
        let Some(file) = dir.open_file(&name.to_string())? else {
            continue;
        };
        let failed = |error| FsError::new("read", dir.path().join(name.to_string()), error);
        let mut lines = Lines::new(file);
        while let Some(found) = lines.next_line().map_err(failed)? {
            if let Found::Line(line) = found
                && memchr::memmem::find(line, b"\"event_type\":\"AUDIT_PRUNED\"").is_some()
                && let Some(link) = pruned(line)
                && (link.seq > last.seq || link == last)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
