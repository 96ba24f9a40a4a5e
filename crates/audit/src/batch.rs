//! The lines of one append, and the seal on the last of them.

use uuid::Uuid;

use super::error::AuditError;
use super::event::Event;
use super::event_source::Origin;
use super::line::Link;
use super::line_writer::{self, Stamp};
use super::sealer::{Role, Sealer};
use super::segment::APPEND_LINES;
use nightlatch_core::clock::Timestamp;

/// The lines of one append.
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    /// The last line.
    pub(super) last: Link,
}

impl Batch {
    /// Writes the lines of `events`, at most as many as an append has, after the line `last`, with
    /// the time `now`. `sealer` seals the last one and advances.
    pub(super) fn seal(
        sealer: &mut Sealer,
        origin: &Origin,
        now: Timestamp,
        last: Link,
        events: &[&Event],
    ) -> Result<Self, AuditError> {
        debug_assert!((1..=APPEND_LINES).contains(&events.len()));
        let mut batch = Self {
            lines: Vec::with_capacity(512 * events.len() + 512),
            last,
        };
        for (at, event) in events.iter().enumerate() {
            let stamp = Stamp {
                origin,
                timestamp: now,
                id: event.id().map_or_else(|| event_id(now), Ok)?,
            };
            let is_last = at + 1 == events.len();
            let role = Role::of(event.event_type());
            batch.last = line_writer::write(&mut batch.lines, batch.last, event, &stamp, |link| {
                is_last.then(|| sealer.seal(role, link, now))
            });
        }
        Ok(batch)
    }
}

/// A UUID of version 7: milliseconds, then random bits.
fn event_id(timestamp: Timestamp) -> Result<Uuid, AuditError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let millis = u64::try_from(timestamp.unix_nanos() / 1_000_000).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}
