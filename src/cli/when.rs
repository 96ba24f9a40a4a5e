//! Times for people, in their own time zone. What programs read stays RFC 3339 in UTC.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::{Component, Path};

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use nightlatch::clock::Timestamp;

use super::system;

/// Where the zone of the machine is.
const LOCALTIME: &str = "/etc/localtime";
/// Where the zones with a name are.
const ZONES: &str = "/usr/share/zoneinfo";
/// Longer than any zone's file.
const LONGEST: usize = 1 << 20;

/// The person's time zone: that of `TZ`, else the machine's. It is looked for when the first time is
/// shown, and in its own file: jiff would read the directory of all zones first. One that cannot be
/// read is UTC, and the offset shown says so.
pub struct Zone {
    /// `TZ`.
    name: Option<OsString>,
    found: OnceCell<TimeZone>,
}

impl Zone {
    pub fn new(name: Option<OsString>) -> Self {
        let found = OnceCell::new();
        Self { name, found }
    }

    /// To the second, with the offset: `2026-11-21 11:18:15 +01:00`.
    pub fn second(&self, time: Timestamp) -> String {
        self.tell(time, "%Y-%m-%d %H:%M:%S %:z")
    }

    /// To the second, without year and zone, where there is little room: `11-21 11:18:15`.
    pub fn short(&self, time: Timestamp) -> String {
        self.tell(time, "%m-%d %H:%M:%S")
    }

    /// To the minute, without the year, where there is room for no more: `11-21 11:18`.
    pub fn shortest(&self, time: Timestamp) -> String {
        self.tell(time, "%m-%d %H:%M")
    }

    /// To the minute, where the zone is told elsewhere: `2026-11-21 11:18`.
    pub fn minute(&self, time: Timestamp) -> String {
        self.tell(time, "%Y-%m-%d %H:%M")
    }

    /// To the minute, with the offset: `2026-11-21 11:18 +01:00`.
    pub fn minute_and_zone(&self, time: Timestamp) -> String {
        self.tell(time, "%Y-%m-%d %H:%M %:z")
    }

    fn tell(&self, time: Timestamp, format: &str) -> String {
        let zone = self
            .found
            .get_or_init(|| self.find().unwrap_or(TimeZone::UTC));
        jiff::Timestamp::from_nanosecond(time.unix_nanos().into())
            .and_then(|moment| strtime::format(format, &moment.to_zoned(zone.clone())))
            // No time there is lies out of range; if one did, the moment itself is told.
            .unwrap_or_else(|_| time.to_rfc3339())
    }

    fn find(&self) -> Option<TimeZone> {
        let Some(name) = &self.name else {
            return zone_in(Path::new(LOCALTIME));
        };
        let name = name.to_str()?;
        let name = name.strip_prefix(':').unwrap_or(name);
        let path = Path::new(name);
        let is_plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if path.is_absolute() {
            zone_in(path)
        } else if let Some(zone) = is_plain
            .then(|| zone_in(&Path::new(ZONES).join(path)))
            .flatten()
        {
            Some(zone)
        } else {
            TimeZone::posix(name).ok()
        }
    }
}

/// The zone that a compiled file of the zone database describes.
fn zone_in(path: &Path) -> Option<TimeZone> {
    let rules = system::read(path, LONGEST)?;
    TimeZone::tzif("local", &rules).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::new(Some(name.into()))
    }

    fn in_central_europe(text: &str) -> String {
        let time = Timestamp::parse_rfc3339(text).unwrap();
        zone("CET-1CEST,M3.5.0,M10.5.0/3").second(time)
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
            for name in ["<+14>-14", "<-12>12", "UTC0"] {
                let told = zone(name).second(time);
                assert_eq!(told.len(), "2026-11-21 11:18:15 +01:00".len(), "{told}");
            }
        }
    }

    #[test]
    fn what_is_no_zone_is_utc() {
        let time = Timestamp::from_unix_seconds(1_700_000_000);
        for name in [
            "../../../etc/localtime",
            "/dev/zero",
            "/",
            ".",
            "",
            ":",
            "Nowhere/At_All",
            "/etc/passwd",
        ] {
            assert_eq!(
                zone(name).second(time),
                "2023-11-14 22:13:20 +00:00",
                "{name}"
            );
        }
    }
}
