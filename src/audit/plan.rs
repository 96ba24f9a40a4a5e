//! Which stretches of which segments have to be read to answer a query.

use std::fs::File;
use std::io;
use std::path::Path;

use super::error::AuditError;
use super::kind::EventType;
use super::line::{Head, LINE_LIMIT};
use super::query::{Position, Query};
use super::scan::Manner;
use super::segment::{SegmentName, segments};
use crate::clock::Timestamp;
use crate::fs::{Dir, FileExt, FsError};

/// The lines that close a segment are within these last bytes of it.
const CLOSING: u64 = 4 * 1024;

/// A stretch of a segment, from the beginning of a line to the end of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) segment: SegmentName,
    pub(super) start: u64,
    pub(super) end: u64,
    /// It ends a segment that others follow: a last line without its end is torn.
    pub(super) is_end: bool,
}

impl Piece {
    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// What to read, oldest first.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) pieces: Vec<Piece>,
    /// Where the log ends.
    pub(super) end: Position,
}

/// A segment as it was found.
struct Part {
    segment: SegmentName,
    start: u64,
    end: u64,
    /// When it was opened; `None` when its first line does not say.
    opened: Option<Timestamp>,
}

impl Plan {
    /// For what stands after `from`.
    pub(super) fn new(
        dir: &Dir,
        from: Position,
        query: &Query,
        manner: &Manner,
    ) -> Result<Self, AuditError> {
        let mut names = segments(&dir.names()?);
        names.retain(|segment| segment.first() >= from.segment);
        let is_ranged = query.since.is_some() || query.until.is_some();
        let mut parts = Vec::with_capacity(names.len());
        for &segment in &names {
            // Removed since it was listed.
            let Some(file) = dir.open_file(&segment.to_string())? else {
                continue;
            };
            let failed = |error| failed(dir, segment, error);
            let end = file.metadata().map_err(failed)?.len();
            let opened = if is_ranged {
                opened(&file).map_err(failed)?
            } else {
                None
            };
            let start = if segment.first() == from.segment {
                from.offset
            } else {
                0
            };
            parts.push(Part {
                segment,
                start,
                end,
                opened,
            });
        }
        let mut plan = Self {
            pieces: Vec::new(),
            end: from,
        };
        if let Some(last) = parts.last_mut() {
            let file = dir.open_file(&last.segment.to_string())?;
            // What follows the last line end may be a line that is just being written.
            last.end = match file {
                Some(file) => last_line_end(&file, last.end)
                    .map_err(|error| failed(dir, last.segment, error))?,
                None => 0,
            };
            plan.end = Position {
                segment: last.segment.first(),
                offset: last.end,
            };
        }
        for (at, part) in parts.iter().enumerate() {
            let next = parts.get(at + 1);
            // Shorter than it was: a failed append was undone after its first lines had been read.
            let start = part.start.min(part.end);
            let needs = !is_ranged || part.can_hold(next.and_then(|next| next.opened), query);
            if needs && let Some(file) = dir.open_file(&part.segment.to_string())? {
                plan.add(&file, part, start, next.is_some(), query, manner)
                    .map_err(|error| failed(dir, part.segment, error))?;
            }
        }
        Ok(plan)
    }

    /// Adds what has to be read of one segment.
    fn add(
        &mut self,
        file: &File,
        part: &Part,
        start: u64,
        is_closed: bool,
        query: &Query,
        manner: &Manner,
    ) -> io::Result<()> {
        let closing = if is_closed && part.opened.is_some() {
            line_start(file, part.end.saturating_sub(CLOSING), part.end)?.max(start)
        } else {
            part.end
        };
        let (mut low, mut high) = (start, closing);
        if part.opened.is_some() {
            let bound = |time: Timestamp| cut(file, (start, closing), time, manner.narrow);
            if let Some(since) = query.since {
                low = bound(since)?.map_or(low, |(before, _)| before);
            }
            if let Some(until) = query.until {
                high = bound(until)?.map_or(high, |(_, after)| after);
            }
        }
        let size = manner.piece;
        for (mut from, to) in [(low, high), (closing, part.end)] {
            while from < to {
                let end = if to - from > size {
                    line_start(file, from + size, to)?
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
        }
        Ok(())
    }
}

impl Part {
    /// Whether a line of it can be in the range. All are of the day it was opened in, but for those
    /// that close it, which have the time at which the `next` one was opened.
    fn can_hold(&self, next: Option<Timestamp>, query: &Query) -> bool {
        let Some(opened) = self.opened else {
            return true;
        };
        let closed = next.unwrap_or(opened);
        let earliest = opened.min(closed);
        let latest = opened.end_of_day().max(closed);
        query.since.is_none_or(|since| latest >= since)
            && query.until.is_none_or(|until| earliest < until)
    }
}

fn failed(dir: &Dir, segment: SegmentName, error: io::Error) -> AuditError {
    FsError::new(
        "read",
        Path::new(dir.path()).join(segment.to_string()),
        error,
    )
    .into()
}

/// When the segment was opened, by its first line.
fn opened(file: &File) -> io::Result<Option<Timestamp>> {
    let mut first = [0; 256];
    let length = file.read_at(&mut first, 0)?;
    Ok(Head::of(&first[..length])
        .filter(|head| head.event_type == EventType::SegmentOpened.as_str().as_bytes())
        .and_then(|head| head.time()))
}

/// Halves the stretch until lines around `bound` are found: the beginning of a line before it, or
/// `start`, and of one that is not, or `end`, not far from each other. `None` when lines in between
/// do not say their time.
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

/// The first line that begins at `from` or later and before `end`, and its time.
fn time_after(file: &File, from: u64, end: u64) -> io::Result<Option<(u64, Timestamp)>> {
    let mut bytes = [0; 8 * 1024];
    // A line that begins at `from` follows a line end before it.
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

/// The first beginning of a line at `from` or later; `end` when there is none before.
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

/// The end of the last complete line before `end`; 0 when there is none.
fn last_line_end(file: &File, end: u64) -> io::Result<u64> {
    let mut bytes = vec![0; LINE_LIMIT];
    let mut end = end;
    while end > 0 {
        let base = end.saturating_sub(LINE_LIMIT as u64);
        // At most the limit.
        let wanted = usize::try_from(end - base).unwrap_or(LINE_LIMIT);
        let length = file.read_at(&mut bytes[..wanted], base)?;
        if let Some(at) = memchr::memrchr(b'\n', &bytes[..length]) {
            return Ok(base + at as u64 + 1);
        }
        end = base;
    }
    Ok(0)
}
