//! The outbox: rows for events, and how long the oldest has been waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use nightlatch_audit::Event;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::{Millis, ServerClock};
use crate::store::{OutboxRow, Statement};

/// How long an event may wait for its seal before the node refuses changes, in milliseconds.
const LONGEST_WAIT: i64 = 5000;
/// Nothing waits.
const NOTHING: i64 = i64::MAX;

/// Since when events wait, for the services and the sealer.
pub struct Backlog {
    /// When the oldest event that may not have been read yet was committed, or [`NOTHING`].
    waiting: AtomicI64,
    /// When the oldest event of those being sealed was committed, or [`NOTHING`].
    in_hand: AtomicI64,
    more: Notify,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            waiting: NOTHING.into(),
            in_hand: NOTHING.into(),
            more: Notify::new(),
        }
    }
}

impl Backlog {
    /// Since when the oldest event has been waiting.
    pub fn since(&self) -> Option<Millis> {
        let waiting = self.waiting.load(Ordering::SeqCst);
        let since = waiting.min(self.in_hand.load(Ordering::SeqCst));
        (since != NOTHING).then_some(Millis(since))
    }

    /// An event was committed.
    pub(super) fn add(&self, now: Millis) {
        self.waiting.fetch_min(now.0, Ordering::SeqCst);
        self.more.notify_one();
    }

    /// The sealer is about to read what waits. An event that is committed after this counts as
    /// waiting again, whether or not it is read.
    pub(super) fn take(&self) {
        // In this order, so that an event is counted in one of the two at any time.
        self.in_hand
            .fetch_min(self.waiting.load(Ordering::SeqCst), Ordering::SeqCst);
        let taken = self.waiting.swap(NOTHING, Ordering::SeqCst);
        self.in_hand.fetch_min(taken, Ordering::SeqCst);
    }

    /// What was taken is sealed.
    pub(super) fn sealed(&self) {
        self.in_hand.store(NOTHING, Ordering::SeqCst);
    }

    /// Waits until an event is added.
    pub(super) async fn changed(&self) {
        self.more.notified().await;
    }
}

/// The audit log does not keep up, so that no change may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("changes are refused: the audit log does not keep up")]
pub struct Behind;

/// Makes the rows of a node's events.
pub struct Outbox {
    node: String,
    clock: Arc<ServerClock>,
    backlog: Arc<Backlog>,
}

impl Outbox {
    /// The outbox of the node with this id.
    pub fn new(node: String, clock: Arc<ServerClock>, backlog: Arc<Backlog>) -> Self {
        Self {
            node,
            clock,
            backlog,
        }
    }

    /// The statements that commit events with their change. An event that cannot be written is a
    /// statement that fails, so that the change is not made.
    pub fn rows(&self, events: &[Event]) -> Vec<Statement> {
        let now = self.clock.now();
        let row = |event| self.row(event, now);
        events.iter().map(row).collect()
    }

    fn row(&self, event: &Event, now: Millis) -> Statement {
        let row = id(now).ok().and_then(|id| {
            let event = event.clone().with_id(id).to_json().ok()?;
            let id = id.to_string();
            Some(OutboxRow { id, at: now, event })
        });
        match row {
            Some(row) => row.insert(&self.node),
            None => Statement::new("this event cannot be written", []),
        }
    }

    /// Whether a change may be made now.
    ///
    /// # Errors
    /// [`Behind`] while an event has been waiting for its seal for more than five seconds.
    pub fn check(&self) -> Result<(), Behind> {
        let now = self.clock.now();
        match self.backlog.since() {
            Some(since) if now.since(since) > LONGEST_WAIT => Err(Behind),
            _ => Ok(()),
        }
    }

    /// An event was committed.
    pub fn committed(&self) {
        self.backlog.add(self.clock.now());
    }
}

/// A UUID of version 7: when the event happened, and random bits.
fn id(now: Millis) -> Result<Uuid, getrandom::Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let millis = u64::try_from(now.0).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use nightlatch_audit::Details;
    use nightlatch_core::clock::test_clock::TestClock;

    use super::*;

    fn outbox() -> (Arc<TestClock>, Arc<Backlog>, Outbox) {
        let machine = Arc::new(TestClock::new());
        let clock = Arc::new(ServerClock::of_this_machine(machine.clone()));
        let backlog = Arc::new(Backlog::default());
        let outbox = Outbox::new("node".to_owned(), clock, backlog.clone());
        (machine, backlog, outbox)
    }

    #[test]
    fn changes_are_refused_while_an_event_waits_for_more_than_five_seconds() {
        let (machine, backlog, outbox) = outbox();
        assert_eq!(outbox.check(), Ok(()));
        outbox.committed();
        machine.advance(Duration::from_secs(5));
        outbox.committed();
        assert_eq!(outbox.check(), Ok(()));
        // Reading what waits does not make it sealed.
        backlog.take();
        machine.advance(Duration::from_millis(1));
        assert_eq!(outbox.check(), Err(Behind));
        backlog.sealed();
        assert_eq!(outbox.check(), Ok(()));
    }

    #[test]
    fn an_event_that_comes_while_others_are_sealed_waits_still() {
        let (machine, backlog, outbox) = outbox();
        outbox.committed();
        backlog.take();
        outbox.committed();
        backlog.sealed();
        machine.advance(Duration::from_millis(5001));
        assert_eq!(outbox.check(), Err(Behind));
        // A failed batch is taken again with its own time.
        backlog.take();
        backlog.take();
        assert_eq!(outbox.check(), Err(Behind));
        backlog.sealed();
        assert_eq!(outbox.check(), Ok(()));
    }

    #[test]
    fn a_row_has_the_event_with_its_own_id() {
        let (_, _, outbox) = outbox();
        let rows = outbox.rows(&[Event::new(Details::LoginSuccess)]);
        let [row] = rows.as_slice() else {
            unreachable!("one event is one row");
        };
        let texts: Vec<&str> = row
            .parameters
            .iter()
            .filter_map(|value| match value {
                crate::store::Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let event = Event::from_json(texts[2]).unwrap();
        assert_eq!(event.id().unwrap().to_string(), texts[0]);
        assert_eq!(event.details(), &Details::LoginSuccess);
    }
}
