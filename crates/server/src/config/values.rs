//! The values of the configuration file: how each form is read, checked and written.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use nightlatch_core::crypto::kdf::Argon2Params;
use toml::de::DeValue;

/// Why a value is refused.
pub(super) struct Refused {
    /// What is expected.
    pub(super) expected: String,
    /// A value that would be accepted, as written in a file.
    pub(super) example: Option<&'static str>,
}

const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn refused(expected: impl Into<String>, example: Option<&'static str>) -> Refused {
    Refused {
        expected: expected.into(),
        example,
    }
}

pub(super) fn text<'a>(
    value: &'a DeValue<'_>,
    expected: &str,
    example: &'static str,
) -> Result<&'a str, Refused> {
    let text = value
        .as_str()
        .filter(|text| !text.is_empty() && text.len() <= 500);
    let text = text.filter(|text| !text.chars().any(char::is_control));
    text.ok_or_else(|| refused(expected, Some(example)))
}

pub(super) fn list(value: &DeValue<'_>) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts
        .map(|text| text.get_ref().as_str().map(str::to_owned))
        .collect()
}

pub(super) fn absolute(value: &DeValue<'_>, example: &'static str) -> Result<PathBuf, Refused> {
    let path = value.as_str().map(PathBuf::from);
    path.filter(|path| path.is_absolute())
        .ok_or_else(|| refused("an absolute path", Some(example)))
}

/// A length of time from one second to `days` days.
pub(super) fn time(
    value: &DeValue<'_>,
    days: u32,
    example: &'static str,
) -> Result<Duration, Refused> {
    time_from(SECOND, value, days, example)
}

/// A length of time from `least` to `days` days.
pub(super) fn time_from(
    least: Duration,
    value: &DeValue<'_>,
    days: u32,
    example: &'static str,
) -> Result<Duration, Refused> {
    let parsed = value
        .as_str()
        .and_then(|text| humantime::parse_duration(text).ok());
    parsed
        .filter(|time| (least..=days * DAY).contains(time))
        .ok_or_else(|| {
            let (least, most) = (shown(least), shown(days * DAY));
            refused(format!("a time from {least} to {most}"), Some(example))
        })
}

pub(super) fn number(value: &DeValue<'_>, range: RangeInclusive<u32>) -> Result<u32, Refused> {
    let number = value.as_integer();
    let number = number.and_then(|found| u32::from_str_radix(found.as_str(), found.radix()).ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let (least, most) = range.into_inner();
            refused(format!("a number from {least} to {most}"), None)
        })
}

pub(super) fn cost(memory_kib: u32, passes: u32) -> Result<Argon2Params, Refused> {
    let params = Argon2Params::new(memory_kib, passes, 1);
    params.map_err(|error| refused(error.to_string(), None))
}

pub(super) fn one_of<T: Copy>(
    value: &DeValue<'_>,
    all: &[(&'static str, T)],
) -> Result<T, Refused> {
    let found = all.iter().find(|(name, _)| Some(*name) == value.as_str());
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        refused(format!("one of {}", names.join(", ")), None)
    })
}

pub(super) fn name_in<T: PartialEq + Copy>(all: &[(&'static str, T)], value: T) -> &'static str {
    let found = all.iter().find(|(_, choice)| *choice == value);
    found.map_or("", |(name, _)| name)
}

#[allow(clippy::needless_pass_by_value)] // a number or a text
pub(super) fn quoted(value: impl ToString) -> String {
    // A JSON string is a TOML string as well.
    serde_json::Value::String(value.to_string()).to_string()
}

pub(super) fn quoted_list(values: &[impl ToString]) -> String {
    let values: Vec<_> = values.iter().map(quoted_item).collect();
    format!("[{}]", values.join(", "))
}

fn quoted_item(value: &impl ToString) -> String {
    quoted(value.to_string())
}

pub(super) fn span(length: Duration) -> String {
    quoted(shown(length))
}

/// A length of time as it is written in the file.
fn shown(length: Duration) -> String {
    let days = length.as_secs() / DAY.as_secs();
    // `humantime` would write 90 days as 2months 29days 3h.
    if days > 0 && length == Duration::from_secs(days * DAY.as_secs()) {
        format!("{days}d")
    } else {
        humantime::format_duration(length).to_string()
    }
}
