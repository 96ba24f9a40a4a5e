//! Asking the log: which events, how many, and the answer.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use super::command_facts::ExitFilter;
use super::event_name::EventName;
use super::record::Record;
use super::removed_events::RemovedEvents;
use super::rows::Row;
use super::text::ArgvDigest;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::{ExecId, SessionId};

/// The most events one answer may hold: 1 to 1000, 100 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

/// A limit outside 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit must be from 1 to 1000, not {0}")]
pub struct BadLimit(u64);

impl Limit {
    /// The smallest.
    pub const MIN: Self = Self(1);
    /// The greatest.
    pub const MAX: Self = Self(1000);

    /// So many, where a caller asked for fewer: `limit` rows have no more events.
    pub(super) const fn of_rows(limit: Self) -> Self {
        Self(limit.0 * super::rows::MOST_EVENTS)
    }

    /// A limit in range.
    ///
    /// # Errors
    /// When it is 0 or more than 1000.
    pub fn new(limit: u64) -> Result<Self, BadLimit> {
        match u16::try_from(limit) {
            Ok(small @ 1..=1000) => Ok(Self(small)),
            _ => Err(BadLimit(limit)),
        }
    }

    /// As a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

/// Which events to find: those that pass every filter given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// About this user; upper and lower case are the same.
    pub user: Option<String>,
    /// Of one of these types; of any when empty.
    pub types: Vec<EventName>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// In this session.
    pub session: Option<SessionId>,
    /// Only what failed or was refused: not commands that ended with another code than 0.
    pub failed_only: bool,
    /// About this program, as the events that name one do: `COMMAND_STARTED` and `COMMAND_REFUSED`.
    pub program: Option<String>,
    /// About one of these runs of guarded commands; about any when empty.
    pub execs: Vec<ExecId>,
    /// The start of a command with this command line; see `Guard::argv_digest`.
    pub argv: Option<ArgvDigest>,
    /// The end of a command that ended so.
    pub exit: Option<ExitFilter>,
    /// Recorded on this terminal, named as below `/dev`.
    pub tty: Option<String>,
    /// Recorded on this machine.
    pub host: Option<String>,
    /// The most events, or rows, to give.
    pub limit: Limit,
    /// What the limit counts.
    pub limit_unit: LimitUnit,
}

/// What a [`Limit`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitUnit {
    /// Events.
    #[default]
    Events,
    /// Rows for people, in which the events of a guarded command are one; see
    /// [`QueryResult::rows`].
    Rows,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, Default)]
pub struct QueryResult {
    /// The newest that match, in the log's order: newest last.
    pub events: Vec<Record>,
    /// How many match in all. Those that are not among `events` have been judged by as much of them
    /// as the filters ask about: of a damaged line that is its beginning and its end perhaps.
    pub total: u64,
    /// Whether older ones match that did not fit.
    pub has_more: bool,
    /// Lines that may have been meant and are no events: all that were looked at, or, where a filter
    /// searches for words, those that contain them. Verification names every one.
    pub unreadable: u64,
    /// The same for people, where the limit counts rows: a guarded command is one row. Empty
    /// otherwise.
    pub rows: Vec<Row>,
    /// Events that the answer could have had, were they not removed from the log.
    pub removed: Vec<RemovedEvents>,
    /// Where the answer ends.
    pub end: Position,
}

/// What a reading of every match went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuerySummary {
    /// How many matches were given.
    pub total: u64,
    /// Lines that may have been meant and are no events, as in [`QueryResult::unreadable`].
    pub unreadable: u64,
}

/// A place between two lines of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The segment, by the number of its first line; 0 is before all.
    pub(super) segment: u64,
    /// Bytes into it.
    pub(super) offset: u64,
}
