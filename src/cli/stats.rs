//! `audit stats`: statistics of the log, on a terminal or as JSON.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use nightlatch_audit::{
    AccountCount, Bucket, Count, Progress, Query, ReadKind, Reading, SessionSpan, Statistics,
};
use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_platform::clock::SystemClock;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::args::AuditStats;
use super::audit::reading::{query, warn_of_unreadable, with_reader};
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::local_time::Zone;
use super::progress;
use super::table::{fit, pad};
use super::text::{days, escape, span};

/// The number of accounts shown; the JSON has all.
const ACCOUNTS: usize = 10;
/// The number of time ranges shown.
const PARTS: usize = 31;
/// The width without a terminal.
const WIDTH: usize = 80;
/// The minimum width of the tables.
const NARROWEST: usize = 40;

pub fn run(context: &Context, args: &AuditStats) -> Result<End, Failure> {
    let query = query(context, &args.filters)?;
    let now = SystemClock.now().wall;
    let mut statistics = Statistics::default();
    let Reading { answer, recorded } = with_reader(context, &args.filters, |log| {
        let done = Progress::default();
        let count_all = || {
            log.for_each(ReadKind::Stats, &query, &done, |record| {
                statistics.add(record);
                ControlFlow::Continue(())
            })
        };
        let counted = progress::watched(context.ui, "counting", || done.get(), count_all);
        Ok(counted?)
    })?;
    warn_of_unreadable(context, answer.unreadable);
    let longest = has_all_of_sessions(&query).then(|| statistics.longest_sessions(now));
    if context.ui.json {
        context.ui.json(&as_json(&statistics, longest.as_deref()))?;
    } else if statistics.total().events == 0 {
        context.ui.say("no events");
    } else {
        let page = Page {
            width: context
                .ui
                .width()
                .map_or(WIDTH, |width| width.max(NARROWEST)),
            is_utf8: context.ui.is_utf8,
            sign: context.ellipsis(),
            zone: &context.zone,
        };
        context
            .ui
            .data(&page.text(&statistics, longest.as_deref()))?;
    }
    recorded?;
    Ok(End::Done)
}

/// Whether a query includes all events of a session; otherwise its length is unknown.
pub fn has_all_of_sessions(query: &Query) -> bool {
    let only_of_session = Query::default()
        .session(query.session)
        .user(query.user.clone())
        .since(query.since)
        .until(query.until)
        .limit(query.limit)
        .limit_unit(query.limit_unit);
    *query == only_of_session
}

fn as_json(statistics: &Statistics, longest: Option<&[SessionSpan]>) -> Value {
    let total = statistics.total();
    let time = |time: Option<Timestamp>| time.map(Timestamp::to_rfc3339);
    let range = statistics.range();
    let account = |name: Option<&str>, account: AccountCount| {
        json!({
            "username": name,
            "events": account.count.events,
            "failed": account.count.failed,
            "refused": account.count.refused,
            "nonzero": account.count.nonzero,
            "lockouts": account.count.lockouts,
            "sessions": account.sessions,
            "commands": account.commands,
        })
    };
    let accounts = statistics.by_account().into_iter();
    let types = statistics.by_type().into_iter().map(|(kind, count)| {
        let mut counted = counted(count);
        counted.insert(0, ("event_type", kind.as_str().into()));
        object(counted)
    });
    let hours = statistics
        .by_hour()
        .iter()
        .enumerate()
        .map(|(hour, count)| {
            let mut counted = counted(*count);
            counted.insert(0, ("hour", hour.into()));
            object(counted)
        });
    let parts = statistics.over_time(PARTS).into_iter().map(|part| {
        json!({
            "from": part.from.to_rfc3339(),
            "seconds": part.width.as_secs(),
            "events": part.count.events,
            "failed": part.count.failed,
            "refused": part.count.refused,
            "nonzero": part.count.nonzero,
            "lockouts": part.count.lockouts,
        })
    });
    let longest = longest.map(|spans| {
        let session = |span: &SessionSpan| {
            json!({
                "session_id": span.id.to_string(),
                "username": span.username,
                "started_at": span.start.to_rfc3339(),
                "start_seen": span.start_seen,
                "ended_at": span.end.to_rfc3339(),
                "ended_by": span.ended_by.map(nightlatch_audit::EventType::as_str),
                "seconds": span.length().as_secs(),
                "extensions": span.extensions,
                "most_by": span.most_by.as_ref().map(|by| json!({
                    "name": by.name,
                    "times": by.times,
                })),
            })
        };
        spans.iter().map(session).collect::<Vec<_>>()
    });
    json!({
        "schema": 1,
        "total": total.events,
        "failed": total.failed,
        "refused": total.refused,
        "nonzero": total.nonzero,
        "lockouts": total.lockouts,
        "first": time(range.map(|range| range.0)),
        "last": time(range.map(|range| range.1)),
        "by_type": types.collect::<Vec<_>>(),
        "by_account": accounts.map(|(name, count)| account(Some(name), count)).collect::<Vec<_>>(),
        "other_accounts": account(None, statistics.other_accounts()),
        "by_hour": hours.collect::<Vec<_>>(),
        "over_time": parts.collect::<Vec<_>>(),
        "longest_sessions": longest,
    })
}

