//! Old rows are removed from the database on a schedule.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{ServerClock, millis};
use crate::store::{Kept, Store};

/// For how long rows are kept that nothing needs any more, and how often the others are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Sessions after their end; with the last one of a guest the guest and its documents.
    pub sessions: Duration,
    /// Links after they expired: whoever finds an old mail is told so.
    pub links: Duration,
    /// The pause between two rounds.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            sessions: 90 * DAY,
            links: 90 * DAY,
            every: Duration::from_secs(3600),
        }
    }
}

/// Removes old rows until `stop` changes. Each round is logged if it removed anything.
pub async fn keep_to(
    retention: Retention,
    store: Store,
    clock: Arc<ServerClock>,
    mut stop: watch::Receiver<()>,
) {
    let kept = Kept {
        sessions: millis(retention.sessions),
        links: millis(retention.links),
    };
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(retention.every) => {}
        }
        let removed = tokio::select! {
            // A round that is stopped is finished by the next one.
            _ = stop.changed() => return,
            removed = store.tidy(clock.now(), kept) => removed,
        };
        match removed {
            Ok(removed) if removed == crate::store::Removed::default() => {}
            Ok(removed) => tracing::info!(
                sessions = removed.sessions,
                guests = removed.guests,
                links = removed.links,
                attempts = removed.attempts,
                "old rows removed"
            ),
            Err(error) => tracing::warn!("old rows were not removed: {error}"),
        }
    }
}
