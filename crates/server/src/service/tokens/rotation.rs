//! When signing keys change. Time is divided into epochs, each with its own key. A key is published
//! before its epoch begins, and stays published until the last token that it signed has expired, so
//! that nodes and verifiers always know a token's key.

use std::ops::RangeInclusive;

/// How long a key signs, in milliseconds: 30 days.
const PERIOD: i64 = 30 * DAY;
/// How long a key is published before it signs: longer than anybody may cache the key set.
const LEAD: i64 = DAY;
const DAY: i64 = 24 * 60 * 60 * 1000;

/// The epoch whose key signs at `now`, in milliseconds since 1970.
pub fn current(now: i64) -> i64 {
    now.div_euclid(PERIOD)
}

/// The epochs whose keys are published at `now`, for tokens that live at most `token_life`
/// milliseconds.
pub fn published(now: i64, token_life: i64) -> RangeInclusive<i64> {
    current(now - token_life)..=current(now + LEAD)
}

/// The first epoch whose key any node may still need at `now`, also one whose tokens live longer
/// than this node's: no token lives for a whole period.
pub fn oldest(now: i64) -> i64 {
    current(now) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: i64 = 900_000;

    #[test]
    fn the_next_key_is_published_a_day_before_it_signs() {
        assert_eq!(published(2 * PERIOD - LEAD - 1, LIFE), 1..=1);
        assert_eq!(published(2 * PERIOD - LEAD, LIFE), 1..=2);
        assert_eq!(current(2 * PERIOD - 1), 1);
        assert_eq!(current(2 * PERIOD), 2);
    }

    #[test]
    fn a_key_is_published_until_its_last_token_has_expired() {
        // A token issued in the last millisecond of epoch 1 is valid for `LIFE`.
        let last_moment = 2 * PERIOD - 1 + LIFE;
        assert_eq!(published(last_moment, LIFE), 1..=2);
        assert_eq!(published(last_moment + 1, LIFE), 2..=2);
    }

    #[test]
    fn no_published_key_is_too_old_to_be_kept() {
        // The longest `token.life` that the configuration takes.
        let longest = 7 * DAY;
        for now in (0..4 * PERIOD).step_by(7_654_321) {
            assert!(oldest(now) <= *published(now, longest).start());
        }
        assert_eq!(oldest(2 * PERIOD), 1);
    }

    #[test]
    fn the_signing_key_is_always_published() {
        for now in (0..4 * PERIOD).step_by(7_654_321) {
            assert!(published(now, LIFE).contains(&current(now)));
        }
    }
}
