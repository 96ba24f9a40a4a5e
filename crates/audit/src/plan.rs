//! Plans which ranges of which segments to read to answer a query.

use std::fs::File;
use std::io;

use super::canonical::Canonical;
use super::error::AuditError;
use super::files::Files;
use super::line::{Head, LINE_LIMIT};
use super::opening::FirstLine;
use super::query::{Position, Query};
use super::scan_options::ScanOptions;
use super::segment::{SegmentName, segments};
use nightlatch_core::clock::Timestamp;
use nightlatch_platform::fs::{FileExt, FsError};

/// A range of a segment, from the beginning of a line to the end of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) segment: SegmentName,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether it ends a segment that is not the last: there, an incomplete last line is an error.
    pub(super) is_end: bool,
}

impl Piece {
    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// The ranges to read, oldest first.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) pieces: Vec<Piece>,
    /// The end of the log: after its last seal.
    pub(super) end: Position,
}

/// A segment at the time it was opened.
struct Part {
    segment: SegmentName,
    start: u64,
    end: u64,
    /// When the segment was opened; `None` if its first line does not have that.
    opened: Option<Timestamp>,
}

impl Plan {
    /// Plans to read the sealed lines after `from`.
    pub(super) fn new(
        files: &Files<'_>,
        from: Position,
        query: &Query,
        options: &ScanOptions,
    ) -> Result<Self, AuditError> {
        let mut names = segments(&files.names()?);
        names.retain(|segment| segment.first() >= from.segment);
        let mut parts = Vec::with_capacity(names.len());
        for &segment in &names {
            // It was removed after it was listed.
            let Some(file) = files.open_file(&segment.to_string())? else {
                continue;
            };
            let end = file
                .metadata()
                .map_err(|error| failed(files, segment, error))?
                .len();
            let start = if segment.first() == from.segment {
                from.offset
            } else {
                0
            };
            parts.push(Part {
                segment,
                start,
                end,
                opened: None,
            });
        }
        let mut plan = Self {
            pieces: Vec::new(),
            end: from,
        };
        // What follows the last seal is an append in progress, or one that was interrupted.
        while let Some(last) = parts.last_mut() {
            // Shorter than before: an append that had already been read failed and was undone.
            let from = if last.start > last.end { 0 } else { last.start };
            let sealed = match files.open_file(&last.segment.to_string())? {
                Some(file) => sealed_end(&file, from, last.end)
                    .map_err(|error| failed(files, last.segment, error))?,
                None => None,
            };
            if let Some(end) = sealed {
                last.end = end;
                plan.end = Position {
                    segment: last.segment.first(),
                    offset: end,
                };
                break;
            }
            parts.pop();
        }
        let count = parts.len();
        for (at, part) in parts.iter_mut().enumerate() {
            let Some(file) = files.open_file(&part.segment.to_string())? else {
                continue;
            };
            let is_closed = at + 1 < count;
            plan.add(&file, part, is_closed, query, options)
                .map_err(|error| failed(files, part.segment, error))?;
        }
        Ok(plan)
    }

    /// Adds the part of a segment that must be read.
    fn add(
        &mut self,
        file: &File,
        part: &mut Part,
        is_closed: bool,
        query: &Query,
        options: &ScanOptions,
    ) -> io::Result<()> {
        let (mut from, mut to) = (part.start.min(part.end), part.end);
        if query.since.is_some() || query.until.is_some() {
            let first = FirstLine::read(file, part.end)?.filter(|line| line.opened.is_some());
            part.opened = first.map(|line| line.timestamp);
            if !part.can_hold(query) {
                return Ok(());
            }
        }
        if part.opened.is_some() {
            let whole = (from, to);
            let bound = |time: Timestamp| cut(file, whole, time, options.narrow);
            if let Some(since) = query.since {
                from = bound(since)?.map_or(from, |(before, _)| before);
            }
            if let Some(until) = query.until {
                to = bound(until)?.map_or(to, |(_, after)| after);
            }
        }
        while from < to {
            let end = if to - from > options.piece {
                line_start(file, from + options.piece, to)?
            } else {
                to
            };
            self.pieces.push(Piece {
                segment: part.segment,
                start: from,
                end,
                is_end: is_closed && end == part.end,
            });
            from = end;
        }
        Ok(())
    }
}

