//! Time types, and the [`Clock`] trait. Every rule about expiry takes the current time as an
//! argument.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;
#[cfg(any(test, feature = "test-util"))]
#[doc(hidden)]
pub mod test_clock;

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A point on the wall clock (UTC), in nanoseconds since 1970-01-01T00:00:00Z.
///
/// Anyone with the right to set the clock can move it. [`BootTime`] cannot be set.
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
        // Times are written in microseconds, rounded down, so the rounded value must be in range
        // too.
        let micro = parsed.unix_timestamp_nanos().div_euclid(1000) * 1000;
        i64::try_from(micro).ok()?;
        i64::try_from(parsed.unix_timestamp_nanos()).ok().map(Self)
    }

    /// As [`Timestamp::parse_rfc3339`], but a time out of range becomes the nearest end of the
    /// range. For search limits, which may lie far outside the log's own times.
    pub fn parse_rfc3339_or_nearest(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339)
            .ok()?
            .unix_timestamp_nanos();
        let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
        Some(Self(i64::try_from(nanos).unwrap_or(nearest)))
    }

    /// This time rounded down to the microsecond, the precision in which times are written.
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

    /// Days since 1970-01-01, in UTC.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000_000)
    }

    /// The last nanosecond of this UTC day.
    #[must_use]
    pub const fn end_of_day(self) -> Self {
        Self((self.day() + 1).saturating_mul(86_400_000_000_000) - 1)
    }

    /// The same time as an `OffsetDateTime` in UTC, for calendar arithmetic.
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

/// Time since boot in nanoseconds, including suspend (`CLOCK_BOOTTIME` on Linux). It cannot be set.
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
#[allow(clippy::exhaustive_structs)] // a clock outside of this crate makes it
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// The boot clock, which includes suspend.
    pub boot: BootTime,
}

/// Identifies this boot and says whether the boot clock is the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // a clock outside of this crate makes it
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

    /// The identity of this boot.
    ///
    /// # Errors
    /// When the system does not provide one. Sessions cannot be judged without it, so callers fail
    /// closed.
    fn boot(&self) -> std::io::Result<Boot>;

    /// Waits for `duration`; a test clock advances instead.
    fn sleep(&self, duration: Duration);
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
}
