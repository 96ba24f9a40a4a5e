//! Finds the lines after a number, in whichever segment they are.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;

use super::canonical::Canonical;
use super::error::AuditError;
use super::files::Files;
use super::reader::{Found, Lines, Section};
use super::segment::{SegmentName, segments};
use super::segment_tail::Tail;
use nightlatch_platform::fs::{FileExt, FsError};

/// The beginning of every line; its number follows.
const START: &[u8] = b"{\"seq\":";

/// The lines after a number in the log's files.
#[derive(Default)]
pub(super) struct NextLines {
    /// Sealed lines, without their line ends.
    pub(super) lines: Vec<Vec<u8>>,
    /// Numbers that no file has any more.
    pub(super) removed: Option<RangeInclusive<u64>>,
    /// The number up to which the log was searched.
    pub(super) through: u64,
    /// Whether no sealed line follows.
    pub(super) is_end: bool,
    /// The number of the last sealed line, if no line was found.
    pub(super) last: u64,
}

/// Up to `limit` sealed lines after the line `after`, and the rest of the last append.
///
/// # Errors
/// When a file cannot be read, or is not a regular file of this user.
pub(super) fn next_lines(
    files: &Files<'_>,
    after: u64,
    limit: usize,
) -> Result<NextLines, AuditError> {
    let mut found = NextLines {
        through: after,
        ..NextLines::default()
    };
    loop {
        let segments = segments(&files.names()?);
        let Some(start) = segments.first() else {
            found.is_end = true;
            return Ok(found);
        };
        if start.first() > found.through.saturating_add(1) {
            if !found.lines.is_empty() {
                return Ok(found);
            }
            let removed = found.removed.as_ref();
            let from = removed.map_or(found.through + 1, |removed| *removed.start());
            found.removed = Some(from..=start.first() - 1);
            found.through = start.first() - 1;
        }
        let at = segments.partition_point(|name| name.first() <= found.through.saturating_add(1));
        let Some(&name) = segments.get(at.saturating_sub(1)) else {
            return Ok(found);
        };
        let Some(file) = files.open_file(&name.to_string())? else {
            // It was removed after it was listed.
            continue;
        };
        let is_last = at == segments.len();
        take(files, name, file, limit, &mut found)?;
        if found.lines.len() >= limit {
            return Ok(found);
        }
        if is_last {
            found.is_end = true;
            return Ok(found);
        }
        // The next segment begins with the number after the last one in this segment. If not, the
        // log was tampered with; the lines are returned all the same.
        if let Some(next) = segments.get(at) {
            found.through = found.through.max(next.first() - 1);
        }
    }
}

/// Adds the sealed lines of one segment that have numbers after `found.through`.
fn take(
    files: &Files<'_>,
    name: SegmentName,
    file: File,
    limit: usize,
    found: &mut NextLines,
) -> Result<(), AuditError> {
    let path = files.path().join(name.to_string());
    let failed = |error| FsError::new("read", &path, error);
    let size = file.metadata().map_err(failed)?.len();
    let at = seek(&file, size, found.through).map_err(failed)?;
    if at == size {
        found.last = match Tail::read(&file, &path, size)?.last {
            Some(link) => link.seq,
            None => name.first() - 1,
        };
        return Ok(());
    }
    let mut lines = Lines::new(Section {
        file,
        at,
        end: size,
    });
    let (mut append, mut last) = (Vec::new(), found.through);
    while let Some(line) = lines.next_line().map_err(failed)? {
        let Found::Line(line) = line else { continue };
        match number(line) {
            Some(seq) if seq > last => last = seq,
            _ => continue,
        }
        append.push(line.to_vec());
        if Canonical::is_sealed(line) {
            found.lines.append(&mut append);
            found.through = last;
            if found.lines.len() >= limit {
                return Ok(());
            }
        }
    }
    found.last = found.through;
    Ok(())
}

/// The byte at which the first line with a number greater than `after` begins; `size` if there is
/// none. A binary search, because the numbers in a segment ascend.
fn seek(file: &File, size: u64, after: u64) -> io::Result<u64> {
    let (mut low, mut high) = (0, size);
    let mut found = size;
    while low < high {
        let middle = low + (high - low) / 2;
        match line_from(file, middle, high)? {
            Some((at, seq)) if seq > after => {
                found = at;
                high = middle;
            }
            Some((at, _)) => low = at + 1,
            None => high = middle,
        }
    }
    Ok(found)
}

/// The first line that begins in `from..end`, and its number.
fn line_from(file: &File, from: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
    let mut bytes = [0; 4 * 1024];
    // The byte before a line is a line end.
    let mut base = from.saturating_sub(1);
    let mut is_start = from == 0;
    while base < end {
        let length = file.read_at(&mut bytes, base)?;
        if length == 0 {
            return Ok(None);
        }
        let mut at = 0;
        loop {
            if !is_start {
                match memchr::memchr(b'\n', &bytes[at..length]) {
                    Some(length) => at += length + 1,
                    None => break,
                }
            }
            is_start = false;
            let line = base + at as u64;
            if line >= end {
                return Ok(None);
            }
            let mut head = [0; 32];
            let length = file.read_at(&mut head, line)?;
            if let Some(seq) = number(&head[..length]) {
                return Ok(Some((line, seq)));
            }
        }
        base += length as u64;
    }
    Ok(None)
}

/// The number at the beginning of a line.
fn number(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(START)?;
    let length = rest.iter().position(|&byte| byte == b',')?;
    std::str::from_utf8(&rest[..length]).ok()?.parse().ok()
}
