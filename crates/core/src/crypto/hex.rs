//! Lower-case hexadecimal, eight digits at a time: verifying a log decodes hundreds per line.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Encodes `bytes` as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .copied()
        .flat_map(digits)
        .map(char::from)
        .collect()
}

/// As [`hex`], for 32 bytes and without an allocation.
pub fn hex_of_32(bytes: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, &byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = digits(byte);
    }
    text
}

/// Has no branches or tables, so that the compiler can vectorize it.
fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|value| value + b'0' + u8::from(value > 9) * (b'a' - b'0' - 10))
}

/// Decodes exactly `2 * N` lower-case hexadecimal digits; `N` is a multiple of four.
pub fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    const { assert!(N.is_multiple_of(4)) }
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut are_digits = true;
    let words = digits.as_chunks::<8>().0;
    for (four, &eight) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        are_digits &= are_hex_digits(eight);
        let word = u64::from_le_bytes(eight);
        // A letter has bit 6 set, and its low four bits are its value less 9.
        let values = (word & (ONES * 0xf)) + 9 * ((word >> 6) & ONES);
        let pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
        let halves = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
        let whole = (halves | halves >> 16).to_le_bytes();
        *four = [whole[0], whole[1], whole[2], whole[3]];
    }
    are_digits.then_some(bytes)
}

/// Whether all eight bytes are lower-case hexadecimal digits.
#[inline]
pub fn are_hex_digits(eight: [u8; 8]) -> bool {
    let word = u64::from_le_bytes(eight);
    // Sets the high bit of each byte that is at least `limit`, if all bytes are below 0x80.
    let at_least = |limit: u8| word.wrapping_add(ONES * u64::from(0x80 - limit));
    let numbers = at_least(b'0') & !at_least(b'9' + 1);
    let letters = at_least(b'a') & !at_least(b'f' + 1);
    (numbers | letters) & !word & HIGH == HIGH
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_lower_case_digits_are_read_wherever_they_are() {
        for at in 0..8 {
            for byte in 0..=u8::MAX {
                let mut digits = *b"09afb5e1";
                digits[at] = byte;
                let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                assert_eq!(are_hex_digits(digits), is_digit, "{byte} at {at}");
                assert_eq!(unhex::<4>(&digits).is_some(), is_digit, "{byte} at {at}");
            }
        }
        // No byte borrows from its neighbour.
        assert!(!are_hex_digits([0xff; 8]) && !are_hex_digits([0xb0; 8]));
        assert_eq!(unhex::<4>(b"0123456"), None);
        assert_eq!(unhex::<4>(b"012345678"), None);
    }

    proptest! {
        #[test]
        fn bytes_read_back_from_their_digits(bytes: [u8; 32]) {
            let text = hex(&bytes);
            prop_assert_eq!(unhex(text.as_bytes()), Some(bytes));
            prop_assert_eq!(&hex_of_32(&bytes)[..], text.as_bytes());
        }
    }
}
