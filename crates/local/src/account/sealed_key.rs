//! The account key, sealed under the password. Nothing else derived from either is stored.

use crate::account::model::Account;
use nightlatch_core::crypto::kdf::{Argon2Params, SALT_LENGTH, derive};
use nightlatch_core::crypto::seal::{self, DoesNotOpen, NONCE_LENGTH, TAG_LENGTH};
use nightlatch_core::crypto::{AccountKey, Key, labels};
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;

/// The version of this format, authenticated by the seal.
const VERSION: u8 = 1;

/// The owner of a sealed key. The seal authenticates all of it, so none of it can be changed in the
/// database.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub id: AccountId,
    pub generation: u64,
    /// The normalized email.
    pub email: &'a str,
}

impl<'a> Whose<'a> {
    pub fn of(account: &'a Account) -> Self {
        Self {
            id: account.id,
            generation: account.generation,
            email: account.email.normalized(),
        }
    }

    /// An email without an account.
    pub fn nobody(id: AccountId, email: &'a Email) -> Self {
        Self {
            id,
            generation: 0,
            email: email.normalized(),
        }
    }

    /// The email comes last, because only its length varies.
    pub fn associated(&self) -> Vec<u8> {
        let mut data = vec![VERSION];
        data.extend_from_slice(self.id.as_bytes());
        data.extend_from_slice(&self.generation.to_le_bytes());
        data.extend_from_slice(self.email.as_bytes());
        data
    }
}

/// An account key that only the password opens.
#[derive(Clone)]
pub(crate) struct SealedKey {
    /// Salt of the password hash.
    pub salt: [u8; SALT_LENGTH],
    /// Cost of the password hash.
    pub params: Argon2Params,
    /// Nonce of the seal.
    pub nonce: [u8; NONCE_LENGTH],
    /// The encrypted key.
    pub text: [u8; 32],
    /// Tag of the seal.
    pub tag: [u8; TAG_LENGTH],
}

impl SealedKey {
    /// Seals `account_key` for `whose` under `root`, derived from the password with `salt` and
    /// `params`.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn seal(
        root: &Key,
        how: ([u8; SALT_LENGTH], Argon2Params),
        whose: Whose<'_>,
        account_key: &AccountKey,
    ) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce)?;
        Ok(Self::seal_with(root, how, nonce, whose, account_key))
    }

    fn seal_with(
        root: &Key,
        (salt, params): ([u8; SALT_LENGTH], Argon2Params),
        nonce: [u8; NONCE_LENGTH],
        whose: Whose<'_>,
        account_key: &AccountKey,
    ) -> Self {
        let wrap = derive(root, labels::ACCOUNT_WRAP, whose.id.as_bytes());
        let mut key = Key::init_with(|bytes| bytes.copy_from_slice(account_key.expose()));
        let tag = seal::seal(&wrap, &nonce, &whose.associated(), key.expose_mut());
        Self {
            salt,
            params,
            nonce,
            text: *key.expose(), // already encrypted
            tag,
        }
    }

    /// Opens the account key with the `root` derived from a password.
    ///
    /// # Errors
    /// When the password is wrong, or the key was not sealed for `whose`.
    pub fn open(&self, root: &Key, whose: Whose<'_>) -> Result<AccountKey, DoesNotOpen> {
        let wrap = derive(root, labels::ACCOUNT_WRAP, whose.id.as_bytes());
        let mut key = Key::init_with(|bytes| bytes.copy_from_slice(&self.text));
        let data = whose.associated();
        seal::open(&wrap, &self.nonce, &data, key.expose_mut(), &self.tag)?;
        Ok(key.into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nightlatch_core::crypto::hex;

    const ALICE: &str = "alice@example.com";

    #[test]
    fn the_key_opens_for_its_root_account_email_and_generation_only() {
        let (root, key) = (Key::random().unwrap(), AccountKey::random().unwrap());
        let (id, other) = (AccountId::random().unwrap(), AccountId::random().unwrap());
        let how = ([1; 16], Argon2Params::FLOOR);
        let whose = |id, generation, email| Whose {
            id,
            generation,
            email,
        };
        let sealed = SealedKey::seal(&root, how, whose(id, 3, ALICE), &key).unwrap();
        assert_ne!(&sealed.text, key.expose());
        let opened = sealed.open(&root, whose(id, 3, ALICE)).ok().unwrap();
        assert_eq!(opened.expose(), key.expose());
        assert!(sealed.open(&root, whose(id, 2, ALICE)).is_err());
        assert!(sealed.open(&root, whose(other, 3, ALICE)).is_err());
        assert!(sealed.open(&root, whose(id, 3, "bob@example.com")).is_err());
        assert!(sealed.open(&root, whose(id, 3, "")).is_err());
        assert!(sealed.open(key.key(), whose(id, 3, ALICE)).is_err());
    }

    /// The expected bytes come from independent code: HKDF-SHA-256 and AES-256-GCM of Python's
    /// `cryptography`, following docs/formats.md.
    #[test]
    fn a_sealed_key_is_what_the_format_says() {
        let filled = |byte| Key::init_with(|bytes| bytes.fill(byte));
        let whose = Whose {
            id: AccountId::from_bytes([0x1D; 16]),
            generation: 7,
            email: ALICE,
        };
        let how = ([1; 16], Argon2Params::FLOOR);
        let (root, key) = (filled(0x4B), filled(0xAC).into());
        let sealed = SealedKey::seal_with(&root, how, [0x0C; 12], whose, &key);
        let text = "939985cbdcfbaeec3cf2d7e17ea2644c575c9c851a72583db773c14d35a08c45";
        assert_eq!(hex(&sealed.text), text);
        assert_eq!(hex(&sealed.tag), "b63a96c58dab48f693927d48fcc1ab66");
    }
}
