//! A clock that a test sets.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::{Boot, BootTime, Clock, Moment, Timestamp};

/// Moves only when a test moves it. `sleep` advances it at once.
pub struct TestClock(Mutex<Machine>);

/// The state that a test may change.
#[allow(clippy::exhaustive_structs)] // a test sets what it likes
pub struct Machine {
    pub wall: Timestamp,
    pub boot: BootTime,
    pub boot_id: [u8; 16],
    pub shifted: bool,
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TestClock {
    /// A machine that has been up for an hour, in January 2027.
    pub fn new() -> Self {
        Self(Mutex::new(Machine {
            wall: Timestamp::from_unix_seconds(1_800_000_000),
            boot: BootTime::from_nanos(3_600_000_000_000),
            boot_id: [1; 16],
            shifted: false,
        }))
    }

    pub fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap()
    }

    /// Advances both clocks, as time does whether the machine is awake or suspended.
    pub fn advance(&self, by: Duration) {
        let mut machine = self.machine();
        machine.wall = machine.wall.plus(by);
        machine.boot = machine.boot.plus(by);
    }

    /// Sets the wall clock forward or back by this many seconds.
    pub fn set_wall(&self, seconds: i64) {
        let mut machine = self.machine();
        let by = Duration::from_secs(seconds.unsigned_abs());
        machine.wall = match seconds {
            0.. => machine.wall.plus(by),
            _ => machine.wall.minus(by),
        };
    }

    /// Reboots the machine; it is up again a minute later.
    pub fn reboot(&self) {
        self.advance(Duration::from_secs(60));
        let mut machine = self.machine();
        machine.boot = BootTime::from_nanos(1_000_000_000);
        machine.boot_id[0] += 1;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        let machine = self.machine();
        Moment {
            wall: machine.wall,
            boot: machine.boot,
        }
    }

    fn boot(&self) -> std::io::Result<Boot> {
        let machine = self.machine();
        Ok(Boot {
            id: machine.boot_id,
            clock_shifted: machine.shifted,
        })
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}
