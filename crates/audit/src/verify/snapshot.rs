//! The log at one moment, while others may append to it.

use super::finding::{Finding, Findings, Problem};
use crate::head::{HEAD_FILE, Head};
use crate::opening::FirstLine;
use crate::segment::{OPENINGS, SegmentName, segments};
use nightlatch_platform::fs::{Archive, FsError};

/// How often the log is looked at again when it grew meanwhile.
const TRIES: u32 = 50;

/// The files of the log and their sizes at one moment.
#[allow(clippy::option_option)] // no head, a damaged one, or a head
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
                    Some(file) => FirstLine::read(&file, size).map_err(|error| {
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
#[allow(clippy::option_option)] // as above
fn head(archive: &Archive) -> Result<Option<Option<Head>>, FsError> {
    match Head::load(archive) {
        Err(error) if error.io_kind().is_none() => Ok(Some(None)),
        other => other,
    }
}

/// Where findings about it are.
pub(super) const HEAD_NAME: &str = HEAD_FILE;
