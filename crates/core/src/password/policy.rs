//! Rules for new passwords. Pure, and the only user of zxcvbn, whose dictionary takes 15 ms to
//! load.

use unicode_normalization::UnicodeNormalization;
use zxcvbn::zxcvbn;

use super::{
    BadPassword, PASSWORD_MAX_BYTES, PasswordRules, Untypeable, normalize, text_of, untypeable,
};
use crate::display_name::DisplayName;
use crate::email::Email;
use crate::memory::{DEEP, SecretBuffer, on_wiped_stack};

/// The minimum length in characters under [`PasswordRules::Nist`] (NIST SP 800-63B section
/// 3.1.1.2).
pub const NIST_MIN_CHARS: usize = 15;
/// The minimum length in characters under [`PasswordRules::Pci`] (PCI DSS 8.3.6).
pub const PCI_MIN_CHARS: usize = 12;
/// The lowest accepted score, of 0 to 4.
pub const MIN_SCORE: u8 = 3;
/// Shorter names and local parts occur in good passwords by chance.
const TELLING_CHARS: usize = 4;

/// How hard a password is to guess, as estimated by zxcvbn from its first 100 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // one number
pub struct Strength {
    /// 0 (guessed at once) to 4 (very hard to guess).
    pub score: u8,
}

impl Strength {
    /// The score as a word, for a strength meter.
    pub fn label(self) -> &'static str {
        match self.score {
            0 => "very weak",
            1 => "weak",
            2 => "fair",
            3 => "good",
            _ => "strong",
        }
    }
}

/// Why a password is refused. Reveals nothing about the password except the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// The password is empty.
    #[error("the password is empty")]
    Empty,
    /// Longer than [`PASSWORD_MAX_BYTES`]; it is refused rather than cut.
    #[error("the password is longer than {PASSWORD_MAX_BYTES} bytes")]
    TooLong,
    /// Not valid UTF-8.
    #[error("the password is not UTF-8 text")]
    NotUtf8,
    /// Contains NUL, a newline, a tab or a byte order mark, which cannot be typed at a prompt.
    #[error("the password has {0}, which no prompt could take")]
    Untypeable(Untypeable),
    /// Too few characters.
    #[error("the password has {found} characters; at least {least} are needed")]
    TooShort {
        /// Its number of characters.
        found: usize,
        /// The minimum number of characters.
        least: usize,
    },
    /// Under [`PasswordRules::Pci`]: a kind of character is missing.
    #[error("the password has no {0}")]
    Missing(Kind),
    /// It contains the email, its local part, or the name.
    #[error("the password contains your {0}")]
    Contains(Telling),
    /// Too easy to guess.
    #[error("the password is too easy to guess{}", .warning.as_ref().map(|w| format!(": {w}")).unwrap_or_default())]
    TooWeak {
        /// Its estimated strength.
        strength: Strength,
        /// zxcvbn's warning, if any.
        warning: Option<String>,
        /// Suggestions to improve it.
        suggestions: Vec<String>,
    },
}

/// A kind of character that PCI DSS requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A letter of any script.
    Letter,
    /// A digit.
    Digit,
    /// Any character except letters, digits and spaces.
    Symbol,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Letter => "letter",
            Self::Digit => "digit",
            Self::Symbol => "symbol",
        })
    }
}

/// Personal data that an attacker tries first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Telling {
    /// The whole email, or its local part.
    Email,
    /// The display name.
    Name,
}

impl std::fmt::Display for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Email => "email",
            Self::Name => "name",
        })
    }
}

impl From<BadPassword> for PolicyRefusal {
    fn from(bad: BadPassword) -> Self {
        match bad {
            BadPassword::TooLong => Self::TooLong,
            BadPassword::NotUtf8 => Self::NotUtf8,
        }
    }
}

