//! What is read and opened in vain for an email without an account.

use super::tags::{cut, digest};
use crate::account::directory::StoredCode;
use crate::account::sealed_key::SealedKey;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::Key;
use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_core::crypto::sealed_for::{PublicKey, SealedFor};
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;

/// What is read and opened in vain for an email without an account. It is always the same, as an
/// account's is.
pub(super) struct Decoy {
    pub(super) id: AccountId,
    pub(super) sealed: SealedKey,
    /// Also for an account without a code.
    pub(super) code: StoredCode,
}

impl Decoy {
    pub(super) fn of(tag_key: &Key, email: &Email, params: Argon2Params) -> Self {
        let bytes = |purpose: &str| digest(tag_key, purpose, email);
        Self {
            id: AccountId::from_bytes(cut(&bytes("decoy id"))),
            sealed: SealedKey {
                salt: cut(&bytes("decoy salt")),
                params,
                nonce: cut(&bytes("decoy nonce")),
                text: bytes("decoy key"),
                tag: cut(&bytes("decoy tag")),
            },
            code: StoredCode {
                created_at: Timestamp::from_unix_nanos(0),
                public: PublicKey::from_bytes(bytes("decoy code public")),
                sealed: SealedFor {
                    ephemeral: bytes("decoy code ephemeral"),
                    text: bytes("decoy code key"),
                    tag: cut(&bytes("decoy code tag")),
                },
            },
        }
    }
}
