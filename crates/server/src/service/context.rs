//! What all services share.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::{AuditName, Details, Event, GuestTag, LinkTag};
use nightlatch_core::crypto::{Key, keyed_digest};
use nightlatch_core::email::Email;
use nightlatch_core::id::{AccountId, SessionId};

use super::error::ServiceError;
use crate::clock::{Millis, ServerClock, duration, millis};
use crate::record::{Outbox, event};
use crate::requester::Client;
use crate::store::rows::{AccountRow, SessionClass};
use crate::store::{NewSession, Statement, Store, StoreError};
use crate::token::{Digest, SessionToken};

/// The timeouts of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Idle timeout of web sessions.
    pub web_idle: Duration,
    /// Absolute timeout of web sessions.
    pub web_max: Duration,
    /// Idle timeout of guests.
    pub guest_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            web_idle: Duration::from_secs(15 * 60),
            web_max: Duration::from_secs(12 * 3600),
            guest_idle: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// The absolute timeout of guests: they slide for as long as they are used.
const GUEST_MAX: i64 = 100 * 365 * 24 * 3600 * 1000;

/// What all services share.
pub struct Context {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<ServerClock>,
    /// The outbox of this node.
    pub outbox: Outbox,
    /// The timeouts of sessions.
    pub timeouts: Timeouts,
    /// The key of the tags that name guests, links and unknown emails in the log; the same on all
    /// nodes.
    pub tag_key: Key,
}

impl Context {
    /// The current time.
    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// A session to begin, with the digest of `token`.
    pub(super) fn new_session(
        &self,
        token: &SessionToken,
        class: SessionClass,
        client: &Client,
    ) -> Result<NewSession, ServiceError> {
        let (idle, max) = match class {
            SessionClass::Guest => (millis(self.timeouts.guest_idle), GUEST_MAX),
            SessionClass::Web | SessionClass::Cli => (
                millis(self.timeouts.web_idle),
                millis(self.timeouts.web_max),
            ),
        };
        Ok(NewSession {
            hash: token.digest(),
            id: SessionId::random()?,
            class,
            idle,
            max,
            address: client.address().map(|address| address.to_string()),
            user_agent: client.user_agent().map(str::to_owned),
            password: None,
        })
    }

    /// Whether a change may be made now; not while the audit log does not keep up.
    pub(super) fn check(&self) -> Result<(), ServiceError> {
        Ok(self.outbox.check()?)
    }

    /// Makes a change that has to be recorded: not while the audit log does not keep up.
    pub(super) async fn change<T>(
        &self,
        change: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ServiceError> {
        self.check()?;
        self.end(change).await
    }

    /// Ends something and records it: also while the audit log does not keep up.
    pub(super) async fn end<T>(
        &self,
        change: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ServiceError> {
        let result = change.await;
        // Also after an error, since the change may have been made all the same.
        self.outbox.committed();
        Ok(result?)
    }

    /// The statements that record `events`.
    pub(super) fn record(&self, events: &[Event]) -> Vec<Statement> {
        self.outbox.rows(events)
    }

    /// What stands for a guest in the log, whose id is as good as a password.
    pub(super) fn guest_tag(&self, guest: AccountId) -> GuestTag {
        GuestTag::of(&self.tag_key, guest.as_bytes())
    }

    /// What stands for a link in the log.
    pub(super) fn link_tag(&self, link: Digest) -> LinkTag {
        LinkTag::of(&self.tag_key, link.as_bytes())
    }

    /// What stands in the log for an email that belongs to no account.
    pub(super) fn unknown_name(&self, email_norm: &str) -> AuditName {
        let digest = keyed_digest(
            &self.tag_key,
            [b"unknown".as_slice(), email_norm.as_bytes()],
        );
        let mut tag = [0; 16];
        tag.copy_from_slice(&digest[..16]);
        AuditName::unknown(&tag)
    }
}

/// The event of a session that begins.
pub(super) fn session_created(session: &NewSession, client: &Client) -> Event {
    let created = Details::SessionCreated {
        idle: duration(session.idle),
        max: duration(session.max),
    };
    event(created, client).in_session(session.id)
}

/// An event about an account. A guest has no name in the log.
pub(super) fn about(event: Event, account: &AccountRow) -> Event {
    match name_of(account) {
        Some(name) => event.about(name),
        None => event,
    }
}

/// The name of an account in the log: its normalized email, however it was written at registration.
pub(super) fn name_of(account: &AccountRow) -> Option<AuditName> {
    let email: Email = account.email.as_deref()?.parse().ok()?;
    Some(AuditName::known(email.normalized()))
}
