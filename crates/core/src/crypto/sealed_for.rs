//! Sealing a key for the owner of a secret that is not at hand: X25519 (RFC 7748) with a key pair of
//! one use, HKDF-SHA-256 and AES-256-GCM.

use curve25519_dalek::montgomery::MontgomeryPoint;

use super::Key;
use super::kdf::derive;
use super::labels::Label;
use super::seal::{self, DoesNotOpen, NONCE_LENGTH, TAG_LENGTH};
use crate::memory::{DEEP, on_wiped_stack};

/// Each key seals one text, so its nonce need not differ.
const NONCE: [u8; NONCE_LENGTH] = [0; NONCE_LENGTH];

/// The secret that opens what was sealed for its public key.
pub struct SecretKey(Key);

/// The key for which something is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A key, sealed for a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // whoever stores it has every part
pub struct SealedFor {
    /// The public key of the pair of one use.
    pub ephemeral: [u8; 32],
    /// The encrypted key.
    pub text: [u8; 32],
    /// Tag of the seal.
    pub tag: [u8; TAG_LENGTH],
}

impl SecretKey {
    /// From 32 secret bytes.
    pub fn from_seed(seed: Key) -> Self {
        Self(seed)
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        let secret = &self.0;
        on_wiped_stack::<DEEP, _>(|| {
            PublicKey(MontgomeryPoint::mul_base_clamped(*secret.expose()).to_bytes())
        })
    }

    /// Opens what was sealed for this key's public key.
    ///
    /// # Errors
    /// When it was sealed for another key, for another purpose or with other `associated` data, or
    /// was changed.
    pub fn open(
        &self,
        sealed: &SealedFor,
        label: Label,
        associated: &[u8],
    ) -> Result<Key, DoesNotOpen> {
        let wrap = agree(
            &self.0,
            &sealed.ephemeral,
            label,
            &sealed.ephemeral,
            &self.public(),
        );
        let mut key = Key::init_with(|bytes| bytes.copy_from_slice(&sealed.text));
        seal::open(&wrap, &NONCE, associated, key.expose_mut(), &sealed.tag)?;
        Ok(key)
    }
}

impl PublicKey {
    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `key` so that only the owner of the secret key can open it, with the same label and
    /// `associated` data.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn seal(
        &self,
        key: &Key,
        label: Label,
        associated: &[u8],
    ) -> Result<SealedFor, getrandom::Error> {
        let once = SecretKey(Key::random()?);
        Ok(self.seal_with(&once, key, label, associated))
    }

    fn seal_with(&self, once: &SecretKey, key: &Key, label: Label, associated: &[u8]) -> SealedFor {
        let ephemeral = *once.public().as_bytes();
        let wrap = agree(&once.0, &self.0, label, &ephemeral, self);
        let mut key = Key::init_with(|bytes| bytes.copy_from_slice(key.expose()));
        let tag = seal::seal(&wrap, &NONCE, associated, key.expose_mut());
        SealedFor {
            ephemeral,
            text: *key.expose(), // already encrypted
            tag,
        }
    }
}

/// The key on which the owner of `secret` agrees with the owner of `other`. Both public keys are
/// part of it, so a point of low order, on which everybody agrees, opens nothing that was sealed for
/// a real key.
fn agree(
    secret: &Key,
    other: &[u8; 32],
    label: Label,
    ephemeral: &[u8; 32],
    recipient: &PublicKey,
) -> Key {
    let shared = shared(secret, other);
    derive(&shared, label, &[*ephemeral, recipient.0].concat())
}

pub(super) fn shared(secret: &Key, other: &[u8; 32]) -> Key {
    let mut shared = Key::zeroed();
    on_wiped_stack::<DEEP, _>(|| {
        let point = MontgomeryPoint(*other).mul_clamped(*secret.expose());
        shared.expose_mut().copy_from_slice(point.as_bytes());
    });
    shared
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::{hex, labels};

    fn secret(byte: u8) -> SecretKey {
        SecretKey(Key::init_with(|bytes| bytes.fill(byte)))
    }

    #[test]
    fn what_is_sealed_for_a_key_opens_with_it_and_with_no_other() {
        let (mine, key) = (secret(1), Key::random().unwrap());
        let label = labels::RECOVERY_WRAP;
        let sealed = mine.public().seal(&key, label, b"alice").unwrap();
        assert_ne!(&sealed.text, key.expose());
        let opened = mine.open(&sealed, label, b"alice").unwrap();
        assert_eq!(opened.expose(), key.expose());
        assert!(secret(2).open(&sealed, label, b"alice").is_err());
        assert!(mine.open(&sealed, label, b"bob").is_err());
        assert!(mine.open(&sealed, labels::ACCOUNT_WRAP, b"alice").is_err());
        for bit in 0..256 {
            let mut changed = sealed.clone();
            changed.ephemeral[bit / 8] ^= 1 << (bit % 8);
            assert!(mine.open(&changed, label, b"alice").is_err(), "{bit}");
            let mut changed = sealed.clone();
            changed.text[bit / 8] ^= 1 << (bit % 8);
            assert!(mine.open(&changed, label, b"alice").is_err(), "{bit}");
        }
        let again = mine.public().seal(&key, label, b"alice").unwrap();
        assert_ne!(again, sealed, "each time with another key pair");
    }

    /// The expected bytes come from independent code: X25519, HKDF-SHA-256 and AES-256-GCM of
    /// Python's `cryptography`, following docs/formats.md.
    #[test]
    fn a_key_sealed_for_another_is_what_the_format_says() {
        let key = Key::init_with(|bytes| bytes.fill(0xAC));
        let public = secret(1).public();
        let sealed = public.seal_with(&secret(2), &key, labels::RECOVERY_WRAP, b"associated");
        assert_eq!(
            hex(&sealed.ephemeral),
            "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59"
        );
        assert_eq!(
            hex(&sealed.text),
            "e20d153870d33b741beef5abea5a7a2921dd49e4f2ad2d98d5d2467124642205"
        );
        assert_eq!(hex(&sealed.tag), "245f9edb2c4380e50d7cbdbdc849c5b6");
    }
}
