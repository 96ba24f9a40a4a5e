//! The result of a verification.

use std::fmt;
use std::time::Duration;

use super::finding::Finding;
use crate::hash::LineHash;
use crate::hold::Hold;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

/// The result of verifying a log.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// What is wrong, in log order.
    pub findings: Vec<Finding>,
    /// The number of findings that are not listed.
    pub more_findings: u64,
    /// What is not tampering but deserves a look, in log order.
    pub warnings: Vec<Warning>,
    /// The number of warnings that are not listed.
    pub more_warnings: u64,
    /// The number of segments.
    pub segments: u64,
    /// The lines in them, up to the last seal.
    pub lines: u64,
    /// The bytes in them, up to the last seal.
    pub bytes: u64,
    /// Seals whose signatures were verified.
    pub seals: u64,
    /// Complete lines after the last seal: they are not vouched for and do not count as events.
    pub unsealed_lines: u64,
    /// Bytes after the last seal.
    pub unsealed_bytes: u64,
    /// Lines at the end that a loss of power took from the file, but which the journal beside the
    /// sealing state has. They are verified with the others, and the next append restores them.
    pub lost_lines: u64,
    /// The bytes of those lines that are missing.
    pub lost_bytes: u64,
    /// The last event of an append that a loss of power took for good: only its head reached the
    /// disk.
    pub lost_through: Option<u64>,
    /// The number of the log's first event.
    pub first_seq: Option<u64>,
    /// The number and the hash of the last sealed line.
    pub last: Option<(u64, LineHash)>,
    /// The log's first public key, in hexadecimal, as the log names it.
    pub fingerprint: Option<String>,
    /// Whether the fingerprint was compared with a given one, alone or in an anchor.
    pub fingerprint_given: bool,
    /// Whether the sealing state was present, which reveals a truncated end.
    pub state_seen: bool,
    /// Whether `head` was present.
    pub head_seen: bool,
    /// Whether the head or the sealing state confirms the log's end. An older head does not, nor
    /// does a missing one.
    pub end_checked: bool,
    /// How the log compares with the given anchors.
    pub anchors: AnchorCounts,
    /// The recorded removals of old events, oldest first; only the last ones if there are very
    /// many.
    pub removals: Vec<Removal>,
    /// The legal holds in force at the end of the log, oldest first.
    pub holds: Vec<Hold>,
    /// Recorded repairs after crashes; only the last ones if there are very many.
    pub repairs: Vec<Repaired>,
}

impl Verification {
    /// The events removed before the first removal that is still on record, if any: later removals
    /// took the records of earlier ones along.
    pub fn removed_without_record(&self) -> Option<(u64, u64)> {
        let first = self.first_seq.filter(|&first| first > 1)?;
        let recorded = self.removals.iter().map(|removal| removal.first_seq).min();
        let before = recorded.unwrap_or(first).min(first);
        (before > 1).then(|| (1, before - 1))
    }

    /// Whether nothing is wrong with the log.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.more_findings == 0
    }
}

/// How the given anchors compare with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnchorCounts {
    /// Given anchors; each pair of number and hash counts once.
    pub given: u64,
    /// Anchors that match the log.
    pub checked: u64,
    /// Anchors of removed events, which can no longer be compared.
    pub not_checked: u64,
    /// Anchors of other logs, by their fingerprint.
    pub other_log: u64,
}

/// A recorded removal of old events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // facts, which the tests of a report make up
pub struct Removal {
    /// The first removed event.
    pub first_seq: u64,
    /// The last removed event.
    pub last_seq: u64,
    /// The event that records the removal.
    pub record_seq: u64,
    /// When the removal was recorded.
    pub recorded_at: Timestamp,
    /// The retention in force at the time.
    pub retention: Duration,
    /// The time of the first removed event.
    pub from: Timestamp,
    /// When the last removed segment was closed.
    pub to: Timestamp,
}

/// A repair that an AUDIT_REPAIRED event records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // facts, which the tests of a report make up
pub struct Repaired {
    /// The event that records the repair.
    pub seq: u64,
    /// Complete lines that were moved aside or restored.
    pub lines: u64,
    /// Their bytes, including those of an incomplete line.
    pub bytes: u64,
    /// The file with the lines, if they were moved aside.
    pub file: Option<String>,
}

/// Something that is not tampering but deserves a look.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // facts, which the tests of a report make up
pub struct Warning {
    /// The event's number.
    pub seq: u64,
    /// The session that it concerns.
    pub session: SessionId,
    /// What is unusual about it.
    pub reason: WarningReason,
}

/// What is unusual about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // whoever reports it handles every reason
pub enum WarningReason {
    /// It was used, but its creation is not in the log.
    NotCreated,
    /// It was used after it ended.
    AfterEnd {
        /// The event that ended it.
        ended: u64,
    },
    /// It was used for longer than the record of its creation allows.
    AfterMaximum {
        /// The event that created it.
        created: u64,
    },
}

impl WarningReason {
    /// An identifier for programs.
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
