//! Verifying one segment by itself: its chain, and the seals along it.

use std::fs::File;
use std::path::PathBuf;

use super::finding::{Finding, Problem};
use super::seals::{Seals, Waiting};
use crate::audit::hash::LineHash;
use crate::audit::kind::EventType;
use crate::audit::line::Link;
use crate::audit::progress::Progress;
use crate::audit::reader::{Found, Lines};
use crate::audit::record::Record;
use crate::audit::seal::{Parts, Seal};
use crate::audit::segment::{APPEND_LINES, SEQ_END, SegmentName};
use crate::crypto::sign::PublicKey;
use crate::fs::FsError;

/// More findings than this in one segment are counted and not kept.
pub(super) const KEPT: usize = 100;
/// The type and the time of an event end before this byte of its line.
const HEAD: usize = 192;

/// A segment to be verified.
pub(super) struct Task<'a> {
    pub(super) name: SegmentName,
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Verifies the seal of the first line; `None` when nothing tells it.
    pub(super) key: Option<PublicKey>,
    pub(super) is_last: bool,
    /// Only the seals of the first and the last line, except in the last segment.
    pub(super) fast: bool,
    /// Numbers of events whose hashes are wanted.
    pub(super) watched: &'a [u64],
    /// Counts the bytes read.
    pub(super) progress: &'a Progress,
}

/// What a segment turned out to be.
#[derive(Default)]
pub(super) struct Report {
    pub(super) lines: u64,
    pub(super) seals: u64,
    pub(super) bytes: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) more_findings: u64,
    /// What the first line continues.
    pub(super) continues: Option<LineHash>,
    pub(super) last: Option<Link>,
    /// The key that the last seal names: after a closing one, that of the next first line.
    pub(super) next_key: Option<PublicKey>,
    pub(super) sealed_through: Option<u64>,
    pub(super) watched: Vec<Link>,
    /// Prunes that are on record here.
    pub(super) prunes: Vec<Link>,
    /// Bytes after the last line end.
    pub(super) torn: bool,
}

struct Pass<'a> {
    task: Task<'a>,
    report: Report,
    seals: &'a mut Seals,
    /// Verifies the next seal.
    key: Option<PublicKey>,
    /// The lines since the last seal.
    unsealed: usize,
}

/// Reads the segment once; its seals are `seals` to verify.
pub(super) fn verify_segment<'a>(task: Task<'a>, seals: &'a mut Seals) -> Result<Report, FsError> {
    let path = task.path.clone();
    let file = task.file.try_clone();
    let mut lines = Lines::new(file.map_err(|error| FsError::new("read", &path, error))?);
    let mut pass = Pass {
        key: task.key,
        task,
        report: Report::default(),
        seals,
        unsealed: 0,
    };
    let mut told = 0;
    let mut ends_closed = false;
    loop {
        let read = lines.next_line();
        match read.map_err(|error| FsError::new("read", &path, error))? {
            None => break,
            Some(Found::TooLong) => {
                pass.report.lines += 1;
                pass.find(None, Problem::NotALine);
                ends_closed = false;
            }
            Some(Found::Line(line)) => {
                pass.report.lines += 1;
                ends_closed = pass.line(line);
            }
        }
        if lines.consumed() - told >= 1 << 20 {
            pass.task.progress.add(lines.consumed() - told);
            told = lines.consumed();
        }
    }
    pass.task.progress.add(lines.consumed() - told);
    pass.report.bytes = lines.consumed();
    pass.report.torn = lines.ends_torn();
    pass.end(ends_closed);
    Ok(pass.report)
}

impl Report {
    /// Notes what is wrong with a line of the segment `name`.
    pub(super) fn find_at(
        &mut self,
        name: SegmentName,
        line: u64,
        seq: Option<u64>,
        problem: Problem,
    ) {
        // Seals are verified late: what is found first is not always what is first in the log.
        let findings = &mut self.findings;
        let at = findings.partition_point(|finding| finding.line <= line);
        findings.insert(
            at,
            Finding {
                file: name.to_string(),
                line,
                seq,
                problem,
            },
        );
        if findings.len() > KEPT {
            findings.truncate(KEPT);
            self.more_findings += 1;
        }
    }
}

