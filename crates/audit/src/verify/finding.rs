//! The findings of verification, each with the rule of docs/formats.md that it breaks.

use std::fmt;

use crate::hash::LineHash;

/// A finding and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // facts, which the tests of a report make up
pub struct Finding {
    /// The file; empty if the finding is about the whole log.
    pub file: String,
    /// The line in the file, from 1; 0 if the finding is about the whole file.
    pub line: u64,
    /// The event's number, if there is one.
    pub seq: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Rule 1: the name is not one that the log uses, or it is a link, a pipe or a directory.
    #[error("this is not a part of the log: it was renamed or put here")]
    StrangeFile,
    /// Rule 1: the log is empty.
    #[error("there is no audit log here")]
    NoLog,
    /// Rule 2: the line is not in canonical form.
    #[error("the line is not in the form that the program writes")]
    NotALine,
    /// Rule 2: a segment that is not the last ends without a line end.
    #[error("the segment ends in the middle of a line")]
    Torn,
    /// Rule 3: the hash is not that of the line.
    #[error("the line was changed: it does not match its own hash")]
    Edited,
    /// Rule 4: numbers are missing.
    #[error("{}", missing(*.from, *.to))]
    Missing {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
    /// Rule 4: the number is a duplicate or out of order.
    #[error("the line is repeated or out of order: event {expected} belongs here")]
    OutOfOrder {
        /// The number expected here.
        expected: u64,
    },
    /// Rule 4: the first line's number is not the one in the file's name.
    #[error("the file is not the segment that its name says")]
    Misnamed,
    /// Rule 5: the line does not continue the one before it.
    #[error("the line does not continue the one before it: one of them was replaced or inserted")]
    Unchained,
    /// Rule 6: the first line does not open this segment of this log.
    #[error("the line does not open this segment of the log")]
    BadOpening,
    /// Rule 6: a line other than the first opens a segment.
    #[error("the line opens a segment inside of one")]
    InnerOpening,
    /// Rule 6: a line follows the one that closed the segment.
    #[error("the line follows the end of the segment")]
    AfterClosing,
    /// Rule 6: the segment's first and last lines name different keys for the next segment.
    #[error("the line closes the segment with another key than the segment was opened with")]
    ClosingKey,
    /// Rule 6: a segment that is not the last does not end with a sealed SEGMENT_CLOSED.
    #[error("the segment was not closed: lines are missing at its end")]
    NotClosed,
    /// Rule 7: the seal was not made with the key that the previous seal announced.
    #[error(
        "the seal is not the log's own: lines up to here were rewritten, or a seal was removed"
    )]
    ForeignSeal,
    /// Rule 8: more consecutive lines without a seal than an append can have.
    #[error("more lines without a seal stand here than the program appends at a time")]
    LongAppend,
    /// Rule 8: there are lines or bytes after the last seal, in a closed segment or more than one
    /// append leaves.
    #[error(
        "what follows the last seal is not an unfinished append: it was added or a seal was removed"
    )]
    UnsealedEnd,
    /// Rule 9: the time is earlier than that of the previous line.
    #[error("the time goes back within the segment")]
    TimeBack,
    /// Rule 9: the time is on another day than that of the previous line.
    #[error("the time is of another day than the segment")]
    OtherDay,
    /// Rule 10: the first lines of removed segments are missing, changed, or from another log.
    #[error("the first lines of the removed segments do not lead from event 1 to what remains")]
    RemovedLines,
    /// Rule 10: segments are missing from the beginning, and no record says so.
    #[error("what came before is gone, and no record of its removal is in the log")]
    UnrecordedPrune,
    /// Rule 10: the record of a removal lacks a detail, or has a malformed one.
    #[error("the record does not say what was removed")]
    BadPrune,
    /// Rule 10: the record of a removal does not match the removed segments, or the segment after
    /// them.
    #[error("the record of a removal does not fit the segments up to event {last_seq}")]
    MisdatedPrune {
        /// The last removed event, according to the record.
        last_seq: u64,
    },
    /// Rule 10: events were removed before the retention in the record had passed.
    #[error("events were removed before the retention in force was over")]
    EarlyPrune,
    /// Rule 10: events were removed while a legal hold was in force.
    #[error("events were removed while the legal hold \"{hold}\" was in force")]
    HeldPrune {
        /// The name of one of the holds.
        hold: String,
    },
    /// Rule 11: `head` is malformed.
    #[error("the head is damaged")]
    BadHead,
    /// Rule 11: `head` was not signed by this log, or belongs to another one.
    #[error("the head was not signed by this log")]
    ForeignHead,
    /// Rule 11: `head` or the sealing state names a sealed line that is missing.
    #[error("the end is cut off: events up to {seq} were sealed")]
    CutEnd {
        /// The number of the last sealed line.
        seq: u64,
    },
    /// Rule 11: the line that `head` or the sealing state names is different.
    #[error("event {seq} is not the one that was sealed")]
    OtherEnd {
        /// The line's number.
        seq: u64,
    },
    /// Rule 11: the sealing state cannot be read.
    #[error("the sealing state is damaged")]
    BadState,
    /// Rule 11: the log is in its home, and its sealing state is missing.
    #[error("the sealing state is missing")]
    MissingState,
    /// Rule 12: the log's fingerprint is not the expected one.
    #[error("this is another log: its fingerprint is {found}, not {expected}")]
    WrongFingerprint {
        /// The expected fingerprint.
        expected: String,
        /// The log's fingerprint.
        found: String,
    },
    /// Rule 12: all given anchors are from other logs.
    #[error("none of the anchors is of this log, whose fingerprint is {found}")]
    OtherAnchors {
        /// The log's fingerprint.
        found: String,
    },
    /// Rule 12: the anchor's event is missing.
    #[error("the log ends before event {seq}, which an anchor names: it was cut or set back")]
    BeforeAnchor {
        /// The number in the anchor.
        seq: u64,
    },
    /// Rule 12: the event with the anchor's number has another hash.
    #[error("event {seq} is not the one that an anchor names: the log was rewritten")]
    AnchorMismatch {
        /// The number in the anchor.
        seq: u64,
    },
    /// Rule 12: two anchors have the same number and different hashes.
    #[error(
        "the log was set back and continued: event {seq} was {one} ({one_read}) and {other} ({other_read})"
    )]
    Fork {
        /// The number of both anchors.
        seq: u64,
        /// The hash in the first one.
        one: LineHash,
        /// The source of the first one.
        one_read: String,
        /// The hash in the second one.
        other: LineHash,
        /// The source of the second one.
        other_read: String,
    },
    /// Rule 12: events were removed before the given retention had passed.
    #[error("events were removed sooner than {}", days(*.retention))]
    TooEarlyPrune {
        /// The given retention.
        retention: std::time::Duration,
    },
}

