//! Asking the log: filters, the newest matches, and what comes after.

mod each;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;

use super::error::AuditError;
use super::filter::{Filter, Verdict};
use super::kind::EventType;
use super::log::AuditLog;
use super::plan::{Piece, Plan};
use super::progress::Progress;
use super::reader::CHUNK;
use super::record::Record;
use super::scan::{self, Manner};
use crate::clock::Timestamp;
use crate::id::SessionId;

pub use each::QuerySummary;

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
    pub types: Vec<EventType>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// In this session.
    pub session: Option<SessionId>,
    /// Only what was refused or failed.
    pub failed_only: bool,
    /// The most events to give.
    pub limit: Limit,
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
    /// Where the answer ends; [`AuditLog::follow`] continues there.
    pub end: Position,
}

/// A place between two lines of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The segment, by the number of its first line; 0 is before all.
    pub(super) segment: u64,
    /// Bytes into it.
    pub(super) offset: u64,
}

impl AuditLog {
    /// The newest events that match, and how many there are, holding no more than the answer; takes
    /// no lock. Where there is no log the answer is empty.
    ///
    /// A large log is read by all processors. Of a range of time only the stretches of segments are
    /// read that can hold it: within a segment no line is a minute or more earlier than one before
    /// it, but for those that close it. [`AuditLog`] writes so whatever the clock does, and
    /// verification tells whether anyone else wrote.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours.
    pub fn query(&self, query: &Query) -> Result<QueryResult, AuditError> {
        self.query_watched(query, &Progress::default())
    }

    /// As [`AuditLog::query`]; `progress` tells another thread how far it is.
    ///
    /// # Errors
    /// As [`AuditLog::query`].
    pub fn query_watched(
        &self,
        query: &Query,
        progress: &Progress,
    ) -> Result<QueryResult, AuditError> {
        self.query_by(query, &Manner::default(), progress)
    }

    /// As [`AuditLog::query`]; how it is done changes nothing of the answer.
    pub(super) fn query_by(
        &self,
        query: &Query,
        manner: &Manner,
        progress: &Progress,
    ) -> Result<QueryResult, AuditError> {
        let Some(dir) = self.directory()? else {
            return Ok(QueryResult::default());
        };
        let plan = Plan::new(&dir, Position::default(), query, manner)?;
        let found = scan::newest(&dir, &plan, query, manner, progress)?;
        Ok(QueryResult {
            has_more: found.total > found.events.len() as u64,
            events: found.events,
            total: found.total,
            unreadable: found.unreadable,
            end: plan.end,
        })
    }

    /// What is appended after `from` and matches, whenever asked; the limit does not apply.
    pub fn follow(&self, query: &Query, from: Position) -> Follow<'_> {
        Follow {
            log: self,
            query: query.clone(),
            filter: Filter::new(query),
            position: from,
            unreadable: 0,
        }
    }
}

/// New matching events, as they come. Waiting is the caller's.
pub struct Follow<'a> {
    log: &'a AuditLog,
    query: Query,
    filter: Filter,
    position: Position,
    unreadable: u64,
}

impl Follow<'_> {
    /// What has been appended and matches since the last time, in the log's order.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours; ask again to have the same events.
    pub fn poll(&mut self) -> Result<Vec<Record>, AuditError> {
        let mut records = Vec::new();
        let mut unreadable = 0;
        let Some(dir) = self.log.directory()? else {
            return Ok(records);
        };
        let plan = Plan::new(&dir, self.position, &self.query, &Manner::default())?;
        for piece in &plan.pieces {
            scan::piece(&dir, piece, &self.filter, CHUNK, |verdict| match verdict {
                Verdict::Match(line) => match Record::parse(line) {
                    Some(record) => records.push(record),
                    None => unreadable += 1,
                },
                Verdict::Unreadable => unreadable += 1,
                Verdict::Other => {}
            })?;
        }
        self.position = plan.end;
        self.unreadable += unreadable;
        Ok(records)
    }

    /// Lines so far that may have been meant and are no events, as in [`QueryResult::unreadable`].
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}
