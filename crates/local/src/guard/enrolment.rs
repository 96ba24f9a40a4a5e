//! Creating accounts. Anyone may create the first account of a home; after that it takes an
//! existing account.

use super::accounts::{name_of_attempt, typeable};
use super::{Guard, GuardError, Home, RegisterError, SignInError, SignedIn};
use crate::account::{
    self, Account, Checked, DisplayName, Email, PrepareError, RecoveryCode, Sponsor,
};
use crate::config::Limits;
use crate::session::{Owner, SessionError, Use};
use nightlatch_audit::{AuditName, Details, Event, RegistrationFailure};
use nightlatch_core::clock::BootTime;
use nightlatch_core::id::SessionId;
use nightlatch_core::memory::SecretBuffer;

/// A new account to register: [`Guard::register`].
///
/// ```
/// # let scratch = tempfile::tempdir()?;
/// # let config = nightlatch_local::guard::GuardConfig::under(scratch.path().join("home"));
/// use nightlatch_core::memory::SecretBuffer;
/// use nightlatch_local::guard::{Guard, Registration};
///
/// let guard = Guard::open_or_create(config)?;
/// let mut password = SecretBuffer::with_capacity(64);
/// assert!(password.push(b"violet tractor humming"));
/// let email = "alice@example.com".parse()?;
/// let registered = guard.register(Registration::new(&email, password).with_recovery_code())?;
/// assert_eq!(registered.account.email, email);
/// assert!(registered.is_first && registered.recovery_code.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it only says what to register"]
pub struct Registration<'a> {
    email: &'a Email,
    name: Option<&'a DisplayName>,
    password: SecretBuffer,
    vouched: Option<&'a Vouched>,
    sign_in: Option<Limits>,
    has_recovery_code: bool,
}

/// An account that was just created.
#[non_exhaustive]
pub struct Registered {
    /// The account.
    pub account: Account,
    /// Its recovery code, if one was asked for. It is stored nowhere and cannot be shown again.
    pub recovery_code: Option<RecoveryCode>,
    /// Whether it is the home's first account, with which the audit log begins: the time to note
    /// the log's fingerprint.
    pub is_first: bool,
    /// Its first session, or why there is none, if one was asked for. The account exists either way.
    pub signed_in: Option<Result<SignedIn, SignInError>>,
}

impl<'a> Registration<'a> {
    /// An account with this email and password.
    pub fn new(email: &'a Email, password: SecretBuffer) -> Self {
        Self {
            email,
            name: None,
            password,
            vouched: None,
            sign_in: None,
            has_recovery_code: false,
        }
    }

    /// With a display name.
    pub fn name(mut self, name: Option<&'a DisplayName>) -> Self {
        self.name = name;
        self
    }

    /// Authorized by an account's password ([`Guard::vouch`]), in place of a live session.
    pub fn vouched_by(mut self, vouched: Option<&'a Vouched>) -> Self {
        self.vouched = vouched;
        self
    }

    /// And signs in to it. The password is hashed once for both.
    pub fn sign_in(mut self, limits: Limits) -> Self {
        self.sign_in = Some(limits);
        self
    }

    /// And makes a recovery code for it, to be shown to its owner once.
    pub fn with_recovery_code(mut self) -> Self {
        self.has_recovery_code = true;
        self
    }
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
    /// [`Registration::vouched_by`]. Does not sign in; a wrong password counts as a failed sign-in.
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

    /// Creates an account. The record is durable before the account exists. The password is wiped as
    /// soon as it is hashed.
    ///
    /// Anyone may create the first account of a home. After that it takes a live session of any
    /// account of the home, which counts as activity, or [`Registration::vouched_by`].
    ///
    /// # Errors
    /// [`RegisterError`]; no account was created then. When one was, but signing in failed,
    /// [`Registered`] says why.
    pub fn register(&self, new: Registration<'_>) -> Result<Registered, RegisterError> {
        let home = self.home()?;
        let limits = new.sign_in;
        let created = match new.vouched {
            Some(vouched) => self.enrol_vouched(home, new, vouched)?,
            None => enrol(home, new)?,
        };
        let account = created.checked.proven.account.clone();
        Ok(Registered {
            account,
            recovery_code: created.recovery_code,
            is_first: created.is_first,
            signed_in: limits.map(|limits| self.sign_in_created(home, created.checked, limits)),
        })
    }

