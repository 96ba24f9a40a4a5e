//! Signed tokens: JSON Web Tokens in compact form (RFC 7519), with the profile for access tokens of
//! RFC 9068 and the precautions of RFC 8725. One algorithm per deployment; a token's own header
//! never chooses it.

use base64ct::{Base64UrlUnpadded, Encoding};
use nightlatch_core::crypto::sha256;
use nightlatch_core::crypto::sign::{KeyPair, PublicKey, Signature, verify};
use nightlatch_core::memory::SecretBuffer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 4096;
/// How far in the future a token may have been issued, for nodes whose clocks differ, in seconds.
const LEEWAY: i64 = 5;
/// The `typ` of an access token (RFC 9068).
const TYPE: &str = "at+jwt";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The account.
    pub sub: String,
    /// Its email; a guest has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The token's own random id.
    pub jti: String,
    /// The session, with which the token dies.
    pub sid: String,
}

/// The algorithm of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037): others verify with public keys.
    EdDsa,
    /// HMAC-SHA-256: whoever verifies has the secret.
    Hs256,
}

impl Algorithm {
    /// Its name in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// A key that verifies tokens, and signs them while it is current.
pub struct TokenKey {
    id: String,
    secret: KeySecret,
}

enum KeySecret {
    EdDsa(Box<KeyPair>),
    Hs256(SecretBuffer),
}

impl TokenKey {
    /// An Ed25519 key. Its id is the thumbprint of its public key (RFC 7638).
    pub fn ed_dsa(pair: KeyPair) -> Self {
        let x = encode(pair.public().as_bytes());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Self {
            id: encode(&sha256(canonical.as_bytes())),
            secret: KeySecret::EdDsa(Box::new(pair)),
        }
    }

    /// A shared secret. Its id tells nothing about it.
    pub fn hs256(secret: SecretBuffer) -> Self {
        Self {
            id: "shared".to_owned(),
            secret: KeySecret::Hs256(secret),
        }
    }

    /// The key's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.secret {
            KeySecret::EdDsa(_) => Algorithm::EdDsa,
            KeySecret::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// The public key as a JSON Web Key (RFC 7517, 8037); `None` for a shared secret.
    pub fn public(&self) -> Option<Value> {
        let KeySecret::EdDsa(pair) = &self.secret else {
            return None;
        };
        let x = encode(pair.public().as_bytes());
        Some(json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": x,
        }))
    }

    fn sign(&self, message: &[u8]) -> String {
        match &self.secret {
            KeySecret::EdDsa(pair) => encode(pair.sign(message).as_bytes()),
            KeySecret::Hs256(secret) => encode(&hmac_sha256::HMAC::mac(message, secret.expose())),
        }
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.secret {
            KeySecret::EdDsa(pair) => {
                let bytes = <[u8; 64]>::try_from(signature);
                let key: PublicKey = pair.public();
                bytes.is_ok_and(|bytes| verify(&key, message, &Signature::from_bytes(bytes)))
            }
            KeySecret::Hs256(secret) => {
                let expected = hmac_sha256::HMAC::mac(message, secret.expose());
                // Compare digests, so that the time taken says nothing about the expected value.
                sha256(&expected) == sha256(signature)
            }
        }
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// It is not a token of ours, or was changed.
    #[error("Invalid token")]
    Invalid,
    /// It was valid until its `exp`.
    #[error("Token has expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Signs `claims` with `key`.
pub fn sign(claims: &Claims, key: &TokenKey) -> String {
    let header = json!({ "alg": key.algorithm().name(), "typ": TYPE, "kid": key.id });
    let payload = json!(claims);
    let message = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(payload.to_string().as_bytes())
    );
    let signature = key.sign(message.as_bytes());
    format!("{message}.{signature}")
}

/// The claims of `token`, if one of `keys` signed it for `issuer` and `audience` and it is valid at
/// `now`, in seconds since 1970.
///
/// # Errors
/// [`TokenProblem::Expired`] for a token that is valid except that its time is over;
/// [`TokenProblem::Invalid`] for anything else.
pub fn read<'a>(
    token: &str,
    keys: impl IntoIterator<Item = &'a TokenKey>,
    (issuer, audience): (&str, &str),
    now: i64,
) -> Result<Claims, TokenProblem> {
    let claims = signed_claims(token, keys).ok_or(TokenProblem::Invalid)?;
    let is_for_us = claims.iss == issuer && claims.aud == audience;
    if !is_for_us || claims.iat > now + LEEWAY || claims.exp <= claims.iat {
        return Err(TokenProblem::Invalid);
    }
    if now >= claims.exp {
        return Err(TokenProblem::Expired);
    }
    Ok(claims)
}

