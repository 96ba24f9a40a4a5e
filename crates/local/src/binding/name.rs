//! The names of secrets.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use nightlatch_core::email::is_invisible;

/// The longest name, in characters.
pub const NAME_MAX_CHARS: usize = 200;
/// Characters that separate a name from what follows it: in `NAME=VAR` and in `{{ … }}`.
const RESERVED: [char; 3] = ['=', '{', '}'];

/// The name of a secret: 1 to [`NAME_MAX_CHARS`] characters, composed (NFC). Slashes divide it into
/// parts, as in `prod/db`.
///
/// A name is not printed by `Debug`: what a secret is for may be confidential too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

/// Why a text cannot be the name of a secret. The text is not repeated: people paste values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSecretName {
    /// Nothing is left of it.
    #[error("the name of a secret is empty")]
    Empty,
    /// Longer than [`NAME_MAX_CHARS`].
    #[error("the name of a secret is longer than {NAME_MAX_CHARS} characters")]
    TooLong,
    /// A control character, or one that is invisible or reorders text.
    #[error("the name of a secret has a control character or an invisible character in it")]
    Control,
    /// A space at an end, or white space other than a space.
    #[error(
        "the name of a secret has a space at its beginning or end, or a tab or other white space"
    )]
    Space,
    /// An empty part.
    #[error("the name of a secret has a slash at its beginning or end, or two in a row")]
    Slash,
    /// A character that separates a name from what follows it.
    #[error("the name of a secret has {0:?} in it")]
    Reserved(char),
    /// It looks like an option.
    #[error("the name of a secret begins with a dash")]
    Dash,
}

impl SecretName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which a secret is found: two names that differ only in case have the same.
    pub(crate) fn folded(&self) -> String {
        composed(&self.0.to_lowercase())
    }
}

impl FromStr for SecretName {
    type Err = BadSecretName;

    fn from_str(text: &str) -> Result<Self, BadSecretName> {
        // Four bytes per character at most; composing never makes such a long name short enough.
        if text.len() > 16 * NAME_MAX_CHARS {
            return Err(BadSecretName::TooLong);
        }
        let name = composed(text);
        if name.is_empty() {
            return Err(BadSecretName::Empty);
        }
        if name.chars().count() > NAME_MAX_CHARS {
            return Err(BadSecretName::TooLong);
        }
        let is_space = |c: char| c.is_whitespace() && c != ' ';
        if name.trim() != name || name.chars().any(is_space) {
            return Err(BadSecretName::Space);
        }
        if name.chars().any(is_invisible) {
            return Err(BadSecretName::Control);
        }
        if name.split('/').any(str::is_empty) {
            return Err(BadSecretName::Slash);
        }
        if let Some(c) = name.chars().find(|c| RESERVED.contains(c)) {
            return Err(BadSecretName::Reserved(c));
        }
        if name.starts_with('-') {
            return Err(BadSecretName::Dash);
        }
        Ok(Self(name))
    }
}

/// The text in normalization form C, which ASCII text already is.
fn composed(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        text.nfc().collect()
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretName(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<SecretName, BadSecretName> {
        text.parse()
    }

    #[test]
    fn a_secret_name_with_a_flaw_is_refused_for_that_flaw() {
        for (text, flaw) in [
            ("", BadSecretName::Empty),
            (" ", BadSecretName::Space),
            ("prod ", BadSecretName::Space),
            ("a\tb", BadSecretName::Space),
            ("a\nb", BadSecretName::Space),
            ("a\u{1b}[2Jb", BadSecretName::Control),
            ("a\0b", BadSecretName::Control),
            ("a\u{202e}b", BadSecretName::Control),
            ("a\u{200b}b", BadSecretName::Control),
            ("/prod", BadSecretName::Slash),
            ("prod/", BadSecretName::Slash),
            ("prod//db", BadSecretName::Slash),
            ("a=b", BadSecretName::Reserved('=')),
            ("a}}b", BadSecretName::Reserved('}')),
            ("-x", BadSecretName::Dash),
        ] {
            assert_eq!(parse(text), Err(flaw), "{text:?}");
        }
        assert_eq!(parse(&"x".repeat(1000)), Err(BadSecretName::TooLong));
        assert_eq!(parse(&"x".repeat(100_000)), Err(BadSecretName::TooLong));
        assert!(parse(&"é".repeat(NAME_MAX_CHARS)).is_ok());
    }

    #[test]
    fn ordinary_secret_names_are_accepted_as_typed() {
        for text in [
            "prod-db",
            "prod/db/password",
            "AWS key (old)",
            "../x",
            "a.b:c@d#1",
            "ключ",
        ] {
            assert_eq!(parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn names_that_differ_only_in_case_or_composition_are_one() {
        let folded = |text| parse(text).unwrap().folded();
        assert_eq!(folded("Prod-DB"), folded("prod-db"));
        assert_eq!(parse("e\u{301}"), parse("é"));
        assert_ne!(folded("prod-db"), folded("prod_db"));
    }

    #[test]
    fn the_debug_form_of_a_secret_name_does_not_show_it() {
        let name = parse("merger-talks").unwrap();
        assert_eq!(format!("{name:?}"), "SecretName(..)");
    }

    proptest! {
        #[test]
        fn a_secret_name_reads_back_from_what_it_shows(text in any::<String>()) {
            if let Ok(name) = parse(&text) {
                prop_assert_eq!(parse(name.as_str()), Ok(name.clone()));
                prop_assert!(!name.as_str().chars().any(char::is_control));
            }
        }
    }
}
