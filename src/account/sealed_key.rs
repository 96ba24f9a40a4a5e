//! The account key, sealed under the password: all that is stored of either.

use crate::crypto::kdf::{Argon2Params, SALT_LENGTH, derive};
use crate::crypto::seal::{self, DoesNotOpen, NONCE_LENGTH, TAG_LENGTH};
use crate::crypto::{Key, labels};
use crate::id::AccountId;

/// The version of this format, part of what the seal covers.
const VERSION: u8 = 1;

/// An account key that only the password opens.
#[derive(Clone)]
pub(super) struct SealedKey {
    /// Salt of the password's hash.
    pub salt: [u8; SALT_LENGTH],
    /// What the password's hash costs.
    pub params: Argon2Params,
    /// Nonce of the seal.
    pub nonce: [u8; NONCE_LENGTH],
    /// The key, encrypted.
    pub text: [u8; 32],
    /// Tag of the seal.
    pub tag: [u8; TAG_LENGTH],
}

impl SealedKey {
    /// Seals `account_key` under the `root` that the password gives with `salt` and `params`.
    ///
    /// # Errors
    /// When the system has no random source to give.
    pub fn seal(
        root: &Key,
        (salt, params): ([u8; SALT_LENGTH], Argon2Params),
        (id, generation): (AccountId, u64),
        account_key: &Key,
    ) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce)?;
        let wrap = derive(root, labels::ACCOUNT_WRAP, id.as_bytes());
        let mut key = Key::init_with(|bytes| bytes.copy_from_slice(account_key.expose()));
        let data = associated(id, generation);
        let tag = seal::seal(&wrap, &nonce, &data, key.expose_mut());
        Ok(Self {
            salt,
            params,
            nonce,
            text: *key.expose(), // encrypted by now
            tag,
        })
    }

    /// Opens the account key with the `root` that a password gives.
    ///
    /// # Errors
    /// When it is not the password's, or the account's of that generation.
    pub fn open(&self, root: &Key, id: AccountId, generation: u64) -> Result<Key, DoesNotOpen> {
        let wrap = derive(root, labels::ACCOUNT_WRAP, id.as_bytes());
        let mut key = Key::init_with(|bytes| bytes.copy_from_slice(&self.text));
        let data = associated(id, generation);
        seal::open(&wrap, &self.nonce, &data, key.expose_mut(), &self.tag)?;
        Ok(key)
    }
}

fn associated(id: AccountId, generation: u64) -> [u8; 25] {
    let mut data = [VERSION; 25];
    data[1..17].copy_from_slice(id.as_bytes());
    data[17..].copy_from_slice(&generation.to_le_bytes());
    data
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_key_opens_for_its_root_account_and_generation_only() {
        let (root, key) = (Key::random().unwrap(), Key::random().unwrap());
        let (id, other) = (AccountId::random().unwrap(), AccountId::random().unwrap());
        let how = ([1; 16], Argon2Params::FLOOR);
        let sealed = SealedKey::seal(&root, how, (id, 3), &key).unwrap();
        assert_ne!(&sealed.text, key.expose());
        assert_eq!(
            sealed.open(&root, id, 3).ok().unwrap().expose(),
            key.expose()
        );
        assert!(sealed.open(&root, id, 2).is_err());
        assert!(sealed.open(&root, other, 3).is_err());
        assert!(sealed.open(&key, id, 3).is_err());
    }
}
