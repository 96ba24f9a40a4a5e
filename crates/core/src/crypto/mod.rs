//! All cryptography, by purpose: derive, seal, sign, digest.

mod hex;
pub mod kdf;
mod keys;
pub mod labels;
pub mod seal;
pub mod sealed_for;
pub mod sign;

#[cfg(all(test, target_os = "linux"))]
mod tests;

pub use hex::{are_hex_digits, hex, hex_of_32, unhex};
use hmac_sha256::HMAC;
pub use keys::{AccountKey, SessionKey};
use sha2::{Digest, Sha256};

use crate::memory::{SHALLOW, Secret, on_wiped_stack};

/// A 256-bit key.
pub type Key = Secret<32>;

/// Keys as laid out in one sector of a file; wiped when dropped.
pub type KeySector = Secret<512>;

/// SHA-256, for data that is not secret.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HMAC-SHA-256 over the length-prefixed `parts`, so that two different lists of parts never give
/// the same input.
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
