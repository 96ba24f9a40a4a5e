//! The top of the page: the result of verification, what could not be checked, and what an auditor
//! asks first.

use askama::Template;
use askama::filters::HtmlSafe;
use nightlatch_audit::{
    Finding, Hold, Problem, Removal, Repaired, Verification, Warning, WarningReason,
};

use super::text::Text;
use super::time::{minute, second};
use crate::cli::text::days;

/// The maximum number of listed findings and warnings; the number of the others is given.
const LISTED: usize = 20;
/// The maximum length of a text, such as a file's name or the reason for a hold.
const LENGTH: usize = 300;

#[derive(Template)]
#[template(path = "report/verdict.html")]
pub struct Verdict {
    is_good: bool,
    findings: Vec<Text>,
    more_findings: u64,
    removed: Vec<Removed>,
    forks: Vec<Text>,
    /// Shown instead of forks.
    no_forks: Gap,
    holds: Vec<HeldBy>,
    repairs: Vec<Repair>,
    warnings: Vec<Flagged>,
    more_warnings: u64,
    checked: Vec<(&'static str, Text)>,
    unchecked: Vec<Gap>,
}

/// The template escapes it.
impl HtmlSafe for Verdict {}

struct Removed {
    events: String,
    from: String,
    to: String,
    at: String,
    record: u64,
    retention: String,
}

struct HeldBy {
    name: Text,
    reason: Text,
    since: String,
    by: Text,
    record: u64,
}

struct Repair {
    record: u64,
    what: String,
    file: Option<Text>,
}

struct Flagged {
    seq: u64,
    session: Text,
    what: String,
}

/// Something that was not checked.
struct Gap {
    what: String,
    /// The option that would have it checked; empty if there is none.
    option: &'static str,
}

impl Gap {
    fn new(what: String) -> Self {
        Self { what, option: "" }
    }
}

impl Verdict {
    pub fn of(verification: &Verification) -> Self {
        let is_fork = |finding: &&Finding| matches!(finding.problem, Problem::Fork { .. });
        let (forks, findings): (Vec<_>, Vec<_>) = verification.findings.iter().partition(is_fork);
        let text = |finding: &&Finding| Text::new(&finding.to_string(), LENGTH);
        let hidden = |all: usize| all.saturating_sub(LISTED) as u64;
        Self {
            is_good: verification.is_good(),
            more_findings: verification.more_findings + hidden(findings.len()),
            findings: findings.iter().take(LISTED).map(text).collect(),
            removed: verification.removals.iter().map(removed).collect(),
            no_forks: no_forks(verification),
            forks: forks.iter().map(text).collect(),
            holds: verification.holds.iter().map(held_by).collect(),
            repairs: verification.repairs.iter().map(repair).collect(),
            more_warnings: verification.more_warnings + hidden(verification.warnings.len()),
            warnings: verification
                .warnings
                .iter()
                .take(LISTED)
                .map(flagged)
                .collect(),
            checked: checked(verification),
            unchecked: unchecked(verification),
        }
    }
}

/// `2 events`.
fn counted(count: u64, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

fn removed(removal: &Removal) -> Removed {
    Removed {
        events: if removal.first_seq == removal.last_seq {
            removal.first_seq.to_string()
        } else {
            format!("{} to {}", removal.first_seq, removal.last_seq)
        },
        from: minute(removal.from),
        to: minute(removal.to),
        at: second(removal.recorded_at),
        record: removal.record_seq,
        retention: days(removal.retention),
    }
}

fn no_forks(verification: &Verification) -> Gap {
    if verification.anchors.given == 0 {
        Gap {
            what: "Not checked: no anchors were given.".to_owned(),
            option: "--anchor",
        }
    } else {
        Gap::new("None found among the anchors that were given.".to_owned())
    }
}

fn held_by(hold: &Hold) -> HeldBy {
    let reason = hold.reason.as_ref().map_or("-", |reason| reason.as_str());
    HeldBy {
        name: Text::new(hold.name.as_str(), LENGTH),
        reason: Text::new(reason, LENGTH),
        since: second(hold.added_at),
        by: Text::new(hold.added_by.as_deref().unwrap_or("-"), LENGTH),
        record: hold.seq,
    }
}

fn repair(repaired: &Repaired) -> Repair {
    let Repaired {
        seq,
        lines,
        bytes,
        file,
    } = repaired;
    let what = format!("{}, {}", counted(*lines, "line"), counted(*bytes, "byte"));
    Repair {
        record: *seq,
        what: if file.is_some() {
            format!("{what}, moved out of the log to")
        } else {
            format!("{what}, put back after a loss of power")
        },
        file: file.as_deref().map(|file| Text::new(file, LENGTH)),
    }
}

/// What is unusual about a session, for a table.
pub fn strange(reason: WarningReason) -> String {
    match reason {
        WarningReason::NotCreated => "used, but its creation is not in the log".to_owned(),
        WarningReason::AfterEnd { ended } => {
            format!("used after it had ended in event {ended}")
        }
        WarningReason::AfterMaximum { created } => {
            format!("used after its maximum time; created in event {created}")
        }
    }
}

fn flagged(warning: &Warning) -> Flagged {
    Flagged {
        seq: warning.seq,
        session: Text::new(&warning.session.to_string(), LENGTH),
        what: strange(warning.reason),
    }
}

fn checked(verification: &Verification) -> Vec<(&'static str, Text)> {
    let mut facts = vec![
        ("Segments", verification.segments.to_string()),
        ("Lines: form, hash, order", verification.lines.to_string()),
        ("Seals: signature", verification.seals.to_string()),
    ];
    if let (Some(first), Some((last, hash))) = (verification.first_seq, verification.last) {
        facts.push(("Events in the log", format!("{first} to {last}")));
        facts.push(("Hash of the last event", hash.to_string()));
    }
    if verification.end_checked {
        let with = if verification.state_seen {
            "compared with the sealing state"
        } else {
            "compared with the head"
        };
        facts.push(("End of the log", with.to_owned()));
    }
    if let Some(fingerprint) = &verification.fingerprint {
        let name = if verification.fingerprint_given {
            "Fingerprint, as noted"
        } else {
            "Fingerprint"
        };
        facts.push((name, fingerprint.clone()));
    }
    if verification.anchors.given > 0 {
        facts.push((
            "Anchors that fit",
            format!(
                "{} of {}",
                verification.anchors.checked, verification.anchors.given
            ),
        ));
    }
    let text = |(name, value): (_, String)| (name, Text::new(&value, LENGTH));
    facts.into_iter().map(text).collect()
}

/// What a good result does not cover.
fn unchecked(verification: &Verification) -> Vec<Gap> {
    let anchors = &verification.anchors;
    let mut gaps = Vec::new();
    if !verification.fingerprint_given {
        gaps.push(Gap {
            what: "Whether this is the log that was begun here: another log in its place would verify as well. Give the fingerprint that was noted when it began:".to_owned(),
            option: "--fingerprint",
        });
    }
    if anchors.given == 0 {
        gaps.push(Gap {
            what: "Whether the whole log was set back to an earlier state. Give anchors that were kept elsewhere:".to_owned(),
            option: "--anchor",
        });
    }
    if anchors.not_checked > 0 {
        let count = counted(anchors.not_checked, "anchor");
        gaps.push(Gap::new(format!(
            "{count} of events that were removed since."
        )));
    }
    if anchors.other_log > 0 {
        let count = counted(anchors.other_log, "anchor");
        gaps.push(Gap::new(format!("{count} of other logs.")));
    }
    if !verification.end_checked {
        let what = "Whether the end was cut off: there is no up-to-date head and no sealing state.";
        gaps.push(Gap::new(what.to_owned()));
    }
    if verification.unsealed_bytes > 0 {
        gaps.push(Gap::new(format!(
            "{} ({}) after the last seal: an unfinished append. They are not events and are not on this page.",
            counted(verification.unsealed_bytes, "byte"),
            counted(verification.unsealed_lines, "line")
        )));
    }
    if let Some(first) = verification.first_seq.filter(|first| *first > 1) {
        gaps.push(Gap::new(format!(
            "What events 1 to {} said: they were removed.",
            first - 1
        )));
    }
    let what = "This page itself: it is not sealed, and whoever has it can change it. The machine that the log is about made it.";
    gaps.push(Gap::new(what.to_owned()));
    gaps
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use nightlatch_audit::LineHash;
    use nightlatch_core::clock::Timestamp;

    use super::*;

    fn html(verification: &Verification) -> String {
        Verdict::of(verification).to_string()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_763_682_067 + seconds)
    }

    #[test]
    fn a_removal_is_named_with_its_events_record_time_and_retention() {
        let mut verification = Verification::default();
        assert!(html(&verification).contains("<p>None on record.</p>"));
        verification.removals.push(Removal {
            first_seq: 1,
            last_seq: 5400,
            record_seq: 6001,
            recorded_at: at(0),
            retention: Duration::from_secs(90 * 86_400),
            from: at(-200 * 86_400),
            to: at(-100 * 86_400),
        });
        verification.first_seq = Some(5401);
        let html = html(&verification);
        for part in [
            "1 to 5400",
            "2025-05-04 23:41",
            "2025-08-12 23:41",
            "2025-11-20 23:41:07",
            ">6001<",
            "90 days",
            "What events 1 to 5400 said: they were removed.",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
        assert!(!html.contains("None on record."));
    }

    #[test]
    fn sessions_that_were_not_created_or_had_ended_are_listed() {
        let mut verification = Verification::default();
        let session = nightlatch_core::id::SessionId::from_bytes([7; 16]);
        let warning = |seq, reason| Warning {
            seq,
            session,
            reason,
        };
        verification.warnings = vec![
            warning(8, WarningReason::NotCreated),
            warning(9, WarningReason::AfterEnd { ended: 6 }),
            warning(9, WarningReason::AfterMaximum { created: 5 }),
        ];
        verification.more_warnings = 3;
        let html = html(&verification);
        for part in [
            "used, but its creation is not in the log",
            "used after it had ended in event 6",
            "used after its maximum time; created in event 5",
            "And 3 more",
            "Verified: no tampering found",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
    }

    #[test]
    fn forks_are_listed_apart_and_make_the_log_tampered() {
        let mut verification = Verification::default();
        verification.findings.push(Finding {
            file: String::new(),
            line: 0,
            seq: None,
            problem: Problem::Fork {
                seq: 42,
                one: LineHash::ZERO,
                one_read: "<old>".to_owned(),
                other: LineHash::ZERO,
                other_read: "new".to_owned(),
            },
        });
        verification.anchors.given = 2;
        let html = html(&verification);
        let forks = html.split("<h3>Forks</h3>").nth(1).unwrap();
        assert!(forks.contains("event 42 was") && forks.contains("&#60;old&#62;"));
        assert_eq!(html.matches("event 42 was").count(), 1);
        assert!(html.contains("TAMPERED") && !html.contains("no tampering"));
    }

    #[test]
    fn repairs_say_what_was_moved_where() {
        let mut verification = Verification::default();
        let file = "unsealed-0000000000000005-0123456789abcdef.part";
        verification.repairs = vec![
            Repaired {
                seq: 5,
                lines: 1,
                bytes: 700,
                file: Some(file.to_owned()),
            },
            Repaired {
                seq: 9,
                lines: 2,
                bytes: 900,
                file: None,
            },
        ];
        let html = html(&verification).replace("<wbr>", "");
        assert!(html.contains("Event 5: 1 line, 700 bytes, moved out of the log to"));
        assert!(html.contains(file));
        assert!(html.contains("Event 9: 2 lines, 900 bytes, put back after a loss of power."));
    }
}
