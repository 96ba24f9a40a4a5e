//! Parses the details of the records that rules of the log rely on.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::hash::LineHash;
use super::hold::{HoldName, HoldReason};
use super::line::Link;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sign::PublicKey;

/// The details of a SEGMENT_OPENED that rules are about, each `None` if it is malformed.
#[derive(Clone, Debug)]
pub(super) struct OpenedDetails {
    /// The name of the segment's file.
    pub(super) segment: Option<String>,
    /// The log's first public key.
    pub(super) fingerprint: Option<PublicKey>,
    /// The key that verifies the line's seal.
    pub(super) key: Option<PublicKey>,
}

impl OpenedDetails {
    /// Parses the `details` of a SEGMENT_OPENED.
    pub(super) fn parse(details: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Form {
            segment: Option<Value>,
            fingerprint: Option<Value>,
            key: Option<Value>,
        }
        let form: Form = serde_json::from_slice(details).unwrap_or_default();
        let key = |value: Option<Value>| PublicKey::parse(value?.as_str()?.as_bytes());
        let name = |value: Value| value.as_str().map(ToOwned::to_owned);
        Self {
            segment: form.segment.and_then(name),
            fingerprint: key(form.fingerprint),
            key: key(form.key),
        }
    }
}

/// The details of an AUDIT_PRUNED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub from: Timestamp,
    /// When the last removed segment was closed: the time of the next segment's first line.
    pub to: Timestamp,
    /// The retention in force, in whole seconds.
    pub retention: Duration,
}

impl PrunedDetails {
    /// Parses the `details` of an AUDIT_PRUNED; `None` if a key is missing or malformed.
    pub(super) fn parse(details: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Form<'a> {
            segments: u64,
            first_seq: u64,
            last_seq: u64,
            last_hash: &'a str,
            from: &'a str,
            to: &'a str,
            retention_seconds: u64,
        }
        let form: Form<'_> = serde_json::from_str(details).ok()?;
        Some(Self {
            segments: form.segments,
            first_seq: form.first_seq,
            last_seq: form.last_seq,
            last_hash: LineHash::parse(form.last_hash.as_bytes())?,
            from: time(form.from)?,
            to: time(form.to)?,
            retention: Duration::from_secs(form.retention_seconds),
        })
    }

    /// The last removed line.
    pub(super) fn last(&self) -> Link {
        Link {
            seq: self.last_seq,
            hash: self.last_hash,
        }
    }
}

/// The details of an AUDIT_HOLD_ADDED or AUDIT_HOLD_REMOVED.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HoldDetails {
    pub(super) name: HoldName,
    /// Only when a hold was added.
    pub(super) reason: Option<HoldReason>,
}

impl HoldDetails {
    /// Parses the `details` of either record; `None` if a key is missing or malformed.
    pub(super) fn parse(details: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Form {
            hold: String,
            reason: Option<String>,
        }
        let form: Form = serde_json::from_str(details).ok()?;
        Some(Self {
            name: form.hold.parse().ok()?,
            reason: form.reason.map(|reason| reason.parse()).transpose().ok()?,
        })
    }
}

/// Parses a time in the log's format.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).filter(|time| time.to_rfc3339() == text)
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

    #[test]
    fn a_hold_reads_back_with_and_without_its_reason() {
        let read = HoldDetails::parse(r#"{"hold":"case-7","reason":"lawsuit"}"#).unwrap();
        assert_eq!(read.name.as_str(), "case-7");
        assert_eq!(read.reason.unwrap().as_str(), "lawsuit");
        assert!(
            HoldDetails::parse(r#"{"hold":"case-7"}"#).is_some_and(|read| read.reason.is_none())
        );
        assert_eq!(HoldDetails::parse(r#"{"hold":"case 7"}"#), None);
        assert_eq!(HoldDetails::parse(r#"{"reason":"lawsuit"}"#), None);
    }
}
