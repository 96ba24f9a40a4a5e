//! Creating accounts. Anyone may create the first account of a home; after that it takes an
//! existing account.

use super::accounts::{name_of_attempt, typeable};
use super::{Guard, GuardError, Home, RegisterError, SignInError, SignedIn};
use crate::account::{self, Account, Checked, DisplayName, Email, PrepareError, Sponsor};
use crate::config::Limits;
use crate::session::{Owner, SessionError, Use};
use nightlatch_audit::{AuditName, Details, Event, RegistrationFailure};
use nightlatch_core::clock::BootTime;
use nightlatch_core::id::SessionId;
use nightlatch_core::memory::SecretBuffer;

/// An account that was just created.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The account.
    pub account: Account,
}

/// A new account, and the result of signing in to it.
#[derive(Debug)]
pub struct Enrolled {
    /// The account.
    pub registered: Registered,
    /// Its first session, or why there is none. The account exists either way.
    pub signed_in: Result<SignedIn, SignInError>,
}

/// Proof that an account's password was given, which authorizes a new account as a live session
/// would. It is valid for as long as a session lives without activity, but not after a password
/// change.
#[must_use = "it does nothing but let an account in"]
pub struct Vouched {
    sponsor: Sponsor,
    name: AuditName,
    at: BootTime,
}

/// Who authorized the new account, for the log.
struct Entry {
    sponsor: Sponsor,
    by: AuditName,
    session: Option<SessionId>,
}

impl Guard {
    /// Whether an account could be created now without another account's password: there is none
    /// yet, or there is a live session. Passive.
    ///
    /// # Errors
    /// When the accounts or the sessions cannot be read.
    pub fn may_register(&self) -> Result<bool, GuardError> {
        let Some(home) = &self.home else {
            return Ok(true);
        };
        Ok(home.accounts.count()? == 0 || home.sessions.any_live()?.is_some())
    }

    /// Takes the password of an account of this home in place of a live session, for
    /// [`Guard::register_vouched`]. Does not sign in; a wrong password counts as a failed sign-in.
    ///
    /// # Errors
    /// [`SignInError`].
    pub fn vouch(&self, email: &Email, password: SecretBuffer) -> Result<Vouched, SignInError> {
        typeable(&password)?;
        let home = self.home()?;
        let attempt = home.accounts.attempt(email).map_err(GuardError::from)?;
        let name = name_of_attempt(&attempt);
        match attempt.check(password) {
            Ok(Checked { proven, .. }) => Ok(Vouched {
                sponsor: proven.sponsor(),
                name,
                at: self.clock.now().boot,
            }),
            Err(error) => Err(self.record_failure(home, &name, error)?),
        }
    }

    /// Creates an account. The record is durable before the account exists.
    ///
    /// Anyone may create the first account of a home. After that it takes a live session of any
    /// account of the home, which counts as activity; or see [`Guard::register_vouched`].
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn register(
        &self,
        email: &Email,
        name: Option<&DisplayName>,
        password: SecretBuffer,
    ) -> Result<Registered, RegisterError> {
        self.enrol(email, name, password)
            .map(|created| Registered::of(&created))
    }

