//! The payloads that the agent holds, and their deadlines. No sockets and no clocks here: callers
//! pass the current time.

use std::collections::BTreeMap;

use super::super::{Payload, Slot};
use super::protocol::{Request, Response};
use nightlatch_core::clock::BootTime;

/// More accounts than one home has signed in at a time.
const SLOT_LIMIT: usize = 1024;

struct Held {
    payload: Payload,
    deadline: BootTime,
}

/// Payloads by slot, each with its deadline.
#[derive(Default)]
pub(super) struct Vault {
    held: BTreeMap<Slot, Held>,
}

impl Vault {
    /// Handles `request` at the time `now`.
    pub(super) fn handle(&mut self, request: Request, now: BootTime) -> Response {
        self.forget_ended(now);
        match request {
            Request::Publish(slot, payload, lifetime) => {
                if self.held.len() >= SLOT_LIMIT && !self.held.contains_key(&slot) {
                    return Response::Full;
                }
                let deadline = now.plus(lifetime);
                self.held.insert(slot, Held { payload, deadline });
                Response::Done
            }
            Request::Read(slot) => match self.held.get(&slot) {
                Some(Held { payload, .. }) => Response::Found(Payload::init_with(|copy| {
                    copy.copy_from_slice(payload.expose());
                })),
                None => Response::Absent,
            },
            Request::Destroy(slot) => match self.held.remove(&slot) {
                Some(_) => Response::Done,
                None => Response::Absent,
            },
        }
    }

    /// Drops, and so wipes, payloads that have reached their deadlines.
    pub(super) fn forget_ended(&mut self, now: BootTime) {
        self.held.retain(|_, held| now < held.deadline);
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<BootTime> {
        self.held.values().map(|held| held.deadline).min()
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use nightlatch_core::id::{AccountId, HomeId};

    const SECOND: Duration = Duration::from_secs(1);

    fn slot(account: u16) -> Slot {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&account.to_le_bytes());
        Slot::new(HomeId::from_bytes([1; 16]), AccountId::from_bytes(bytes))
    }

    fn publish(account: u16) -> Request {
        let payload = Payload::init_with(|bytes| bytes.fill(1));
        Request::Publish(slot(account), payload, SECOND)
    }

    #[test]
    fn a_payload_is_there_until_its_deadline_and_not_at_it() {
        let (mut vault, start) = (Vault::default(), BootTime::from_nanos(5));
        vault.handle(publish(1), start);
        let end = start.plus(SECOND);
        assert_eq!(vault.next_deadline(), Some(end));
        let before = BootTime::from_nanos(end.nanos() - 1);
        let read = |vault: &mut Vault, now| vault.handle(Request::Read(slot(1)), now);
        assert!(matches!(read(&mut vault, before), Response::Found(_)));
        assert!(matches!(read(&mut vault, end), Response::Absent));
        assert!(vault.is_empty());
    }

    #[test]
    fn a_full_vault_takes_replacements_and_nothing_new() {
        let (mut vault, now) = (Vault::default(), BootTime::from_nanos(0));
        for account in 0..1024 {
            assert!(matches!(
                vault.handle(publish(account), now),
                Response::Done
            ));
        }
        assert!(matches!(vault.handle(publish(1024), now), Response::Full));
        assert!(matches!(vault.handle(publish(7), now), Response::Done));
        let later = now.plus(SECOND);
        assert!(matches!(vault.handle(publish(1024), later), Response::Done));
    }
}
