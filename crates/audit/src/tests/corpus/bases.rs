//! The logs from which the corpus is made.

use super::forge::{Forge, Said, said};

/// Three days, each with several sessions.
pub(super) fn days() -> Forge {
    days_from(1)
}

/// The same days under other keys, for each seed.
pub(super) fn days_from(seed: u64) -> Forge {
    let mut forge = Forge::new(seed);
    forge.open();
    forge.work(7);
    for _ in 0..2 {
        forge.next_day();
        forge.work(7);
    }
    forge
}

/// Seven days; the first three were removed more than a day after they had ended.
pub(super) fn pruned() -> Forge {
    pruned_with(|body| body)
}

pub(super) const REMOVED: usize = 3;

/// Like [`pruned`], with the record of the removal modified by `change`.
pub(super) fn pruned_with(change: impl FnOnce(String) -> String) -> Forge {
    let mut forge = days_to_prune();
    let details = forge.pruned(REMOVED, 86_400);
    forge.append_with(&[("AUDIT_PRUNED", details)], change);
    forge.remove(REMOVED);
    forge.work(3);
    forge
}

/// Seven days, none of them removed.
pub(super) fn days_to_prune() -> Forge {
    let mut forge = Forge::new(2);
    forge.open();
    forge.work(2);
    for _ in 0..6 {
        forge.next_day();
        forge.work(2);
    }
    forge
}

/// This many uses of a session.
pub(super) fn uses(count: usize) -> Vec<Said> {
    vec![said("SESSION_VALIDATED", "{\"action\":\"forged\"}"); count]
}
