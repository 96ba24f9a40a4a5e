//! Ed25519 (RFC 8032): the seals of the audit log.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use super::{Key, hex, unhex};

/// A public key, 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

/// A signature, 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// A key pair, to sign more than once with. Wiped when dropped.
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// The pair that `seed` is the secret of.
    pub fn of(seed: &Key) -> Self {
        Self(SigningKey::from_bytes(seed.expose()))
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`. The same pair and message always give the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl PublicKey {
    /// From its bytes; whether it is a point of the curve shows when something is verified.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 64 lower-case hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        unhex(text).map(Self)
    }
}

impl Signature {
    /// From 128 lower-case hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        unhex(text).map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Whether `key` signed `message`. Keys and signatures that would fit more than one message or key
/// are refused.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Whether each of `keys` signed the message at its place: all of them at once, at about a third of
/// the cost. When it says no, [`verify`] tells which.
///
/// The slices must be of one length; it is `false` when they are not.
pub fn verify_all(keys: &[PublicKey], messages: &[&[u8]], signatures: &[Signature]) -> bool {
    let keys: Result<Vec<_>, _> = keys
        .iter()
        .map(|key| VerifyingKey::from_bytes(&key.0))
        .collect();
    let signatures: Vec<_> = signatures
        .iter()
        .map(|signature| ed25519_dalek::Signature::from_bytes(&signature.0))
        .collect();
    keys.is_ok_and(|keys| {
        keys.iter().all(|key| !key.is_weak())
            && ed25519_dalek::verify_batch(messages, &signatures, &keys).is_ok()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pair(byte: u8) -> KeyPair {
        KeyPair::of(&Key::init_with(|bytes| bytes.fill(byte)))
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn the_signature_is_ed25519_by_the_published_vector() {
        let bytes: [u8; 32] =
            unhex(b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let seed = Key::init_with(|into| into.copy_from_slice(&bytes));
        let pair = KeyPair::of(&seed);
        let public = pair.public();
        let expected = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(public.to_string(), expected);
        let signature = pair.sign(&[0x72]);
        assert_eq!(
            signature.to_string(),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert!(verify(&public, &[0x72], &signature));
    }

    #[test]
    fn another_message_key_or_signature_is_refused() {
        let (public, signature) = (pair(1).public(), pair(1).sign(b"a"));
        assert!(verify(&public, b"a", &signature));
        assert!(!verify(&public, b"b", &signature));
        assert!(!verify(&pair(2).public(), b"a", &signature));
        assert!(!verify(
            &PublicKey::from_bytes([0xff; 32]),
            b"a",
            &signature
        ));
        for bit in 0..512 {
            let mut other = signature;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&public, b"a", &other), "bit {bit}");
        }
    }

    #[test]
    fn a_batch_is_right_only_if_each_is() {
        let pairs: Vec<KeyPair> = (1..=20).map(pair).collect();
        let keys: Vec<PublicKey> = pairs.iter().map(KeyPair::public).collect();
        let texts: Vec<String> = (0..20).map(|at| format!("message {at}")).collect();
        let messages: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let mut signatures: Vec<Signature> = pairs
            .iter()
            .zip(&messages)
            .map(|(pair, message)| pair.sign(message))
            .collect();
        assert!(verify_all(&keys, &messages, &signatures));
        assert!(!verify_all(&keys[1..], &messages, &signatures));
        signatures.swap(3, 4);
        assert!(!verify_all(&keys, &messages, &signatures));
        assert!(verify_all(&[], &[], &[]));
    }

    /// The identity: it "signs" every message.
    #[test]
    fn a_key_that_signs_everything_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let (key, signature) = (PublicKey::from_bytes(identity), {
            let mut bytes = [0; 64];
            bytes[0] = 1;
            Signature(bytes)
        });
        assert!(!verify(&key, b"anything", &signature));
        assert!(!verify_all(&[key], &[b"anything"], &[signature]));
    }
}
