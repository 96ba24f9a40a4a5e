//! The names of accounts in events.

use std::fmt;

use super::forms::written;
use super::text::bounded;
use nightlatch_core::crypto::{hex, unhex};

/// The `username` of an event about a sign-in name that belongs to no account.
pub const UNKNOWN_NAME: &str = "(unknown)";

/// The longest email written, in characters; more than an email can have (RFC 5321: 254).
const EMAIL_LENGTH: usize = 320;

/// The account or name that an event is about.
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

    /// A name that belongs to no account. The log keeps only the first 16 hexadecimal digits of a
    /// keyed digest, because people type passwords into name fields. `digest` must be keyed.
    pub fn unknown(digest: &[u8; 16]) -> Self {
        Self(Name::Unknown {
            tag: hex(&digest[..8]),
        })
    }

    /// The value of `username` in the log.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(email) => email,
            Name::Unknown { .. } => UNKNOWN_NAME,
        }
    }

    /// The unknown name with these digits; `None` if they are none.
    pub(super) fn from_tag(tag: &str) -> Option<Self> {
        let tag = hex(&unhex::<8>(tag.as_bytes())?);
        Some(Self(Name::Unknown { tag }))
    }

    /// The digits of the digest.
    pub(super) fn tag(&self) -> Option<&str> {
        match &self.0 {
            Name::Known(_) => None,
            Name::Unknown { tag } => Some(tag),
        }
    }
}

impl fmt::Display for AuditName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

written!(AuditName, |text| {
    (bounded(text, EMAIL_LENGTH) == text).then(|| Self(Name::Known(text.to_owned())))
});
