//! Links that are redeemed exactly once: sign-in links by mail, and the link that makes the first
//! administrator.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::{AuditName, Details, Event, LinkRefusal};
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;

use super::accounts::{Accounts, RegisterError, Registration, revoked};
use super::context::{Context, about, session_created};
use super::error::ServiceError;
use super::items::OF_A_USER;
use super::sessions::{SignedIn, signed_in};
use super::throttle::{self, Throttle};
use crate::clock::millis;
use crate::record::event;
use crate::requester::Client;
use crate::store::rows::SessionClass;
use crate::store::{self, LinkState, NewSession, Redemption, Statement};
use crate::token::{Claim, Digest, LinkToken, SessionToken};

/// How long a sign-in link can be redeemed.
pub const LINK_LIFE: Duration = Duration::from_secs(3600);

/// How long the link for the first administrator can be redeemed.
pub const SETUP_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A link that was just made, to be mailed or shown.
pub struct NewLink {
    /// The secret in the link.
    pub token: LinkToken,
    /// How long it can be redeemed.
    pub life: Duration,
}

/// The answer to a redemption.
pub struct Redeemed {
    /// The new session, or the same one again for the same browser's retry within a minute.
    pub signed_in: SignedIn,
    /// How many documents of the guest came along.
    pub merged_items: u64,
}

/// Why a link was not redeemed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedeemError {
    /// 400: there is no such link, a newer one took its place, or another one was used.
    #[error("this link is not valid; a newer one may have been sent")]
    Invalid,
    /// 409 TOKEN_ALREADY_USED.
    #[error("this link was used already")]
    Used,
    /// 410 TOKEN_EXPIRED.
    #[error("this link has expired")]
    Expired,
    /// Anything else.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Makes and redeems links.
pub struct Links {
    context: Arc<Context>,
    throttle: Arc<Throttle>,
    accounts: Arc<Accounts>,
}

impl Links {
    /// The links of a node.
    pub fn new(context: Arc<Context>, throttle: Arc<Throttle>, accounts: Arc<Accounts>) -> Self {
        Self {
            context,
            throttle,
            accounts,
        }
    }

    /// Makes a sign-in link for `email`, in place of a pending one that the same browser asked for.
    /// A guest that is named is merged into the account when it redeems the link, or the browser
    /// `asks` does.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] after 5 an hour for this email from the client's network, 60
    /// from its address, and 20 for this email from anywhere: strangers in one network do not use
    /// up the links of a person in another one.
    pub async fn request(
        &self,
        email: &Email,
        guest: Option<AccountId>,
        asks: &Claim,
        client: &Client,
    ) -> Result<NewLink, ServiceError> {
        self.context.check()?;
        let address = client.throttle_key();
        let here = format!("{} {}", client.network(), email.normalized());
        for (limit, key) in [
            (throttle::LINKS_OF_ADDRESS, address.as_str()),
            (throttle::LINKS, &here),
            (throttle::LINKS_OF_EMAIL, email.normalized()),
        ] {
            self.throttle.count(limit, key).await?;
        }
        let name = AuditName::known(email.normalized());
        let texts = (email.normalized(), email.normalized());
        let requested = |details| event(details, client).about(name);
        let asks = (guest, Some(asks.digest()));
        self.put("sign-in", texts, asks, LINK_LIFE, requested).await
    }

