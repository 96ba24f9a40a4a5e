//! Opaque secrets of 256 bits: session tokens, link tokens and browser claims. The database has
//! only their SHA-256 digests.

use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The length of a secret in bytes.
const LENGTH: usize = 32;
/// The length of its text form: base64url without padding.
pub const TEXT_LENGTH: usize = 43;

/// The SHA-256 digest of a secret, by which the database finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; LENGTH]);

impl Digest {
    /// From its bytes, as the database has them.
    pub const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

/// The text is not a secret of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token")]
pub struct BadToken;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; LENGTH]);

        impl $name {
            /// Creates a random one.
            ///
            /// # Errors
            /// When the system provides no random numbers.
            pub fn random() -> Result<Self, getrandom::Error> {
                let mut secret = Self([0; LENGTH]);
                getrandom::fill(&mut secret.0)?;
                Ok(secret)
            }

            /// The same secret again, for an answer that repeats it.
            #[must_use]
            pub fn copied(&self) -> Self {
                Self(self.0)
            }

            /// What the database stores instead.
            pub fn digest(&self) -> Digest {
                Digest(Sha256::digest(self.0).into())
            }

            /// Its text form, for the cookie, the header or the link.
            pub fn to_text(&self) -> Zeroizing<String> {
                Zeroizing::new(Base64UrlUnpadded::encode_string(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadToken;

            /// Accepts only the form that [`Self::to_text`] gives.
            fn from_str(text: &str) -> Result<Self, BadToken> {
                let mut secret = Self([0; LENGTH]);
                let decoded = Base64UrlUnpadded::decode(text, &mut secret.0);
                let whole = decoded.is_ok_and(|bytes| bytes.len() == LENGTH);
                if whole { Ok(secret) } else { Err(BadToken) }
            }
        }
    };
}

secret! {
    /// Identifies a session: the value of the cookie.
    SessionToken
}
secret! {
    /// Redeems a sign-in link once.
    LinkToken
}
secret! {
    /// Identifies the browser that redeems a link, so that its retry within a minute gets the same
    /// answer. A client without a cookie gets a random one and no retry.
    Claim
}

impl SessionToken {
    /// The session token that `claim` obtains with `link`. The same browser's retry derives the
    /// same token, and nobody without the claim can.
    pub fn of_link(link: &LinkToken, claim: &Claim) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"nightlatch server: session of a link, version 1");
        hash.update(link.0);
        hash.update(claim.0);
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_from_its_one_spelling_only() {
        let token = SessionToken::random().unwrap();
        let text = token.to_text();
        assert_eq!(text.len(), TEXT_LENGTH);
        let read: SessionToken = text.parse().unwrap();
        assert_eq!(read.digest(), token.digest());
        for bad in [
            "",
            "x",
            &text[1..],
            &format!("{}=", *text),
            &format!("{}A", *text),
        ] {
            assert!(bad.parse::<SessionToken>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_link_gives_the_same_session_to_the_same_browser_only() {
        let link = LinkToken::random().unwrap();
        let (mine, other) = (Claim::random().unwrap(), Claim::random().unwrap());
        let of = |claim| SessionToken::of_link(&link, claim).digest();
        assert_eq!(of(&mine), of(&mine));
        assert_ne!(of(&mine), of(&other));
    }
}
