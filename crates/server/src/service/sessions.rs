//! Sessions: guests, the check of every request, refresh, the list and the ends.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::{Details, Event, TerminationReason};
use nightlatch_core::clock::{Boot, BootTime, Moment};
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_core::lifetime::Lifetime;

use super::context::{Context, about, session_created};
use super::error::ServiceError;
use super::throttle::{self, Throttle};
use crate::clock::{Millis, duration};
use crate::record::event;
use crate::requester::Client;
use crate::store::rows::{AccountKind, AccountRow, EndKind, SessionClass, SessionRow};
use crate::store::{Found, Key};
use crate::token::SessionToken;

/// Proof that a session was found live. Only [`Sessions`] makes one.
#[derive(Debug, Clone)]
pub struct ActiveSession {
    session: SessionRow,
    account: AccountRow,
    now: Millis,
}

impl ActiveSession {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.session.id
    }

    /// Its account.
    pub fn account(&self) -> &AccountRow {
        &self.account
    }

    /// Guest or user.
    pub fn kind(&self) -> AccountKind {
        self.account.kind
    }

    /// When it ends if nothing more is done with it.
    pub fn expires_at(&self) -> Millis {
        self.session
            .seen
            .plus(self.session.idle)
            .min(self.session.absolute_end)
    }

    /// How much life is left, rounded down to whole seconds when shown.
    pub fn remaining(&self) -> Duration {
        let left = self.expires_at().since(self.now);
        duration(left)
    }

    /// How long a browser keeps the session's cookie: for as long as the session can live. The
    /// server alone judges idleness, so an active person without the script stays signed in.
    pub fn cookie_age(&self) -> Duration {
        let left = self.session.absolute_end.since(self.now);
        duration(left)
    }

    /// When it was judged: the `iat` of a token that is issued from it.
    pub fn judged_at(&self) -> Millis {
        self.now
    }

    /// Proof that the account is an administrator's; `None` if it is not.
    pub fn admin(&self) -> Option<Admin<'_>> {
        self.account.is_admin.then_some(Admin(self))
    }
}

/// Proof that a live session belongs to an administrator.
#[derive(Debug, Clone, Copy)]
pub struct Admin<'a>(&'a ActiveSession);

impl Admin<'_> {
    /// The administrator's session.
    pub fn session(&self) -> &ActiveSession {
        self.0
    }
}

/// A session that was just begun, with the token that only its client gets.
pub struct SignedIn {
    /// The secret for the cookie.
    pub token: SessionToken,
    /// The session.
    pub session: ActiveSession,
    /// Whether the session is new; `false` for a guest that was live already and for the retry of
    /// a link.
    pub is_new: bool,
}

/// How a request identifies itself.
#[derive(Clone, Copy)]
pub enum Identity<'a> {
    /// By the cookie.
    Token(&'a SessionToken),
    /// By the `sid` of a verified access token, or by a session's id.
    Session(SessionId),
    /// By `X-User-ID`: guests only.
    Guest(AccountId),
}

/// Whether a request counts as activity of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It restarts the idle timer.
    Active,
    /// It only looks.
    Passive,
}

/// Why a session was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// There is no such session. 401 UNAUTHORIZED.
    #[error("not authenticated")]
    Unknown,
    /// It ran out. 401 SESSION_EXPIRED.
    #[error("the session has expired")]
    Expired,
    /// The person ended it. 401 UNAUTHORIZED.
    #[error("the session was ended")]
    Ended,
    /// An administrator revoked it. 403 SESSION_REVOKED.
    #[error("the session was revoked")]
    Revoked {
        /// The reason that the administrator gave.
        reason: String,
    },
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// A session in the list of its account, ended ones included.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The session.
    pub session: SessionRow,
    /// Its state now.
    pub state: SessionState,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// It lives.
    Live,
    /// It ran out.
    Expired,
    /// It was ended by its person.
    Ended,
    /// It was revoked.
    Revoked,
}

/// How many sessions a list has at most.
const LISTED: i64 = 100;
/// How far nodes' clocks may be apart, in milliseconds.
const CLOCKS_APART: i64 = 5000;
/// Activity is written at most so often, in milliseconds.
const WRITTEN_EVERY: i64 = 1000;
/// A refresh is recorded at most so often for a session, in milliseconds.
const RECORDED_EVERY: i64 = 60_000;

/// Begins, checks and ends sessions.
pub struct Sessions {
    context: Arc<Context>,
    throttle: Arc<Throttle>,
}

