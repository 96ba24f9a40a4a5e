//! The few texts that come from outside, limited in length and without control characters.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::forms::written;
use nightlatch_core::crypto::{Key, hex, keyed_digest, unhex};

/// The longest [`Action`] and [`ProgramName`], in characters.
const NAME_LENGTH: usize = 64;
/// The longest [`RevocationReason`], in characters.
const REASON_LENGTH: usize = 500;
/// The longest [`UserAgent`], in characters.
const AGENT_LENGTH: usize = 256;

/// The beginning of `text`, at most `length` characters, with control characters escaped as `\n` or
/// `\u{9b}`. An escape is kept whole or left out.
pub(super) fn bounded(text: &str, length: usize) -> String {
    let mut kept = String::new();
    let mut left = length;
    for character in text.chars() {
        if character.is_control() {
            let escape = character.escape_default();
            let Some(rest) = left.checked_sub(escape.len()) else {
                break;
            };
            left = rest;
            kept.extend(escape);
        } else {
            let Some(rest) = left.checked_sub(1) else {
                break;
            };
            left = rest;
            kept.push(character);
        }
    }
    kept
}

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $length:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The text as in the log.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        written!($name, |text| {
            (bounded(text, $length) == text).then(|| Self(text.to_owned()))
        });

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

bounded_text! {
    /// What a session was used for: `exec`, or a name that the calling program chose. At most 64
    /// characters; longer names are truncated.
    Action, NAME_LENGTH
}
bounded_text! {
    /// A program's file name, without its directory. At most 64 characters; longer names are
    /// truncated.
    ProgramName, NAME_LENGTH
}
bounded_text! {
    /// Why a person revoked a session, in their own words. At most 500 characters; longer texts are
    /// truncated.
    RevocationReason, REASON_LENGTH
}

bounded_text! {
    /// The `User-Agent` of a request. At most 256 characters; longer texts are truncated.
    UserAgent, AGENT_LENGTH
}
bounded_text! {
    /// The id of an incident, from the program that tracks incidents: 1 to 64 characters.
    IncidentId, NAME_LENGTH
}

impl Action {
    /// From the name that the calling code gives.
    pub fn new(name: &str) -> Self {
        Self(bounded(name, NAME_LENGTH))
    }
}

impl ProgramName {
    /// From the program as named on the command line.
    pub fn new(program: &OsStr) -> Self {
        let name = Path::new(program).file_name().unwrap_or(program);
        Self(bounded(&name.to_string_lossy(), NAME_LENGTH))
    }
}

impl RevocationReason {
    /// From the text that the person wrote.
    pub fn new(reason: &str) -> Self {
        Self(bounded(reason, REASON_LENGTH))
    }
}

impl UserAgent {
    /// From the text that the client sent.
    pub fn new(agent: &str) -> Self {
        Self(bounded(agent, AGENT_LENGTH))
    }
}

/// The text is empty, too long, or has control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has 1 to {most} characters, none of them a control character")]
pub struct BadText {
    what: &'static str,
    most: usize,
}

impl FromStr for RevocationReason {
    type Err = BadText;

    /// The text unchanged.
    fn from_str(text: &str) -> Result<Self, BadText> {
        checked(text, "the reason", REASON_LENGTH).map(Self)
    }
}

impl IncidentId {
    /// The most characters that it has.
    pub const MAX_CHARS: usize = NAME_LENGTH;
}

impl FromStr for IncidentId {
    type Err = BadText;

    /// The text unchanged.
    fn from_str(text: &str) -> Result<Self, BadText> {
        checked(text, "the id of an incident", NAME_LENGTH).map(Self)
    }
}

fn checked(text: &str, what: &'static str, most: usize) -> Result<String, BadText> {
    if text.trim().is_empty() || bounded(text, most) != text {
        return Err(BadText { what, most });
    }
    Ok(text.to_owned())
}

/// A keyed digest of a command's arguments. With the key, equal arguments can be recognized;
/// without it, the digest reveals nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgvDigest([u8; 32]);

impl ArgvDigest {
    /// The digest of all arguments, including the program's name if it is given.
    pub fn of<'a>(key: &Key, argv: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(keyed_digest(key, argv))
    }
}

written!(ArgvDigest, |text| unhex(text.as_bytes()).map(Self));

impl fmt::Display for ArgvDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_its_limit_in_characters() {
        assert_eq!(Action::new(&"ä".repeat(65)).as_str(), "ä".repeat(64));
        assert_eq!(RevocationReason::new(&"x".repeat(501)).as_str().len(), 500);
    }

    #[test]
    fn a_reason_from_a_person_is_kept_as_it_is_or_refused() {
        let longest = "ä".repeat(500);
        for good in ["lost laptop", &longest] {
            assert_eq!(
                good.parse().map(|reason: RevocationReason| reason.0),
                Ok(good.to_owned())
            );
        }
        for bad in ["", "  ", &"x".repeat(501), "a\nb", "\u{9b}"] {
            let refused = bad
                .parse::<RevocationReason>()
                .map_err(|bad| bad.to_string());
            let expected = "the reason has 1 to 500 characters, none of them a control character";
            assert_eq!(refused, Err(expected.to_owned()), "{bad}");
        }
        assert!(IncidentId::from_str(&"x".repeat(65)).is_err());
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            Action::new("a\x1b[2J\u{9b}\n").as_str(),
            "a\\u{1b}[2J\\u{9b}\\n"
        );
    }

    #[test]
    fn an_escape_is_never_cut_in_two() {
        assert_eq!(bounded("abc\x1b", 8), "abc");
        assert_eq!(bounded("abc\x1b", 9), "abc\\u{1b}");
    }

    #[test]
    fn a_program_is_named_without_its_directory() {
        assert_eq!(
            ProgramName::new(OsStr::new("/home/alice/secret-project/run")).as_str(),
            "run"
        );
        assert_eq!(ProgramName::new(OsStr::new("kubectl")).as_str(), "kubectl");
        assert_eq!(ProgramName::new(OsStr::new("..")).as_str(), "..");
    }

    #[test]
    fn a_digest_depends_on_every_argument_and_on_where_it_ends() {
        let key = Key::init_with(|bytes| bytes.fill(7));
        let of = |argv: &[&'static [u8]]| ArgvDigest::of(&key, argv.iter().copied());
        assert_eq!(of(&[b"ls", b"-l"]), of(&[b"ls", b"-l"]));
        assert_ne!(of(&[b"ls", b"-l"]), of(&[b"ls-", b"l"]));
        assert_ne!(of(&[b"ls", b"-l"]), of(&[b"ls"]));
    }
}
