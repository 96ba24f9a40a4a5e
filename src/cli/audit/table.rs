//! Events as a table for people: one row per event, and one per guarded command.

use std::fmt::Write;

use anstyle::Style;
use nightlatch_audit::{CommandRow, Outcome, Record, Row};
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::table::{self, Column, Header, Shrink};
use crate::cli::text::plain_details;
use crate::cli::text::{command_end, escape, took};
use crate::cli::ui::{BAD, FAINT, GOOD, WARN};

/// Keys of details that only programs need.
const IDS: [&str; 8] = [
    "exec_id",
    "argv_digest",
    "tag",
    "fingerprint",
    "key",
    "boot",
    "last_hash",
    "quarantine",
];

/// The layout of a table.
#[derive(Clone, Copy)]
pub struct Table {
    pub header: Header,
    /// Show all ids, whatever the width.
    pub is_wide: bool,
    /// The width if stdout is not a terminal.
    pub columns: Option<usize>,
    /// More rows follow later, below this table.
    pub goes_on: bool,
}

/// Fits the table to the terminal; to a file or a pipe it is printed in full.
pub fn table(context: &Context, rows: &[Row], how: Table) -> String {
    let width = context.ui.width().or(how.columns);
    let width = width.filter(|_| !how.is_wide);
    let roomy = width.is_none_or(|width| width >= 60);
    let time = |time| match width {
        Some(..60) => context.zone.shortest(time),
        Some(60..90) => context.zone.short(time),
        Some(90..110) => context.zone.without_zone(time),
        _ => context.zone.second(time),
    };
    let column = |heading, gives, least: usize, cell: &dyn Fn(&Row) -> String| {
        let column = Column::new(heading, gives, rows.iter().map(cell));
        column.at_least(if how.goes_on { least } else { 0 })
    };
    let name = |text: &Option<String>| escape(text.as_deref().unwrap_or("-"));
    let mut columns = vec![
        column("SEQ", Shrink::Nothing, 4, &|row| {
            row.record().seq.to_string()
        }),
        column("TIME", Shrink::Nothing, 0, &|row| {
            time(row.record().timestamp)
        }),
        column("EVENT", Shrink::Down(8), 18, &|row| match row {
            Row::Event(record) => record.event_type.to_string(),
            Row::Command(_) => "COMMAND".to_owned(),
        }),
        column("", Shrink::Nothing, 7, &|row| {
            outcome(row, roomy).0.to_owned()
        })
        .styled(rows.iter().map(|row| outcome(row, roomy).1)),
        column("ACCOUNT", Shrink::All(14), 24, &|row| {
            name(&row.record().username)
        }),
        column("TTY", Shrink::All(5), 6, &|row| name(&row.record().tty)),
    ];
    if how.is_wide {
        columns.push(column("HOST", Shrink::Nothing, 0, &|row| {
            escape(&row.record().host)
        }));
        columns.push(column("UID", Shrink::Nothing, 0, &|row| {
            row.record().uid.to_string()
        }));
        columns.push(column("PID", Shrink::Nothing, 0, &|row| {
            row.record().pid.to_string()
        }));
        columns.push(column("SESSION", Shrink::Nothing, 0, &|row| {
            row.record()
                .session_id
                .map_or("-".to_owned(), |id| id.to_string())
        }));
    }
    columns.push(column("DETAILS", Shrink::All(8), 0, &|row| {
        escape(&match row {
            Row::Event(record) if how.is_wide => plain_details(record.details.get()),
            Row::Event(record) => without_ids(record),
            Row::Command(command) => told(command, how.is_wide),
        })
    }));
    table::table(
        columns,
        if roomy { 2 } else { 1 },
        width,
        context.ellipsis(),
        how.header,
    )
}

fn outcome(row: &Row, roomy: bool) -> (&'static str, Style) {
    let outcome = match row {
        Row::Event(record) => Some(record.outcome()),
        Row::Command(command) => command.outcome(),
    };
    let (long, short, style) = match outcome {
        Some(Outcome::Ok) => ("ok", "ok", FAINT),
        Some(Outcome::Failed) => ("FAILED", "FAIL", BAD),
        Some(Outcome::Refused) => ("REFUSED", "REF", BAD),
        Some(Outcome::NonZero) => ("NONZERO", "NZ", WARN),
        Some(other) => (other.as_str(), "?", WARN),
        None => ("running", "run", GOOD),
    };
    (if roomy { long } else { short }, style)
}

/// `kubectl, exit 0, 1.2s`
fn told(command: &CommandRow, with_ids: bool) -> String {
    let program = command.program.clone();
    let parts = [
        Some(program.unwrap_or_else(|| "(start not in the log)".to_owned())),
        Some(command.end.map_or("running".to_owned(), command_end)),
        command.took.map(took),
    ];
    let mut told = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if with_ids {
        let details: Value = serde_json::from_str(command.record.details.get()).unwrap_or_default();
        for key in ["exec_id", "argv_digest"] {
            if let Some(id) = details[key].as_str() {
                let _ = write!(told, " {key}={id}");
            }
        }
    }
    told
}

fn without_ids(record: &Record) -> String {
    let Ok(Value::Object(mut details)) = serde_json::from_str(record.details.get()) else {
        return plain_details(record.details.get());
    };
    details.retain(|key, _| !IDS.contains(&key.as_str()));
    plain_details(&Value::Object(details).to_string())
}
