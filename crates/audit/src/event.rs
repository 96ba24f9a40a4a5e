//! An event to append.

use serde::Serialize;
use uuid::Uuid;

use super::audit_name::AuditName;
use super::catalogue::EventType;
use super::client::Client;
use super::details::Details;
use nightlatch_core::id::SessionId;

/// An event to append to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    id: Option<Uuid>,
    who: Option<AuditName>,
    session: Option<SessionId>,
    client: Option<Client>,
    details: Details,
}

impl Event {
    /// An event without an account and without a session.
    pub fn new(details: Details) -> Self {
        Self {
            id: None,
            who: None,
            session: None,
            client: None,
            details,
        }
    }

    /// Sets the event's id, a UUID of version 7, instead of one that is made when it is appended: a
    /// program that may append an event a second time after a crash recognizes it in the log by its
    /// id.
    #[must_use]
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the account that the event is about.
    #[must_use]
    pub fn about(mut self, who: impl Into<Option<AuditName>>) -> Self {
        self.who = who.into();
        self
    }

    /// Sets the session in which the event happened.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Sets the client of a server that the event came from.
    #[must_use]
    pub fn from_client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The event's type.
    pub fn event_type(&self) -> EventType {
        self.details.event_type()
    }

    /// The event's id, if it was set.
    pub fn id(&self) -> Option<Uuid> {
        self.id
    }

    /// The account that the event is about.
    pub fn who(&self) -> Option<&AuditName> {
        self.who.as_ref()
    }

    /// The session in which it happened.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The client of a server that it came from.
    pub fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// The event's details.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// The value of `details`; the tag of an unknown name and the client come last.
    pub(super) fn written_details(&self) -> impl Serialize {
        WrittenDetails {
            details: &self.details,
            tag: self.who.as_ref().and_then(AuditName::tag),
            client: self.client.as_ref(),
        }
    }
}

#[derive(Serialize)]
struct WrittenDetails<'a> {
    #[serde(flatten)]
    details: &'a Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    #[serde(flatten)]
    client: Option<&'a Client>,
}
