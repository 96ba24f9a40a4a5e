//! References to secrets: `nightlatch://NAME`.

use crate::binding::{BadSecretName, SecretName};

/// What a reference begins with.
pub const SCHEME: &str = "nightlatch://";

/// A reference whose name is not the name of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broken reference: {0}")]
pub struct BadReference(#[from] BadSecretName);

/// The secret that a text refers to; `None` when it is not a reference.
///
/// # Errors
/// When it is one with a name that no secret can have.
pub fn reference(text: &[u8]) -> Option<Result<SecretName, BadReference>> {
    let name = text.strip_prefix(SCHEME.as_bytes())?;
    // What is not UTF-8 is invisible at best.
    let name = std::str::from_utf8(name).map_err(|_| BadSecretName::Control);
    Some(name.and_then(str::parse).map_err(BadReference))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_secret_and_everything_else_is_none() {
        let found = reference(b"nightlatch://prod/db").unwrap().unwrap();
        assert_eq!(found.as_str(), "prod/db");
        assert!(reference(b"op://prod/db").is_none());
        assert!(reference(b"nightlatch:/prod").is_none());
        assert!(reference(b"nightlatch://").unwrap().is_err());
        assert!(reference(b"nightlatch://a//b").unwrap().is_err());
        assert!(reference(b"nightlatch://\xff").unwrap().is_err());
    }
}
