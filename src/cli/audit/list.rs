//! `audit list`: the newest events, for people or for programs.

use std::time::Duration;

use nightlatch_audit::{
    Follow, Limit, LimitUnit, LogReader, Progress, Query, QueryResult, Reading, Record,
    RemovedEvents, write_csv_header, write_csv_record,
};
use nightlatch_core::clock::Clock;
use nightlatch_platform::clock::SystemClock;
use serde_json::value::RawValue;

use super::reading::{query, warn_of_unreadable, with_reader};
use super::table::{Table, table};
use crate::cli::args::{AuditList, Format};
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};
use crate::cli::table::Header;
use crate::cli::{pager, progress, text};

/// How often `--follow` polls for new events.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

pub fn run(context: &Context, args: &AuditList) -> Result<End, Failure> {
    let format = match (args.format, context.ui.json) {
        (Some(format), _) => format,
        (None, true) => Format::Json,
        (None, false) => Format::Table,
    };
    if args.follow && format == Format::Json {
        return Err(Failure::usage("--follow never completes one JSON object")
            .hint("use --format jsonl".to_owned()));
    }
    let limit_unit = match format {
        Format::Table => LimitUnit::Rows,
        Format::Json | Format::Jsonl | Format::Csv => LimitUnit::Events,
    };
    let limit = Limit::new(args.limit.into());
    let query = query(context, &args.filters)?
        .limit(limit.map_err(|error| Failure::usage(error.to_string()))?)
        .limit_unit(limit_unit);
    if args.follow && query.is_of_runs() {
        return Err(not_followed());
    }
    let list = List {
        context,
        args,
        format,
    };
    with_reader(context, &args.filters, |log| list.show(log, &query))?;
    Ok(End::Done)
}

/// A filter on a command's start cannot be applied to the event of its end.
pub fn not_followed() -> Failure {
    let message = "--exit with --program or --argv-of cannot be followed";
    Failure::usage(message).hint("leave one of them out, or --follow".to_owned())
}

struct List<'a> {
    context: &'a Context,
    args: &'a AuditList,
    format: Format,
}

