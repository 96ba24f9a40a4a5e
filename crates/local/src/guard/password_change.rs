//! Changing an account's password.

use super::accounts::typeable;
use super::{Guard, GuardError, Home, PasswordChangeError, SignInError};
use crate::account::{Account, Authenticated, ChangeError, Checked, PasswordChange};
use crate::secrets;
use crate::session::SessionLock;
use nightlatch_audit::{AuditName, Details, Event, PasswordChangeFailure, TerminationReason};
use nightlatch_core::memory::SecretBuffer;

/// Proof that an account's password was right when it was checked; needed to change it.
#[must_use]
pub struct ProvenPassword(Authenticated);

impl Guard {
    /// Checks the account's password as sign-in does, but begins no session. A wrong password
    /// counts as a failure and is recorded as a failed password change.
    ///
    /// # Errors
    /// [`SignInError`].
    pub fn prove_password(
        &self,
        account: &Account,
        password: SecretBuffer,
    ) -> Result<ProvenPassword, SignInError> {
        typeable(&password)?;
        let home = self.home()?;
        let attempt = home.accounts.attempt(&account.email);
        let error = match attempt.map_err(GuardError::from)?.check(password) {
            Ok(Checked { proven, .. }) => return Ok(ProvenPassword(proven)),
            Err(error) => error,
        };
        let name = AuditName::known(account.email.normalized());
        let (failed, error) = self.judge_failure(error);
        self.record_lock(home, account, failed)?;
        let failure = Some(failed.reason.into());
        home.record(&[Event::new(Details::PasswordChanged { failure }).about(name)])
            .map_err(GuardError::from)?;
        Err(error)
    }

    /// Changes the account's password and ends its session. Returns whether there was a session.
    ///
    /// # Errors
    /// [`PasswordChangeError`]; the old password then remains valid.
    pub fn change_password(
        &self,
        account: &Account,
        old: SecretBuffer,
        new: SecretBuffer,
    ) -> Result<bool, PasswordChangeError> {
        self.change_proven_password(self.prove_password(account, old)?, new)
    }

    /// Changes the proven password and ends the account's session. Returns whether there was a
    /// session.
    ///
    /// # Errors
    /// [`PasswordChangeError`]; the old password then remains valid.
    pub fn change_proven_password(
        &self,
        ProvenPassword(proven): ProvenPassword,
        new: SecretBuffer,
    ) -> Result<bool, PasswordChangeError> {
        let home = self.home()?;
        let name = AuditName::known(proven.account.email.normalized());
        let event = |failure| Event::new(Details::PasswordChanged { failure }).about(name.clone());
        let error = match change(home, proven, new, event(None)) {
            Ok(ended) => return Ok(ended),
            Err(error) => error,
        };
        let failure = match &error {
            PasswordChangeError::Password(_) | PasswordChangeError::SameAsOld => {
                PasswordChangeFailure::WeakPassword
            }
            PasswordChangeError::ChangedMeanwhile => PasswordChangeFailure::WrongCredentials,
            _ => PasswordChangeFailure::Internal,
        };
        home.record(&[event(Some(failure))])
            .map_err(GuardError::from)?;
        Err(error)
    }
}

/// Changes the password, ends the account's session and records `changed`. Returns whether there was
/// a session.
fn change(
    home: &Home,
    proven: Authenticated,
    new: SecretBuffer,
    changed: Event,
) -> Result<bool, PasswordChangeError> {
    let prepared = home.accounts.prepare_password(proven, new)?;
    // Held until the change is committed. A concurrent sign-in with the old password creates its
    // session either before this, and loses it, or after, and is refused.
    let lock = home.sessions.lock().map_err(GuardError::from)?;
    let change = home.accounts.begin_password_change(prepared)?;
    let (_, ended) = finish(home, lock, change, &[changed])?;
    Ok(ended)
}

/// Ends a change of a password that was begun: seals the account's data again, ends its session,
/// records the `events`, commits, and releases the lock. Returns the account, and whether there was a
/// session.
pub(super) fn finish(
    home: &Home,
    lock: SessionLock<'_>,
    change: PasswordChange,
    events: &[Event],
) -> Result<(Account, bool), GuardError> {
    let account = change.account().id;
    let (writing, keys) = change.data();
    secrets::reseal(writing, account, &keys.old, &keys.new)?;
    let ended = lock.terminate(account.into(), TerminationReason::PasswordChanged)?;
    home.record(events)?;
    let changed = change.commit()?;
    drop(lock);
    Ok((changed.erase_leftovers(), ended))
}

impl From<ChangeError> for PasswordChangeError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Policy(refusal) => Self::Password(refusal),
            ChangeError::SameAsOld => Self::SameAsOld,
            ChangeError::EmailTaken | ChangeError::ChangedMeanwhile => Self::ChangedMeanwhile,
            ChangeError::Hash(error) => GuardError::Hash(error).into(),
            ChangeError::Directory(error) => GuardError::from(error).into(),
        }
    }
}