/// The claims of a token with a valid signature.
fn signed_claims<'a>(token: &str, keys: impl IntoIterator<Item = &'a TokenKey>) -> Option<Claims> {
    if token.len() > LONGEST {
        return None;
    }
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    let key = keys.into_iter().find(|key| key.id == header.kid)?;
    if header.alg != key.algorithm().name() || !header.typ.eq_ignore_ascii_case(TYPE) {
        return None;
    }
    if !key.has_signed(message.as_bytes(), &decode(signature)?) {
        return None;
    }
    serde_json::from_slice(&decode(payload)?).ok()
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Decodes the one spelling that [`encode`] gives.
fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use nightlatch_core::crypto::Key;

    use super::*;

    const US: (&str, &str) = ("https://login.example.com", "app");
    const NOW: i64 = 1_800_000_000;

    fn ed_dsa(seed: u8) -> TokenKey {
        TokenKey::ed_dsa(KeyPair::of(&Key::init_with(|bytes| bytes.fill(seed))))
    }

    fn hs256(bytes: &[u8]) -> TokenKey {
        let mut secret = SecretBuffer::with_capacity(128);
        assert!(secret.push(bytes));
        TokenKey::hs256(secret)
    }

    fn claims() -> Claims {
        Claims {
            sub: "6f2c1f4e-0000-4000-8000-000000000001".to_owned(),
            email: Some("ann@example.com".to_owned()),
            iat: NOW - 10,
            exp: NOW + 890,
            iss: US.0.to_owned(),
            aud: US.1.to_owned(),
            jti: "j".to_owned(),
            sid: "s".to_owned(),
        }
    }

    fn forged(header: &Value, key: &TokenKey) -> String {
        let payload = json!(claims()).to_string();
        let message = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(payload.as_bytes())
        );
        format!("{message}.{}", key.sign(message.as_bytes()))
    }

    #[test]
    fn a_token_is_valid_until_the_second_it_expires() {
        for key in [ed_dsa(1), hs256(&[7; 32])] {
            let token = sign(&claims(), &key);
            assert_eq!(read(&token, [&key], US, NOW), Ok(claims()));
            assert_eq!(read(&token, [&key], US, NOW + 889), Ok(claims()));
            let over = read(&token, [&key], US, NOW + 890);
            assert_eq!(over, Err(TokenProblem::Expired));
        }
    }

    #[test]
    fn a_token_with_any_byte_changed_is_invalid() {
        let key = ed_dsa(1);
        let token = sign(&claims(), &key);
        for at in 0..token.len() {
            for byte in *b"A-.9" {
                let mut bytes = token.clone().into_bytes();
                if bytes[at] == byte {
                    continue;
                }
                bytes[at] = byte;
                let changed = String::from_utf8(bytes).unwrap();
                let read = read(&changed, [&key], US, NOW);
                assert_eq!(read, Err(TokenProblem::Invalid), "{changed}");
            }
        }
        for cut in ["", ".", "..", "...", &token[..token.len() - 1], &token[1..]] {
            assert_eq!(read(cut, [&key], US, NOW), Err(TokenProblem::Invalid));
        }
        let padded = format!("{token}=");
        assert_eq!(read(&padded, [&key], US, NOW), Err(TokenProblem::Invalid));
    }

    #[test]
    fn alg_none_and_confused_algorithms_are_invalid() {
        let key = ed_dsa(1);
        let KeySecret::EdDsa(pair) = &key.secret else {
            unreachable!("an EdDSA key");
        };
        // The public key, which everybody knows, used as the secret of HS256.
        let public = pair.public();
        let as_secret = TokenKey {
            id: key.id.clone(),
            ..hs256(public.as_bytes())
        };
        for alg in ["HS256", "EdDSA", "none", "None", "ES256", ""] {
            let header = json!({ "alg": alg, "typ": TYPE, "kid": key.id });
            let token = forged(&header, &as_secret);
            let result = read(&token, [&key], US, NOW);
            assert_eq!(result, Err(TokenProblem::Invalid), "{alg}");
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            let result = read(&unsigned, [&key], US, NOW);
            assert_eq!(result, Err(TokenProblem::Invalid), "{alg}");
        }
        // An EdDSA token where HS256 is configured.
        let shared = hs256(&[7; 32]);
        let header = json!({ "alg": "EdDSA", "typ": TYPE, "kid": "shared" });
        let token = forged(&header, &ed_dsa(1));
        assert_eq!(read(&token, [&shared], US, NOW), Err(TokenProblem::Invalid));
    }

    #[test]
    fn another_kid_type_or_header_field_is_invalid() {
        let key = ed_dsa(1);
        let other = ed_dsa(2);
        for header in [
            json!({ "alg": "EdDSA", "typ": TYPE, "kid": other.id }),
            json!({ "alg": "EdDSA", "typ": "JWT", "kid": key.id }),
            json!({ "alg": "EdDSA", "kid": key.id }),
            json!({ "alg": "EdDSA", "typ": TYPE }),
            json!({ "alg": "EdDSA", "typ": TYPE, "kid": key.id, "crit": ["x"] }),
            json!({ "alg": "EdDSA", "typ": TYPE, "kid": key.id, "jwk": other.public() }),
        ] {
            let token = forged(&header, &key);
            let result = read(&token, [&key], US, NOW);
            assert_eq!(result, Err(TokenProblem::Invalid), "{header}");
        }
    }

    #[test]
    fn a_token_for_another_service_or_from_the_future_is_invalid() {
        type Change = fn(&mut Claims);
        let key = ed_dsa(1);
        let changes: [Change; 5] = [
            |claims| claims.iss.push('x'),
            |claims| claims.aud.clear(),
            |claims| claims.iat = NOW + 6,
            |claims| claims.exp = claims.iat,
            |claims| (claims.iat, claims.exp) = (i64::MAX - 5, i64::MAX),
        ];
        for change in changes {
            let mut claims = claims();
            change(&mut claims);
            let token = sign(&claims, &key);
            assert_eq!(read(&token, [&key], US, NOW), Err(TokenProblem::Invalid));
        }
    }

    #[test]
    fn the_key_id_is_the_thumbprint_of_rfc_8037() {
        // RFC 8037, appendix A.1 and A.3.
        let seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        let seed = <[u8; 32]>::try_from(decode(seed).unwrap()).unwrap();
        let key = TokenKey::ed_dsa(KeyPair::of(&Key::init_with(|bytes| *bytes = seed)));
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let public = key.public().unwrap();
        assert_eq!(public["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert!(hs256(&[7; 32]).public().is_none());
    }
}
