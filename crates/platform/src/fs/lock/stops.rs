//! Delays Ctrl-Z until a lock is released: a process stopped while it holds one would block all
//! others. A lock is held for milliseconds, so nobody notices.

use std::cell::Cell;
use std::marker::PhantomData;

use nix::sys::signal::{SigSet, Signal};

/// Stop signals that can be blocked.
const STOPS: [Signal; 2] = [Signal::SIGTSTP, Signal::SIGTTOU];

thread_local! {
    /// How many locks this thread holds, and which of the signals it has blocked for them.
    static HELD: Cell<(usize, SigSet)> = Cell::new((0, SigSet::empty()));
}

/// While this exists, Ctrl-Z does not stop this thread. Must be dropped in the thread that created
/// it.
#[derive(Debug)]
pub(super) struct NoStops(PhantomData<*const ()>);

impl NoStops {
    pub(super) fn begin() -> Self {
        let (count, mut blocked) = HELD.get();
        if count == 0 {
            let before = SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty());
            blocked = SigSet::empty();
            for signal in STOPS {
                if !before.contains(signal) {
                    blocked.add(signal);
                }
            }
            // Cannot fail, because the set is valid.
            let _ = blocked.thread_block();
        }
        HELD.set((count + 1, blocked));
        Self(PhantomData)
    }
}

impl Drop for NoStops {
    fn drop(&mut self) {
        let (count, blocked) = HELD.get();
        HELD.set((count.saturating_sub(1), blocked));
        if count == 1 {
            // Pending signals are delivered now.
            let _ = blocked.thread_unblock();
        }
    }
}

/// Runs `action` while Ctrl-Z does not stop this thread, and neither does a use of the terminal from
/// the background that would.
pub fn without_stops<T>(action: impl FnOnce() -> T) -> T {
    let _held = NoStops::begin();
    action()
}

/// Runs `action` with the signals unblocked, so that a process started in it inherits that.
pub fn with_stops<T>(action: impl FnOnce() -> T) -> T {
    let (count, blocked) = HELD.get();
    if count == 0 {
        return action();
    }
    let _ = blocked.thread_unblock();
    let result = action();
    let _ = blocked.thread_block();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_held_back() -> bool {
        SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(Signal::SIGTSTP))
    }

    #[test]
    fn a_stop_is_held_back_until_the_last_lock_is_given_back() {
        assert!(!is_held_back());
        let first = NoStops::begin();
        let second = NoStops::begin();
        drop(first);
        assert!(is_held_back());
        with_stops(|| assert!(!is_held_back()));
        assert!(is_held_back());
        drop(second);
        assert!(!is_held_back());
    }

    #[test]
    fn a_stop_is_held_back_during_an_action() {
        without_stops(|| assert!(is_held_back()));
        assert!(!is_held_back());
    }

    #[test]
    fn what_was_blocked_before_stays_so() {
        let mut before = SigSet::empty();
        before.add(Signal::SIGTSTP);
        before.thread_block().ok();
        drop(NoStops::begin());
        assert!(is_held_back());
        before.thread_unblock().ok();
    }
}
