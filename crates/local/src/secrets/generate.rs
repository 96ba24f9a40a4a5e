//! Random values.

use std::ops::RangeInclusive;

use nightlatch_core::memory::{Secret, SecretBuffer};

/// How many characters a generated value may have.
pub const GENERATED_LENGTHS: RangeInclusive<usize> = 8..=1024;

/// Letters, digits and two signs that need no quoting in a shell, a URL or a file name. There are 64,
/// so that six random bits choose one without bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A random value of `length` characters, six bits each.
///
/// # Errors
/// When the system provides no random numbers.
///
/// # Panics
/// When `length` is not in [`GENERATED_LENGTHS`].
pub fn generate(length: usize) -> Result<SecretBuffer, getrandom::Error> {
    assert!(GENERATED_LENGTHS.contains(&length), "a length in range");
    let mut value = SecretBuffer::with_capacity(length);
    while value.len() < length {
        let mut random = Secret::<64>::random()?;
        for byte in random.expose_mut() {
            *byte = ALPHABET[usize::from(*byte & 63)];
        }
        let take = (length - value.len()).min(64);
        let fits = value.push(&random.expose()[..take]);
        debug_assert!(fits, "the buffer is as long as the value");
    }
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_value_has_its_length_and_every_character_occurs() {
        let mut seen = [false; 256];
        for length in [8, 63, 64, 65, 1024] {
            let value = generate(length).unwrap();
            assert_eq!(value.len(), length);
            for &byte in value.expose() {
                seen[usize::from(byte)] = true;
            }
        }
        for _ in 0..4 {
            for &byte in generate(1024).unwrap().expose() {
                seen[usize::from(byte)] = true;
            }
        }
        let seen: Vec<u8> = (0..=255_u8)
            .filter(|&byte| seen[usize::from(byte)])
            .collect();
        let mut all = ALPHABET.to_vec();
        all.sort_unstable();
        assert_eq!(seen, all);
    }

    #[test]
    fn two_generated_values_differ() {
        assert_ne!(
            generate(32).unwrap().expose(),
            generate(32).unwrap().expose()
        );
    }
}
