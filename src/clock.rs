//! Time, handed in: every rule about expiry takes the present as an argument.

#[cfg(unix)]
pub(crate) mod alarm;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod test_clock;
#[cfg(windows)]
mod windows;

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

#[cfg(target_os = "linux")]
use crate::fs::read_proc;

/// A point on the wall clock (UTC), in nanoseconds since 1970-01-01T00:00:00Z.
///
/// Anyone with the right to set the clock moves it; see [`BootTime`] for the one that only runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// From whole seconds since the Unix epoch; saturates at the ends of the range (year 2262).
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// This point moved later by `by`; saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// This point moved earlier by `by`; saturates.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with microseconds: `2026-11-20T23:41:07.123456Z`.
    pub fn to_rfc3339(self) -> String {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
        );
        self.to_offset_date_time()
            .format(format)
            .unwrap_or_default()
    }

    /// Reads an RFC 3339 time with any offset; `None` when it is not one or out of range.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        // Microseconds are written, rounded down: the range begins where that is in it, too.
        let micro = parsed.unix_timestamp_nanos().div_euclid(1000) * 1000;
        i64::try_from(micro).ok()?;
        i64::try_from(parsed.unix_timestamp_nanos()).ok().map(Self)
    }

    /// As [`Timestamp::parse_rfc3339`], and for a time out of range the end of it that is nearer: what
    /// limits a search may lie far beyond what can have happened.
    pub fn parse_rfc3339_or_nearest(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339)
            .ok()?
            .unix_timestamp_nanos();
        let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
        Some(Self(i64::try_from(nanos).unwrap_or(nearest)))
    }

    /// The microsecond it is in, which is as exact as it is written.
    #[must_use]
    pub const fn whole_micros(self) -> Self {
        let below = self.0.rem_euclid(1000);
        // The first microsecond of the range is not whole.
        Self(if self.0 < i64::MIN + below {
            self.0
        } else {
            self.0 - below
        })
    }

    /// The day it is in, in UTC, counted from the first of 1970.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000_000)
    }

    /// The last nanosecond of the day it is in, in UTC.
    #[must_use]
    pub const fn end_of_day(self) -> Self {
        Self((self.day() + 1).saturating_mul(86_400_000_000_000) - 1)
    }

    /// The same point for calendar arithmetic, in UTC.
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Time since this boot, in nanoseconds, suspend included (`CLOCK_BOOTTIME` on Linux). It cannot
/// be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// From nanoseconds since boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This point moved later by `by`; saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// The clock that runs from boot, through suspend.
    pub boot: BootTime,
}

