//! Authenticated encryption: AES-256-GCM (NIST SP 800-38D), in place, with a detached tag.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use super::Key;
use crate::memory::{SHALLOW, on_wiped_stack};

/// Nonce length in bytes.
pub const NONCE_LENGTH: usize = 12;
/// Tag length in bytes.
pub const TAG_LENGTH: usize = 16;

/// Authentication failed: the sealed bytes, the associated data or the key differ from those used
/// to seal.
#[derive(Debug, thiserror::Error)]
#[error("does not open: it was changed, or sealed under another key")]
#[non_exhaustive]
pub struct DoesNotOpen;

/// Encrypts `text` in place and returns the tag over it and `associated`. Never use a nonce twice
/// with the same key.
///
/// # Panics
/// When `text` is longer than GCM's limit, 64 GiB.
pub fn seal(
    key: &Key,
    nonce: &[u8; NONCE_LENGTH],
    associated: &[u8],
    text: &mut [u8],
) -> [u8; TAG_LENGTH] {
    // Cannot happen in this program: its texts are at most one page.
    #[allow(clippy::expect_used)]
    on_wiped_stack::<SHALLOW, _>(|| {
        Aes256Gcm::new(key.expose().into())
            .encrypt_inout_detached(nonce.into(), associated, InOutBuf::from(text))
            .expect("text within GCM's limit")
            .into()
    })
}

/// Checks `tag` and decrypts `text` in place.
///
/// # Errors
/// [`DoesNotOpen`]; `text` then holds nothing of the plaintext.
pub fn open(
    key: &Key,
    nonce: &[u8; NONCE_LENGTH],
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_LENGTH],
) -> Result<(), DoesNotOpen> {
    open_many(key, |opener| opener.open(nonce, associated, text, tag))
}

/// Opens any number of texts under one key.
pub struct Opener(Aes256Gcm);

/// Lets `work` open texts under `key`. Preparing the key and wiping the stack take longer than opening
/// a short text, and are done once for all of them. The result of `work` must hold secrets on the
/// heap only.
pub fn open_many<T>(key: &Key, work: impl FnOnce(&Opener) -> T) -> T {
    on_wiped_stack::<SHALLOW, _>(|| work(&Opener(Aes256Gcm::new(key.expose().into()))))
}

impl Opener {
    /// As [`open`].
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(
        &self,
        nonce: &[u8; NONCE_LENGTH],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LENGTH],
    ) -> Result<(), DoesNotOpen> {
        let text = InOutBuf::from(text);
        self.0
            .decrypt_inout_detached(nonce.into(), associated, text, tag.into())
            .map_err(|_| DoesNotOpen)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::hex;

    #[test]
    fn any_changed_bit_of_text_tag_nonce_data_or_key_is_refused() {
        let key = Key::init_with(|bytes| bytes.fill(3));
        let mut sealed = *b"the text";
        let tag = seal(&key, &[1; 12], b"data", &mut sealed);
        assert_ne!(&sealed, b"the text");
        let mut text = sealed;
        open(&key, &[1; 12], b"data", &mut text, &tag).unwrap();
        assert_eq!(&text, b"the text");

        let other = Key::init_with(|bytes| bytes.fill(4));
        assert!(open(&other, &[1; 12], b"data", &mut sealed.clone(), &tag).is_err());
        assert!(open(&key, &[2; 12], b"data", &mut sealed.clone(), &tag).is_err());
        assert!(open(&key, &[1; 12], b"date", &mut sealed.clone(), &tag).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &[1; 12], b"data", &mut changed, &tag).is_err());
        }
        for bit in 0..TAG_LENGTH * 8 {
            let mut changed = tag;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &[1; 12], b"data", &mut sealed.clone(), &changed).is_err());
        }
    }

    /// Test case 16 of the GCM specification (McGrew and Viega), which uses AES-256.
    #[test]
    fn the_cipher_is_aes_256_gcm_by_the_published_vector() {
        let bytes = |text: &str| -> Vec<u8> {
            (0..text.len() / 2)
                .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
                .collect()
        };
        let key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let key = Key::init_with(|into| into.copy_from_slice(&key));
        let nonce = bytes("cafebabefacedbaddecaf888").try_into().unwrap();
        let data = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let mut text = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let tag = seal(&key, &nonce, &data, &mut text);
        assert_eq!(
            hex(&text),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        );
        assert_eq!(hex(&tag), "76fc6ece0f4e1768cddf8853bb2d551b");
    }
}
