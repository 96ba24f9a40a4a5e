//! The task of a node that moves events from the outbox to the sealed log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::log::SealedLog;
use super::outbox::Backlog;
use super::sealable::Sealable;
use crate::clock::{Millis, ServerClock};
use crate::store::{OutboxRow, Store, StoreError};

/// How many events are sealed at once.
const BATCH: i64 = 512;
/// How long to wait for a notice of new events, and after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Events of a node that has not sealed them for so many milliseconds are sealed by another one.
const ADOPTED_AFTER: i64 = 30_000;
/// How often such events are looked for, in milliseconds.
const ADOPT_EVERY: i64 = 10_000;

/// What the sealer of a node works with.
pub struct Sealer {
    store: Store,
    clock: Arc<ServerClock>,
    node: String,
    log: Arc<SealedLog>,
    backlog: Arc<Backlog>,
    /// Events in the log that may still be in the outbox; `None` until the log was searched for
    /// those that this node sealed before it was killed.
    sealed: Option<BTreeSet<String>>,
    /// When the events of other nodes are looked at next.
    adopt_at: Millis,
    /// Whether the events that were set aside were looked at.
    has_returned: bool,
}

/// Why events were not sealed.
#[derive(Debug, thiserror::Error)]
enum SealError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the audit log cannot be written: {0}")]
    Log(String),
}

impl Sealer {
    /// The sealer of a node.
    pub fn new(
        store: Store,
        clock: Arc<ServerClock>,
        node: String,
        log: Arc<SealedLog>,
        backlog: Arc<Backlog>,
    ) -> Self {
        Self {
            store,
            clock,
            node,
            log,
            backlog,
            sealed: None,
            adopt_at: Millis(0),
            has_returned: false,
        }
    }

    /// Seals what waits until `stop` changes, and then what is left.
    pub async fn run(mut self, mut stop: watch::Receiver<()>) {
        loop {
            let sealed = self.seal_all().await;
            if let Err(error) = &sealed {
                tracing::error!("{error}");
            }
            let stopped = tokio::select! {
                _ = stop.changed() => true,
                () = self.backlog.changed(), if sealed.is_ok() => false,
                () = tokio::time::sleep(PAUSE) => false,
            };
            if stopped {
                if let Err(error) = self.seal_all().await {
                    tracing::error!("{error}; the rest is sealed at the next start");
                }
                return;
            }
        }
    }

    async fn seal_all(&mut self) -> Result<(), SealError> {
        self.backlog.take();
        self.adopt().await?;
        self.return_readable().await?;
        loop {
            let rows = self.store.outbox(&self.node, BATCH).await?;
            let is_last = i64::try_from(rows.len()).unwrap_or(BATCH) < BATCH;
            self.seal(rows).await?;
            if is_last {
                self.backlog.sealed();
                return Ok(());
            }
        }
    }

    /// Takes over the events of nodes that do not seal them.
    async fn adopt(&mut self) -> Result<(), SealError> {
        let now = self.clock.now();
        if now < self.adopt_at {
            return Ok(());
        }
        self.adopt_at = now.plus(ADOPT_EVERY);
        let before = now.plus(-ADOPTED_AFTER);
        let adopted = self.store.adopt_outbox(&self.node, before).await?;
        if adopted > 0 {
            tracing::warn!("sealing {adopted} events of a node that does not seal them");
        }
        Ok(())
    }

    /// Lets those events wait again that were set aside and can be read by now, since a later
    /// version of this program runs.
    async fn return_readable(&mut self) -> Result<(), SealError> {
        if self.has_returned {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let rows = self.store.set_aside_events(&after, BATCH).await?;
            let Some(last) = rows.last() else {
                self.has_returned = true;
                return Ok(());
            };
            after.clone_from(&last.id);
            for row in rows {
                if Sealable::of(&row).is_readable {
                    self.store.return_to_outbox(&row.id, &self.node).await?;
                }
            }
        }
    }

    async fn seal(&mut self, rows: Vec<OutboxRow>) -> Result<(), SealError> {
        let Some(last) = rows.last() else {
            return Ok(());
        };
        tracing::debug!(events = rows.len(), last = last.id, "sealing");
        let waiting: Vec<Sealable> = rows.iter().map(Sealable::of).collect();
        let sealed = self.sealed.take();
        let log = self.log.clone();
        let (result, waiting) =
            tokio::task::spawn_blocking(move || (seal(&log, &waiting, sealed), waiting))
                .await
                .map_err(|error| SealError::Log(error.to_string()))?;
        // After a failure some of them may be in the log, which is then searched.
        self.sealed = Some(result.map_err(SealError::Log)?);
        let (done, unreadable): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|event| event.is_readable);
        let rows = |events: Vec<Sealable>| events.into_iter().map(|event| event.row).collect();
        let (done, unreadable): (Vec<String>, Vec<String>) = (rows(done), rows(unreadable));
        if !unreadable.is_empty() {
            let events = unreadable.len();
            tracing::error!(
                events,
                "events that cannot be read were set aside; the log has their digests"
            );
            self.store.set_aside(&unreadable, self.clock.now()).await?;
        }
        self.store.remove_from_outbox(&done).await?;
        self.sealed = Some(BTreeSet::new());
        Ok(())
    }
}

/// Appends the events that are not in the log. Returns what is in it afterwards.
fn seal(
    log: &SealedLog,
    waiting: &[Sealable],
    sealed: Option<BTreeSet<String>>,
) -> Result<BTreeSet<String>, String> {
    let mut sealed = match sealed {
        Some(sealed) => sealed,
        None => log.sealed_before(waiting)?,
    };
    let is_new = |event: &&Sealable| !sealed.contains(&event.id());
    let new: Vec<&Sealable> = waiting.iter().filter(is_new).collect();
    if !new.is_empty() {
        log.append(new.iter().map(|event| event.event.clone()).collect())?;
    }
    let new: Vec<String> = new.into_iter().map(Sealable::id).collect();
    sealed.extend(new);
    Ok(sealed)
}
