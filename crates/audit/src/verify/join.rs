//! Joins the segments in order: checks that they continue each other, and checks removals, holds
//! and sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::finding::{Finding, Findings, Problem};
use super::key_chain::KeyChain;
use super::records::{Noted, What};
use super::result::{Removal, Repaired, Verification};
use super::segment::{Report, START, Watched, continues};
use super::sessions::Sessions;
use super::snapshot::Snapshot;
use crate::hold::Hold;
use crate::line::Link;
use crate::opening::FirstLine;
use crate::record_details::PrunedDetails;
use crate::segment::SegmentName;

/// The maximum number of removals and of repairs that are listed.
const RECORDS: usize = 10_000;

/// The part of the log that has been joined so far.
pub(super) struct Join<'a> {
    snapshot: &'a Snapshot,
    chain: &'a KeyChain,
    /// A removal earlier than this after the end of the removed events is a finding.
    retention: Option<Duration>,
    pub(super) findings: Findings,
    pub(super) result: Verification,
    pub(super) watched: Vec<Watched>,
    /// The number of sealed lines.
    pub(super) sealed_lines: u64,
    /// The line that the next segment must continue, if known.
    before: Option<Link>,
    holds: BTreeMap<String, Option<Hold>>,
    sessions: Sessions,
    is_removal_recorded: bool,
}

