//! Times for people, in their own time zone. Output for programs stays in RFC 3339 and UTC.

use std::ffi::OsString;
use std::path::{Component, Path};
use std::sync::OnceLock;

use jiff::civil::{Date, Time};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use nightlatch_core::clock::Timestamp;

use super::system;

/// The machine's time zone.
const LOCALTIME: &str = "/etc/localtime";
/// The directory of named zones.
const ZONES: &str = "/usr/share/zoneinfo";
/// Larger than any zone's file.
const LONGEST: usize = 1 << 20;

/// The person's time zone: that of `TZ`, or else the machine's. It is loaded when the first time is
/// shown, and directly from its file: jiff would read the directory of all zones first. If it
/// cannot be read, UTC is used, and the offset shows that.
pub struct Zone {
    /// `TZ`.
    name: Option<OsString>,
    found: OnceLock<TimeZone>,
}

impl Zone {
    pub fn new(name: Option<OsString>) -> Self {
        let found = OnceLock::new();
        Self { name, found }
    }

    /// To the second, with the offset: `2026-11-21 11:18:15 +01:00`.
    pub fn second(&self, time: Timestamp) -> String {
        self.tell(time, "%Y-%m-%d %H:%M:%S %:z")
    }

    /// To the second, without the zone: `2026-11-21 11:18:15`.
    pub fn without_zone(&self, time: Timestamp) -> String {
        self.tell(time, "%Y-%m-%d %H:%M:%S")
    }

    /// To the second, without year and zone, for narrow columns: `11-21 11:18:15`.
    pub fn short(&self, time: Timestamp) -> String {
        self.tell(time, "%m-%d %H:%M:%S")
    }

    /// To the minute, without the year, for the narrowest columns: `11-21 11:18`.
    pub fn shortest(&self, time: Timestamp) -> String {
        self.tell(time, "%m-%d %H:%M")
    }

    /// The time of day to the minute: `11:18`.
    pub fn of_day(&self, time: Timestamp) -> String {
        self.tell(time, "%H:%M")
    }

    /// The time of day to the second: `11:18:15`.
    pub fn of_day_to_the_second(&self, time: Timestamp) -> String {
        self.tell(time, "%H:%M:%S")
    }

    /// As short as possible at `now`: the time of day, with the date if it is another day.
    pub fn recently(&self, time: Timestamp, now: Timestamp) -> String {
        let day = |time| self.tell(time, "%Y-%m-%d");
        if day(time) == day(now) {
            self.of_day(time)
        } else {
            self.minute(time)
        }
    }

    /// To the minute, if the zone is shown elsewhere: `2026-11-21 11:18`.
    pub fn minute(&self, time: Timestamp) -> String {
        self.tell(time, "%Y-%m-%d %H:%M")
    }

    /// To the minute, with the offset: `2026-11-21 11:18 +01:00`.
    pub fn minute_and_zone(&self, time: Timestamp) -> String {
        self.tell(time, "%Y-%m-%d %H:%M %:z")
    }

    /// Parses a time that a person wrote: `today`, `yesterday`, `14:00`, a date or a date and a
    /// time in this zone, a time as shown here, RFC 3339, or an age such as `2h`. `None` for
    /// anything else.
    pub fn parse(&self, text: &str, now: Timestamp) -> Option<Timestamp> {
        let text = text.trim();
        Timestamp::parse_rfc3339_or_nearest(text)
            .or_else(|| with_offset(text))
            .or_else(|| self.local(text, now))
            // A date whose local midnight is outside jiff's range.
            .or_else(|| Timestamp::parse_rfc3339_or_nearest(&format!("{text}T00:00:00Z")))
            .or_else(|| {
                humantime::parse_duration(text)
                    .ok()
                    .map(|age| now.minus(age))
            })
    }

    /// Parses a time without a zone.
    fn local(&self, text: &str, now: Timestamp) -> Option<Timestamp> {
        let today = jiff::Timestamp::from_nanosecond(now.unix_nanos().into()).ok()?;
        let today = today.to_zoned(self.get().clone()).date();
        let (day, time) = match text.split_once([' ', 'T']) {
            Some((day, time)) => (day, Some(time)),
            None if text.contains(':') => ("today", Some(text)),
            None => (text, None),
        };
        let time = match time {
            Some(time) => ["%H:%M:%S%.f", "%H:%M"]
                .into_iter()
                .find_map(|form| Time::strptime(form, time).ok())?,
            None => Time::midnight(),
        };
        let day = match day {
            "today" => today,
            "yesterday" => today.yesterday().ok()?,
            _ => match Date::strptime("%Y-%m-%d", day) {
                Ok(day) => day,
                // The form in narrow tables: take the last such day.
                Err(_) if day.len() == 5 => (0..=4).find_map(|years| {
                    let day = format!("{:04}-{day}", today.year() - years);
                    let day = Date::strptime("%Y-%m-%d", &day).ok()?;
                    (day <= today).then_some(day)
                })?,
                Err(_) => return None,
            },
        };
        let moment = day.to_datetime(time).to_zoned(self.get().clone()).ok()?;
        Some(nearest(moment.timestamp()))
    }

