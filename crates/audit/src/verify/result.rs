//! What a verification comes to.

use std::fmt;
use std::time::Duration;

use super::finding::Finding;
use crate::hash::LineHash;
use crate::hold::Hold;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

/// What a log turned out to be.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
    /// How many more things are wrong than are named.
    pub more_findings: u64,
    /// What is no tampering and deserves a look, in the order of the log.
    pub warnings: Vec<Warning>,
    /// How many more warnings there are than are named.
    pub more_warnings: u64,
    /// Files of the log.
    pub segments: u64,
    /// Lines in them, without those after the last seal.
    pub lines: u64,
    /// Bytes in them, without those after the last seal.
    pub bytes: u64,
    /// Seals whose signatures were verified.
    pub seals: u64,
    /// Lines after the last seal, complete ones: they are not vouched for and are not events.
    pub unsealed_lines: u64,
    /// Bytes after the last seal.
    pub unsealed_bytes: u64,
    /// The lines at the end that a loss of power took from the file: the journal beside the sealing state
    /// has them, they are verified with the others, and the next append puts them back.
    pub lost_lines: u64,
    /// Their bytes that are missing.
    pub lost_bytes: u64,
    /// The number of the last event of an append that a loss of power took for good: only the head, of all
    /// that was written of it, reached the disk.
    pub lost_through: Option<u64>,
    /// The number of the first event there is.
    pub first_seq: Option<u64>,
    /// The number and the hash of the last sealed line.
    pub last: Option<(u64, LineHash)>,
    /// The log's first public key, in hexadecimal, as the log itself names it.
    pub fingerprint: Option<String>,
    /// Whether the fingerprint was compared with one that was given, alone or in an anchor.
    pub fingerprint_given: bool,
    /// Whether the sealing state was there, which shows a cut end.
    pub state_seen: bool,
    /// Whether `head` was there.
    pub head_seen: bool,
    /// Whether the head or the sealing state says that the log ends where it should. An older head, or
    /// none, leaves that open.
    pub end_checked: bool,
    /// The anchors that were given.
    pub anchors: AnchorCounts,
    /// The removals of old events that are on record, oldest first: the last ones, when there are very
    /// many.
    pub removals: Vec<Removal>,
    /// The legal holds in force at the end, oldest first.
    pub holds: Vec<Hold>,
    /// What was repaired after a crash, by the log's own records: the last ones, when there are very many.
    pub repairs: Vec<Repaired>,
}

impl Verification {
    /// The events that were removed before the first removal that is still on record, when there are
    /// any: later removals took the records of those along.
    pub fn removed_without_record(&self) -> Option<(u64, u64)> {
        let first = self.first_seq.filter(|&first| first > 1)?;
        let recorded = self.removals.iter().map(|removal| removal.first_seq).min();
        let before = recorded.unwrap_or(first).min(first);
        (before > 1).then(|| (1, before - 1))
    }

    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.more_findings == 0
    }
}

/// How the anchors that were given compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnchorCounts {
    /// Those that were given, each number and hash counted once.
    pub given: u64,
    /// Those that fit the log.
    pub checked: u64,
    /// Those of events that were removed: they can no longer be compared.
    pub not_checked: u64,
    /// Those of other logs, by their fingerprint.
    pub other_log: u64,
}

/// A removal of old events that is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The first event removed.
    pub first_seq: u64,
    /// The last event removed.
    pub last_seq: u64,
    /// The event that records it.
    pub record_seq: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The retention in force.
    pub retention: Duration,
    /// The time of the first event removed.
    pub from: Timestamp,
    /// When the last segment removed was closed.
    pub to: Timestamp,
}

/// What an AUDIT_REPAIRED records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The event that records it.
    pub seq: u64,
    /// Complete lines that were moved aside or put back.
    pub lines: u64,
    /// Their bytes, and those of a line that was cut in two.
    pub bytes: u64,
    /// The file that holds them, when they were moved aside.
    pub file: Option<String>,
}

/// What is no tampering and deserves a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The event.
    pub seq: u64,
    /// The session that it is about.
    pub session: SessionId,
    /// What is strange.
    pub reason: WarningReason,
}

/// What is strange about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningReason {
    /// It was used, and its creation is not in the log.
    NotCreated,
    /// It was used after its end.
    AfterEnd {
        /// The event that ended it.
        ended: u64,
    },
    /// It was used for longer than it may last by the record of its creation.
    AfterMaximum {
        /// The event that created it.
        created: u64,
    },
}

impl WarningReason {
    /// A word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotCreated => "session_not_created",
            Self::AfterEnd { .. } => "session_used_after_end",
            Self::AfterMaximum { .. } => "session_used_after_maximum",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, session, .. } = self;
        write!(f, "event {seq}: session {session} was used ")?;
        match self.reason {
            WarningReason::NotCreated => f.write_str("without having been created in the log"),
            WarningReason::AfterEnd { ended } => write!(f, "after it had ended (event {ended})"),
            WarningReason::AfterMaximum { created } => {
                write!(f, "after its maximum time (created in event {created})")
            }
        }
    }
}
