//! What follows the log's last seal: an append in progress, or one that a crash cut short.

use std::fs::File;

use crate::canonical::Canonical;
use crate::line::LINE_LIMIT;
use crate::reader::{Block, Blocks, CHUNK, Found, Lines, Section};
use crate::segment::APPEND_LINES;

/// Large enough for the end of nearly every log.
const FIRST_WINDOW: u64 = 64 * 1024;

/// The end of the last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnsealedEnd {
    /// The byte after the last sealed line.
    pub(super) sealed: u64,
    /// Complete lines after that.
    pub(super) lines: u64,
    /// Bytes after that.
    pub(super) bytes: u64,
    /// Bytes after the last line end.
    torn: u64,
}

impl UnsealedEnd {
    /// Reads the end of the last segment, whose size is `size`. Its first line is never part of the
    /// unsealed end.
    pub(super) fn read(file: &File, size: u64) -> std::io::Result<Self> {
        let mut window = FIRST_WINDOW;
        let sealed = loop {
            let start = size.saturating_sub(window);
            if let Some(sealed) = last_seal(section(file, start, size)?)? {
                break start + sealed;
            }
            if start == 0 {
                break first_line(section(file, 0, size)?)?;
            }
            window = window.saturating_mul(16);
        };
        let (lines, torn) = count(section(file, sealed, size)?)?;
        Ok(Self {
            sealed,
            lines,
            bytes: size - sealed,
            torn,
        })
    }

    /// For a segment of `size` bytes that ends with a seal.
    pub(super) fn none(size: u64) -> Self {
        Self {
            sealed: size,
            lines: 0,
            bytes: 0,
            torn: 0,
        }
    }

    /// Whether a single append can have left this end.
    pub(super) fn is_of_one_append(&self) -> bool {
        self.lines < APPEND_LINES as u64 && self.torn < LINE_LIMIT as u64
    }
}

fn section(file: &File, at: u64, end: u64) -> std::io::Result<Section> {
    let file = file.try_clone()?;
    Ok(Section { file, at, end })
}

/// The byte after the last canonical line with a seal. A partial line at the beginning is never
/// canonical.
fn last_seal(section: Section) -> std::io::Result<Option<u64>> {
    let mut lines = Lines::new(section);
    let mut last = None;
    while let Some(found) = lines.next_line()? {
        let is_sealed = match found {
            Found::Line(line) => Canonical::is_sealed(line),
            Found::TooLong => false,
        };
        if is_sealed {
            last = Some(lines.consumed());
        }
    }
    Ok(last)
}

fn first_line(section: Section) -> std::io::Result<u64> {
    let mut lines = Lines::new(section);
    let has_line = lines.next_line()?.is_some();
    Ok(if has_line { lines.consumed() } else { 0 })
}

/// The number of line ends, and of bytes after the last one.
fn count(section: Section) -> std::io::Result<(u64, u64)> {
    let length = section.end - section.at;
    let mut blocks = Blocks::new(section, CHUNK);
    let mut lines = 0;
    while let Some(block) = blocks.next()? {
        lines += match block {
            Block::Lines(block) => memchr::memchr_iter(b'\n', blocks.bytes(block)).count() as u64,
            Block::TooLong => 1,
        };
    }
    Ok((lines, length - blocks.consumed()))
}
