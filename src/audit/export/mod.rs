//! Records in the forms that other programs take, one JSON object a line (docs/export.md).
//!
//! Nothing is made up: what the line does not say is left out. Every object carries the number and
//! the hash of its line, by which it is matched to the sealed log.

mod ecs;
mod ocsf;
mod sentence;

use std::borrow::Cow;

use serde::Deserialize;

use super::event::UNKNOWN_NAME;
use super::record::Record;

/// What our records say of their maker.
const PRODUCT: &str = "nightlatch";

/// A form to export records in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// The log's own lines, to the byte.
    Jsonl,
    /// Open Cybersecurity Schema Framework 1.3.0.
    Ocsf,
    /// Elastic Common Schema 8.17.0.
    Ecs,
}

impl ExportFormat {
    /// Appends `record` and a line end to `out`. `fingerprint` is that of the log the record is from,
    /// where it is known; the log's own lines go out without it.
    pub fn append(self, out: &mut Vec<u8>, record: &Record, fingerprint: Option<&str>) {
        match self {
            Self::Jsonl => out.extend_from_slice(record.raw.as_bytes()),
            Self::Ocsf => ocsf::append(out, record, fingerprint),
            Self::Ecs => ecs::append(out, record, fingerprint),
        }
        out.push(b'\n');
    }
}

/// What the details say that other schemas have a place for.
#[derive(Default, Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    exec_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    program: Option<Cow<'a, str>>,
    #[serde(borrow)]
    segment: Option<Cow<'a, str>>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    duration_ms: Option<u64>,
}

impl<'a> Said<'a> {
    /// Details that are not of the catalogue's form, in a log that was tampered with, say nothing.
    fn of(record: &'a Record) -> Self {
        serde_json::from_str(record.details.get()).unwrap_or_default()
    }
}

/// The email in a line's `username`; `None` when it names no account.
fn email(record: &Record) -> Option<&str> {
    record
        .username
        .as_deref()
        .filter(|&name| name != UNKNOWN_NAME)
}
