//! A seal: the signature at the end of a line, and the key for the next one.
//!
//! ```text
//! ,"hash":"<64>"}                                                        no seal
//! ,"hash":"<64>","seal":{"key":"<64>","sig":"<128>"}}                    a seal
//! ,"hash":"<64>","seal":{"key":"<64>","segment_key":"<64>","sig":"<128>"}}   of a segment's first line
//! ```
//! Each of the three has a fixed length, so it can be found from the end of a line, without parsing
//! JSON.

#[cfg(any(test, fuzzing, feature = "test-util"))]
pub(crate) mod properties;

use super::hash::LineHash;
use nightlatch_core::crypto::labels;
use nightlatch_core::crypto::sign::{PublicKey, Signature};

const HASH: &[u8] = b",\"hash\":\"";
const KEY: &[u8] = b"\",\"seal\":{\"key\":\"";
const SEGMENT_KEY: &[u8] = b"\",\"segment_key\":\"";
const SIG: &[u8] = b"\",\"sig\":\"";
const UNSEALED_END: &[u8] = b"\"}";
const SEALED_END: &[u8] = b"\"}}";

/// The seal, after the hash of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// The key for the next seal in the segment; on a segment's last line, the key for the first
    /// line of the next segment.
    pub(super) next: PublicKey,
    /// Only on a segment's first line: the key for the next segment's first line.
    pub(super) next_segment: Option<PublicKey>,
    /// The signature over [`Seal::message`], by the key that the previous seal announced.
    pub(super) signature: Signature,
}

impl Seal {
    /// The signed message: a label, the line's hash, and the keys in the seal.
    pub(super) fn message(
        hash: &LineHash,
        next: &PublicKey,
        next_segment: Option<&PublicKey>,
    ) -> Vec<u8> {
        let mut message = Vec::with_capacity(labels::AUDIT_SEAL.as_bytes().len() + 1 + 3 * 32);
        write_message(&mut message, hash, next, next_segment);
        message
    }

    /// Appends the message that this seal signs, on the line with the hash `hash`, to `out`.
    pub(super) fn write_message(&self, hash: &LineHash, out: &mut Vec<u8>) {
        write_message(out, hash, &self.next, self.next_segment.as_ref());
    }
}

fn write_message(
    out: &mut Vec<u8>,
    hash: &LineHash,
    next: &PublicKey,
    next_segment: Option<&PublicKey>,
) {
    out.extend_from_slice(labels::AUDIT_SEAL.as_bytes());
    out.push(0);
    out.extend_from_slice(hash.as_bytes());
    out.extend_from_slice(next.as_bytes());
    if let Some(key) = next_segment {
        out.extend_from_slice(key.as_bytes());
    }
}

/// The parts of a line that matter for sealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// The hashed bytes.
    pub(super) hashed: &'a [u8],
    /// The hash in the line, unchecked.
    pub(super) hash: LineHash,
    /// The seal in the line, unchecked.
    pub(super) seal: Option<Seal>,
}

