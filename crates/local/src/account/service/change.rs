//! Changes of an account other than its password: begun in a transaction, and committed.

use super::code_seal::reseal_code;
use super::{AccountService, Authenticated, ChangeError, Committed};
use crate::account::directory::{Directory, DirectoryError, Inserted, Record, Writing};
use crate::account::model::Account;
use nightlatch_core::crypto::AccountKey;
use nightlatch_core::display_name::DisplayName;
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password::into_normalized;

/// A change of an account that only a failed commit can prevent. The account directory is locked.
/// Dropped before it is committed, it changes nothing.
#[must_use = "nothing is changed until it is committed"]
pub(crate) struct AccountChange {
    writing: Writing,
    account: Account,
}

/// A new email, with the account key sealed for it. Nothing is changed yet.
#[must_use = "the old email stays until the change is begun and committed"]
pub(crate) struct PreparedEmail {
    record: Record,
    account_key: AccountKey,
    /// The account's generation, which the change raises.
    before: u64,
}

/// The removal of an account that only a failed commit can prevent. Dropped before it is committed,
/// it removes nothing.
#[must_use = "nothing is removed until it is committed"]
pub(crate) struct Removal {
    writing: Writing,
    /// How many secrets go with the account.
    pub secrets: u64,
}

impl AccountService {
    /// Locks the account `directory` and begins to change an account's name.
    ///
    /// # Errors
    /// [`ChangeError::ChangedMeanwhile`] when the account is gone, or from the directory.
    pub(crate) fn begin_rename(
        &self,
        directory: Directory,
        account: AccountId,
        name: &DisplayName,
    ) -> Result<AccountChange, ChangeError> {
        let writing = directory.begin()?;
        let Some(Record { mut account, .. }) = writing.by_id(account)? else {
            return Err(ChangeError::ChangedMeanwhile);
        };
        account.name = Some(name.clone());
        account.updated_at = self.clock.now().wall;
        writing.rename(&account)?;
        Ok(AccountChange { writing, account })
    }

    /// Hashes the `password` of the `proven` account once more, to seal its key for a new email.
    /// Hashing takes a while: take no lock before.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub(crate) fn prepare_email(
        &self,
        proven: Authenticated,
        password: SecretBuffer,
        email: &Email,
    ) -> Result<PreparedEmail, ChangeError> {
        let Authenticated {
            mut account,
            account_key,
            sealed: old,
        } = proven;
        let password = into_normalized(password).map_err(|bad| ChangeError::Policy(bad.into()))?;
        let before = account.generation;
        account.email = email.clone();
        account.generation = before.saturating_add(1);
        account.updated_at = self.clock.now().wall;
        let sealed = self.seal(password, old.params, &account, &account_key)?;
        let sealed = sealed.map_err(ChangeError::Hash)?;
        Ok(PreparedEmail {
            record: Record { account, sealed },
            account_key,
            before,
        })
    }

    /// Locks the account directory and begins to change an account's email: the email, a new
    /// generation, and the account key sealed for both.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::ChangedMeanwhile`], or from the directory.
    pub(crate) fn begin_email_change(
        &self,
        prepared: PreparedEmail,
    ) -> Result<AccountChange, ChangeError> {
        let PreparedEmail {
            record,
            account_key,
            before,
        } = prepared;
        let writing = Directory::open_or_create(&self.home)?.begin()?;
        if writing.readdress(&record)? == Inserted::EmailTaken {
            return Err(ChangeError::EmailTaken);
        }
        if !writing.reseal(&record, before)? {
            return Err(ChangeError::ChangedMeanwhile);
        }
        reseal_code(&writing, &record.account, &account_key)?;
        Ok(AccountChange {
            writing,
            account: record.account,
        })
    }

    /// Locks the account directory and begins to remove the `proven` account, with its recovery code
    /// and its secrets.
    ///
    /// # Errors
    /// [`ChangeError::ChangedMeanwhile`], or from the directory.
    pub(crate) fn begin_removal(&self, proven: &Authenticated) -> Result<Removal, ChangeError> {
        let Account { id, generation, .. } = proven.account;
        let writing = Directory::open_or_create(&self.home)?.begin()?;
        let secrets = writing.secrets_of(id)?;
        if !writing.remove(id, generation)? {
            return Err(ChangeError::ChangedMeanwhile);
        }
        Ok(Removal { writing, secrets })
    }

    /// All accounts, sorted by email.
    ///
    /// # Errors
    /// From the directory.
    pub fn all(&self) -> Result<Vec<Account>, DirectoryError> {
        Directory::open_existing(&self.home)?.map_or(Ok(Vec::new()), |directory| directory.all())
    }

    /// How many secrets an account has.
    ///
    /// # Errors
    /// From the directory.
    pub fn secrets_of(&self, account: AccountId) -> Result<u64, DirectoryError> {
        let directory = Directory::open_existing(&self.home)?;
        directory.map_or(Ok(0), |directory| directory.secrets_of(account))
    }
}

impl AccountChange {
    /// The account as it will be.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Commits the change durably.
    ///
    /// # Errors
    /// From the directory; nothing is changed then.
    pub fn commit(self) -> Result<Committed<Account>, DirectoryError> {
        Committed::new(self.writing, self.account)
    }
}

impl Removal {
    /// Removes the account durably.
    ///
    /// # Errors
    /// From the directory; the account then stays.
    pub fn commit(self) -> Result<Committed<()>, DirectoryError> {
        Committed::new(self.writing, ())
    }
}
