//! Access tokens: issued from a live session, verified by anybody with the public keys, and dead
//! with their session here.

pub mod jwt;
mod keys;
mod rotation;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use nightlatch_core::id::SessionId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::sessions::ActiveSession;
use crate::clock::Millis;

pub use jwt::{Algorithm, Claims, TokenKey, TokenProblem};
pub use keys::SigningKeys;

/// The keys at one time.
struct Keys {
    all: Vec<TokenKey>,
    /// The one that signs.
    current: usize,
}

/// Issues and reads access tokens.
pub struct Tokens {
    issuer: String,
    audience: String,
    life: Duration,
    keys: RwLock<Arc<Keys>>,
}

impl Tokens {
    /// With `all` keys that verify, of which the one at `current` signs; `None` when there is no
    /// such key or the algorithms differ.
    pub fn new(
        issuer: String,
        audience: String,
        life: Duration,
        all: Vec<TokenKey>,
        current: usize,
    ) -> Option<Self> {
        let keys = Keys::checked(all, current)?;
        Some(Self {
            issuer,
            audience,
            life,
            keys: RwLock::new(Arc::new(keys)),
        })
    }

    /// Replaces the keys, after a rotation; `false`, without any change, for keys that
    /// [`Tokens::new`] would not take.
    pub fn replace_keys(&self, all: Vec<TokenKey>, current: usize) -> bool {
        let Some(keys) = Keys::checked(all, current) else {
            return false;
        };
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        true
    }

    fn keys(&self) -> Arc<Keys> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys)
    }

    /// A token for the session: valid for the configured time, but not longer than the session.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn issue(&self, session: &ActiveSession) -> Result<String, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let account = session.account();
        let now = session.judged_at().unix_seconds();
        let life = self.life.min(session.remaining()).as_secs();
        let claims = Claims {
            sub: account.id.to_string(),
            email: account.email.clone(),
            iat: now,
            exp: now.saturating_add(i64::try_from(life).unwrap_or(i64::MAX)),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            jti: Uuid::from_bytes(id).simple().to_string(),
            sid: session.id().to_string(),
        };
        let keys = self.keys();
        Ok(jwt::sign(&claims, &keys.all[keys.current]))
    }

    /// The claims of a valid token. Whether its session lives is another question.
    ///
    /// # Errors
    /// When it is not valid, or not anymore.
    pub fn read(&self, token: &str, now: Millis) -> Result<Claims, TokenProblem> {
        let keys = self.keys();
        let us = (self.issuer.as_str(), self.audience.as_str());
        jwt::read(token, &keys.all, us, now.unix_seconds())
    }

    /// The public keys (RFC 7517); none for a shared secret.
    pub fn key_set(&self) -> Value {
        let keys = self.keys();
        let public: Vec<Value> = keys.all.iter().filter_map(TokenKey::public).collect();
        json!({ "keys": public })
    }

    /// The algorithm of this deployment.
    pub fn algorithm(&self) -> Algorithm {
        let keys = self.keys();
        keys.all[keys.current].algorithm()
    }

    /// The `iss` of every token.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl Keys {
    fn checked(all: Vec<TokenKey>, current: usize) -> Option<Self> {
        let algorithm = all.get(current)?.algorithm();
        let is_one = all.iter().all(|key| key.algorithm() == algorithm);
        is_one.then_some(Self { all, current })
    }
}

impl Claims {
    /// The session in `sid`.
    pub fn session(&self) -> Option<SessionId> {
        self.sid.parse().ok()
    }
}
