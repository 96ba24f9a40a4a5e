//! The first line of a segment: where the segment begins, and the keys that it chains.

use std::fs::File;

use super::canonical::Canonical;
use super::catalogue::EventType;
use super::error::AuditError;
use super::hash::LineHash;
use super::line::{LINE_LIMIT, Link};
use super::record_details::OpenedDetails;
use super::seal::Seal;
use super::segment::SegmentName;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_platform::fs::{Dir, FileExt, FsError};

/// Large enough for the first line of any segment that this program writes.
const FIRST_READ: usize = 4 * 1024;

/// The contents of a segment's first line, if it is canonical; nothing else has been checked.
#[derive(Clone, Debug)]
pub(super) struct FirstLine {
    pub(super) seq: u64,
    pub(super) timestamp: Timestamp,
    pub(super) prev: LineHash,
    pub(super) hash: LineHash,
    pub(super) hash_is_right: bool,
    pub(super) seal: Option<Seal>,
    /// `None` if it is another event.
    pub(super) opened: Option<OpenedDetails>,
}

impl FirstLine {
    /// The first line of the segment `file`, in its first `size` bytes; `None` if there is none, or
    /// it is not canonical.
    pub(super) fn read(file: &File, size: u64) -> std::io::Result<Option<Self>> {
        let line = first_line(file, size)?;
        Ok(line.as_deref().and_then(Self::parse))
    }

    /// Parses a line without its line end; `None` if it is not canonical.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        Canonical::parse(line).map(|line| Self::of(&line))
    }

    pub(super) fn of(line: &Canonical<'_>) -> Self {
        let is_opening = line.event_type == EventType::SegmentOpened.as_str();
        Self {
            seq: line.seq,
            timestamp: line.timestamp,
            prev: line.prev,
            hash: line.parts.hash,
            hash_is_right: line.parts.hash_is_right(),
            seal: line.parts.seal,
            opened: is_opening.then(|| OpenedDetails::parse(line.details)),
        }
    }

    /// The log's first public key, according to this line.
    pub(super) fn fingerprint(&self) -> Option<PublicKey> {
        self.opened.as_ref()?.fingerprint
    }

    /// The key for the next segment's first line.
    pub(super) fn next_segment(&self) -> Option<PublicKey> {
        self.seal.and_then(|seal| seal.next_segment)
    }

    /// Whether it opens the segment `name` as rule 6 requires. `None` means unknown.
    pub(super) fn opens(
        &self,
        name: SegmentName,
        fingerprint: Option<PublicKey>,
        key: Option<PublicKey>,
    ) -> bool {
        self.next_segment().is_some()
            && self.opened.as_ref().is_some_and(|opened| {
                opened.segment == Some(name)
                    && (fingerprint.is_none() || fingerprint == opened.fingerprint)
                    && (key.is_none() || key == opened.key)
            })
    }
}

/// A first line whose form and hash show that it opens a segment.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// The line without its line end.
    pub(super) line: Vec<u8>,
    pub(super) segment: SegmentName,
    pub(super) timestamp: Timestamp,
    /// The previous line.
    pub(super) continues: Link,
    /// The key that verifies this line's seal.
    pub(super) key: PublicKey,
    /// The key that verifies the seal of the next segment's first line.
    pub(super) next_key: PublicKey,
}

impl Opening {
    /// Parses a line without its line end; `None` if it does not open a segment or its hash is
    /// wrong.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let first = FirstLine::parse(line).filter(|first| first.hash_is_right)?;
        Some(Self {
            line: line.to_owned(),
            segment: SegmentName::starting_at(first.seq),
            timestamp: first.timestamp,
            continues: Link {
                seq: first.seq.checked_sub(1)?,
                hash: first.prev,
            },
            key: first.opened.as_ref()?.key?,
            next_key: first.next_segment()?,
        })
    }

    /// Reads the first line of `segment` in `dir`; `None` if the file is gone or begins
    /// differently.
    pub(super) fn read(dir: &Dir, segment: SegmentName) -> Result<Option<Self>, AuditError> {
        let name = segment.to_string();
        let Some(file) = dir.open_file(&name)? else {
            return Ok(None);
        };
        let line = first_line(&file, u64::MAX)
            .map_err(|error| FsError::new("read", dir.path().join(&name), error))?;
        let opening = line.and_then(|line| Self::parse(&line));
        Ok(opening.filter(|opening| opening.segment == segment))
    }

    /// Whether this line's key is the one that `before` announces for the next segment.
    pub(super) fn follows(&self, before: &Self) -> bool {
        self.segment > before.segment && self.key == before.next_key
    }
}

/// The first line in the first `size` bytes of `file`, without its line end.
fn first_line(file: &File, size: u64) -> std::io::Result<Option<Vec<u8>>> {
    for window in [FIRST_READ, LINE_LIMIT] {
        let mut bytes = vec![0; window.min(usize::try_from(size).unwrap_or(usize::MAX))];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        if let Some(length) = memchr::memchr(b'\n', &bytes[..filled]) {
            bytes.truncate(length);
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}
