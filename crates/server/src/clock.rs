//! The server's clock: one time for all nodes, in milliseconds, which never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use nightlatch_core::clock::{Clock, Timestamp};

/// Nanoseconds in a millisecond.
const MILLI: i64 = 1_000_000;

/// A point in time in milliseconds since 1970-01-01T00:00:00Z, as the database stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// The same time for formatting.
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_unix_nanos(self.0.saturating_mul(MILLI))
    }

    /// Whole seconds since 1970, rounded down, as in a token's `iat`.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `millis`; saturates.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`; negative if it lies in the future.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The time by which sessions, links and throttles are judged: the time since boot plus an offset.
///
/// The offset is that of this machine's wall clock, or of the database's clock where several nodes
/// share one ([`ServerClock::follow`]). A step of the clock backwards is not followed, since it
/// would give sessions more life.
pub struct ServerClock {
    clock: Arc<dyn Clock>,
    /// What to add to the time since boot, in milliseconds.
    offset: AtomicI64,
    /// Whether the wall clock of this machine is followed.
    own: bool,
}

impl ServerClock {
    /// Follows this machine's wall clock, for a single node.
    pub fn of_this_machine(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let offset = wall(now.wall) - boot(now.boot);
        Self {
            clock,
            offset: offset.into(),
            own: true,
        }
    }

    /// Follows the clock of a database that several nodes share, starting with this reading.
    pub fn of_the_database(clock: Arc<dyn Clock>, reading: Millis) -> Self {
        let offset = reading.0 - boot(clock.now().boot);
        Self {
            clock,
            offset: offset.into(),
            own: false,
        }
    }

    /// The current time.
    pub fn now(&self) -> Millis {
        let now = self.clock.now();
        let boot = boot(now.boot);
        if self.own {
            self.offset
                .fetch_max(wall(now.wall) - boot, Ordering::Relaxed);
        }
        Millis(boot + self.offset.load(Ordering::Relaxed))
    }

    /// Takes over a reading of the database's clock that was just made. A reading that would set
    /// the time back is ignored.
    pub fn follow(&self, database: Millis) {
        let boot = boot(self.clock.now().boot);
        self.offset.fetch_max(database.0 - boot, Ordering::Relaxed);
    }
}

/// A length of time in milliseconds; one that is too long is the longest.
pub fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// A length of time of so many milliseconds; none if they are negative.
pub fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn wall(time: Timestamp) -> i64 {
    time.unix_nanos().div_euclid(MILLI)
}

fn boot(time: nightlatch_core::clock::BootTime) -> i64 {
    i64::try_from(time.nanos() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use nightlatch_core::clock::test_clock::TestClock;

    use super::*;

    #[test]
    fn a_single_node_follows_its_wall_clock_forwards_and_never_back() {
        let machine = Arc::new(TestClock::new());
        let clock = ServerClock::of_this_machine(machine.clone());
        let start = clock.now();
        assert_eq!(start.timestamp(), machine.now().wall);
        machine.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), start.plus(1000));
        machine.set_wall(60);
        assert_eq!(clock.now(), start.plus(61_000));
        machine.set_wall(-3600);
        assert_eq!(clock.now(), start.plus(61_000));
        machine.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), start.plus(62_000));
    }

    #[test]
    fn several_nodes_follow_the_database_and_not_their_wall_clocks() {
        let machine = Arc::new(TestClock::new());
        let database = Millis(5_000_000);
        let clock = ServerClock::of_the_database(machine.clone(), database);
        machine.set_wall(3600);
        machine.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), database.plus(1000));
        clock.follow(database.plus(1500));
        assert_eq!(clock.now(), database.plus(1500));
        // A standby that took over may be behind.
        clock.follow(database);
        assert_eq!(clock.now(), database.plus(1500));
    }
}