/// Which boot this is, and whether the boot clock is the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The kernel's random id of this boot.
    pub id: [u8; 16],
    /// Whether a time namespace shifts the clocks of this process.
    pub clock_shifted: bool,
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Both clocks, read together.
    fn now(&self) -> Moment;

    /// The identity of the boot.
    ///
    /// # Errors
    /// When the system does not tell; no session can then be judged, so callers fail closed.
    fn boot(&self) -> std::io::Result<Boot>;

    /// Waits; a test's clock advances instead.
    fn sleep(&self, duration: Duration);
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    fn now(&self) -> Moment {
        use nix::libc::{CLOCK_BOOTTIME, CLOCK_REALTIME};

        use crate::memory::clock;
        // Both are always there. If they were not, no session would be live at such times.
        Moment {
            wall: Timestamp(clock(CLOCK_REALTIME)),
            boot: BootTime(u64::try_from(clock(CLOCK_BOOTTIME)).unwrap_or(0)),
        }
    }

    #[cfg(all(unix, not(all(target_os = "linux", target_pointer_width = "64"))))]
    fn now(&self) -> Moment {
        use rustix::time::{ClockId, clock_gettime};
        // macOS: CLOCK_MONOTONIC goes on through sleep there, as CLOCK_BOOTTIME does on Linux.
        #[cfg(target_os = "linux")]
        const BOOT_CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const BOOT_CLOCK: ClockId = ClockId::Monotonic;
        let nanos = |clock| {
            let time = clock_gettime(clock);
            time.tv_sec.saturating_mul(1_000_000_000) + time.tv_nsec
        };
        Moment {
            wall: Timestamp(nanos(ClockId::Realtime)),
            boot: BootTime(u64::try_from(nanos(BOOT_CLOCK)).unwrap_or(0)),
        }
    }

    #[cfg(windows)]
    fn now(&self) -> Moment {
        windows::now()
    }

    #[cfg(target_os = "linux")]
    fn boot(&self) -> std::io::Result<Boot> {
        let mut text = [0; 64];
        let length = read_proc("sys/kernel/random/boot_id", &mut text)?;
        let id = std::str::from_utf8(&text[..length])
            .ok()
            .and_then(|text| uuid::Uuid::try_parse(text.trim()).ok())
            .ok_or_else(|| std::io::Error::other("the kernel's boot id is not a UUID"))?;
        Ok(Boot {
            id: id.into_bytes(),
            clock_shifted: clock_shifted()?,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn boot(&self) -> std::io::Result<Boot> {
        Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "this platform's boot id is not read yet, so there are no sessions here; use it on Linux",
        ))
    }

    #[allow(clippy::disallowed_methods)] // the one place where a process waits
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// Whether `/proc/self/timens_offsets` holds anything but zeros. A kernel without time namespaces
/// has no such file, and nothing to shift; but a process file system of other processes' has none
/// for us either, and tells nothing.
#[cfg(target_os = "linux")]
fn clock_shifted() -> std::io::Result<bool> {
    let mut text = [0; 256];
    match read_proc("self/timens_offsets", &mut text) {
        Ok(length) => Ok(offsets_are_shifted(&text[..length])),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            match read_proc("self/stat", &mut text) {
                Ok(_) => Ok(false),
                Err(_) => Err(std::io::Error::other("/proc does not show this process")),
            }
        }
        Err(error) => Err(error),
    }
}

/// Lines of `name seconds nanoseconds`: any number that is not zero shifts a clock.
#[cfg(target_os = "linux")]
fn offsets_are_shifted(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        line.split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .skip(1)
            .any(|word| word != b"0")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_could_not_be_read_again_as_written_is_out_of_range() {
        let parse = Timestamp::parse_rfc3339;
        assert_eq!(parse("1677-09-21T00:12:43.145224192Z"), None);
        let first = parse("1677-09-21T00:12:43.145225Z");
        assert!(first.is_some());
        assert_eq!(first.and_then(|time| parse(&time.to_rfc3339())), first);
    }

    #[test]
    fn times_are_written_in_utc_with_microseconds_and_read_back() {
        let time = Timestamp::from_unix_nanos(1_763_682_067_123_456_789);
        assert_eq!(time.to_rfc3339(), "2025-11-20T23:41:07.123456Z");
        let read = Timestamp::parse_rfc3339("2025-11-21T00:41:07.123456+01:00").unwrap();
        assert_eq!(read.unix_nanos(), 1_763_682_067_123_456_000);
    }

    #[test]
    fn what_is_not_a_time_is_not_read_as_one() {
        for text in [
            "",
            "yesterday",
            "2025-11-20",
            "9999-12-31T23:59:59Z",
            "2025-13-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn the_boot_clock_runs_and_the_boot_has_an_id() {
        let (first, second) = (SystemClock.now(), SystemClock.now());
        assert!(second.boot >= first.boot);
        assert_ne!(SystemClock.boot().unwrap().id, [0; 16]);
    }

    #[test]
    fn only_a_time_namespace_with_an_offset_shifts_the_clock() {
        assert!(!offsets_are_shifted(
            b"monotonic           0         0\nboottime            0         0\n"
        ));
        assert!(offsets_are_shifted(
            b"monotonic           0         0\nboottime            100         0\n"
        ));
        assert!(offsets_are_shifted(b"monotonic -3 0\nboottime 0 0\n"));
        assert!(!offsets_are_shifted(b""));
    }
}
