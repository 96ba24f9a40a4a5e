//! Retention: removes whole closed segments once they are old enough, after recording it in the
//! log.
//!
//! The order makes a crash harmless at every point: first the first lines of the segments are saved
//! to a separate file, then a sealed AUDIT_PRUNED records the removal, then the files are deleted,
//! oldest first, each durably before the next. After a crash the log still verifies, and the next
//! pruning finishes the removal without recording it again.
//!
//! A clock that was set forward must not cause early removal, so the wall clock alone does not
//! decide: the log must also have as many days on record after a segment as it is to be kept. A
//! jump forward, however far, adds one day to the record, so one more than needed is required.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::catalogue::EventType;
use super::details::Details;
use super::error::{AuditError, Damage};
use super::event::Event;
use super::hold::Hold;
use super::line::Link;
use super::log::AuditLog;
use super::opening::Opening;
use super::query::{Limit, Query};
use super::reader::{Found, Lines};
use super::record_details::PrunedDetails;
use super::removed::Removed;
use super::seal::Parts;
use super::segment::{PRUNING_LOCK, SegmentName, segments};
use super::segment_tail::Tail;
use nightlatch_core::clock::Timestamp;
use nightlatch_platform::fs::{Dir, FsError};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a closed segment is kept: at least one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retention(Duration);

/// The retention is less than a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log must be kept for at least 1day, not {}", humantime::format_duration(*.0))]
pub struct RetentionTooShort(Duration);

impl Retention {
    /// 90 days. PCI DSS 10.5.1 asks for twelve months: configure `400d` where it applies.
    pub const DEFAULT: Self = Self(Duration::from_secs(90 * 24 * 3600));

    /// Keeps a segment for this long after it was closed.
    ///
    /// # Errors
    /// When it is less than a day, which a segment can last.
    pub fn new(length: Duration) -> Result<Self, RetentionTooShort> {
        if length < DAY {
            return Err(RetentionTooShort(length));
        }
        Ok(Self(length))
    }

    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }

    /// The number of different days that must be on record after a segment before it is removed:
    /// the day it was closed, of which little may have been left, one for each started day of the
    /// retention, the day after, which proves that these are over, and one that may come from a
    /// clock set forward.
    fn days_on_record(self) -> u64 {
        let whole = self.0.as_secs() / DAY.as_secs();
        let begun =
            u64::from(self.0 > DAY.saturating_mul(u32::try_from(whole).unwrap_or(u32::MAX)));
        whole + begun + 3
    }
}

/// A segment that is old enough to be removed, or was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OldSegment {
    /// The file.
    pub name: SegmentName,
    /// The number of its last event; the number of the first is in its name.
    pub last_seq: u64,
    /// The size of the file.
    pub bytes: u64,
    /// When it was opened: the time of its first line.
    pub opened_at: Timestamp,
    /// When it was closed: the time of the next segment's first line.
    pub closed_at: Timestamp,
}

/// The result of [`AuditLog::prune`] or [`AuditLog::prunable`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruning {
    /// The segments that were or would be removed, oldest first.
    pub segments: Vec<OldSegment>,
    /// The legal holds that prevented removal; `segments` is empty then. This is empty if no
    /// segment was old enough, even if holds are in force.
    pub holds: Vec<Hold>,
}

impl Pruning {
    fn stopped_by(holds: Vec<Hold>) -> Self {
        Self {
            holds,
            ..Self::default()
        }
    }

    fn of(due: Vec<Due>) -> Self {
        Self {
            segments: due.into_iter().map(|due| due.segment).collect(),
            ..Self::default()
        }
    }
}

/// A segment to remove, and what must be kept of it.
struct Due {
    segment: OldSegment,
    last: Link,
    opening: Opening,
}

impl AuditLog {
    /// What [`AuditLog::prune`] would remove now. Removes and records nothing.
    ///
    /// # Errors
    /// As for [`AuditLog::prune`].
    pub fn prunable(&self, retention: Retention) -> Result<Pruning, AuditError> {
        let Some(dir) = self.long_enough(retention)? else {
            return Ok(Pruning::default());
        };
        let _pruning = dir.lock_file(PRUNING_LOCK)?;
        let due = self.due(&dir, retention)?;
        if due.is_empty() {
            return Ok(Pruning::default());
        }
        let holds = self.holds()?;
        Ok(if holds.is_empty() {
            Pruning::of(due)
        } else {
            Pruning::stopped_by(holds)
        })
    }

