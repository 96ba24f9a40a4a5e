//! Asking the log: filters, the newest matches, and what comes after.

#[cfg(any(test, fuzzing))]
pub(super) mod properties;

use std::collections::VecDeque;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use memchr::memmem::Finder;

use super::error::AuditError;
use super::json::push_string;
use super::kind::EventType;
use super::log::AuditLog;
use super::reader::{Found, Lines};
use super::record::{Record, View};
use super::segment::{SegmentName, segments};
use crate::clock::Timestamp;
use crate::fs::{Dir, FsError};
use crate::id::SessionId;

/// The most events one answer may hold: 1 to 1000, 100 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

/// A limit outside 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit must be from 1 to 1000, not {0}")]
pub struct BadLimit(u64);

impl Limit {
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
    /// How many match in all.
    pub total: u64,
    /// Whether older ones match that did not fit.
    pub has_more: bool,
    /// Lines that are no events, whatever the filters; verification names them.
    pub unreadable: u64,
    /// Where the answer ends; [`AuditLog::follow`] continues there.
    pub end: Position,
}

/// A place between two lines of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The segment, by the number of its first line; 0 is before all.
    segment: u64,
    /// Bytes into it.
    offset: u64,
}

impl AuditLog {
    /// The newest events that match, and how many there are. Reads the whole log, holding no more
    /// than the answer; takes no lock. Where there is no log the answer is empty.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours.
    pub fn query(&self, query: &Query) -> Result<QueryResult, AuditError> {
        let limit = usize::from(query.limit.get());
        let mut newest: VecDeque<Vec<u8>> = VecDeque::with_capacity(limit);
        let mut result = QueryResult::default();
        let filter = Filter::new(query);
        result.end = self.scan(Position::default(), |line| match filter.judge(line) {
            Verdict::Match(line) => {
                result.total += 1;
                // The oldest one's memory is used again: a long log is read without allocating.
                let mut kept = if newest.len() == limit {
                    newest.pop_front().unwrap_or_default()
                } else {
                    Vec::new()
                };
                kept.clear();
                kept.extend_from_slice(line);
                newest.push_back(kept);
            }
            Verdict::Unreadable => result.unreadable += 1,
            Verdict::Other => {}
        })?;
        // All of them parse: they have been judged by what they say.
        result.events = newest
            .iter()
            .filter_map(|line| Record::parse(line))
            .collect();
        result.has_more = result.total > limit as u64;
        Ok(result)
    }

    /// What is appended after `from` and matches, whenever asked; the limit does not apply.
    pub fn follow(&self, query: &Query, from: Position) -> Follow<'_> {
        Follow {
            log: self,
            filter: Filter::new(query),
            position: from,
            unreadable: 0,
        }
    }

    /// Gives every complete line after `from` to `line`: where the last one ends.
    fn scan(
        &self,
        from: Position,
        mut line: impl FnMut(Found<'_>),
    ) -> Result<Position, AuditError> {
        let mut end = from;
        let Some(dir) = self.directory()? else {
            return Ok(end);
        };
        let mut segments = segments(&dir.names()?);
        segments.retain(|segment| segment.first() >= from.segment);
        for (at, &segment) in segments.iter().enumerate() {
            let start = if segment.first() == from.segment {
                from.offset
            } else {
                0
            };
            let is_last = at + 1 == segments.len();
            if let Some(offset) = scan_segment(&dir, segment, start, is_last, &mut line)? {
                end = Position {
                    segment: segment.first(),
                    offset,
                };
            }
        }
        Ok(end)
    }
}

/// Gives every complete line of `segment` from byte `start` on to `line`: where the last one ends;
/// `None` when the segment has been removed since it was listed.
fn scan_segment(
    dir: &Dir,
    segment: SegmentName,
    start: u64,
    is_last: bool,
    line: &mut impl FnMut(Found<'_>),
) -> Result<Option<u64>, AuditError> {
    let name = segment.to_string();
    let Some(mut file) = dir.open_file(&name)? else {
        return Ok(None);
    };
    let failed = |error| FsError::new("read", Path::new(dir.path()).join(&name), error);
    // Shorter than it was: a failed append was undone after its first lines had been read.
    let start = start.min(file.metadata().map_err(failed)?.len());
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut lines = Lines::new(file);
    while let Some(read) = lines.next_line().map_err(failed)? {
        line(read);
    }
    // In the last segment it may be a line that is just being written.
    if !is_last && lines.ends_torn() {
        line(Found::TooLong);
    }
    Ok(Some(start + lines.consumed()))
}

/// New matching events, as they come. Waiting is the caller's.
pub struct Follow<'a> {
    log: &'a AuditLog,
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
        self.position = self
            .log
            .scan(self.position, |line| match self.filter.judge(line) {
                Verdict::Match(line) => records.extend(Record::parse(line)),
                Verdict::Unreadable => unreadable += 1,
                Verdict::Other => {}
            })?;
        self.unreadable += unreadable;
        Ok(records)
    }

    /// Lines so far that are no events.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// A query made ready to judge lines.
struct Filter {
    user: Option<String>,
    types: Vec<EventType>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    session: Option<SessionId>,
    failed_only: bool,
    /// Bytes that every matching line contains: a line without them need not be parsed.
    needle: Option<Finder<'static>>,
}

enum Verdict<'a> {
    Match(&'a [u8]),
    Other,
    Unreadable,
}

impl Filter {
    fn new(query: &Query) -> Self {
        let user = query.user.as_deref().map(|user| user.trim().to_lowercase());
        let needle = if let Some(session) = query.session {
            Some(format!("\"session_id\":\"{session}\"").into_bytes())
        } else if let Some(user) = &user {
            let mut needle = b"\"username\":".to_vec();
            push_string(&mut needle, user);
            Some(needle)
        } else if let [only] = query.types[..] {
            Some(format!("\"event_type\":\"{only}\"").into_bytes())
        } else if query.failed_only {
            Some(b"\"success\":false".to_vec())
        } else {
            None
        };
        Self {
            user,
            types: query.types.clone(),
            since: query.since,
            until: query.until,
            session: query.session,
            failed_only: query.failed_only,
            needle: needle.map(|needle| Finder::new(&needle).into_owned()),
        }
    }

    fn judge<'a>(&self, line: Found<'a>) -> Verdict<'a> {
        let Found::Line(line) = line else {
            return Verdict::Unreadable;
        };
        if let Some(needle) = &self.needle
            && needle.find(line).is_none()
        {
            // Not parsed, but what does not even look like an event is counted all the same.
            return if line.starts_with(b"{\"seq\":") && line.ends_with(b"}") {
                Verdict::Other
            } else {
                Verdict::Unreadable
            };
        }
        match View::parse(line) {
            Some(view) if self.matches(&view) => Verdict::Match(line),
            Some(_) => Verdict::Other,
            None => Verdict::Unreadable,
        }
    }

    fn matches(&self, view: &View<'_>) -> bool {
        let username = view.line.username.as_ref().map(|name| &*name.0);
        (self.user.is_none() || self.user.as_deref() == username)
            && (self.types.is_empty() || self.types.contains(&view.event_type))
            && self.since.is_none_or(|since| view.timestamp >= since)
            && self.until.is_none_or(|until| view.timestamp < until)
            && (self.session.is_none() || self.session == view.session_id)
            && !(self.failed_only && view.line.success)
    }
}
