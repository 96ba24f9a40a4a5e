//! An event to be appended.

use super::audit_name::AuditName;
use super::details::Details;
use super::event_type::EventType;
use super::json::Object;
use nightlatch_core::id::SessionId;

/// Something that happened, to be appended to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    who: Option<AuditName>,
    session: Option<SessionId>,
    details: Details,
}

impl Event {
    /// An event about nobody and no session, until told otherwise.
    pub fn new(details: Details) -> Self {
        Self {
            who: None,
            session: None,
            details,
        }
    }

    /// The same event, about `who`.
    #[must_use]
    pub fn about(mut self, who: AuditName) -> Self {
        self.who = Some(who);
        self
    }

    /// The same event, in a session.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Its name.
    pub fn event_type(&self) -> EventType {
        self.details.event_type()
    }

    /// Whom it is about.
    pub fn who(&self) -> Option<&AuditName> {
        self.who.as_ref()
    }

    /// In which session it happened.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// What it says.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// Writes the value of `details`, a tag of an unknown name last.
    pub(super) fn write_details(&self, mut object: Object<'_>) {
        self.details.write(&mut object);
        if let Some(tag) = self.who.as_ref().and_then(AuditName::tag) {
            object.plain("tag", tag);
        }
        object.close();
    }
}