impl Sessions {
    /// The sessions of a node.
    pub fn new(context: Arc<Context>, throttle: Arc<Throttle>) -> Self {
        Self { context, throttle }
    }

    /// Begins a guest session, or returns the live one that `existing` names.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] after 10 a minute and address.
    pub async fn guest(
        &self,
        existing: Option<Identity<'_>>,
        client: &Client,
    ) -> Result<SignedIn, ServiceError> {
        if let Some(identity) = existing
            && let Some(signed_in) = self.existing_guest(identity, client).await?
        {
            return Ok(signed_in);
        }
        self.context.check()?;
        self.throttle
            .count(throttle::GUESTS, &client.throttle_key())
            .await?;
        let token = SessionToken::random()?;
        let session = self
            .context
            .new_session(&token, SessionClass::Guest, client)?;
        let guest = AccountId::random()?;
        let guest_created = Details::GuestCreated {
            guest: self.context.guest_tag(guest),
        };
        let guest_created = event(guest_created, client).in_session(session.id);
        let created = session_created(&session, client);
        let record = self.context.record(&[guest_created, created]);
        let now = self.context.now();
        let begin = self.context.store.begin_guest(guest, session, now, record);
        let found = self.context.change(begin).await?;
        signed_in(token, found, true, now)
    }

    /// The guest that a request names, if its session is live. One that does not show its token
    /// gets a further session of the same guest.
    async fn existing_guest(
        &self,
        identity: Identity<'_>,
        client: &Client,
    ) -> Result<Option<SignedIn>, ServiceError> {
        let session = match self.check(identity, Activity::Active).await {
            Ok(session) if session.kind() == AccountKind::Guest => session,
            Err(SessionError::Service(error)) => return Err(error),
            Ok(_) | Err(_) => return Ok(None),
        };
        if let Identity::Token(token) = identity {
            let token = token.copied();
            return Ok(Some(SignedIn {
                token,
                session,
                is_new: false,
            }));
        }
        self.throttle
            .count(throttle::GUESTS, &client.throttle_key())
            .await?;
        let token = SessionToken::random()?;
        let new = self
            .context
            .new_session(&token, SessionClass::Guest, client)?;
        let guest = session.account.id;
        let created = session_created(&new, client);
        let record = self.context.record(&[created]);
        let now = self.context.now();
        let begin = self.context.store.begin_session(guest, new, now, record);
        let found = self.context.change(begin).await?;
        signed_in(token, found, false, now).map(Some)
    }

    /// Checks the session of a request, and records its activity at most once a second.
    ///
    /// # Errors
    /// [`SessionError`] says why there is none.
    pub async fn check(
        &self,
        identity: Identity<'_>,
        activity: Activity,
    ) -> Result<ActiveSession, SessionError> {
        let key = match identity {
            Identity::Token(token) => Key::Token(token.digest()),
            Identity::Session(id) => Key::Id(id),
            Identity::Guest(account) => Key::Guest(account),
        };
        let found = self.context.store.session(key).await;
        let found = found
            .map_err(ServiceError::from)?
            .ok_or(SessionError::Unknown)?;
        let now = self.context.now();
        let mut session = judge(found, now)?;
        if activity == Activity::Active && now.since(session.session.seen) >= WRITTEN_EVERY {
            let touched = self.context.store.touch(session.session.id, now).await;
            if touched.map_err(ServiceError::from)? {
                session.session.seen = now;
            }
        }
        Ok(session)
    }

    /// Restarts the idle timer and records it (coalesced). The token stays the same.
    ///
    /// # Errors
    /// As [`Self::check`]; [`ServiceError::Throttled`] after 30 a minute and account.
    pub async fn refresh(
        &self,
        session: &ActiveSession,
        client: &Client,
    ) -> Result<ActiveSession, SessionError> {
        let account = session.account.id.to_string();
        self.throttle.count(throttle::REFRESHES, &account).await?;
        let now = self.context.now();
        let refreshed = event(Details::SessionRefreshed { times: 1 }, client);
        let refreshed = about(refreshed, &session.account).in_session(session.session.id);
        let record = self.context.record(&[refreshed]);
        let refresh = self
            .context
            .store
            .refresh(session.session.id, now, RECORDED_EVERY, record);
        self.context.change(refresh).await?;
        self.check(Identity::Session(session.session.id), Activity::Passive)
            .await
    }

