//! Counts of events by outcome.

use crate::catalogue::EventType;
use crate::outcome::Outcome;
use crate::record::Record;

/// Counts of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // facts, which the tests of a report make up
pub struct Count {
    /// All of them.
    pub events: u64,
    /// Sign-ins and passwords that failed.
    pub failed: u64,
    /// What was refused, including lockouts.
    pub refused: u64,
    /// Guarded commands that ended with a code other than 0 or by a signal, or were not started.
    pub nonzero: u64,
    /// How often sign-in was locked.
    pub lockouts: u64,
}

impl Count {
    pub(super) fn add(&mut self, record: &Record) {
        self.events += 1;
        match record.outcome() {
            Outcome::Ok => {}
            Outcome::Failed => self.failed += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::NonZero => self.nonzero += 1,
        }
        self.lockouts += u64::from(record.event_type == EventType::AccountLocked);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.failed += other.failed;
        self.refused += other.refused;
        self.nonzero += other.nonzero;
        self.lockouts += other.lockouts;
    }
}
