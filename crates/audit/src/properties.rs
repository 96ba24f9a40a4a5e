//! Properties of reading that hold for any bytes in place of the log; see `nightlatch::fuzz`.

use std::io::Read;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::audit_name::AuditName;
use super::canonical::properties::audit_canonical;
use super::csv::write_csv_record;
use super::details::Details;
use super::event::Event;
use super::event_source::Origin;
use super::hash::LineHash;
use super::line::{LINE_LIMIT, Line, Link};
use super::line_writer::{self, Stamp};
use super::query::properties::found_by_what_it_says;
use super::reader::{Found, Lines};
use super::record::Record;
use super::seal::Parts;
use super::text::Action;
use nightlatch_core::clock::Timestamp;

pub use super::seal::properties::seal_parts;
pub use super::sealer::properties::seal_state;
pub use super::verify::properties::{audit_anchor, audit_directory};

/// Lines whose hashes are known to be correct.
const GENUINE: &str = include_str!("../tests/vectors/log/audit/0000000000000001.jsonl");

/// Line ends alone separate lines. An accepted line reads back, renders as one row, and has the
/// contents that its hash was computed over. An event with any text is written as one line that
/// verifies and is found.
pub fn audit_line(bytes: &[u8]) -> bool {
    written(&String::from_utf8_lossy(bytes));
    read_in_lines(bytes);
    // Check every part; the property must not stop at the first one that fails to parse.
    bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| judge(line))
        .count()
        > 0
}

/// Returns few bytes per read, to exercise every state between two reads.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let few = into.len().min(if self.0.len() > 4096 { 4096 } else { 7 });
        self.0.read(&mut into[..few])
    }
}

fn read_in_lines(bytes: &[u8]) {
    let mut lines = Lines::new(Trickle(bytes));
    let mut rest = bytes;
    while let Ok(Some(found)) = lines.next_line() {
        let end = rest.iter().position(|&byte| byte == b'\n');
        let Some((line, after)) = end.map(|end| (&rest[..end], &rest[end + 1..])) else {
            unreachable!("a line without an end was given")
        };
        let expected = if line.len() < LINE_LIMIT {
            Found::Line(line)
        } else {
            Found::TooLong
        };
        assert_eq!(found, expected);
        rest = after;
    }
    assert!(!rest.contains(&b'\n'), "a line was left out");
    assert_eq!(lines.consumed(), (bytes.len() - rest.len()) as u64);
    assert_eq!(lines.ends_torn(), !rest.is_empty());
}

fn judge(line: &[u8]) -> bool {
    audit_canonical(line);
    let judged = Parts::judged(line);
    let carried = Line::parse(line).and_then(|read| read.link());
    let Some(record) = Record::parse(line) else {
        return false;
    };
    let (seq, hash) = (record.seq, record.hash);
    assert_eq!(carried, Some(Link { seq, hash }));
    assert_eq!(record.raw.as_bytes(), line);
    for hash in [record.prev, record.hash] {
        assert_eq!(LineHash::parse(hash.to_string().as_bytes()), Some(hash));
    }
    // As `audit --json` prints it: the whole line, as JSON.
    let shown = serde_json::from_str::<&RawValue>(&record.raw).map(RawValue::get);
    assert_eq!(shown.ok(), Some(record.raw.trim()));
    check_row(&record);
    if let Some((parts, true)) = judged {
        assert_eq!(parts.hash, record.hash);
        says_what_was_hashed(&record);
    }
    true
}

/// No line with the hash of a genuine one has other contents.
fn says_what_was_hashed(record: &Record) {
    let said = |record: &Record| {
        let details = record.details.get().to_owned();
        let names = (record.id.clone(), record.username.clone(), details);
        let place = (
            record.host.clone(),
            record.uid,
            record.pid,
            record.tty.clone(),
        );
        let what = (record.event_type.clone(), record.session_id, record.success);
        (
            record.seq,
            record.timestamp,
            what,
            names,
            place,
            record.prev,
        )
    };
    for genuine in GENUINE
        .lines()
        .filter_map(|line| Record::parse(line.as_bytes()))
    {
        if genuine.hash == record.hash {
            assert_eq!(said(record), said(&genuine));
        }
    }
}

