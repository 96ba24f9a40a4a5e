//! The guard's account operations, which combine the account directory, the session service and the
//! audit log.

use std::time::Duration;

use super::upkeep::Upkeep;
use super::{AlertKind, Guard, GuardConfig, GuardError, Home, SignInError};
use crate::account::{
    self, AccountService, Attempt, Checked, DisplayName, Email, FAILURES_TO_LOCK, LOCK, Lockout,
    PolicyRefusal, Strength,
};
use crate::config::{Limits, PasswordRules};
use crate::session::{
    EndCause, Ending, NewSession, SessionError, SessionStatus, UnrecordedEnding, serve_agent,
};
use nightlatch_audit::{AuditError, AuditName, Details, Event, LoginFailure, TerminationReason};
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_core::memory::SecretBuffer;

/// How many accounts are checked for lockouts.
const LOCKOUTS_AMONG: u32 = 100;

/// A session that has just begun. It is not proof of a live session: [`Guard::require`] gives that,
/// for a session that counts.
#[derive(Debug)]
pub struct SignedIn {
    session: SessionId,
    status: SessionStatus,
    upkeep: Upkeep,
}

impl SignedIn {
    /// The session's id.
    pub fn session_id(&self) -> SessionId {
        self.session
    }

    /// The session's status, as `nightlatch status` shows it.
    pub fn status(&self) -> SessionStatus {
        self.status.clone()
    }

    /// What is due after the sign-in. It is done when this is dropped, if not before.
    pub fn into_upkeep(self) -> Upkeep {
        self.upkeep
    }
}

impl Guard {
    /// The accounts of this home.
    ///
    /// # Errors
    /// When there is no home yet.
    pub fn accounts(&self) -> Result<&AccountService, GuardError> {
        Ok(&*self.home()?.accounts)
    }

    /// The configured rules for new passwords.
    pub fn password_rules(&self) -> PasswordRules {
        self.password_rules
    }

