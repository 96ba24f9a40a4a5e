//! Properties of emails and names that hold for any input.

use nightlatch_core::display_name::{DisplayName, NAME_MAX_CHARS};
use nightlatch_core::email::{EMAIL_MAX_BYTES, Email, reorders_or_controls};

/// An accepted email is short, contains no misleading characters, and normalizing it again does not
/// change it; likewise an accepted name.
pub fn email(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    if let Ok(name) = text.parse::<DisplayName>() {
        assert!(!name.as_str().contains(reorders_or_controls));
        assert!((1..=NAME_MAX_CHARS).contains(&name.as_str().chars().count()));
        assert_eq!(name.as_str().parse().as_ref(), Ok(&name));
    }
    let Ok(email) = text.parse::<Email>() else {
        return false;
    };
    assert_eq!(email.as_str(), text);
    for form in [email.as_str(), email.normalized()] {
        assert!(form.len() <= EMAIL_MAX_BYTES);
        assert!(!form.contains(reorders_or_controls) && !form.contains(char::is_whitespace));
    }
    let again = email.normalized().parse::<Email>();
    assert_eq!(
        again.as_ref().map(Email::normalized),
        Ok(email.normalized())
    );
    true
}
