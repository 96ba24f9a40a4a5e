//! The rules for new passwords.

use nightlatch_core::display_name::DisplayName;
use nightlatch_core::email::Email;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password::{self, PasswordRules};

/// Which rules new passwords follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PasswordPolicy {
    /// Those of the command, after NIST SP 800-63B: 15 characters that are not easy to guess.
    #[default]
    Nist,
    /// Those of the command, after PCI DSS.
    Pci,
    /// 8 to 128 characters, a digit and a symbol among them: no more than the documents ask.
    Classic,
}

impl PasswordPolicy {
    /// Checks a new password.
    ///
    /// # Errors
    /// The first rule that it breaks, in words.
    pub(super) fn check(
        self,
        password: &SecretBuffer,
        email: &Email,
        name: Option<&DisplayName>,
    ) -> Result<(), String> {
        let rules = match self {
            Self::Nist => PasswordRules::Nist,
            Self::Pci => PasswordRules::Pci,
            Self::Classic => return classic(password),
        };
        let checked = password::check(password, rules, email, name);
        checked.map(drop).map_err(|refusal| refusal.to_string())
    }
}

fn classic(password: &SecretBuffer) -> Result<(), String> {
    let text = std::str::from_utf8(password.expose()).unwrap_or_default();
    let symbol = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
    let refusal = match text.chars().count() {
        ..8 => "the password must have 8 characters at least",
        129.. => "the password must have 128 characters at most",
        _ if !text.chars().any(char::is_numeric) => "the password must have a digit",
        _ if !text.chars().any(symbol) => "the password must have a symbol",
        _ if password::untypeable(password).is_some() => {
            "the password has a character that cannot be typed"
        }
        _ => return Ok(()),
    };
    Err(refusal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_policy_asks_for_length_digit_and_symbol() {
        let check = |text: &str| {
            let mut password = SecretBuffer::with_capacity(text.len());
            assert!(password.push(text.as_bytes()));
            classic(&password)
        };
        assert_eq!(check("abcdef1!"), Ok(()));
        for bad in [
            "",
            "abcde1!",
            "abcdefg!",
            "abcdefg1",
            &"1!".repeat(65),
            "abcdef1!\u{0}",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
