//! A snapshot of the log, while others may append to it.

use super::finding::{Finding, Findings, Problem};
use crate::head::{HEAD_FILE, Head};
use crate::opening::FirstLine;
use crate::segment::{OPENINGS, SegmentName, segments};
use nightlatch_platform::fs::{Archive, FsError};

/// How many times the snapshot is retried when the log grew meanwhile.
const TRIES: u32 = 50;

/// The log's files and their sizes at one moment.
#[allow(clippy::option_option)] // no head, a damaged one, or a head
pub(super) struct Snapshot {
    pub(super) segments: Vec<Segment>,
    pub(super) has_removed: bool,
    /// `None` if there is no head, `Some(None)` if it is damaged.
    pub(super) head: Option<Option<Head>>,
    /// Whether the head belongs to the same moment as the sizes, and is not older.
    pub(super) is_consistent: bool,
}

/// A segment at the time of the snapshot.
pub(super) struct Segment {
    pub(super) name: SegmentName,
    pub(super) size: u64,
    /// `None` if it has no first line, or one that is not canonical.
    pub(super) first: Option<FirstLine>,
}

impl Snapshot {
    /// Takes a snapshot of the log in `archive`. Files that break rule 1 are reported and skipped.
    pub(super) fn take(archive: &Archive, findings: &mut Findings) -> Result<Self, FsError> {
        let mut tries = TRIES;
        loop {
            let head = head(archive)?;
            let names = archive.names()?;
            let listed = List::read(archive, names)?;
            tries -= 1;
            // An unchanged head means that nothing was appended meanwhile, except by an append that
            // has not written its head yet.
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

/// The contents of the directory.
#[derive(Default)]
struct List {
    segments: Vec<(SegmentName, u64)>,
    has_removed: bool,
    strange: Vec<String>,
    /// Whether a file disappeared while the directory was read.
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
                // A segment that is a link or a pipe could lead to something else the next time.
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

/// Anything but a regular file counts as a damaged head.
#[allow(clippy::option_option)] // as above
fn head(archive: &Archive) -> Result<Option<Option<Head>>, FsError> {
    match Head::load(archive) {
        Err(error) if error.io_kind().is_none() => Ok(Some(None)),
        other => other,
    }
}

/// The file name that findings about the head give.
pub(super) const HEAD_NAME: &str = HEAD_FILE;