impl List<'_> {
    fn show(&self, log: &LogReader<'_>, query: &Query) -> Result<(), Failure> {
        let (ui, done) = (self.context.ui, Progress::default());
        if !self.args.follow {
            let search = || log.list(query, &done);
            let reading = progress::watched(ui, "searching", || done.get(), search)?;
            let Reading { answer, recorded } = reading;
            self.print(&answer)?;
            return Ok(recorded?);
        }
        let search = || log.follow(query, &done);
        let reading = progress::watched(ui, "searching", || done.get(), search)?;
        let (answer, follow) = reading.answer;
        self.print(&answer)?;
        reading.recorded?;
        self.follow(follow, answer.rows.is_empty())
    }

    /// Prints new events until stdout is closed.
    fn follow(&self, mut follow: Follow<'_>, is_first: bool) -> Result<(), Failure> {
        let mut header = if is_first {
            Header::Shown
        } else {
            Header::Above
        };
        loop {
            SystemClock.sleep(FOLLOW_INTERVAL);
            let is_read = if self.format == Format::Table {
                let rows = follow.poll_rows()?;
                if rows.is_empty() {
                    continue;
                }
                let text = table(self.context, &rows, self.as_table(header));
                header = Header::Above;
                self.context.ui.data(&text)?
            } else {
                let records = follow.poll()?;
                records.is_empty() || self.records(&records)?
            };
            if !is_read {
                return Ok(());
            }
        }
    }

    fn as_table(&self, header: Header) -> Table {
        Table {
            header,
            is_wide: self.args.wide,
            columns: self.args.columns,
            goes_on: self.args.follow,
        }
    }

    fn print(&self, result: &QueryResult) -> Result<(), Failure> {
        let ui = self.context.ui;
        match self.format {
            Format::Json => self.json(result)?,
            Format::Csv => {
                let mut header = Vec::new();
                write_csv_header(&mut header).map_err(|error| unformatted(&error))?;
                ui.bytes(&header)?;
                self.records(&result.events)?;
            }
            Format::Jsonl => {
                self.records(&result.events)?;
            }
            Format::Table if result.rows.is_empty() => ui.say("no events"),
            Format::Table => {
                let text = table(self.context, &result.rows, self.as_table(Header::Shown));
                if self.args.follow || self.args.no_pager {
                    ui.data(&text)?;
                } else {
                    pager::page(self.context, &text)?;
                }
            }
        }
        if self.format != Format::Json {
            for removed in &result.removed {
                ui.warn(&told(self.context, removed));
            }
        }
        if result.has_more && matches!(self.format, Format::Table | Format::Jsonl) {
            ui.say(&format!(
                "{} of {} events; --limit, --since and --until choose others",
                result.events.len(),
                result.total
            ));
        }
        warn_of_unreadable(self.context, result.unreadable);
        Ok(())
    }

    fn json(&self, result: &QueryResult) -> Result<(), Failure> {
        let events = result.events.iter();
        let events = events.map(|record| serde_json::from_str::<&RawValue>(&record.raw));
        let events = events
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::new(Code::Audit, "audit", error.to_string()))?;
        self.context.ui.json(&Listing {
            schema: 1,
            events,
            total: result.total,
            has_more: result.has_more,
            removed: result.removed.iter().map(Removed::of).collect(),
        })?;
        Ok(())
    }

    /// Prints `records`; `false` if stdout is closed.
    fn records(&self, records: &[Record]) -> Result<bool, Failure> {
        let ui = self.context.ui;
        if self.format == Format::Csv {
            let mut rows = Vec::new();
            for record in records {
                let start = rows.len();
                write_csv_record(&mut rows, record).map_err(|error| unformatted(&error))?;
                if ui.on_terminal {
                    let row = String::from_utf8_lossy(&rows[start..]).into_owned();
                    rows.truncate(start);
                    rows.extend_from_slice(text::escape(row.trim_end_matches("\r\n")).as_bytes());
                    rows.extend_from_slice(b"\r\n");
                }
            }
            return ui.bytes(&rows);
        }
        let lines = records
            .iter()
            .flat_map(|record| [record.raw.as_str(), "\n"]);
        ui.json_text(&lines.collect::<String>())
    }
}

/// The result as JSON. The events are the log's own bytes, so that their hashes can be computed.
#[derive(serde::Serialize)]
struct Listing<'a> {
    schema: u32,
    events: Vec<&'a RawValue>,
    total: u64,
    has_more: bool,
    removed: Vec<Removed>,
}

#[derive(serde::Serialize)]
struct Removed {
    first_seq: u64,
    last_seq: u64,
    recorded_seq: Option<u64>,
    recorded_at: Option<String>,
}

impl Removed {
    fn of(removed: &RemovedEvents) -> Self {
        Self {
            first_seq: removed.first_seq,
            last_seq: removed.last_seq,
            recorded_seq: removed.recorded_seq,
            recorded_at: removed
                .recorded_at
                .map(nightlatch_core::clock::Timestamp::to_rfc3339),
        }
    }
}

/// A message that names the removed events and the record of their removal.
fn told(context: &Context, removed: &RemovedEvents) -> String {
    let events = format!("events {} to {}", removed.first_seq, removed.last_seq);
    match (removed.recorded_seq, removed.recorded_at) {
        (Some(seq), Some(at)) => format!(
            "{events} were removed: event {seq} of {} says so",
            context.zone.second(at)
        ),
        _ => format!("{events} are missing, and no record says why; see: nightlatch audit verify"),
    }
}

/// Only the formatter's signature allows this error: writing to memory cannot fail.
fn unformatted(error: &std::io::Error) -> Failure {
    Failure::failed("output", error.to_string())
}