    /// As [`Guard::register`], authorized by an account's password.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn register_vouched(
        &self,
        email: &Email,
        name: Option<&DisplayName>,
        password: SecretBuffer,
        vouched: &Vouched,
    ) -> Result<Registered, RegisterError> {
        self.enrol_vouched(email, name, password, vouched)
            .map(|created| Registered::of(&created))
    }

    /// Creates an account, as [`Guard::register`] does (or [`Guard::register_vouched`], with
    /// [`Vouched`]), and signs in to it. The password is hashed once for both, and wiped before
    /// either.
    ///
    /// # Errors
    /// [`RegisterError`] when no account was created. When one was, but signing in failed,
    /// [`Enrolled`] says why.
    pub fn register_and_sign_in(
        &self,
        email: &Email,
        name: Option<&DisplayName>,
        password: SecretBuffer,
        vouched: Option<&Vouched>,
        limits: Limits,
    ) -> Result<Enrolled, RegisterError> {
        let created = match vouched {
            Some(vouched) => self.enrol_vouched(email, name, password, vouched)?,
            None => self.enrol(email, name, password)?,
        };
        Ok(Enrolled {
            registered: Registered::of(&created),
            signed_in: self.sign_in_created(self.home()?, created, limits),
        })
    }

    fn enrol(
        &self,
        email: &Email,
        name: Option<&DisplayName>,
        password: SecretBuffer,
    ) -> Result<Checked, RegisterError> {
        let home = self.home()?;
        if home.accounts.count().map_err(GuardError::from)? == 0 {
            let new = prepare(home, email, name, password)?;
            return create(home, new, email, None);
        }
        let live = home.sessions.any_live().map_err(GuardError::from)?;
        let Some(live) = live else {
            return Err(refuse(home, email)?);
        };
        let how = Use {
            action: "register",
            extend: true,
            min_remaining: std::time::Duration::ZERO,
        };
        let owner = Owner::from(live.account());
        drop(live);
        match home.sessions.use_now(owner, how) {
            Ok(_) => {}
            // The session ended just now.
            Err(
                SessionError::None
                | SessionError::Ended(_)
                | SessionError::Revoked(_)
                | SessionError::Elsewhere(_),
            ) => {
                return Err(refuse(home, email)?);
            }
            Err(error) => return Err(GuardError::from(error).into()),
        }
        let new = prepare(home, email, name, password)?;
        // Held until the account exists: a session that ends meanwhile ends either before, and
        // authorizes nothing, or after.
        let _lock = home.sessions.lock().map_err(GuardError::from)?;
        let Some(session) = home.sessions.any_live().map_err(GuardError::from)? else {
            return Err(refuse(home, email)?);
        };
        let entry = Entry {
            sponsor: Sponsor::of_session(session.account(), session.generation()),
            by: AuditName::known(session.username()),
            session: Some(session.id()),
        };
        drop(session);
        create(home, new, email, Some(&entry))
    }

    fn enrol_vouched(
        &self,
        email: &Email,
        name: Option<&DisplayName>,
        password: SecretBuffer,
        vouched: &Vouched,
    ) -> Result<Checked, RegisterError> {
        let home = self.home()?;
        let new = prepare(home, email, name, password)?;
        if self.clock.now().boot.since(vouched.at) >= self.limits.idle() {
            return Err(refuse(home, email)?);
        }
        let entry = Entry {
            sponsor: vouched.sponsor,
            by: vouched.name.clone(),
            session: None,
        };
        create(home, new, email, Some(&entry))
    }
}

impl Registered {
    fn of(created: &Checked) -> Self {
        Self {
            account: created.proven.account.clone(),
        }
    }
}

/// Creates the account. The record is durable before the account exists.
fn create(
    home: &Home,
    new: account::NewAccount,
    email: &Email,
    entry: Option<&Entry>,
) -> Result<Checked, RegisterError> {
    let event = |failure| {
        let by = entry.map(|entry| entry.by.clone());
        let event = Event::new(Details::AccountRegistered { failure, by })
            .about(AuditName::known(email.normalized()));
        match entry.and_then(|entry| entry.session) {
            Some(session) => event.in_session(session),
            None => event,
        }
    };
    let sponsor = entry.map(|entry| entry.sponsor);
    let registration = match home.accounts.begin_registration(new, sponsor) {
        Ok(registration) => registration,
        Err(account::RegisterError::NoSponsor) => return Err(refuse(home, email)?),
        Err(account::RegisterError::EmailTaken) => {
            home.record(&[event(Some(RegistrationFailure::EmailTaken))])
                .map_err(GuardError::from)?;
            return Err(RegisterError::EmailTaken);
        }
        Err(account::RegisterError::Directory(error)) => {
            return Err(GuardError::from(error).into());
        }
    };
    home.record(&[event(None)]).map_err(GuardError::from)?;
    let created = registration.commit().map_err(GuardError::from)?;
    // The account exists either way; signing in tries again.
    if let Err(error) = home.sessions.name_home() {
        tracing::warn!(%error, "cannot give the home an id");
    }
    Ok(created)
}

/// Records that the new account was not authorized. Its email belongs to no account, so only its
/// tag is written.
fn refuse(home: &Home, email: &Email) -> Result<RegisterError, GuardError> {
    let name = name_of_attempt(&home.accounts.attempt(email)?);
    let failure = Some(RegistrationFailure::NoSponsor);
    let details = Details::AccountRegistered { failure, by: None };
    home.record(&[Event::new(details).about(name)])?;
    Ok(RegisterError::NoSponsor)
}

fn prepare(
    home: &Home,
    email: &Email,
    name: Option<&DisplayName>,
    password: SecretBuffer,
) -> Result<account::NewAccount, RegisterError> {
    home.accounts
        .prepare(email, name, password)
        .map_err(|error| match error {
            PrepareError::Policy(refusal) => RegisterError::Password(refusal),
            PrepareError::Hash(error) => GuardError::Hash(error).into(),
            PrepareError::Directory(error) => GuardError::from(error).into(),
        })
}
