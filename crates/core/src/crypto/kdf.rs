//! Key derivation: from a password to a root key (Argon2id, RFC 9106), and from a root key to
//! labelled keys (HKDF-SHA-256, RFC 5869).

use std::ops::RangeInclusive;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use hmac_sha256::HKDF;
use zeroize::Zeroize;

use super::Key;
use super::labels::Label;
use crate::memory::{DEEP, SHALLOW, on_wiped_stack};

/// Bytes of salt stored with each account.
pub const SALT_LENGTH: usize = 16;

/// The cost parameters of Argon2id, always within [`Argon2Params::FLOOR`] and
/// [`Argon2Params::CEILING`]. Someone who can write the database must not be able to make sign-in
/// free or exhaust the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Argon2 parameters outside the accepted bounds.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "Argon2id with {memory_kib} KiB, {passes} passes, {lanes} lanes is outside the accepted bounds \
     (19456 to 1048576 KiB, 2 to 16 passes, 1 to 4 lanes)"
)]
pub struct ParamsOutOfBounds {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Params {
    /// The accepted memory, in KiB: from 19 MiB (OWASP Password Storage Cheat Sheet) to 1 GiB.
    pub const MEMORY_KIB: RangeInclusive<u32> = 19 * 1024..=1024 * 1024;
    /// The accepted number of passes over that memory.
    pub const PASSES: RangeInclusive<u32> = 2..=16;
    /// The accepted number of lanes.
    pub const LANES: RangeInclusive<u32> = 1..=4;

    /// 64 MiB, three passes, one lane: RFC 9106's second recommendation, but with one lane.
    pub const DEFAULT: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// The lowest accepted cost: 19 MiB, two passes, one lane.
    pub const FLOOR: Self = Self {
        memory_kib: *Self::MEMORY_KIB.start(),
        passes: *Self::PASSES.start(),
        lanes: *Self::LANES.start(),
    };
    /// The highest accepted cost: 1 GiB, 16 passes, 4 lanes.
    pub const CEILING: Self = Self {
        memory_kib: *Self::MEMORY_KIB.end(),
        passes: *Self::PASSES.end(),
        lanes: *Self::LANES.end(),
    };

    /// Checks that the parameters are within bounds.
    ///
    /// # Errors
    /// When any of them is below the floor or above the ceiling.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, ParamsOutOfBounds> {
        let within = Self::MEMORY_KIB.contains(&memory_kib)
            && Self::PASSES.contains(&passes)
            && Self::LANES.contains(&lanes);
        if within {
            Ok(Self {
                memory_kib,
                passes,
                lanes,
            })
        } else {
            Err(ParamsOutOfBounds {
                memory_kib,
                passes,
                lanes,
            })
        }
    }

    /// Memory in KiB.
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub fn passes(self) -> u32 {
        self.passes
    }

    /// Lanes.
    pub fn lanes(self) -> u32 {
        self.lanes
    }
}

/// The password could not be hashed; in practice, there was not enough memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot hash the password: {0}")]
pub struct HashFailed(String);

/// Hashes `password` with Argon2id straight into a key, and wipes the work memory.
///
/// # Errors
/// When the work memory cannot be allocated.
pub fn argon2id(
    password: &[u8],
    salt: &[u8; SALT_LENGTH],
    params: Argon2Params,
) -> Result<Key, HashFailed> {
    let failed = |error: argon2::Error| HashFailed(error.to_string());
    let built = Params::new(params.memory_kib, params.passes, params.lanes, Some(32));
    let built = built.map_err(failed)?;
    let mut work = Vec::new();
    work.try_reserve_exact(built.block_count())
        .map_err(|error| HashFailed(error.to_string()))?;
    work.resize(built.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, built);
    let mut root = Key::zeroed();
    let result = on_wiped_stack::<DEEP, _>(|| {
        argon2.hash_password_into_with_memory(password, salt, root.expose_mut(), &mut work)
    });
    work.iter_mut().for_each(Zeroize::zeroize);
    result.map_err(failed)?;
    Ok(root)
}

