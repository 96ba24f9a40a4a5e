//! What a quick look at the log tells, whatever its size, without changing anything.

use std::path::Path;

use super::error::{AuditError, Damage};
use super::segment::segments;
use super::state_file::{BadState, load_beside};
use super::tail::Tail;
use crate::clock::Timestamp;
use crate::fs::{Archive, FsError};

/// What there is of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSummary {
    /// The number of the last event.
    pub last_seq: u64,
    /// The time of the last sealed event.
    pub sealed_at: Timestamp,
    /// The files of the log.
    pub segments: usize,
    /// The bytes in them.
    pub bytes: u64,
    /// The bytes after the last seal, which are not vouched for; the next event moves them aside.
    pub unsealed: u64,
}

/// Looks at the end of the log in `directory` and at its sealing state: whether the one goes on where
/// the other stopped. `None` when there is no log. Everything else is for a
/// [`Verifier`](super::Verifier).
///
/// # Errors
/// When the next event could not be appended, or a file cannot be read.
pub fn look(directory: &Path) -> Result<Option<LogSummary>, AuditError> {
    let archive = match Archive::open(directory) {
        Ok(archive) => archive,
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Before the segments: what is appended from here on cannot make it be ahead of them.
    let state = load_beside(directory)?;
    let segments = segments(&archive.names()?);
    let Some(last) = segments.last() else {
        return match state {
            None => Ok(None),
            Some(Ok(state)) if state.last().seq == 0 => Ok(None),
            Some(Ok(_) | Err(BadState)) => Err(AuditError::damaged(directory, Damage::CutShort)),
        };
    };
    let path = directory.join(last.to_string());
    let Some(Ok(state)) = state else {
        return Err(AuditError::damaged(&path, Damage::NoSealState));
    };
    let mut bytes = 0;
    let mut end = None;
    for name in &segments {
        let path = directory.join(name.to_string());
        let Some(file) = archive.open_file(&name.to_string())? else {
            continue;
        };
        let inspected = file.metadata();
        let size = inspected
            .map_err(|error| FsError::new("inspect", &path, error))?
            .len();
        bytes += size;
        if name == last {
            let tail = Tail::read(&file, &path, size)?;
            end = Some((tail.last, size - tail.sealed));
        }
    }
    let (link, unsealed) = end.ok_or_else(|| AuditError::damaged(&path, Damage::CutShort))?;
    // A segment without a sealed line is one that was just begun.
    let last_seq = link.map_or(last.first() - 1, |link| link.seq);
    if last_seq < state.last().seq {
        return Err(AuditError::damaged(&path, Damage::CutShort));
    }
    Ok(Some(LogSummary {
        last_seq,
        sealed_at: state.sealed_at(),
        segments: segments.len(),
        bytes,
        unsealed,
    }))
}
