//! Ed25519 signatures (RFC 8032), used for the seals of the audit log.

use std::fmt;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::{Digest, Sha512};

use super::{Key, hex, unhex};

/// A public key, 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

/// A signature, 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// A key pair for signing more than once. Wiped when dropped.
pub struct KeyPair {
    secret: ExpandedSecretKey,
    public: VerifyingKey,
}

impl KeyPair {
    /// The key pair whose secret is `seed`.
    pub fn of(seed: &Key) -> Self {
        let secret = ExpandedSecretKey::from(seed.expose());
        Self {
            public: VerifyingKey::from(&secret),
            secret,
        }
    }

    /// As [`KeyPair::of`], with the public key that it returned earlier: this takes a fifth of the
    /// time. `None` when `public` is not a point on the curve. With the public key of another seed,
    /// the signatures do not verify and can reveal the secret.
    pub fn known(seed: &Key, public: &PublicKey) -> Option<Self> {
        Some(Self {
            secret: ExpandedSecretKey::from(seed.expose()),
            public: VerifyingKey::from_bytes(&public.0).ok()?,
        })
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.public.to_bytes())
    }

    /// Signs `message`. Signing is deterministic.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(raw_sign::<Sha512>(&self.secret, message, &self.public).to_bytes())
    }
}

impl PublicKey {
    /// From its bytes. Whether they are a point on the curve is checked on verification.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 lower-case hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        unhex(text).map(Self)
    }
}

impl Signature {
    /// From its bytes. [`verify`] checks them.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The signature's bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Parses 128 lower-case hexadecimal digits.
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

/// Whether `key` signed `message`. Refuses keys and signatures that would fit more than one message
/// or key.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// A message with its claimed signature, not yet verified.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs)] // the three parts of a signature
pub struct Signed<'a> {
    /// The public key of the claimed signer.
    pub key: PublicKey,
    /// The message.
    pub message: &'a [u8],
    /// The signature.
    pub signature: Signature,
}

/// Whether all signatures are valid. A batch costs about a quarter of calling [`verify`] for each.
/// If this returns false, call [`verify`] to find the bad ones.
///
/// Computes the sum of all verification equations, each multiplied by a random 128-bit number
/// (<https://ed25519.cr.yp.to/>, section 5).
// Accepted: whoever has the secret key of a signature can add a point of small order to it, so that
// this function accepts it in some runs and `verify` refuses it. The key is the log's own, and at
// that time can sign anything anyway.
pub fn verify_all(signed: &[Signed<'_>]) -> bool {
    let mut random = vec![[0; 16]; signed.len()];
    if getrandom::fill(random.as_flattened_mut()).is_err() {
        return false;
    }
    let small_order = EIGHT_TORSION.map(|point| height(&point.compress()));
    let mut sum = Sum {
        base: Scalar::ZERO,
        of_points: Vec::with_capacity(2 * signed.len() + 1),
        of_keys: Vec::with_capacity(signed.len()),
    };
    for (signed, random) in signed.iter().zip(random) {
        let weight = Scalar::from(u128::from_le_bytes(random));
        if sum.add(signed, weight, &small_order).is_none() {
            return false;
        }
    }
    let mut scalars = sum.of_points;
    scalars.append(&mut sum.of_keys);
    scalars.push(-sum.base);
    // Decompress the points where they are used: a batch of points is larger than a core's own
    // cache.
    let points = signed.iter().map(Signed::point);
    let keys = signed.iter().map(Signed::key);
    let points = points.chain(keys).map(|point| point.decompress());
    let points = points.chain(std::iter::once(Some(ED25519_BASEPOINT_POINT)));
    EdwardsPoint::optional_multiscalar_mul(&scalars, points).is_some_and(|sum| sum.is_identity())
}

impl Signed<'_> {
    fn key(&self) -> CompressedEdwardsY {
        CompressedEdwardsY(self.key.0)
    }

    /// R, the point in the first half of the signature.
    fn point(&self) -> CompressedEdwardsY {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&self.signature.0[..32]);
        CompressedEdwardsY(bytes)
    }
}

/// The terms of the sum of verification equations.
struct Sum {
    base: Scalar,
    /// The coefficients of the signatures' points, which are short.
    of_points: Vec<Scalar>,
    of_keys: Vec<Scalar>,
}

