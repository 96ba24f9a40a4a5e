//! What verification can find, each with the rule of docs/formats.md that it breaks.

use std::fmt;

use crate::hash::LineHash;

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
    /// Rule 1: a name that no file of the log has, or a link, a pipe or a directory by the name of one.
    #[error("this is not a part of the log: it was renamed or put here")]
    StrangeFile,
    /// Rule 1: there is nothing to verify.
    #[error("there is no audit log here")]
    NoLog,
    /// Rule 2: the line is not in canonical form.
    #[error("the line is not in the form that the program writes")]
    NotALine,
    /// Rule 2: bytes without a line end, in a segment that another follows.
    #[error("the segment ends in the middle of a line")]
    Torn,
    /// Rule 3: the line's bytes are not those that its hash was made of.
    #[error("the line was changed: it does not match its own hash")]
    Edited,
    /// Rule 4: numbers are left out.
    #[error("{}", missing(*.from, *.to))]
    Missing {
        /// The first number that is not there.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Rule 4: a number that was there already, or belongs further up.
    #[error("the line is repeated or out of order: event {expected} belongs here")]
    OutOfOrder {
        /// The number that belongs here.
        expected: u64,
    },
    /// Rule 4: the first line has another number than the file's name says.
    #[error("the file is not the segment that its name says")]
    Misnamed,
    /// Rule 5: the line does not continue the one before it.
    #[error("the line does not continue the one before it: one of them was replaced or inserted")]
    Unchained,
    /// Rule 6: the first line does not open this segment of this log.
    #[error("the line does not open this segment of the log")]
    BadOpening,
    /// Rule 6: a line that opens a segment, and is not the first.
    #[error("the line opens a segment inside of one")]
    InnerOpening,
    /// Rule 6: a line after the one that closed the segment.
    #[error("the line follows the end of the segment")]
    AfterClosing,
    /// Rule 6: the segment's last line names another key for the next segment than its first line.
    #[error("the line closes the segment with another key than the segment was opened with")]
    ClosingKey,
    /// Rule 6: a segment that another follows does not end in a sealed SEGMENT_CLOSED.
    #[error("the segment was not closed: lines are missing at its end")]
    NotClosed,
    /// Rule 7: the seal was not made with the key that the seal before it names.
    #[error(
        "the seal is not the log's own: lines up to here were rewritten, or a seal was removed"
    )]
    ForeignSeal,
    /// Rule 8: more lines in a row without a seal than an append has.
    #[error("more lines without a seal stand here than the program appends at a time")]
    LongAppend,
    /// Rule 8: lines or bytes after the last seal, more than one append leaves or in a closed segment.
    #[error(
        "what follows the last seal is not an unfinished append: it was added or a seal was removed"
    )]
    UnsealedEnd,
    /// Rule 9: the time is before that of the line before.
    #[error("the time goes back within the segment")]
    TimeBack,
    /// Rule 9: the time is of another day than that of the line before.
    #[error("the time is of another day than the segment")]
    OtherDay,
    /// Rule 10: the first lines of removed segments are missing, changed, or of another log.
    #[error("the first lines of the removed segments do not lead from event 1 to what remains")]
    RemovedLines,
    /// Rule 10: segments are gone from the beginning, and no record says so.
    #[error("what came before is gone, and no record of its removal is in the log")]
    UnrecordedPrune,
    /// Rule 10: the record of a removal lacks a detail, or has one of another form.
    #[error("the record does not say what was removed")]
    BadPrune,
    /// Rule 10: the record of a removal does not fit the segments that were removed, or the one after them.
    #[error("the record of a removal does not fit the segments up to event {last_seq}")]
    MisdatedPrune {
        /// The last event that it says was removed.
        last_seq: u64,
    },
    /// Rule 10: events were removed before the retention that the record names was over.
    #[error("events were removed before the retention in force was over")]
    EarlyPrune,
    /// Rule 10: events were removed while a legal hold was in force.
    #[error("events were removed while the legal hold \"{hold}\" was in force")]
    HeldPrune {
        /// The name of one of the holds.
        hold: String,
    },
    /// Rule 11: `head` is not in its form.
    #[error("the head is damaged")]
    BadHead,
    /// Rule 11: `head` was not signed by the log, or is another log's.
    #[error("the head was not signed by this log")]
    ForeignHead,
    /// Rule 11: `head` or the sealing state names a sealed line that is not there.
    #[error("the end is cut off: events up to {seq} were sealed")]
    CutEnd {
        /// The last number that was sealed.
        seq: u64,
    },
    /// Rule 11: the line that `head` or the sealing state names is another.
    #[error("event {seq} is not the one that was sealed")]
    OtherEnd {
        /// Its number.
        seq: u64,
    },
    /// Rule 11: the sealing state cannot be read.
    #[error("the sealing state is damaged")]
    BadState,
    /// Rule 11: the log is in its home, and its sealing state is not.
    #[error("the sealing state is missing")]
    MissingState,
    /// Rule 12: the log's fingerprint is not the expected one.
    #[error("this is another log: its fingerprint is {found}, not {expected}")]
    WrongFingerprint {
        /// The one expected.
        expected: String,
        /// The one the log has.
        found: String,
    },
    /// Rule 12: all anchors that were given are of other logs.
    #[error("none of the anchors is of this log, whose fingerprint is {found}")]
    OtherAnchors {
        /// The fingerprint that the log has.
        found: String,
    },
    /// Rule 12: the anchor's event is not there.
    #[error("the log ends before event {seq}, which an anchor names: it was cut or set back")]
    BeforeAnchor {
        /// The number in the anchor.
        seq: u64,
    },
    /// Rule 12: the event of the anchor's number has another hash.
    #[error("event {seq} is not the one that an anchor names: the log was rewritten")]
    AnchorMismatch {
        /// The number in the anchor.
        seq: u64,
    },
    /// Rule 12: two anchors of one number differ.
    #[error(
        "the log was set back and continued: event {seq} was {one} ({one_read}) and {other} ({other_read})"
    )]
    Fork {
        /// The number in both.
        seq: u64,
        /// The hash in one.
        one: LineHash,
        /// Where that was read.
        one_read: String,
        /// The hash in the other.
        other: LineHash,
        /// Where that was read.
        other_read: String,
    },
    /// Rule 12: events were removed sooner than the retention that was given.
    #[error("events were removed sooner than {}", days(*.retention))]
    TooEarlyPrune {
        /// The retention that was given.
        retention: std::time::Duration,
    },
}

impl Problem {
    /// A word for programs.
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

    /// The number of the rule in docs/formats.md, "Verification", that is broken.
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

/// In whole days, where it is that.
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

/// The findings so far: the first ones in the order of the log, however many threads find them.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// With the place in the log: a segment by its number, and a line in it.
    kept: Vec<((u64, u64), Finding)>,
    more: u64,
}

/// No more findings than this are named, the first ones; the others are counted.
pub(super) const KEPT: usize = 1000;

impl Findings {
    /// Adds one of the segment that begins with the event `segment`: 0 for what comes before all of
    /// them, `u64::MAX` for what comes after.
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

    /// Those that are named, and how many more there are.
    pub(super) fn finish(mut self) -> (Vec<Finding>, u64) {
        self.shrink();
        let kept = self.kept.into_iter().map(|(_, finding)| finding);
        (kept.collect(), self.more)
    }
}