/// The three kinds of failure and the total.
fn counted(count: Count) -> Vec<(&'static str, Value)> {
    vec![
        ("events", count.events.into()),
        ("failed", count.failed.into()),
        ("refused", count.refused.into()),
        ("nonzero", count.nonzero.into()),
    ]
}

fn object(fields: Vec<(&'static str, Value)>) -> Value {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// What kept a session alive: `extended 2400 times, 2311 of them by date`; `None` if nothing did.
pub fn kept_alive(session: &SessionSpan) -> Option<String> {
    let by = session.most_by.as_ref()?;
    let (times, name) = (session.extensions, escape(&by.name));
    Some(match times {
        1 => format!("extended once, by {name}"),
        _ if by.times >= times => format!("extended {times} times, all by {name}"),
        _ => format!("extended {times} times, {} of them by {name}", by.times),
    })
}

/// The layout of the output.
struct Page<'a> {
    width: usize,
    is_utf8: bool,
    /// The sign that marks where text was cut.
    sign: char,
    zone: &'a Zone,
}

impl Page<'_> {
    fn text(&self, statistics: &Statistics, longest: Option<&[SessionSpan]>) -> String {
        let total = statistics.total();
        let mut text = format!(
            "{} events: {} failed, {} refused, {} not 0{}{} lockouts\n",
            total.events,
            total.failed,
            total.refused,
            total.nonzero,
            if self.width < 70 { "\n" } else { ", " },
            total.lockouts
        );
        if let Some((first, last)) = statistics.range() {
            let between = if self.width < 60 { "\n" } else { " " };
            let (first, last) = (
                self.zone.minute_and_zone(first),
                self.zone.minute_and_zone(last),
            );
            let _ = writeln!(text, "{first}{between}to {last}");
        }
        let types = statistics.by_type();
        let rows = types.iter().map(|(kind, count)| (kind.to_string(), *count));
        self.bars(&mut text, "By type", rows);

        let accounts = statistics.by_account();
        let shown = accounts.iter().take(ACCOUNTS);
        let rows = shown.map(|(name, account)| (escape(name), account.count));
        self.bars(&mut text, "By account", rows);
        let left = accounts.len().saturating_sub(ACCOUNTS);
        if left > 0 {
            let _ = writeln!(text, "  and {left} more accounts; --json has them");
        }

        let hours = statistics.by_hour().iter().enumerate();
        let rows = hours.map(|(hour, count)| (format!("{hour:02}:00"), *count));
        self.bars(&mut text, "By hour (UTC)", rows);

        self.over_time(&mut text, &statistics.over_time(PARTS));
        if let Some(longest) = longest {
            self.longest(&mut text, longest);
        }
        text
    }

    /// One line per row: its name, the number of events, and a bar of proportional length.
    fn bars(&self, text: &mut String, title: &str, rows: impl Iterator<Item = (String, Count)>) {
        let rows: Vec<_> = rows.collect();
        let most = rows
            .iter()
            .map(|(_, count)| count.events)
            .max()
            .unwrap_or(0);
        let names = rows.iter().map(|(name, _)| name.width()).max();
        // A third of the width for names, then four numbers, and the rest for bars.
        let digits = self.digits();
        let numbers = 4 * (digits + 1);
        let names = names.unwrap_or(0).max(title.len());
        let names = names.min(self.width / 3).min(self.width - numbers);
        let room = self.width.saturating_sub(names + numbers + 2);
        let _ = writeln!(
            text,
            "\n{} {:>digits$} {:>digits$} {:>digits$} {:>digits$}",
            pad(&fit(title, names, self.sign), names),
            "events",
            "failed",
            fit("refused", digits, self.sign),
            "not 0"
        );
        for (name, count) in rows {
            let name = pad(&fit(&name, names, self.sign), names);
            let Count {
                events,
                failed,
                refused,
                nonzero,
                ..
            } = count;
            let line = format!(
                "{name} {events:>digits$} {failed:>digits$} {refused:>digits$} {nonzero:>digits$}  {}",
                self.bar(events, most, room)
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }

    /// The width of a number.
    fn digits(&self) -> usize {
        if self.width < 60 { 6 } else { 8 }
    }

    fn over_time(&self, text: &mut String, parts: &[Bucket]) {
        let most = parts
            .iter()
            .map(|part| part.count.failed + part.count.refused)
            .max()
            .unwrap_or(0);
        let digits = self.digits();
        let room = self.width.saturating_sub(16 + 2 * (digits + 1) + 10 + 2);
        let width = parts.first().map_or(Duration::ZERO, |part| part.width);
        let _ = writeln!(
            text,
            "\nFailures and refusals, {} a line\n{:<16} {:>digits$} {:>digits$} {:>9}",
            days(width),
            "from",
            "failed",
            fit("refused", digits, self.sign),
            "lockouts"
        );
        for part in parts {
            let Count {
                failed,
                refused,
                lockouts,
                ..
            } = part.count;
            let line = format!(
                "{} {failed:>digits$} {refused:>digits$} {lockouts:>9}  {}",
                self.zone.minute(part.from),
                self.bar(failed + refused, most, room)
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }

    fn longest(&self, text: &mut String, sessions: &[SessionSpan]) {
        if sessions.is_empty() {
            return;
        }
        text.push_str("\nLongest sessions\n");
        for session in sessions {
            let since = if session.start_seen { "from" } else { "seen" };
            let name = escape(session.username.as_deref().unwrap_or("-"));
            let _ = writeln!(
                text,
                "{:>8}  {since} {}  {}",
                span(session.length()),
                self.zone.minute(session.start),
                fit(&name, self.width.saturating_sub(33), self.sign)
            );
            if let Some(by) = kept_alive(session) {
                let by = fit(&by, self.width.saturating_sub(10), self.sign);
                let _ = writeln!(text, "          {by}");
            }
        }
    }

    /// A bar for `value`, where `most` fills `room` characters. A value above 0 is always visible.
    fn bar(&self, value: u64, most: u64, room: usize) -> String {
        let parts = if self.is_utf8 { 8 } else { 1 };
        let full = u128::from(value) * (room as u128) * parts;
        let eighths = full.div_ceil(u128::from(most.max(1)));
        let whole = usize::try_from(eighths / parts).unwrap_or(room).min(room);
        if !self.is_utf8 {
            return "#".repeat(whole);
        }
        let rest = usize::try_from(eighths % parts).unwrap_or(0);
        let mut bar = "█".repeat(whole);
        bar.push_str(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][rest]);
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_value_and_never_longer_than_its_room() {
        let unicode = Page {
            width: 80,
            is_utf8: true,
            sign: '…',
            zone: &Zone::new(None),
        };
        assert_eq!(unicode.bar(8, 16, 3), "█▌");
        assert_eq!(unicode.bar(16, 16, 3), "███");
        assert_eq!(unicode.bar(1, 1_000_000, 3), "▏");
        assert_eq!(unicode.bar(0, 16, 3), "");
        assert_eq!(unicode.bar(0, 0, 3), "");
        assert_eq!(unicode.bar(u64::MAX, u64::MAX, 3), "███");
        let ascii = Page {
            width: 80,
            is_utf8: false,
            sign: '~',
            zone: &Zone::new(None),
        };
        assert_eq!(ascii.bar(8, 16, 3), "##");
        assert_eq!(ascii.bar(1, 1_000_000, 3), "#");
    }
}
