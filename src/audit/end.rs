//! Where the log ends, and making that end good.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::details::Details;
use super::error::{AuditError, Damage};
use super::event::Event;
use super::line::Link;
use super::sealing::Place;
use super::segment::{QuarantineName, SegmentName};
use super::tail::Tail;
use crate::fs::{Dir, FsError};

/// Where the next line goes and what it continues.
pub(super) struct End {
    pub(super) segment: SegmentName,
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// The bytes of complete lines.
    pub(super) length: u64,
    pub(super) last: Link,
    /// As it was found; `None` of a segment that was created since.
    pub(super) tail: Option<Tail>,
    /// Torn lines that were moved aside, but not recorded before the process died.
    unrecorded: Vec<QuarantineName>,
}

impl End {
    /// Finds, and where there is none creates, the last of the `segments` among the `names` in `dir`,
    /// and reads it from `sealed` on, where that is in it. Call it under the lock.
    pub(super) fn find(
        dir: &Dir,
        names: &[String],
        segments: &[SegmentName],
        sealed: Place,
    ) -> Result<Self, AuditError> {
        let (segment, earlier) = match segments.split_last() {
            Some((&last, earlier)) => (last, earlier),
            None => (SegmentName::starting_at(1), segments),
        };
        let name = segment.to_string();
        let path = dir.path().join(&name);
        let file = dir.open_append(&name)?;
        let unsealed = (sealed.segment == segment.first()).then_some(sealed.offset);
        let tail = Tail::read(&file, &path, unsealed)?;
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
            tail: Some(tail),
            unrecorded,
        })
    }

    /// Creates the segment after the line `last`.
    pub(super) fn after(dir: &Dir, last: Link) -> Result<Self, AuditError> {
        let segment = SegmentName::starting_at(last.seq + 1);
        let name = segment.to_string();
        Ok(Self {
            segment,
            file: dir.open_append(&name)?,
            path: dir.path().join(name),
            length: 0,
            last,
            tail: None,
            unrecorded: Vec::new(),
        })
    }

    /// Moves a torn last line into a file of its own: the events that record this, and what an
    /// earlier process moved but did not live to record.
    pub(super) fn set_torn_aside(&self, dir: &Dir) -> Result<Vec<Event>, AuditError> {
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
        let torn = self.tail.as_ref().map(Tail::torn).unwrap_or_default();
        if !torn.is_empty() {
            let mut random = [0; 8];
            getrandom::fill(&mut random)?;
            let quarantine = QuarantineName::new(self.last.seq + 1, u64::from_le_bytes(random));
            keep(dir, &quarantine.to_string(), torn)?;
            self.file
                .set_len(self.length)
                .map_err(|error| FsError::new("truncate", &self.path, error))?;
            repairs.push(self.repaired(torn.len() as u64, quarantine));
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
        let tail = Tail::read(&file, &path, None)?;
        if !tail.torn().is_empty() {
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
