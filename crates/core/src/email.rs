//! Email addresses of accounts, and their normalization.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

/// The longest email in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_MAX_BYTES: usize = 254;
/// An email address as its owner typed it, with the normalized form used to look it up.
///
/// Plain addresses only: no quoted local part, display name, comment or address literal.
///
/// ```
/// use nightlatch_core::email::Email;
///
/// let email: Email = "Alice@Example.com".parse()?;
/// assert_eq!(email.as_str(), "Alice@Example.com");
/// assert_eq!(email.normalized(), "alice@example.com");
/// # Ok::<(), nightlatch_core::email::BadEmail>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email {
    typed: String,
    normalized: String,
}

/// Why a text is not an email address that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadEmail {
    /// The text is empty.
    #[error("the email is empty")]
    Empty,
    /// Longer than [`EMAIL_MAX_BYTES`].
    #[error("the email is longer than {EMAIL_MAX_BYTES} bytes")]
    TooLong,
    /// Contains this white space, invisible character or text-reordering character.
    #[error("the email has a space or an invisible character in it (U+{:04X})", u32::from(*.0))]
    Invisible(char),
    /// A quoted local part, a display name, a comment or an address literal.
    #[error("write the plain email, without quotes, names or comments")]
    NotPlain,
    /// Any other syntax error.
    #[error("the email is not of the form name@example.com")]
    Syntax,
    /// The part after the `@` is not a valid domain name (UTS 46).
    #[error("the email's domain is no domain name")]
    Domain,
}

impl Email {
    /// The address as its owner typed it, for display.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// Two emails with the same normalized form are the same account. The local part is in
    /// Unicode's composed form (NFC) and lower case; the domain is in its ASCII form (UTS 46), with
    /// `xn--` for other letters.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// The normalized local part (before the `@`).
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
        if let Some(found) = text.chars().find(|&c| c.is_whitespace() || is_invisible(c)) {
            return Err(BadEmail::Invisible(found));
        }
        if text.contains(['"', '<', '>', '(', ')', '[', ']']) {
            return Err(BadEmail::NotPlain);
        }
        let lower = lower_case(text);
        let (local, domain) = lower.rsplit_once('@').ok_or(BadEmail::Syntax)?;
        let domain = Uts46::new().to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        );
        let Ok(domain) = domain else {
            check_syntax(&lower)?;
            return Err(BadEmail::Domain);
        };
        // Check the normalized form, which must be a valid email address itself.
        let normalized = format!("{local}@{domain}");
        check_syntax(&normalized)?;
        if normalized.len() > EMAIL_MAX_BYTES {
            return Err(BadEmail::TooLong);
        }
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

fn check_syntax(text: &str) -> Result<(), BadEmail> {
    let options = Options::default()
        .without_display_text()
        .without_domain_literal();
    let parsed = EmailAddress::parse_with_options(text, options);
    parsed.map(|_| ()).map_err(|_| BadEmail::Syntax)
}

/// Composes, lower-cases and composes again, because lower-casing may decompose a character.
fn lower_case(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.to_lowercase().nfc().collect()
}

/// Whether a character is invisible or looks like a space, so that two emails that differ only in
/// it look the same. In addition to [`reorders_or_controls`]: Unicode's
/// `Default_Ignorable_Code_Point` (zero width, soft hyphen, tags, variation selectors, fillers),
/// format characters and the Braille blank.
pub fn is_invisible(c: char) -> bool {
    reorders_or_controls(c)
        || matches!(
            c,
            '\u{AD}'
                | '\u{34F}'
                | '\u{6DD}'
                | '\u{70F}'
                | '\u{8E2}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{FEFF}'
                | '\u{FFA0}'
        )
        || matches!(c, '\u{600}'..='\u{605}' | '\u{890}'..='\u{891}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}')
        || matches!(c, '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}')
        || matches!(c, '\u{FFF0}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1345F}')
        || matches!(c, '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether a character can make text display as something else: control characters (NUL, newline,
/// escape), line and paragraph separators, and characters that change the direction of text.
pub fn reorders_or_controls(c: char) -> bool {
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
            ("alice@example.com\n", BadEmail::Invisible('\n')),
            ("alice@exa\0mple.com", BadEmail::Invisible('\0')),
            ("alice bob@example.com", BadEmail::Invisible(' ')),
            ("alice\u{a0}@example.com", BadEmail::Invisible('\u{a0}')),
            ("alice\u{202e}@example.com", BadEmail::Invisible('\u{202e}')),
            ("alice\u{1b}[2J@example.com", BadEmail::Invisible('\u{1b}')),
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
        ] {
            assert_eq!(text.parse::<Email>(), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_domain_name_is_no_part_of_an_email() {
        for text in [
            "alice@-example.com",
            "alice@exam_ple.com",
            "alice@xn--a.com",
            "alice@xn--exmple-cua\u{e4}.com",
            "alice@\u{301}example.com",
            "alice@example.com.",
        ] {
            let error = text.parse::<Email>().unwrap_err();
            assert!(
                matches!(error, BadEmail::Domain | BadEmail::Syntax),
                "{text}"
            );
        }
        assert_eq!("alice@xn--a.com".parse::<Email>(), Err(BadEmail::Domain));
    }

    #[test]
    fn a_domain_is_one_in_unicode_and_in_its_xn_form() {
        for (one, other) in [
            ("ann@ex\u{e4}mple.com", "ann@xn--exmple-cua.com"),
            ("ann@EXA\u{308}MPLE.com", "Ann@XN--EXMPLE-CUA.COM"),
            ("ann@\u{4f8b}\u{3048}.jp", "ann@xn--r8jz45g.jp"),
            ("ann@example\u{3002}com", "ann@example.com"),
            ("ann@\u{ff45}xample.com", "ann@example.com"),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<Email>().unwrap());
            assert_eq!(one.normalized(), other.normalized());
            assert!(one.normalized().is_ascii());
        }
        // IDNA 2008 treats these as two domains, so they are two emails.
        let [sharp, double] = ["ann@fa\u{df}.de", "ann@fass.de"].map(str::parse::<Email>);
        assert_ne!(sharp.unwrap().normalized(), double.unwrap().normalized());
    }

    #[test]
    fn what_is_not_seen_is_no_part_of_an_email_and_is_named() {
        for code in [
            0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x180B, 0x180E, 0x200B, 0x200C, 0x200D,
            0x200E, 0x200F, 0x202A, 0x202E, 0x2028, 0x2060, 0x2064, 0x2066, 0x206F, 0x2800, 0x3164,
            0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF9, 0x1BCA0, 0x1D173, 0xE0001, 0xE0041, 0xE007F,
            0xE0100, 0, 7, 0x1B, 0x7F, 0x85, 0x9B,
        ] {
            let c = char::from_u32(code).unwrap();
            for text in [
                format!("ali{c}ce@example.com"),
                format!("alice@exa{c}mple.com"),
            ] {
                let error = text.parse::<Email>().unwrap_err();
                assert_eq!(error, BadEmail::Invisible(c), "{code:x}");
                assert!(
                    error.to_string().contains(&format!("U+{code:04X}")),
                    "{error}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn normalizing_twice_is_normalizing_once(text in any::<String>()) {
            let once = lower_case(&text);
            prop_assert_eq!(lower_case(&once), once);
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
