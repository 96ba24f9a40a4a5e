//! Logs of earlier days, written by the library with a shifted clock.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::AuditLog;
use nightlatch_audit::{Action, Details, Event, Retention};
use nightlatch_core::clock::{Boot, Clock, Moment, Timestamp};
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;

use super::{Home, files_in};

pub const DAY: u64 = 24 * 3600;

/// The machine's clock, shifted by some days.
struct Shifted {
    days: i64,
}

impl Clock for Shifted {
    fn now(&self) -> Moment {
        let now = SystemClock.now();
        let by = Duration::from_secs(self.days.unsigned_abs() * DAY);
        let wall = if self.days < 0 {
            Timestamp::minus(now.wall, by)
        } else {
            Timestamp::plus(now.wall, by)
        };
        Moment { wall, ..now }
    }

    fn boot(&self) -> std::io::Result<Boot> {
        SystemClock.boot()
    }

    fn sleep(&self, _: Duration) {}
}

/// The log of `home`, used this many days from now.
pub fn log_on_day(home: &Home, days: i64) -> AuditLog {
    let dir = Dir::open_or_create(&home.path()).unwrap();
    AuditLog::new(Arc::new(dir), Arc::new(Shifted { days }))
}

/// An event that is not sealed at once.
pub fn used(action: &str) -> Event {
    Event::new(Details::SessionValidated {
        action: Action::new(action),
    })
}

/// A home whose log was used on each of the ten days up to yesterday, with a retention of two days.
pub fn used_for_days() -> Home {
    let home = Home::new();
    keep_for_two_days(&home);
    use_on(&home, -10..0);
    home
}

/// Such a home after a removal some days ago, with more to remove now.
pub fn pruned_before() -> Home {
    let home = Home::new();
    keep_for_two_days(&home);
    use_on(&home, -20..-5);
    let retention = Retention::new(Duration::from_secs(2 * DAY)).unwrap();
    let removed = log_on_day(&home, -6).prune(retention).unwrap().segments;
    assert!(removed.len() > 5, "{removed:?}");
    use_on(&home, -5..0);
    home
}

/// Uses the log of `home` once on each of these days, relative to today.
pub fn use_on(home: &Home, days: impl IntoIterator<Item = i64>) {
    for day in days {
        let log = log_on_day(home, day);
        log.append_durable(&[used("a")]).unwrap();
    }
}

/// The names of the segments, oldest first.
pub fn segments(home: &Home) -> Vec<String> {
    let names = files_in(&home.path().join("audit"));
    let names = names.iter().map(|path| path.file_name().unwrap());
    let mut names: Vec<_> = names
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    names.retain(|name| name.starts_with('0'));
    names
}

/// Configures the shortest retention under which something can be removed after a few days.
pub fn keep_for_two_days(home: &Home) {
    home.configure_audit("", "retention = \"2d\"\nsyslog = false");
}
