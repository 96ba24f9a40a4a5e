//! Reports the result of a verification, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use nightlatch_audit::{Finding, Problem, Removal, Verification};
use nightlatch_core::clock::Timestamp;
use serde_json::json;

use crate::cli::args::AuditVerify;
use crate::cli::ui::{BAD, GOOD, STRONG, WARN};
use crate::cli::{progress, text};

/// The result of a verification, and its arguments.
pub struct Report<'a> {
    pub directory: &'a Path,
    pub args: &'a AuditVerify,
    /// Lines of the anchors file without an anchor.
    pub ignored: u64,
    pub result: &'a Verification,
}

impl Report<'_> {
    pub fn json(&self) -> serde_json::Value {
        let result = self.result;
        let findings: Vec<_> = result
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "file": (!finding.file.is_empty()).then_some(&finding.file),
                    "line": (finding.line > 0).then_some(finding.line),
                    "seq": finding.seq,
                    "rule": finding.problem.rule(),
                    "problem": finding.problem.name(),
                    "message": finding.problem.to_string(),
                })
            })
            .collect();
        let warnings: Vec<_> = result
            .warnings
            .iter()
            .map(|warning| {
                json!({
                    "seq": warning.seq,
                    "session_id": warning.session.to_string(),
                    "warning": warning.reason.name(),
                    "message": warning.to_string(),
                })
            })
            .collect();
        json!({
            "schema": 1,
            "ok": result.is_good(),
            "findings": findings,
            "more_findings": result.more_findings,
            "warnings": warnings,
            "more_warnings": result.more_warnings,
            "directory": self.directory.to_string_lossy(),
            "segments": result.segments,
            "events": result.lines,
            "bytes": result.bytes,
            "first_seq": result.first_seq,
            "last_seq": result.last.map(|(seq, _)| seq),
            "last_hash": result.last.map(|(_, hash)| hash.to_string()),
            "seals": result.seals,
            "unsealed_lines": result.unsealed_lines,
            "unsealed_bytes": result.unsealed_bytes,
            "lost_lines": result.lost_lines,
            "lost_bytes": result.lost_bytes,
            "lost_through": result.lost_through,
            "fingerprint": result.fingerprint,
            "fingerprint_compared": result.fingerprint_given,
            "head_seen": result.head_seen,
            "state_seen": result.state_seen,
            "end_checked": result.end_checked,
            "anchors": self.anchors_json(),
            "removals": self.removals_json(),
            "removed_without_record": result.removed_without_record().map(|(first, last)| {
                json!({ "first_seq": first, "last_seq": last })
            }),
            "holds": self.holds_json(),
            "repairs": self.repairs_json(),
            "fast": self.args.fast,
        })
    }

    fn anchors_json(&self) -> serde_json::Value {
        let anchors = self.result.anchors;
        json!({
            "given": anchors.given,
            "checked": anchors.checked,
            "not_checked": anchors.not_checked,
            "other_log": anchors.other_log,
            "ignored_lines": self.ignored,
        })
    }

    fn removals_json(&self) -> Vec<serde_json::Value> {
        let json = |removal: &Removal| {
            json!({
                "first_seq": removal.first_seq,
                "last_seq": removal.last_seq,
                "from": removal.from.to_rfc3339(),
                "to": removal.to.to_rfc3339(),
                "record_seq": removal.record_seq,
                "recorded_at": removal.recorded_at.to_rfc3339(),
                "retention_seconds": removal.retention.as_secs(),
            })
        };
        self.result.removals.iter().map(json).collect()
    }

    fn holds_json(&self) -> Vec<serde_json::Value> {
        let holds = self.result.holds.iter();
        holds
            .map(|hold| {
                json!({
                    "hold": hold.name.as_str(),
                    "reason": hold.reason.as_ref().map(nightlatch_audit::HoldReason::as_str),
                    "added_at": hold.added_at.to_rfc3339(),
                    "added_by": hold.added_by,
                    "seq": hold.seq,
                })
            })
            .collect()
    }

    fn repairs_json(&self) -> Vec<serde_json::Value> {
        let repairs = self.result.repairs.iter();
        repairs
            .map(|repair| {
                json!({
                    "seq": repair.seq,
                    "lines": repair.lines,
                    "bytes": repair.bytes,
                    "file": repair.file,
                })
            })
            .collect()
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        let directory = text::escape(&self.directory.to_string_lossy());
        // Writing to memory cannot fail.
        let _ = if self.result.is_good() {
            writeln!(
                text,
                "{GOOD}●{GOOD:#} {STRONG}Verified:{STRONG:#} no tampering found in {directory}"
            )
        } else if is_nothing(self.result) {
            writeln!(
                text,
                "{BAD}●{BAD:#} {STRONG}{directory}{STRONG:#} has no audit log"
            )
        } else {
            writeln!(
                text,
                "{BAD}●{BAD:#} {STRONG}TAMPERED:{STRONG:#} {directory}"
            )
        };
        // A missing log was already reported.
        let named = if is_nothing(self.result) {
            &[]
        } else {
            &self.result.findings[..]
        };
        for finding in named {
            let finding = text::escape(&finding.to_string());
            let _ = writeln!(text, "{BAD}{finding}{BAD:#}");
        }
        if self.result.more_findings > 0 {
            let _ = writeln!(text, "and {} more findings", self.result.more_findings);
        }
        for (name, value) in self.facts() {
            let _ = writeln!(text, "  {name:<12} {}", text::escape(&value));
        }
        for warning in &self.result.warnings {
            let _ = writeln!(text, "  {WARN}warning:{WARN:#} {warning}");
        }
        if self.result.more_warnings > 0 {
            let _ = writeln!(text, "  and {} more warnings", self.result.more_warnings);
        }
        for gap in self.gaps() {
            let _ = writeln!(text, "  {WARN}not checked:{WARN:#} {gap}");
        }
        text
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let result = self.result;
        let mut facts = Vec::new();
        let (Some(first), Some((last, _))) = (result.first_seq, result.last) else {
            return facts;
        };
        let events = format!(
            "{}, from {first} to {last}, in {}, {}",
            result.lines,
            count(result.segments, "segment"),
            progress::size(result.bytes)
        );
        facts.push(("events", events));
        let seals = format!("{} verified, through event {last}", result.seals);
        facts.push(("seals", seals));
        if let Some(fingerprint) = &result.fingerprint {
            facts.push(("fingerprint", fingerprint.clone()));
        }
        if result.anchors.given > 0 {
            facts.push(("anchors", self.anchors()));
        }
        facts.extend(
            removed(result)
                .into_iter()
                .map(|removed| ("removed", removed)),
        );
        for hold in &result.holds {
            let hold = format!(
                "{}, in force since {} (event {})",
                hold.name,
                minute(hold.added_at),
                hold.seq
            );
            facts.push(("hold", hold));
        }
        if result.lost_lines > 0 {
            let missing = format!(
                "{}, {} with the power: the last append was not completed, the next puts them back",
                count(result.lost_lines, "line"),
                progress::size(result.lost_bytes)
            );
            facts.push(("lost", missing));
        }
        if let Some(through) = result.lost_through {
            let append = format!(
                "the last append, through event {through}, with the power: only its head was kept"
            );
            facts.push(("lost", append));
        }
        for repair in &result.repairs {
            let repaired = format!(
                "{}, {}",
                count(repair.lines, "line"),
                progress::size(repair.bytes)
            );
            let repaired = match &repair.file {
                Some(file) => format!(
                    "{repaired} without a seal moved to {file} (event {})",
                    repair.seq
                ),
                None => format!(
                    "{repaired} lost with the power put back (event {})",
                    repair.seq
                ),
            };
            facts.push(("repaired", repaired));
        }
        facts
    }

    fn anchors(&self) -> String {
        let anchors = self.result.anchors;
        let mut text = format!("{} of {} fit", anchors.checked, anchors.given);
        if anchors.other_log > 0 {
            let _ = write!(text, ", {} of other logs ignored", anchors.other_log);
        }
        if self.ignored > 0 {
            let _ = write!(
                text,
                ", {} without an anchor ignored",
                count(self.ignored, "line")
            );
        }
        text
    }

    /// What this verification could not check.
    fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let result = self.result;
        if result.unsealed_bytes > 0 {
            let (is, them) = if result.unsealed_lines == 1 {
                ("line after the last seal is", "is not an event")
            } else {
                ("lines after the last seal are", "are not events")
            };
            let lines = result.unsealed_lines;
            gaps.push(format!("{lines} {is} not vouched for and {them}"));
        }
        if result.lines == 0 {
            return gaps;
        }
        if self.args.fast {
            gaps.push("the seals inside closed segments, left out by --fast".to_owned());
        }
        if !result.fingerprint_given {
            gaps.push("whose log it is: compare the fingerprint, or give --fingerprint".to_owned());
        }
        if !result.end_checked {
            gaps.push(
                if result.head_seen {
                    "the end: the head is an older one, so events may be cut off; give --anchors"
                } else {
                    "the end: there is no head, so events may be cut off; give --anchors"
                }
                .to_owned(),
            );
        } else if result.anchors.given == 0 {
            gaps.push(
                "whether all of it was set back to an earlier time: give --anchors".to_owned(),
            );
        }
        if result.anchors.not_checked > 0 {
            let anchors = count(result.anchors.not_checked, "anchor");
            gaps.push(format!("{anchors} of events that were removed"));
        }
        gaps
    }
}

