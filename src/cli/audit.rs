//! `audit`: query the log, and what else one does with it.

mod verify;

use std::fmt::Write;
use std::time::Duration;

use nightlatch::audit::{
    Details, Event, EventType, Limit, Progress, Query, QueryResult, Record, write_csv_header,
    write_csv_record,
};
use nightlatch::clock::{Clock, SystemClock, Timestamp};
use serde_json::value::RawValue;

use super::args::{Audit, AuditCommand, AuditFilters, AuditList, Format};
use super::columns::{self, Column, Gives};
use super::exit::{Code, Failure};
use super::{Context, End, export, hold, progress, prune, text};

/// How often `--follow` looks for new events.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

pub use verify::{copy_to_verify, no_log, not_verified, verifier, verify};

pub fn run(context: &Context, args: Audit) -> Result<End, Failure> {
    match args.command {
        Some(AuditCommand::Verify(args)) => {
            let directory = context.config.home().join("audit");
            if matches!(directory.try_exists(), Ok(false)) {
                return Err(verify::no_log());
            }
            verify(context.ui, &args, &directory)
        }
        Some(AuditCommand::Fingerprint) => verify::fingerprint(context),
        Some(AuditCommand::Anchor) => verify::anchor(context),
        Some(AuditCommand::List(list)) => self::list(context, &list),
        Some(AuditCommand::Export(args)) => export::run(context, &args),
        Some(AuditCommand::Stats(args)) => super::stats::run(context, &args),
        Some(AuditCommand::Report(args)) => super::report::run(context, &args),
        Some(AuditCommand::Prune(args)) => prune::run(context, &args),
        Some(AuditCommand::Hold(args)) => hold::run(context, &args.command),
        None => self::list(context, &args.list),
    }
}

fn list(context: &Context, args: &AuditList) -> Result<End, Failure> {
    let format = match (args.format, context.ui.json) {
        (Some(format), _) => format,
        (None, true) => Format::Json,
        (None, false) => Format::Table,
    };
    if args.follow && format == Format::Json {
        return Err(Failure::usage("--follow never completes one JSON object")
            .hint("use --format jsonl".to_owned()));
    }
    let query = Query {
        limit: Limit::new(args.limit.into()).map_err(|error| Failure::usage(error.to_string()))?,
        ..query(&args.filters)?
    };
    let guard = context.guard()?;
    let Some(log) = guard.audit() else {
        return print(context, format, &QueryResult::default()).map(|()| End::Done);
    };
    let done = Progress::default();
    let search = || log.query_watched(&query, &done);
    let result = progress::watched(context.ui, "searching", || done.get(), search)?;
    // Reading is an event too. What was asked for is shown even if that cannot be written: an
    // auditor looks at a broken log most of all. The exit code tells.
    let returned = result.events.len() as u64;
    let read = Event::new(Details::AuditRead {
        matched: result.total,
        returned,
    });
    let recorded = log.append_durable(&[read]);
    print(context, format, &result)?;
    warn_of_unreadable(context, result.unreadable);
    recorded?;
    if args.follow {
        let mut follow = log.follow(&query, result.end);
        loop {
            SystemClock.sleep(FOLLOW_INTERVAL);
            let records = follow.poll()?;
            if !records.is_empty() && !print_records(context, format, &records)? {
                break;
            }
        }
    }
    Ok(End::Done)
}

/// Says that lines of the log were left out, if any were.
pub fn warn_of_unreadable(context: &Context, unreadable: u64) {
    if unreadable > 0 {
        let lines = if unreadable == 1 {
            "1 line of the audit log is no event and was"
        } else {
            &format!("{unreadable} lines of the audit log are no events and were")
        };
        context
            .ui
            .warn(&format!("{lines} left out; see: nightlatch audit verify"));
    }
}

/// The filters as the library takes them, with its limit.
pub fn query(args: &AuditFilters) -> Result<Query, Failure> {
    let now = SystemClock.now().wall;
    let time = |name: &str, text: &Option<String>| {
        text.as_deref()
            .map(|text| parse_time(name, text, now))
            .transpose()
    };
    let types = args
        .event
        .iter()
        .map(|name| event_type(name))
        .collect::<Result<_, _>>()?;
    Ok(Query {
        user: args.user.clone(),
        types,
        since: time("--since", &args.since)?,
        until: time("--until", &args.until)?,
        session: args
            .session
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| Failure::usage("--session takes a session id, as `status` shows it"))?,
        failed_only: args.failed,
        limit: Limit::default(),
    })
}

fn event_type(name: &str) -> Result<EventType, Failure> {
    let capitals = name.to_ascii_uppercase();
    capitals.parse().map_err(|_| {
        let near = EventType::ALL
            .iter()
            .map(|known| (strsim::jaro_winkler(&capitals, known.as_str()), known))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let mut hint = near.map_or(String::new(), |(_, known)| {
            format!("did you mean {known}? ")
        });
        hint.push_str("one of");
        // One name after the other: collected and joined, it takes rustc 1.95 minutes to optimise.
        for known in EventType::ALL {
            let _ = write!(hint, " {known}");
        }
        Failure::usage(format!("\"{name}\" is no event type")).hint(hint)
    })
}

/// RFC 3339, a date (its beginning, in UTC), or an age such as `2h`.
fn parse_time(option: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Some(time) = Timestamp::parse_rfc3339_or_nearest(text)
        .or_else(|| Timestamp::parse_rfc3339_or_nearest(&format!("{text}T00:00:00Z")))
    {
        return Ok(time);
    }
    match humantime::parse_duration(text) {
        Ok(age) => Ok(now.minus(age)),
        Err(_) => Err(Failure::usage(format!("{option}: \"{text}\" is no time"))
            .hint("write 2026-11-20T23:41:07Z, 2026-11-20, or an age such as 2h or 7d".to_owned())),
    }
}