    /// Ends the session. Works also while the audit log takes no other changes.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end(&self, session: &ActiveSession, client: &Client) -> Result<(), ServiceError> {
        self.end_one(session, session.session.id, client)
            .await
            .map(drop)
    }

    /// The sessions of the account, the newest first, at most 100.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn list(&self, session: &ActiveSession) -> Result<Vec<Listed>, ServiceError> {
        let found = self
            .context
            .store
            .sessions_of(session.account.id, LISTED)
            .await?;
        let now = self.context.now();
        let listed = found.into_iter().map(|found| Listed {
            session: found.session.clone(),
            is_current: found.session.id == session.session.id,
            state: match judge(found, now) {
                Ok(_) => SessionState::Live,
                Err(SessionError::Expired) => SessionState::Expired,
                Err(SessionError::Revoked { .. }) => SessionState::Revoked,
                Err(_) => SessionState::Ended,
            },
        });
        Ok(listed.collect())
    }

    /// Ends one session of the same account; `false` if the account has no such session, or it was
    /// ended already.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end_one(
        &self,
        session: &ActiveSession,
        id: SessionId,
        client: &Client,
    ) -> Result<bool, ServiceError> {
        let account = &session.account;
        let record = self.context.record(&[terminated(account, id, client)]);
        let now = self.context.now();
        let how = EndKind::SignedOut;
        let end = self
            .context
            .store
            .end_session(account.id, id, how, now, record);
        self.context.end(end).await
    }

    /// Ends all other sessions of the same account and returns how many there were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end_others(
        &self,
        session: &ActiveSession,
        client: &Client,
    ) -> Result<u64, ServiceError> {
        let (account, but) = (session.account.clone(), session.session.id);
        let (context, client) = (self.context.clone(), client.clone());
        let owner = account.id;
        let record = move |ended: &[SessionId]| {
            let events = ended.iter().map(|id| terminated(&account, *id, &client));
            context.record(&events.collect::<Vec<_>>())
        };
        let now = self.context.now();
        let end = self
            .context
            .store
            .end_other_sessions(owner, but, now, record);
        let ended = self.context.end(end).await?;
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }
}

fn terminated(account: &AccountRow, id: SessionId, client: &Client) -> Event {
    let reason = TerminationReason::Logout;
    let terminated = event(Details::SessionTerminated { reason }, client);
    about(terminated, account).in_session(id)
}

/// The answer to a sign-in that began the session `found`.
pub(super) fn signed_in(
    token: SessionToken,
    found: Option<Found>,
    is_new: bool,
    now: Millis,
) -> Result<SignedIn, ServiceError> {
    let session = found.map(|found| judge(found, now));
    match session {
        Some(Ok(session)) => Ok(SignedIn {
            token,
            session,
            is_new,
        }),
        // Revoked or disabled in the same instant.
        Some(Err(_)) | None => Err(ServiceError::Unavailable),
    }
}

/// The only place where a session is found live.
fn judge(found: Found, now: Millis) -> Result<ActiveSession, SessionError> {
    let Found { session, account } = found;
    let judged_at = match &session.ended {
        // One that had run out before is not said to be revoked.
        Some(ended) if ended.how == EndKind::Revoked => ended.at.min(now),
        _ => now,
    };
    // Another node's clock may be a little ahead.
    let ahead = session.seen.since(judged_at);
    let judged_at = if (0..=CLOCKS_APART).contains(&ahead) {
        session.seen
    } else {
        judged_at
    };
    let lifetime = Lifetime {
        idle: duration(session.idle),
        boot_id: SERVER.id,
        last: moment(session.seen),
        deadline: moment(session.absolute_end),
    };
    let is_expired = lifetime.judge(moment(judged_at), SERVER).is_err();
    match session.ended.clone() {
        Some(ended) if ended.how != EndKind::Revoked => Err(SessionError::Ended),
        _ if is_expired => Err(SessionError::Expired),
        Some(ended) => Err(SessionError::Revoked {
            reason: ended.reason.unwrap_or_default(),
        }),
        None if account.merged.is_some() || account.is_disabled => Err(SessionError::Ended),
        None => Ok(ActiveSession {
            session,
            account,
            now: judged_at,
        }),
    }
}

/// All nodes are one machine to the rules in `core`, with one clock.
const SERVER: Boot = Boot {
    id: [0; 16],
    clock_shifted: false,
};

fn moment(time: Millis) -> Moment {
    let nanos = u64::try_from(time.0).unwrap_or(0).saturating_mul(1_000_000);
    Moment {
        wall: time.timestamp(),
        boot: BootTime::from_nanos(nanos),
    }
}