impl<'a> Join<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        chain: &'a KeyChain,
        retention: Option<Duration>,
    ) -> Self {
        let first = snapshot.segments.first();
        let begins_with_1 = first.is_none_or(|segment| segment.name.first() == 1);
        let mut sessions = Sessions::default();
        if !begins_with_1 && let Some(line) = first.and_then(|segment| segment.first.as_ref()) {
            sessions.excuse_before(line.timestamp);
        }
        Self {
            snapshot,
            chain,
            retention,
            findings: Findings::default(),
            result: Verification::default(),
            watched: Vec::new(),
            sealed_lines: 0,
            before: begins_with_1.then_some(START),
            holds: BTreeMap::new(),
            sessions,
            is_removal_recorded: begins_with_1,
        }
    }

    /// Joins the next segment.
    pub(super) fn add(&mut self, report: Report) {
        let name = report.name;
        if let (Some(before), Some(first)) = (self.before, report.first) {
            let problems = continues(before, first);
            for problem in problems.into_iter().flatten() {
                self.find(name, 1, Some(first.0.seq), problem);
            }
        }
        let is_empty = report.lines == 0 && report.bytes == 0;
        if !is_empty {
            self.before = report.last;
        }
        let result = &mut self.result;
        result.lines += report.lines;
        result.bytes += report.bytes;
        result.seals += report.seals;
        if let Some(Link { seq, hash }) = report.last_sealed {
            result.last = Some((seq, hash));
        }
        self.findings.append(report.findings);
        let sealed = self.sealed_lines;
        self.sealed_lines += report.sealed_lines;
        self.watched
            .extend(report.watched.into_iter().map(|line| Watched {
                sealed_before: line.sealed_before + sealed,
                ..line
            }));
        for noted in report.noted {
            self.noted(name, noted);
        }
        let begin = report.first.map(|(_, time)| time);
        self.sessions.take_in(report.sessions, begin);
    }

    fn noted(&mut self, name: SegmentName, noted: Noted) {
        let seq = noted.seq;
        match noted.what {
            What::HoldAdded(hold, details) => {
                self.holds.insert(hold, details);
            }
            What::HoldRemoved(hold) => {
                self.holds.remove(&hold);
            }
            What::Repaired { lines, bytes, file } => {
                let repairs = &mut self.result.repairs;
                keep(
                    repairs,
                    Repaired {
                        seq,
                        lines,
                        bytes,
                        file,
                    },
                );
            }
            What::Pruned(None) => self.find(name, noted.line, Some(seq), Problem::BadPrune),
            What::Pruned(Some(details)) => {
                for problem in self.judge(&noted, &details) {
                    self.find(name, noted.line, Some(seq), problem);
                }
                keep(
                    &mut self.result.removals,
                    Removal {
                        first_seq: details.first_seq,
                        last_seq: details.last_seq,
                        record_seq: seq,
                        recorded_at: noted.at,
                        retention: details.retention,
                        from: details.from,
                        to: details.to,
                    },
                );
            }
        }
    }

    /// The problem with this record of a removal, if any.
    fn judge(&mut self, noted: &Noted, details: &PrunedDetails) -> Vec<Problem> {
        let mut problems = Vec::new();
        let last_seq = details.last_seq;
        let is_at = |line: Option<Option<&FirstLine>>, time| match line {
            Some(Some(line)) => line.timestamp == time,
            // Malformed details were already reported for the line itself.
            Some(None) => true,
            None => false,
        };
        let is_fit = is_at(self.first_line_after(last_seq), details.to)
            && details.first_seq > 0
            && is_at(self.first_line_after(details.first_seq - 1), details.from)
            && self.segments_in(details.first_seq, last_seq) == details.segments;
        if !is_fit {
            problems.push(Problem::MisdatedPrune { last_seq });
        }
        let is_early = |retention| noted.at < details.to || noted.at.since(details.to) < retention;
        if is_early(details.retention) {
            problems.push(Problem::EarlyPrune);
        }
        if let Some((hold, _)) = self.holds.first_key_value() {
            let hold = serde_json::from_str(hold).unwrap_or_else(|_| hold.clone());
            problems.push(Problem::HeldPrune { hold });
        }
        if let Some(retention) = self.retention.filter(|&retention| is_early(retention)) {
            problems.push(Problem::TooEarlyPrune { retention });
        }
        if let Some(first) = self.snapshot.segments.first() {
            let begin = first.name.first();
            let continues = first.first.as_ref().map(|line| line.prev);
            self.is_removal_recorded |= last_seq >= begin
                || last_seq + 1 == begin && continues.is_none_or(|hash| hash == details.last_hash);
        }
        problems
    }

    /// The first line of the segment after event `last`, present or removed; `Some(None)` if it is
    /// not canonical.
    #[allow(clippy::option_option)] // missing, not canonical, or a line
    fn first_line_after(&self, last: u64) -> Option<Option<&FirstLine>> {
        let first = last.checked_add(1)?;
        let segments = &self.snapshot.segments;
        let place = segments.binary_search_by_key(&first, |segment| segment.name.first());
        if let Ok(at) = place {
            return Some(segments[at].first.as_ref());
        }
        let removed = self.chain.removed.iter().rev();
        removed.into_iter().find(|line| line.seq == first).map(Some)
    }

    /// The number of segments, present or removed, that begin with an event from `first` to `last`.
    fn segments_in(&self, first: u64, last: u64) -> u64 {
        let range = first..=last;
        let there = self.snapshot.segments.iter();
        let there = there.filter(|segment| range.contains(&segment.name.first()));
        let removed = self.chain.removed.iter();
        let removed = removed.filter(|line| range.contains(&line.seq));
        (there.count() + removed.count()) as u64
    }

    fn find(&mut self, name: SegmentName, line: u64, seq: Option<u64>, problem: Problem) {
        let finding = Finding {
            file: name.to_string(),
            line,
            seq,
            problem,
        };
        self.findings.add(name.first(), finding);
    }

    /// Called after the last segment.
    pub(super) fn finish(&mut self) {
        if !self.is_removal_recorded {
            self.about_log(Problem::UnrecordedPrune);
        }
        let mut holds: Vec<_> = std::mem::take(&mut self.holds)
            .into_values()
            .flatten()
            .collect();
        holds.sort_by_key(|hold| hold.seq);
        self.result.holds = holds;
        let sessions = std::mem::take(&mut self.sessions);
        (self.result.warnings, self.result.more_warnings) = sessions.finish();
        self.watched.sort_by_key(|watched| watched.link.seq);
    }

    /// Adds a finding about the whole log.
    pub(super) fn about_log(&mut self, problem: Problem) {
        self.about_file("", problem);
    }

    /// Adds a finding about a whole file.
    pub(super) fn about_file(&mut self, file: &str, problem: Problem) {
        let finding = Finding {
            file: file.to_owned(),
            line: 0,
            seq: None,
            problem,
        };
        self.findings.add(u64::MAX, finding);
    }
}

/// Keeps only the last ones.
fn keep<T>(records: &mut Vec<T>, record: T) {
    if records.len() >= 2 * RECORDS {
        records.drain(..RECORDS);
    }
    records.push(record);
}
