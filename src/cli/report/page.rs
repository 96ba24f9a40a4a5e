//! The contents of the page.

use std::fmt::Write;

use askama::Template;
use nightlatch_audit::{Bucket, Count, LeftOut, Record, SessionSpan, Statistics, Verification};
use nightlatch_core::clock::Timestamp;

use super::charts::{self, Bands, Columns, Timeline};
use super::events::{self, Row};
use super::policy::policy;
use super::text::{Text, shown};
use super::time::{minute, second};
use super::verdict::Verdict;
use crate::cli::args::AuditFilters;
use crate::cli::exit::Failure;
use crate::cli::stats::kept_alive;
use crate::cli::text::span;

const STYLE: &str = include_str!("../../../templates/report/page.css");
const SCRIPT: &str = include_str!("../../../templates/report/page.js");
/// The number of columns in the failures chart.
const PARTS: usize = 60;
/// The maximum number of accounts in the table; the number of the others is given.
const ACCOUNTS: usize = 20;
/// The maximum length of an account's name, and of a filter's value.
const NAME: usize = 100;

pub struct Content<'a> {
    pub now: Timestamp,
    pub filters: &'a AuditFilters,
    pub verification: &'a Verification,
    pub statistics: &'a Statistics,
    pub newest: &'a [Record],
    pub unreadable: u64,
    /// Whether the query includes all events of a session.
    pub with_sessions: bool,
}

#[derive(Template)]
#[template(path = "report/page.html")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    made: String,
    host: Option<Text>,
    range: Option<(String, String)>,
    filters: Vec<Text>,
    verdict: Verdict,
    total: Count,
    session_count: u64,
    command_count: u64,
    with_sessions: bool,
    timeline: Option<Timeline>,
    timeline_left_out: Vec<String>,
    sessions: Vec<Session>,
    failures: Bands,
    parts: Vec<Part>,
    hours: Columns,
    by_hour: Vec<Part>,
    types: Vec<Share>,
    accounts: Vec<Account>,
    more_accounts: u64,
    longest: Vec<Session>,
    rows: Vec<Row>,
    left_out: u64,
    unreadable: u64,
}

/// A part of the time or of the day.
struct Part {
    from: String,
    count: Count,
}

/// A row with a bar.
struct Share {
    name: String,
    count: Count,
    percent: String,
}

struct Account {
    name: Text,
    count: Count,
    sessions: u64,
    commands: u64,
}

struct Session {
    length: String,
    username: Text,
    start: String,
    ended_by: String,
    kept_alive: Text,
}

/// Renders the whole page.
pub fn render(content: &Content<'_>) -> Result<String, Failure> {
    let Content {
        statistics,
        verification,
        ..
    } = content;
    let total = statistics.total();
    let (sessions, commands) = if content.with_sessions {
        (statistics.sessions(content.now), statistics.commands())
    } else {
        (Vec::new(), Vec::new())
    };
    let longest = statistics.longest_sessions(content.now);
    let accounts = statistics.by_account();
    let others = u64::from(statistics.other_accounts().count.events > 0);
    let types = statistics.by_type();
    let most = types.first().map_or(0, |(_, count)| count.events);
    let parts = statistics.over_time(PARTS);
    let hours = statistics.by_hour();
    let page = Page {
        policy: policy(STYLE, SCRIPT),
        style: STYLE,
        script: SCRIPT,
        made: time(content.now),
        host: content
            .newest
            .last()
            .map(|record| Text::new(&record.host, 64)),
        range: statistics
            .range()
            .map(|(first, last)| (time(first), time(last))),
        filters: filters(content.filters),
        verdict: Verdict::of(verification),
        total,
        session_count: statistics.session_count(),
        command_count: statistics.command_count(),
        with_sessions: content.with_sessions,
        timeline: charts::timeline(&sessions, &commands),
        timeline_left_out: left_out(statistics, sessions.len(), commands.len()),
        sessions: sessions.iter().rev().map(session).collect(),
        failures: charts::failures(&parts),
        parts: parts
            .iter()
            .filter(|part| part.count.failed + part.count.refused + part.count.nonzero > 0)
            .map(part_of_time)
            .collect(),
        hours: charts::hours(hours),
        by_hour: hours.iter().enumerate().map(part_of_day).collect(),
        types: types
            .into_iter()
            .map(|(kind, count)| share(kind.to_string(), count, most))
            .collect(),
        accounts: accounts
            .iter()
            .take(ACCOUNTS)
            .map(|(name, account)| Account {
                name: Text::new(name, NAME),
                count: account.count,
                sessions: account.sessions,
                commands: account.commands,
            })
            .collect(),
        more_accounts: accounts.len().saturating_sub(ACCOUNTS) as u64 + others,
        longest: if content.with_sessions {
            longest.iter().map(session).collect()
        } else {
            Vec::new()
        },
        rows: events::rows(content.newest, &verification.warnings),
        left_out: total.events.saturating_sub(content.newest.len() as u64),
        unreadable: content.unreadable,
    };
    page.render()
        .map_err(|error| Failure::failed("output", error.to_string()))
}

/// To the second, with an explicit zone.
fn time(time: Timestamp) -> String {
    format!("{} UTC", second(time))
}

fn filters(filters: &AuditFilters) -> Vec<Text> {
    let mut said = Vec::new();
    let mut say = |name: &str, value: &Option<String>| {
        said.extend(
            value
                .iter()
                .map(|value| format!("{name} {}", shown(value, NAME))),
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
        said.push(format!("run {}", shown(id, NAME)));
    }
    for kind in &filters.event {
        said.push(format!("type {}", shown(kind, NAME)));
    }
    if filters.failed {
        said.push("only failed sign-ins and refusals".to_owned());
    }
    said.iter().map(|said| Text::new(said, 2 * NAME)).collect()
}

/// Describes what the timeline does not show.
fn left_out(statistics: &Statistics, sessions: usize, commands: usize) -> Vec<String> {
    let say = |what: &str, drawn: usize, left: LeftOut| {
        format!(
            "The newest {drawn} of {} {what} are drawn. Not drawn: {} older {what}, begun from {} to {} UTC. \
             All other numbers on this page include them.",
            drawn as u64 + left.count,
            left.count,
            minute(left.from),
            minute(left.to),
        )
    };
    let sessions = statistics
        .sessions_left_out()
        .map(|left| say("sessions", sessions, left));
    let commands = statistics
        .commands_left_out()
        .map(|left| say("commands", commands, left));
    sessions.into_iter().chain(commands).collect()
}

fn share(name: String, count: Count, most: u64) -> Share {
    #[allow(clippy::cast_precision_loss)] // a bar is not that precise
    let percent = 100.0 * count.events as f64 / most.max(1) as f64;
    Share {
        name,
        count,
        percent: format!("{percent:.1}"),
    }
}

fn part_of_time(part: &Bucket) -> Part {
    Part {
        from: minute(part.from),
        count: part.count,
    }
}

fn part_of_day((hour, count): (usize, &Count)) -> Part {
    Part {
        from: format!("{hour:02}:00"),
        count: *count,
    }
}

fn session(session: &SessionSpan) -> Session {
    let mut start = minute(session.start);
    if !session.start_seen {
        let _ = write!(start, " or before");
    }
    Session {
        length: span(session.length()),
        username: Text::new(session.username.as_deref().unwrap_or("-"), NAME),
        start,
        ended_by: session
            .ended_by
            .map_or("no end on record".to_owned(), |by| by.to_string()),
        kept_alive: Text::new(kept_alive(session).as_deref().unwrap_or("-"), NAME),
    }
}
