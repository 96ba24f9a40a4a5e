//! The node's own log, in which events are sealed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nightlatch_audit::{
    AuditError, AuditLog, Dir, Event, GroupWriter, Limit, LogReader, Progress, Query, SystemClock,
};

use nightlatch_platform::fs::FsError;

use super::identity::NodeIdentity;
use super::sealable::Sealable;

/// The log of a node.
pub struct SealedLog {
    writer: GroupWriter,
    directory: PathBuf,
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
        Ok(Self {
            writer,
            directory: data.join("audit"),
            identity,
        })
    }

    /// Whether another process is the node of the data directory. Changes nothing there.
    ///
    /// # Errors
    /// When that cannot be determined.
    pub fn is_in_use(data: &Path) -> Result<bool, FsError> {
        match Dir::open_to_look(data)? {
            Some(home) => NodeIdentity::is_taken(&home),
            None => Ok(false),
        }
    }

    /// The directory of its files.
    pub fn directory(&self) -> &Path {
        &self.directory
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
    /// was killed. The node alone reads them, so that this is not recorded as a reading.
    ///
    /// # Errors
    /// When the log cannot be read, in words.
    pub fn sealed_before(&self, waiting: &[Sealable]) -> Result<BTreeSet<String>, String> {
        let failed = |error: AuditError| error.to_string();
        if !self.reader().has_log().map_err(failed)? {
            return Ok(BTreeSet::new());
        }
        let newest = Query::default().limit(Limit::MAX);
        let reader = LogReader::copy(&self.directory).map_err(failed)?;
        let reading = reader.list(&newest, &Progress::default());
        let lines = reading.map_err(failed)?.answer.events;
        let ids: BTreeSet<String> = lines.into_iter().map(|line| line.id).collect();
        let waiting = waiting.iter().map(Sealable::id);
        Ok(waiting.filter(|id| ids.contains(id)).collect())
    }

    /// Seals events so that they are durable.
    ///
    /// # Errors
    /// When they could not be written, in words.
    pub fn append(&self, events: Vec<Event>) -> Result<(), String> {
        self.writer
            .append_all(events)
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use nightlatch_audit::Details;

    use super::*;
    use crate::clock::Millis;
    use crate::store::OutboxRow;

    #[test]
    fn what_was_sealed_before_is_found_without_an_event_of_the_reading() {
        let scratch = tempfile::tempdir().unwrap();
        let log = SealedLog::open(&scratch.path().join("data")).unwrap();
        let row = |number| {
            let id = uuid::Builder::from_unix_timestamp_millis(1, &[number; 10]).into_uuid();
            let event = Event::new(Details::LoginSuccess).with_id(id);
            Sealable::of(&OutboxRow {
                id: id.to_string(),
                at: Millis(0),
                event: event.to_json().unwrap(),
            })
        };
        let rows = [row(1), row(2)];
        assert_eq!(log.sealed_before(&rows), Ok(BTreeSet::new()));
        log.append(vec![rows[0].event.clone()]).unwrap();
        let sealed = BTreeSet::from([rows[0].id()]);
        assert_eq!(log.sealed_before(&rows), Ok(sealed));
        let reader = LogReader::copy(log.directory()).unwrap();
        let reading = reader.list(&Query::default(), &Progress::default());
        let events = reading.unwrap().answer.events;
        let read = |event: &&nightlatch_audit::Record| event.event_type.as_str() == "AUDIT_READ";
        assert_eq!(events.iter().filter(read).count(), 0);
        assert!(events.iter().any(|event| event.id == rows[0].id()));
    }
}
