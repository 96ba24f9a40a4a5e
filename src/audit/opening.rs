//! The first line of a segment: where the segment begins, and which keys lead to it and on from it.

use std::fs::File;

use super::error::AuditError;
use super::kind::EventType;
use super::line::{LINE_LIMIT, Link};
use super::record::Record;
use super::seal::Parts;
use super::segment::SegmentName;
use crate::clock::Timestamp;
use crate::crypto::sign::PublicKey;
use crate::fs::{Dir, FileExt, FsError};

/// Enough for the first line of any segment this program writes.
const FIRST_READ: usize = 4 * 1024;

/// A first line that is one by its form and its hash.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// Without its line end.
    pub(super) line: Vec<u8>,
    pub(super) segment: SegmentName,
    pub(super) timestamp: Timestamp,
    /// The line before it.
    pub(super) continues: Link,
    /// Verifies its seal.
    pub(super) key: PublicKey,
    /// Verifies the seal of the next segment's first line.
    pub(super) next_key: PublicKey,
}

impl Opening {
    /// Reads a line without its line end; `None` when it opens no segment, or its hash is wrong.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Opened<'a> {
            key: &'a str,
        }
        let parts = Parts::of(line).filter(Parts::hash_is_right)?;
        let record =
            Record::parse(line).filter(|record| record.event_type == EventType::SegmentOpened)?;
        let opened: Opened<'_> = serde_json::from_str(record.details.get()).ok()?;
        Some(Self {
            line: line.to_owned(),
            segment: SegmentName::starting_at(record.seq),
            timestamp: record.timestamp,
            continues: Link {
                seq: record.seq.checked_sub(1)?,
                hash: record.prev,
            },
            key: PublicKey::parse(opened.key.as_bytes())?,
            next_key: parts.seal?.next_segment?,
        })
    }

    /// That of `segment` in `dir`; `None` when the file is gone, or begins with anything else.
    pub(super) fn read(dir: &Dir, segment: SegmentName) -> Result<Option<Self>, AuditError> {
        let name = segment.to_string();
        let Some(file) = dir.open_file(&name)? else {
            return Ok(None);
        };
        let line = first_line(&file)
            .map_err(|error| FsError::new("read", dir.path().join(&name), error))?;
        let opening = line.and_then(|line| Self::parse(&line));
        Ok(opening.filter(|opening| opening.segment == segment))
    }

    /// Whether this opens the segment after the one that `before` opens, by its key.
    pub(super) fn follows(&self, before: &Self) -> bool {
        self.segment > before.segment && self.key == before.next_key
    }
}

fn first_line(file: &File) -> std::io::Result<Option<Vec<u8>>> {
    for window in [FIRST_READ, LINE_LIMIT] {
        let mut bytes = vec![0; window];
        let mut filled = 0;
        while filled < window {
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