    /// Checks a new password against the configured rules, before anything else is done with it.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_new_password(
        &self,
        password: &SecretBuffer,
        email: &Email,
        name: Option<&DisplayName>,
    ) -> Result<Strength, PolicyRefusal> {
        account::check_password(password, self.password_rules, email, name)
    }

    /// Signs in. The new session replaces the account's old one. The password is wiped as soon as
    /// it is hashed, long before the session begins.
    ///
    /// # Errors
    /// [`SignInError`]; unknown names and wrong passwords give the same error.
    pub fn sign_in(
        &self,
        email: &Email,
        password: SecretBuffer,
        limits: Limits,
    ) -> Result<SignedIn, SignInError> {
        typeable(&password)?;
        let home = self.home()?;
        let attempt = home.accounts.attempt(email).map_err(GuardError::from)?;
        let name = name_of_attempt(&attempt);
        // The events that follow make this one durable; nothing is reported before that.
        let begun = Event::new(Details::LoginAttempt).about(name.clone());
        let _unsynced = home.audit.append(&[begun]).map_err(GuardError::from)?;

        match attempt.check(password) {
            Ok(checked) => self.begin(home, &name, checked, limits),
            Err(error) => Err(self.record_failure(home, &name, error)?),
        }
    }

    /// Begins a session for an account whose password was proven, and records it.
    fn begin(
        &self,
        home: &Home,
        name: &AuditName,
        Checked { proven, directory }: Checked,
        limits: Limits,
    ) -> Result<SignedIn, SignInError> {
        let (account, generation) = (proven.account.id, proven.account.generation);
        let new = NewSession {
            account,
            username: proven.account.email.normalized().to_owned(),
            generation,
            account_key: proven.account_key,
            limits,
        };
        let success = Event::new(Details::LoginSuccess).about(name.clone());
        let created = home.sessions.lock_to_use(account).and_then(|lock| {
            let current = directory.generation(account).ok().flatten();
            lock.create(new, current, vec![success])
        });
        match created {
            Ok(session) => Ok(SignedIn {
                session: session.id(),
                status: session.status(),
                upkeep: Upkeep::new(home.audit.clone(), self.retention),
            }),
            Err(SessionError::AccountChanged) => {
                let failure = Failed {
                    reason: LoginFailure::WrongCredentials,
                    attempts: None,
                    locks: false,
                };
                self.record_failed(home, name, failure, failure.details())?;
                // The password was right, so the account's failures were reset.
                Err(SignInError::Wrong {
                    remaining_attempts: FAILURES_TO_LOCK,
                })
            }
            Err(error) => Err(GuardError::from(error).into()),
        }
    }

    /// As [`Guard::sign_in`], for an account that was just created with the same password.
    pub(super) fn sign_in_created(
        &self,
        home: &Home,
        created: Checked,
        limits: Limits,
    ) -> Result<SignedIn, SignInError> {
        let email = &created.proven.account.email;
        // There may be failed sign-ins from before the account existed.
        if let Some(retry_after) = self.locked_for(email)? {
            return Err(SignInError::Locked { retry_after });
        }
        let name = AuditName::known(email.normalized());
        let begun = Event::new(Details::LoginAttempt).about(name.clone());
        let _unsynced = home.audit.append(&[begun]).map_err(GuardError::from)?;
        self.begin(home, &name, created, limits)
    }

    /// Ends the session of the selected account, without a password. Destroys the key first and
    /// reports failures afterwards. Waits at most two seconds for another process to release a
    /// lock, and then goes on without it.
    ///
    /// # Errors
    /// When it is unclear which account is meant: [`Guard::lock`] ends the sessions of all.
    pub fn sign_out(&self) -> Result<Ending, GuardError> {
        let Some(home) = &self.home else {
            return Ok(Ending::default());
        };
        let Some(account) = self.account_to_end(home)? else {
            return Ok(Ending::default());
        };
        let ending = home.sessions.end_one(account, TerminationReason::Logout);
        Ok(ending.record())
    }

    /// The account whose session is meant to end; `None` when there is no such account.
    pub(super) fn account_to_end(&self, home: &Home) -> Result<Option<AccountId>, GuardError> {
        match self.owner(home)? {
            Some(owner) => Ok(Some(owner.account)),
            // The record of who signed in last is missing or damaged.
            None if self.account.is_none() => match home.sessions.accounts()?[..] {
                [] => Ok(None),
                [only] => Ok(Some(only)),
                _ => Err(GuardError::AccountUnclear),
            },
            None => Ok(None),
        }
    }

    /// Ends the sessions of all accounts of this home, as [`Guard::sign_out`] ends one. If the
    /// agent that holds their keys does not answer, it is killed.
    ///
    /// On a guard opened with [`Guard::open_to_lock`], this works whatever the configuration says.
    pub fn lock(&self) -> Ending {
        let Some(home) = &self.home else {
            return Ending::default();
        };
        home.end_all(TerminationReason::Logout).record()
    }

    /// For how long sign-in for `email` is locked; `None` when it is not. The same for unknown and
    /// known names. It does not count as an attempt and is not recorded.
    ///
    /// # Errors
    /// When the account directory cannot be read.
    pub fn locked_for(&self, email: &Email) -> Result<Option<Duration>, GuardError> {
        let Some(home) = &self.home else {
            return Ok(None);
        };
        let until = home.accounts.locked_until(email)?;
        Ok(until.map(|until| until.since(self.clock.now().wall)))
    }

    /// The accounts locked by failed sign-ins, among the first hundred accounts. Changes nothing,
    /// so it may miss what another process is changing.
    ///
    /// # Errors
    /// When the account directory cannot be read that way.
    pub fn lockouts(&self) -> Result<Vec<Lockout>, GuardError> {
        match &self.home {
            Some(home) => Ok(home.accounts.lockouts_at_rest(LOCKOUTS_AMONG)?),
            None => Ok(Vec::new()),
        }
    }

    /// Holds the session keys of this home where the kernel cannot: the main function of the agent
    /// process. Returns when the last session is gone.
    ///
    /// # Errors
    /// When the home cannot be opened, or the agent cannot serve.
    pub fn serve_agent(config: GuardConfig) -> Result<(), GuardError> {
        let guard = Self::open(config)?;
        Ok(serve_agent(&guard.home()?.dir, &*guard.clock)?)
    }

    /// Runs the alert command after a lockout was recorded, without the name that was tried: it may
    /// not be an account's, and people type passwords there.
    pub(super) fn alert_of_lockout(&self) {
        let message = format!("sign-in was locked after {FAILURES_TO_LOCK} failures in a row");
        if let Err(error) = self.alert(AlertKind::Lockout, &message)
            && let Some(told) = &self.on_alert_failure
        {
            told(&error);
        }
    }

    /// Records a failed sign-in and returns the error for the user.
    pub(super) fn record_failure(
        &self,
        home: &Home,
        name: &AuditName,
        error: account::SignInError,
    ) -> Result<SignInError, GuardError> {
        let (failed, error) = self.judge_failure(error);
        self.record_failed(home, name, failed, failed.details())?;
        Ok(error)
    }

    /// Records a failed proof as `details`, and that it locked sign-in, if it did.
    pub(super) fn record_failed(
        &self,
        home: &Home,
        name: &AuditName,
        failed: Failed,
        details: Details,
    ) -> Result<(), GuardError> {
        let failure = Event::new(details).about(name.clone());
        let locked = failed.locks.then(|| locked_event(name));
        let events: Vec<_> = std::iter::once(failure).chain(locked).collect();
        home.record(&events)?;
        if failed.locks {
            self.alert_of_lockout();
        }
        Ok(())
    }

    /// Maps a failed sign-in to its audit record and to the error for the user.
    pub(super) fn judge_failure(&self, error: account::SignInError) -> (Failed, SignInError) {
        let failed = |reason, attempts, locks| Failed {
            reason,
            attempts,
            locks,
        };
        // Read the clock for every error: where that is a system call, doing it for locked accounts
        // only would reveal them.
        let now = self.clock.now().wall;
        match error {
            account::SignInError::Untypeable(found) => (
                failed(LoginFailure::Internal, None, false),
                SignInError::Untypeable(found),
            ),
            account::SignInError::Wrong {
                remaining_attempts,
                just_locked,
                failures,
                ..
            } => (
                failed(LoginFailure::WrongCredentials, Some(failures), just_locked),
                SignInError::Wrong { remaining_attempts },
            ),
            account::SignInError::Locked { until, .. } => {
                let retry_after = until.since(now);
                (
                    failed(LoginFailure::Locked, None, false),
                    SignInError::Locked { retry_after },
                )
            }
            account::SignInError::Hash(error) => (
                failed(LoginFailure::Internal, None, false),
                GuardError::Hash(error).into(),
            ),
            account::SignInError::Directory(error) => (
                failed(LoginFailure::Internal, None, false),
                GuardError::from(error).into(),
            ),
        }
    }
}

