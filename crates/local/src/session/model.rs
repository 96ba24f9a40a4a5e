//! When a session is live: pure rules over the file's claims, the keeper's payload, and the time.

use std::time::Duration;

pub use super::reasons::{Elsewhere, EndReason};
use crate::config::{GENERATION_CEILING, Limits, MAX_CEILING};
use nightlatch_core::clock::{Boot, BootTime, Moment, Timestamp};
use nightlatch_core::crypto::Key;
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_platform::fs::FileIdentity;

/// How far the wall clock may step back between two readings before it counts as set back: as much
/// as a time daemon corrects.
pub const WALL_CLOCK_SLACK: Duration = Duration::from_secs(5);

/// How far the two clocks may differ while nobody sets one: half a second in a quarter of an hour,
/// at the fastest that a time daemon slews, and the time between the two readings.
const CLOCKS_APART: Duration = Duration::from_secs(1);

/// The constant part of a session, sealed in the session file.
pub struct Claims {
    /// The session.
    pub session: SessionId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The account's normalized email, so that nothing else has to be opened to show it.
    pub username: String,
    /// When the account signed in.
    pub created: Moment,
    /// The idle limit, from 1 s to 15 min.
    pub idle: Duration,
    /// The absolute deadline, on the wall clock.
    pub deadline: Timestamp,
    /// The account's key, from which the keys of its data are derived.
    pub account_key: Key,
}

/// The changing part of a session, held by the keeper and never on disk.
pub struct Activity {
    /// K: opens the session file.
    pub key: Key,
    /// The session it belongs to.
    pub session: SessionId,
    /// The boot it belongs to.
    pub boot_id: [u8; 16],
    /// The account's generation at sign-in; a password change increments the account's.
    pub generation: u64,
    /// The last activity.
    pub last: Moment,
    /// The absolute deadline, on both clocks.
    pub deadline: Moment,
    /// SHA-256 of the session file as it was written.
    pub file_hash: [u8; 32],
    /// The file that the home's id was read from, which distinguishes the home from its copies.
    pub home: FileIdentity,
}

/// Which limit will end the session without further activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitedBy {
    /// The idle timeout, which activity extends.
    Idle,
    /// The absolute limit, which nothing extends.
    Max,
}

/// The judgement of a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// The remaining time without activity; more than zero, at most the idle limit.
    pub remaining: Duration,
    /// The limit that ends it then.
    pub limited_by: LimitedBy,
}

/// Whether the keeper's payload can belong to a session with these `claims`. This bounds a forged
/// session.
///
/// # Errors
/// [`EndReason::Corrupt`] when it would have been used before it began, by the boot clock, which nobody
/// can set; when it could last longer than any session may; or when no account can have its
/// generation.
pub fn check(claims: &Claims, activity: &Activity) -> Result<(), EndReason> {
    let begun = claims.created;
    if activity.deadline.wall != claims.deadline
        || activity.deadline.boot > begun.boot.plus(MAX_CEILING)
        || activity.last.boot < begun.boot
        || activity.generation > GENERATION_CEILING
    {
        return Err(EndReason::Corrupt);
    }
    Ok(())
}

/// Judges by the clocks whether a session with this `idle` limit and this `activity` is live.
///
/// A session is live one nanosecond before a limit and dead at the limit. The boot clock cannot be
/// set and includes suspend. The wall clock is checked as well: setting it either way, which an
/// unprivileged user cannot do, ends a session instead of lengthening it.
///
/// # Errors
/// Why it is not live.
pub fn judge(
    idle: Duration,
    activity: &Activity,
    now: Moment,
    boot: Boot,
) -> Result<Live, EndReason> {
    if boot.clock_shifted {
        return Err(EndReason::TimeNamespace);
    }
    if boot.id != activity.boot_id {
        return Err(EndReason::Reboot);
    }
    // The boot clock never runs backwards during a boot, so the payload is not ours.
    let idle_for = duration_between(activity.last.boot, now.boot).ok_or(EndReason::Clock)?;
    let until_max = match duration_between(now.boot, activity.deadline.boot) {
        None | Some(Duration::ZERO) => return Err(EndReason::Max),
        Some(left) => left.min(activity.deadline.wall.since(now.wall)),
    };
    if idle_for >= idle {
        return Err(EndReason::Idle);
    }
    if until_max.is_zero() {
        return Err(EndReason::Max);
    }
    if now.wall.plus(WALL_CLOCK_SLACK) < activity.last.wall {
        return Err(EndReason::Clock);
    }
    let idle_by_wall = now.wall.since(activity.last.wall);
    if idle_by_wall >= idle {
        return Err(EndReason::Clock);
    }
    let until_idle = idle.saturating_sub(idle_for.max(idle_by_wall));
    Ok(first_of(until_idle, until_max))
}

