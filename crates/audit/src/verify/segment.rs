//! Verifies one segment by itself: form, hashes, order, chain and times, and collects its seals.
//!
//! "After a finding" in docs/formats.md says how it continues after a finding.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::finding::{Finding, Findings, Problem};
use super::records::{Noted, noted};
use super::seals::{Seals, Waiting};
use super::sessions::SegmentSessions;
use crate::canonical::Canonical;
use crate::catalogue::EventType;
use crate::hash::LineHash;
use crate::line::Link;
use crate::opening::FirstLine;
use crate::progress::Progress;
use crate::reader::{Found, Lines, Section};
use crate::segment::{APPEND_LINES, SegmentName};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_platform::fs::FsError;

/// The number of bytes read between two progress reports.
const STEP: u64 = 1 << 20;

/// A segment to be verified.
pub(super) struct Task<'a> {
    pub(super) name: SegmentName,
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// How many of its bytes are verified: in the last segment, the sealed part.
    pub(super) size: u64,
    /// The last bytes of that part if the file lacks them.
    pub(super) missing: &'a [u8],
    /// The key for the first line's seal, if known.
    pub(super) key: Option<PublicKey>,
    /// The log's first key, if known.
    pub(super) fingerprint: Option<PublicKey>,
    pub(super) is_last: bool,
    /// Verify only the seals of the first and the last line, except in the last segment.
    pub(super) fast: bool,
    /// The event numbers whose hashes are needed, ascending.
    pub(super) watched: &'a [u64],
    /// Receives the number of bytes read.
    pub(super) progress: &'a Progress,
}

/// The result of verifying a segment.
pub(super) struct Report {
    pub(super) name: SegmentName,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// The number of verified signatures.
    pub(super) seals: u64,
    /// The number of sealed lines.
    pub(super) sealed_lines: u64,
    pub(super) findings: Findings,
    /// The number and `prev` of the first line; `None` if it is not canonical.
    pub(super) first: Option<(Link, Timestamp)>,
    /// What the next segment must continue; `None` if the last line is not canonical.
    pub(super) last: Option<Link>,
    /// The last sealed line.
    pub(super) last_sealed: Option<Link>,
    pub(super) watched: Vec<Watched>,
    pub(super) noted: Vec<Noted>,
    pub(super) sessions: SegmentSessions,
}

/// A line whose number is among the watched ones.
#[derive(Clone, Copy)]
pub(super) struct Watched {
    pub(super) link: Link,
    /// The key that its seal announces, if it has one.
    pub(super) next: Option<PublicKey>,
    /// The number of sealed lines in the segment, up to and including this one.
    pub(super) sealed_before: u64,
}

struct Pass<'a, 'b> {
    task: &'a Task<'a>,
    seals: &'a mut Seals<'b>,
    report: Report,
    /// The key for the next seal.
    key: Option<PublicKey>,
    /// The previous line, unless it is not canonical.
    before: Option<Link>,
    time: Option<Timestamp>,
    /// Consecutive lines without a seal.
    unsealed: usize,
    /// Whether the previous line closed the segment.
    closed: bool,
    /// Whether the last line was canonical and sealed.
    last: Option<bool>,
    /// The next segment's key, as the first line names it.
    next_segment: Option<PublicKey>,
    /// The index of the next number to watch.
    watching: usize,
}

/// Reads the segment once and queues its seals in `seals`.
pub(super) fn verify_segment(task: &Task<'_>, seals: &mut Seals<'_>) -> Result<Report, FsError> {
    let failed = |error| FsError::new("read", &task.path, error);
    let section = Section {
        file: task.file.try_clone().map_err(failed)?,
        at: 0,
        end: task.size - task.missing.len() as u64,
    };
    let mut lines = Lines::new(section.chain(task.missing));
    let mut pass = Pass {
        seals,
        report: Report {
            name: task.name,
            lines: 0,
            bytes: task.size,
            seals: 0,
            sealed_lines: 0,
            findings: Findings::default(),
            first: None,
            last: None,
            last_sealed: None,
            watched: Vec::new(),
            noted: Vec::new(),
            sessions: SegmentSessions::default(),
        },
        key: task.key,
        before: None,
        time: None,
        unsealed: 0,
        closed: false,
        last: None,
        next_segment: None,
        watching: 0,
        task,
    };
    let mut reported = 0;
    while let Some(found) = lines.next_line().map_err(failed)? {
        pass.report.lines += 1;
        let line = match found {
            Found::Line(line) => Canonical::parse(line),
            Found::TooLong => None,
        };
        match line {
            Some(line) => pass.line(&line),
            None => pass.not_a_line(Problem::NotALine),
        }
        if lines.consumed() - reported >= STEP {
            task.progress.add(lines.consumed() - reported);
            reported = lines.consumed();
        }
    }
    task.progress.add(task.size - reported);
    if lines.ends_torn() {
        pass.report.lines += 1;
        pass.not_a_line(Problem::Torn);
        pass.report.lines -= 1;
    }
    Ok(pass.finish())
}

impl Pass<'_, '_> {
    fn find(&mut self, seq: Option<u64>, problem: Problem) {
        let finding = Finding {
            file: self.task.name.to_string(),
            line: self.report.lines,
            seq,
            problem,
        };
        self.report.findings.add(self.task.name.first(), finding);
    }

    /// After a line that is not canonical, the next line's predecessor is unknown.
    fn not_a_line(&mut self, problem: Problem) {
        self.after_closing(None);
        self.find(None, problem);
        (self.before, self.key, self.last) = (None, None, None);
        self.unsealed = 0;
    }