/// Derives the key for one purpose from `root`. The public `context` separates keys that have the
/// same purpose.
pub fn derive(root: &Key, label: Label, context: &[u8]) -> Key {
    let mut derived = Key::zeroed();
    let info = [label.as_bytes(), &[0], context].concat();
    on_wiped_stack::<SHALLOW, _>(|| {
        let extracted = HKDF::extract([], root.expose());
        HKDF::expand(derived.expose_mut(), extracted, info);
    });
    derived
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::{hex, labels};

    #[test]
    fn parameters_outside_the_bounds_are_refused() {
        for (memory, passes, lanes) in [
            (19 * 1024 - 1, 2, 1),
            (64 * 1024, 1, 1),
            (64 * 1024, 3, 0),
            (64 * 1024, 3, 5),
            (64 * 1024, 17, 1),
            (u32::MAX, 3, 1),
        ] {
            assert!(
                Argon2Params::new(memory, passes, lanes).is_err(),
                "{memory} {passes} {lanes}"
            );
        }
    }

    #[test]
    fn the_ranges_of_memory_and_passes_are_those_that_are_accepted() {
        let accepts = |memory, passes| Argon2Params::new(memory, passes, 1).is_ok();
        let (memory, passes) = (Argon2Params::MEMORY_KIB, Argon2Params::PASSES);
        for (memory, beyond) in [
            (*memory.start(), memory.start() - 1),
            (*memory.end(), memory.end() + 1),
        ] {
            assert!(accepts(memory, 3) && !accepts(beyond, 3), "{memory}");
        }
        for (passes, beyond) in [
            (*passes.start(), passes.start() - 1),
            (*passes.end(), passes.end() + 1),
        ] {
            assert!(
                accepts(65_536, passes) && !accepts(65_536, beyond),
                "{passes}"
            );
        }
    }

    #[test]
    fn the_named_parameters_are_within_the_bounds() {
        for params in [
            Argon2Params::DEFAULT,
            Argon2Params::FLOOR,
            Argon2Params::CEILING,
        ] {
            let again = Argon2Params::new(params.memory_kib, params.passes, params.lanes);
            assert_eq!(again, Ok(params));
        }
    }

    #[test]
    fn keys_of_different_purpose_or_context_differ() {
        let root = Key::init_with(|bytes| bytes.fill(1));
        let one = derive(&root, labels::SESSION_FILE, b"a");
        assert_ne!(
            one.expose(),
            derive(&root, labels::SESSION_FILE, b"b").expose()
        );
        assert_ne!(
            one.expose(),
            derive(&root, labels::ACCOUNT_WRAP, b"a").expose()
        );
    }

    /// BLAKE2b (in Argon2id) and AES-256-GCM hold a password or a key. HMAC and HKDF do not wipe
    /// themselves; wiping the stack covers them:
    /// `computing_with_keys_uses_no_more_stack_than_is_wiped_behind_it`.
    #[test]
    fn hashes_and_ciphers_wipe_themselves_when_they_are_done() {
        fn wipes_itself<T: zeroize::ZeroizeOnDrop>() {}
        wipes_itself::<blake2::Blake2bVarCore>();
        wipes_itself::<aes_gcm::Aes256Gcm>();
    }

    /// RFC 5869, test case 3: no salt. Its input is not as long as a root key, so this calls the
    /// `hmac_sha256` crate directly.
    #[test]
    fn the_derivation_is_hkdf_by_the_published_vector() {
        let mut derived = [0; 42];
        HKDF::expand(&mut derived, HKDF::extract([], [0x0b; 22]), []);
        assert_eq!(
            hex(&derived),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }

    /// Computed with OpenSSL: `openssl kdf -keylen 32 -kdfopt digest:SHA2-256 -kdfopt hexkey:0101…
    /// -kdfopt hexinfo:… HKDF`.
    #[test]
    fn the_label_and_the_context_are_the_derivations_info() {
        let root = Key::init_with(|bytes| bytes.fill(1));
        let derived = derive(&root, labels::SESSION_FILE, b"context");
        assert_eq!(
            hex(derived.expose()),
            "35bc34fc17857d48da221ae5fb3da78cd40472584c149a3a1c3bef684e68fe2f"
        );
    }

    #[test]
    fn every_byte_of_a_long_password_counts() {
        let mut password = vec![b'a'; 1024];
        let first = argon2id(&password, &[9; 16], Argon2Params::FLOOR).unwrap();
        password[1023] = b'b';
        let second = argon2id(&password, &[9; 16], Argon2Params::FLOOR).unwrap();
        assert_ne!(first.expose(), second.expose());
    }

    /// Computed with the reference implementation:
    /// `printf '%s' 'correct horse' | argon2 saltsaltsaltsalt -id -t 2 -k 19456 -p 1 -l 32 -r`.
    #[test]
    fn the_hash_is_argon2id_as_the_reference_computes_it() {
        let root = argon2id(b"correct horse", b"saltsaltsaltsalt", Argon2Params::FLOOR).unwrap();
        assert_eq!(
            hex(root.expose()),
            "01dc1e04bc1c7e59cd5f61d55bc8b532dbbb7ebae7e0a8bb87fad8486b94ec8b"
        );
    }
}
