//! Keyed tags: events name secrets, guests and links by them, and so without their names.

use std::fmt;

use super::forms::written;
use nightlatch_core::crypto::{Key, hex, keyed_digest, sha256, unhex};

macro_rules! keyed_tag {
    ($(#[$doc:meta])* $name:ident, $purpose:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 8]);

        impl $name {
            /// The tag of `named` under `key`: 16 hexadecimal digits of a keyed digest. Without the
            /// key it reveals nothing.
            pub fn of(key: &Key, named: &[u8]) -> Self {
                let digest = keyed_digest(key, [$purpose.as_slice(), named]);
                let mut tag = [0; 8];
                tag.copy_from_slice(&digest[..8]);
                Self(tag)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex(&self.0))
            }
        }

        written!($name, |text| unhex(text.as_bytes()).map(Self));
    };
}

keyed_tag! {
    /// Stands for the name of a secret.
    SecretTag, b"nightlatch audit secret tag v1"
}
keyed_tag! {
    /// Stands for a guest, whose id is as good as a password.
    GuestTag, b"nightlatch audit guest tag v1"
}
keyed_tag! {
    /// Stands for a sign-in link.
    LinkTag, b"nightlatch audit link tag v1"
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex(&self.0))
            }
        }

        written!($name, |text| unhex(text.as_bytes()).map(Self));
    };
}

digest! {
    /// A digest of an account's secrets, by which a database that was deleted or set back is
    /// noticed.
    SecretsDigest
}
digest! {
    /// The SHA-256 digest of an event that could not be read, by which what was set aside is
    /// recognized.
    EventDigest
}

impl SecretsDigest {
    /// From its bytes, which must reveal nothing about names and values.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl EventDigest {
    /// The digest of an event as it was found.
    pub fn of(event: &[u8]) -> Self {
        Self(sha256(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_the_key_the_name_and_the_kind() {
        let [one, other] = [1, 2].map(|byte| Key::init_with(|bytes| bytes.fill(byte)));
        let tag = SecretTag::of(&one, b"prod-db").to_string();
        assert_eq!(tag.len(), 16);
        assert_eq!(tag, SecretTag::of(&one, b"prod-db").to_string());
        assert_ne!(tag, SecretTag::of(&other, b"prod-db").to_string());
        assert_ne!(tag, SecretTag::of(&one, b"prod-d").to_string());
        assert_ne!(tag, LinkTag::of(&one, b"prod-db").to_string());
        assert_ne!(tag, GuestTag::of(&one, b"prod-db").to_string());
    }
}
