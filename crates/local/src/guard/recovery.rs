//! Setting a new password with a recovery code.

use super::accounts::name_of_attempt;
use super::password_change::finish;
use super::{Guard, GuardError, Home, RecoverError};
use crate::account::{Account, ChangeError, Email, Recovered, RecoveryCode};
use nightlatch_audit::{AuditName, Details, Event, PasswordChangeFailure};
use nightlatch_core::memory::SecretBuffer;

/// Proof that an account's recovery code was right when it was checked; needed to set a password
/// with it. The code is used up only when a password is set.
#[must_use]
pub struct ProvenCode(Recovered);

/// An account that has a new password by its recovery code.
#[non_exhaustive]
pub struct RecoveredAccount {
    /// The account.
    pub account: Account,
    /// Whether a session of it was ended.
    pub session_ended: bool,
    /// The recovery code that takes the place of the used one. It is stored nowhere and cannot be
    /// shown again.
    pub recovery_code: RecoveryCode,
}

impl ProvenCode {
    /// The account whose code it is.
    pub fn account(&self) -> &Account {
        &self.0.proven.account
    }
}

impl Guard {
    /// Checks a recovery code. Five wrong ones in a row lock recovery for half an hour, for unknown
    /// emails and accounts without a code alike; sign-in with the password is counted apart.
    ///
    /// # Errors
    /// [`RecoverError`]; an unknown email, an account without a code and a wrong code give the same
    /// error.
    pub fn prove_code(
        &self,
        email: &Email,
        code: &RecoveryCode,
    ) -> Result<ProvenCode, RecoverError> {
        let home = self.home()?;
        let attempt = home.accounts.attempt(email).map_err(GuardError::from)?;
        let name = name_of_attempt(&attempt);
        let error = match attempt.check_code(code) {
            Ok(recovered) => return Ok(ProvenCode(recovered)),
            Err(error) => error,
        };
        let (failed, error) = self.judge_failure(error);
        let failure = Some(failed.reason.into());
        self.record_failed(home, &name, failed, Details::RecoveryCodeUsed { failure })?;
        Err(error.into())
    }

    /// Sets a new password for the account of the proven code, uses the code up, ends the account's
    /// session, and makes a new code.
    ///
    /// # Errors
    /// [`RecoverError`]; the old password and the code then stay.
    pub fn recover(
        &self,
        ProvenCode(recovered): ProvenCode,
        new: SecretBuffer,
    ) -> Result<RecoveredAccount, RecoverError> {
        let home = self.home()?;
        let name = AuditName::known(recovered.proven.account.email.normalized());
        let error = match set_password(home, recovered, new, &name) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let failure = match &error {
            RecoverError::Password(_) | RecoverError::SameAsOld => {
                PasswordChangeFailure::WeakPassword
            }
            RecoverError::UsedMeanwhile => PasswordChangeFailure::WrongCredentials,
            _ => PasswordChangeFailure::Internal,
        };
        let failure = Some(failure);
        home.record(&[Event::new(Details::RecoveryCodeUsed { failure }).about(name)])
            .map_err(GuardError::from)?;
        Err(error)
    }
}

fn set_password(
    home: &Home,
    recovered: Recovered,
    new: SecretBuffer,
    name: &AuditName,
) -> Result<RecoveredAccount, RecoverError> {
    let (proven, public) = recovered.into_parts();
    let prepared = home.accounts.prepare_password(proven, new)?;
    // Held until the change is committed, as for a password change.
    let lock = home.sessions.lock().map_err(GuardError::from)?;
    let (change, recovery_code) = home.accounts.begin_recovery(prepared, public)?;
    let events = [
        Details::RecoveryCodeUsed { failure: None },
        Details::RecoveryCodeCreated,
    ];
    let events = events.map(|details| Event::new(details).about(name.clone()));
    let (account, session_ended) = finish(home, lock, change, &events)?;
    Ok(RecoveredAccount {
        account,
        session_ended,
        recovery_code,
    })
}

impl From<ChangeError> for RecoverError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Policy(refusal) => Self::Password(refusal),
            ChangeError::SameAsOld => Self::SameAsOld,
            ChangeError::EmailTaken | ChangeError::ChangedMeanwhile => Self::UsedMeanwhile,
            ChangeError::Hash(error) => GuardError::Hash(error).into(),
            ChangeError::Directory(error) => GuardError::from(error).into(),
        }
    }
}
