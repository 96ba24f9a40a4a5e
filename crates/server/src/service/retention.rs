//! Old rows are removed from the database on a schedule.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::{Details, Event};
use tokio::sync::watch;

use super::context::Context;
use crate::clock::millis;
use crate::store::{Kept, Removed};

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

/// Removes old rows until `stop` changes. Each round that removed anything is recorded in the audit
/// log, with the rule.
pub async fn keep_to(retention: Retention, context: Arc<Context>, mut stop: watch::Receiver<()>) {
    let for_record = context.clone();
    let record = move |removed: &Removed| {
        for_record.record(&[Event::new(Details::RetentionApplied {
            sessions: removed.sessions,
            guests: removed.guests,
            links: removed.links,
            attempts: removed.attempts,
            sessions_kept: retention.sessions,
            links_kept: retention.links,
        })])
    };
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
            // Nothing is removed that cannot be recorded.
            removed = context.change(context.store.tidy(context.now(), kept, record.clone())) => removed,
        };
        match removed {
            Ok(removed) if removed == Removed::default() => {}
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
