//! Reads the log. Each reading of a home's log is recorded in it, whoever reads.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::catalogue::EventType;
use super::details::Details;
use super::error::AuditError;
use super::event::Event;
use super::event_name::EventName;
use super::files::Files;
use super::filter::{Filter, Verdict};
use super::log::AuditLog;
use super::plan::{Piece, Plan};
use super::progress::Progress;
use super::query::{Limit, LimitUnit, Position, Query, QueryResult, QuerySummary};
use super::read_record::ReadKind;
use super::reader::CHUNK;
use super::record::Record;
use super::removed_events::{RemovedEvents, removed};
use super::rows::{self, Row};
use super::runs;
use super::scan;
use super::scan_options::ScanOptions;
use super::segment::segments;
use nightlatch_core::clock::Timestamp;
use nightlatch_platform::fs::Archive;

/// A start is searched for this much earlier than the command's end and duration suggest.
const CLOCK_MAY_BE_OFF: Duration = Duration::from_secs(24 * 3600);

/// Reads a log: that of a home, where each reading is recorded as `AUDIT_READ`, or a copy, where
/// nothing is recorded. Creates nothing; a missing log is treated as empty.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// use nightlatch_audit::{LogReader, Progress, Query};
///
/// let reader = LogReader::copy(scratch.path())?;
/// let reading = reader.list(&Query::default(), &Progress::default())?;
/// assert_eq!(reading.answer.total, 0);
/// assert!(reading.recorded.is_ok());
/// # Ok(())
/// # }
/// ```
pub struct LogReader<'a> {
    log: Source<'a>,
}

enum Source<'a> {
    Home(&'a AuditLog),
    Copy(Archive),
    Nothing,
}

/// The result of a reading, and whether the reading could be recorded.
#[derive(Debug)]
#[must_use = "a reading that could not be recorded has to be reported"]
#[allow(clippy::exhaustive_structs)] // nobody can pass over what is not recorded
pub struct Reading<T> {
    /// The result. It may be shown even if the reading could not be recorded: a broken log is
    /// exactly what an auditor needs to read.
    pub answer: T,
    /// Why the reading could not be recorded, if so.
    pub recorded: Result<(), AuditError>,
}

impl LogReader<'static> {
    /// Reads the log files in `directory`, with any owner.
    ///
    /// # Errors
    /// When there is no such directory, or it may not be read.
    pub fn copy(directory: &Path) -> Result<Self, AuditError> {
        let log = Source::Copy(Archive::open(directory)?);
        Ok(Self { log })
    }

    /// A reader for a missing home, and so without a log.
    pub fn of_nothing() -> Self {
        Self {
            log: Source::Nothing,
        }
    }
}

