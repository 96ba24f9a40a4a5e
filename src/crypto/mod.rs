//! The cryptography, all of it, in terms of what it is for: derive, seal, digest.

pub mod kdf;
pub mod labels;
pub mod seal;
pub mod sign;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::memory::{Secret, on_wiped_stack};

/// A 256-bit key.
pub type Key = Secret<32>;

/// Keys as they stand in one sector of a file; wiped when dropped.
pub type KeySector = Secret<512>;

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HMAC-SHA-256 over the length-prefixed `parts`, so that no two lists of parts collide.
pub fn keyed_digest<'a>(key: &Key, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    on_wiped_stack(|| {
        // Not reachable: HMAC takes a key of any length.
        #[allow(clippy::expect_used)]
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("any key length");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The bytes that exactly `2 * N` lower-case hexadecimal digits stand for.
pub fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}
