//! The catalogue: every event there is, and whom it may name.

use super::details::Details;
use super::json::Object;
use super::kind::EventType;
use super::text::bounded;
use crate::crypto::hex;
use crate::id::SessionId;

/// What stands in `username` for a sign-in name that is no account's.
pub const UNKNOWN_NAME: &str = "(unknown)";

/// The longest email written, in characters; longer than any there can be (RFC 5321: 254).
const EMAIL_LENGTH: usize = 320;

/// Whom an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditName(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Known(String),
    Unknown { tag: String },
}

impl AuditName {
    /// An account's email, normalized.
    pub fn known(email: &str) -> Self {
        Self(Name::Known(bounded(email, EMAIL_LENGTH)))
    }

    /// A name that is no account's, of which the log keeps only the first 16 hexadecimal digits of
    /// a keyed digest: people type passwords where a name belongs. `digest` must be keyed.
    pub fn unknown(digest: &[u8; 16]) -> Self {
        Self(Name::Unknown {
            tag: hex(&digest[..8]),
        })
    }

    /// What the log has in `username`.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(email) => email,
            Name::Unknown { .. } => UNKNOWN_NAME,
        }
    }

    fn tag(&self) -> Option<&str> {
        match &self.0 {
            Name::Known(_) => None,
            Name::Unknown { tag } => Some(tag),
        }
    }
}

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