impl LogReader<'_> {
    /// Whether there is a log to read.
    ///
    /// # Errors
    /// When that cannot be determined.
    pub fn has_log(&self) -> Result<bool, AuditError> {
        let Some(files) = self.files()? else {
            return Ok(false);
        };
        Ok(!segments(&files.names()?).is_empty())
    }

    /// Whether there is an event of this type. Not recorded, because it shows no event.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours.
    pub fn has_type(&self, event_type: &EventName) -> Result<bool, AuditError> {
        let query = Query {
            types: vec![event_type.clone()],
            limit: Limit::MIN,
            ..Query::default()
        };
        let found = self.query_by(&query, &ScanOptions::default(), &Progress::default())?;
        Ok(found.total > 0)
    }

    /// The newest matching events and the total number of matches; only the result is held in
    /// memory. Takes no lock except to record the reading. Another thread can follow it through
    /// `progress`.
    ///
    /// A large log is read in parallel. With a time range, only those parts of segments are read
    /// that can contain it: within a segment, times never decrease and all are on the same day,
    /// which verification checks.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours.
    pub fn list(
        &self,
        query: &Query,
        progress: &Progress,
    ) -> Result<Reading<QueryResult>, AuditError> {
        let answer = self.query_by(query, &ScanOptions::default(), progress)?;
        let recorded = self.record_listing(ReadKind::List, query, &answer);
        Ok(Reading { answer, recorded })
    }

    /// Passes every matching event to `each`, oldest first, until `each` breaks. The limit does not
    /// apply; one event is held at a time. Reading stops where the log ended at the time of the
    /// call, so its own record is not included. An export is recorded before the first event is
    /// passed on, because an interrupted export has been read, too.
    ///
    /// # Errors
    /// As for [`LogReader::list`].
    pub fn for_each(
        &self,
        how: ReadKind,
        query: &Query,
        progress: &Progress,
        each: impl FnMut(&Record) -> ControlFlow<()>,
    ) -> Result<Reading<QuerySummary>, AuditError> {
        let Some(files) = self.files()? else {
            return Ok(Reading {
                answer: QuerySummary::default(),
                recorded: self.record(how, query, 0, 0),
            });
        };
        let asked = query;
        let Some(query) = runs::of_events(&files, asked)? else {
            return Ok(Reading {
                answer: QuerySummary::default(),
                recorded: self.record(how, asked, 0, 0),
            });
        };
        let plan = Plan::new(&files, Position::default(), &query, &ScanOptions::default())?;
        if how == ReadKind::Export {
            let count = Query {
                limit: Limit::default(),
                limit_unit: LimitUnit::Events,
                ..query.clone().into_owned()
            };
            let nobody = Progress::default();
            let found = scan::newest(&files, &plan, &count, &ScanOptions::default(), &nobody)?;
            let recorded = self.record(how, asked, found.total, found.total);
            let answer = Self::give(&files, &plan, &query, progress, each)?;
            return Ok(Reading { answer, recorded });
        }
        let answer = Self::give(&files, &plan, &query, progress, each)?;
        let returned = match how {
            ReadKind::Stats => 0,
            ReadKind::Report => answer.total.min(Limit::MAX.get().into()),
            _ => answer.total,
        };
        let recorded = self.record(how, asked, answer.total, returned);
        Ok(Reading { answer, recorded })
    }

    fn give(
        files: &Files<'_>,
        plan: &Plan,
        query: &Query,
        progress: &Progress,
        mut each: impl FnMut(&Record) -> ControlFlow<()>,
    ) -> Result<QuerySummary, AuditError> {
        let mut summary = QuerySummary::default();
        let filter = Filter::new(query);
        progress.expect(plan.pieces.iter().map(Piece::bytes).sum());
        let mut flow = ControlFlow::Continue(());
        for piece in &plan.pieces {
            scan::piece(files, piece, &filter, CHUNK, |verdict| match verdict {
                _ if flow.is_break() => {}
                Verdict::Match(line) => match Record::parse(line) {
                    Some(record) => {
                        summary.total += 1;
                        flow = each(&record);
                    }
                    None => summary.unreadable += 1,
                },
                Verdict::Unreadable => summary.unreadable += 1,
                Verdict::Other => {}
            })?;
            progress.add(piece.bytes());
            if flow.is_break() {
                break;
            }
        }
        Ok(summary)
    }

    /// Like [`LogReader::list`], without recording it.
    pub(super) fn query_by(
        &self,
        query: &Query,
        options: &ScanOptions,
        progress: &Progress,
    ) -> Result<QueryResult, AuditError> {
        let Some(files) = self.files()? else {
            return Ok(QueryResult::default());
        };
        let removed = removed_from(&files, query, options)?;
        let Some(query) = runs::of_events(&files, query)? else {
            return Ok(QueryResult {
                removed,
                ..QueryResult::default()
            });
        };
        let query = &*query;
        let plan = Plan::new(&files, Position::default(), query, options)?;
        let found = scan::newest(&files, &plan, query, options, progress)?;
        let mut answer = QueryResult {
            has_more: !found.is_complete || found.total > found.events.len() as u64,
            events: found.events,
            total: found.total,
            unreadable: found.unreadable,
            rows: Vec::new(),
            removed,
            end: plan.end,
        };
        if query.limit_unit == LimitUnit::Rows {
            answer.rows = rows::rows(&answer.events);
            let limit = usize::from(query.limit.get());
            let over = answer.rows.len().saturating_sub(limit);
            let dropped: u64 = answer.rows.drain(..over).map(|row| row.events()).sum();
            // In log order, except that the ends of commands are with their starts.
            let kept = answer.rows.iter().map(|row| row.record().seq).min();
            answer.has_more |= dropped > 0;
            answer
                .events
                .retain(|record| kept.is_none_or(|first| record.seq >= first));
            self.complete(&mut answer.rows)?;
        }
        Ok(answer)
    }

    /// Looks up the missing events of the commands in `rows`.
    pub(super) fn complete(&self, rows: &mut [Row]) -> Result<(), AuditError> {
        let mut since: Option<Timestamp> = None;
        let mut execs = Vec::new();
        for command in rows::incomplete(rows) {
            let ran = command
                .took
                .map_or(Duration::ZERO, |took| took + CLOCK_MAY_BE_OFF);
            let began = command.record.timestamp.minus(ran);
            since = Some(since.map_or(began, |since| since.min(began)));
            execs.push(command.exec);
        }
        if execs.is_empty() {
            return Ok(());
        }
        let query = Query {
            types: vec![
                EventType::CommandStarted.into(),
                EventType::CommandFinished.into(),
            ],
            execs,
            since,
            limit: Limit::MAX,
            limit_unit: LimitUnit::Rows,
            ..Query::default()
        };
        if let Some(files) = self.files()? {
            let (options, nobody) = (ScanOptions::default(), Progress::default());
            let plan = Plan::new(&files, Position::default(), &query, &options)?;
            let found = scan::newest(&files, &plan, &query, &options, &nobody)?;
            rows::complete(rows, &found.events);
        }
        Ok(())
    }

    /// The current files; `None` if there is no log.
    pub(super) fn files(&self) -> Result<Option<Files<'_>>, AuditError> {
        Ok(match &self.log {
            Source::Home(log) => log.directory()?.map(Files::Home),
            Source::Copy(archive) => Some(Files::Copy(archive)),
            Source::Nothing => None,
        })
    }

    pub(super) fn record_listing(
        &self,
        how: ReadKind,
        query: &Query,
        answer: &QueryResult,
    ) -> Result<(), AuditError> {
        self.record(how, query, answer.total, answer.events.len() as u64)
    }

    /// The log's first public key, in hexadecimal, as the log names it; `None` if it does not.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours.
    pub fn fingerprint(&self) -> Result<Option<String>, AuditError> {
        let Some(files) = self.files()? else {
            return Ok(None);
        };
        let Some(&first) = segments(&files.names()?).first() else {
            return Ok(None);
        };
        let fingerprint = files.first_line(first)?.and_then(|line| line.fingerprint());
        Ok(fingerprint.map(|key| key.to_string()))
    }

    pub(super) fn record(
        &self,
        how: ReadKind,
        query: &Query,
        matched: u64,
        returned: u64,
    ) -> Result<(), AuditError> {
        let Source::Home(log) = &self.log else {
            return Ok(());
        };
        if log.has_nothing()? {
            return Ok(());
        }
        let filters = query.recorded(|email| log.is_account(email));
        log.append_durable(&[Event::new(Details::AuditRead {
            how,
            filters,
            matched,
            returned,
        })])
    }
}

