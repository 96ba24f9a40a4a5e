//! The seeds of the two one-way chains, and the secret keys from them: a type each, so that the
//! compiler refuses one in place of another.

use nightlatch_core::crypto::kdf::derive;
use nightlatch_core::crypto::sign::{KeyPair, PublicKey};
use nightlatch_core::crypto::{Key, labels};

/// From which a segment's first key, its second seal and the next segment come.
pub(super) struct SegmentSeed(Key);

/// From which a seal's key and the next seal come.
pub(super) struct SealSeed(Key);

/// The secret key of one seal.
pub(super) struct SecretKey(Key);

impl SegmentSeed {
    /// The seed of a new log.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        Key::random().map(Self)
    }

    /// The key that seals the segment's first line.
    pub(super) fn key(&self) -> SecretKey {
        SecretKey(derive(&self.0, labels::AUDIT_SEGMENT_KEY, &[]))
    }

    /// The seed of the segment's second seal.
    pub(super) fn first_seal(&self) -> SealSeed {
        SealSeed(derive(&self.0, labels::AUDIT_FIRST_SEAL, &[]))
    }

    /// The seed of the next segment.
    pub(super) fn next(&self) -> Self {
        Self(derive(&self.0, labels::AUDIT_NEXT_SEGMENT, &[]))
    }

    /// From the bytes of a saved state.
    pub(super) fn saved(bytes: &[u8; 32]) -> Self {
        Self(of_bytes(bytes))
    }

    /// For the saved state.
    pub(super) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl SealSeed {
    /// The seal's key.
    pub(super) fn key(&self) -> SecretKey {
        SecretKey(derive(&self.0, labels::AUDIT_SEAL_KEY, &[]))
    }

    /// The seed of the next seal.
    pub(super) fn next(&self) -> Self {
        Self(derive(&self.0, labels::AUDIT_NEXT_SEAL, &[]))
    }

    /// From the bytes of a saved state.
    pub(super) fn saved(bytes: &[u8; 32]) -> Self {
        Self(of_bytes(bytes))
    }

    /// For the saved state.
    pub(super) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl SecretKey {
    /// The key pair.
    pub(super) fn pair(&self) -> KeyPair {
        KeyPair::of(&self.0)
    }

    /// The key pair, whose public key was announced as `public`: faster if that is a point on the
    /// curve.
    pub(super) fn announced(&self, public: &PublicKey) -> KeyPair {
        KeyPair::known(&self.0, public).unwrap_or_else(|| self.pair())
    }

    /// The public key.
    pub(super) fn public(&self) -> PublicKey {
        self.pair().public()
    }
}

fn of_bytes(bytes: &[u8; 32]) -> Key {
    Key::init_with(|into| into.copy_from_slice(bytes))
}
