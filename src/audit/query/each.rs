//! Every match, one after the other, where all of them together would not fit in memory.

use std::ops::ControlFlow;

use super::{AuditLog, CHUNK, Filter, Manner, Piece, Plan, Position, Query, Record, Verdict, scan};
use crate::audit::{AuditError, Progress};

/// What [`AuditLog::for_each`] went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuerySummary {
    /// How many matches were given.
    pub total: u64,
    /// Lines that may have been meant and are no events, as in
    /// [`QueryResult::unreadable`](super::QueryResult::unreadable).
    pub unreadable: u64,
}

impl AuditLog {
    /// Gives every event that matches to `each`, oldest first, until it breaks off. The limit does
    /// not apply; no more than one event is held. Takes no lock, and ends where the log ended when it
    /// was called. `progress` tells another thread how far it is.
    ///
    /// # Errors
    /// When a file of the log cannot be read or is not ours.
    pub fn for_each(
        &self,
        query: &Query,
        progress: &Progress,
        mut each: impl FnMut(&Record) -> ControlFlow<()>,
    ) -> Result<QuerySummary, AuditError> {
        let mut summary = QuerySummary::default();
        let Some(dir) = self.directory()? else {
            return Ok(summary);
        };
        let plan = Plan::new(&dir, Position::default(), query, &Manner::default())?;
        let filter = Filter::new(query);
        progress.expect(plan.pieces.iter().map(Piece::bytes).sum());
        let mut flow = ControlFlow::Continue(());
        for piece in &plan.pieces {
            scan::piece(&dir, piece, &filter, CHUNK, |verdict| match verdict {
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
}
