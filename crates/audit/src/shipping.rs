//! Reads the log after a given number, to deliver every event to another system exactly once.
//!
//! A reader only needs to remember the number of the last event it took. The events after it are
//! found in whichever segment they are, also after rotation and removal.

use std::ops::RangeInclusive;

use super::error::AuditError;
use super::next_lines::next_lines;
use super::query::Query;
use super::read_record::ReadKind;
use super::reading::{LogReader, Reading};
use super::record::Record;

/// The number of events counted at a time.
const BATCH: usize = 512;
/// The matching events after a number, returned when polled. See [`LogReader::export_after`].
pub struct EventsAfter<'a> {
    log: &'a LogReader<'a>,
    query: Query,
    after: u64,
}

/// The result of [`EventsAfter::poll`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NextEvents {
    /// The events, in log order.
    pub events: Vec<Record>,
    /// The numbers of events that retention removed before they were read.
    pub removed: Option<RangeInclusive<u64>>,
    /// Whether the end of the log was reached.
    pub is_end: bool,
}

impl LogReader<'_> {
    /// The sealed events with numbers greater than `after` that match `query`, each exactly once,
    /// in batches, and the number of the current last event. The query's limit does not apply.
    /// Recorded before the first event is returned. The caller waits for new events.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours; [`AuditError::SetBack`] when the log ends
    /// before the event `after`.
    pub fn export_after(
        &self,
        query: &Query,
        after: u64,
    ) -> Result<Reading<(EventsAfter<'_>, u64)>, AuditError> {
        let mut counted = self.events_after(query, after);
        let mut matched = 0;
        loop {
            let next = counted.poll(BATCH)?;
            matched += next.events.len() as u64;
            if next.is_end {
                break;
            }
        }
        let recorded = self.record(ReadKind::Export, query, matched, matched);
        Ok(Reading {
            answer: (self.events_after(query, after), counted.after),
            recorded,
        })
    }

    /// Like [`LogReader::export_after`], without recording it.
    pub(super) fn events_after(&self, query: &Query, after: u64) -> EventsAfter<'_> {
        EventsAfter {
            log: self,
            query: query.clone(),
            after,
        }
    }
}

impl EventsAfter<'_> {
    /// The next events: up to `limit`, and the rest of the last append. Lines that are not events
    /// are left out; verification reports them.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours; [`AuditError::SetBack`] when the log
    /// ends before the event that was given last.
    pub fn poll(&mut self, limit: usize) -> Result<NextEvents, AuditError> {
        let mut next = NextEvents {
            is_end: true,
            ..NextEvents::default()
        };
        let last = match self.log.files()? {
            Some(files) => {
                let found = next_lines(&files, self.after, limit)?;
                next.removed = found.removed;
                next.is_end = found.is_end;
                let records = found.lines.iter().filter_map(|line| Record::parse(line));
                next.events
                    .extend(records.filter(|record| self.query.matches(record)));
                let last = found.last;
                if found.through > self.after {
                    self.after = found.through;
                    return Ok(next);
                }
                last
            }
            None => 0,
        };
        if last < self.after {
            let after = self.after;
            return Err(AuditError::SetBack { last, after });
        }
        Ok(next)
    }
}
