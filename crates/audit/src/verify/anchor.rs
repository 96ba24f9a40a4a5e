//! An anchor: a point of the log, noted to compare the log with later.

use serde::{Deserialize, Serialize};

use crate::hash::LineHash;
use crate::line::Link;
use nightlatch_core::crypto::sign::PublicKey;

/// A point of a log: an event's number and hash, and the log's fingerprint. An anchor that is kept
/// elsewhere shows whether the log was truncated or replaced with an earlier state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The event's number.
    pub seq: u64,
    /// Its hash.
    pub hash: LineHash,
    pub(super) fingerprint: PublicKey,
}

/// The input is not an anchor or a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadAnchor {
    /// Not 64 hexadecimal digits.
    #[error("a fingerprint has 64 hexadecimal digits")]
    Fingerprint,
    /// Not in the form that `audit anchor --json` prints.
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
    pub(crate) fn new(link: Link, fingerprint: PublicKey) -> Self {
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

    /// The anchor as one line of JSON.
    pub fn to_json(&self) -> String {
        let form = Form {
            schema: schema(),
            seq: self.seq,
            hash: self.hash.to_string(),
            fingerprint: self.fingerprint(),
        };
        // Unreachable: numbers and strings always serialize.
        serde_json::to_string(&form).unwrap_or_default()
    }

    /// Parses the output of [`Anchor::to_json`]. Unknown keys, which later versions may add, are
    /// ignored.
    ///
    /// # Errors
    /// When the line is not in that form.
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

    /// Finds the anchors in a line of a system log or of JSON, with any text around them: `seq`,
    /// `hash` and `fingerprint` with their values, in this order, with only punctuation between
    /// them.
    pub(super) fn all_in(line: &[u8]) -> impl Iterator<Item = Self> {
        let starts = memchr::memmem::find_iter(line, b"seq");
        starts.filter_map(|at| {
            let is_word = at == 0 || !is_word(line[at - 1]);
            let mut rest = Rest(&line[at + 3..]);
            let seq = rest.value(16, u8::is_ascii_digit).filter(|_| is_word)?;
            let hash = rest.word(b"hash")?.value(64, is_hex)?;
            let fingerprint = rest.word(b"fingerprint")?.value(64, is_hex)?;
            Some(Self {
                seq: std::str::from_utf8(seq).ok()?.parse().ok()?,
                hash: LineHash::parse(hash)?,
                fingerprint: PublicKey::parse(fingerprint)?,
            })
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that iterators over bytes need
fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Whether the byte is part of a word. Bytes outside ASCII are not: a system log may contain any.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The rest of a line that is searched for an anchor.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Skips the punctuation before a word; at least one byte is required.
    fn punctuation(&mut self) -> Option<()> {
        let count = self.0.iter().take_while(|&&byte| !is_word(byte)).count();
        self.0 = &self.0[count..];
        (count > 0).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<&mut Self> {
        self.punctuation()?;
        self.0 = self.0.strip_prefix(word)?;
        Some(self)
    }

    /// Takes a word of 1 to `most` bytes, for all of which `is_of_value` must hold.
    fn value(&mut self, most: usize, is_of_value: impl Fn(&u8) -> bool) -> Option<&'a [u8]> {
        self.punctuation()?;
        let length = self.0.iter().take_while(|&&byte| is_word(byte)).count();
        let (value, rest) = self.0.split_at(length);
        self.0 = rest;
        (1..=most).contains(&length).then_some(value)?;
        value.iter().all(is_of_value).then_some(value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn anchor() -> Anchor {
        let link = Link {
            seq: 42,
            hash: LineHash::of(b"line"),
        };
        Anchor::new(link, PublicKey::from_bytes([0xab; 32]))
    }

    #[test]
    fn an_anchor_is_found_in_a_line_as_it_stands_in_a_system_log() {
        let anchor = anchor();
        let text = format!(
            "seq=42 hash={} fingerprint={}",
            anchor.hash,
            anchor.fingerprint()
        );
        let json = anchor.to_json();
        let good = [
            json.clone(),
            json.replace(':', ": "),
            format!("Nov 28 10:00:00 ws1 nightlatch[4242]: audit anchor {text}"),
            format!("2026-11-28T10:00:00.123456+00:00 ws1 nightlatch[4242]: audit anchor {text}"),
            format!("<86>nightlatch[4242]: audit anchor {text}\r"),
            format!("{{\"MESSAGE\":\"audit anchor {text}\",\"PRIORITY\":\"6\"}}"),
            format!("seq=1 of something else, then audit anchor {text}."),
        ];
        for line in good {
            let found: Vec<_> = Anchor::all_in(line.as_bytes()).collect();
            assert_eq!(found, std::slice::from_ref(&anchor), "{line}");
            let twice = format!("{line} {line}");
            assert_eq!(Anchor::all_in(twice.as_bytes()).count(), 2, "{twice}");
        }
        let bad = [
            String::new(),
            "seq".to_owned(),
            text.replace("seq=", "xseq="),
            text.replace("seq=42", "seq=4x"),
            text.replace("seq=42", "seq=12345678901234567"),
            text.replace("hash=", "hash=0"),
            text.replace("fingerprint=ab", "fingerprint=AB"),
            format!("{text}0"),
            text.replace(" hash", " and hash"),
        ];
        for line in bad {
            assert_eq!(Anchor::all_in(line.as_bytes()).next(), None, "{line}");
        }
    }
}
