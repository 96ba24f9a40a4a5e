//! Changing a password: prepared without a lock, begun in a transaction, and committed.

use super::code_seal::reseal_code;
use super::{AccountService, Authenticated, ChangeError, Committed};
use crate::account::directory::{Directory, DirectoryError, Record, Writing};
use crate::account::model::Account;
use crate::account::sealed_key::Whose;
use nightlatch_core::crypto::AccountKey;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password::{self, into_normalized};

/// A new password that meets the rules and is hashed. Nothing is changed yet.
#[must_use = "the old password stays until the change is begun and committed"]
pub(crate) struct PreparedPassword {
    record: Record,
    /// The account's generation, which the change raises.
    before: u64,
    keys: AccountKeys,
}

/// The account's keys before and after a change of its password.
pub(crate) struct AccountKeys {
    /// The key that everything is sealed under now.
    pub old: AccountKey,
    /// The key that everything is sealed under after the change.
    pub new: AccountKey,
}

/// A password change that only a failed commit can prevent. The account directory is locked.
/// Dropped before it is committed, it leaves the old password.
#[must_use = "the old password stays until the change is committed"]
pub(crate) struct PasswordChange {
    writing: Writing,
    account: Account,
    keys: AccountKeys,
}

impl PreparedPassword {
    /// The account as it will be.
    pub fn account(&self) -> &Account {
        &self.record.account
    }
}

impl AccountService {
    /// Checks and hashes a new password of the `proven` account, and makes a new account key.
    /// Hashing takes a while: take no lock before.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub(crate) fn prepare_password(
        &self,
        proven: Authenticated,
        new: SecretBuffer,
    ) -> Result<PreparedPassword, ChangeError> {
        let Authenticated {
            mut account,
            sealed: old,
            account_key: old_key,
        } = proven;
        password::check(&new, self.rules, &account.email, account.name.as_ref())
            .map_err(ChangeError::Policy)?;
        let new = into_normalized(new).map_err(|bad| ChangeError::Policy(bad.into()))?;
        // The old password is wiped, so detect an equal new one by opening the old sealed key with
        // it.
        let root = (self.hasher)(new.expose(), &old.salt, old.params).map_err(ChangeError::Hash)?;
        if old.open(&root, Whose::of(&account)).is_ok() {
            return Err(ChangeError::SameAsOld);
        }
        let before = account.generation;
        account.generation = before.saturating_add(1);
        account.updated_at = self.clock.now().wall;
        let account_key = AccountKey::random().map_err(DirectoryError::Random)?;
        let sealed = self.seal(new, self.params, &account, &account_key)?;
        let sealed = sealed.map_err(ChangeError::Hash)?;
        Ok(PreparedPassword {
            record: Record { account, sealed },
            before,
            keys: AccountKeys {
                old: old_key,
                new: account_key,
            },
        })
    }

    /// Locks the account directory and begins the change: a new password, account key and
    /// generation. Someone with an older copy of the database and the old password cannot open what
    /// is sealed from then on.
    ///
    /// # Errors
    /// [`ChangeError::ChangedMeanwhile`], or from the directory.
    pub(crate) fn begin_password_change(
        &self,
        prepared: PreparedPassword,
    ) -> Result<PasswordChange, ChangeError> {
        let PreparedPassword {
            record,
            before,
            keys,
        } = prepared;
        let writing = Directory::open_or_create(&self.home)?.begin()?;
        if !writing.reseal(&record, before)? {
            return Err(ChangeError::ChangedMeanwhile);
        }
        reseal_code(&writing, &record.account, &keys.new)?;
        Ok(PasswordChange {
            writing,
            account: record.account,
            keys,
        })
    }
}

impl PasswordChange {
    /// The account as it will be.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The transaction, and the keys to seal the account's data again with.
    pub fn data(&self) -> (&Writing, &AccountKeys) {
        (&self.writing, &self.keys)
    }

    /// Commits the change durably.
    ///
    /// # Errors
    /// From the directory; the old password then stays.
    pub fn commit(self) -> Result<Committed<Account>, DirectoryError> {
        Committed::new(self.writing, self.account)
    }
}