    fn get(&self) -> &TimeZone {
        self.found
            .get_or_init(|| self.find().unwrap_or(TimeZone::UTC))
    }

    fn tell(&self, time: Timestamp, format: &str) -> String {
        let zone = self.get();
        jiff::Timestamp::from_nanosecond(time.unix_nanos().into())
            .and_then(|moment| strtime::format(format, &moment.to_zoned(zone.clone())))
            // Times are never out of range; if one were, it is shown in UTC.
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

/// Parses a time with an offset, as shown to the second or minute.
fn with_offset(text: &str) -> Option<Timestamp> {
    let parse = |form| jiff::Timestamp::strptime(form, text).ok();
    let moment = parse("%Y-%m-%d %H:%M:%S%.f %:z").or_else(|| parse("%Y-%m-%d %H:%M %:z"))?;
    Some(nearest(moment))
}

/// The nearest time that the log can represent.
fn nearest(moment: jiff::Timestamp) -> Timestamp {
    let nanos = moment.as_nanosecond();
    let nanos = nanos.clamp(i64::MIN.into(), i64::MAX.into());
    Timestamp::from_unix_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// Loads the zone from a compiled file of the zone database.
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

    const NOW: &str = "2026-11-20T13:30:00Z";

    fn parsed(zone: &Zone, text: &str) -> Option<String> {
        let now = Timestamp::parse_rfc3339(NOW).unwrap();
        zone.parse(text, now).map(Timestamp::to_rfc3339)
    }

    #[test]
    fn times_are_read_as_people_write_them_in_their_zone() {
        let there = zone("CET-1CEST,M3.5.0,M10.5.0/3");
        for (text, read) in [
            ("today", "2026-11-19T23:00:00.000000Z"),
            ("yesterday", "2026-11-18T23:00:00.000000Z"),
            ("14:00", "2026-11-20T13:00:00.000000Z"),
            ("yesterday 14:00:05", "2026-11-19T13:00:05.000000Z"),
            ("2026-11-20", "2026-11-19T23:00:00.000000Z"),
            ("2026-07-01", "2026-06-30T22:00:00.000000Z"),
            ("2026-11-20 14:00", "2026-11-20T13:00:00.000000Z"),
            ("2026-11-20 14:00:05", "2026-11-20T13:00:05.000000Z"),
            ("2026-11-20T14:00:05.25", "2026-11-20T13:00:05.250000Z"),
            ("2026-11-20T14:00:05Z", "2026-11-20T14:00:05.000000Z"),
            ("2026-11-20T14:00:05+05:30", "2026-11-20T08:30:05.000000Z"),
            ("2h", "2026-11-20T11:30:00.000000Z"),
            // In the hour that the clocks skip, and in the one that they repeat.
            ("2026-03-29 02:30", "2026-03-29T01:30:00.000000Z"),
            ("2026-10-25 02:30", "2026-10-25T00:30:00.000000Z"),
        ] {
            assert_eq!(parsed(&there, text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn every_form_in_which_a_time_is_shown_is_read_back() {
        let there = zone("<+0545>-5:45");
        let time = Timestamp::parse_rfc3339("2026-11-19T20:15:00Z").unwrap();
        for shown in [
            there.second(time),
            there.without_zone(time),
            there.short(time),
            there.shortest(time),
            there.minute(time),
            there.minute_and_zone(time),
        ] {
            let read = parsed(&there, &shown);
            assert_eq!(read, Some(time.to_rfc3339()), "{shown}");
        }
        // A time in the last year.
        let time = Timestamp::parse_rfc3339("2025-12-24T17:00:00Z").unwrap();
        assert_eq!(
            parsed(&there, &there.shortest(time)),
            Some(time.to_rfc3339())
        );
    }

    #[test]
    fn moments_beyond_what_a_time_can_be_are_the_nearest_one() {
        let utc = zone("UTC0");
        let now = Timestamp::parse_rfc3339(NOW).unwrap();
        for past in ["0001-01-01", "1600-01-01T00:00:00+14:00", "500y"] {
            let read = utc.parse(past, now).unwrap();
            assert!(
                read < Timestamp::from_unix_seconds(-4_000_000_000),
                "{past}"
            );
        }
        for future in ["9999-12-31", "2300-01-01 00:00"] {
            let read = utc.parse(future, now);
            assert_eq!(read, Some(Timestamp::from_unix_nanos(i64::MAX)), "{future}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_read_as_one() {
        let utc = zone("UTC0");
        for bad in [
            "",
            "tomorrow",
            "2023-02-29",
            "2023-13-01",
            "25:00",
            "14",
            "-2h",
            "2",
            "13-40 10:00",
            "2026-11-20 14:00 or so",
            "today 2h",
        ] {
            assert_eq!(parsed(&utc, bad), None, "{bad}");
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