impl<'a> Parts<'a> {
    /// Splits a line without its line end; `None` if it has none of the three endings.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        Self::cut(line, |_, digits| LineHash::parse(digits))
    }

    /// Like [`Parts::of`], and also returns whether the hash is correct, which is cheaper than
    /// checking it later.
    pub(super) fn judged(line: &'a [u8]) -> Option<(Self, bool)> {
        let mut is_right = false;
        let parts = Self::cut(line, |hashed, digits| {
            let hash = LineHash::of(hashed);
            is_right = hash.is_spelled(digits);
            if is_right {
                Some(hash)
            } else {
                LineHash::parse(digits)
            }
        })?;
        Some((parts, is_right))
    }

    /// Whether a line has a seal, judged by its last bytes alone.
    pub(super) fn has_seal(line: &[u8]) -> bool {
        line.ends_with(SEALED_END)
    }

    /// Whether a line has a valid ending; the digits of its hash are not examined.
    pub(super) fn ends(line: &'a [u8]) -> bool {
        Self::cut(line, |_, _| Some(LineHash::ZERO)).is_some()
    }

    /// Splits a line; `hash` gets the hashed bytes and the digits, and returns the hash.
    fn cut(line: &'a [u8], hash: impl FnOnce(&[u8], &[u8]) -> Option<LineHash>) -> Option<Self> {
        let (mut rest, seal) = match line.strip_suffix(SEALED_END) {
            Some(sealed) => cut_seal(sealed)?,
            None => (line.strip_suffix(UNSEALED_END)?, None),
        };
        let digits = take(&mut rest, 64)?;
        let hashed = rest.strip_suffix(HASH)?;
        Some(Self {
            hashed,
            hash: hash(hashed, digits)?,
            seal,
        })
    }

    /// Whether the hash matches the bytes.
    pub(super) fn hash_is_right(&self) -> bool {
        LineHash::of(self.hashed) == self.hash
    }

    /// Whether the line's `prev` is `hash`.
    pub(super) fn continues(&self, hash: &LineHash) -> bool {
        self.prev_digits()
            .is_some_and(|digits| hash.is_spelled(digits))
    }

    #[cfg(any(test, fuzzing, feature = "test-util"))]
    /// The line's `prev`, which is at the end of the hashed bytes.
    pub(super) fn prev(&self) -> Option<LineHash> {
        LineHash::parse(self.prev_digits()?)
    }

    fn prev_digits(&self) -> Option<&'a [u8]> {
        let mut rest = self.hashed.strip_suffix(b"\"")?;
        let digits = take(&mut rest, 64)?;
        rest.ends_with(b",\"prev\":\"").then_some(digits)
    }
}

/// Removes the seal, whose closing part is already removed, up to the digits of the hash.
fn cut_seal(sealed: &[u8]) -> Option<(&[u8], Option<Seal>)> {
    let mut rest = sealed;
    let signature = Signature::parse(take(&mut rest, 128)?)?;
    rest = rest.strip_suffix(SIG)?;
    let mut next = PublicKey::parse(take(&mut rest, 64)?)?;
    let mut next_segment = None;
    if let Some(before) = rest.strip_suffix(SEGMENT_KEY) {
        rest = before;
        next_segment = Some(next);
        next = PublicKey::parse(take(&mut rest, 64)?)?;
    }
    let seal = Seal {
        next,
        next_segment,
        signature,
    };
    Some((rest.strip_suffix(KEY)?, Some(seal)))
}

/// Removes and returns the last `count` bytes.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (before, last) = rest.split_at_checked(rest.len().checked_sub(count)?)?;
    *rest = before;
    Some(last)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_taking_apart_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            end in prop_oneof![Just(""), Just("\"}"), Just("\"}}")],
        ) {
            let mut bytes = bytes;
            bytes.extend_from_slice(end.as_bytes());
            let _ = Parts::judged(&bytes);
        }

        /// The two ways to check a line, in appending and in verifying, must agree.
        #[test]
        fn judging_a_line_at_once_says_what_taking_it_apart_and_hashing_say(
            text in "[a-z]{0,80}",
            digits in "[0-9a-f]{64}|[0-9a-fA-Fx]{64}",
            is_honest: bool,
        ) {
            let body = format!("{{\"a\":\"{text}\",\"prev\":\"{digits}\"");
            let hash = if is_honest { LineHash::of(body.as_bytes()).to_string() } else { digits };
            let line = format!("{body},\"hash\":\"{hash}\"}}");
            let judged = Parts::judged(line.as_bytes());
            let apart = Parts::of(line.as_bytes()).map(|parts| (parts, parts.hash_is_right()));
            prop_assert_eq!(&judged, &apart);
            prop_assert!(!is_honest || judged.is_some_and(|(_, is_right)| is_right));
            if let Some((parts, _)) = judged {
                for hash in [parts.hash, LineHash::ZERO] {
                    prop_assert_eq!(parts.continues(&hash), parts.prev() == Some(hash));
                }
            }
        }

        #[test]
        fn hexadecimal_of_any_length_is_taken_apart_only_in_its_places(
            digits in "[0-9a-f]{0,140}",
            more in "[0-9a-f]{60,68}",
        ) {
            let line = format!("{{\"a\":1,\"hash\":\"{more}\",\"seal\":{{\"key\":\"{more}\",\"sig\":\"{digits}\"}}}}");
            prop_assert_eq!(Parts::of(line.as_bytes()).is_some(), more.len() == 64 && digits.len() == 128);
        }
    }
}
