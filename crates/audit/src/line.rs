//! One line of the log, read back.

use std::borrow::Cow;

use memchr::arch::all::memchr::One;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::event_name::EventName;
use super::hash::LineHash;
use nightlatch_core::clock::Timestamp;

/// The maximum length of a line, with its line end. Texts are bounded so that events stay far
/// below.
pub(super) const LINE_LIMIT: usize = 64 * 1024;

/// Finds line ends, eight bytes at a time. For few line ends this is faster than detecting which
/// vector instructions the processor has.
pub(super) fn line_end() -> One {
    One::new(b'\n')
}

/// The number and the hash of a line, which the next line continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: LineHash,
}

impl Link {
    /// Before the first line.
    pub(super) const GENESIS: Self = Self {
        seq: 0,
        hash: LineHash::ZERO,
    };
}

/// A string of a line, borrowed if it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A line as it was read: it has all keys, with values of the right kind, and nothing else has been
/// checked. Other keys, such as a seal, are ignored.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    pub(super) seq: u64,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow)]
    pub(super) event_type: Text<'a>,
    #[serde(borrow)]
    pub(super) username: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) session_id: Option<Text<'a>>,
    pub(super) success: bool,
    #[serde(borrow)]
    pub(super) details: &'a RawValue,
    #[serde(borrow)]
    pub(super) host: Text<'a>,
    pub(super) uid: u32,
    pub(super) pid: u32,
    #[serde(borrow)]
    pub(super) tty: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) prev: Text<'a>,
    #[serde(borrow)]
    pub(super) hash: Text<'a>,
}

impl<'a> Line<'a> {
    /// Parses a line without its line end; `None` if it is not a line of the log.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(line).ok()?).ok()
    }

    /// The line's number and hash; `None` if the hash is malformed.
    pub(super) fn link(&self) -> Option<Link> {
        LineHash::parse(self.hash.0.as_bytes()).map(|hash| Link {
            seq: self.seq,
            hash,
        })
    }
}

/// The fields at the beginning of a line as [`line_writer`](super::line_writer) writes it, found by
/// their position alone.
pub(super) struct Head<'a> {
    pub(super) timestamp: &'a [u8],
    pub(super) event_type: &'a [u8],
}

impl<'a> Head<'a> {
    /// `None` if the line begins differently.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        const ID: usize = 36;
        const TIMESTAMP: usize = 27;
        let digits = line.strip_prefix(b"{\"seq\":")?;
        let count = digits
            .iter()
            .take(16)
            .take_while(|digit| digit.is_ascii_digit())
            .count();
        let rest = digits[count..].strip_prefix(b",\"id\":\"")?;
        let rest = rest.get(ID..)?.strip_prefix(b"\",\"timestamp\":\"")?;
        let (timestamp, rest) = rest.split_at_checked(TIMESTAMP)?;
        let rest = rest.strip_prefix(b"\",\"event_type\":\"")?;
        let event_type = &rest[..rest.iter().position(|&byte| byte == b'"')?];
        Some(Self {
            timestamp,
            event_type,
        })
    }

    /// Whether the event type is valid and the time has the form that this program writes.
    pub(super) fn is_well_formed(&self) -> bool {
        const FORM: &[u8] = b"0000-00-00T00:00:00.000000Z";
        let is_formed = |(&byte, &form): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        };
        self.timestamp.iter().zip(FORM).all(is_formed) && EventName::is_formed(self.event_type)
    }

    /// When the event was recorded.
    pub(super) fn time(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(std::str::from_utf8(self.timestamp).ok()?)
    }
}
