//! The name of a hold and its reason: the two texts that a person chooses.

use std::fmt;
use std::str::FromStr;

use crate::forms::written;

/// The longest name, in characters.
const NAME_LENGTH: usize = 64;
/// The longest reason, in characters.
const REASON_LENGTH: usize = 200;

/// The name of a legal hold: 1 to 64 letters, digits and `. _ -` (ASCII).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldName(String);

/// The text is not a valid name of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a hold has 1 to {NAME_LENGTH} characters: letters, digits, and . _ -")]
#[non_exhaustive]
pub struct BadHoldName;

impl HoldName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HoldName {
    type Err = BadHoldName;

    fn from_str(text: &str) -> Result<Self, BadHoldName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=NAME_LENGTH).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadHoldName)
        }
    }
}

written!(HoldName, |text| text.parse().ok());

impl fmt::Display for HoldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a hold was added: 1 to 200 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldReason(String);

/// The text is not a valid reason for a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the reason for a hold has 1 to {REASON_LENGTH} characters, none of them a control character"
)]
#[non_exhaustive]
pub struct BadHoldReason;

impl HoldReason {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HoldReason {
    type Err = BadHoldReason;

    fn from_str(text: &str) -> Result<Self, BadHoldReason> {
        let is_short = (1..=REASON_LENGTH).contains(&text.chars().count());
        if is_short && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadHoldReason)
        }
    }
}

written!(HoldReason, |text| text.parse().ok());

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_name_is_plain_and_short() {
        for good in ["a", "case-7", "2026_Q3.audit", &"x".repeat(64)] {
            assert!(good.parse::<HoldName>().is_ok(), "{good}");
        }
        for bad in ["", "case 7", "a/b", "a\n", "ä", "\u{202e}", &"x".repeat(65)] {
            assert_eq!(bad.parse::<HoldName>(), Err(BadHoldName), "{bad}");
        }
    }

    #[test]
    fn a_hold_reason_is_any_short_text_without_control_characters() {
        for good in ["x", "Lawsuit \"Smith\", §12", &"ä".repeat(200)] {
            assert!(good.parse::<HoldReason>().is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "a\u{9b}b", "\0", &"ä".repeat(201)] {
            assert_eq!(bad.parse::<HoldReason>(), Err(BadHoldReason), "{bad}");
        }
    }
}
