//! The details that rules of the log rely on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::forms::{lenient, seconds, string};
use super::hash::LineHash;
use super::line::Link;
use super::segment::SegmentName;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sign::PublicKey;

/// The details of a SEGMENT_OPENED that rules are about, each `None` if it is malformed: the other
/// rules still apply then.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct OpenedDetails {
    /// The name of the segment's file.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) segment: Option<SegmentName>,
    /// The log's first public key.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) fingerprint: Option<PublicKey>,
    /// The key that verifies the line's seal.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) key: Option<PublicKey>,
}

impl OpenedDetails {
    /// Parses the `details` of a SEGMENT_OPENED.
    pub(super) fn parse(details: &[u8]) -> Self {
        serde_json::from_slice(details).unwrap_or_default()
    }
}

/// The details of an AUDIT_PRUNED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PrunedDetails {
    /// How many segments were removed.
    pub segments: u64,
    /// The number of the first removed event.
    pub first_seq: u64,
    /// The number of the last removed event.
    pub last_seq: u64,
    /// The hash of that event's line, which the first remaining line continues.
    pub last_hash: LineHash,
    /// The time of the first removed event.
    #[serde(with = "string")]
    pub from: Timestamp,
    /// When the last removed segment was closed: the time of the next segment's first line.
    #[serde(with = "string")]
    pub to: Timestamp,
    /// The retention in force, in whole seconds.
    #[serde(rename = "retention_seconds", with = "seconds")]
    pub retention: Duration,
}

impl PrunedDetails {
    /// Parses the `details` of an AUDIT_PRUNED; `None` if a key is missing or malformed.
    pub(super) fn parse(details: &str) -> Option<Self> {
        serde_json::from_str(details).ok()
    }

    /// The last removed line.
    pub(super) fn last(&self) -> Link {
        Link {
            seq: self.last_seq,
            hash: self.last_hash,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PRUNED: &str = r#"{"segments":2,"first_seq":1,"last_seq":9,"last_hash":"HASH","from":"2026-01-01T10:00:00.000001Z","to":"2026-01-03T00:00:00.000000Z","retention_seconds":7776000}"#;

    fn pruned(from: &str, to: &str) -> Option<PrunedDetails> {
        let text = PRUNED.replace("HASH", &"ab".repeat(32)).replace(from, to);
        PrunedDetails::parse(&text)
    }

    #[test]
    fn a_removal_reads_back_and_one_of_another_form_does_not() {
        let read = pruned("", "").unwrap();
        assert_eq!((read.segments, read.first_seq, read.last_seq), (2, 1, 9));
        assert_eq!(read.last_hash.to_string(), "ab".repeat(32));
        assert_eq!(read.from.to_rfc3339(), "2026-01-01T10:00:00.000001Z");
        assert_eq!(read.to.to_rfc3339(), "2026-01-03T00:00:00.000000Z");
        assert_eq!(read.retention, Duration::from_secs(7_776_000));
        // A later version may add keys.
        assert!(pruned("}", ",\"more\":1}").is_some());
        for (from, to) in [
            (",\"retention_seconds\":7776000", ""),
            ("\"last_seq\":9", "\"last_seq\":-9"),
            ("000001Z", "000001+00:00"),
            ("00.000000Z", "00Z"),
            ("abab", "ABAB"),
        ] {
            assert_eq!(pruned(from, to), None, "{to}");
        }
    }
}
