//! A quick summary of a log of any size, without changing anything.

use std::fs::File;
use std::path::Path;

use super::error::{AuditError, Damage};
use super::lost_end::{LostEnd, journal_before_boot};
use super::segment::{SegmentName, segments};
use super::segment_tail::Tail;
use super::state_file::{BadState, load_beside};
use nightlatch_core::clock::Timestamp;
use nightlatch_platform::fs::{Archive, FsError};

/// A summary of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSummary {
    /// The number of the last event.
    pub last_seq: u64,
    /// The time of the last sealed event.
    pub sealed_at: Timestamp,
    /// The number of segments.
    pub segments: usize,
    /// The number of bytes in them.
    pub bytes: u64,
    /// Lines at the end that a loss of power took, wholly or in part, and that the next append
    /// restores from the journal. `last_seq` counts them.
    pub lost: u64,
    /// Bytes after the last seal, which are not vouched for; the next append moves them aside.
    pub unsealed: u64,
}

/// Checks that the log in `directory` ends where its sealing state says. `None` if there is no log.
/// A [`Verifier`](super::Verifier) checks everything else.
///
/// `boot` is the id of the running system's boot, zeros if it has none. Lines that a loss of power
/// before this boot took from the end do not count as missing if the next append restores them.
///
/// # Errors
/// When the next event could not be appended, or a file cannot be read.
pub fn look(directory: &Path, boot: [u8; 16]) -> Result<Option<LogSummary>, AuditError> {
    let archive = match Archive::open(directory) {
        Ok(archive) => archive,
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Load the state before the segments: later appends then cannot put it ahead of them.
    let state = load_beside(directory)?;
    let journal = match &state {
        Some(Ok(state)) => journal_before_boot(directory, state, boot)?,
        _ => None,
    };
    let segments = segments(&archive.names()?);
    let Some(&open) = segments.last() else {
        return match state {
            None => Ok(None),
            Some(Ok(state)) if state.last().seq == 0 => Ok(None),
            Some(Ok(_) | Err(BadState)) => Err(AuditError::damaged(directory, Damage::CutShort)),
        };
    };
    let path = directory.join(open.to_string());
    let Some(Ok(state)) = state else {
        return Err(AuditError::damaged(&path, Damage::NoSealState));
    };
    let mut bytes = 0;
    let mut end = None;
    for &name in &segments {
        let path = directory.join(name.to_string());
        let Some(file) = archive.open_file(&name.to_string())? else {
            continue;
        };
        let inspected = file.metadata();
        let size = inspected
            .map_err(|error| FsError::new("inspect", &path, error))?
            .len();
        bytes += size;
        if name == open {
            let lost = match &journal {
                Some(journal) if state.place().segment == name.first() => {
                    LostEnd::find(&file, size, &state, journal)
                        .map_err(|error| FsError::new("read", &path, error))?
                }
                _ => None,
            };
            end = Some(match lost {
                Some(lost) => End {
                    last: state.last().seq,
                    unsealed: 0,
                    lost: lost.lines(),
                },
                None => End::read(&file, &path, name, size)?,
            });
        }
    }
    let end = end.ok_or_else(|| AuditError::damaged(&path, Damage::CutShort))?;
    if end.last < state.last().seq {
        return Err(AuditError::damaged(&path, Damage::CutShort));
    }
    Ok(Some(LogSummary {
        last_seq: end.last,
        sealed_at: state.sealed_at(),
        segments: segments.len(),
        bytes,
        lost: end.lost,
        unsealed: end.unsealed,
    }))
}

/// The end of the last segment.
struct End {
    /// The number of the last sealed event.
    last: u64,
    unsealed: u64,
    lost: u64,
}

impl End {
    fn read(file: &File, path: &Path, name: SegmentName, size: u64) -> Result<Self, AuditError> {
        let tail = Tail::read(file, path, size)?;
        // A segment without a sealed line has just been started.
        let last = tail.last.map_or(name.first() - 1, |link| link.seq);
        Ok(Self {
            last,
            unsealed: size - tail.sealed,
            lost: 0,
        })
    }
}
