//! Changing an account's name, email and recovery code, removing it, and switching to another. Each
//! change is authorized and recorded here.

use super::accounts::{Failed, locked_event, name_of_attempt, typeable};
use super::{AccountError, Guard, GuardError, Home, SignInError};
use crate::account::{
    Account, Authenticated, Checked, Directory, DisplayName, Email, RecoveryCode,
};
use crate::session::{Owner, Use};
use nightlatch_audit::{AuditName, Details, EmailChangeFailure, Event, TerminationReason};
use nightlatch_core::memory::SecretBuffer;

/// Proof that an account's password was right when it was checked, for changes that a live session
/// alone does not authorize.
#[must_use]
pub struct ProvenAccount(Authenticated);

/// An account that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountRemoved {
    /// Whether a session of it was ended.
    pub session_ended: bool,
    /// How many secrets went with it.
    pub secrets: u64,
}

impl Guard {
    /// Checks the account's password as sign-in does, but begins no session. A wrong one counts and
    /// is recorded as a failed sign-in.
    ///
    /// # Errors
    /// [`SignInError`].
    pub fn prove_account(
        &self,
        account: &Account,
        password: SecretBuffer,
    ) -> Result<ProvenAccount, SignInError> {
        typeable(&password)?;
        let home = self.home()?;
        let attempt = home.accounts.attempt(&account.email);
        match attempt.map_err(GuardError::from)?.check(password) {
            Ok(Checked { proven, .. }) => Ok(ProvenAccount(proven)),
            Err(error) => Err(self.record_failure(home, &name_of(account), error)?),
        }
    }

    /// Changes an account's name. Takes a live session of the account, and counts as activity.
    ///
    /// # Errors
    /// [`AccountError`]; nothing is changed then.
    pub fn rename_account(
        &self,
        account: &Account,
        name: &DisplayName,
    ) -> Result<Account, AccountError> {
        let home = self.home()?;
        let how = Use {
            action: "account rename",
            extend: true,
            min_remaining: std::time::Duration::ZERO,
        };
        let owner = Owner::from(account);
        // Opened first, so that nobody waits for it under the lock.
        let directory = Directory::open_or_create(&home.dir).map_err(GuardError::from)?;
        let judged = home.sessions.lock_to_use(account.id)?.judge(owner, how)?;
        let change = home.accounts.begin_rename(directory, account.id, name)?;
        let recording = judged.await_log()?;
        let renamed = recording.session().event(Details::AccountRenamed);
        let still_live = recording.record(Some(renamed))?.publish_durably()?;
        let renamed = change.commit().map_err(GuardError::from)?;
        drop(still_live);
        Ok(renamed.close())
    }

    /// Changes an account's email and ends its session. Takes the account's password, because the
    /// account key is sealed for the email. Returns whether there was a session.
    ///
    /// # Errors
    /// [`AccountError`]; the old email then stays.
    pub fn change_email(
        &self,
        account: &Account,
        password: SecretBuffer,
        email: &Email,
    ) -> Result<bool, AccountError> {
        typeable(&password)?;
        let home = self.home()?;
        let again = SecretBuffer::copy_of(password.expose());
        let attempt = home.accounts.attempt(&account.email);
        let (failure, error) = match attempt.map_err(GuardError::from)?.check(password) {
            Ok(Checked { proven, .. }) => match readdress(home, proven, again, email) {
                Ok(ended) => return Ok(ended),
                Err(error @ AccountError::EmailTaken) => (EmailChangeFailure::EmailTaken, error),
                Err(error) => (EmailChangeFailure::Internal, error),
            },
            Err(error) => {
                let (failed, error) = self.judge_failure(error);
                self.record_lock(home, account, failed)?;
                (failed.reason.into(), error.into())
            }
        };
        // An email that belongs to no account is never written: it may be a slip.
        let to = name_of_attempt(&home.accounts.attempt(email).map_err(GuardError::from)?);
        let failure = Some(failure);
        let event = Event::new(Details::EmailChanged { failure, to }).about(name_of(account));
        home.record(&[event]).map_err(GuardError::from)?;
        Err(error)
    }