/// Checks a new password for the account of `email` and `name`.
///
/// # Errors
/// The first rule that it breaks, the simplest first.
pub fn check(
    password: &SecretBuffer,
    rules: PasswordRules,
    email: &Email,
    name: Option<&DisplayName>,
) -> Result<Strength, PolicyRefusal> {
    if password.is_empty() {
        return Err(PolicyRefusal::Empty);
    }
    if let Some(found) = untypeable(password) {
        return Err(PolicyRefusal::Untypeable(found));
    }
    let normalized = normalize(password)?;
    let text = text_of(&normalized)?;
    on_wiped_stack::<DEEP, _>(|| check_text(text, rules, email, name))
}

fn check_text(
    text: &str,
    rules: PasswordRules,
    email: &Email,
    name: Option<&DisplayName>,
) -> Result<Strength, PolicyRefusal> {
    check_rules(text, rules)?;
    for (what, telling) in [
        (email.as_str(), Telling::Email),
        (email.normalized(), Telling::Email),
        (email.normalized_local_part(), Telling::Email),
        (name.map_or("", DisplayName::as_str), Telling::Name),
    ] {
        if what.chars().count() >= TELLING_CHARS && contains_ignoring_case(text, what) {
            return Err(PolicyRefusal::Contains(telling));
        }
    }
    estimate(text, email, name)
}

fn check_rules(text: &str, rules: PasswordRules) -> Result<(), PolicyRefusal> {
    let least = match rules {
        PasswordRules::Nist => NIST_MIN_CHARS,
        PasswordRules::Pci => PCI_MIN_CHARS,
    };
    let found = text.chars().count();
    if found < least {
        return Err(PolicyRefusal::TooShort { found, least });
    }
    if rules == PasswordRules::Pci {
        let symbol = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        for (kind, present) in [
            (Kind::Letter, text.chars().any(char::is_alphabetic)),
            (Kind::Digit, text.chars().any(char::is_numeric)),
            (Kind::Symbol, text.chars().any(symbol)),
        ] {
            if !present {
                return Err(PolicyRefusal::Missing(kind));
            }
        }
    }
    Ok(())
}

fn estimate(
    text: &str,
    email: &Email,
    name: Option<&DisplayName>,
) -> Result<Strength, PolicyRefusal> {
    let known: Vec<&str> = [email.normalized(), email.normalized_local_part()]
        .into_iter()
        .chain(name.map(DisplayName::as_str))
        .collect();
    // Accepted: zxcvbn examines only the first 100 characters (it is quadratic), and frees copies
    // of them without wiping. The program's allocator wipes them, but another program's may not.
    // Only new passwords pass through it, never those given at sign-in.
    let entropy = zxcvbn(text, &known);
    let strength = Strength {
        score: u8::from(entropy.score()),
    };
    if strength.score >= MIN_SCORE {
        return Ok(strength);
    }
    let feedback = entropy.feedback();
    Err(PolicyRefusal::TooWeak {
        strength,
        warning: feedback
            .and_then(zxcvbn::feedback::Feedback::warning)
            .map(|warning| warning.to_string().trim_end_matches('.').to_owned()),
        suggestions: feedback
            .map(|feedback| feedback.suggestions().iter().map(ToString::to_string))
            .map(Iterator::collect)
            .unwrap_or_default(),
    })
}