    fn enrol_vouched(
        &self,
        home: &Home,
        new: Registration<'_>,
        vouched: &Vouched,
    ) -> Result<Created, RegisterError> {
        let email = new.email;
        let prepared = prepare(home, new)?;
        if self.clock.now().boot.since(vouched.at) >= self.limits.idle() {
            return Err(refuse(home, email)?);
        }
        let entry = Entry {
            sponsor: vouched.sponsor,
            by: vouched.name.clone(),
            session: None,
        };
        create(home, email, prepared, Some(&entry))
    }
}

/// Creates an account that a live session authorizes, or the first one.
fn enrol(home: &Home, new: Registration<'_>) -> Result<Created, RegisterError> {
    let email = new.email;
    if home.accounts.count().map_err(GuardError::from)? == 0 {
        return create(home, email, prepare(home, new)?, None);
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
    let prepared = prepare(home, new)?;
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
    create(home, email, prepared, Some(&entry))
}

/// A new account whose password is hashed.
struct Prepared {
    new: account::NewAccount,
    has_recovery_code: bool,
}

/// An account that exists.
struct Created {
    checked: Checked,
    recovery_code: Option<RecoveryCode>,
    is_first: bool,
}

/// Creates the account. The record is durable before the account exists.
fn create(
    home: &Home,
    email: &Email,
    prepared: Prepared,
    entry: Option<&Entry>,
) -> Result<Created, RegisterError> {
    let event = |details| {
        let event = Event::new(details).about(AuditName::known(email.normalized()));
        match entry.and_then(|entry| entry.session) {
            Some(session) => event.in_session(session),
            None => event,
        }
    };
    let registered = |failure| {
        let by = entry.map(|entry| entry.by.clone());
        event(Details::AccountRegistered { failure, by })
    };
    let sponsor = entry.map(|entry| entry.sponsor);
    let registration = match home.accounts.begin_registration(prepared.new, sponsor) {
        Ok(registration) => registration,
        Err(account::RegisterError::NoSponsor) => return Err(refuse(home, email)?),
        Err(account::RegisterError::EmailTaken) => {
            home.record(&[registered(Some(RegistrationFailure::EmailTaken))])
                .map_err(GuardError::from)?;
            return Err(RegisterError::EmailTaken);
        }
        Err(account::RegisterError::Directory(error)) => {
            return Err(GuardError::from(error).into());
        }
    };
    let mut events = vec![registered(None)];
    let mut recovery_code = None;
    if prepared.has_recovery_code {
        let code = registration.issue_recovery_code();
        recovery_code = Some(code.map_err(GuardError::from)?);
        events.push(event(Details::RecoveryCodeCreated));
    }
    home.record(&events).map_err(GuardError::from)?;
    let checked = registration.commit().map_err(GuardError::from)?;
    // The account exists either way; signing in tries again.
    if let Err(error) = home.sessions.name_home() {
        tracing::warn!(%error, "cannot give the home an id");
    }
    Ok(Created {
        checked,
        recovery_code,
        is_first: sponsor.is_none(),
    })
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

fn prepare(home: &Home, new: Registration<'_>) -> Result<Prepared, RegisterError> {
    let prepared = home.accounts.prepare(new.email, new.name, new.password);
    let prepared = prepared.map_err(|error| match error {
        PrepareError::Policy(refusal) => RegisterError::Password(refusal),
        PrepareError::Hash(error) => GuardError::Hash(error).into(),
        PrepareError::Directory(error) => GuardError::from(error).into(),
    })?;
    Ok(Prepared {
        new: prepared,
        has_recovery_code: new.has_recovery_code,
    })
}