impl Problem {
    /// An identifier for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StrangeFile => "strange_file",
            Self::NoLog => "no_log",
            Self::NotALine => "not_a_line",
            Self::Torn => "torn",
            Self::Edited => "edited",
            Self::Missing { .. } => "missing",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Misnamed => "misnamed",
            Self::Unchained => "unchained",
            Self::BadOpening => "bad_opening",
            Self::InnerOpening => "inner_opening",
            Self::AfterClosing => "after_closing",
            Self::ClosingKey => "closing_key",
            Self::NotClosed => "not_closed",
            Self::ForeignSeal => "foreign_seal",
            Self::LongAppend => "long_append",
            Self::UnsealedEnd => "unsealed_end",
            Self::TimeBack => "time_back",
            Self::OtherDay => "other_day",
            Self::RemovedLines => "removed_lines",
            Self::UnrecordedPrune => "unrecorded_prune",
            Self::BadPrune => "bad_prune",
            Self::MisdatedPrune { .. } => "misdated_prune",
            Self::EarlyPrune => "early_prune",
            Self::HeldPrune { .. } => "held_prune",
            Self::BadHead => "bad_head",
            Self::ForeignHead => "foreign_head",
            Self::CutEnd { .. } => "cut_end",
            Self::OtherEnd { .. } => "other_end",
            Self::BadState => "bad_state",
            Self::MissingState => "missing_state",
            Self::WrongFingerprint { .. } => "wrong_fingerprint",
            Self::OtherAnchors { .. } => "other_anchors",
            Self::BeforeAnchor { .. } => "before_anchor",
            Self::AnchorMismatch { .. } => "anchor_mismatch",
            Self::Fork { .. } => "fork",
            Self::TooEarlyPrune { .. } => "too_early_prune",
        }
    }

    /// The number of the broken rule, in "Verification" in docs/formats.md.
    pub const fn rule(&self) -> u8 {
        match self {
            Self::StrangeFile | Self::NoLog => 1,
            Self::NotALine | Self::Torn => 2,
            Self::Edited => 3,
            Self::Missing { .. } | Self::OutOfOrder { .. } | Self::Misnamed => 4,
            Self::Unchained => 5,
            Self::BadOpening
            | Self::InnerOpening
            | Self::AfterClosing
            | Self::ClosingKey
            | Self::NotClosed => 6,
            Self::ForeignSeal => 7,
            Self::LongAppend | Self::UnsealedEnd => 8,
            Self::TimeBack | Self::OtherDay => 9,
            Self::RemovedLines
            | Self::UnrecordedPrune
            | Self::BadPrune
            | Self::MisdatedPrune { .. }
            | Self::EarlyPrune
            | Self::HeldPrune { .. } => 10,
            Self::BadHead
            | Self::ForeignHead
            | Self::CutEnd { .. }
            | Self::OtherEnd { .. }
            | Self::BadState
            | Self::MissingState => 11,
            Self::WrongFingerprint { .. }
            | Self::OtherAnchors { .. }
            | Self::BeforeAnchor { .. }
            | Self::AnchorMismatch { .. }
            | Self::Fork { .. }
            | Self::TooEarlyPrune { .. } => 12,
        }
    }
}