/// The maximum number of removals in the text: the last ones.
const REMOVALS: usize = 10;

/// One line per removal: the removed events, and the record of their removal.
fn removed(result: &Verification) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((first, last)) = result.removed_without_record() {
        lines.push(format!(
            "events {first} to {last}, earlier: the records of it were removed later"
        ));
    }
    let more = result.removals.len().saturating_sub(REMOVALS);
    if more > 0 {
        lines.push(format!(
            "and {} before; see --json",
            count(more as u64, "removal")
        ));
    }
    lines.extend(result.removals[more..].iter().map(|removal| {
        format!(
            "events {} to {} ({} to {}), on record in event {} of {}, retention {}",
            removal.first_seq,
            removal.last_seq,
            minute(removal.from),
            minute(removal.to),
            removal.record_seq,
            minute(removal.recorded_at),
            text::days(removal.retention)
        )
    }));
    lines
}

fn count(number: u64, name: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {name}{plural}")
}

/// To the minute, in UTC.
fn minute(time: Timestamp) -> String {
    let text = time.to_rfc3339();
    format!("{} {} UTC", &text[..10], &text[11..16])
}

/// Whether there was no log to verify.
pub fn is_nothing(result: &Verification) -> bool {
    let is_nothing = |finding: &Finding| finding.problem == Problem::NoLog;
    !result.is_good() && result.findings.iter().all(is_nothing)
}