/// The judgement right after activity at `now`: the full idle limit, or what the absolute limit
/// leaves.
pub fn after_activity(idle: Duration, activity: &Activity, now: Moment) -> Live {
    let Moment { wall, boot } = activity.deadline;
    first_of(idle, boot.since(now.boot).min(wall.since(now.wall)))
}

/// When a session that was found `live` at `at` ends without activity, on the wall clock. The
/// result is the same for the same last activity, whenever it is computed, unless the wall clock
/// was set since.
pub fn expires_at(idle: Duration, activity: &Activity, live: Live, at: Moment) -> Timestamp {
    let by_activity = activity.last.wall.plus(idle).min(activity.deadline.wall);
    let by_now = at.wall.plus(live.remaining);
    if by_activity.since(by_now) < CLOCKS_APART {
        by_activity
    } else {
        by_now
    }
}

/// The limit that is reached first.
fn first_of(until_idle: Duration, until_max: Duration) -> Live {
    let (remaining, limited_by) = if until_max <= until_idle {
        (until_max, LimitedBy::Max)
    } else {
        (until_idle, LimitedBy::Idle)
    };
    Live {
        remaining,
        limited_by,
    }
}

/// The time from `from` to `to`; `None` when `to` is earlier.
fn duration_between(from: BootTime, to: BootTime) -> Option<Duration> {
    to.nanos()
        .checked_sub(from.nanos())
        .map(Duration::from_nanos)
}

/// The absolute deadline of a session that starts `now`, on both clocks.
pub fn deadline(now: Moment, limits: Limits) -> Moment {
    Moment {
        wall: now.wall.plus(limits.max()),
        boot: now.boot.plus(limits.max()),
    }
}

