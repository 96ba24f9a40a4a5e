//! Parses the JSON values that a line may have, each of which has only one canonical form.

use std::collections::BTreeSet;

/// The maximum nesting depth of objects and lists, counting the details themselves.
const LEVELS: usize = 4;
/// Up to this many keys of an object are compared without allocating.
const FEW_KEYS: usize = 16;

/// The class of a byte within a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    /// A byte of a character outside ASCII.
    High,
    /// A quote or a backslash.
    Special,
    Control,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte < 0x20 {
            classes[byte] = Class::Control;
        } else if byte >= 0x80 {
            classes[byte] = Class::High;
        }
        byte += 1;
    }
    classes[b'"' as usize] = Class::Special;
    classes[b'\\' as usize] = Class::Special;
    classes
};

/// A position in a line. When a method returns `None`, the line is not canonical, and the position
/// is meaningless; only [`Cursor::token`] leaves it unchanged.
pub(super) struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// The number of bytes consumed.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The bytes not consumed yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }

    /// Consumes exactly `token`.
    #[inline] // compiles to one comparison without a call
    pub(super) fn token<const N: usize>(&mut self, token: &[u8; N]) -> Option<()> {
        let is_next = self.rest().first_chunk() == Some(token);
        if is_next {
            self.at += N;
        }
        is_next.then_some(())
    }

    /// Consumes any `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let taken = self.rest().first_chunk()?;
        self.at += N;
        Some(taken)
    }

    /// Consumes `count` bytes, which must exist.
    pub(super) fn skip(&mut self, count: usize) -> &'a [u8] {
        let (passed, _) = self.rest().split_at(count);
        self.at += count;
        passed
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    /// A number up to `limit`, without leading zeros.
    pub(super) fn unsigned(&mut self, limit: u64) -> Option<u64> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit());
        let mut value = 0_u64;
        let mut count = 0;
        for digit in digits {
            // No digit may follow a leading zero.
            if count > 0 && value == 0 {
                return None;
            }
            value = value
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
            count += 1;
        }
        self.at += count;
        (count > 0 && value <= limit).then_some(value)
    }

    /// The bytes between the quotes of a string.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        self.token(b"\"")?;
        let start = self.at;
        let mut is_ascii = true;
        loop {
            self.at += plain(self.rest());
            let byte = self.peek()?;
            match CLASSES[usize::from(byte)] {
                Class::Plain => self.at += 1,
                Class::High => {
                    is_ascii = false;
                    self.at += 1;
                }
                Class::Control => return None,
                Class::Special if byte == b'"' => break,
                Class::Special => self.at += escape(self.rest())?,
            }
        }
        let text = &self.line[start..self.at];
        self.at += 1;
        (is_ascii || std::str::from_utf8(text).is_ok()).then_some(text)
    }

    #[allow(clippy::option_option)] // not canonical, null, or a text
    pub(super) fn string_or_null(&mut self) -> Option<Option<&'a [u8]>> {
        match self.token(b"null") {
            Some(()) => Some(None),
            None => self.string().map(Some),
        }
    }

    /// An object, with its braces.
    pub(super) fn object(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.members(1)?;
        Some(&self.line[start..self.at])
    }

    fn members(&mut self, level: usize) -> Option<()> {
        self.token(b"{")?;
        if self.token(b"}").is_some() {
            return Some(());
        }
        let mut keys = Keys::default();
        loop {
            let key = self.string()?;
            if !keys.add(key) {
                return None;
            }
            self.token(b":")?;
            self.value(level + 1)?;
            if self.token(b",").is_none() {
                return self.token(b"}");
            }
        }
    }

    fn elements(&mut self, level: usize) -> Option<()> {
        self.token(b"[")?;
        if self.token(b"]").is_some() {
            return Some(());
        }
        loop {
            self.value(level + 1)?;
            if self.token(b",").is_none() {
                return self.token(b"]");
            }
        }
    }

    /// Consumes a value; `level` is the depth that an object or a list would have.
    fn value(&mut self, level: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' if level <= LEVELS => self.members(level),
            b'[' if level <= LEVELS => self.elements(level),
            b't' => self.token(b"true"),
            b'f' => self.token(b"false"),
            b'n' => self.token(b"null"),
            b'-' => {
                self.token(b"-")?;
                let size = self.unsigned(i64::MIN.unsigned_abs())?;
                (size > 0).then_some(())
            }
            _ => self.unsigned(u64::MAX).map(drop),
        }
    }
}

/// A lower bound on the number of plain bytes at the beginning, computed eight at a time.
fn plain(rest: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // Sets the high bit of the first byte below `limit` and of none before it; later bytes may have
    // false positives. Bytes of 0x80 and above have the bit themselves.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let (words, _) = rest.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let others = (word | below(word, 0x20) | quote | backslash) & HIGH;
        if others != 0 {
            return 8 * at + others.trailing_zeros() as usize / 8;
        }
    }
    8 * words.len()
}

/// The length of the escape at the beginning of `rest`.
fn escape(rest: &[u8]) -> Option<usize> {
    match rest.get(1)? {
        b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r' => Some(2),
        b'u' => {
            let &[b'0', b'0', high @ (b'0' | b'1'), low] = rest.get(2..6)? else {
                return None;
            };
            let digit = match low {
                b'0'..=b'9' => low - b'0',
                b'a'..=b'f' => low - b'a' + 10,
                _ => return None,
            };
            let has_short_form = high == b'0' && matches!(digit, 8 | 9 | 10 | 12 | 13);
            (!has_short_form).then_some(6)
        }
        _ => None,
    }
}

/// The keys of an object so far. A key has only one form, so equal keys are equal bytes.
#[derive(Default)]
struct Keys<'a> {
    few: [&'a [u8]; FEW_KEYS],
    count: usize,
    /// Keys beyond the first few, so that an object with thousands of keys does not take quadratic
    /// time.
    more: BTreeSet<&'a [u8]>,
}

impl<'a> Keys<'a> {
    /// Adds a key; `false` if it is a duplicate.
    fn add(&mut self, key: &'a [u8]) -> bool {
        if self.few[..self.count].contains(&key) {
            return false;
        }
        if self.count < FEW_KEYS {
            self.few[self.count] = key;
            self.count += 1;
            return true;
        }
        self.more.insert(key)
    }
}