    /// Makes a new recovery code for the proven account; an earlier one is no longer accepted. It is
    /// stored nowhere and cannot be shown again.
    ///
    /// # Errors
    /// [`AccountError`]; the old code then stays.
    pub fn renew_recovery_code(
        &self,
        ProvenAccount(proven): &ProvenAccount,
    ) -> Result<RecoveryCode, AccountError> {
        let home = self.home()?;
        let renewal = home.accounts.begin_recovery_code(proven)?;
        let event = Event::new(Details::RecoveryCodeCreated).about(name_of(&proven.account));
        home.record(&[event]).map_err(GuardError::from)?;
        let renewed = renewal.commit().map_err(GuardError::from)?;
        Ok(renewed.erase_leftovers())
    }

    /// Removes the proven account, its recovery code, its secrets and its session. What the audit
    /// log says about it stays.
    ///
    /// # Errors
    /// [`AccountError`]; the account then stays.
    pub fn remove_account(
        &self,
        ProvenAccount(proven): ProvenAccount,
    ) -> Result<AccountRemoved, AccountError> {
        let home = self.home()?;
        let account = &proven.account;
        // Held until the account is gone. A concurrent sign-in creates its session either before
        // this, and loses it, or after, and is refused.
        let lock = home.sessions.lock()?;
        let removal = home.accounts.begin_removal(&proven)?;
        let secrets = removal.secrets;
        let reason = TerminationReason::AccountRemoved;
        let session_ended = lock.terminate(account.id.into(), reason)?;
        let event = Event::new(Details::AccountRemoved { secrets }).about(name_of(account));
        home.record(&[event]).map_err(GuardError::from)?;
        let removed = removal.commit().map_err(GuardError::from)?;
        // The account is gone either way, and an id without an account is no account in use.
        if let Err(error) = lock.forget_current(account.id) {
            tracing::warn!(%error, "cannot forget the removed account");
        }
        drop(lock);
        removed.erase_leftovers();
        Ok(AccountRemoved {
            session_ended,
            secrets,
        })
    }

    /// Makes an account the one whose session counts where none is named, as a sign-in to it would.
    /// It authorizes nothing: the account needs a live session of its own.
    ///
    /// # Errors
    /// [`AccountError`]; the account in use then stays.
    pub fn switch_account(&self, account: &Account) -> Result<(), AccountError> {
        let home = self.home()?;
        let lock = home.sessions.lock()?;
        let before = home.sessions.current()?;
        if before == Some(account.id) {
            return Ok(());
        }
        let from = before.and_then(|before| home.name_of(before));
        let event = Event::new(Details::AccountSwitched { from }).about(name_of(account));
        home.record(&[event]).map_err(GuardError::from)?;
        Ok(lock.switch_to(account.id)?)
    }

    /// Records that a wrong password locked sign-in, if it did.
    pub(super) fn record_lock(
        &self,
        home: &Home,
        account: &Account,
        failed: Failed,
    ) -> Result<(), GuardError> {
        if failed.locks {
            home.record(&[locked_event(&name_of(account))])?;
            self.alert_of_lockout();
        }
        Ok(())
    }
}

/// Changes the email of the proven account, ends its session and records both. Returns whether there
/// was a session.
fn readdress(
    home: &Home,
    proven: Authenticated,
    password: SecretBuffer,
    email: &Email,
) -> Result<bool, AccountError> {
    let old = name_of(&proven.account);
    let to = AuditName::known(email.normalized());
    let prepared = home.accounts.prepare_email(proven, password, email)?;
    let lock = home.sessions.lock()?;
    let change = home.accounts.begin_email_change(prepared)?;
    let owner = Owner::from(change.account().id);
    let ended = lock.terminate(owner, TerminationReason::EmailChanged)?;
    let changed = Details::EmailChanged { failure: None, to };
    home.record(&[Event::new(changed).about(old)])
        .map_err(GuardError::from)?;
    let changed = change.commit().map_err(GuardError::from)?;
    drop(lock);
    changed.erase_leftovers();
    Ok(ended)
}

fn name_of(account: &Account) -> AuditName {
    AuditName::known(account.email.normalized())
}
