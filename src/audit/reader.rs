//! Reading segments line by line, in chunks, without ever holding more than one chunk.

use std::fs::File;
use std::io::{self, Read};

use super::line::LINE_LIMIT;

const CHUNK: usize = 256 * 1024;

/// One line, or what stands in place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A complete line, without its line end.
    Line(&'a [u8]),
    /// A complete line longer than any event; it was skipped.
    TooLong,
}

/// Complete lines of a file, one after the other. A last line without its end is none.
pub(super) struct Lines<R = File> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Whether the line being read is longer than any event, and being skipped.
    skipping: bool,
    /// Bytes of the complete lines so far.
    consumed: u64,
    /// Bytes of the line being skipped that left the buffer already.
    skipped: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK],
            start: 0,
            filled: 0,
            skipping: false,
            consumed: 0,
            skipped: 0,
        }
    }

    /// Bytes of the complete lines given so far, their line ends included.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Whether bytes without a line end stand after the last complete line. Ask at the end.
    pub(super) fn ends_torn(&self) -> bool {
        self.skipping || self.start < self.filled
    }

    /// The next complete line; `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Found<'_>>> {
        let mut searched = self.start;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..self.filled]) {
                let (from, end) = (self.start, searched + at);
                self.start = end + 1;
                self.consumed += (self.start - from) as u64 + std::mem::take(&mut self.skipped);
                let too_long = std::mem::take(&mut self.skipping) || end - from >= LINE_LIMIT;
                return Ok(Some(if too_long {
                    Found::TooLong
                } else {
                    Found::Line(&self.buffer[from..end])
                }));
            }
            if self.filled - self.start > LINE_LIMIT {
                self.skipping = true;
            }
            if self.skipping {
                self.skipped += (self.filled - self.start) as u64;
                self.filled = self.start;
            }
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.filled, 0);
                self.filled -= self.start;
                self.start = 0;
            }
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
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives at most `step` bytes at a time.
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
