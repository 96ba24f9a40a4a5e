//! Removed events, and the records of their removal.

use super::record::Record;
use super::record_details::PrunedDetails;
use nightlatch_core::clock::Timestamp;

/// A range of events that were removed from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedEvents {
    /// The number of the first event.
    pub first_seq: u64,
    /// The number of the last event.
    pub last_seq: u64,
    /// The number of the `AUDIT_PRUNED` that records the removal; `None` if there is no record,
    /// which verification reports.
    pub recorded_seq: Option<u64>,
    /// When the removal was recorded.
    pub recorded_at: Option<Timestamp>,
}

/// The removed events of a log whose first event has the number `first`, by its `AUDIT_PRUNED`
/// records, oldest first.
pub(super) fn removed(first: u64, prunings: &[Record]) -> Vec<RemovedEvents> {
    let mut removed: Vec<RemovedEvents> = Vec::new();
    let mut next = 1;
    for pruning in prunings {
        let Some(PrunedDetails { last_seq, .. }) = PrunedDetails::parse(pruning.details.get())
        else {
            continue;
        };
        // A crash may have interrupted the removal after it was recorded.
        let last_seq = last_seq.min(first.saturating_sub(1));
        if last_seq >= next {
            removed.push(RemovedEvents {
                first_seq: next,
                last_seq,
                recorded_seq: Some(pruning.seq),
                recorded_at: Some(pruning.timestamp),
            });
            next = last_seq + 1;
        }
    }
    if next < first {
        removed.push(RemovedEvents {
            first_seq: next,
            last_seq: first - 1,
            recorded_seq: None,
            recorded_at: None,
        });
    }
    removed
}
