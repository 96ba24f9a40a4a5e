//! What somebody noted of the log, to hold it against later.

use serde::{Deserialize, Serialize};

use super::Verification;
use super::finding::Problem;
use crate::audit::hash::LineHash;
use crate::audit::line::Link;
use crate::crypto::sign::PublicKey;

/// A point of a log: an event's number and hash, and the log's fingerprint. Kept elsewhere, it shows
/// whether the log was cut or set back to an earlier state, however well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The event's number.
    pub seq: u64,
    /// Its hash.
    pub hash: LineHash,
    pub(super) fingerprint: PublicKey,
}

/// What was given as an anchor or a fingerprint is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnchor {
    /// Not 64 hexadecimal digits.
    #[error("a fingerprint has 64 hexadecimal digits")]
    Fingerprint,
    /// Not what `audit anchor --json` prints.
    #[error("this is not what `nightlatch audit anchor --json` prints")]
    Anchor,
}

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(default = "schema")]
    schema: u64,
    seq: u64,
    hash: String,
    fingerprint: String,
}

const fn schema() -> u64 {
    1
}

impl Anchor {
    pub(in crate::audit) fn new(link: Link, fingerprint: PublicKey) -> Self {
        Self {
            seq: link.seq,
            hash: link.hash,
            fingerprint,
        }
    }

    /// The log's first public key, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.to_string()
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        let form = Form {
            schema: schema(),
            seq: self.seq,
            hash: self.hash.to_string(),
            fingerprint: self.fingerprint(),
        };
        // Not reachable: numbers and strings are always JSON.
        serde_json::to_string(&form).unwrap_or_default()
    }

    /// Reads what [`Anchor::to_json`] gives; keys that later versions add are let stand.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(json: &str) -> Result<Self, BadAnchor> {
        let form: Form = serde_json::from_str(json).map_err(|_| BadAnchor::Anchor)?;
        let hash = LineHash::parse(form.hash.as_bytes());
        let fingerprint = PublicKey::parse(form.fingerprint.as_bytes());
        match (form.schema, hash, fingerprint) {
            (1, Some(hash), Some(fingerprint)) => Ok(Self {
                seq: form.seq,
                hash,
                fingerprint,
            }),
            _ => Err(BadAnchor::Anchor),
        }
    }

    pub(super) fn judge(&self, end: u64, noted: &[Link], result: &mut Verification) {
        let Self { seq, hash, .. } = *self;
        if seq > end {
            result.about_log(Problem::BeforeAnchor { seq });
        } else if result.first_seq.is_some_and(|first| seq < first) {
            result.about_log(Problem::AnchorPruned { seq });
        } else if !noted
            .iter()
            .any(|link| link.seq == seq && link.hash == hash)
        {
            result.about_log(Problem::AnchorMismatch { seq });
        }
    }
}