/// The answer as JSON. The events are the log's own bytes, so that their hashes can be computed.
#[derive(serde::Serialize)]
struct Listing<'a> {
    schema: u32,
    events: Vec<&'a RawValue>,
    total: u64,
    has_more: bool,
}

fn print(context: &Context, format: Format, result: &QueryResult) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let events = result
                .events
                .iter()
                .map(|record| serde_json::from_str::<&RawValue>(&record.raw))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Failure::new(Code::Audit, "audit", error.to_string()))?;
            context.ui.json(&Listing {
                schema: 1,
                events,
                total: result.total,
                has_more: result.has_more,
            })?;
            Ok(())
        }
        Format::Csv => {
            let mut header = Vec::new();
            write_csv_header(&mut header).map_err(|error| unformatted(&error))?;
            context.ui.bytes(&header)?;
            print_records(context, format, &result.events).map(drop)
        }
        Format::Table if result.events.is_empty() => {
            context.ui.say("no events");
            Ok(())
        }
        Format::Table | Format::Jsonl => {
            print_records(context, format, &result.events)?;
            if result.has_more {
                context.ui.say(&format!(
                    "{} of {} events; --limit, --since and --until choose others",
                    result.events.len(),
                    result.total
                ));
            }
            Ok(())
        }
    }
}

/// Prints `records`; `false` when nobody reads any more.
fn print_records(context: &Context, format: Format, records: &[Record]) -> Result<bool, Failure> {
    match format {
        Format::Table => context.ui.data(&table(context, records)),
        Format::Csv => {
            let mut rows = Vec::new();
            for record in records {
                let start = rows.len();
                write_csv_record(&mut rows, record).map_err(|error| unformatted(&error))?;
                if context.ui.on_terminal {
                    let row = String::from_utf8_lossy(&rows[start..]).into_owned();
                    rows.truncate(start);
                    rows.extend_from_slice(text::escape(row.trim_end_matches("\r\n")).as_bytes());
                    rows.extend_from_slice(b"\r\n");
                }
            }
            context.ui.bytes(&rows)
        }
        Format::Jsonl | Format::Json => {
            let lines: String = records
                .iter()
                .flat_map(|record| [record.raw.as_str(), "\n"])
                .collect();
            context.ui.json_text(&lines)
        }
    }
}

/// Writing to memory does not fail; the formatter's signature says it may.
fn unformatted(error: &std::io::Error) -> Failure {
    Failure::failed("output", error.to_string())
}

/// As wide as the terminal, whatever it is; to a file or a pipe nothing is left out.
fn table(context: &Context, records: &[Record]) -> String {
    let width = context.ui.width();
    let roomy = width.is_none_or(|width| width >= 60);
    let time = |time| match width {
        Some(..60) => context.zone.shortest(time),
        Some(60..100) => context.zone.short(time),
        _ => context.zone.second(time),
    };
    let column = |heading, gives, cell: &dyn Fn(&Record) -> String| {
        Column::new(heading, gives, records.iter().map(cell))
    };
    let failed = if roomy { "FAILED" } else { "FAIL" };
    let outcome = |record: &Record| if record.success { "ok" } else { failed }.to_owned();
    let name = |text: &Option<String>| text::escape(text.as_deref().unwrap_or("-"));
    let columns = vec![
        column("SEQ", Gives::Nothing, &|record| record.seq.to_string()),
        column("TIME", Gives::Nothing, &|record| time(record.timestamp)),
        column("EVENT", Gives::Down(8), &|record| {
            record.event_type.to_string()
        }),
        column("", Gives::Nothing, &outcome),
        column("ACCOUNT", Gives::All(16), &|record| name(&record.username)),
        column("TTY", Gives::All(5), &|record| name(&record.tty)),
        column("DETAILS", Gives::All(12), &|record| {
            text::escape(&plain_details(record.details.get()))
        }),
    ];
    columns::table(columns, if roomy { 2 } else { 1 }, width, context.sign())
}

/// `{"reason":"logout"}` as `reason=logout`.
pub fn plain_details(details: &str) -> String {
    use serde_json::Value;
    let Ok(Value::Object(fields)) = serde_json::from_str(details) else {
        return details.to_owned();
    };
    let show = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    };
    fields.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    #[test]
    fn times_are_moments_dates_or_ages() {
        let parse = |text| parse_time("--since", text, NOW).ok();
        assert_eq!(parse("2023-11-14T22:13:20Z"), Some(NOW));
        assert_eq!(parse("2023-11-14T23:13:20+01:00"), Some(NOW));
        assert_eq!(
            parse("2023-11-14"),
            Some(Timestamp::from_unix_seconds(1_699_920_000))
        );
        assert_eq!(
            parse("2h"),
            Some(Timestamp::from_unix_seconds(1_700_000_000 - 7200))
        );
        assert_eq!(
            parse("2023-11-14T22:13:20.000000001Z"),
            Some(Timestamp::from_unix_nanos(1_700_000_000_000_000_001))
        );
        // Beyond what a time in the log can be.
        for past in ["0001-01-01", "1600-01-01T00:00:00+14:00", "500y"] {
            assert!(
                parse(past) < Some(Timestamp::from_unix_seconds(-4_000_000_000)),
                "{past}"
            );
        }
        assert_eq!(
            parse("9999-12-31"),
            Some(Timestamp::from_unix_nanos(i64::MAX))
        );
        for bad in [
            "",
            "yesterday",
            "2023-11-14T22:13:20",
            "2023-02-29",
            "2023-13-01",
            "-2h",
            "2",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
