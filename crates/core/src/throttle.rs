//! Limits on password guessing: pure rules over the counted failures and the time.
//!
//! Unknown emails are counted as known ones are, under a keyed digest of the email.

use std::time::Duration;

use crate::clock::Timestamp;

/// Consecutive failures that lock an email (PCI DSS 8.3.4 allows ten).
pub const FAILURES_TO_LOCK: u32 = 5;
/// How long a lock lasts (PCI DSS 8.3.4).
pub const LOCK: Duration = Duration::from_secs(30 * 60);
/// Failures that locked nothing are forgotten after this time.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The stored state of an email's failed sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // whoever asks handles every case
pub struct Failures {
    /// Failures in a row.
    pub count: u32,
    /// When the last one's password was checked.
    pub last_at: Timestamp,
    /// When the lock expires, if the count reached [`FAILURES_TO_LOCK`].
    pub locked_until: Option<Timestamp>,
}

/// Decision about a sign-in attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // whoever asks handles every case
pub enum Gate {
    /// No password is accepted before `until`.
    Locked {
        /// When the lock expires; at most [`LOCK`] from now.
        until: Timestamp,
    },
    /// The last failure was too recent: nothing was counted, and no password may be checked.
    TooEarly {
        /// How long to wait before the next attempt, without holding any lock.
        retry_after: Duration,
    },
    /// The password may be checked now; the attempt is already counted as failed.
    Counted,
}

/// Starts an attempt at `now`: returns the state to store before the password is checked, and the
/// decision. Counting first means that killing the process gives no free guess.
#[must_use]
pub fn begin(before: Option<Failures>, now: Timestamp) -> (Failures, Gate) {
    match before {
        Some(
            failures @ Failures {
                locked_until: Some(until),
                ..
            },
        ) if until > now => {
            // A time beyond a full lock period means that the clock was set back.
            let until = until.min(now.plus(LOCK));
            let locked = Failures {
                locked_until: Some(until),
                // Has no effect during a lock, but must change: SQLite neither writes nor syncs an
                // unchanged row, and a locked sign-in would be faster than a failed one.
                last_at: now,
                ..failures
            };
            (locked, Gate::Locked { until })
        }
        Some(
            failures @ Failures {
                count,
                last_at,
                locked_until: None,
            },
        ) => {
            // A time in the future means that the clock was set back; wait once, not until then.
            let last_at = last_at.min(now);
            let delay = delay_before_attempt(count.saturating_add(1));
            let retry_after = delay.saturating_sub(now.since(last_at));
            if retry_after.is_zero() {
                (counted(count, now), Gate::Counted)
            } else {
                let waiting = Failures {
                    last_at,
                    ..failures
                };
                (waiting, Gate::TooEarly { retry_after })
            }
        }
        // The lock has expired, or there was no failure: restart the count.
        Some(_) | None => (counted(0, now), Gate::Counted),
    }
}

/// When the lock expires, as of `now`; `None` when there is none.
pub fn locked_until(failures: Option<Failures>, now: Timestamp) -> Option<Timestamp> {
    match begin(failures, now) {
        (_, Gate::Locked { until }) => Some(until),
        (_, Gate::TooEarly { .. } | Gate::Counted) => None,
    }
}

fn counted(before: u32, now: Timestamp) -> Failures {
    let count = before.saturating_add(1);
    Failures {
        count,
        last_at: now,
        locked_until: (count >= FAILURES_TO_LOCK).then(|| now.plus(LOCK)),
    }
}

/// The delay between the last failure and the `attempt`th one in a row (the first is 1): none up to
/// the third, then 1 s, then 2 s.
pub fn delay_before_attempt(attempt: u32) -> Duration {
    match attempt {
        0..=3 => Duration::ZERO,
        4 => Duration::from_secs(1),
        _ => Duration::from_secs(2),
    }
}

