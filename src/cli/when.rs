//! Times for people, in their own time zone. What programs read stays RFC 3339 in UTC.
//!
//! The zone is `TZ`, else `/etc/localtime`, as jiff finds it when the first time is shown: what shows
//! none does not look. A zone that cannot be read is UTC, and the offset shown says so.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use nightlatch::clock::Timestamp;

/// To the second, with the offset: `2026-11-21 11:18:15 +01:00`.
pub fn second(time: Timestamp) -> String {
    in_zone(time, TimeZone::system(), "%Y-%m-%d %H:%M:%S %:z")
}

/// To the second, without year and zone, where there is little room: `11-21 11:18:15`.
pub fn short(time: Timestamp) -> String {
    in_zone(time, TimeZone::system(), "%m-%d %H:%M:%S")
}

/// To the minute, without the year, where there is room for no more: `11-21 11:18`.
pub fn shortest(time: Timestamp) -> String {
    in_zone(time, TimeZone::system(), "%m-%d %H:%M")
}

/// To the minute, where the zone is told elsewhere: `2026-11-21 11:18`.
pub fn minute(time: Timestamp) -> String {
    in_zone(time, TimeZone::system(), "%Y-%m-%d %H:%M")
}

/// To the minute, with the offset: `2026-11-21 11:18 +01:00`.
pub fn minute_and_zone(time: Timestamp) -> String {
    in_zone(time, TimeZone::system(), "%Y-%m-%d %H:%M %:z")
}

fn in_zone(time: Timestamp, zone: TimeZone, format: &str) -> String {
    jiff::Timestamp::from_nanosecond(time.unix_nanos().into())
        .and_then(|moment| strtime::format(format, &moment.to_zoned(zone)))
        // No time there is lies out of range; if one did, the moment itself is told.
        .unwrap_or_else(|_| time.to_rfc3339())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FORMAT: &str = "%Y-%m-%d %H:%M:%S %:z";

    fn in_central_europe(text: &str) -> String {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        in_zone(Timestamp::parse_rfc3339(text).unwrap(), zone, FORMAT)
    }

    #[test]
    fn summer_and_winter_have_their_own_offsets_to_the_second() {
        for (utc, local) in [
            ("2026-03-29T00:59:59Z", "2026-03-29 01:59:59 +01:00"),
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00:00 +02:00"),
            ("2026-10-25T00:59:59Z", "2026-10-25 02:59:59 +02:00"),
            ("2026-10-25T01:00:00Z", "2026-10-25 02:00:00 +01:00"),
            ("2026-12-31T23:30:00Z", "2027-01-01 00:30:00 +01:00"),
        ] {
            assert_eq!(in_central_europe(utc), local);
        }
    }

    #[test]
    fn the_ends_of_the_range_are_told_too() {
        for nanos in [i64::MIN, -1, 0, i64::MAX] {
            let time = Timestamp::from_unix_nanos(nanos);
            for zone in ["<+14>-14", "<-12>12", "UTC0"] {
                let told = in_zone(time, TimeZone::posix(zone).unwrap(), FORMAT);
                assert_eq!(told.len(), "2026-11-21 11:18:15 +01:00".len(), "{told}");
            }
        }
    }
}
