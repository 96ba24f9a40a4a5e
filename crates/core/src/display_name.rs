//! The name that an account is shown by.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::email::{is_invisible, reorders_or_controls};

/// The longest name, in characters.
pub const NAME_MAX_CHARS: usize = 100;

/// An account's display name: 1 to [`NAME_MAX_CHARS`] characters, composed (NFC), without leading
/// or trailing space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DisplayName(String);

/// Why a text cannot be an account's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadName {
    /// The text is empty, or has only characters that cannot be seen.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`NAME_MAX_CHARS`].
    #[error("the name is longer than {NAME_MAX_CHARS} characters")]
    TooLong,
    /// A character that is invisible or reorders text.
    #[error("the name has a control character in it")]
    Control,
}

impl DisplayName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        // Four bytes per character at most; composing never makes such a long name short enough.
        if text.len() > 16 * NAME_MAX_CHARS {
            return Err(BadName::TooLong);
        }
        let name: String = text.trim().nfc().collect();
        if name.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            return Err(BadName::Empty);
        }
        if name.chars().any(reorders_or_controls) {
            return Err(BadName::Control);
        }
        if name.chars().count() > NAME_MAX_CHARS {
            return Err(BadName::TooLong);
        }
        Ok(Self(name))
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_trimmed_and_has_something_to_show() {
        assert_eq!(
            "  Alice B. ".parse::<DisplayName>().unwrap().as_str(),
            "Alice B."
        );
        assert_eq!(" \t ".parse::<DisplayName>(), Err(BadName::Empty));
        assert_eq!(
            "\u{200b} \u{feff}".parse::<DisplayName>(),
            Err(BadName::Empty)
        );
        assert_eq!("a\nb".parse::<DisplayName>(), Err(BadName::Control));
        assert_eq!("a\u{202e}b".parse::<DisplayName>(), Err(BadName::Control));
        assert!("é".repeat(100).parse::<DisplayName>().is_ok());
        let long = "é".repeat(101).parse::<DisplayName>();
        assert_eq!(long, Err(BadName::TooLong));
        let longer = "é".repeat(100_000).parse::<DisplayName>();
        assert_eq!(longer, Err(BadName::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_of_names_panic(text in any::<String>()) {
            let _ = text.parse::<DisplayName>();
        }
    }
}
