//! Identifiers: a separate type for each kind, over a random UUID, so that they cannot be mixed up.

use std::fmt;

use uuid::Uuid;

/// The text is not an identifier of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
#[non_exhaustive]
pub struct BadId;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Creates a random identifier.
            ///
            /// # Errors
            /// When the system provides no random numbers.
            pub fn random() -> Result<Self, getrandom::Error> {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)?;
                Ok(Self(uuid::Builder::from_random_bytes(bytes).into_uuid()))
            }

            /// From its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;

            /// Accepts only the hyphenated lower-case form, so that an id has one spelling.
            fn from_str(text: &str) -> Result<Self, BadId> {
                let id = Uuid::try_parse(text).map(Self).map_err(|_| BadId)?;
                if id.to_string() == text { Ok(id) } else { Err(BadId) }
            }
        }
    };
}

identifier! {
    /// Identifies an account and names its files. Never derived from the email.
    AccountId
}
identifier! {
    /// Identifies a home to the keepers. Not a secret; a copy of the home has the same one.
    HomeId
}
identifier! {
    /// Identifies one login session, from sign-in to its end. Not a secret.
    SessionId
}
identifier! {
    /// Identifies one run of a guarded command; its start and finish events and its lease share it.
    ExecId
}
identifier! {
    /// Identifies a stored secret. It stays the same when the secret is renamed. Not secret itself.
    SecretId
}
identifier! {
    /// Identifies a document of an account on the server.
    ItemId
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_one_spelling_only() {
        let id = SessionId::random().unwrap();
        assert_eq!(id.to_string().parse::<SessionId>(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<SessionId>().is_err());
        assert!(
            id.to_string()
                .replace('-', "")
                .parse::<SessionId>()
                .is_err()
        );
    }
}
