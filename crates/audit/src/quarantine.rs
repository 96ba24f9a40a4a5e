//! Moves bytes that the log cannot vouch for into separate files, and records that.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::details::Details;
use super::error::AuditError;
use super::event::Event;
use super::reader::Section;
use super::reason::RepairReason;
use super::segment::{QuarantineName, SegmentName};
use nightlatch_platform::fs::{Dir, FsError};

/// The number of bytes copied at a time.
const CHUNK: usize = 64 * 1024;

/// Moves the bytes from `from` to `to` of `file`, which is the segment `segment`, into a new file,
/// durably, and truncates the segment there. Returns the event that records this; its number will
/// be `seq`.
///
/// # Errors
/// When the system fails. The bytes are then still in the segment.
pub(super) fn move_aside(
    dir: &Dir,
    segment: SegmentName,
    file: &File,
    (from, to): (u64, u64),
    seq: u64,
) -> Result<Event, AuditError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    let quarantine = QuarantineName::new(seq, u64::from_le_bytes(random));
    let name = quarantine.to_string();
    let kept = dir.create_new(&name)?;
    let path = dir.path().join(&name);
    let failed = |error| FsError::new("write", &path, error);
    let section = Section {
        file: file.try_clone().map_err(failed)?,
        at: from,
        end: to,
    };
    let copied = copy(section, Some(&kept)).map_err(failed)?;
    kept.sync_all().map_err(failed)?;
    dir.sync()?;
    let path = dir.path().join(segment.to_string());
    file.set_len(from)
        .map_err(|error| FsError::new("truncate", path, error))?;
    Ok(record(segment, quarantine, &copied))
}

/// The events that record what an earlier process moved aside before it died without recording it:
/// no line has the number `seq` yet.
///
/// # Errors
/// When such a file cannot be read.
pub(super) fn unrecorded(
    dir: &Dir,
    names: &[String],
    segment: SegmentName,
    seq: u64,
) -> Result<Vec<Event>, AuditError> {
    let mut events = Vec::new();
    let found = names.iter().filter_map(|name| QuarantineName::parse(name));
    for quarantine in found.filter(|name| name.seq() == seq) {
        let name = quarantine.to_string();
        if let Some(file) = dir.open_file(&name)? {
            let counted = count(&file, &dir.path().join(&name))?;
            events.push(record(segment, quarantine, &counted));
        }
    }
    Ok(events)
}

fn count(file: &File, path: &Path) -> Result<Copied, FsError> {
    copy(file, None).map_err(|error| FsError::new("read", path, error))
}

/// What was copied or counted.
struct Copied {
    bytes: u64,
    lines: u64,
}

fn copy(mut from: impl Read, mut into: Option<&File>) -> io::Result<Copied> {
    let mut copied = Copied { bytes: 0, lines: 0 };
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..length];
        if let Some(into) = &mut into {
            into.write_all(bytes)?;
        }
        copied.bytes += length as u64;
        copied.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
    }
}

fn record(segment: SegmentName, quarantine: QuarantineName, copied: &Copied) -> Event {
    Event::new(Details::AuditRepaired {
        segment,
        reason: RepairReason::Unsealed,
        lines: copied.lines,
        bytes: copied.bytes,
        quarantine: Some(quarantine),
    })
}
