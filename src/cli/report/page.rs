//! What stands on the page. Text of the log is hostile: here everything a reader would not see is
//! made visible and cut, and the template escapes what means something in HTML.

use std::fmt::Write;

use askama::Template;
use nightlatch::audit::{Bucket, Count, Outcome, Record, SessionSpan, Statistics, Verification};
use nightlatch::clock::Timestamp;
use sha2::{Digest, Sha256};

use super::charts::{self, Columns, Timeline};
use super::minute;
use crate::cli::args::AuditFilters;
use crate::cli::audit::plain_details;
use crate::cli::exit::Failure;
use crate::cli::text::{escape, span};

const STYLE: &str = include_str!("../../../templates/report/page.css");
const SCRIPT: &str = include_str!("../../../templates/report/page.js");
/// Columns of the failures' chart.
const PARTS: usize = 60;
/// Accounts in the table; how many more there are is said.
const ACCOUNTS: usize = 20;
/// What is wrong with the log, as far as it is listed.
const FINDINGS: usize = 20;
/// The longest text in a cell.
const CELL: usize = 300;

pub struct Content<'a> {
    pub now: Timestamp,
    pub filters: &'a AuditFilters,
    pub verification: &'a Verification,
    pub statistics: &'a Statistics,
    pub newest: &'a [Record],
    pub unreadable: u64,
    /// Whether all events of a session are among those that were asked for.
    pub with_sessions: bool,
}

#[derive(Template)]
#[template(path = "report/page.html")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    made: String,
    host: Option<String>,
    range: Option<(String, String)>,
    filters: Vec<String>,
    is_good: bool,
    findings: Vec<String>,
    more_findings: u64,
    checked: Vec<(&'static str, String)>,
    unchecked: Vec<String>,
    total: u64,
    failed: u64,
    refused: u64,
    nonzero: u64,
    lockouts: u64,
    session_count: u64,
    command_count: u64,
    with_sessions: bool,
    timeline: Option<Timeline>,
    timeline_left_out: Vec<String>,
    failures: Columns,
    parts: Vec<[String; 5]>,
    hours: Columns,
    types: Vec<Share>,
    accounts: Vec<Account>,
    more_accounts: u64,
    longest: Vec<[String; 4]>,
    rows: Vec<Row>,
    left_out: u64,
    unreadable: u64,
}

/// A row with a bar.
struct Share {
    name: String,
    events: u64,
    failed: u64,
    refused: u64,
    nonzero: u64,
    percent: String,
}

struct Account {
    share: Share,
    lockouts: u64,
    sessions: u64,
    commands: u64,
}

struct Row {
    seq: u64,
    time: String,
    event_type: String,
    /// `ok`, `failed`, `refused` or `nonzero`.
    outcome: &'static str,
    /// Whether it is a failed sign-in or a refusal.
    is_bad: bool,
    username: String,
    details: String,
    session: String,
    session_short: String,
    origin: String,
}

/// `text` with nothing invisible in it, in at most `most` characters.
pub fn shown(text: &str, most: usize) -> String {
    // Cut first: an escape is longer than what it stands for.
    let mut kept: String = text.chars().take(most).collect();
    if kept.len() < text.len() {
        kept.pop();
        kept.push('…');
    }
    escape(&kept)
}

