//! The table of events.

use std::collections::HashMap;

use nightlatch_audit::{Outcome, Record, Warning};

use super::text::{Text, shown};
use super::time::second;
use super::verdict::strange;
use crate::cli::text::plain_details;

/// The maximum number of characters in a cell.
const CELL: usize = 300;
/// The number of characters shown of an id or a digest.
const SHORT: usize = 8;

pub struct Row {
    pub seq: u64,
    pub time: String,
    pub event_type: String,
    /// CSS classes, for the style and for the page's own filter.
    pub classes: String,
    pub outcome: &'static str,
    pub username: Text,
    pub details: Text,
    /// The details with full ids and digests.
    pub full_details: String,
    /// What is unusual about its session.
    pub flag: Option<String>,
    pub session: String,
    pub session_short: String,
    pub origin: Text,
}

/// The rows, newest first.
pub fn rows(records: &[Record], warnings: &[Warning]) -> Vec<Row> {
    let flags: HashMap<u64, String> = warnings
        .iter()
        .map(|warning| (warning.seq, format!("session {}", strange(warning.reason))))
        .collect();
    let rows = records.iter().rev();
    rows.map(|record| row(record, flags.get(&record.seq)))
        .collect()
}

fn row(record: &Record, flag: Option<&String>) -> Row {
    let session = record.session_id.map_or(String::new(), |id| id.to_string());
    let tty = record.tty.as_deref().unwrap_or("no terminal");
    let outcome = record.outcome();
    let details = plain_details(record.details.get());
    let mut classes = outcome.as_str().to_owned();
    if flag.is_some() {
        classes.push_str(" flagged");
    }
    Row {
        seq: record.seq,
        time: second(record.timestamp),
        event_type: record.event_type.to_string(),
        classes,
        outcome: match outcome {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::NonZero => "non-zero",
            other => other.as_str(),
        },
        username: Text::new(record.username.as_deref().unwrap_or("-"), 100),
        details: Text::new(&without_ids(&details), CELL),
        full_details: shown(&details, CELL),
        flag: flag.cloned(),
        session_short: session.chars().take(SHORT).collect(),
        session,
        origin: Text::new(
            &format!(
                "{} {}, uid {}, pid {}",
                shown(&record.host, 64),
                shown(tty, 32),
                record.uid,
                record.pid
            ),
            CELL,
        ),
    }
}

/// `details` with shortened ids, and without the digest of a command line.
fn without_ids(details: &str) -> String {
    let word = |word: &str| match word.split_once('=') {
        Some((key, value)) if is_id(value) => format!("{key}={}…", &value[..SHORT]),
        _ => word.to_owned(),
    };
    let words = details.split(' ');
    let words = words.filter(|word| !word.starts_with("argv_digest="));
    words.map(word).collect::<Vec<_>>().join(" ")
}

/// Whether the value is a UUID or a hexadecimal digest.
fn is_id(value: &str) -> bool {
    matches!(value.len(), 32 | 36 | 64 | 128)
        && value
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut_short_digests_of_commands_left_out_and_the_rest_kept() {
        let digest = "0123456789abcdef".repeat(4);
        let details = format!(
            "exec_id=01970000-0000-7000-8000-000000000001 program=psql argv_digest={digest} key={digest}"
        );
        assert_eq!(
            without_ids(&details),
            "exec_id=01970000… program=psql key=01234567…"
        );
        assert_eq!(without_ids("reason=no_session"), "reason=no_session");
    }
}