impl AuditLog {
    /// A reader of the log. Each reading is recorded in it.
    pub fn reader(&self) -> LogReader<'_> {
        let log = Source::Home(self);
        LogReader { log }
    }

    /// Like [`LogReader::list`], for data that the program itself needs: nobody sees the result, so
    /// it is not recorded.
    pub(crate) fn query(&self, query: &Query) -> Result<QueryResult, AuditError> {
        let options = ScanOptions::default();
        self.reader()
            .query_by(query, &options, &Progress::default())
    }

    /// Like [`LogReader::list`], without recording it: for a program that compares the log with
    /// other data. Do not show the result to a person.
    ///
    /// Stops reading once it has as many events as the limit allows, however long the log is. If it
    /// stopped, `total` and `unreadable` only count what was read, and `has_more` means that older
    /// events may match.
    ///
    /// # Errors
    /// As for [`LogReader::list`].
    pub fn query_unrecorded(&self, query: &Query) -> Result<QueryResult, AuditError> {
        let options = ScanOptions {
            counts_all: false,
            ..ScanOptions::default()
        };
        self.reader()
            .query_by(query, &options, &Progress::default())
    }

    /// Passes every matching event to `each`, without recording it.
    pub(super) fn for_each(
        &self,
        query: &Query,
        progress: &Progress,
        each: impl FnMut(&Record) -> ControlFlow<()>,
    ) -> Result<QuerySummary, AuditError> {
        let reader = self.reader();
        let Some(files) = reader.files()? else {
            return Ok(QuerySummary::default());
        };
        let plan = Plan::new(&files, Position::default(), query, &ScanOptions::default())?;
        LogReader::give(&files, &plan, query, progress, each)
    }
}

/// The removed events that might have matched `query`.
fn removed_from(
    files: &Files<'_>,
    query: &Query,
    options: &ScanOptions,
) -> Result<Vec<RemovedEvents>, AuditError> {
    let first = segments(&files.names()?).first().copied();
    let Some(first) = first.filter(|segment| segment.first() > 1) else {
        return Ok(Vec::new());
    };
    // Removed events are never later than the first remaining line.
    if let Some(since) = query.since
        && let Some(line) = files.first_line(first)?
        && line.opened.is_some()
        && since > line.timestamp
    {
        return Ok(Vec::new());
    }
    let prunings = Query {
        types: vec![EventType::AuditPruned.into()],
        limit: Limit::MAX,
        ..Query::default()
    };
    let plan = Plan::new(files, Position::default(), &prunings, options)?;
    let found = scan::newest(files, &plan, &prunings, options, &Progress::default())?;
    Ok(removed(first.first(), &found.events))
}