    fn after_closing(&mut self, seq: Option<u64>) {
        if std::mem::take(&mut self.closed) {
            self.find(seq, Problem::AfterClosing);
        }
    }

    fn line(&mut self, line: &Canonical<'_>) {
        let Canonical { seq, .. } = *line;
        let is_first = self.report.lines == 1;
        self.after_closing(Some(seq));
        if !line.parts.hash_is_right() {
            self.find(Some(seq), Problem::Edited);
        }
        if is_first {
            self.first_line(line);
        } else {
            self.follows(line);
        }
        self.closed = line.event_type == EventType::SegmentClosed.as_str();
        self.unsealed += 1;
        if line.parts.seal.is_some() {
            self.unsealed = 0;
        } else if self.unsealed == APPEND_LINES {
            self.find(Some(seq), Problem::LongAppend);
        }
        self.times(line);
        self.seal(line, is_first);
        let this = Link {
            seq,
            hash: line.parts.hash,
        };
        self.watch(this, line);
        self.report.noted.extend(noted(line, self.report.lines));
        self.report.sessions.see(line);
        self.before = Some(this);
        self.last = Some(line.parts.seal.is_some());
    }

    fn first_line(&mut self, line: &Canonical<'_>) {
        let seq = line.seq;
        let continues = Link {
            seq,
            hash: line.prev,
        };
        self.report.first = Some((continues, line.timestamp));
        if seq != self.task.name.first() {
            self.find(Some(seq), Problem::Misnamed);
        }
        let first = FirstLine::of(line);
        self.next_segment = first.next_segment();
        if !first.opens(self.task.name, self.task.fingerprint, self.key) {
            self.find(Some(seq), Problem::BadOpening);
        }
    }

    fn follows(&mut self, line: &Canonical<'_>) {
        let seq = line.seq;
        if let Some(before) = self.before {
            if let Some(problem) = out_of_order(before.seq, seq) {
                self.find(Some(seq), problem);
            }
            if line.prev != before.hash {
                self.find(Some(seq), Problem::Unchained);
            }
        }
        let names_segment = line
            .parts
            .seal
            .is_some_and(|seal| seal.next_segment.is_some());
        if names_segment || line.event_type == EventType::SegmentOpened.as_str() {
            self.find(Some(seq), Problem::InnerOpening);
        }
    }

    fn times(&mut self, line: &Canonical<'_>) {
        if let Some(before) = self.time {
            if line.timestamp < before {
                self.find(Some(line.seq), Problem::TimeBack);
            } else if line.timestamp.day() != before.day() {
                self.find(Some(line.seq), Problem::OtherDay);
            }
        }
        self.time = Some(line.timestamp);
    }

    fn seal(&mut self, line: &Canonical<'_>, is_first: bool) {
        let Some(seal) = line.parts.seal else {
            if is_first {
                self.key = None;
            }
            return;
        };
        let key = self.key.replace(seal.next);
        if self.closed && self.next_segment.is_some_and(|next| next != seal.next) {
            self.find(Some(line.seq), Problem::ClosingKey);
        }
        self.report.sealed_lines += 1;
        self.report.last_sealed = Some(Link {
            seq: line.seq,
            hash: line.parts.hash,
        });
        // The first line of the next segment vouches for the lines of an earlier one.
        let is_skipped = self.task.fast && !self.task.is_last && !is_first && !self.closed;
        if let Some(key) = key.filter(|_| !is_skipped) {
            self.report.seals += 1;
            self.seals.add(Waiting {
                segment: self.task.name,
                line: self.report.lines,
                seq: line.seq,
                key,
                hash: line.parts.hash,
                seal,
            });
        }
    }

    fn watch(&mut self, this: Link, line: &Canonical<'_>) {
        let watched = self.task.watched;
        if self.before.is_none_or(|before| this.seq <= before.seq) {
            self.watching = watched.partition_point(|&seq| seq < this.seq);
        }
        while watched
            .get(self.watching)
            .is_some_and(|&seq| seq < this.seq)
        {
            self.watching += 1;
        }
        if watched.get(self.watching) == Some(&this.seq) {
            self.report.watched.push(Watched {
                link: this,
                next: line.parts.seal.map(|seal| seal.next),
                sealed_before: self.report.sealed_lines,
            });
        }
    }

    fn finish(mut self) -> Report {
        self.report.last = self.before;
        if !self.task.is_last {
            let seq = self.before.map(|last| last.seq);
            let is_empty = self.report.lines == 0 && self.task.size == 0;
            let is_closed = self.closed && self.last == Some(true);
            if is_empty || self.last.is_some() && !is_closed {
                self.find(seq, Problem::NotClosed);
            }
            if self.last == Some(false) {
                self.find(seq, Problem::UnsealedEnd);
            }
        }
        self.report
    }
}

/// The problem with `seq` after `before`, if any.
pub(super) fn out_of_order(before: u64, seq: u64) -> Option<Problem> {
    let expected = before + 1;
    match seq.cmp(&expected) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(Problem::Missing {
            from: expected,
            to: seq - 1,
        }),
        std::cmp::Ordering::Less => Some(Problem::OutOfOrder { expected }),
    }
}

/// The problem if the segment's first line does not continue `before`.
pub(super) fn continues(before: Link, (first, _): (Link, Timestamp)) -> [Option<Problem>; 2] {
    let unchained = first.hash != before.hash;
    [
        out_of_order(before.seq, first.seq),
        unchained.then_some(Problem::Unchained),
    ]
}

/// What the first line of a log that begins with event 1 must continue.
pub(super) const START: Link = Link {
    seq: 0,
    hash: LineHash::ZERO,
};
