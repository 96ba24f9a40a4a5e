//! Accounts under the guard: what the account directory decides, the session service does and the
//! audit log records, put together.

use std::time::Duration;

use super::{AlertKind, Guard, GuardConfig, GuardError, Home, PasswordChangeError, SignInError};
use crate::account::{
    self, Account, AccountService, Authenticated, ChangeError, DisplayName, Email,
    FAILURES_TO_LOCK, LOCK, Lockout, PolicyRefusal, Strength,
};
use crate::config::{Limits, PasswordRules};
use crate::session::{Ending, NewSession, Owner, SessionError, SessionStatus, serve_agent};
use nightlatch_audit::{
    AuditError, AuditName, Details, Event, LoginFailure, PasswordChangeFailure, TerminationReason,
};
use nightlatch_core::id::SessionId;
use nightlatch_core::memory::SecretBuffer;

/// How many accounts are looked at for lockouts.
const LOCKOUTS_AMONG: u32 = 100;

/// A session that has just begun. No proof of it: that is what [`Guard::require`] gives, for a session that
/// counts.
#[derive(Clone, Debug)]
pub struct SignedIn {
    session: SessionId,
    status: SessionStatus,
}

impl SignedIn {
    /// The session.
    pub fn session_id(&self) -> SessionId {
        self.session
    }

    /// The session as `nightlatch status` tells of it.
    pub fn status(&self) -> SessionStatus {
        self.status.clone()
    }
}

/// An account's password that was right when it was checked: what changing it takes.
#[must_use]
pub struct ProvenPassword(Authenticated);

impl Guard {
    /// The accounts of this home.
    ///
    /// # Errors
    /// While there is no home.
    pub fn accounts(&self) -> Result<&AccountService, GuardError> {
        Ok(&*self.home()?.accounts)
    }

    /// The configured rules for new passwords.
    pub fn password_rules(&self) -> PasswordRules {
        self.password_rules
    }

    /// Judges a new password by the rules in force, before anything is done with it.
    ///
    /// # Errors
    /// The first rule it does not meet.
    pub fn check_new_password(
        &self,
        password: &SecretBuffer,
        email: &Email,
        name: Option<&DisplayName>,
    ) -> Result<Strength, PolicyRefusal> {
        account::check_password(password, self.password_rules, email, name)
    }

    /// Signs in: the account's new session, which replaces its old one. The password is wiped as soon as it
    /// is hashed, long before that.
    ///
    /// # Errors
    /// [`SignInError`]; unknown names and wrong passwords are not told apart.
    pub fn sign_in(
        &self,
        email: &Email,
        password: SecretBuffer,
        limits: Limits,
    ) -> Result<SignedIn, SignInError> {
        typeable(&password)?;
        let home = self.home()?;
        let name = home.name_of_attempt(email)?;
        // Made durable by what follows it: nothing is reported before that.
        let attempt = Event::new(Details::LoginAttempt).about(name.clone());
        let _unsynced = home.audit.append(&[attempt]).map_err(GuardError::from)?;

        let proven = match home.accounts.sign_in(email, password) {
            Ok(proven) => proven,
            Err(error) => return Err(self.record_failure(home, &name, error)?),
        };
        begin(home, &name, proven, limits)
    }

    /// As [`Guard::sign_in`], as the account that was just created, whose password was given for that.
    pub(super) fn sign_in_created(
        &self,
        home: &Home,
        proven: Authenticated,
        limits: Limits,
    ) -> Result<SignedIn, SignInError> {
        // There may be failed sign-ins from before there was an account.
        if let Some(retry_after) = self.locked_for(&proven.account.email)? {
            return Err(SignInError::Locked { retry_after });
        }
        let name = AuditName::known(proven.account.email.normalized());
        let attempt = Event::new(Details::LoginAttempt).about(name.clone());
        let _unsynced = home.audit.append(&[attempt]).map_err(GuardError::from)?;
        begin(home, &name, proven, limits)
    }

    /// Ends the session of the account meant. Needs no password. Destroys the key first, and tells
    /// afterwards what did not work. Waits two seconds at most for another process to give up a lock,
    /// and then does without it.
    ///
    /// # Errors
    /// When it cannot be told which account is meant: [`Guard::lock`] ends the sessions of all.
    pub fn sign_out(&self) -> Result<Ending, GuardError> {
        let Some(home) = &self.home else {
            return Ok(Ending::default());
        };
        let account = match self.owner(home)? {
            Some(owner) => owner.account,
            // The note of who signed in last is gone or damaged.
            None if self.account.is_none() => match home.sessions.accounts()?[..] {
                [] => return Ok(Ending::default()),
                [only] => only,
                _ => return Err(GuardError::AccountUnclear),
            },
            None => return Ok(Ending::default()),
        };
        Ok(home.sessions.end_one(account, TerminationReason::Logout))
    }