    /// Removes the segments that were closed at least `retention` ago and are followed by as many
    /// days on record, unless a legal hold is in force. The open segment stays. Appends can
    /// continue meanwhile. Cheap when nothing is due: it then reads file names and at most two
    /// lines.
    ///
    /// # Errors
    /// When a file cannot be read, written or removed; when a line of a segment that is due was
    /// changed, or the first lines of earlier removed segments do not lead to it: it is evidence
    /// then, and nothing is removed; when a legal hold cannot be read.
    pub fn prune(&self, retention: Retention) -> Result<Pruning, AuditError> {
        let Some(dir) = self.long_enough(retention)? else {
            return Ok(Pruning::default());
        };
        // One process prunes at a time, without blocking appends. It examines closed segments,
        // which only pruning changes, and holds, which change under the same lock.
        let _pruning = dir.lock_file(PRUNING_LOCK)?;
        let due = self.due(&dir, retention)?;
        let (Some(first), Some(last)) = (due.first(), due.last()) else {
            return Ok(Pruning::default());
        };
        let holds = self.holds()?;
        if !holds.is_empty() {
            return Ok(Pruning::stopped_by(holds));
        }
        let mut removed = Removed::load(&dir, &first.opening)?;
        for due in &due {
            check_chain(&dir, due)?;
        }
        // Left by an interrupted pruning, whose record may be missing as well.
        let recorded = if removed.has(first.segment.name) {
            self.recorded(&due)?
        } else {
            0
        };
        if let Some(new) = due.get(recorded) {
            let lock = dir.lock()?;
            // The clock may have been set back while this process waited.
            if self.now().since(last.segment.closed_at) < retention.get() {
                return Ok(Pruning::default());
            }
            dir.sweep_temporary()?;
            removed.add(&dir, due.iter().map(|due| &due.opening))?;
            let record = Event::new(Details::AuditPruned(PrunedDetails {
                segments: (due.len() - recorded) as u64,
                first_seq: new.segment.name.first(),
                last_seq: last.last.seq,
                last_hash: last.last.hash,
                from: new.segment.opened_at,
                to: last.segment.closed_at,
                retention: retention.get(),
            }));
            self.append_under(&dir, lock, None, &[&[record]])?.sync()?;
        }
        for due in &due {
            dir.unlink(&due.segment.name.to_string())?;
            // Sync each removal separately, so that a loss of power leaves no gap in the remaining
            // segments.
            dir.sync()?;
        }
        Ok(Pruning::of(due))
    }

    /// How many of the segments in `due`, from the oldest on, have their removal on record.
    fn recorded(&self, due: &[Due]) -> Result<usize, AuditError> {
        let query = Query {
            types: vec![EventType::AuditPruned.into()],
            limit: Limit::MAX,
            ..Query::default()
        };
        let records = self.query(&query)?.events;
        let removals = records
            .iter()
            .filter_map(|record| PrunedDetails::parse(record.details.get()));
        let through = removals.filter_map(|removal| {
            let is_last = |due: &Due| due.last == removal.last();
            due.iter().position(is_last).map(|at| at + 1)
        });
        Ok(through.max().unwrap_or(0))
    }

    /// The directory, if there are enough segments for one to be old: every day has at least one.
    fn long_enough(&self, retention: Retention) -> Result<Option<Dir>, AuditError> {
        let Some(dir) = self.directory()? else {
            return Ok(None);
        };
        let count = segments(&dir.names()?).len() as u64;
        Ok((count > retention.days_on_record()).then_some(dir))
    }

    /// The segments that can be removed, oldest first.
    fn due(&self, dir: &Dir, retention: Retention) -> Result<Vec<Due>, AuditError> {
        let now = self.now();
        let segments = segments(&dir.names()?);
        let mut due = Vec::new();
        let mut covered = None;
        let mut own = None;
        for (at, pair) in segments.windows(2).enumerate() {
            let (name, next_name) = (pair[0], pair[1]);
            let next = Opening::read(dir, next_name)?;
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
                None => {
                    Opening::read(dir, name)?.ok_or_else(|| damaged(name, Damage::NotAnEvent))?
                }
            };
            let (last, bytes) = end(dir, name)?;
            if last != next.continues || !next.follows(&first) {
                return Err(damaged(next_name, Damage::Gap));
            }
            due.push(Due {
                segment: OldSegment {
                    name,
                    last_seq: last.seq,
                    bytes,
                    opened_at: first.timestamp,
                    closed_at: next.timestamp,
                },
                last,
                opening: first,
            });
            own = Some(next);
        }
        Ok(due)
    }
}

/// How many of the `segments`, from the oldest on, are followed by as many different days as the
/// retention requires, none of them after today.
fn followed_by_days(
    dir: &Dir,
    segments: &[SegmentName],
    retention: Retention,
    now: Timestamp,
) -> Result<usize, AuditError> {
    let mut days = BTreeSet::new();
    for (at, &name) in segments.iter().enumerate().skip(1).rev() {
        let opened = Opening::read(dir, name)?.map(|opening| opening.timestamp.day());
        days.extend(opened.filter(|&day| day <= now.day()));
        if days.len() as u64 >= retention.days_on_record() {
            return Ok(at);
        }
    }
    Ok(0)
}

/// Checks that no line of a segment that is due was changed. A segment that somebody without keys
/// changed is evidence, and may falsely record that a hold was removed.
fn check_chain(dir: &Dir, due: &Due) -> Result<(), AuditError> {
    let name = due.segment.name.to_string();
    let path = dir.path().join(&name);
    let broken = || AuditError::damaged(&path, Damage::BrokenChain);
    let file = dir.open_file(&name)?.ok_or_else(broken)?;
    let mut lines = Lines::new(file);
    let mut last = due.opening.continues;
    while let Some(line) = lines
        .next_line()
        .map_err(|error| FsError::new("read", &path, error))?
    {
        let parts = match line {
            Found::Line(line) => Parts::judged(line),
            Found::TooLong => None,
        };
        let hash = parts
            .filter(|(parts, is_right)| *is_right && parts.continues(&last.hash))
            .map(|(parts, _)| parts.hash)
            .ok_or_else(broken)?;
        last = Link {
            seq: last.seq + 1,
            hash,
        };
    }
    if last == due.last {
        Ok(())
    } else {
        Err(broken())
    }
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
