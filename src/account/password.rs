//! The one form of a password that is hashed: UTF-8, composed (NFC), never truncated.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::memory::{DEEP, SecretBuffer, on_wiped_stack};

/// The longest password in bytes, as typed and composed. Longer ones are refused, never cut.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// Why some bytes are no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPassword {
    /// More than [`PASSWORD_MAX_BYTES`].
    #[error("the password is longer than {PASSWORD_MAX_BYTES} bytes")]
    TooLong,
    /// Not text at all.
    #[error("the password is not UTF-8 text")]
    NotUtf8,
}

/// `password` in Unicode's composed form, so that keyboards that spell the same letters in
/// different ways open the same account (NIST SP 800-63B section 3.1.1.2).
///
/// # Errors
/// When it is no UTF-8, or longer than [`PASSWORD_MAX_BYTES`] before or after.
pub fn normalize(password: &SecretBuffer) -> Result<SecretBuffer, BadPassword> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(BadPassword::TooLong);
    }
    let text = text_of(password)?;
    let mut normalized = SecretBuffer::with_capacity(PASSWORD_MAX_BYTES);
    let fits = if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        normalized.push(text.as_bytes())
    } else {
        // Accepted: more than a few marks on one letter pass through the heap, where the iterator
        // does not wipe them: the program's allocator does, another program's may not.
        on_wiped_stack::<DEEP, _>(|| {
            let mut encoded = [0; 4];
            text.nfc()
                .all(|c| normalized.push(c.encode_utf8(&mut encoded).as_bytes()))
        })
    };
    if fits {
        Ok(normalized)
    } else {
        Err(BadPassword::TooLong)
    }
}

/// The password as text, lent.
pub(super) fn text_of(password: &SecretBuffer) -> Result<&str, BadPassword> {
    std::str::from_utf8(password.expose()).map_err(|_| BadPassword::NotUtf8)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::account) fn secret(bytes: impl AsRef<[u8]>) -> SecretBuffer {
        let mut buffer = SecretBuffer::with_capacity(bytes.as_ref().len());
        assert!(buffer.push(bytes.as_ref()));
        buffer
    }

    #[test]
    fn composed_and_decomposed_spellings_are_one_password() {
        let composed = normalize(&secret("pass\u{e9}")).unwrap();
        let decomposed = normalize(&secret("passe\u{301}")).unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn a_password_is_refused_rather_than_cut() {
        assert_eq!(normalize(&secret([b'a'; 1024])).unwrap().len(), 1024);
        assert_eq!(
            normalize(&secret([b'a'; 1025])).err(),
            Some(BadPassword::TooLong)
        );
        // 341 characters of 3 bytes that NFC takes apart into 6 bytes each.
        let growing = "\u{fb2c}".repeat(341);
        assert!(growing.len() <= PASSWORD_MAX_BYTES);
        assert_eq!(
            normalize(&secret(growing)).err(),
            Some(BadPassword::TooLong)
        );
        assert_eq!(
            normalize(&secret(b"\xff")).err(),
            Some(BadPassword::NotUtf8)
        );
    }

    proptest! {
        #[test]
        fn normalizing_a_password_twice_is_normalizing_it_once(text in any::<String>()) {
            if let Ok(once) = normalize(&secret(&text)) {
                let twice = normalize(&once).unwrap();
                prop_assert_eq!(once.expose(), twice.expose());
            }
        }
    }
}
