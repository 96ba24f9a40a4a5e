//! The cryptography, all of it, in terms of what it is for: derive, seal, digest.

pub mod kdf;
pub mod labels;
mod portable;
pub mod seal;
pub mod sign;

#[cfg(all(test, target_os = "linux"))]
mod tests;

use hmac_sha256::HMAC;
pub use portable::Portable;
use sha2::{Digest, Sha256};

use crate::memory::{SHALLOW, Secret, on_wiped_stack};

/// A 256-bit key.
pub type Key = Secret<32>;

/// Keys as they stand in one sector of a file; wiped when dropped.
pub type KeySector = Secret<512>;

/// SHA-256, of what is no secret.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    static PORTABLE: Portable = Portable::first(8 * 1024);
    if PORTABLE.covers(bytes.len()) {
        hmac_sha256::Hash::hash(bytes)
    } else {
        Sha256::digest(bytes).into()
    }
}

/// HMAC-SHA-256 over the length-prefixed `parts`, so that no two lists of parts collide.
pub fn keyed_digest<'a>(key: &Key, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    on_wiped_stack::<SHALLOW, _>(|| {
        let mut mac = HMAC::new(key.expose());
        for part in parts {
            mac.update((part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize()
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .copied()
        .flat_map(digits)
        .map(char::from)
        .collect()
}

/// The same of 32 bytes, without a string: every line of a log that is verified needs it.
pub fn hex_of_32(bytes: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, &byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = digits(byte);
    }
    text
}

/// Without branches or tables, so that the compiler does many at once.
fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|value| value + b'0' + u8::from(value > 9) * (b'a' - b'0' - 10))
}

/// The bytes that exactly `2 * N` lower-case hexadecimal digits stand for.
pub fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    // Without branches, so that the compiler does many digits at once: every line has 128 of them.
    let mut are_digits = 1;
    let mut value = |digit: u8| {
        let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        are_digits &= u8::from(number < 10) | u8::from(letter < 6);
        if number < 10 {
            number
        } else {
            letter.wrapping_add(10)
        }
    };
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = value(pair[0]) << 4 | value(pair[1]) & 0xf;
    }
    (are_digits == 1).then_some(bytes)
}
