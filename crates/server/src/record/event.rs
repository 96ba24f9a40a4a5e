//! Events of requests, for the audit log.

use nightlatch_audit::{Details, Event, UserAgent};

use crate::requester::Client;

/// An event that a client caused.
pub fn event(details: Details, client: &Client) -> Event {
    let event = Event::new(details);
    match client.address() {
        Some(address) => {
            let agent = client.user_agent().map(UserAgent::new);
            event.from_client(nightlatch_audit::Client::new(address, agent))
        }
        None => event,
    }
}
