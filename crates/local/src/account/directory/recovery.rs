//! The rows of recovery codes.

use rusqlite::{OptionalExtension, Row, params};

use super::{Directory, DirectoryError, Writing, schema};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sealed_for::{PublicKey, SealedFor};
use nightlatch_core::id::AccountId;

/// An account's recovery code as stored: its public key, and the account key sealed for it.
#[derive(Clone)]
pub(crate) struct StoredCode {
    pub created_at: Timestamp,
    pub public: PublicKey,
    pub sealed: SealedFor,
}

impl Directory {
    /// The recovery code of an account, if it has one.
    pub fn recovery_code(&self, account: AccountId) -> Result<Option<StoredCode>, DirectoryError> {
        // A home that is only looked at keeps its old tables.
        if self.version < schema::WITH_RECOVERY_CODES {
            return Ok(None);
        }
        let sql = "SELECT * FROM recovery_codes WHERE account = ?1";
        let found = self.connection.query_row(sql, [account.as_bytes()], stored);
        found.optional().map_err(|error| self.failed(error))
    }
}

impl Writing {
    /// Stores the recovery code of an account, in place of an earlier one.
    pub fn set_recovery_code(
        &self,
        account: AccountId,
        code: &StoredCode,
    ) -> Result<(), DirectoryError> {
        self.execute(
            "INSERT OR REPLACE INTO recovery_codes
                 (account, created_at, public_key, ephemeral_key, wrapped_key, wrap_tag)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                account.as_bytes(),
                code.created_at.unix_nanos(),
                code.public.as_bytes(),
                code.sealed.ephemeral,
                code.sealed.text,
                code.sealed.tag,
            ],
        )
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredCode> {
    Ok(StoredCode {
        created_at: Timestamp::from_unix_nanos(row.get("created_at")?),
        public: PublicKey::from_bytes(row.get("public_key")?),
        sealed: SealedFor {
            ephemeral: row.get("ephemeral_key")?,
            text: row.get("wrapped_key")?,
            tag: row.get("wrap_tag")?,
        },
    })
}
