//! Follows the log as it grows.

use super::error::AuditError;
use super::filter::{Filter, Verdict};
use super::plan::Plan;
use super::progress::Progress;
use super::query::{Position, Query, QueryResult};
use super::read_record::ReadKind;
use super::reader::CHUNK;
use super::reading::{LogReader, Reading};
use super::record::Record;
use super::rows::{self, Row};
use super::scan;
use super::scan_options::ScanOptions;

/// New matching events, returned when polled. The caller does the waiting.
pub struct Follow<'a> {
    reader: &'a LogReader<'a>,
    query: Query,
    filter: Filter,
    position: Position,
    unreadable: u64,
}

impl LogReader<'_> {
    /// Like [`LogReader::list`], and also returns a follower for what is appended later. The limit
    /// does not apply to the follower.
    ///
    /// # Errors
    /// As for [`LogReader::list`].
    pub fn follow(
        &self,
        query: &Query,
        progress: &Progress,
    ) -> Result<Reading<(QueryResult, Follow<'_>)>, AuditError> {
        let answer = self.query_by(query, &ScanOptions::default(), progress)?;
        let recorded = self.record_listing(ReadKind::Follow, query, &answer);
        let follow = self.follow_from(query, answer.end);
        Ok(Reading {
            answer: (answer, follow),
            recorded,
        })
    }

    /// A follower for what comes after `from`, without recording the reading.
    pub(super) fn follow_from(&self, query: &Query, from: Position) -> Follow<'_> {
        Follow::new(self, query, from)
    }
}

impl<'a> Follow<'a> {
    pub(super) fn new(reader: &'a LogReader<'a>, query: &Query, from: Position) -> Self {
        Self {
            reader,
            query: query.clone(),
            filter: Filter::new(query),
            position: from,
            unreadable: 0,
        }
    }

    /// The sealed matching events since the last call, in log order.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours; the next call returns the same events.
    pub fn poll(&mut self) -> Result<Vec<Record>, AuditError> {
        let mut records = Vec::new();
        let mut unreadable = 0;
        let Some(files) = self.reader.files()? else {
            return Ok(records);
        };
        let plan = Plan::new(&files, self.position, &self.query, &ScanOptions::default())?;
        for piece in &plan.pieces {
            scan::piece(
                &files,
                piece,
                &self.filter,
                CHUNK,
                |verdict| match verdict {
                    Verdict::Match(line) => match Record::parse(line) {
                        Some(record) => records.push(record),
                        None => unreadable += 1,
                    },
                    Verdict::Unreadable => unreadable += 1,
                    Verdict::Other => {}
                },
            )?;
        }
        self.position = plan.end;
        self.unreadable += unreadable;
        Ok(records)
    }

    /// Like [`Follow::poll`], as rows for people: a guarded command has one row when it starts, and
    /// another when it ends.
    ///
    /// # Errors
    /// As for [`Follow::poll`].
    pub fn poll_rows(&mut self) -> Result<Vec<Row>, AuditError> {
        let mut rows = rows::rows(&self.poll()?);
        self.reader.complete(&mut rows)?;
        Ok(rows)
    }

    /// Lines so far that may have matched but are not events, as in
    /// [`QueryResult::unreadable`](super::QueryResult::unreadable).
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}