impl Part {
    /// Whether the segment can have a line in the range: all its lines are of the day it was
    /// opened, and none is earlier than the first.
    fn can_hold(&self, query: &Query) -> bool {
        self.opened.is_none_or(|opened| {
            query.since.is_none_or(|since| opened.end_of_day() >= since)
                && query.until.is_none_or(|until| opened < until)
        })
    }
}

fn failed(files: &Files<'_>, segment: SegmentName, error: io::Error) -> AuditError {
    FsError::new("read", files.path().join(segment.to_string()), error).into()
}

/// Binary search for two nearby line beginnings around `bound`: one of a line before it, or
/// `start`, and one of a line at or after it, or `end`. `None` if lines in between have no valid
/// time.
fn cut(
    file: &File,
    (start, end): (u64, u64),
    bound: Timestamp,
    narrow: u64,
) -> io::Result<Option<(u64, u64)>> {
    let (mut low, mut high) = (start, end);
    while high - low > narrow {
        let middle = low + (high - low) / 2;
        let Some((at, time)) = time_after(file, middle, high)? else {
            return Ok(None);
        };
        if time < bound {
            low = at;
        } else {
            high = at;
        }
    }
    Ok(Some((low, high)))
}

/// The first line that begins in `from..end`, and its time.
fn time_after(file: &File, from: u64, end: u64) -> io::Result<Option<(u64, Timestamp)>> {
    let mut bytes = [0; 8 * 1024];
    // The byte before a line is a line end.
    let base = from.saturating_sub(1);
    let length = file.read_at(&mut bytes, base)?;
    let mut rest = &bytes[..length];
    while let Some(at) = memchr::memchr(b'\n', rest) {
        rest = &rest[at + 1..];
        let line = base + (length - rest.len()) as u64;
        if line >= end {
            return Ok(None);
        }
        if let Some(time) = Head::of(rest).and_then(|head| head.time()) {
            return Ok(Some((line, time)));
        }
    }
    Ok(None)
}

/// The first beginning of a line at or after `from`; `end` if there is none before that.
fn line_start(file: &File, from: u64, end: u64) -> io::Result<u64> {
    let mut bytes = [0; 4 * 1024];
    let mut base = from.saturating_sub(1);
    if from == 0 {
        return Ok(0);
    }
    while base < end {
        let length = file.read_at(&mut bytes, base)?;
        if let Some(at) = memchr::memchr(b'\n', &bytes[..length]) {
            return Ok(end.min(base + at as u64 + 1));
        }
        if length == 0 {
            break;
        }
        base += length as u64;
    }
    Ok(end)
}

/// The end of the last sealed line between `start` and `end`; `start` is the beginning of a line.
fn sealed_end(file: &File, start: u64, end: u64) -> io::Result<Option<u64>> {
    const WINDOW: usize = 4 * LINE_LIMIT;
    let mut bytes = vec![0; WINDOW];
    let mut end = end;
    while end > start {
        let base = end.saturating_sub(WINDOW as u64).max(start);
        // At most the window.
        let wanted = usize::try_from(end - base).unwrap_or(WINDOW);
        let length = file.read_at(&mut bytes[..wanted], base)?;
        let mut read = &bytes[..length];
        // Lines that begin in the window, in reverse order.
        while let Some(line_end) = memchr::memrchr(b'\n', read) {
            let before = memchr::memrchr(b'\n', &read[..line_end]);
            let begin = match before {
                Some(at) => at + 1,
                None if base == start => 0,
                // It begins before the window, or is too long for a line.
                None => break,
            };
            let line = &read[begin..line_end];
            if Canonical::is_sealed(line) {
                return Ok(Some(base + line_end as u64 + 1));
            }
            read = &read[..begin];
        }
        if base == start {
            break;
        }
        let rest = memchr::memrchr(b'\n', read).map_or(0, |at| at + 1);
        // The rest is empty, too long for a line, or is read again together with the bytes before
        // it.
        end = if rest > LINE_LIMIT || rest == 0 {
            base
        } else {
            base + rest as u64
        };
    }
    Ok(None)
}
