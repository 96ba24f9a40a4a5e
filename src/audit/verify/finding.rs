//! What verification can find.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file; empty when it is about the log as a whole.
    pub file: String,
    /// The line in it, from 1; 0 when it is about the file as a whole.
    pub line: u64,
    /// The number of the event, where there is one.
    pub seq: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Its bytes are not those that its hash was made of.
    #[error("the line was changed: it does not match its own hash")]
    Edited,
    /// It is not a line of the log.
    #[error("this is no line of the log")]
    NotALine,
    /// Numbers are left out.
    #[error("{}", missing(*.from, *.to))]
    Missing {
        /// The first number that is not there.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A number that was there already, or belongs further up.
    #[error("the line is repeated or out of order: {expected} is expected here")]
    OutOfOrder {
        /// The number that belongs here.
        expected: u64,
    },
    /// It does not continue the line before it.
    #[error("the line does not continue the one before it: one of them was replaced or put in")]
    Unchained,
    /// Its seal was not made with the key that the seal before it names.
    #[error(
        "the seal is not the log's own: lines up to here were written anew, or a seal was removed"
    )]
    ForeignSeal,
    /// A first line without a seal, or a seal where only a first line has one.
    #[error("the line opens a segment and is not sealed as one")]
    UnsealedOpening,
    /// A segment that others follow does not end in a sealed SEGMENT_CLOSED.
    #[error("the segment was not closed: lines are missing at its end")]
    NotClosed,
    /// What stands after the last seal should have been sealed.
    #[error(
        "the line should be sealed and no seal follows: lines from here on may have been written anew"
    )]
    UnsealedEnd,
    /// Bytes without a line end, in a segment that others follow.
    #[error("the segment ends in the middle of a line")]
    Torn,
    /// Its first line has another number than its name says.
    #[error("the file is not the segment that its name says")]
    Misnamed,
    /// It looks like a part of the log, but has a name that no part has, or is a link or no file.
    #[error("this is no part of the log: it was renamed or put here")]
    StrangeFile,
    /// Segments are gone from the beginning, and no record tells of it.
    #[error("what came before is gone, and no record of its removal is in the log")]
    UnrecordedPrune,
    /// The first lines of removed segments, which lead from the fingerprint to what remains, are not
    /// there or do not fit.
    #[error(
        "the first lines of the removed segments do not lead from the fingerprint to what remains"
    )]
    BrokenDescent,
    /// The log's first key is another than the one expected.
    #[error("this is another log: its fingerprint is {found}, not {expected}")]
    WrongFingerprint {
        /// The one expected.
        expected: String,
        /// The one the log has.
        found: String,
    },
    /// The state knows of a sealed line that is not there, or has no seal.
    #[error("the end or its seal is cut off: events up to {seq} were sealed")]
    CutEnd {
        /// The last number that was sealed.
        seq: u64,
    },
    /// The state was made for another line of this number.
    #[error("event {seq} is another than the one that was sealed last")]
    StateMismatch {
        /// Its number.
        seq: u64,
    },
    /// The state cannot be read.
    #[error("the sealing state is damaged")]
    BadState,
    /// The anchor tells of an event that is not there.
    #[error("the log ends before event {seq}, which the anchor tells of: it was cut or set back")]
    BeforeAnchor {
        /// The number in the anchor.
        seq: u64,
    },
    /// The anchor tells of an event that was removed with its segment.
    #[error("event {seq}, which the anchor tells of, was removed with its segment")]
    AnchorPruned {
        /// The number in the anchor.
        seq: u64,
    },
    /// The event of the anchor's number has another hash.
    #[error("event {seq} is not the one that the anchor tells of: the log was written anew")]
    AnchorMismatch {
        /// The number in the anchor.
        seq: u64,
    },
    /// There is nothing to verify.
    #[error("there is no audit log here")]
    NoLog,
}

impl Problem {
    /// A word for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::NotALine => "not_a_line",
            Self::Missing { .. } => "missing",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Unchained => "unchained",
            Self::ForeignSeal => "foreign_seal",
            Self::UnsealedOpening => "unsealed_opening",
            Self::NotClosed => "not_closed",
            Self::UnsealedEnd => "unsealed_end",
            Self::Torn => "torn",
            Self::Misnamed => "misnamed",
            Self::StrangeFile => "strange_file",
            Self::UnrecordedPrune => "unrecorded_prune",
            Self::BrokenDescent => "broken_descent",
            Self::WrongFingerprint { .. } => "wrong_fingerprint",
            Self::CutEnd { .. } => "cut_end",
            Self::StateMismatch { .. } => "state_mismatch",
            Self::BadState => "bad_state",
            Self::BeforeAnchor { .. } => "before_anchor",
            Self::AnchorPruned { .. } => "anchor_pruned",
            Self::AnchorMismatch { .. } => "anchor_mismatch",
            Self::NoLog => "no_log",
        }
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
        problem.fmt(f)
    }
}
