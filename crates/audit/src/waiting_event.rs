//! An event as JSON, for programs that keep events elsewhere until they append them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::audit_name::AuditName;
use super::client::Client;
use super::details::Details;
use super::event::Event;
use super::event_name::EventName;
use nightlatch_core::id::SessionId;

/// The form.
#[derive(Serialize, Deserialize)]
struct Waiting<'a> {
    id: Option<String>,
    event_type: String,
    username: Option<String>,
    tag: Option<String>,
    session_id: Option<String>,
    client: Option<Client>,
    #[serde(borrow)]
    details: &'a RawValue,
}

/// Details as an object, also those without a key.
#[derive(Serialize)]
struct Object<'a> {
    #[serde(flatten)]
    details: &'a Details,
}

impl Event {
    /// The event as JSON, from which [`Event::from_json`] makes the same event again.
    ///
    /// # Errors
    /// Never, for an event that can be written to the log.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let details = self.details();
        let details = serde_json::value::to_raw_value(&Object { details })?;
        serde_json::to_string(&Waiting {
            id: self.id().map(|id| id.to_string()),
            event_type: self.event_type().to_string(),
            username: self.who().map(|who| who.as_str().to_owned()),
            tag: self.who().and_then(AuditName::tag).map(str::to_owned),
            session_id: self.session().map(|session| session.to_string()),
            client: self.client().cloned(),
            details: &details,
        })
    }

    /// Reads an event that [`Event::to_json`] wrote; `None` if it is another text, of a later
    /// version, or has an id that no line of the log may have (only UUIDs of version 7).
    pub fn from_json(text: &str) -> Option<Self> {
        let waiting: Waiting<'_> = serde_json::from_str(text).ok()?;
        let event_type: EventName = waiting.event_type.parse().ok()?;
        let details = Details::read(event_type.known()?, waiting.details.get())?;
        let mut event = Self::new(details);
        if let Some(id) = &waiting.id {
            let id = Uuid::try_parse(id).ok();
            event = event.with_id(id.filter(is_of_a_line)?);
        }
        if let Some(tag) = &waiting.tag {
            event = event.about(AuditName::from_tag(tag)?);
        } else if let Some(name) = &waiting.username {
            event = event.about(AuditName::known(name));
        }
        if let Some(session) = waiting.session_id {
            event = event.in_session(session.parse::<SessionId>().ok()?);
        }
        if let Some(client) = waiting.client {
            event = event.from_client(client);
        }
        Some(event)
    }
}

/// Whether a line of the log may have the id: a UUID of version 7 and the variant of RFC 9562.
fn is_of_a_line(id: &Uuid) -> bool {
    id.get_version() == Some(uuid::Version::SortRand) && id.get_variant() == uuid::Variant::RFC4122
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::catalogue::catalogue;
    use super::super::text::UserAgent;
    use super::*;

    /// A UUID of version 7.
    const ID: u128 = 0x0197_0000_0000_7000_8000_0000_0000_0007;

    #[test]
    fn an_id_that_no_line_may_have_is_not_read() {
        let event = Event::new(Details::LoginSuccess);
        let json = |id| {
            event
                .clone()
                .with_id(Uuid::from_u128(id))
                .to_json()
                .unwrap()
        };
        assert!(Event::from_json(&json(ID)).is_some());
        for id in [7, ID - (0x3000 << 64), ID - (0x8000 << 48)] {
            assert_eq!(Event::from_json(&json(id)), None, "{id:x}");
        }
    }

    #[test]
    fn every_event_that_waits_as_json_is_the_same_afterwards() {
        let client = Client::new([192, 0, 2, 1].into(), Some(UserAgent::new("curl/8 \"x\"")));
        for (details, _) in catalogue() {
            for who in [
                AuditName::known("alice@example.com"),
                AuditName::unknown(&[7; 16]),
            ] {
                let event = Event::new(details.clone())
                    .with_id(Uuid::from_u128(ID))
                    .about(who)
                    .in_session(SessionId::from_bytes([2; 16]))
                    .from_client(client.clone());
                assert_eq!(Event::from_json(&event.to_json().unwrap()), Some(event));
            }
            let bare = Event::new(details);
            assert_eq!(Event::from_json(&bare.to_json().unwrap()), Some(bare));
        }
    }

    #[test]
    fn another_text_is_no_event() {
        let json = Event::new(Details::LoginSuccess).to_json().unwrap();
        for (from, to) in [
            ("LOGIN_SUCCESS", "LOGIN_FAILURE"),
            ("LOGIN_SUCCESS", "X"),
            ("}", ""),
        ] {
            assert_eq!(Event::from_json(&json.replace(from, to)), None, "{to}");
        }
        let tagged = json.replace("\"tag\":null", "\"tag\":\"alice@example.com\"");
        assert_eq!(Event::from_json(&tagged), None);
    }
}