/// The attempts left after `failures` in a row before the email is locked.
pub fn remaining_attempts(failures: u32) -> u32 {
    FAILURES_TO_LOCK.saturating_sub(failures)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    /// The state after attempts that each waited as long as they were told, and the time by then.
    fn waited_out(count: u32) -> (Option<Failures>, Timestamp) {
        let (mut failures, mut now) = (None, START);
        for _ in 0..count {
            let (mut after, gate) = begin(failures, now);
            if let Gate::TooEarly { retry_after } = gate {
                now = now.plus(retry_after);
                after = begin(Some(after), now).0;
            }
            failures = Some(after);
        }
        (failures, now)
    }

    fn after_failures(count: u32) -> Option<Failures> {
        waited_out(count).0
    }

    #[test]
    fn the_fifth_failure_locks_for_thirty_minutes_and_no_earlier_one_does() {
        assert_eq!(after_failures(4).and_then(|f| f.locked_until), None);
        let (fifth, at) = waited_out(5);
        assert_eq!(fifth.and_then(|f| f.locked_until), Some(at.plus(LOCK)));
        let (_, gate) = begin(fifth, at.plus(LOCK).minus(Duration::from_nanos(1)));
        assert_eq!(
            gate,
            Gate::Locked {
                until: at.plus(LOCK)
            }
        );
    }

    #[test]
    fn delays_grow_from_the_third_failure() {
        for (failures, seconds) in [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2)] {
            let (state, now) = waited_out(failures);
            let retry_after = Duration::from_secs(seconds);
            let gate = match seconds {
                0 => Gate::Counted,
                _ => Gate::TooEarly { retry_after },
            };
            assert_eq!(begin(state, now).1, gate, "{failures}");
        }
    }

    #[test]
    fn an_attempt_that_comes_too_early_counts_nothing_however_often_it_is_made() {
        let (before, now) = waited_out(4);
        let mut state = before;
        for _ in 0..10 {
            state = Some(begin(state, now).0);
        }
        assert_eq!(state, before);
        let (after, gate) = begin(state, now.plus(Duration::from_secs(2)));
        assert_eq!((after.count, gate), (5, Gate::Counted));
    }

    #[test]
    fn time_already_spent_counts_towards_the_delay() {
        let (state, at) = waited_out(4);
        let (_, gate) = begin(state, at.plus(Duration::from_millis(1500)));
        let retry_after = Duration::from_millis(500);
        assert_eq!(gate, Gate::TooEarly { retry_after });
    }

    #[test]
    fn after_a_clock_was_set_back_the_delay_is_waited_for_once_and_not_until_the_old_time() {
        let (state, at) = waited_out(4);
        let back = at.minus(Duration::from_secs(3600));
        let (state, gate) = begin(state, back);
        let retry_after = Duration::from_secs(2);
        assert_eq!(gate, Gate::TooEarly { retry_after });
        let (_, gate) = begin(Some(state), back.plus(retry_after));
        assert_eq!(gate, Gate::Counted);
    }

    #[test]
    fn when_a_lock_has_run_out_the_count_starts_anew() {
        let (fifth, at) = waited_out(5);
        let (failures, gate) = begin(fifth, at.plus(LOCK));
        assert_eq!((failures.count, failures.locked_until), (1, None));
        assert_eq!(gate, Gate::Counted);
    }

    #[test]
    fn a_clock_set_back_does_not_lengthen_a_lock() {
        let back = START.minus(Duration::from_secs(10 * 24 * 3600));
        let (failures, gate) = begin(after_failures(5), back);
        assert_eq!(
            gate,
            Gate::Locked {
                until: back.plus(LOCK)
            }
        );
        let (_, gate) = begin(Some(failures), back.plus(LOCK));
        assert_eq!(gate, Gate::Counted);
    }

    #[test]
    fn asking_whether_it_is_locked_answers_as_an_attempt_would() {
        let (fifth, at) = waited_out(5);
        let last = at.plus(LOCK).minus(Duration::from_nanos(1));
        assert_eq!(locked_until(None, START), None);
        assert_eq!(locked_until(after_failures(4), START), None);
        assert_eq!(locked_until(fifth, last), Some(at.plus(LOCK)));
        assert_eq!(locked_until(fifth, at.plus(LOCK)), None);
        // If the clock was set back, the lock lasts half an hour at most.
        let back = START.minus(Duration::from_secs(24 * 3600));
        assert_eq!(locked_until(fifth, back), Some(back.plus(LOCK)));
    }

    #[test]
    fn remaining_attempts_end_at_zero() {
        assert_eq!([0, 4, 5, 9].map(remaining_attempts), [5, 1, 0, 0]);
    }

    proptest! {
        #[test]
        fn no_half_hour_ever_sees_more_than_five_guesses(
            gaps in proptest::collection::vec(0_u64..1200, 1..200),
        ) {
            let (mut now, mut failures, mut guesses) = (START, None, Vec::new());
            for gap in gaps {
                now = now.plus(Duration::from_secs(gap));
                let (after, gate) = begin(failures, now);
                failures = Some(after);
                if gate == Gate::Counted {
                    guesses.push(now);
                }
            }
            for six in guesses.windows(6) {
                prop_assert!(six[5].since(six[0]) >= LOCK);
            }
        }

        #[test]
        fn no_remembered_state_and_time_locks_for_longer_than_half_an_hour(
            count in any::<u32>(),
            last in any::<i64>(),
            until in any::<Option<i64>>(),
            now in any::<i64>(),
        ) {
            let now = Timestamp::from_unix_nanos(now);
            let before = Failures {
                count,
                last_at: Timestamp::from_unix_nanos(last),
                locked_until: until.map(Timestamp::from_unix_nanos),
            };
            let (after, _) = begin(Some(before), now);
            if let Some(until) = after.locked_until {
                prop_assert!(until <= now.plus(LOCK));
            }
        }
    }
}
