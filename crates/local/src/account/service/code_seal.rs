//! Sealing the account key for a recovery code.

use crate::account::directory::{DirectoryError, StoredCode, Writing};
use crate::account::model::Account;
use crate::account::sealed_key::Whose;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sealed_for::PublicKey;
use nightlatch_core::crypto::{AccountKey, labels};
use nightlatch_core::recovery_code::RecoveryCode;

/// Makes a new recovery code for an account, in place of an earlier one.
pub(super) fn issue(
    writing: &Writing,
    account: &Account,
    account_key: &AccountKey,
    created_at: Timestamp,
) -> Result<RecoveryCode, DirectoryError> {
    let code = RecoveryCode::random()?;
    let public = code.secret_key(account.id).public();
    store(writing, account, account_key, (public, created_at))?;
    Ok(code)
}

/// Seals a changed account key, or one with a new owner, for the recovery code that the account has.
pub(super) fn reseal_code(
    writing: &Writing,
    account: &Account,
    account_key: &AccountKey,
) -> Result<(), DirectoryError> {
    match writing.recovery_code(account.id)? {
        Some(code) => store(
            writing,
            account,
            account_key,
            (code.public, code.created_at),
        ),
        None => Ok(()),
    }
}

fn store(
    writing: &Writing,
    account: &Account,
    account_key: &AccountKey,
    (public, created_at): (PublicKey, Timestamp),
) -> Result<(), DirectoryError> {
    let associated = Whose::of(account).associated();
    let sealed = public.seal(account_key.key(), labels::RECOVERY_WRAP, &associated)?;
    let code = StoredCode {
        created_at,
        public,
        sealed,
    };
    writing.set_recovery_code(account.id, &code)
}

/// Whether the account has this code now.
pub(super) fn is_stored(
    writing: &Writing,
    account: &Account,
    public: PublicKey,
) -> Result<bool, DirectoryError> {
    let stored = writing.recovery_code(account.id)?;
    Ok(stored.is_some_and(|stored| stored.public == public))
}
