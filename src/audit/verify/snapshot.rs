//! The log at one moment, while others may append to it.

use std::fs::File;

use super::finding::{Finding, Findings, Problem};
use crate::audit::canonical::Canonical;
use crate::audit::hash::LineHash;
use crate::audit::head::{HEAD_FILE, Head};
use crate::audit::kind::EventType;
use crate::audit::line::LINE_LIMIT;
use crate::audit::seal::Seal;
use crate::audit::segment::{OPENINGS, SegmentName, segments};
use crate::clock::Timestamp;
use crate::crypto::sign::PublicKey;
use crate::fs::{Archive, FileExt, FsError};

/// How often the log is looked at again when it grew meanwhile.
const TRIES: u32 = 50;
/// Enough for the first line of nearly every segment.
const FIRST_READ: usize = 4 * 1024;

/// The files of the log and their sizes at one moment.
pub(super) struct Snapshot {
    pub(super) segments: Vec<Segment>,
    pub(super) has_removed: bool,
    /// `None` when there is no head, `Some(None)` when what is there is damaged.
    pub(super) head: Option<Option<Head>>,
    /// Whether the head is that of the moment at which the sizes were read, not of an earlier one.
    pub(super) is_consistent: bool,
}

/// A segment as it was at that moment.
pub(super) struct Segment {
    pub(super) name: SegmentName,
    pub(super) size: u64,
    /// `None` when it has none, or one that is not canonical.
    pub(super) first: Option<FirstLine>,
}

/// What the first line of a segment says, whatever of it is wrong.
#[derive(Clone, Debug)]
pub(super) struct FirstLine {
    pub(super) seq: u64,
    pub(super) timestamp: Timestamp,
    pub(super) prev: LineHash,
    pub(super) hash: LineHash,
    pub(super) hash_is_right: bool,
    pub(super) seal: Option<Seal>,
    /// `None` when it is another event, or lacks one of these details.
    pub(super) opened: Option<Opened>,
}

/// The details of a SEGMENT_OPENED that the rules are about, each where it has the right form.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) segment: Option<String>,
    pub(super) fingerprint: Option<PublicKey>,
    pub(super) key: Option<PublicKey>,
}

impl Snapshot {
    /// Looks at the log in `archive`. What rule 1 finds is noted, and passed over.
    pub(super) fn take(archive: &Archive, findings: &mut Findings) -> Result<Self, FsError> {
        let mut tries = TRIES;
        loop {
            let head = head(archive)?;
            let names = archive.names()?;
            let listed = List::read(archive, names)?;
            tries -= 1;
            // A head that did not change: nothing was appended meanwhile, but for an append that has
            // not written its own yet.
            let is_consistent = !listed.changed && head == self::head(archive)?;
            if !is_consistent && tries > 0 {
                std::thread::yield_now();
                continue;
            }
            for file in listed.strange {
                let (line, seq, problem) = (0, None, Problem::StrangeFile);
                findings.add(
                    0,
                    Finding {
                        file,
                        line,
                        seq,
                        problem,
                    },
                );
            }
            let mut segments = Vec::with_capacity(listed.segments.len());
            for (name, size) in listed.segments {
                let first = match archive.open_file(&name.to_string())? {
                    Some(file) => read_first(&file, size).map_err(|error| {
                        FsError::new("read", archive.path().join(name.to_string()), error)
                    })?,
                    None => None,
                };
                segments.push(Segment { name, size, first });
            }
            return Ok(Self {
                segments,
                has_removed: listed.has_removed,
                head,
                is_consistent,
            });
        }
    }
}

/// What is in the directory.
#[derive(Default)]
struct List {
    segments: Vec<(SegmentName, u64)>,
    has_removed: bool,
    strange: Vec<String>,
    /// Whether a file went while it was read.
    changed: bool,
}

impl List {
    fn read(archive: &Archive, mut names: Vec<String>) -> Result<Self, FsError> {
        names.sort_unstable();
        let mut list = Self::default();
        for name in names {
            if !name.contains(".jsonl") {
                continue;
            }
            let segment = segments(std::slice::from_ref(&name)).pop();
            if segment.is_none() && name != OPENINGS {
                list.strange.push(name);
                continue;
            }
            match archive.open_file(&name) {
                // A link or a pipe by the name of a segment: what it leads to could be another the next time.
                Err(error) if error.io_kind().is_none() => list.strange.push(name),
                Err(error) => return Err(error),
                Ok(None) => list.changed = true,
                Ok(Some(file)) => match segment {
                    None => list.has_removed = true,
                    Some(segment) => {
                        let inspected = file.metadata();
                        let path = archive.path().join(&name);
                        let inspected =
                            inspected.map_err(|error| FsError::new("inspect", path, error))?;
                        list.segments.push((segment, inspected.len()));
                    }
                },
            }
        }
        Ok(list)
    }
}

/// What is no regular file is not the log's head.
fn head(archive: &Archive) -> Result<Option<Option<Head>>, FsError> {
    match Head::load(archive) {
        Err(error) if error.io_kind().is_none() => Ok(Some(None)),
        other => other,
    }
}

/// Where findings about it are.
pub(super) const HEAD_NAME: &str = HEAD_FILE;

fn read_first(file: &File, size: u64) -> std::io::Result<Option<FirstLine>> {
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
            return Ok(Canonical::parse(&bytes[..length]).map(|line| FirstLine::of(&line)));
        }
    }
    Ok(None)
}

impl FirstLine {
    pub(super) fn of(line: &Canonical<'_>) -> Self {
        let is_opening = line.event_type == EventType::SegmentOpened.as_str();
        Self {
            seq: line.seq,
            timestamp: line.timestamp,
            prev: line.prev,
            hash: line.parts.hash,
            hash_is_right: line.parts.hash_is_right(),
            seal: line.parts.seal,
            opened: is_opening.then(|| Opened::parse(line.details)),
        }
    }

    /// The key that it names for the next segment's first line.
    pub(super) fn next_segment(&self) -> Option<PublicKey> {
        self.seal.and_then(|seal| seal.next_segment)
    }

    /// Whether it opens the segment `name` as rule 6 wants it; what is `None` is not known.
    pub(super) fn opens(
        &self,
        name: SegmentName,
        fingerprint: Option<PublicKey>,
        key: Option<PublicKey>,
    ) -> bool {
        self.next_segment().is_some()
            && self.opened.as_ref().is_some_and(|opened| {
                opened.segment.as_deref() == Some(&name.to_string())
                    && (fingerprint.is_none() || fingerprint == opened.fingerprint)
                    && (key.is_none() || key == opened.key)
            })
    }
}

impl Opened {
    fn parse(details: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Form {
            segment: Option<serde_json::Value>,
            fingerprint: Option<serde_json::Value>,
            key: Option<serde_json::Value>,
        }
        let form = serde_json::from_slice(details).unwrap_or(Form {
            segment: None,
            fingerprint: None,
            key: None,
        });
        let key = |value: Option<serde_json::Value>| PublicKey::parse(value?.as_str()?.as_bytes());
        Self {
            segment: form
                .segment
                .and_then(|name| Some(name.as_str()?.to_owned())),
            fingerprint: key(form.fingerprint),
            key: key(form.key),
        }
    }
}
