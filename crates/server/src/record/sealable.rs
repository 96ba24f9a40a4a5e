//! What is sealed for a row of the outbox.

use nightlatch_audit::{Details, Event, EventDigest};
use nightlatch_core::crypto::sha256;
use uuid::Uuid;

use crate::store::OutboxRow;

/// What is sealed for a row of the outbox.
pub struct Sealable {
    /// The id of the row.
    pub row: String,
    /// The row's event, or one that says that it cannot be read.
    pub event: Event,
    /// Whether it is the row's event.
    pub is_readable: bool,
}

impl Sealable {
    /// The event of a row. One that this version cannot read, or that would have another id in the
    /// log than in the outbox, is replaced by an event with its digest: the row must then be set
    /// aside, so that nothing is lost and the events after it do not wait for it.
    pub fn of(row: &OutboxRow) -> Self {
        let own = Event::from_json(&row.event);
        let own = own.filter(|event| event.id().is_some_and(|id| id.to_string() == row.id));
        Self {
            row: row.id.clone(),
            is_readable: own.is_some(),
            event: own.unwrap_or_else(|| set_aside(row)),
        }
    }

    /// The id in the log.
    pub fn id(&self) -> String {
        self.event
            .id()
            .map_or_else(String::new, |id| id.to_string())
    }
}

/// The event that says so. It is the same however often it is made, so that it is sealed once.
fn set_aside(row: &OutboxRow) -> Event {
    let digest = EventDigest::of(row.event.as_bytes());
    let mut unique = [0; 10];
    let both = format!("{}\n{digest}", row.id);
    unique.copy_from_slice(&sha256(both.as_bytes())[..10]);
    let millis = u64::try_from(row.at.0).unwrap_or(0);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &unique).into_uuid();
    let details = Details::EventSetAside {
        event: Uuid::try_parse(&row.id).ok(),
        digest,
        bytes: u64::try_from(row.event.len()).unwrap_or(u64::MAX),
    };
    Event::new(details).with_id(id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::Millis;

    fn row(id: &str, event: &str) -> OutboxRow {
        OutboxRow {
            id: id.to_owned(),
            at: Millis(7),
            event: event.to_owned(),
        }
    }

    #[test]
    fn an_event_that_cannot_be_read_is_replaced_by_its_digest() {
        let id = uuid::Builder::from_unix_timestamp_millis(7, &[1; 10]).into_uuid();
        let event = Event::new(Details::LoginSuccess).with_id(id);
        let (id, json) = (id.to_string(), event.to_json().unwrap());
        let good = Sealable::of(&row(&id, &json));
        assert!(good.is_readable && good.event == event && good.id() == id);
        let other = uuid::Builder::from_unix_timestamp_millis(7, &[2; 10]).into_uuid();
        for bad in [
            row(&id, "no event"),
            row(&id, &json.replace("LOGIN_SUCCESS", "OF_A_LATER_VERSION")),
            row(&other.to_string(), &json),
            row("no id\u{1b}[2J", &json),
        ] {
            let set_aside = Sealable::of(&bad);
            assert!(!set_aside.is_readable);
            assert_eq!(set_aside.row, bad.id);
            assert_ne!(set_aside.id(), bad.id);
            assert_eq!(set_aside.event, Sealable::of(&bad).event);
            let details = Details::EventSetAside {
                event: Uuid::try_parse(&bad.id).ok(),
                digest: EventDigest::of(bad.event.as_bytes()),
                bytes: bad.event.len() as u64,
            };
            assert_eq!(set_aside.event.details(), &details);
            // It can be read back, and so sealed.
            let json = set_aside.event.to_json().unwrap();
            assert_eq!(Event::from_json(&json), Some(set_aside.event));
        }
    }
}