/// Refuses text that cannot be a password, before anything is recorded or counted.
pub(super) fn typeable(password: &SecretBuffer) -> Result<(), SignInError> {
    match account::untypeable(password) {
        Some(found) => Err(SignInError::Untypeable(found)),
        None => Ok(()),
    }
}

/// What the log says about a failed sign-in.
#[derive(Clone, Copy)]
pub(super) struct Failed {
    pub reason: LoginFailure,
    attempts: Option<u32>,
    pub locks: bool,
}

impl Failed {
    /// As a failed sign-in.
    fn details(self) -> Details {
        let Self {
            reason, attempts, ..
        } = self;
        Details::LoginFailure { reason, attempts }
    }
}

pub(super) fn locked_event(name: &AuditName) -> Event {
    let details = Details::AccountLocked {
        failures: FAILURES_TO_LOCK,
        lock: LOCK,
    };
    Event::new(details).about(name.clone())
}

impl Home {
    /// Ends the sessions of all accounts, also of those that only the directory knows.
    pub(super) fn end_all(&self, cause: impl Into<EndCause>) -> UnrecordedEnding<'_> {
        let ending = self.sessions.end_all(cause);
        ending.and_of(&self.accounts.ids().unwrap_or_default())
    }

    /// Records `events` durably.
    pub(super) fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        self.audit.append_durable(events)
    }
}

/// The name of a sign-in attempt as the log may show it. An email that belongs to no account is never
/// written, because people type passwords there.
pub(super) fn name_of_attempt(attempt: &Attempt<'_>) -> AuditName {
    match attempt.known() {
        Some(account) => AuditName::known(account.email.normalized()),
        None => AuditName::unknown(&attempt.tag()),
    }
}
