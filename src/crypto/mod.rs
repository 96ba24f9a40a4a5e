//! The cryptography, all of it, in terms of what it is for: derive, seal, digest.

pub mod kdf;
pub mod labels;
pub mod seal;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::memory::{Secret, on_wiped_stack};

/// A 256-bit key.
pub type Key = Secret<32>;

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
