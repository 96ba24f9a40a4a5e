//! Accounts: registration, sign-in with a password, profiles, lookups and administrators.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::{
    AdminRead, AuditName, Details, Event, LoginFailure, RegistrationFailure, RevocationReason,
    RevocationScope,
};
use nightlatch_core::crypto::{hex, sha256};
use nightlatch_core::display_name::DisplayName;
use nightlatch_core::email::{BadEmail, Email};
use nightlatch_core::id::AccountId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password;
use nightlatch_core::throttle::{FAILURES_TO_LOCK, Gate, LOCK};
use zeroize::Zeroizing;

use super::context::{Context, about, session_created};
use super::error::ServiceError;
use super::hashing::Hashing;
use super::policy::PasswordPolicy;
use super::sessions::{ActiveSession, Admin, SignedIn, signed_in};
use super::throttle::{self, Throttle};
use crate::record::event;
use crate::requester::Client;
use crate::store::rows::{AccountRow, EndKind, SessionClass};
use crate::store::{NewSession, NewUser, WithPassword, forget_sign_ins};
use crate::token::{Claim, Digest, SessionToken};

/// What a person enters to register.
pub struct Registration {
    /// The email as typed.
    pub email: String,
    /// The name: 1 to 100 characters.
    pub name: String,
    /// The password.
    pub password: Zeroizing<String>,
}