    /// Makes the link with which the first administrator registers; `None` once there is one.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn setup(&self) -> Result<Option<NewLink>, ServiceError> {
        if self.context.store.has_admin().await? {
            return Ok(None);
        }
        let link = self
            .put("setup", ("", ""), (None, None), SETUP_LIFE, Event::new)
            .await?;
        Ok(Some(link))
    }

    async fn put(
        &self,
        purpose: &'static str,
        (email, email_norm): (&str, &str),
        (guest, asked_by): (Option<AccountId>, Option<Digest>),
        life: Duration,
        event: impl FnOnce(Details) -> Event,
    ) -> Result<NewLink, ServiceError> {
        let token = LinkToken::random()?;
        let now = self.context.now();
        let link = store::NewLink {
            hash: token.digest(),
            purpose,
            email: email.to_owned(),
            email_norm: email_norm.to_owned(),
            guest,
            asked_by,
            expires: now.plus(millis(life)),
        };
        let requested = Details::LinkRequested {
            link: self.context.link_tag(link.hash),
        };
        let record = self.context.record(&[event(requested)]);
        self.context
            .change(self.context.store.put_link(link, now, record))
            .await?;
        Ok(NewLink { token, life })
    }

    /// Redeems a sign-in link: of any number at once exactly one succeeds. Creates the account if
    /// there is none with the email. `guest` is the one that the request proves to come from.
    ///
    /// # Errors
    /// [`RedeemError`] tells used, expired and invalid apart. Of those that are refused 30 a minute
    /// and address are recorded; beyond that, links that do not exist are
    /// [`ServiceError::Throttled`].
    pub async fn redeem(
        &self,
        link: &LinkToken,
        claim: &Claim,
        guest: Option<AccountId>,
        client: &Client,
    ) -> Result<Redeemed, RedeemError> {
        self.context.check()?;
        let is_recorded = self.limit_refusals(link, client).await?;
        let token = SessionToken::of_link(link, claim);
        let redemption = Redemption {
            guest,
            ..self.redemption(link, claim, &token, client)?
        };
        let now = redemption.now;
        let account = AccountId::random().map_err(ServiceError::from)?;
        let recorder = self.recorder(link, &redemption.session, client);
        let record = move |end: &store::Redeemed| match end {
            store::Redeemed::Refused(_) if !is_recorded => Vec::new(),
            end => recorder(end),
        };
        let redeem = self.context.store.redeem_link(redemption, account, record);
        match self.context.change(redeem).await? {
            store::Redeemed::Session {
                found,
                is_new,
                merged,
                ..
            } => {
                let signed_in = match signed_in(token, Some(*found), is_new, now) {
                    // The session of the first answer has ended since.
                    Err(_) if !is_new => return Err(RedeemError::Used),
                    signed_in => signed_in?,
                };
                Ok(Redeemed {
                    signed_in,
                    merged_items: merged.map_or(0, |(_, count)| u64::try_from(count).unwrap_or(0)),
                })
            }
            store::Redeemed::Refused(state) => Err(refusal(&state)),
            store::Redeemed::Disabled | store::Redeemed::Exists => Err(RedeemError::Invalid),
        }
    }

    /// Counts the redemption of a link that is not pending, which will be refused unless it is a
    /// retry. Returns whether a refusal is to be recorded.
    async fn limit_refusals(
        &self,
        link: &LinkToken,
        client: &Client,
    ) -> Result<bool, ServiceError> {
        let state = self
            .context
            .store
            .link(link.digest(), self.context.now())
            .await?;
        if matches!(state, LinkState::Pending(_)) {
            return Ok(true);
        }
        let address = client.throttle_key();
        match self.throttle.count(throttle::REFUSALS, &address).await {
            Ok(()) => Ok(true),
            // Whoever has the link is told what became of it.
            Err(ServiceError::Throttled { .. }) if state != LinkState::Unknown => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Redeems the setup link: creates the first administrator.
    ///
    /// # Errors
    /// [`SetupError`].
    pub async fn redeem_setup(
        &self,
        link: &LinkToken,
        registration: Registration,
        client: &Client,
    ) -> Result<SignedIn, SetupError> {
        // A password is hashed for those only who have the link.
        if self.look(link).await? != Purpose::Setup {
            return Err(RedeemError::Invalid.into());
        }
        let mut admin = self.accounts.new_user(registration, None, client).await?;
        admin.is_admin = true;
        let service = |error: getrandom::Error| RedeemError::from(ServiceError::from(error));
        let token = SessionToken::random().map_err(service)?;
        let claim = Claim::random().map_err(service)?;
        let redemption = self.redemption(link, &claim, &token, client)?;
        let now = redemption.now;
        let record = self.recorder(link, &redemption.session, client);
        let redeem = self.context.store.redeem_setup(redemption, admin, record);
        let redeemed = self
            .context
            .change(redeem)
            .await
            .map_err(RedeemError::from)?;
        match redeemed {
            store::Redeemed::Session { found, .. } => {
                Ok(signed_in(token, Some(*found), true, now).map_err(RedeemError::from)?)
            }
            store::Redeemed::Refused(state) => Err(refusal(&state).into()),
            store::Redeemed::Exists => Err(RegisterError::Exists.into()),
            store::Redeemed::Disabled => Err(RedeemError::Invalid.into()),
        }
    }

    /// What a link is for, without redeeming it: for the page with the button.
    ///
    /// # Errors
    /// As [`Self::redeem`].
    pub async fn look(&self, token: &LinkToken) -> Result<Purpose, RedeemError> {
        let now = self.context.now();
        let state = self.context.store.link(token.digest(), now).await;
        match state.map_err(ServiceError::from)? {
            LinkState::Pending(link) if link.purpose == "setup" => Ok(Purpose::Setup),
            LinkState::Pending(_) => Ok(Purpose::SignIn),
            state => Err(refusal(&state)),
        }
    }

    fn redemption(
        &self,
        link: &LinkToken,
        claim: &Claim,
        token: &SessionToken,
        client: &Client,
    ) -> Result<Redemption, RedeemError> {
        Ok(Redemption {
            hash: link.digest(),
            claim: claim.digest(),
            guest: None,
            quota: OF_A_USER,
            session: self.context.new_session(token, SessionClass::Web, client)?,
            now: self.context.now(),
        })
    }

    /// The events of a redemption. A repeated answer is not recorded again.
    fn recorder(
        &self,
        link: &LinkToken,
        session: &NewSession,
        client: &Client,
    ) -> impl Fn(&store::Redeemed) -> Vec<Statement> + Clone + Send + Sync + 'static {
        let (context, client) = (self.context.clone(), client.clone());
        let link = context.link_tag(link.digest());
        let created = session_created(session, &client);
        move |redeemed| {
            let refused = |reason| event(Details::LinkRefused { link, reason }, &client);
            let (found, merged, is_reclaimed) = match redeemed {
                store::Redeemed::Session {
                    is_new: false,
                    found,
                    ..
                } if found.session.ended.is_some() => {
                    return context.record(&[refused(LinkRefusal::Used)]);
                }
                store::Redeemed::Session { is_new: false, .. } => return Vec::new(),
                store::Redeemed::Session {
                    found,
                    merged,
                    is_reclaimed,
                    ..
                } => (found, merged, *is_reclaimed),
                store::Redeemed::Refused(LinkState::Used) => {
                    return context.record(&[refused(LinkRefusal::Used)]);
                }
                store::Redeemed::Refused(LinkState::Expired) => {
                    return context.record(&[refused(LinkRefusal::Expired)]);
                }
                _ => return context.record(&[refused(LinkRefusal::Unknown)]),
            };
            let redeemed = event(Details::LinkRedeemed { link }, &client);
            let mut events = vec![redeemed.in_session(found.session.id), created.clone()];
            if found.account.created == found.session.created {
                let registered = Details::AccountRegistered {
                    failure: None,
                    by: None,
                };
                events.push(event(registered, &client));
            }
            if is_reclaimed {
                events.push(event(revoked(store::RECLAIMED), &client));
            }
            if let Some((guest, items)) = merged {
                let merged = Details::AccountsMerged {
                    guest: context.guest_tag(*guest),
                    items: u64::try_from(*items).unwrap_or(0),
                };
                events.push(event(merged, &client).in_session(found.session.id));
            }
            let events = events.into_iter().map(|event| about(event, &found.account));
            context.record(&events.collect::<Vec<_>>())
        }
    }
}

fn refusal(state: &LinkState) -> RedeemError {
    match state {
        LinkState::Used => RedeemError::Used,
        LinkState::Expired => RedeemError::Expired,
        LinkState::Unknown | LinkState::Pending(_) => RedeemError::Invalid,
    }
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in.
    SignIn,
    /// Registering the first administrator.
    Setup,
}

/// Why the first administrator was not created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SetupError {
    /// The link.
    #[error(transparent)]
    Link(#[from] RedeemError),
    /// The registration. The link is not used up.
    #[error(transparent)]
    Register(#[from] super::accounts::RegisterError),
}
