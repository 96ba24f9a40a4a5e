//! The node's own log, in which events are sealed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use nightlatch_audit::{
    AuditLog, Dir, Event, GroupWriter, Limit, LogReader, Progress, Query, SystemClock,
};

use super::identity::NodeIdentity;
use crate::store::OutboxRow;

/// The log of a node.
pub struct SealedLog {
    writer: GroupWriter,
    identity: NodeIdentity,
}

impl SealedLog {
    /// The log in the data directory of the node.
    ///
    /// # Errors
    /// When the directory cannot be opened, in words.
    pub fn open(data: &Path) -> Result<Self, String> {
        let home = Dir::open_or_create(data).map_err(|error| error.to_string())?;
        let identity = NodeIdentity::take(&home).map_err(|error| error.to_string())?;
        let writer = AuditLog::new(Arc::new(home), Arc::new(SystemClock)).into_writer();
        Ok(Self { writer, identity })
    }

    /// The id of the node.
    pub fn node(&self) -> &str {
        &self.identity.id
    }

    /// Whether this process seals the node's events; another one may do so already.
    pub fn is_ours(&self) -> bool {
        self.identity.is_sealer
    }

    /// Reads the log.
    pub fn reader(&self) -> LogReader<'_> {
        self.writer.log().reader()
    }

    /// Which of these events are in the log already: those that were sealed right before the node
    /// was killed.
    ///
    /// # Errors
    /// When the log cannot be read, in words.
    pub fn sealed_before(&self, rows: &[OutboxRow]) -> Result<BTreeSet<String>, String> {
        let newest = Query::default().limit(Limit::MAX);
        let read = self
            .writer
            .log()
            .reader()
            .list(&newest, &Progress::default());
        let lines = read.map_err(|error| error.to_string())?.answer.events;
        let ids: BTreeSet<String> = lines.into_iter().map(|line| line.id).collect();
        let waiting = rows.iter().map(|row| row.id.clone());
        Ok(waiting.filter(|id| ids.contains(id)).collect())
    }

    /// Seals events so that they are durable.
    ///
    /// # Errors
    /// When they could not be written, in words. An event that this version cannot read is one,
    /// too: it waits for a node of its own version.
    pub fn append(&self, rows: &[OutboxRow]) -> Result<(), String> {
        let read = |row: &OutboxRow| {
            let event = Event::from_json(&row.event);
            event.ok_or_else(|| format!("the event {} cannot be read", row.id))
        };
        let events: Vec<Event> = rows.iter().map(read).collect::<Result<_, _>>()?;
        self.writer
            .append_all(events)
            .map_err(|error| error.to_string())
    }
}
