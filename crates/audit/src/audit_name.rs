//! Whom an event may name.

use super::text::bounded;
use nightlatch_core::crypto::hex;

/// What stands in `username` for a sign-in name that is no account's.
pub const UNKNOWN_NAME: &str = "(unknown)";

/// The longest email written, in characters; longer than any there can be (RFC 5321: 254).
const EMAIL_LENGTH: usize = 320;

/// Whom an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditName(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Known(String),
    Unknown { tag: String },
}

impl AuditName {
    /// An account's email, normalized.
    pub fn known(email: &str) -> Self {
        Self(Name::Known(bounded(email, EMAIL_LENGTH)))
    }

    /// A name that is no account's, of which the log keeps only the first 16 hexadecimal digits of
    /// a keyed digest: people type passwords where a name belongs. `digest` must be keyed.
    pub fn unknown(digest: &[u8; 16]) -> Self {
        Self(Name::Unknown {
            tag: hex(&digest[..8]),
        })
    }

    /// What the log has in `username`.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(email) => email,
            Name::Unknown { .. } => UNKNOWN_NAME,
        }
    }

    /// The digits of the digest.
    pub(super) fn tag(&self) -> Option<&str> {
        match &self.0 {
            Name::Known(_) => None,
            Name::Unknown { tag } => Some(tag),
        }
    }
}
