//! Queries about whole runs of commands, which combine filters on the start and on the end.
//!
//! No single event answers both. So the matching starts are found first, and their run ids then
//! replace the filters on the start.

use std::borrow::Cow;

use super::catalogue::EventType;
use super::error::AuditError;
use super::facts::Facts;
use super::files::Files;
use super::filter::{Filter, Verdict};
use super::plan::Plan;
use super::query::{Position, Query};
use super::reader::CHUNK;
use super::record::View;
use super::scan;
use super::scan_options::ScanOptions;

impl Query {
    /// Whether the query filters both the start and the end of commands.
    pub fn is_of_runs(&self) -> bool {
        self.exit.is_some() && (self.program.is_some() || self.argv.is_some())
    }
}

/// `query` as a query of single events; `None` if nothing can match.
pub(super) fn of_events<'a>(
    files: &Files<'_>,
    query: &'a Query,
) -> Result<Option<Cow<'a, Query>>, AuditError> {
    if !query.is_of_runs() {
        return Ok(Some(Cow::Borrowed(query)));
    }
    let starts = Query {
        types: vec![EventType::CommandStarted.into()],
        // A command that ended in the range may have started before it.
        since: None,
        exit: None,
        failed_only: false,
        ..query.clone()
    };
    let plan = Plan::new(files, Position::default(), &starts, &ScanOptions::default())?;
    let filter = Filter::new(&starts).strict();
    let mut execs = Vec::new();
    for piece in &plan.pieces {
        scan::piece(files, piece, &filter, CHUNK, |verdict| {
            if let Verdict::Match(line) = verdict
                && let Some(view) = View::parse(line)
            {
                execs.extend(Facts::of(view.line.details).exec());
            }
        })?;
    }
    if execs.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cow::Owned(Query {
        program: None,
        argv: None,
        execs,
        ..query.clone()
    })))
}
