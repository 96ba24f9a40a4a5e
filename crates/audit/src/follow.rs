//! What is appended, as it comes.

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

/// New matching events, as they come. Waiting is the caller's.
pub struct Follow<'a> {
    reader: &'a LogReader<'a>,
    query: Query,
    filter: Filter,
    position: Position,
    unreadable: u64,
}

impl LogReader<'_> {
    /// As [`LogReader::list`], and what is appended after that, whenever asked; the limit does not
    /// apply to it.
    ///
    /// # Errors
    /// As [`LogReader::list`].
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

    /// What comes after `from`, whenever asked, without a record of it.
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

    /// What has been sealed and matches since the last time, in the log's order.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours; ask again to have the same events.
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

    /// The same for people, where a guarded command is one row when it starts, and one more when it
    /// has ended since.
    ///
    /// # Errors
    /// As [`Follow::poll`].
    pub fn poll_rows(&mut self) -> Result<Vec<Row>, AuditError> {
        let mut rows = rows::rows(&self.poll()?);
        self.reader.complete(&mut rows)?;
        Ok(rows)
    }

    /// Lines so far that may have been meant and are no events, as in
    /// [`QueryResult::unreadable`](super::QueryResult::unreadable).
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}