/// The page, whole.
pub fn render(content: &Content<'_>) -> Result<String, Failure> {
    let Content {
        statistics,
        verification,
        ..
    } = content;
    let total = statistics.total();
    let sessions = statistics.sessions(content.now);
    let commands = statistics.commands();
    let accounts = statistics.by_account();
    let others = u64::from(statistics.other_accounts().count.events > 0);
    let types = statistics.by_type();
    let most = types.first().map_or(0, |(_, count)| count.events);
    let parts = statistics.over_time(PARTS);
    let timeline = content
        .with_sessions
        .then(|| charts::timeline(&sessions, &commands));
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        made: time(content.now),
        host: content.newest.last().map(|record| shown(&record.host, 64)),
        range: statistics
            .range()
            .map(|(first, last)| (time(first), time(last))),
        filters: filters(content.filters),
        is_good: verification.is_good(),
        findings: verification
            .findings
            .iter()
            .take(FINDINGS)
            .map(|finding| shown(&finding.to_string(), CELL))
            .collect(),
        more_findings: verification.more_findings
            + verification.findings.len().saturating_sub(FINDINGS) as u64,
        checked: checked(verification),
        unchecked: unchecked(verification),
        total: total.events,
        failed: total.failed,
        refused: total.refused,
        nonzero: total.nonzero,
        lockouts: total.lockouts,
        session_count: statistics.session_count(),
        command_count: statistics.command_count(),
        with_sessions: content.with_sessions,
        timeline: timeline.flatten(),
        timeline_left_out: left_out(statistics, sessions.len(), commands.len()),
        failures: charts::failures(&parts),
        parts: parts
            .iter()
            .filter(|part| part.count.failed + part.count.refused > 0)
            .map(part_row)
            .collect(),
        hours: charts::hours(statistics.by_hour()),
        types: types
            .into_iter()
            .map(|(kind, count)| share(kind.to_string(), count, most))
            .collect(),
        accounts: accounts
            .iter()
            .take(ACCOUNTS)
            .map(|(name, account)| Account {
                share: share(shown(name, 100), account.count, total.events),
                lockouts: account.count.lockouts,
                sessions: account.sessions,
                commands: account.commands,
            })
            .collect(),
        more_accounts: accounts.len().saturating_sub(ACCOUNTS) as u64 + others,
        longest: if content.with_sessions {
            statistics
                .longest_sessions(content.now)
                .iter()
                .map(session_row)
                .collect()
        } else {
            Vec::new()
        },
        rows: content.newest.iter().rev().map(row).collect(),
        left_out: total.events.saturating_sub(content.newest.len() as u64),
        unreadable: content.unreadable,
    };
    page.render()
        .map_err(|error| Failure::failed("output", error.to_string()))
}

/// Nothing may be loaded, and nothing runs but the one script and the one style that stand here.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        source_hash(STYLE),
        source_hash(SCRIPT)
    )
}

/// As a Content-Security-Policy names inline code.
fn source_hash(source: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = "sha256-".to_owned();
    for three in Sha256::digest(source.as_bytes()).chunks(3) {
        let bits = three
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        for digit in 0..4 {
            let is_padding = digit > three.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS[bits >> (18 - 6 * digit) & 63])
            });
        }
    }
    text
}

/// To the second, without doubt about the zone.
fn time(time: Timestamp) -> String {
    format!("{} UTC", time.to_rfc3339()[..19].replace('T', " "))
}

fn filters(filters: &AuditFilters) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |name: &str, value: &Option<String>| {
        said.extend(
            value
                .iter()
                .map(|value| format!("{name} {}", shown(value, 100))),
        );
    };
    say("since", &filters.since);
    say("until", &filters.until);
    say("account", &filters.user);
    say("session", &filters.session);
    say("program", &filters.program);
    say("end", &filters.exit);
    say("terminal", &filters.tty);
    say("host", &filters.host);
    if filters.argv_of.is_some() {
        said.push("one command line".to_owned());
    }
    for id in &filters.exec_id {
        said.push(format!("run {}", shown(id, 100)));
    }
    for kind in &filters.event {
        said.push(format!("type {}", shown(kind, 100)));
    }
    if filters.failed {
        said.push("only failed sign-ins and refusals".to_owned());
    }
    said
}

fn checked(verification: &Verification) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Segments", verification.segments.to_string()),
        (
            "Lines whose hash and chain were checked",
            verification.lines.to_string(),
        ),
        (
            "Seals whose signature was checked",
            verification.seals.to_string(),
        ),
    ];
    if let (Some(first), Some((last, hash))) = (verification.first_seq, verification.last) {
        facts.push(("Events in the log", format!("{first} to {last}")));
        facts.push(("Hash of the last", hash.to_string()));
    }
    if let Some(fingerprint) = &verification.fingerprint {
        let name = if verification.fingerprint_given {
            "Fingerprint, against the one given"
        } else {
            "Fingerprint"
        };
        facts.push((name, shown(fingerprint, 64)));
    }
    let anchors = verification.anchors;
    if anchors.given > 0 {
        let compared = format!("{} of {} fit", anchors.checked, anchors.given);
        facts.push(("Compared with the anchors given", compared));
    }
    facts
}

