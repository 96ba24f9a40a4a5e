//! Parses a line in its canonical form (docs/formats.md, "Canonical form") without allocating.
//!
//! Verification, recovery and all readers accept the same bytes and read the same values from them.

#[cfg(any(test, fuzzing, feature = "test-util"))]
pub(crate) mod properties;
mod value;

use super::catalogue::EventType;
use super::details::Details;
use super::hash::LineHash;
use super::line::LINE_LIMIT;
use super::seal::Parts;
use super::segment::SEQ_END;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::are_hex_digits;
use value::Cursor;

/// The longest name of an event type, in bytes.
const TYPE_LIMIT: usize = 64;

/// A line in canonical form. Its hash and seal have not been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Canonical<'a> {
    pub(super) seq: u64,
    pub(super) timestamp: Timestamp,
    /// Possibly a type that this version does not know.
    pub(super) event_type: &'a str,
    /// The bytes between the quotes, with escapes.
    pub(super) username: Option<&'a [u8]>,
    /// A lower-case UUID.
    pub(super) session_id: Option<&'a [u8; UUID]>,
    pub(super) success: bool,
    /// A JSON object.
    pub(super) details: &'a [u8],
    pub(super) prev: LineHash,
    /// The hash, the hashed bytes, and the seal.
    pub(super) parts: Parts<'a>,
}

impl<'a> Canonical<'a> {
    /// Whether `line` is canonical and has a seal, and so vouches for the lines before it. For
    /// verification and for all readers, the log ends with the last such line.
    pub(super) fn is_sealed(line: &'a [u8]) -> bool {
        Parts::has_seal(line) && Self::parse(line).is_some_and(|line| line.parts.seal.is_some())
    }

    /// The details, typed, if they are those of an event of this type.
    pub(super) fn read_details(&self, event_type: EventType) -> Option<Details> {
        Details::read(event_type, std::str::from_utf8(self.details).ok()?)
    }

    /// Parses a line without its line end; `None` if it is not canonical.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        if line.len() >= LINE_LIMIT {
            return None;
        }
        let mut cursor = Cursor::new(line);
        cursor.token(b"{\"seq\":")?;
        let seq = cursor.unsigned(SEQ_END - 1).filter(|&seq| seq > 0)?;
        cursor.token(b",\"id\":\"")?;
        cursor.take().filter(|id| is_uuid7(id))?;
        cursor.token(b"\",\"timestamp\":\"")?;
        let timestamp = time(cursor.take()?)?;
        cursor.token(b"\",\"event_type\":\"")?;
        let event_type = event_type(&mut cursor)?;
        cursor.token(b"\",\"username\":")?;
        let username = cursor.string_or_null()?;
        cursor.token(b",\"session_id\":")?;
        let session_id = if cursor.token(b"null").is_some() {
            None
        } else {
            cursor.token(b"\"")?;
            let id = cursor.take().filter(|id| is_uuid(id))?;
            cursor.token(b"\"")?;
            Some(id)
        };
        cursor.token(b",\"success\":")?;
        let success = cursor.token(b"true").is_some();
        if !success {
            cursor.token(b"false")?;
        }
        cursor.token(b",\"details\":")?;
        let details = cursor.object()?;
        cursor.token(b",\"host\":")?;
        cursor.string()?;
        cursor.token(b",\"uid\":")?;
        cursor.unsigned(u32::MAX.into())?;
        cursor.token(b",\"pid\":")?;
        cursor.unsigned(u32::MAX.into())?;
        cursor.token(b",\"tty\":")?;
        cursor.string_or_null()?;
        cursor.token(b",\"prev\":\"")?;
        let prev = LineHash::parse(cursor.take::<64>()?)?;
        cursor.token(b"\"")?;
        // The rest has a fixed length, and is parsed from the end of the line.
        let parts = Parts::of(line).filter(|parts| parts.hashed.len() == cursor.at())?;
        Some(Self {
            seq,
            timestamp,
            event_type,
            username,
            session_id,
            success,
            details,
            prev,
            parts,
        })
    }
}

/// `A` to `Z`, then `A` to `Z`, `0` to `9` and `_`.
fn event_type<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let is_of_name = |byte: &&u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    let rest = cursor.rest();
    let length = rest.iter().take_while(is_of_name).count();
    if length > TYPE_LIMIT || !rest.first()?.is_ascii_uppercase() {
        return None;
    }
    std::str::from_utf8(cursor.skip(length)).ok()
}

/// The length of a UUID, in bytes.
const UUID: usize = 36;

/// Whether this is a lower-case, hyphenated UUID.
fn is_uuid(text: &[u8; UUID]) -> bool {
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&text[..8]);
    digits[8..12].copy_from_slice(&text[9..13]);
    digits[12..16].copy_from_slice(&text[14..18]);
    digits[16..20].copy_from_slice(&text[19..23]);
    digits[20..].copy_from_slice(&text[24..]);
    [text[8], text[13], text[18], text[23]] == *b"----"
        && digits
            .as_chunks()
            .0
            .iter()
            .all(|&eight| are_hex_digits(eight))
}

/// Whether it also has version 7 and the variant of RFC 9562.
fn is_uuid7(text: &[u8; UUID]) -> bool {
    text[14] == b'7' && matches!(text[19], b'8' | b'9' | b'a' | b'b') && is_uuid(text)
}

/// The length of a time, in bytes.
const TIME: usize = 27;

/// A time in the years 1678 to 2261, all of which fit a [`Timestamp`].
fn time(text: &[u8; TIME]) -> Option<Timestamp> {
    const FORM: &[u8; TIME] = b"0000-00-00T00:00:00.000000Z";
    // Added to the difference between a byte and the form, this reaches 0x80 if the difference is
    // too large.
    const TO_REFUSE: [u8; TIME] = {
        let mut added = [0x80 - 1; TIME];
        let mut at = 0;
        while at < TIME {
            if FORM[at] == b'0' {
                added[at] = 0x80 - 10;
            }
            at += 1;
        }
        added
    };
    // No branches, so that the compiler can vectorize this.
    let mut digits = *text;
    let mut refused = 0;
    for at in 0..TIME {
        digits[at] ^= FORM[at];
        refused |= digits[at] | digits[at].wrapping_add(TO_REFUSE[at]);
    }
    if refused >= 0x80 {
        return None;
    }
    let number = |at: std::ops::Range<usize>| {
        let digits = digits[at].iter();
        digits.fold(0, |value, &digit| value * 10 + i64::from(digit))
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let (hour, minute, second) = (number(11..13), number(14..16), number(17..19));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_real = (1678..=2261).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_real {
        return None;
    }
    let seconds = (days_since_1970(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    let nanos = seconds * 1_000_000_000 + number(20..26) * 1000;
    Some(Timestamp::from_unix_nanos(nanos))
}

/// Days from 1970-01-01 to a Gregorian date. Years are counted from March, so that the leap day is
/// the last day of a year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719,468 days from March 1 of year 0 to January 1 of 1970.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}
