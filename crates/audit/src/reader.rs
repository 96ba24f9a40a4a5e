//! Reads segments in blocks of whole lines, holding one block in memory at a time.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use super::line::LINE_LIMIT;
use nightlatch_platform::fs::FileExt;

/// Fits a core's own cache together with the search data; must hold the longest line.
pub(super) const CHUNK: usize = 256 * 1024;

/// A range of a file, read without moving the file's own position.
pub(super) struct Section {
    pub(super) file: File,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A block of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Complete lines with their line ends, at this range of [`Blocks::bytes`]. Some may be longer
    /// than any event.
    Lines(Range<usize>),
    /// A complete line longer than any event, which was skipped.
    TooLong,
}

/// Splits a source into blocks of complete lines. An incomplete last line is not returned.
pub(super) struct Blocks<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Whether the current line is longer than any event and is being skipped.
    skipping: bool,
    /// Bytes read from the source.
    read: u64,
    /// Bytes up to the end of the last block.
    given: u64,
}

impl<R: Read> Blocks<R> {
    /// Reads up to `chunk` bytes at a time, but never less than the longest line.
    pub(super) fn new(source: R, chunk: usize) -> Self {
        Self {
            source,
            buffer: vec![0; chunk.max(LINE_LIMIT + 1)],
            start: 0,
            filled: 0,
            skipping: false,
            read: 0,
            given: 0,
        }
    }

    /// The number of bytes in the blocks returned so far.
    pub(super) fn consumed(&self) -> u64 {
        self.given
    }

    /// The bytes of a block, valid until the next one is read.
    pub(super) fn bytes(&self, block: Range<usize>) -> &[u8] {
        &self.buffer[block]
    }

    /// Whether there are bytes after the last complete line. Call this at the end.
    pub(super) fn ends_torn(&self) -> bool {
        self.skipping || self.start < self.filled
    }

    /// The next block; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Block>> {
        let mut searched = self.start;
        loop {
            let unread = &self.buffer[searched..self.filled];
            if self.skipping {
                if let Some(at) = memchr::memchr(b'\n', unread) {
                    self.start = searched + at + 1;
                    self.skipping = false;
                    self.given = self.read - (self.filled - self.start) as u64;
                    return Ok(Some(Block::TooLong));
                }
                self.start = self.filled;
            } else if let Some(at) = memchr::memrchr(b'\n', unread) {
                let block = self.start..searched + at + 1;
                self.start = block.end;
                self.given = self.read - (self.filled - self.start) as u64;
                return Ok(Some(Block::Lines(block)));
            } else if self.filled - self.start > LINE_LIMIT {
                self.skipping = true;
                self.start = self.filled;
            }
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
            searched = self.filled;
            let read = loop {
                match self.source.read(&mut self.buffer[self.filled..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            if read == 0 {
                return Ok(None);
            }
            self.filled += read;
            self.read += read as u64;
        }
    }
}

/// A line, or a marker for one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A complete line, without its line end.
    Line(&'a [u8]),
    /// A complete line longer than any event.
    TooLong,
}

impl<'a> Found<'a> {
    /// A line without its line end.
    pub(super) fn of(line: &'a [u8]) -> Self {
        if line.len() < LINE_LIMIT {
            Self::Line(line)
        } else {
            Self::TooLong
        }
    }
}

/// Iterates over the complete lines of a file. An incomplete last line is not returned.
pub(super) struct Lines<R = File> {
    blocks: Blocks<R>,
    /// The rest of the block.
    left: Range<usize>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            blocks: Blocks::new(source, CHUNK),
            left: 0..0,
        }
    }

    /// The number of bytes in the lines returned so far, including line ends.
    pub(super) fn consumed(&self) -> u64 {
        self.blocks.consumed() - self.left.len() as u64
    }

    /// Whether there are bytes after the last complete line. Call this at the end.
    pub(super) fn ends_torn(&self) -> bool {
        self.blocks.ends_torn()
    }

    /// The next complete line; `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Found<'_>>> {
        if self.left.is_empty() {
            match self.blocks.next()? {
                None => return Ok(None),
                Some(Block::TooLong) => return Ok(Some(Found::TooLong)),
                Some(Block::Lines(block)) => self.left = block,
            }
        }
        let bytes = self.blocks.bytes(self.left.clone());
        let length = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        self.left.start = self.left.end.min(self.left.start + length + 1);
        Ok(Some(Found::of(&bytes[..length])))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns at most `step` bytes per read.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn lengths_of(bytes: &[u8], step: usize) -> (Vec<Option<usize>>, u64, bool) {
        let mut lines = Lines::new(Drip(bytes, step));
        let mut lengths = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            lengths.push(match line {
                Found::Line(line) => Some(line.len()),
                Found::TooLong => None,
            });
        }
        (lengths, lines.consumed(), lines.ends_torn())
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_arrive(
            lengths in proptest::collection::vec(
                prop_oneof![0..200_usize, LINE_LIMIT - 2..LINE_LIMIT + 2, CHUNK - 2..2 * CHUNK],
                0..8,
            ),
            torn in prop_oneof![Just(0), 1..300_usize, LINE_LIMIT..2 * CHUNK],
            step in prop_oneof![700..4096_usize, CHUNK / 2..2 * CHUNK],
        ) {
            let mut bytes = Vec::new();
            for &length in &lengths {
                bytes.extend(std::iter::repeat_n(b'x', length));
                bytes.push(b'\n');
            }
            let complete = bytes.len() as u64;
            bytes.extend(std::iter::repeat_n(b'x', torn));
            let expected: Vec<_> =
                lengths.iter().map(|&length| (length < LINE_LIMIT).then_some(length)).collect();
            prop_assert_eq!(lengths_of(&bytes, step), (expected, complete, torn > 0));
        }
    }
}
