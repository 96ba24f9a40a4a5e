//! Recovery codes: a second way to the account key, used once.

use super::attempt::{Counted, failure};
use super::code_seal::{is_stored, issue};
use super::tags::{recovery_tag, tag};
use super::{
    AccountService, Attempt, Authenticated, ChangeError, Committed, PasswordChange,
    PreparedPassword, Registration, SignInError,
};
use crate::account::directory::{Directory, DirectoryError, Record, Writing};
use crate::account::model::Account;
use crate::account::sealed_key::Whose;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sealed_for::PublicKey;
use nightlatch_core::crypto::{AccountKey, labels};
use nightlatch_core::recovery_code::RecoveryCode;
use nightlatch_core::throttle::Gate;

/// Proof that an account's recovery code was given at the time of the call.
#[must_use]
pub(crate) struct Recovered {
    /// The account, with the key that the code opened.
    pub proven: Authenticated,
    /// The code that was used.
    public: PublicKey,
}

/// A new recovery code that only a failed commit can prevent. The account directory is locked.
/// Dropped before it is committed, it leaves the old code.
#[must_use = "the old code stays until the new one is committed"]
pub(crate) struct NewCode {
    writing: Writing,
    code: RecoveryCode,
}

impl Attempt<'_> {
    /// Checks a recovery code, as [`Attempt::check`] does a password: counted as failed first, by
    /// the same rules but on its own, so that the person who has just forgotten a password is not
    /// locked out. An unknown email, an account without a code, a wrong code and a locked email all
    /// cost the same.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub fn check_code(self, code: &RecoveryCode) -> Result<Recovered, SignInError> {
        let (email, service) = (self.email, self.service);
        let tag = recovery_tag(&self.tag_key, email);
        let decoy = self.decoy;
        let Counted {
            directory,
            turn,
            attempted,
            failures,
            gate,
        } = service.count_attempt(self.directory, tag, (email, decoy.id))?;
        let record = attempted.record;
        let known = record.as_ref().map(|record| record.account.id);
        let whose = match &record {
            Some(Record { account, .. }) => Whose::of(account),
            None => Whose::nobody(decoy.id, email),
        };
        let stored = directory.recovery_code(whose.id)?;
        let has_code = stored.is_some();
        let stored = stored.unwrap_or(decoy.code);
        let secret = code.secret_key(whose.id);
        let label = labels::RECOVERY_WRAP;
        let opened = secret.open(&stored.sealed, label, &whose.associated());
        if let Gate::Locked { until } = gate {
            return Err(SignInError::Locked { tag, known, until });
        }
        let wrong = failure(tag, known, failures);
        let (Record { account, sealed }, account_key) = record
            .zip(opened.ok().map(AccountKey::from))
            .filter(|_| has_code)
            .ok_or_else(&wrong)?;
        let writing = directory.begin()?;
        // Refuse a code that was used while it was being checked.
        if !is_stored(&writing, &account, stored.public)? {
            return Err(wrong());
        }
        writing.forget(&tag)?;
        writing.commit()?;
        drop(turn);
        Ok(Recovered {
            proven: Authenticated {
                account,
                account_key,
                sealed,
            },
            public: stored.public,
        })
    }
}

impl AccountService {
    /// Locks the account directory and begins to replace the account's recovery code.
    ///
    /// # Errors
    /// [`ChangeError::ChangedMeanwhile`], or from the directory.
    pub(crate) fn begin_recovery_code(
        &self,
        proven: &Authenticated,
    ) -> Result<NewCode, ChangeError> {
        let writing = Directory::open_or_create(&self.home)?.begin()?;
        if !writing.is_current(&proven.account)? {
            return Err(ChangeError::ChangedMeanwhile);
        }
        let now = self.clock.now().wall;
        let code = issue(&writing, &proven.account, &proven.account_key, now)?;
        Ok(NewCode { writing, code })
    }

    /// As [`AccountService::begin_password_change`], for a password that a recovery code sets. The
    /// code is used up, and a new one takes its place.
    ///
    /// # Errors
    /// [`ChangeError::ChangedMeanwhile`] when the code was used or replaced meanwhile, or the
    /// password was changed; or from the directory.
    pub(crate) fn begin_recovery(
        &self,
        prepared: PreparedPassword,
        public: PublicKey,
    ) -> Result<(PasswordChange, RecoveryCode), ChangeError> {
        let now = prepared.account().updated_at;
        let change = self.begin_password_change(prepared)?;
        let (account, (writing, keys)) = (change.account(), change.data());
        if !is_stored(writing, account, public)? {
            return Err(ChangeError::ChangedMeanwhile);
        }
        let code = issue(writing, account, &keys.new, now)?;
        // Whoever has recovered an account is not kept out by the guesses before.
        let tag_key = writing.tag_key()?;
        writing.forget(&tag(&tag_key, &account.email))?;
        Ok((change, code))
    }

    /// When the account's recovery code was made; `None` when it has none.
    ///
    /// # Errors
    /// From the directory.
    pub fn recovery_code_since(
        &self,
        account: &Account,
    ) -> Result<Option<Timestamp>, DirectoryError> {
        let Some(directory) = Directory::open_existing(&self.home)? else {
            return Ok(None);
        };
        let stored = directory.recovery_code(account.id)?;
        Ok(stored.map(|stored| stored.created_at))
    }
}

impl Recovered {
    /// The proof, and the code that must still be the account's when the password is set.
    pub fn into_parts(self) -> (Authenticated, PublicKey) {
        (self.proven, self.public)
    }
}

impl NewCode {
    /// Commits the new code durably.
    ///
    /// # Errors
    /// From the directory; the old code then stays.
    pub fn commit(self) -> Result<Committed<RecoveryCode>, DirectoryError> {
        Committed::new(self.writing, self.code)
    }
}

impl Registration {
    /// Gives the new account a recovery code.
    ///
    /// # Errors
    /// From the directory.
    pub fn issue_recovery_code(&self) -> Result<RecoveryCode, DirectoryError> {
        let account = self.account();
        let (now, key) = (account.created_at, self.account_key());
        issue(self.writing(), account, key, now)
    }
}
