//! Reads the end of a segment without reading the rest.

use std::fs::File;
use std::path::Path;

use super::canonical::Canonical;
use super::error::{AuditError, Damage};
use super::line::{LINE_LIMIT, Line, Link, line_end};
use super::seal::Parts;
use super::segment::{APPEND_LINES, SEQ_END};
use nightlatch_platform::fs::{FileExt, FsError};

/// Large enough for the last lines of nearly every log.
const FIRST_READ: u64 = 4 * 1024;
/// Large enough for the longest append.
const READ_LIMIT: u64 = (APPEND_LINES as u64 + 2) * LINE_LIMIT as u64;

/// The end of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The length up to the end of the last sealed line, in bytes; 0 if there is none.
    pub(super) sealed: u64,
    /// The last sealed line, if there is one.
    pub(super) last: Option<Link>,
}

impl Tail {
    /// Reads the end of the segment `file`, opened at `path`, up to `size` bytes, and checks its
    /// last sealed line.
    ///
    /// # Errors
    /// When that line is not an event or does not match its own hash, or there is none within the
    /// length of the longest append.
    pub(super) fn read(file: &File, path: &Path, size: u64) -> Result<Self, AuditError> {
        let failed = |error| FsError::new("read", path, error);
        let damaged = |damage| AuditError::damaged(path, damage);
        for window in [FIRST_READ, READ_LIMIT] {
            let window = window.min(size);
            let start = size - window;
            // At most about one megabyte.
            let mut bytes = vec![0; usize::try_from(window).unwrap_or_default()];
            file.read_exact_at(&mut bytes, start).map_err(failed)?;
            let mut end = bytes.len();
            while let Some(at) = line_end().rfind(&bytes[..end]) {
                let begin = match line_end().rfind(&bytes[..at]) {
                    Some(before) => before + 1,
                    None if start == 0 => 0,
                    None => break,
                };
                let line = &bytes[begin..at];
                if Canonical::is_sealed(line) {
                    let last = link_of(line).map_err(damaged)?;
                    return Ok(Self {
                        sealed: start + at as u64 + 1,
                        last: Some(last),
                    });
                }
                end = begin;
            }
            if start == 0 {
                return Ok(Self {
                    sealed: 0,
                    last: None,
                });
            }
        }
        Err(damaged(Damage::NoSeal))
    }
}

/// The link from a line (without its line end) to the next one.
pub(super) fn link_of(bytes: &[u8]) -> Result<Link, Damage> {
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

/// The line that ends before the byte `end` of a segment.
///
/// # Errors
/// When reading fails, or the file is too short.
pub(super) fn line_before(file: &File, end: u64) -> std::io::Result<Result<Link, Damage>> {
    for window in [FIRST_READ, LINE_LIMIT as u64 + 1] {
        let start = end.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(&mut bytes, start)?;
        let Some(line) = bytes.strip_suffix(b"\n") else {
            return Ok(Err(Damage::NotAnEvent));
        };
        match line_end().rfind(line) {
            Some(before) => return Ok(link_of(&line[before + 1..])),
            None if start == 0 => return Ok(link_of(line)),
            None => {}
        }
    }
    Ok(Err(Damage::LineTooLong))
}
