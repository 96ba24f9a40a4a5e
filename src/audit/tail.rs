//! The end of a segment, read without reading the rest of it.

use std::fs::File;
use std::path::Path;

use super::error::{AuditError, Damage};
use super::line::{LINE_LIMIT, Line, Link, line_end};
use super::seal::Parts;
use super::segment::SEQ_END;
use crate::fs::{FileExt, FsError};

/// Enough for the last line of nearly every log.
const FIRST_READ: u64 = 4 * 1024;
/// Enough for the longest line and as much again of a torn one.
const READ_LIMIT: u64 = 2 * LINE_LIMIT as u64;

/// How a segment ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The bytes up to the end of the last complete line.
    pub(super) length: u64,
    /// The last complete line, when there is one.
    pub(super) last: Option<Link>,
    /// The end of the segment as it was read.
    bytes: Vec<u8>,
    /// Where in the segment it begins.
    start: u64,
}

impl Tail {
    /// Reads the end of the segment `file`, opened at `path`, and checks its last complete line. Reads
    /// from `from` when it has to be read from there anyway, and that is not far from the end.
    ///
    /// # Errors
    /// When that line is not an event, does not match its own hash, or is longer than any.
    pub(super) fn read(file: &File, path: &Path, from: Option<u64>) -> Result<Self, AuditError> {
        let failed = |error| FsError::new("read", path, error);
        let damaged = |damage| AuditError::damaged(path, damage);
        let size = file.metadata().map_err(failed)?.len();
        let wanted = from.and_then(|from| size.checked_sub(from));
        let first = FIRST_READ.max(wanted.filter(|&wanted| wanted <= READ_LIMIT).unwrap_or(0));
        for window in [first, READ_LIMIT] {
            let window = window.min(size);
            // At most 128 KiB.
            let mut bytes = vec![0; usize::try_from(window).unwrap_or_default()];
            file.read_exact_at(&mut bytes, size - window)
                .map_err(failed)?;
            let start = size - window;
            let whole = start == 0;
            let Some(end) = line_end().rfind(&bytes) else {
                if whole && bytes.len() <= LINE_LIMIT {
                    return Ok(Self {
                        length: 0,
                        last: None,
                        bytes,
                        start,
                    });
                }
                continue;
            };
            let begin = match line_end().rfind(&bytes[..end]) {
                Some(before) => before + 1,
                None if whole => 0,
                None => continue,
            };
            let last = link_of(&bytes[begin..end]).map_err(damaged)?;
            return Ok(Self {
                length: start + end as u64 + 1,
                last: Some(last),
                bytes,
                start,
            });
        }
        Err(damaged(Damage::LineTooLong))
    }

    /// What stands after the last complete line, which no line end follows.
    pub(super) fn torn(&self) -> &[u8] {
        self.from(self.length).unwrap_or_default()
    }

    /// The complete lines from `offset` on; `None` when that was not read.
    pub(super) fn lines_from(&self, offset: u64) -> Option<&[u8]> {
        let torn = self.torn().len();
        let bytes = self.from(offset)?;
        bytes.get(..bytes.len().checked_sub(torn)?)
    }

    fn from(&self, offset: u64) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..)
    }
}

/// What a line (without its line end) hands on to the next.
fn link_of(bytes: &[u8]) -> Result<Link, Damage> {
    let link = Line::parse(bytes)
        .and_then(|line| line.link())
        .filter(|link| (1..SEQ_END - 1).contains(&link.seq))
        .ok_or(Damage::NotAnEvent)?;
    match Parts::judged(bytes) {
        Some((parts, true)) if parts.hash == link.hash => Ok(link),
        Some(_) => Err(Damage::WrongHash),
        None => Err(Damage::NotAnEvent),
    }
}