/// The CSV row is a single row with one field per column. The fields have the record's values,
/// except for added apostrophes, and no cell in them can begin as a formula, wherever a spreadsheet
/// splits cells.
fn check_row(record: &Record) {
    let mut row = Vec::new();
    assert!(write_csv_record(&mut row, record).is_ok());
    let row = String::from_utf8_lossy(&row);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let expected = [
        record.seq.to_string(),
        record.timestamp.to_rfc3339(),
        record.event_type.to_string(),
        text(record.username.as_deref()),
        record
            .session_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        record.success.to_string(),
        text(Some(record.details.get())),
        text(Some(&record.host)),
        record.uid.to_string(),
        record.pid.to_string(),
        text(record.tty.as_deref()),
        text(Some(&record.id)),
        record.prev.to_string(),
        record.hash.to_string(),
    ];
    let fields = fields_of(&row).unwrap_or_default();
    let plain = |fields: &[String]| fields.iter().map(|field| field.replace('\'', "")).collect();
    let (found, expected): (Vec<_>, Vec<_>) = (plain(&fields), plain(&expected));
    assert_eq!(found, expected, "{row}");
    for field in fields {
        for cell in field.split([';', '\t', '\r', '\n']) {
            let start = cell.trim_start_matches([' ', '"']);
            assert!(!start.starts_with(['=', '+', '-', '@']), "{row}");
        }
    }
}

/// The fields of a row by RFC 4180; `None` if it is not exactly one row.
fn fields_of(row: &str) -> Option<Vec<String>> {
    let mut rest = row.strip_suffix("\r\n")?;
    let mut fields = Vec::new();
    loop {
        let mut field = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut parts = quoted;
            loop {
                let end = parts.find('"')?;
                field.push_str(&parts[..end]);
                parts = &parts[end + 1..];
                let Some(after) = parts.strip_prefix('"') else {
                    break;
                };
                field.push('"');
                parts = after;
            }
            rest = parts;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if rest[..end].contains(['"', '\r', '\n']) {
                return None;
            }
            field.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(field);
        if rest.is_empty() {
            return Some(fields);
        }
        rest = rest.strip_prefix(',')?;
    }
}

fn written(text: &str) {
    let origin = Origin::new(text, 1000, 4242, Some(text));
    let stamp = Stamp {
        origin: &origin,
        timestamp: Timestamp::from_unix_nanos(1_763_682_067_123_456_789),
        id: Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0001),
    };
    // An email is no longer than this.
    let name: String = text.chars().take(64).collect();
    let event = Event::new(Details::SessionValidated {
        action: Action::new(text),
    })
    .about(AuditName::known(&name));
    let mut out = Vec::new();
    let next = line_writer::write(&mut out, Link::GENESIS, &event, &stamp, |_| None);
    let Some((b'\n', line)) = out.split_last() else {
        unreachable!("a line without an end was written")
    };
    assert!(out.len() < LINE_LIMIT && !line.contains(&b'\n'));
    let judged = Parts::judged(line).map(|(parts, is_right)| (parts.hash, is_right));
    assert_eq!(judged, Some((next.hash, true)));
    assert_eq!(Line::parse(line).and_then(|read| read.link()), Some(next));
    assert!(judge(line));
    assert!(found_by_what_it_says(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_one_row_is_told() {
        let fields = |row| fields_of(row).map(|fields| fields.join("|"));
        assert_eq!(fields("a,\"b\"\"c\",\r\n").as_deref(), Some("a|b\"c|"));
        for bad in ["a", "a\nb\r\n", "\"a\r\n", "\"a\"b\r\n", "a\"b\r\n"] {
            assert_eq!(fields(bad), None, "{bad:?}");
        }
    }
}
