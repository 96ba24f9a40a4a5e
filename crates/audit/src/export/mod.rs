//! Records in the forms that other programs take, one JSON object a line (docs/export.md).
//!
//! Nothing is made up: what the line does not say is left out. Every object carries the number and
//! the hash of its line, by which it is matched to the sealed log.

mod ecs;
mod ocsf;
mod said;
mod sentence;

use super::record::Record;

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
