//! Recovery codes: 128 random bits that a person keeps on paper, in 30 letters and digits.
//!
//! The last 22 of the 150 bits check the others, which distinguishes a typing mistake from a wrong code.
//! The alphabet is Crockford's Base32: without I, L, O and U, which are read or typed for others.

use crate::crypto::sealed_for::SecretKey;
use crate::crypto::{Key, kdf, labels, sha256};
use crate::id::AccountId;
use crate::memory::{SHALLOW, Secret, SecretBuffer, on_wiped_stack};

/// Letters and digits of a code, without what groups them.
pub const RECOVERY_CODE_CHARS: usize = 30;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 5;
const RANDOM_BYTES: usize = 16;
/// Random bytes, check, and two bits that are zero.
const ALL_BYTES: usize = 19;
/// With a hyphen between groups.
const TEXT_BYTES: usize = RECOVERY_CODE_CHARS + RECOVERY_CODE_CHARS / GROUP - 1;

/// A recovery code. It opens an account once, in place of its password.
pub struct RecoveryCode(Secret<RANDOM_BYTES>);

/// Why a text is not a recovery code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRecoveryCode {
    /// A character that no code has.
    #[error("character {at} of the recovery code is in no recovery code")]
    Character {
        /// Its place, from 1, without spaces and hyphens.
        at: usize,
    },
    /// Too few or too many characters.
    #[error("a recovery code has {RECOVERY_CODE_CHARS} letters and digits, and this has {found}")]
    Length {
        /// How many letters and digits there are.
        found: usize,
    },
    /// The check does not match.
    #[error("the recovery code has a typing mistake")]
    Mistyped,
}

impl RecoveryCode {
    /// A new code.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        Secret::random().map(Self)
    }

    /// Reads a code in capital or small letters, with or without spaces and hyphens. `O` counts as
    /// `0`, and `I` and `L` as `1`.
    ///
    /// # Errors
    /// [`BadRecoveryCode`]. It says nothing about any account.
    pub fn parse(text: &[u8]) -> Result<Self, BadRecoveryCode> {
        let mut bits = Secret::<ALL_BYTES>::zeroed();
        let mut found = 0;
        for &byte in text {
            if byte == b'-' || byte.is_ascii_whitespace() {
                continue;
            }
            let value = value_of(byte).ok_or(BadRecoveryCode::Character { at: found + 1 })?;
            if found < RECOVERY_CODE_CHARS {
                put(bits.expose_mut(), found, value);
            }
            found += 1;
        }
        if found != RECOVERY_CODE_CHARS {
            return Err(BadRecoveryCode::Length { found });
        }
        let mut code = Secret::zeroed();
        code.expose_mut()
            .copy_from_slice(&bits.expose()[..RANDOM_BYTES]);
        let code = Self(code);
        if bits.expose()[RANDOM_BYTES..] == code.check() {
            Ok(code)
        } else {
            Err(BadRecoveryCode::Mistyped)
        }
    }

    /// The code as a person writes it down: six groups of five characters.
    pub fn to_text(&self) -> SecretBuffer {
        let mut bits = Secret::<ALL_BYTES>::zeroed();
        let (random, check) = bits.expose_mut().split_at_mut(RANDOM_BYTES);
        random.copy_from_slice(self.0.expose());
        check.copy_from_slice(&self.check());
        let mut text = SecretBuffer::with_capacity(TEXT_BYTES);
        for at in 0..RECOVERY_CODE_CHARS {
            let separator: &[u8] = if at > 0 && at % GROUP == 0 { b"-" } else { b"" };
            let value = usize::from(get(bits.expose(), at));
            let fits = text.push(separator) && text.push(&ALPHABET[value..=value]);
            debug_assert!(fits, "the buffer is as long as a code");
        }
        text
    }

    /// The secret key of this code for an account. Another account's differs even with the same
    /// code.
    pub fn secret_key(&self, account: AccountId) -> SecretKey {
        let root = Key::init_with(|bytes| bytes[..RANDOM_BYTES].copy_from_slice(self.0.expose()));
        let key = kdf::derive(&root, labels::RECOVERY_KEY, account.as_bytes());
        SecretKey::from_seed(key)
    }

    /// The check of the random bits; the last two bits are zero.
    fn check(&self) -> [u8; ALL_BYTES - RANDOM_BYTES] {
        let mut labelled = Secret::<{ labels::RECOVERY_CHECK.len() + RANDOM_BYTES }>::zeroed();
        let (label, code) = labelled
            .expose_mut()
            .split_at_mut(labels::RECOVERY_CHECK.len());
        label.copy_from_slice(labels::RECOVERY_CHECK.as_bytes());
        code.copy_from_slice(self.0.expose());
        let [a, b, c, ..] = on_wiped_stack::<SHALLOW, _>(|| sha256(labelled.expose()));
        [a, b, c & 0b1111_1100]
    }
}

