//! Exports records in the formats of other programs, one JSON object per line (docs/export.md).
//!
//! Nothing is invented: a value that the line does not have is left out. Every object has the
//! number and the hash of its line, so that it can be matched to the sealed log.

mod common;
mod ecs;
mod ocsf;
mod sentence;

use super::record::Record;

/// An export format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// The log's own lines, byte for byte.
    Jsonl,
    /// Open Cybersecurity Schema Framework 1.3.0.
    Ocsf,
    /// Elastic Common Schema 8.17.0.
    Ecs,
}

impl ExportFormat {
    /// Appends `record` and a line end to `out`. `fingerprint` is that of the record's log, if
    /// known; the log's own lines do not include it.
    pub fn append(self, out: &mut Vec<u8>, record: &Record, fingerprint: Option<&str>) {
        match self {
            Self::Jsonl => out.extend_from_slice(record.raw.as_bytes()),
            Self::Ocsf => ocsf::append(out, record, fingerprint),
            Self::Ecs => ecs::append(out, record, fingerprint),
        }
        out.push(b'\n');
    }
}
