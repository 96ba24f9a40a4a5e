//! Errors of the log.

use std::path::{Path, PathBuf};

use super::segment::DIRECTORY;
use super::state_file::SEAL_DIRECTORY;
use nightlatch_platform::fs::FsError;

/// The log could not be written or read. The action to be recorded must then not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A file of the log, or its directory, could not be used.
    #[error("the audit log: {0}")]
    Fs(#[from] FsError),
    /// The log's end is not what the program last wrote, so nothing may be appended.
    #[error("the audit log is damaged: {path} {damage}", path = .segment.display())]
    Damaged {
        /// The segment file, the log's directory, or the sealing state.
        segment: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// There was a log, and its directory is missing now.
    #[error("the audit log is gone: there is no {path}", path = .directory.display())]
    Gone {
        /// Where it was.
        directory: PathBuf,
    },
    /// Another process holds the log's lock: it is writing, or it was stopped while writing.
    #[error("another process holds the lock of the audit log in {path}", path = .directory.display())]
    Busy {
        /// The log's directory.
        directory: PathBuf,
    },
    /// The log ends before an event that was read from it earlier.
    #[error(
        "the audit log was set back: it ends at event {last}, and event {after} was read before"
    )]
    SetBack {
        /// The number of the log's last event.
        last: u64,
        /// The number after which events were requested.
        after: u64,
    },
    /// A line that adds a legal hold is damaged, so the holds in force are unknown.
    #[error("the audit log is damaged: {lines} of its lines about legal holds cannot be read")]
    HoldUnreadable {
        /// The number of such lines.
        lines: u64,
    },
    /// The system has no random bytes for an event's id.
    #[error("the audit log: no random bytes for an event id: {0}")]
    Random(#[from] getrandom::Error),
}

/// What is wrong with the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The last line is not an event with a sequence number and a hash.
    #[error("ends in a line that is not an event")]
    NotAnEvent,
    /// The last line's hash does not match its bytes: the line was edited.
    #[error("ends in a line that does not match its own hash")]
    WrongHash,
    /// No line end was found within the maximum length of the last lines.
    #[error("ends in a line longer than any event")]
    LineTooLong,
    /// A segment that is not the last does not end with a sealed line.
    #[error("is not the last segment, yet does not end in a sealed line")]
    TornInside,
    /// The segment does not begin where the previous one ends, or there is no previous one.
    #[error("does not continue the segment before it")]
    Gap,
    /// The sealing state for the next line is missing or damaged.
    #[error("cannot be continued: the state to seal the next line with is missing or damaged")]
    NoSealState,
    /// Sealed lines are missing from the log's end.
    #[error("ends before the line that was sealed last")]
    CutShort,
    /// A line of a segment was changed.
    #[error("has a line that was changed, removed or inserted")]
    BrokenChain,
    /// The state belongs to another log.
    #[error("is not the log that the sealing state belongs to")]
    ForeignState,
    /// The kept first lines of removed segments are incomplete or changed.
    #[error("does not lead from the first event to the oldest segment that is there")]
    RemovedLines,
    /// A segment that is not the last has lines that this log did not seal.
    #[error("has lines that the log did not seal, and another segment follows")]
    ForeignSeal,
    /// None of the last lines has a seal.
    #[error("ends in more lines without a seal than an append has")]
    NoSeal,
}

impl AuditError {
    pub(super) fn damaged(segment: &Path, damage: Damage) -> Self {
        Self::Damaged {
            segment: segment.to_owned(),
            damage,
        }
    }

    /// The directory of the log, if it is damaged or gone.
    pub fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::Damaged { segment, .. } => Some(log_directory(segment)),
            Self::Gone { directory } => Some(directory.clone()),
            _ => None,
        }
    }
}

/// The directory of the log to which `damaged` belongs: a file, the directory itself, or the
/// sealing state.
fn log_directory(damaged: &Path) -> PathBuf {
    let is_named = |path: &Path, name: &str| path.file_name().is_some_and(|found| found == name);
    let parent = damaged.parent().unwrap_or(damaged);
    if is_named(damaged, DIRECTORY) {
        damaged.to_owned()
    } else if is_named(parent, SEAL_DIRECTORY) {
        parent.with_file_name(DIRECTORY)
    } else {
        parent.to_owned()
    }
}