/// The value of a character, as Crockford reads it.
fn value_of(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    let at = ALPHABET.iter().position(|&known| known == byte)?;
    u8::try_from(at).ok()
}

/// Sets the five bits of the character `at`, which are zero, to `value`.
fn put(bits: &mut [u8], at: usize, value: u8) {
    let (byte, shift) = (at * 5 / 8, at * 5 % 8);
    let [high, low] = (u16::from(value) << (11 - shift)).to_be_bytes();
    bits[byte] |= high;
    if let Some(next) = bits.get_mut(byte + 1) {
        *next |= low;
    }
}

/// The five bits of the character `at`.
fn get(bits: &[u8], at: usize) -> u8 {
    let (byte, shift) = (at * 5 / 8, at * 5 % 8);
    let pair = u16::from_be_bytes([bits[byte], bits.get(byte + 1).copied().unwrap_or(0)]);
    let [_, value] = (pair >> (11 - shift)).to_be_bytes();
    value & 0b1_1111
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::hex;

    fn of(bytes: [u8; RANDOM_BYTES]) -> RecoveryCode {
        RecoveryCode(Secret::init_with(|into| *into = bytes))
    }

    fn text(code: &RecoveryCode) -> String {
        String::from_utf8(code.to_text().expose().to_vec()).unwrap()
    }

    fn refusal(text: &str) -> BadRecoveryCode {
        RecoveryCode::parse(text.as_bytes()).err().unwrap()
    }

    /// Computed with Python: SHA-256 by `hashlib`, and the bits as one number.
    #[test]
    fn a_code_is_written_as_the_format_says() {
        assert_eq!(text(&of([0; 16])), "00000-00000-00000-00000-00000-3K9VG");
        let counted = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(text(&of(counted)), "000G4-0R40M-30E20-9185G-R38E1-YCWCK");
    }

    #[test]
    fn a_code_is_read_in_any_case_and_grouping_and_with_letters_that_look_alike() {
        let code = of([0; 16]);
        let written = text(&code);
        for way in [
            written.to_lowercase(),
            written.replace('-', ""),
            written.replace('-', " ") + "\n",
            written.replace('0', "o"),
        ] {
            let read = RecoveryCode::parse(way.as_bytes()).unwrap();
            assert_eq!(read.0.expose(), code.0.expose(), "{way}");
        }
    }

    #[test]
    fn what_is_no_code_is_refused_with_its_reason() {
        let code = text(&of([7; 16]));
        let short = &code[..code.len() - 1];
        assert_eq!(refusal(short), BadRecoveryCode::Length { found: 29 });
        let long = format!("{code}0");
        assert_eq!(refusal(&long), BadRecoveryCode::Length { found: 31 });
        assert_eq!(refusal(""), BadRecoveryCode::Length { found: 0 });
        assert_eq!(refusal("00U"), BadRecoveryCode::Character { at: 3 });
        assert_eq!(refusal("0é"), BadRecoveryCode::Character { at: 2 });
    }

    #[test]
    fn every_single_mistake_and_every_swap_of_neighbours_is_noticed() {
        let code = text(&of(std::array::from_fn(|at| {
            u8::try_from(at * 11).unwrap()
        })));
        for at in 0..code.len() {
            for other in ALPHABET.iter().map(|&byte| char::from(byte)) {
                let mut changed: Vec<char> = code.chars().collect();
                if changed[at] == '-' || changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed: String = changed.into_iter().collect();
                assert_eq!(refusal(&changed), BadRecoveryCode::Mistyped, "{changed}");
            }
        }
        let plain = code.replace('-', "");
        for at in 1..plain.len() {
            let mut swapped: Vec<char> = plain.chars().collect();
            swapped.swap(at - 1, at);
            let swapped: String = swapped.into_iter().collect();
            if swapped != plain {
                assert_eq!(refusal(&swapped), BadRecoveryCode::Mistyped, "{swapped}");
            }
        }
    }

    #[test]
    fn a_code_has_another_key_for_another_account() {
        let code = of([1; 16]);
        let key = |account| {
            code.secret_key(AccountId::from_bytes([account; 16]))
                .public()
        };
        assert_ne!(key(1), key(2));
        // Computed with Python's `cryptography`.
        let sevens = of([7; 16]).secret_key(AccountId::from_bytes([0x1D; 16]));
        assert_eq!(
            hex(sevens.public().as_bytes()),
            "e79be68e24f9991d08cb84de865f5364bc7d332a371bd4514273b16b6d9eb348"
        );
    }

    proptest! {
        #[test]
        fn every_code_reads_back_as_it_was_written(bytes in any::<[u8; 16]>()) {
            let code = of(bytes);
            let read = RecoveryCode::parse(code.to_text().expose()).unwrap();
            prop_assert_eq!(read.0.expose(), &bytes);
        }

        #[test]
        fn no_text_makes_the_parser_of_codes_panic(text in any::<Vec<u8>>()) {
            let _ = RecoveryCode::parse(&text);
        }
    }
}
