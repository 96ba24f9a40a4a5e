//! When a session is live: pure rules over its times, in which the clock is an argument.

use std::time::Duration;

use crate::clock::{Boot, BootTime, Moment, Timestamp};
use crate::limits::Limits;

/// How far the wall clock may step back between two readings before it counts as set back: as much
/// as a time daemon corrects.
pub const WALL_CLOCK_SLACK: Duration = Duration::from_secs(5);

/// How far the two clocks may differ while nobody sets one: half a second in a quarter of an hour,
/// at the fastest that a time daemon slews, and the time between the two readings.
const CLOCKS_APART: Duration = Duration::from_secs(1);

/// Why a session is no longer live by its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // whoever judges a session handles every case
pub enum Expired {
    /// No activity for the idle limit.
    Idle,
    /// The absolute limit was reached.
    Max,
    /// The wall clock went back, or ran ahead of the boot clock.
    Clock,
    /// The machine has rebooted since.
    Reboot,
    /// A time namespace shifts the clocks of this process.
    TimeNamespace,
}

/// Which limit will end the session without further activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::exhaustive_enums)] // whoever judges a session handles every case
pub enum LimitedBy {
    /// The idle timeout, which activity extends.
    Idle,
    /// The absolute limit, which nothing extends.
    Max,
}

/// The judgement of a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // whoever judges a session handles every case
pub struct Live {
    /// The remaining time without activity; more than zero, at most the idle limit.
    pub remaining: Duration,
    /// The limit that ends it then.
    pub limited_by: LimitedBy,
}

/// The times of a session that decide whether it is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // whoever judges a session handles every case
pub struct Lifetime {
    /// The idle limit.
    pub idle: Duration,
    /// The boot on which it began.
    pub boot_id: [u8; 16],
    /// The last activity.
    pub last: Moment,
    /// The absolute deadline.
    pub deadline: Moment,
}

impl Lifetime {
    /// Judges by the clocks whether the session is live.
    ///
    /// A session is live one nanosecond before a limit and dead at the limit. The boot clock cannot
    /// be set and includes suspend. The wall clock is checked as well: setting it either way, which
    /// an unprivileged user cannot do, ends a session instead of lengthening it.
    ///
    /// # Errors
    /// Why it is not live.
    pub fn judge(&self, now: Moment, boot: Boot) -> Result<Live, Expired> {
        if boot.clock_shifted {
            return Err(Expired::TimeNamespace);
        }
        if boot.id != self.boot_id {
            return Err(Expired::Reboot);
        }
        // The boot clock never runs backwards during a boot, so the times are not ours.
        let idle_for = duration_between(self.last.boot, now.boot).ok_or(Expired::Clock)?;
        let until_max = match duration_between(now.boot, self.deadline.boot) {
            None | Some(Duration::ZERO) => return Err(Expired::Max),
            Some(left) => left.min(self.deadline.wall.since(now.wall)),
        };
        if idle_for >= self.idle {
            return Err(Expired::Idle);
        }
        if until_max.is_zero() {
            return Err(Expired::Max);
        }
        if now.wall.plus(WALL_CLOCK_SLACK) < self.last.wall {
            return Err(Expired::Clock);
        }
        let idle_by_wall = now.wall.since(self.last.wall);
        if idle_by_wall >= self.idle {
            return Err(Expired::Clock);
        }
        let until_idle = self.idle.saturating_sub(idle_for.max(idle_by_wall));
        Ok(first_of(until_idle, until_max))
    }

    /// The judgement right after activity at `now`: the full idle limit, or what the absolute limit
    /// leaves.
    pub fn after_activity(&self, now: Moment) -> Live {
        let Moment { wall, boot } = self.deadline;
        first_of(self.idle, boot.since(now.boot).min(wall.since(now.wall)))
    }

    /// When a session that was found `live` at `at` ends without activity, on the wall clock. The
    /// result is the same for the same last activity, whenever it is computed, unless the wall
    /// clock was set since.
    pub fn expires_at(&self, live: Live, at: Moment) -> Timestamp {
        let by_activity = self.last.wall.plus(self.idle).min(self.deadline.wall);
        let by_now = at.wall.plus(live.remaining);
        if by_activity.since(by_now) < CLOCKS_APART {
            by_activity
        } else {
            by_now
        }
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

    fn lifetime() -> Lifetime {
        Lifetime {
            idle: IDLE,
            boot_id: BOOT.id,
            last: START,
            deadline: deadline(START, Limits::default()),
        }
    }

    fn after(wall: Duration, boot: Duration) -> Moment {
        Moment {
            wall: START.wall.plus(wall),
            boot: START.boot.plus(boot),
        }
    }

    fn judged(now: Moment) -> Result<Live, Expired> {
        lifetime().judge(now, BOOT)
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
        assert_eq!(judged(after(IDLE, IDLE)), Err(Expired::Idle));
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
            Err(Expired::Idle)
        );
    }

    #[test]
    fn an_expiry_is_one_time_until_the_wall_clock_is_set() {
        let second = Duration::from_secs(1);
        let expires = |now: Moment| {
            let live = judged(now);
            live.map(|live| lifetime().expires_at(live, now))
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
            Err(Expired::Clock)
        );
    }

    #[test]
    fn a_wall_clock_set_forward_past_the_idle_limit_ends_the_session() {
        assert_eq!(
            judged(after(IDLE, Duration::from_secs(1))),
            Err(Expired::Clock)
        );
    }

    #[test]
    fn the_absolute_limit_ends_a_session_in_use() {
        let mut used = lifetime();
        let near = Limits::default().max() - Duration::from_secs(10);
        used.last = after(near, near);
        let now = after(near + Duration::from_secs(3), near + Duration::from_secs(3));
        assert_eq!(
            used.judge(now, BOOT),
            Ok(Live {
                remaining: Duration::from_secs(7),
                limited_by: LimitedBy::Max
            })
        );
        let end = Limits::default().max();
        assert_eq!(used.judge(after(end, end), BOOT), Err(Expired::Max));
        assert_eq!(
            used.judge(after(end, near), BOOT),
            Err(Expired::Max),
            "by the wall clock"
        );
        assert_eq!(
            used.judge(after(near, end), BOOT),
            Err(Expired::Max),
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
        assert_eq!(lifetime().judge(now, rebooted), Err(Expired::Reboot));
        let shifted = Boot {
            clock_shifted: true,
            ..BOOT
        };
        assert_eq!(lifetime().judge(now, shifted), Err(Expired::TimeNamespace));
    }

    #[test]
    fn a_boot_clock_before_the_last_activity_ends_the_session() {
        let before = Moment {
            wall: START.wall,
            boot: BootTime::from_nanos(0),
        };
        assert_eq!(judged(before), Err(Expired::Clock));
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
            let mut state = lifetime();
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
                let judged = state.judge(now, boot);
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
                    let live = state.after_activity(now);
                    prop_assert!(live.remaining <= IDLE && elapsed + live.remaining <= max);
                }
            }
        }
    }
}