impl Pass<'_> {
    fn find(&mut self, seq: Option<u64>, problem: Problem) {
        let line = self.report.lines;
        self.find_at(line, seq, problem);
    }

    fn find_at(&mut self, line: u64, seq: Option<u64>, problem: Problem) {
        self.report.find_at(self.task.name, line, seq, problem);
    }

    /// Judges a line: whether it closes the segment.
    fn line(&mut self, line: &[u8]) -> bool {
        let (Some(seq), Some((parts, is_right))) = (number(line), Parts::judged(line)) else {
            self.find(None, Problem::NotALine);
            return false;
        };
        if !is_right {
            self.find(Some(seq), Problem::Edited);
        }
        match self.report.last {
            None if self.report.lines == 1 => {
                let prev = parts.prev();
                self.report.continues = prev;
                if prev.is_none() && is_right {
                    self.find(Some(seq), Problem::Unchained);
                }
                if seq != self.task.name.first() {
                    self.find(Some(seq), Problem::Misnamed);
                }
            }
            // No line before it could be read, which is found already.
            None => {}
            Some(last) => {
                if seq > last.seq + 1 {
                    let (from, to) = (last.seq + 1, seq - 1);
                    self.find(Some(seq), Problem::Missing { from, to });
                } else if seq <= last.seq {
                    let expected = last.seq + 1;
                    self.find(Some(seq), Problem::OutOfOrder { expected });
                } else if is_right && !parts.continues(&last.hash) {
                    self.find(Some(seq), Problem::Unchained);
                }
            }
        }
        let this = Link {
            seq,
            hash: parts.hash,
        };
        self.report.last = Some(this);
        if self.task.watched.contains(&seq) {
            self.report.watched.push(this);
        }
        if let Some(seal) = parts.seal {
            return self.seal(this, &seal, line);
        }
        if self.report.lines == 1 {
            self.find(Some(seq), Problem::UnsealedOpening);
        }
        self.unsealed();
        false
    }

    /// Notes a seal to be verified, and what it seals: whether it closes the segment.
    fn seal(&mut self, this: Link, seal: &Seal, line: &[u8]) -> bool {
        let is_opening = self.report.lines == 1;
        if is_opening != seal.next_segment.is_some() {
            self.find(Some(this.seq), Problem::UnsealedOpening);
        }
        let event_type = type_of(line);
        let is_closing = event_type == Some(EventType::SegmentClosed);
        self.unsealed = 0;
        self.report.sealed_through = Some(this.seq);
        if event_type == Some(EventType::AuditPruned) {
            self.report.prunes.extend(pruned(line));
        }
        let key = self.key.replace(seal.next);
        self.report.next_key = Some(seal.next);
        if is_opening && key.is_none() {
            self.find(Some(this.seq), Problem::ForeignSeal);
        }
        // The lines of an earlier segment are vouched for by the first line of the next one.
        let skips = self.task.fast && !self.task.is_last && !is_opening && !is_closing;
        if let Some(key) = key.filter(|_| !skips) {
            self.report.seals += 1;
            self.seals.add(Waiting {
                segment: self.task.name,
                line: self.report.lines,
                seq: this.seq,
                key,
                message: Seal::message(&this.hash, &seal.next, seal.next_segment.as_ref()),
                signature: seal.signature,
            });
        }
        is_closing
    }

    /// Notes a line without a seal.
    fn unsealed(&mut self) {
        self.unsealed += 1;
        if self.unsealed == APPEND_LINES {
            self.find(self.report.last.map(|last| last.seq), Problem::UnsealedEnd);
        }
    }

    fn end(&mut self, ends_closed: bool) {
        let seq = self.report.last.map(|last| last.seq);
        if self.task.is_last {
            return;
        }
        if self.report.torn {
            self.find_at(self.report.lines + 1, None, Problem::Torn);
        } else if !ends_closed {
            self.find(seq, Problem::NotClosed);
        }
    }
}

/// The number a line begins with.
pub(super) fn number(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"seq\":")?;
    let end = memchr::memchr(b',', digits)?;
    let seq = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    (1..SEQ_END).contains(&seq).then_some(seq)
}

/// The type of an event, which stands near the beginning of a line. No value before it can hold
/// these bytes: numbers, ids and times have no quotes.
fn type_of(line: &[u8]) -> Option<EventType> {
    value_of(line, b"\"event_type\":\"")?.parse().ok()
}

fn value_of<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let head = &line[..line.len().min(HEAD)];
    let start = memchr::memmem::find(head, key)? + key.len();
    let end = start + memchr::memchr(b'"', &head[start..])?;
    std::str::from_utf8(&head[start..end]).ok()
}

/// What an AUDIT_PRUNED says was removed last.
fn pruned(line: &[u8]) -> Option<Link> {
    #[derive(serde::Deserialize)]
    struct Pruned<'a> {
        last_seq: u64,
        last_hash: &'a str,
    }
    let record = Record::parse(line)?;
    let pruned: Pruned<'_> = serde_json::from_str(record.details.get()).ok()?;
    let hash = LineHash::parse(pruned.last_hash.as_bytes())?;
    Some(Link {
        seq: pruned.last_seq,
        hash,
    })
}
