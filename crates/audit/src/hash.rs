//! The hash that chains the lines.

use std::fmt;

use super::forms::written;
use nightlatch_core::crypto::{hex, hex_of_32, sha256, unhex};

/// The hash of a line, which the next one carries as `prev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// `prev` of a log's first line.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of a line's hashed bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    /// From its bytes.
    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `text` is this hash in hexadecimal; cheaper than parsing `text`.
    pub(super) fn is_spelled(&self, text: &[u8]) -> bool {
        hex_of_32(&self.0)[..] == *text
    }

    /// From 64 lower-case hexadecimal digits.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        unhex(text).map(Self)
    }
}

written!(LineHash, |text| Self::parse(text.as_bytes()));

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_from_its_one_spelling_only() {
        let hash = LineHash::of(b"x");
        assert_eq!(LineHash::parse(hash.to_string().as_bytes()), Some(hash));
        assert!(hash.is_spelled(hash.to_string().as_bytes()));
        assert!(!hash.is_spelled(hash.to_string().to_uppercase().as_bytes()));
        assert!(!hash.is_spelled(&hash.to_string().as_bytes()[1..]));
        assert_eq!(
            LineHash::parse(hash.to_string().to_uppercase().as_bytes()),
            None
        );
        assert_eq!(LineHash::parse(&hash.to_string().as_bytes()[1..]), None);
    }
}
