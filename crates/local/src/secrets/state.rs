//! The state of an account's secrets, as the audit log records it.

use nightlatch_core::crypto::sha256;
use nightlatch_core::id::SecretId;

/// How many secrets an account has, and a digest of which. Each change gives another digest, which
/// is in the sealed record of the change, so that a database that was removed or put back to an
/// earlier state is noticed. The digest reveals nothing about names and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretsState {
    /// The number of secrets.
    pub count: u64,
    /// The digest, SHA-256.
    pub digest: [u8; 32],
}

impl SecretsState {
    /// The state of an account without secrets.
    pub fn empty() -> Self {
        StateBuilder::default().finish()
    }
}

impl Default for SecretsState {
    fn default() -> Self {
        Self::empty()
    }
}

/// Adds up a state from the secrets of an account, in the order of their ids.
#[derive(Default)]
pub(super) struct StateBuilder {
    count: u64,
    all: Vec<u8>,
}

impl StateBuilder {
    /// Adds a secret. The stamp is random, and another after each change of the secret.
    pub fn add(&mut self, id: SecretId, version: u64, stamp: [u8; 16]) {
        self.count += 1;
        self.all.extend_from_slice(id.as_bytes());
        self.all.extend_from_slice(&version.to_le_bytes());
        self.all.extend_from_slice(&stamp);
    }

    /// The state.
    pub fn finish(self) -> SecretsState {
        SecretsState {
            count: self.count,
            digest: sha256(&self.all),
        }
    }
}