#[cfg(test)]
#[allow(clippy::unchecked_time_subtraction)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDLE: Duration = Duration::from_secs(900);
    const BOOT: Boot = Boot {
        id: [1; 16],
        clock_shifted: false,
    };
    const START: Moment = Moment {
        wall: Timestamp::from_unix_seconds(1_700_000_000),
        boot: BootTime::from_nanos(5_000_000_000),
    };

    fn activity() -> Activity {
        Activity {
            key: Key::zeroed(),
            session: SessionId::from_bytes([2; 16]),
            boot_id: BOOT.id,
            generation: 1,
            last: START,
            deadline: deadline(START, Limits::default()),
            file_hash: [0; 32],
            home: FileIdentity {
                device: 1,
                inode: 2,
                changed: 3,
            },
        }
    }

    fn claims() -> Claims {
        Claims {
            session: SessionId::from_bytes([2; 16]),
            account: AccountId::from_bytes([3; 16]),
            username: "alice@example.com".to_owned(),
            created: START,
            idle: IDLE,
            deadline: deadline(START, Limits::default()).wall,
            account_key: Key::zeroed(),
        }
    }

    #[test]
    fn a_payload_that_does_not_fit_its_claims_is_corrupt() {
        let checked = |change: fn(&mut Activity)| {
            let mut activity = activity();
            change(&mut activity);
            check(&claims(), &activity)
        };
        assert_eq!(checked(|_| ()), Ok(()));
        for change in [
            |activity: &mut Activity| {
                activity.deadline.wall = activity.deadline.wall.plus(Duration::from_nanos(1));
            },
            |activity: &mut Activity| {
                activity.deadline.boot = START.boot.plus(MAX_CEILING + Duration::from_nanos(1));
            },
            |activity: &mut Activity| activity.last.boot = BootTime::from_nanos(1),
            |activity: &mut Activity| activity.generation = GENERATION_CEILING + 1,
        ] {
            assert_eq!(checked(change), Err(EndReason::Corrupt));
        }
    }

    #[test]
    fn a_session_that_begins_in_the_future_is_not_taken() {
        let begun = |boot| Claims {
            created: Moment { boot, ..START },
            ..claims()
        };
        assert_eq!(check(&begun(START.boot), &activity()), Ok(()));
        let later = START.boot.plus(Duration::from_nanos(1));
        assert_eq!(check(&begun(later), &activity()), Err(EndReason::Corrupt));
        let mut used = activity();
        used.last.boot = later;
        assert_eq!(check(&begun(later), &used), Ok(()));
        assert_eq!(judge(IDLE, &used, START, BOOT), Err(EndReason::Clock));
    }

    fn after(wall: Duration, boot: Duration) -> Moment {
        Moment {
            wall: START.wall.plus(wall),
            boot: START.boot.plus(boot),
        }
    }

    fn judged(now: Moment) -> Result<Live, EndReason> {
        judge(IDLE, &activity(), now, BOOT)
    }

    #[test]
    fn a_session_is_live_until_its_last_nanosecond_and_dead_at_the_limit() {
        let last = IDLE - Duration::from_nanos(1);
        assert_eq!(
            judged(after(last, last)),
            Ok(Live {
                remaining: Duration::from_nanos(1),
                limited_by: LimitedBy::Idle
            })
        );
        assert_eq!(judged(after(IDLE, IDLE)), Err(EndReason::Idle));
        assert!(
            judged(after(
                Duration::from_millis(899_900),
                Duration::from_millis(899_900)
            ))
            .is_ok()
        );
    }

    #[test]
    fn suspend_counts_because_the_boot_clock_runs_through_it() {
        assert_eq!(
            judged(after(Duration::from_secs(1), IDLE)),
            Err(EndReason::Idle)
        );
    }

    #[test]
    fn an_expiry_is_one_time_until_the_wall_clock_is_set() {
        let second = Duration::from_secs(1);
        let expires = |now: Moment| {
            let live = judged(now);
            live.map(|live| expires_at(IDLE, &activity(), live, now))
        };
        let promised = Ok(START.wall.plus(IDLE));
        let apart = Duration::from_millis(400);
        for (wall, boot) in [
            (second, second),
            (second, second + Duration::from_nanos(700)),
            (second + apart, second),
            (second, second + apart),
        ] {
            assert_eq!(expires(after(wall, boot)), promised);
        }
        // Set back by three seconds, so it ends three seconds earlier by the displayed time.
        let set_back = after(second, 4 * second);
        assert_eq!(expires(set_back), Ok(START.wall.plus(IDLE - 3 * second)));
    }

    #[test]
    fn a_wall_clock_set_back_ends_the_session_beyond_what_a_time_daemon_corrects() {
        let second = Duration::from_secs(1);
        let set_back = |by| Moment {
            wall: START.wall.minus(by),
            boot: START.boot.plus(second),
        };
        assert!(judged(set_back(WALL_CLOCK_SLACK)).is_ok());
        assert_eq!(
            judged(set_back(WALL_CLOCK_SLACK + Duration::from_nanos(1))),
            Err(EndReason::Clock)
        );
    }

    #[test]
    fn a_wall_clock_set_forward_past_the_idle_limit_ends_the_session() {
        assert_eq!(
            judged(after(IDLE, Duration::from_secs(1))),
            Err(EndReason::Clock)
        );
    }

    #[test]
    fn the_absolute_limit_ends_a_session_in_use() {
        let mut used = activity();
        let near = Limits::default().max() - Duration::from_secs(10);
        used.last = after(near, near);
        let now = after(near + Duration::from_secs(3), near + Duration::from_secs(3));
        assert_eq!(
            judge(IDLE, &used, now, BOOT),
            Ok(Live {
                remaining: Duration::from_secs(7),
                limited_by: LimitedBy::Max
            })
        );
        let end = Limits::default().max();
        assert_eq!(
            judge(IDLE, &used, after(end, end), BOOT),
            Err(EndReason::Max)
        );
        assert_eq!(
            judge(IDLE, &used, after(end, near), BOOT),
            Err(EndReason::Max),
            "by the wall clock"
        );
        assert_eq!(
            judge(IDLE, &used, after(near, end), BOOT),
            Err(EndReason::Max),
            "by the boot clock"
        );
    }

    #[test]
    fn another_boot_or_a_shifted_clock_ends_the_session() {
        let now = after(Duration::ZERO, Duration::ZERO);
        let rebooted = Boot {
            id: [9; 16],
            ..BOOT
        };
        assert_eq!(
            judge(IDLE, &activity(), now, rebooted),
            Err(EndReason::Reboot)
        );
        let shifted = Boot {
            clock_shifted: true,
            ..BOOT
        };
        assert_eq!(
            judge(IDLE, &activity(), now, shifted),
            Err(EndReason::TimeNamespace)
        );
    }

    #[test]
    fn a_boot_clock_before_the_last_activity_ends_the_session() {
        let before = Moment {
            wall: START.wall,
            boot: BootTime::from_nanos(0),
        };
        assert_eq!(judged(before), Err(EndReason::Clock));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Pass(u64),
        Use,
        /// The wall clock is behind when the machine wakes.
        Suspend(u64),
        SetWall(i64),
        /// The boot clock of the next boot may have any value.
        Reboot(u64),
        Namespace,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let calm = || {
            let pass = prop_oneof![20 => 0..450_u64, 1 => 899..=900_u64];
            prop_oneof![1 => pass.prop_map(Step::Pass), 2 => Just(Step::Use)]
        };
        let wild = prop_oneof![
            20 => calm(),
            1 => (0..1200_u64).prop_map(Step::Suspend),
            4 => (-5..=5_i64).prop_map(Step::SetWall),
            1 => (-100_000..100_000_i64).prop_map(Step::SetWall),
            1 => (0..20_000_u64).prop_map(Step::Reboot),
            1 => Just(Step::Namespace),
        ];
        // A session that stays in use reaches its absolute limit.
        prop_oneof![
            prop::collection::vec(calm(), 1..300),
            prop::collection::vec(wild, 1..300)
        ]
    }

    proptest! {
        /// Whatever happens to the clocks and the machine, and however often the session is used,
        /// it is never live once the idle limit has passed since the last use, nor after the
        /// absolute limit since sign-in, nor on another boot. Undisturbed, it lives until then.
        #[test]
        fn no_course_of_events_lengthens_a_session(steps in steps()) {
            let max = Limits::default().max();
            let mut state = activity();
            let mut now = START;
            let mut boot = BOOT;
            let (mut elapsed, mut last_used) = (Duration::ZERO, Duration::ZERO);
            let (mut rebooted, mut left_alone) = (false, true);
            for step in steps {
                left_alone &= matches!(step, Step::Pass(_) | Step::Use);
                match step {
                    Step::Pass(seconds) | Step::Suspend(seconds) => {
                        let by = Duration::from_secs(seconds);
                        elapsed += by;
                        now.boot = now.boot.plus(by);
                        if matches!(step, Step::Pass(_)) {
                            now.wall = now.wall.plus(by);
                        }
                    }
                    Step::SetWall(seconds) => {
                        let by = Duration::from_secs(seconds.unsigned_abs());
                        now.wall = if seconds < 0 { now.wall.minus(by) } else { now.wall.plus(by) };
                    }
                    Step::Reboot(uptime) => {
                        rebooted = true;
                        boot.id = [9; 16];
                        now.boot = START.boot.plus(Duration::from_secs(uptime));
                    }
                    Step::Namespace => boot.clock_shifted ^= true,
                    Step::Use => {}
                }
                let within = elapsed - last_used < IDLE && elapsed < max;
                let judged = judge(IDLE, &state, now, boot);
                if left_alone {
                    prop_assert_eq!(judged.is_ok(), within);
                }
                let Ok(live) = judged else { continue };
                prop_assert!(within && !rebooted && !boot.clock_shifted);
                prop_assert!(!live.remaining.is_zero());
                prop_assert!(elapsed - last_used + live.remaining <= IDLE);
                prop_assert!(elapsed + live.remaining <= max);
                if matches!(step, Step::Use) {
                    state.last = now;
                    last_used = elapsed;
                    let live = after_activity(IDLE, &state, now);
                    prop_assert!(live.remaining <= IDLE && elapsed + live.remaining <= max);
                }
            }
        }
    }
}
