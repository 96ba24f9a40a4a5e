//! Passwords: the normalized form in which one is hashed (UTF-8, composed (NFC), never truncated),
//! and the rules for new ones.

#[cfg(feature = "password-policy")]
mod policy;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::memory::{DEEP, SecretBuffer, on_wiped_stack};

#[cfg(feature = "password-policy")]
pub use policy::{
    Kind, MIN_SCORE, NIST_MIN_CHARS, PCI_MIN_CHARS, PolicyRefusal, Strength, Telling, check,
};

/// The longest password in bytes, both as typed and as composed. A longer one is refused, never
/// cut.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// The rules that a new password must meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // whoever asks handles every case
pub enum PasswordRules {
    /// At least 15 characters of any kind (NIST SP 800-63B section 3.1.1.2).
    #[default]
    Nist,
    /// At least 12 characters with a letter, a digit and a symbol (PCI DSS 8.3.6, and a symbol).
    Pci,
}

impl PasswordRules {
    /// Each by its name in configuration files.
    pub const ALL: [(&str, Self); 2] = [
        (Self::Nist.name(), Self::Nist),
        (Self::Pci.name(), Self::Pci),
    ];

    /// Their name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nist => "nist",
            Self::Pci => "pci",
        }
    }
}

/// Why some bytes cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPassword {
    /// Longer than [`PASSWORD_MAX_BYTES`].
    #[error("the password is longer than {PASSWORD_MAX_BYTES} bytes")]
    TooLong,
    /// Not valid UTF-8.
    #[error("the password is not UTF-8 text")]
    NotUtf8,
}

/// A character that no account's password contains, because it cannot be typed at a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // whoever asks handles every case
pub struct Untypeable(pub char);

impl std::fmt::Display for Untypeable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, name) = match self.0 {
            '\0' => ("a control character", "NUL, "),
            '\t' => ("a control character", "tab, "),
            '\n' => ("a control character", "line feed, "),
            '\r' => ("a control character", "carriage return, "),
            '\u{FEFF}' => ("an invisible character", "byte order mark, "),
            c if c.is_control() => ("a control character", ""),
            _ => ("a character that is no text", ""),
        };
        write!(f, "{kind} in it ({name}U+{:04X})", u32::from(self.0))
    }
}

/// The first character in `password` that no account's password contains: a control character, a
/// byte order mark, a line separator or a Unicode noncharacter. Also found in bytes that are not
/// UTF-8, such as UTF-16.
pub fn untypeable(password: &SecretBuffer) -> Option<Untypeable> {
    let is_untypeable = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{FEFF}' | '\u{2028}' | '\u{2029}' | '\u{FDD0}'..='\u{FDEF}'
            )
            || u32::from(c) & 0xFFFE == 0xFFFE
    };
    let found = if let Ok(text) = text_of(password) {
        text.chars().find(|&c| is_untypeable(c))
    } else {
        let mut bytes = password.expose().iter();
        bytes
            .find(|byte| byte.is_ascii_control())
            .map(|&byte| char::from(byte))
    };
    found.map(Untypeable)
}

/// `password` in Unicode's composed form, so that keyboards that encode the same letters
/// differently open the same account (NIST SP 800-63B section 3.1.1.2).
///
/// # Errors
/// When it is not UTF-8, or is longer than [`PASSWORD_MAX_BYTES`] before or after.
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
        // does not wipe them. The program's allocator does, but another program's may not.
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

/// As [`normalize`], but consumes the password as typed and wipes it.
///
/// # Errors
/// As [`normalize`].
pub fn into_normalized(password: SecretBuffer) -> Result<SecretBuffer, BadPassword> {
    let normalized = normalize(&password);
    drop(password);
    normalized
}

/// Borrows the password as text.
fn text_of(password: &SecretBuffer) -> Result<&str, BadPassword> {
    std::str::from_utf8(password.expose()).map_err(|_| BadPassword::NotUtf8)
}

/// A password for a test.
#[cfg(any(test, feature = "test-util"))]
#[doc(hidden)]
pub fn secret(bytes: impl AsRef<[u8]>) -> SecretBuffer {
    SecretBuffer::copy_of(bytes.as_ref())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        // 341 characters of 3 bytes, each of which NFC expands to 6 bytes.
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

    #[test]
    fn what_could_not_be_typed_is_named() {
        let found = |bytes: &[u8]| untypeable(&secret(bytes)).map(|found| found.to_string());
        let utf_16 = b"\xff\xfev\0i\0o\0l\0e\0t\0";
        for (password, named) in [
            (
                &b"violet\r"[..],
                "a control character in it (carriage return, U+000D)",
            ),
            (
                b"\xef\xbb\xbfviolet",
                "an invisible character in it (byte order mark, U+FEFF)",
            ),
            (b"vio\0let", "a control character in it (NUL, U+0000)"),
            (b"vio\x1blet", "a control character in it (U+001B)"),
            (b"vio\xc2\x85let", "a control character in it (U+0085)"),
            (
                b"vio\xef\xbf\xbflet",
                "a character that is no text in it (U+FFFF)",
            ),
            (utf_16, "a control character in it (NUL, U+0000)"),
        ] {
            assert_eq!(found(password).as_deref(), Some(named));
        }
        let typed = "viol\u{e9}t tr\u{e4}ctor \u{1f468}\u{200d}\u{1f33e} humming \u{4f8b}";
        for password in [typed.as_bytes(), b"", b"\xff"] {
            assert_eq!(found(password), None);
        }
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