/// Why an account was not created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegisterError {
    /// 400 for the field `email`.
    #[error(transparent)]
    Email(#[from] BadEmail),
    /// 400 for the field `name`.
    #[error("the name must have 1 to 100 characters, none of them a control character")]
    Name,
    /// 400 for the field `password`: what the policy asks.
    #[error("{0}")]
    Password(String),
    /// 409 EMAIL_ALREADY_EXISTS.
    #[error("there is an account with this email already")]
    Exists,
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Why a person was not signed in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignInError {
    /// 401, for an unknown email, a wrong password and a disabled account alike.
    #[error("Invalid email or password")]
    Wrong,
    /// 423 with Retry-After: too many failures for this account.
    #[error("too many failed sign-ins for this account")]
    Locked {
        /// When to try again.
        retry_after: Duration,
    },
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Whether an account can be signed in to whose email is not known to be its person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// It can.
    Accepted,
    /// Its password is as wrong as any other, so that nobody finds out by registering which emails
    /// have an account.
    Refused,
}

/// From how many sessions of an account the addresses of its person are known.
const REMEMBERED: i64 = 20;

/// Registers accounts and signs people in.
pub struct Accounts {
    context: Arc<Context>,
    throttle: Arc<Throttle>,
    hashing: Arc<Hashing>,
    policy: PasswordPolicy,
}

impl Accounts {
    /// The accounts of a node.
    pub fn new(
        context: Arc<Context>,
        throttle: Arc<Throttle>,
        hashing: Arc<Hashing>,
        policy: PasswordPolicy,
    ) -> Self {
        Self {
            context,
            throttle,
            hashing,
            policy,
        }
    }

    /// Creates an account and signs the person in. Of any number at once with one email, exactly
    /// one succeeds. The browser `claim` keeps the password when it redeems a link for the email.
    ///
    /// # Errors
    /// [`RegisterError`], one for each field; [`ServiceError::Throttled`] after 100 a minute and
    /// address, since each costs a hash.
    pub async fn register(
        &self,
        registration: Registration,
        claim: &Claim,
        client: &Client,
    ) -> Result<SignedIn, RegisterError> {
        self.context.check()?;
        let address = client.throttle_key();
        self.throttle
            .count(throttle::REGISTRATIONS, &address)
            .await?;
        let claim = Some(claim.digest());
        let user = self.new_user(registration, claim, client).await?;
        let token = SessionToken::random().map_err(ServiceError::from)?;
        let session = self
            .context
            .new_session(&token, SessionClass::Web, client)?;
        let name = AuditName::known(&user.email_norm);
        let created = session_created(&session, client).about(name.clone());
        let (context, client) = (self.context.clone(), client.clone());
        let record = move |is_new: bool| {
            let failure = (!is_new).then_some(RegistrationFailure::EmailTaken);
            let registered = event(Details::AccountRegistered { failure, by: None }, &client);
            let registered = registered.about(name.clone());
            if is_new {
                context.record(&[registered, created.clone()])
            } else {
                context.record(&[registered])
            }
        };
        let now = self.context.now();
        let register = self.context.store.register(user, session, now, record);
        match self.context.change(register).await? {
            Some(found) => Ok(signed_in(token, Some(found), true, now)?),
            None => Err(RegisterError::Exists),
        }
    }

    /// The account of a registration that follows the rules, with its password hashed.
    pub(super) async fn new_user(
        &self,
        registration: Registration,
        claim: Option<Digest>,
        client: &Client,
    ) -> Result<NewUser, RegisterError> {
        let email: Email = registration.email.parse()?;
        let name: DisplayName = registration.name.parse().map_err(|_| RegisterError::Name)?;
        let password = self
            .hash_new(registration.password, &email, Some(name.clone()), client)
            .await?;
        Ok(NewUser {
            id: AccountId::random().map_err(ServiceError::from)?,
            email: email.as_str().to_owned(),
            email_norm: email.normalized().to_owned(),
            name: Some(name.as_str().to_owned()),
            password: Some(password),
            is_admin: false,
            claim,
        })
    }

    async fn hash_new(
        &self,
        password: Zeroizing<String>,
        email: &Email,
        name: Option<DisplayName>,
        client: &Client,
    ) -> Result<String, RegisterError> {
        let place = self.hashing.place(client)?;
        let password = SecretBuffer::copy_of(password.as_bytes());
        let (policy, email) = (self.policy, email.clone());
        let check = move || {
            policy.check(&password, &email, name.as_ref())?;
            password::into_normalized(password).map_err(|bad| bad.to_string())
        };
        let hash = self.hashing.hash(place, check).await?;
        hash.map_err(RegisterError::Password)
    }

    /// Signs a person in with a password. An unknown email costs the same work.
    ///
    /// # Errors
    /// [`SignInError::Wrong`] and [`SignInError::Locked`] say nothing about whether the account
    /// exists.
    pub async fn sign_in(
        &self,
        email: &str,
        password: Zeroizing<String>,
        unproven: Unproven,
        client: &Client,
    ) -> Result<SignedIn, SignInError> {
        self.context.check()?;
        let address = client.throttle_key();
        self.throttle.count(throttle::SIGN_INS, &address).await?;
        // Before the attempt is counted, so that a full queue locks nobody out.
        let place = self.hashing.place(client)?;
        // What cannot be an email or a password is as wrong as any other.
        let parsed = email.parse::<Email>().ok();
        let name = parsed.as_ref().map_or(email, Email::normalized);
        let account = self.context.store.account_of(name).await;
        let account = account.map_err(ServiceError::from)?;
        let who = match &account {
            Some(_) => AuditName::known(name),
            None => self.context.unknown_name(name),
        };
        let row = self.row_of(name, account.as_ref(), client).await?;
        self.count_sign_in(&row, &who, client).await?;
        let hash = account.as_ref().and_then(|found| found.password.as_ref());
        let password = SecretBuffer::copy_of(password.as_bytes());
        let password = password::into_normalized(password);
        let (password, is_possible) = match password {
            Ok(password) => (password, true),
            Err(_) => (SecretBuffer::with_capacity(0), false),
        };
        let hash = hash.map(|hash| hash.as_str());
        let verified = self.hashing.verify(place, password, hash).await;
        let is_usable = |found: &WithPassword| {
            !found.account.is_disabled && (found.is_proven || unproven == Unproven::Accepted)
        };
        let begun = match (verified, account.filter(is_usable)) {
            (Ok(true), Some(found)) if is_possible => self.begin(&found, &row, client).await,
            (Ok(_), _) => {
                self.fail(&who, client).await?;
                return Err(SignInError::Wrong);
            }
            (Err(error), _) => Err(error),
        };
        if begun.is_err() {
            // Through no fault of the person. If this fails too, the attempt stays counted.
            let _ = self.context.store.uncount_sign_in(&row).await;
        }
        Ok(begun?)
    }

    /// The row that counts the sign-ins with an email. Those from an address where the account has
    /// had a session are counted apart: strangers lock only each other out.
    async fn row_of(
        &self,
        name: &str,
        account: Option<&WithPassword>,
        client: &Client,
    ) -> Result<String, ServiceError> {
        // Without an account the work is the same.
        let id = match account {
            Some(found) => found.account.id,
            None => AccountId::random()?,
        };
        let sessions = self.context.store.sessions_of(id, REMEMBERED).await?;
        let key = client.throttle_key();
        let is_known = sessions.iter().any(|found| {
            let session = &found.session;
            let revoked = session.ended.as_ref().map(|ended| ended.how) == Some(EndKind::Revoked);
            let address = session.address.as_ref().map(|address| address.parse());
            !revoked && matches!(address, Some(Ok(at)) if Client::new(Some(at), None).throttle_key() == key)
        });
        Ok(throttle_name(name, is_known.then_some(&*key)))
    }

    /// Counts the sign-in as failed, or refuses it. A lock is recorded with the count that sets it,
    /// and lifted if the password turns out to be right.
    async fn count_sign_in(
        &self,
        row: &str,
        who: &AuditName,
        client: &Client,
    ) -> Result<(), SignInError> {
        let now = self.context.now();
        let locked = Details::AccountLocked {
            failures: FAILURES_TO_LOCK,
            lock: LOCK,
        };
        let locked = event(locked, client).about(who.clone());
        let record = self.context.record(&[locked]);
        let count = self.context.store.count_sign_in(row, now, record);
        match self.context.change(count).await? {
            Gate::Counted => Ok(()),
            Gate::TooEarly { retry_after } => Err(ServiceError::Throttled { retry_after }.into()),
            Gate::Locked { until } => {
                let reason = LoginFailure::Locked;
                let attempts = None;
                let refused = event(Details::LoginFailure { reason, attempts }, client);
                let record = self.context.record(&[refused.about(who.clone())]);
                self.context
                    .change(self.context.store.record(record))
                    .await?;
                let retry_after = until.since(now.timestamp());
                Err(SignInError::Locked { retry_after })
            }
        }
    }

    async fn begin(
        &self,
        WithPassword {
            account, password, ..
        }: &WithPassword,
        row: &str,
        client: &Client,
    ) -> Result<SignedIn, ServiceError> {
        let token = SessionToken::random()?;
        let session = NewSession {
            // It may have been replaced while this one was hashed.
            password: password.as_ref().map(|hash| hash.to_string()),
            ..self
                .context
                .new_session(&token, SessionClass::Web, client)?
        };
        let success = event(Details::LoginSuccess, client).in_session(session.id);
        let created = session_created(&session, client);
        let events = [success, created].map(|event| about(event, account));
        let mut record = self.context.record(&events);
        record.push(forget_sign_ins(row));
        let now = self.context.now();
        let begin = self
            .context
            .store
            .begin_session(account.id, session, now, record);
        let found = self.context.change(begin).await?;
        signed_in(token, found, true, now)
    }

    async fn fail(&self, who: &AuditName, client: &Client) -> Result<(), ServiceError> {
        let reason = LoginFailure::WrongCredentials;
        let attempts = None;
        let failed = event(Details::LoginFailure { reason, attempts }, client);
        let record = self.context.record(&[failed.about(who.clone())]);
        self.context.change(self.context.store.record(record)).await
    }

    /// Changes the name of the account.
    ///
    /// # Errors
    /// [`RegisterError::Name`] for a name that is empty or too long.
    pub async fn rename(
        &self,
        session: &ActiveSession,
        name: &str,
        client: &Client,
    ) -> Result<AccountRow, RegisterError> {
        let name: DisplayName = name.parse().map_err(|_| RegisterError::Name)?;
        let account = session.account();
        let changed = event(Details::ProfileChanged, client).in_session(session.id());
        let changed = about(changed, account);
        let record = self.context.record(&[changed]);
        let now = self.context.now();
        let rename = self
            .context
            .store
            .rename(account.id, name.as_str().to_owned(), now, record);
        let renamed = self.context.change(rename).await?;
        Ok(renamed.ok_or(ServiceError::Internal)?)
    }

    /// Finds an account by its email, for an administrator; recorded.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn lookup(
        &self,
        admin: Admin<'_>,
        email: &Email,
        client: &Client,
    ) -> Result<Option<AccountRow>, ServiceError> {
        let found = self.context.store.account_of(email.normalized()).await?;
        let found = found.map(|found| found.account);
        let matched = u64::from(found.is_some());
        self.record_read(admin, AdminRead::Lookup, matched, client)
            .await?;
        Ok(found)
    }

    /// Records that an administrator reads data of others. Before they are shown.
    ///
    /// # Errors
    /// When it cannot be recorded; then nothing may be shown.
    pub async fn record_read(
        &self,
        admin: Admin<'_>,
        what: AdminRead,
        matched: u64,
        client: &Client,
    ) -> Result<(), ServiceError> {
        let session = admin.session();
        let read = event(Details::AdminRead { what, matched }, client).in_session(session.id());
        let record = self.context.record(&[about(read, session.account())]);
        self.context.change(self.context.store.record(record)).await
    }

    /// Creates an administrator, or makes the existing account one and sets its password. For the
    /// machine's operator, not for a route.
    ///
    /// # Errors
    /// As [`Self::register`], but an existing account is no error.
    pub async fn create_admin(
        &self,
        email: &str,
        password: Zeroizing<String>,
    ) -> Result<AccountId, RegisterError> {
        let email: Email = email.parse()?;
        let operator = Client::default();
        let password = self.hash_new(password, &email, None, &operator).await?;
        let user = NewUser {
            id: AccountId::random().map_err(ServiceError::from)?,
            email: email.as_str().to_owned(),
            email_norm: email.normalized().to_owned(),
            name: None,
            password: Some(password),
            is_admin: true,
            claim: None,
        };
        let context = self.context.clone();
        let (new, name) = (user.id, AuditName::known(&user.email_norm));
        let record = move |id| {
            let details = if id == new {
                Details::AccountRegistered {
                    failure: None,
                    by: None,
                }
            } else {
                revoked("the account became an administrator's")
            };
            context.record(&[Event::new(details).about(name.clone())])
        };
        let put = self
            .context
            .store
            .put_admin(user, self.context.now(), record);
        Ok(self.context.change(put).await?)
    }

    /// Takes the administrator's rights from an account and ends its sessions; `false` if there is
    /// no such administrator.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn disable_admin(&self, email: &Email) -> Result<bool, ServiceError> {
        let found = self.context.store.account_of(email.normalized()).await?;
        let Some(found) = found else {
            return Ok(false);
        };
        let id = found.account.id;
        let details = revoked("the account is no administrator's any more");
        let record = [about(Event::new(details), &found.account)];
        let record = self.context.record(&record);
        let remove = self
            .context
            .store
            .remove_admin(id, self.context.now(), record);
        self.context.end(remove).await
    }
}

/// The revocation of all sessions of an account whose rights change.
pub(super) fn revoked(reason: &str) -> Details {
    Details::SessionRevoked {
        reason: RevocationReason::new(reason),
        incident: None,
        scope: Some(RevocationScope::Account),
        sessions: None,
        by: None,
    }
}

/// The name of the row that counts the sign-ins of an email, all of them or those from an address:
/// a digest, so that emails without an account are not stored.
fn throttle_name(email: &str, address: Option<&str>) -> String {
    let digest = |text: &str| hex(&sha256(text.as_bytes()));
    // No email is like an address and an email, whatever is in it.
    match address {
        Some(address) => format!("account:{}:{}", digest(address), digest(email)),
        None => format!("account:{}", digest(email)),
    }
}