/// What a good result does not mean.
fn unchecked(verification: &Verification) -> Vec<String> {
    let mut left = Vec::new();
    if !verification.fingerprint_given {
        left.push("Whether the fingerprint is the one that was noted when the log began (--fingerprint). Without that, another log in its place would verify as well.".to_owned());
    }
    if verification.anchors.given == 0 {
        left.push("Whether the log was set back as a whole to an earlier state: that takes an anchor that was kept elsewhere (--anchor).".to_owned());
    }
    if !verification.end_checked {
        left.push(
            "Whether the end was cut off: there is no present head and no sealing state."
                .to_owned(),
        );
    }
    if verification.unsealed_bytes > 0 {
        left.push(format!(
            "What follows the last seal ({} bytes): it is not vouched for, and no event.",
            verification.unsealed_bytes
        ));
    }
    left.push("This page itself: it is no part of the log, and can be changed by whoever has it. It was made by the machine that the log is about.".to_owned());
    left
}

fn left_out(statistics: &Statistics, sessions: usize, commands: usize) -> Vec<String> {
    [
        (statistics.session_count(), sessions, "sessions"),
        (statistics.command_count(), commands, "commands"),
    ]
    .into_iter()
    .filter(|(all, kept, _)| *all > *kept as u64)
    .map(|(all, kept, what)| format!("The newest {kept} of {all} {what}."))
    .collect()
}

fn share(name: String, count: Count, most: u64) -> Share {
    #[allow(clippy::cast_precision_loss)] // a bar is not that precise
    let percent = 100.0 * count.events as f64 / most.max(1) as f64;
    Share {
        name,
        events: count.events,
        failed: count.failed,
        refused: count.refused,
        nonzero: count.nonzero,
        percent: format!("{percent:.1}"),
    }
}

fn part_row(part: &Bucket) -> [String; 5] {
    [
        minute(part.from),
        part.count.events.to_string(),
        part.count.failed.to_string(),
        part.count.refused.to_string(),
        part.count.lockouts.to_string(),
    ]
}

fn session_row(session: &SessionSpan) -> [String; 4] {
    let mut start = minute(session.start);
    if !session.start_seen {
        let _ = write!(start, " or before");
    }
    [
        span(session.length()),
        shown(session.username.as_deref().unwrap_or("-"), 100),
        start,
        session
            .ended_by
            .map_or("no end on record".to_owned(), |by| by.to_string()),
    ]
}

fn row(record: &Record) -> Row {
    let session = record.session_id.map_or(String::new(), |id| id.to_string());
    let tty = record.tty.as_deref().unwrap_or("no terminal");
    Row {
        seq: record.seq,
        time: record.timestamp.to_rfc3339()[..19].replace('T', " "),
        event_type: record.event_type.to_string(),
        outcome: record.outcome().as_str(),
        is_bad: matches!(record.outcome(), Outcome::Failed | Outcome::Refused),
        username: shown(record.username.as_deref().unwrap_or("-"), 100),
        details: shown(&plain_details(record.details.get()), CELL),
        session_short: session.chars().take(8).collect(),
        session,
        origin: format!(
            "{} {}, uid {}, pid {}",
            shown(&record.host, 64),
            shown(tty, 32),
            record.uid,
            record.pid
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_code_is_named_as_the_standard_has_it() {
        // The example of CSP Level 2, section 4.2.5, and the empty text.
        assert_eq!(
            source_hash("alert('Hello, world.');"),
            "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
        );
        assert_eq!(
            source_hash(""),
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn text_is_cut_before_its_invisible_parts_are_written_out() {
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(shown("abcd", 3), "ab…");
        assert_eq!(shown("a\u{202e}b", 3), "a\\u{202e}b");
    }
}
