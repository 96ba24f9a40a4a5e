//! Creating accounts: anyone may create the first one of a home; every other one needs an account
//! of the home.

use super::{AccountService, Authenticated, Checked, RegisterError};
use crate::account::directory::{Directory, DirectoryError, Inserted, Record, Writing};
use crate::account::model::Account;
use nightlatch_core::crypto::AccountKey;
use nightlatch_core::crypto::kdf::HashFailed;
use nightlatch_core::display_name::DisplayName;
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password::{self, PolicyRefusal, into_normalized};

/// The account that authorizes a new one in its home. It exists only for someone who has just given
/// the account's password ([`Authenticated::sponsor`]) or has a live session of it
/// ([`Guard::register`](crate::guard::Guard::register)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sponsor {
    account: AccountId,
    generation: u64,
}

impl Sponsor {
    /// For the guard, which has judged a session of `account` live.
    pub(crate) fn of_session(account: AccountId, generation: u64) -> Self {
        Self {
            account,
            generation,
        }
    }
}

impl Authenticated {
    /// The account whose password was given, as the sponsor of a new one.
    pub fn sponsor(&self) -> Sponsor {
        Sponsor {
            account: self.account.id,
            generation: self.account.generation,
        }
    }
}

/// An account ready to be created: its password meets the rules and is hashed.
#[must_use = "the account does not exist before it is created"]
pub(crate) struct NewAccount {
    record: Record,
    account_key: AccountKey,
}

/// An account that only a failed commit can prevent. The account directory is locked. Dropped before
/// it is committed, it creates nothing.
#[must_use = "the account does not exist before it is committed"]
pub(crate) struct Registration {
    writing: Writing,
    new: NewAccount,
}

/// Why an account could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    /// The password breaks a rule.
    #[error("{0}")]
    Policy(PolicyRefusal),
    /// The password could not be hashed because there was too little memory.
    #[error("{0}")]
    Hash(HashFailed),
    /// The account directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl AccountService {
    /// Checks and hashes the password of a new account, and wipes it. Hashing takes a while: take
    /// no lock before.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub(crate) fn prepare(
        &self,
        email: &Email,
        name: Option<&DisplayName>,
        password: SecretBuffer,
    ) -> Result<NewAccount, PrepareError> {
        password::check(&password, self.rules, email, name).map_err(PrepareError::Policy)?;
        let password = into_normalized(password).map_err(|bad| PrepareError::Policy(bad.into()))?;
        let now = self.clock.now().wall;
        let account = Account {
            id: AccountId::random().map_err(DirectoryError::Random)?,
            email: email.clone(),
            name: name.cloned(),
            created_at: now,
            updated_at: now,
            generation: 0,
        };
        let account_key = AccountKey::random().map_err(DirectoryError::Random)?;
        let sealed = self.seal(password, self.params, &account, &account_key)?;
        let sealed = sealed.map_err(PrepareError::Hash)?;
        Ok(NewAccount {
            record: Record { account, sealed },
            account_key,
        })
    }

    /// Locks the account directory and begins to create an account. In a home that already has an
    /// account, this needs a `sponsor`: an account of this home whose password has not changed
    /// since. The check is in the transaction that creates the account, so two concurrent first
    /// accounts are impossible too.
    ///
    /// # Errors
    /// See [`RegisterError`]. The database also decides whether the email is taken.
    pub(crate) fn begin_registration(
        &self,
        new: NewAccount,
        sponsor: Option<Sponsor>,
    ) -> Result<Registration, RegisterError> {
        let writing = Directory::open_or_create(&self.home)?.begin()?;
        if !may_enter(&writing, sponsor)? {
            return Err(RegisterError::NoSponsor);
        }
        match writing.insert(&new.record)? {
            Inserted::EmailTaken => Err(RegisterError::EmailTaken),
            Inserted::New => Ok(Registration { writing, new }),
        }
    }
}

impl Registration {
    /// The account as it will be.
    pub(super) fn account(&self) -> &Account {
        &self.new.record.account
    }

    pub(super) fn account_key(&self) -> &AccountKey {
        &self.new.account_key
    }

    pub(super) fn writing(&self) -> &Writing {
        &self.writing
    }

    /// Creates the account durably. The result proves its password, as a sign-in does, because the
    /// creator has just given it.
    ///
    /// # Errors
    /// From the directory; there is no account then.
    pub fn commit(self) -> Result<Checked, DirectoryError> {
        let directory = self.writing.commit()?;
        let NewAccount {
            record: Record { account, sealed },
            account_key,
        } = self.new;
        let proven = Authenticated {
            account,
            account_key,
            sealed,
        };
        Ok(Checked { proven, directory })
    }
}

/// Whether a new account may be created now.
fn may_enter(writing: &Writing, sponsor: Option<Sponsor>) -> Result<bool, DirectoryError> {
    Ok(match sponsor {
        Some(sponsor) => writing
            .by_id(sponsor.account)?
            .is_some_and(|found| found.account.generation == sponsor.generation),
        None => writing.count()? == 0,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{OTHER, PASSWORD, Scratch, alice, nobody};
    use super::*;
    use nightlatch_core::password::secret;

    fn create(scratch: &Scratch, sponsor: Option<Sponsor>) -> Result<Authenticated, RegisterError> {
        let prepared = scratch.service.prepare(&nobody(), None, secret(OTHER));
        scratch.service.create(prepared.unwrap(), sponsor)
    }

    fn is_refused(result: &Result<Authenticated, RegisterError>) -> bool {
        matches!(result, Err(RegisterError::NoSponsor))
    }

    #[test]
    fn a_second_account_needs_a_sponsor_of_the_same_home() {
        let (scratch, _) = Scratch::with_alice();
        assert!(is_refused(&create(&scratch, None)));
        let (elsewhere, _) = Scratch::with_alice();
        let foreign = elsewhere.sign_in(&alice(), PASSWORD).unwrap().sponsor();
        assert!(is_refused(&create(&scratch, Some(foreign))));
        assert_eq!(scratch.service.count().unwrap(), 1);
        let sponsor = scratch.sign_in(&alice(), PASSWORD).unwrap().sponsor();
        assert!(create(&scratch, Some(sponsor)).is_ok());
        assert_eq!(scratch.service.count().unwrap(), 2);
    }

    #[test]
    fn a_sponsor_whose_password_changed_since_counts_no_more() {
        let (scratch, _) = Scratch::with_alice();
        let proven = scratch.sign_in(&alice(), PASSWORD).unwrap();
        let sponsor = proven.sponsor();
        let changed = scratch
            .service
            .change_password(proven, secret("another plain tractor hums"));
        assert!(changed.is_ok());
        assert!(is_refused(&create(&scratch, Some(sponsor))));
    }

    #[test]
    fn of_two_first_accounts_at_once_one_is_created() {
        let scratch = Scratch::new();
        let first = scratch.service.prepare(&alice(), None, secret(PASSWORD));
        let second = scratch.service.prepare(&nobody(), None, secret(OTHER));
        let create = |new: NewAccount| scratch.service.create(new, None);
        assert!(create(first.unwrap()).is_ok());
        assert!(is_refused(&create(second.unwrap())));
    }
}
