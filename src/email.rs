//! An email address, as an account has it and the configuration names it.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;

/// The longest email in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_MAX_BYTES: usize = 254;
/// An email address as its owner typed it, with the one form it is looked up by.
///
/// Plain addresses only: no quoted local part, display name, comment or address literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email {
    typed: String,
    normalized: String,
}

/// Why a text is no email address that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadEmail {
    /// There is nothing.
    #[error("the email is empty")]
    Empty,
    /// More than [`EMAIL_MAX_BYTES`].
    #[error("the email is longer than {EMAIL_MAX_BYTES} bytes")]
    TooLong,
    /// White space, or a character that is not seen or reorders what is.
    #[error("the email has a space or an invisible character in it")]
    Invisible,
    /// A quoted local part, a display name, a comment or an address literal.
    #[error("write the plain email, without quotes, names or comments")]
    NotPlain,
    /// Anything else that the syntax does not allow.
    #[error("the email is not of the form name@example.com")]
    Syntax,
}

impl BadEmail {
    /// What the person can do about it.
    pub fn hint(self) -> Option<String> {
        Some("an email looks like alice@example.com".to_owned())
    }
}

impl Email {
    /// As its owner typed it; for display.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// In Unicode's composed form (NFC) and lower case: two emails with the same normalized form
    /// are the same account.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// What stands before the `@`, normalized.
    pub fn normalized_local_part(&self) -> &str {
        self.normalized
            .rsplit_once('@')
            .map_or(self.normalized.as_str(), |(local, _)| local)
    }
}

impl FromStr for Email {
    type Err = BadEmail;

    fn from_str(text: &str) -> Result<Self, BadEmail> {
        if text.is_empty() {
            return Err(BadEmail::Empty);
        }
        if text.len() > EMAIL_MAX_BYTES {
            return Err(BadEmail::TooLong);
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || reorders_or_controls(c))
        {
            return Err(BadEmail::Invisible);
        }
        if text.contains(['"', '<', '>', '(', ')', '[', ']']) {
            return Err(BadEmail::NotPlain);
        }
        // The normalized form is judged, so that it is an email in its own right.
        let normalized = normalize(text);
        if normalized.len() > EMAIL_MAX_BYTES {
            return Err(BadEmail::TooLong);
        }
        let options = Options::default()
            .without_display_text()
            .without_domain_literal();
        EmailAddress::parse_with_options(&normalized, options).map_err(|_| BadEmail::Syntax)?;
        Ok(Self {
            typed: text.to_owned(),
            normalized,
        })
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// Composed, lower case, and composed again: lower-casing may take a character apart.
fn normalize(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.to_lowercase().nfc().collect()
}

/// Control characters (NUL, newline, escape), the separators of lines and paragraphs, and the
/// characters that change the direction of the text around them: with these, what is shown is not
/// what is there.
pub(crate) fn reorders_or_controls(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{061C}' | '\u{200E}' | '\u{200F}'
        )
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_email_is_kept_as_typed_and_found_in_lower_case_and_composed() {
        let email: Email = "Andre\u{301}.M@Example.COM".parse().unwrap();
        assert_eq!(email.as_str(), "Andre\u{301}.M@Example.COM");
        assert_eq!(email.normalized(), "andr\u{e9}.m@example.com");
        assert_eq!(email.normalized_local_part(), "andr\u{e9}.m");
    }

    #[test]
    fn ordinary_emails_are_accepted() {
        for text in [
            "alice@example.com",
            "a@b",
            "alice+tag@sub.example.com",
            "o'brien@example.ie",
            "用户@例え.jp",
        ] {
            assert!(text.parse::<Email>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_email_is_refused_with_its_reason() {
        let long = format!("{}@example.com", "a".repeat(250));
        for (text, reason) in [
            ("", BadEmail::Empty),
            (long.as_str(), BadEmail::TooLong),
            ("alice@example.com\n", BadEmail::Invisible),
            ("alice@exa\0mple.com", BadEmail::Invisible),
            ("alice bob@example.com", BadEmail::Invisible),
            ("alice\u{a0}@example.com", BadEmail::Invisible),
            ("alice\u{202e}@example.com", BadEmail::Invisible),
            ("alice\u{1b}[2J@example.com", BadEmail::Invisible),
            ("\"alice\"@example.com", BadEmail::NotPlain),
            ("<alice@example.com>", BadEmail::NotPlain),
            ("Alice<alice@example.com>", BadEmail::NotPlain),
            ("alice(work)@example.com", BadEmail::NotPlain),
            ("alice@[127.0.0.1]", BadEmail::NotPlain),
            ("alice", BadEmail::Syntax),
            ("@example.com", BadEmail::Syntax),
            ("alice@", BadEmail::Syntax),
            ("alice@@example.com", BadEmail::Syntax),
            ("alice..b@example.com", BadEmail::Syntax),
            ("alice@example..com", BadEmail::Syntax),
            ("alice\u{200b}@example.com", BadEmail::Syntax),
        ] {
            assert_eq!(text.parse::<Email>(), Err(reason), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn normalizing_twice_is_normalizing_once(text in any::<String>()) {
            let once = normalize(&text);
            prop_assert_eq!(normalize(&once), once);
        }

        #[test]
        fn no_text_makes_the_parser_panic_and_a_normalized_email_is_one(
            text in "\\PC{0,40}@[a-zÀ-ÿA-Z0-9.-]{0,20}",
        ) {
            if let Ok(email) = text.parse::<Email>() {
                let again: Email = email.normalized().parse().unwrap();
                prop_assert_eq!(again.normalized(), email.normalized());
            }
        }
    }
}
