//! A seal: the signature at the end of a line, and the key of the next one.
//!
//! ```text
//! ,"hash":"<64>"}                                                        no seal
//! ,"hash":"<64>","seal":{"key":"<64>","sig":"<128>"}}                    a seal
//! ,"hash":"<64>","seal":{"key":"<64>","segment_key":"<64>","sig":"<128>"}}   of a segment's first line
//! ```
//! All three have a fixed length, so they are found from the end of a line, without parsing JSON.

#[cfg(any(test, fuzzing))]
pub(super) mod properties;

use super::hash::LineHash;
use crate::crypto::labels;
use crate::crypto::sign::{PublicKey, Signature};

const HASH: &[u8] = b",\"hash\":\"";
const KEY: &[u8] = b"\",\"seal\":{\"key\":\"";
const SEGMENT_KEY: &[u8] = b"\",\"segment_key\":\"";
const SIG: &[u8] = b"\",\"sig\":\"";
const UNSEALED_END: &[u8] = b"\"}";
const SEALED_END: &[u8] = b"\"}}";

/// What stands behind the hash of a sealed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// Verifies the next seal: within the segment, or, on a segment's last line, on the first of the
    /// next.
    pub(super) next: PublicKey,
    /// Only on a segment's first line: verifies the seal of the next segment's first line.
    pub(super) next_segment: Option<PublicKey>,
    /// By the key that the seal before names, over [`Seal::message`].
    pub(super) signature: Signature,
}

impl Seal {
    /// What is signed: a label, the line's hash, and the keys that the seal names.
    pub(super) fn message(
        hash: &LineHash,
        next: &PublicKey,
        next_segment: Option<&PublicKey>,
    ) -> Vec<u8> {
        let label = labels::AUDIT_SEAL.as_bytes();
        let mut message = Vec::with_capacity(label.len() + 1 + 3 * 32);
        message.extend_from_slice(label);
        message.push(0);
        message.extend_from_slice(hash.as_bytes());
        message.extend_from_slice(next.as_bytes());
        if let Some(key) = next_segment {
            message.extend_from_slice(key.as_bytes());
        }
        message
    }
}

/// A line in its parts, as far as sealing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// The bytes that the hash is over.
    pub(super) hashed: &'a [u8],
    /// The hash it carries, not checked.
    pub(super) hash: LineHash,
    /// The seal it carries, not checked.
    pub(super) seal: Option<Seal>,
}

impl<'a> Parts<'a> {
    /// Takes a line without its line end apart; `None` when it ends in none of the three ways.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        if !line.ends_with(SEALED_END) {
            let mut rest = line.strip_suffix(UNSEALED_END)?;
            let hash = LineHash::parse(take(&mut rest, 64)?)?;
            return Some(Self {
                hashed: rest.strip_suffix(HASH)?,
                hash,
                seal: None,
            });
        }
        let mut rest = line.strip_suffix(SEALED_END)?;
        let signature = Signature::parse(take(&mut rest, 128)?)?;
        rest = rest.strip_suffix(SIG)?;
        let mut next = PublicKey::parse(take(&mut rest, 64)?)?;
        let mut next_segment = None;
        if let Some(before) = rest.strip_suffix(SEGMENT_KEY) {
            rest = before;
            next_segment = Some(next);
            next = PublicKey::parse(take(&mut rest, 64)?)?;
        }
        rest = rest.strip_suffix(KEY)?;
        let hash = LineHash::parse(take(&mut rest, 64)?)?;
        Some(Self {
            hashed: rest.strip_suffix(HASH)?,
            hash,
            seal: Some(Seal {
                next,
                next_segment,
                signature,
            }),
        })
    }

    /// Whether the hash is that of the bytes.
    pub(super) fn hash_is_right(&self) -> bool {
        LineHash::of(self.hashed) == self.hash
    }

    /// The hash that the line says it continues, which stands last in what is hashed.
    pub(super) fn prev(&self) -> Option<LineHash> {
        let mut rest = self.hashed.strip_suffix(b"\"")?;
        let prev = LineHash::parse(take(&mut rest, 64)?)?;
        rest.ends_with(b",\"prev\":\"").then_some(prev)
    }
}

/// Cuts the last `count` bytes off.
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
            let _ = Parts::of(&bytes);
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