impl Sum {
    /// Adds `weight` times the equation of one signature. `None` when [`verify`] would refuse the
    /// signature for any message.
    fn add(
        &mut self,
        signed: &Signed<'_>,
        weight: Scalar,
        small_order: &[[u8; 32]; 8],
    ) -> Option<()> {
        let s: Option<Scalar> =
            Scalar::from_canonical_bytes(*signed.signature.0.last_chunk()?).into();
        let (r, a) = (signed.point(), signed.key());
        // Compare only canonical encodings: any other has a second spelling.
        let is_refused = |point| !is_canonical(point) || is_one_of(small_order, &height(point));
        if is_refused(&r) || is_refused(&a) {
            return None;
        }
        let mut hash = Sha512::new();
        hash.update(r.as_bytes());
        hash.update(a.as_bytes());
        hash.update(signed.message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        self.base += weight * s?;
        self.of_points.push(weight);
        self.of_keys.push(weight * k);
        Some(())
    }
}

/// Whether `height` is in `heights`. It hardly ever is, so compare eight bytes first.
fn is_one_of(heights: &[[u8; 32]; 8], height: &[u8; 32]) -> bool {
    let begins_alike = |other: &&[u8; 32]| other.first_chunk::<8>() == height.first_chunk();
    heights
        .iter()
        .filter(begins_alike)
        .any(|other| other == height)
}

/// The encoding without its sign bit. A point and its negative have the same order.
fn height(point: &CompressedEdwardsY) -> [u8; 32] {
    let mut bytes = *point.as_bytes();
    bytes[31] &= 0x7f;
    bytes
}

/// Whether the coordinate is below the field's prime, 2^255 - 19. A zero with a sign bit is left to
/// the small-order check, since only small-order points have it.
fn is_canonical(point: &CompressedEdwardsY) -> bool {
    let bytes = point.as_bytes();
    bytes[0] < 0xed || bytes[1..31].iter().any(|&byte| byte != 0xff) || bytes[31] & 0x7f != 0x7f
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
    fn a_pair_whose_public_key_is_known_signs_the_same() {
        let seed = Key::init_with(|bytes| bytes.fill(5));
        let pair = KeyPair::of(&seed);
        let known = KeyPair::known(&seed, &pair.public()).unwrap();
        assert_eq!(known.public(), pair.public());
        assert_eq!(known.sign(b"a"), pair.sign(b"a"));
        // Not the coordinate of any point on the curve.
        let no_point = PublicKey::from_bytes(*pair_of_no_point().as_bytes());
        assert!(KeyPair::known(&seed, &no_point).is_none());
    }

    fn pair_of_no_point() -> CompressedEdwardsY {
        (2..=u8::MAX)
            .map(|low| {
                let mut bytes = [0; 32];
                bytes[0] = low;
                CompressedEdwardsY(bytes)
            })
            .find(|point| point.decompress().is_none())
            .unwrap()
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
        let texts: Vec<String> = (0..20).map(|at| format!("message {at}")).collect();
        let mut signed: Vec<Signed<'_>> = pairs
            .iter()
            .zip(&texts)
            .map(|(pair, text)| Signed {
                key: pair.public(),
                message: text.as_bytes(),
                signature: pair.sign(text.as_bytes()),
            })
            .collect();
        assert!(verify_all(&signed));
        assert!(verify_all(&[]));
        for at in 0..signed.len() {
            for bit in [0, 7, 100, 255, 256, 300, 511] {
                signed[at].signature.0[bit / 8] ^= 1 << (bit % 8);
                assert!(!verify_all(&signed), "bit {bit} of {at}");
                signed[at].signature.0[bit / 8] ^= 1 << (bit % 8);
            }
            let key = std::mem::replace(&mut signed[at].key, pair(99).public());
            assert!(!verify_all(&signed));
            signed[at].key = key;
        }
        assert!(verify_all(&signed));
        let (one, other) = (signed[3].signature, signed[4].signature);
        (signed[3].signature, signed[4].signature) = (other, one);
        assert!(!verify_all(&signed));
    }

    /// Everything that a batch accepts is accepted one by one, in every encoding of points and
    /// scalars.
    #[test]
    fn another_spelling_of_a_signature_is_refused_in_a_batch_too() {
        let (key, signature) = (pair(1).public(), pair(1).sign(b"a"));
        let is_good = |key, signature| {
            let message = b"a".as_slice();
            let all = verify_all(&[Signed {
                key,
                message,
                signature,
            }]);
            assert!(!all || verify(&key, message, &signature));
            all
        };
        assert!(is_good(key, signature));
        // Adds the order of the group to the scalar.
        let order: [u8; 32] =
            unhex(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut more = signature;
        let mut carry = 0;
        for (byte, add) in more.0[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert!(!is_good(key, more));
        // Points of small order, and coordinates that are not below the prime.
        let points = EIGHT_TORSION.map(|point| point.compress().0);
        let above = (0xed..=0xff).map(|low| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, 0x7f);
            bytes
        });
        for mut point in points.into_iter().chain(above) {
            for sign in [0, 0x80] {
                point[31] ^= sign;
                let mut other = signature;
                other.0[..32].copy_from_slice(&point);
                assert!(!is_good(key, other));
                assert!(!is_good(PublicKey::from_bytes(point), signature));
                other.0[32..].fill(0);
                assert!(!is_good(PublicKey::from_bytes(point), other));
            }
        }
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
        assert!(!verify_all(&[Signed {
            key,
            message: b"anything",
            signature,
        }]));
    }
}
