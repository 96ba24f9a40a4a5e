//! What a crash between sealing a line and saving the state leaves to be done.

use std::path::Path;

use super::end::End;
use super::error::{AuditError, Damage};
use super::line::{Link, line_end};
use super::log::role_of;
use super::record::Record;
use super::seal::Parts;
use super::sealing::{Place, Role, Sealing};
use super::segment::SegmentName;
use crate::crypto::Portable;
use crate::fs::{Dir, FileExt, FsError};

/// The longest stretch that can follow the last seal; far longer than any that does.
const CATCH_UP_LIMIT: u64 = 16 * 1024 * 1024;

/// Steps `sealing` over what was sealed after it was saved, which only a crash leaves behind.
pub(super) fn catch_up(
    sealing: &mut Sealing,
    dir: &Dir,
    segments: &[SegmentName],
    end: &End,
) -> Result<(), AuditError> {
    let damaged = |damage| AuditError::damaged(&end.path, damage);
    let from = sealing.place();
    if end.last.seq < sealing.last().seq
        || from.segment > 0 && !segments.iter().any(|name| name.first() == from.segment)
    {
        return Err(damaged(Damage::CutShort));
    }
    for &segment in segments.iter().filter(|name| name.first() >= from.segment) {
        let start = if segment.first() == from.segment {
            from.offset
        } else {
            0
        };
        let path = dir.path().join(segment.to_string());
        let lines = (segment == end.segment)
            .then(|| end.tail.as_ref()?.lines_from(start))
            .flatten();
        let read;
        let lines = match lines {
            Some(lines) => lines,
            None => match unsealed(dir, segment, &path, start, end)? {
                Some(bytes) => {
                    read = bytes;
                    &read
                }
                None => continue,
            },
        };
        step_over(sealing, lines, segment, start)
            .map_err(|damage| AuditError::damaged(&path, damage))?;
    }
    if end.last.seq == sealing.last().seq && end.last.hash != sealing.last().hash {
        return Err(damaged(Damage::ForeignSeal));
    }
    // A segment is created after the one before it was closed durably: no crash leaves this.
    if end.length == 0 && !sealing.must_open() {
        return Err(damaged(Damage::Gap));
    }
    Ok(())
}

/// The complete lines of `segment`, at `path`, from `start` on; `None` when it is gone.
fn unsealed(
    dir: &Dir,
    segment: SegmentName,
    path: &Path,
    start: u64,
    end: &End,
) -> Result<Option<Vec<u8>>, AuditError> {
    let Some(file) = dir.open_file(&segment.to_string())? else {
        return Ok(None);
    };
    let length = if segment == end.segment {
        end.length
    } else {
        let inspected = file.metadata();
        inspected
            .map_err(|error| FsError::new("inspect", path, error))?
            .len()
    };
    let unsealed = length.checked_sub(start);
    let unsealed = unsealed.ok_or_else(|| AuditError::damaged(path, Damage::CutShort))?;
    if unsealed > CATCH_UP_LIMIT {
        return Err(AuditError::damaged(path, Damage::OldSealState));
    }
    // At most 16 MiB.
    let mut bytes = vec![0; usize::try_from(unsealed).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)
        .map_err(|error| FsError::new("read", path, error))?;
    Ok(Some(bytes))
}

/// Steps over the sealed lines in `bytes`, which are whole lines and begin at `start` of `segment`.
fn step_over(
    sealing: &mut Sealing,
    bytes: &[u8],
    segment: SegmentName,
    start: u64,
) -> Result<(), Damage> {
    static PORTABLE: Portable = Portable::first(256 * 1024);
    if PORTABLE.covers(bytes.len()) {
        step_over_lines(sealing, bytes, line_end().iter(bytes), segment, start)
    } else {
        let ends = memchr::memchr_iter(b'\n', bytes);
        step_over_lines(sealing, bytes, ends, segment, start)
    }
}

fn step_over_lines(
    sealing: &mut Sealing,
    bytes: &[u8],
    ends: impl Iterator<Item = usize>,
    segment: SegmentName,
    start: u64,
) -> Result<(), Damage> {
    let mut begin = 0;
    for end in ends {
        let line = &bytes[begin..end];
        if begin == 0 {
            let first = Parts::of(line).ok_or(Damage::NotAnEvent)?;
            if first.prev() != Some(sealing.last().hash) {
                return Err(Damage::ForeignSeal);
            }
        }
        begin = end + 1;
        if !Parts::has_seal(line) {
            continue;
        }
        let parts = Parts::of(line).ok_or(Damage::NotAnEvent)?;
        let event = Record::parse(line).ok_or(Damage::NotAnEvent)?;
        let sealed = Link {
            seq: event.seq,
            hash: parts.hash,
        };
        let place = Place {
            segment: segment.first(),
            offset: start + begin as u64,
        };
        let role = event.event_type.known().map_or(Role::Inner, role_of);
        if !sealing.catch_up(role, sealed, &parts, event.timestamp, place) {
            return Err(Damage::ForeignSeal);
        }
    }
    Ok(())
}