/// Whether `text` contains `needle`, ignoring case, without copying the text.
fn contains_ignoring_case(text: &str, needle: &str) -> bool {
    let needle: Vec<char> = needle.nfc().flat_map(char::to_lowercase).collect();
    text.char_indices().any(|(at, _)| {
        let mut rest = text[at..].chars().flat_map(char::to_lowercase);
        needle.iter().all(|&c| rest.next() == Some(c))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::secret;
    use super::*;

    const GOOD: &str = "violet tractor humming 9!";

    fn judge(password: impl AsRef<[u8]>, rules: PasswordRules) -> Result<Strength, PolicyRefusal> {
        let email = "Alice@Example.com".parse().unwrap();
        let name = "Zoë Quartz".parse().unwrap();
        check(&secret(password), rules, &email, Some(&name))
    }

    #[test]
    fn a_good_password_passes_both_rules() {
        assert!(judge(GOOD, PasswordRules::Nist).unwrap().score >= MIN_SCORE);
        assert!(judge(GOOD, PasswordRules::Pci).is_ok());
    }

    #[test]
    fn what_is_no_typed_text_is_refused_with_its_reason() {
        let nist = |password: &[u8]| judge(password, PasswordRules::Nist).unwrap_err();
        assert_eq!(nist(b""), PolicyRefusal::Empty);
        assert_eq!(nist(&[b'a'; 1025]), PolicyRefusal::TooLong);
        assert_eq!(nist(b"violet tractor \xff humming"), PolicyRefusal::NotUtf8);
        for control in [
            "\0", "\n", "\t", "\u{1b}", "\u{7f}", "\u{85}", "\r", "\u{feff}",
        ] {
            let password = format!("{GOOD}{control}");
            let found = Untypeable(control.chars().next().unwrap());
            assert_eq!(nist(password.as_bytes()), PolicyRefusal::Untypeable(found));
        }
    }

    #[test]
    fn length_is_counted_in_composed_characters() {
        let fourteen = "qz\u{e9}vy8!kmw#x4t";
        let short = PolicyRefusal::TooShort {
            found: 14,
            least: 15,
        };
        assert_eq!(judge(fourteen, PasswordRules::Nist), Err(short.clone()));
        let decomposed = fourteen.replace('\u{e9}', "e\u{301}");
        assert_eq!(judge(decomposed, PasswordRules::Nist), Err(short));
        assert!(judge(format!("{fourteen}p"), PasswordRules::Nist).is_ok());
        let eleven = judge("qz8!kmw#x4t", PasswordRules::Pci);
        assert_eq!(
            eleven,
            Err(PolicyRefusal::TooShort {
                found: 11,
                least: 12
            })
        );
        assert!(judge("qz8!kmw#x4tv", PasswordRules::Pci).is_ok());
    }

    #[test]
    fn pci_asks_for_a_letter_a_digit_and_a_symbol_and_nist_does_not() {
        for (password, missing) in [
            ("4821!9306#7750", Kind::Letter),
            ("violet!tractor#humming", Kind::Digit),
            ("violet tractor humming 9", Kind::Symbol),
        ] {
            let refusal = judge(password, PasswordRules::Pci);
            assert_eq!(refusal, Err(PolicyRefusal::Missing(missing)));
        }
        assert!(judge("violet tractor humming", PasswordRules::Nist).is_ok());
    }

    #[test]
    fn the_email_its_local_part_and_the_name_are_no_part_of_it_in_any_case() {
        for (part, telling) in [
            ("ALICE@example.COM", Telling::Email),
            ("aLiCe", Telling::Email),
            ("ZOË quartz", Telling::Name),
            ("ZOE\u{308} quartz", Telling::Name),
        ] {
            let refusal = judge(format!("7 violet {part} tractors"), PasswordRules::Nist);
            assert_eq!(refusal, Err(PolicyRefusal::Contains(telling)), "{part}");
        }
    }

    #[test]
    fn a_short_local_part_may_turn_up() {
        let email = "bob@example.com".parse().unwrap();
        let password = secret("violet bobsled humming");
        assert!(check(&password, PasswordRules::Nist, &email, None).is_ok());
    }

    #[test]
    fn a_guessable_password_is_refused_with_advice_and_never_repeated() {
        for weak in [
            "aaaaaaaaaaaaaaaaaa",
            "passwordpassword",
            "qwertyuiopasdfghjkl",
        ] {
            let refusal = judge(weak, PasswordRules::Nist).unwrap_err();
            assert!(matches!(refusal, PolicyRefusal::TooWeak { .. }), "{weak}");
            let said = format!("{refusal} {refusal:?}");
            assert!(!said.contains(weak), "{said}");
        }
    }

    #[test]
    fn a_password_of_the_greatest_length_is_judged_in_reasonable_time() {
        let long: String = GOOD.chars().cycle().take(1024).collect();
        assert!(judge(long, PasswordRules::Nist).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_bytes_make_the_policy_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            text in "\\PC{0,64}",
        ) {
            let _ = judge(bytes, PasswordRules::Nist);
            let _ = judge(text, PasswordRules::Pci);
        }
    }
}
