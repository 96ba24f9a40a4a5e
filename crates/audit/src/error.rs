//! What can go wrong with the log.

use std::path::{Path, PathBuf};

use super::segment::DIRECTORY;
use super::state_file::SEAL_DIRECTORY;
use nightlatch_platform::fs::{FsError, shell_path};

/// The log could not be written or read. Whatever was to be recorded must then not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A file of the log, or its directory, could not be used.
    #[error("the audit log: {0}")]
    Fs(#[from] FsError),
    /// The end of the log is not what was last written there, so nothing may follow it.
    #[error("the audit log is damaged: {path} {damage}", path = .segment.display())]
    Damaged {
        /// The segment file, the log's directory, or the sealing state.
        segment: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// There was a log, and its directory is not there any more.
    #[error("the audit log is gone: there is no {path}", path = .directory.display())]
    Gone {
        /// Where it was.
        directory: PathBuf,
    },
    /// Another process is writing to the log, or stopped while it did, and does not give up its lock.
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
        /// The number of the last event.
        last: u64,
        /// The number that was asked to be continued.
        after: u64,
    },
    /// A line that adds a legal hold is damaged, so which holds are in force cannot be told.
    #[error("the audit log is damaged: {lines} of its lines about legal holds cannot be read")]
    HoldUnreadable {
        /// How many.
        lines: u64,
    },
    /// The system has no random bytes to give for an event's id.
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
    /// The last line's hash is not that of its bytes: it was edited.
    #[error("ends in a line that does not match its own hash")]
    WrongHash,
    /// There is no line end within the last lines' worth of bytes.
    #[error("ends in a line longer than any event")]
    LineTooLong,
    /// A segment that others follow does not end in a sealed line.
    #[error("is not the last segment, yet does not end in a sealed line")]
    TornInside,
    /// The segment does not begin where the one before it ends, or there is none before it.
    #[error("does not continue the segment before it")]
    Gap,
    /// The state that the next line is sealed with is not there, or is damaged.
    #[error("cannot be continued: the state to seal the next line with is missing or damaged")]
    NoSealState,
    /// Lines are gone from the log's end that had been sealed.
    #[error("ends before the line that was sealed last")]
    CutShort,
    /// A line of a segment is not what was written there.
    #[error("has a line that was changed, removed or inserted")]
    BrokenChain,
    /// The state is that of another log.
    #[error("is not the log that the sealing state belongs to")]
    ForeignState,
    /// The first lines that are kept of removed segments are incomplete or changed.
    #[error("does not lead from the first event to the oldest segment that is there")]
    RemovedLines,
    /// A segment that others follow has lines that this log did not seal.
    #[error("has lines that the log did not seal, and another segment follows")]
    ForeignSeal,
    /// Where the last lines should be, none carries a seal.
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

    /// What the person can do about it, when there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fs(error) => error.hint(),
            Self::Damaged { segment, .. } => {
                let directory = log_directory(segment);
                let (shown, word) = (directory.display(), shell_path(&directory));
                Some(format!(
                    "see what is wrong: nightlatch audit verify; to begin a new log, move {shown} and seal beside it away, keep them as evidence, and: mkdir -m 700 -- {word}"
                ))
            }
            Self::Gone { directory } => Some(format!(
                "put it back; to begin a new log, move seal beside it away, and: mkdir -m 700 -- {}",
                shell_path(directory)
            )),
            Self::SetBack { .. } => Some(
                "keep the log as it is, and see what an anchor says: nightlatch audit verify --anchor FILE"
                    .to_owned(),
            ),
            Self::HoldUnreadable { .. } => Some(
                "nothing is removed until they can be read; see: nightlatch audit verify"
                    .to_owned(),
            ),
            Self::Busy { .. } => Some("see who it is: nightlatch doctor".to_owned()),
            Self::Random(_) => None,
        }
    }
}

/// The directory of the log of which `damaged` is a file, that directory, or the sealing state.
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