    /// Ends the sessions of all accounts of this home, as [`Guard::sign_out`] ends one, and where the
    /// agent that holds their keys does not answer, by ending the agent.
    ///
    /// Opened by [`Guard::open_to_lock`], the guard can do so whatever the configuration says.
    pub fn lock(&self) -> Ending {
        let Some(home) = &self.home else {
            return Ending::default();
        };
        let accounts = || home.accounts.ids().unwrap_or_default();
        home.sessions.end_all(TerminationReason::Logout, accounts)
    }

    /// For how long no password is accepted for `email`; `None` while one is. For an unknown name as for
    /// a known one. It is no attempt, and is not recorded.
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

    /// The accounts that failed sign-ins have locked, the first hundred accounts looked at. Read without a
    /// trace, so what another process is changing may be missing.
    ///
    /// # Errors
    /// When the account directory cannot be read so.
    pub fn lockouts(&self) -> Result<Vec<Lockout>, GuardError> {
        match &self.home {
            Some(home) => Ok(home.accounts.lockouts_at_rest(LOCKOUTS_AMONG)?),
            None => Ok(Vec::new()),
        }
    }

    /// Checks the account's password, as signing in does but for the session: a wrong one counts, and is
    /// on record as a failed password change.
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
        let error = match home.accounts.sign_in(&account.email, password) {
            Ok(proven) => return Ok(ProvenPassword(proven)),
            Err(error) => error,
        };
        let name = AuditName::known(account.email.normalized());
        let (failed, error) = self.judge_failure(error);
        if failed.locks {
            home.record(&[locked_event(&name)])
                .map_err(GuardError::from)?;
            self.alert_of_lockout();
        }
        let failure = Some(failed.reason.into());
        home.record(&[Event::new(Details::PasswordChanged { failure }).about(name)])
            .map_err(GuardError::from)?;
        Err(error)
    }

    /// Changes the account's password, ending its session: whether there was one.
    ///
    /// # Errors
    /// [`PasswordChangeError`]; the old password then still holds.
    pub fn change_password(
        &self,
        account: &Account,
        old: SecretBuffer,
        new: SecretBuffer,
    ) -> Result<bool, PasswordChangeError> {
        self.change_proven_password(self.prove_password(account, old)?, new)
    }

    /// Changes the password that was proven, ending the account's session: whether there was one.
    ///
    /// # Errors
    /// [`PasswordChangeError`]; the old password then still holds.
    pub fn change_proven_password(
        &self,
        ProvenPassword(proven): ProvenPassword,
        new: SecretBuffer,
    ) -> Result<bool, PasswordChangeError> {
        let home = self.home()?;
        let name = AuditName::known(proven.account.email.normalized());
        let event = |failure| Event::new(Details::PasswordChanged { failure }).about(name.clone());
        let mut ended = false;
        let result = home.accounts.change_password(
            proven,
            new,
            // Held until the change is committed: a sign-in with the old password that is under way
            // creates its session before this, and loses it, or after, and is refused.
            || Ok::<_, GuardError>(home.sessions.lock()?),
            |changed, lock| {
                let owner = Owner::from(changed.id);
                let reason = TerminationReason::PasswordChanged;
                ended = home.sessions.terminate_locked(lock, owner, reason)?;
                Ok(home.record(&[event(None)])?)
            },
        );
        let Err(error) = result else { return Ok(ended) };
        let (failure, error) = match error {
            ChangeError::Policy(refusal) => (
                PasswordChangeFailure::WeakPassword,
                PasswordChangeError::Password(refusal),
            ),
            ChangeError::SameAsOld => (
                PasswordChangeFailure::WeakPassword,
                PasswordChangeError::SameAsOld,
            ),
            ChangeError::ChangedMeanwhile => (
                PasswordChangeFailure::WrongCredentials,
                PasswordChangeError::ChangedMeanwhile,
            ),
            ChangeError::Hash(error) => (
                PasswordChangeFailure::Internal,
                GuardError::Hash(error).into(),
            ),
            ChangeError::Directory(error) => (
                PasswordChangeFailure::Internal,
                GuardError::from(error).into(),
            ),
            ChangeError::BeforeCommit(error) => (PasswordChangeFailure::Internal, error.into()),
        };
        home.record(&[event(Some(failure))])
            .map_err(GuardError::from)?;
        Err(error)
    }

    /// Holds the keys of this home's sessions where the kernel cannot: the whole life of the agent
    /// process. Returns when the last session is gone.
    ///
    /// # Errors
    /// When the home cannot be opened, or the agent cannot serve.
    pub fn serve_agent(config: GuardConfig) -> Result<(), GuardError> {
        let guard = Self::open(config)?;
        Ok(serve_agent(&guard.home()?.dir, &*guard.clock)?)
    }

    /// Runs the alert command after a lockout was recorded. The name stays out of it: it may be one that
    /// is not an account's, and people type passwords there.
    fn alert_of_lockout(&self) {
        let message = format!("sign-in was locked after {FAILURES_TO_LOCK} failures in a row");
        if let Err(error) = self.alert(AlertKind::Lockout, &message)
            && let Some(told) = &self.on_alert_failure
        {
            told(&error);
        }
    }

    /// Records a failed sign-in: what to tell the person.
    pub(super) fn record_failure(
        &self,
        home: &Home,
        name: &AuditName,
        error: account::SignInError,
    ) -> Result<SignInError, GuardError> {
        let (failed, error) = self.judge_failure(error);
        home.record(&failure_events(name, failed))?;
        if failed.locks {
            self.alert_of_lockout();
        }
        Ok(error)
    }

    /// What a failed sign-in means for the record, and for the person.
    fn judge_failure(&self, error: account::SignInError) -> (Failed, SignInError) {
        let failed = |reason, attempts, locks| Failed {
            reason,
            attempts,
            locks,
        };
        // Asked whatever the answer: where it is a system call, it would tell a locked account.
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

/// Begins a session for whoever has `proven` an account's password, and records it.
fn begin(
    home: &Home,
    name: &AuditName,
    proven: Authenticated,
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
    let still_valid = || {
        home.accounts
            .generation(account)
            .is_ok_and(|current| current == Some(generation))
    };
    match home.sessions.create(new, vec![success], still_valid) {
        Ok(session) => Ok(SignedIn {
            session: session.id(),
            status: session.status(),
        }),
        Err(SessionError::AccountChanged) => {
            let failure = Failed {
                reason: LoginFailure::WrongCredentials,
                attempts: None,
                locks: false,
            };
            home.record(&failure_events(name, failure))
                .map_err(GuardError::from)?;
            // The password was right, so its failures so far are forgotten.
            Err(SignInError::Wrong {
                remaining_attempts: FAILURES_TO_LOCK,
            })
        }
        Err(error) => Err(GuardError::from(error).into()),
    }
}

/// Refuses what no password can be, before anything is recorded or counted.
pub(super) fn typeable(password: &SecretBuffer) -> Result<(), SignInError> {
    match account::untypeable(password) {
        Some(found) => Err(SignInError::Untypeable(found)),
        None => Ok(()),
    }
}

/// What the log tells of a failed sign-in.
#[derive(Clone, Copy)]
struct Failed {
    reason: LoginFailure,
    attempts: Option<u32>,
    locks: bool,
}

fn failure_events(name: &AuditName, failed: Failed) -> Vec<Event> {
    let Failed {
        reason,
        attempts,
        locks,
    } = failed;
    let failure = Event::new(Details::LoginFailure { reason, attempts }).about(name.clone());
    let mut events = vec![failure];
    if locks {
        events.push(locked_event(name));
    }
    events
}

fn locked_event(name: &AuditName) -> Event {
    let details = Details::AccountLocked {
        failures: FAILURES_TO_LOCK,
        lock: LOCK,
    };
    Event::new(details).about(name.clone())
}

impl Home {
    /// Records `events`, durably.
    pub(super) fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        self.audit.append_durable(events)
    }

    /// The name of a sign-in attempt, as the log may have it: an email that is no account's is
    /// never written, as people type passwords there.
    pub(super) fn name_of_attempt(&self, email: &Email) -> Result<AuditName, GuardError> {
        Ok(match self.accounts.attempted(email)? {
            (Some(account), _) => AuditName::known(account.email.normalized()),
            (None, tag) => AuditName::unknown(&tag),
        })
    }
}