/// The duration as whole days where possible, for messages.
fn days(time: std::time::Duration) -> String {
    const DAY: u64 = 24 * 3600;
    match time.as_secs() {
        DAY => "1 day".to_owned(),
        seconds if seconds.is_multiple_of(DAY) => format!("{} days", seconds / DAY),
        _ => humantime::format_duration(time).to_string(),
    }
}

fn missing(from: u64, to: u64) -> String {
    if from == to {
        format!("event {from} is missing before this line")
    } else {
        format!("events {from} to {to} are missing before this line")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            seq,
            problem,
        } = self;
        if !file.is_empty() {
            f.write_str(file)?;
            if *line > 0 {
                write!(f, ":{line}")?;
            }
            if let Some(seq) = seq {
                write!(f, " (event {seq})")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{problem} [rule {}]", problem.rule())
    }
}

/// Collects findings and keeps the first ones in log order, whichever threads find them.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Keyed by the place in the log: the segment's number, and the line in it.
    kept: Vec<((u64, u64), Finding)>,
    more: u64,
}

/// The maximum number of findings that are listed: the first ones. The others are only counted.
pub(super) const KEPT: usize = 1000;

impl Findings {
    /// Adds a finding in the segment that begins with event `segment`. 0 sorts before all segments,
    /// and `u64::MAX` after them.
    pub(super) fn add(&mut self, segment: u64, finding: Finding) {
        self.kept.push(((segment, finding.line), finding));
        if self.kept.len() >= 4 * KEPT {
            self.shrink();
        }
    }

    pub(super) fn append(&mut self, more: Self) {
        self.more += more.more;
        for ((segment, _), finding) in more.kept {
            self.add(segment, finding);
        }
    }

    fn shrink(&mut self) {
        self.kept.sort_by_key(|(place, _)| *place);
        self.more += self.kept.len().saturating_sub(KEPT) as u64;
        self.kept.truncate(KEPT);
    }

    /// The listed findings, and how many more there are.
    pub(super) fn finish(mut self) -> (Vec<Finding>, u64) {
        self.shrink();
        let kept = self.kept.into_iter().map(|(_, finding)| finding);
        (kept.collect(), self.more)
    }
}
