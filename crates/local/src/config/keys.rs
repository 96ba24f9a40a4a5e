//! The keys of the configuration file: each entry defines how to read, check and show one key.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::name_in::name_in;
use super::setting::SettingValue;
use super::values::{COMMAND_LIMIT, JOURNALD_SOCKET};
use super::{
    Config, ForwardChoice, KeeperChoice, LimitOutOfRange, OnEnd, PasswordRules, command_name,
};
use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_core::email::Email;
use nightlatch_core::limits::RETENTION_FLOOR;
use nightlatch_core::suggestion::nearest;

/// A configuration key.
pub(super) struct Key {
    /// Its name, with the section if it has one: `password.policy`.
    pub(super) name: &'static str,
    /// Sets a value from the file in the configuration.
    pub(super) set: fn(&mut Config, &DeValue<'_>) -> Result<(), Refused>,
    /// The effective value.
    pub(super) get: fn(&Config) -> SettingValue,
}

/// Why a value is refused.
pub(super) enum Refused {
    /// The expected kind of value, and perhaps a suggestion.
    Is(String, Option<String>),
    /// A full description of the problem.
    Told(String),
}

/// Every key, in the order of docs/config.md.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "idle",
        set: |config, value| {
            let idle = duration(value, "10m")?;
            config.limits = config.limits.with_idle(idle)?;
            Ok(())
        },
        get: |config| span(config.limits.idle()),
    },
    Key {
        name: "max",
        set: |config, value| {
            config.limits = config.limits.with_max(duration(value, "2h")?)?;
            Ok(())
        },
        get: |config| span(config.limits.max()),
    },
    Key {
        name: "keeper",
        set: |config, value| {
            config.keeper = one_of(value, &KeeperChoice::ALL)?;
            Ok(())
        },
        get: |config| SettingValue::Text(config.keeper.to_string()),
    },
    Key {
        name: "password.policy",
        set: |config, value| {
            config.password_rules = one_of(value, &PasswordRules::ALL)?;
            Ok(())
        },
        get: |config| SettingValue::Text(config.password_rules.name().to_owned()),
    },
    Key {
        name: "password.memory_kib",
        set: |config, value| {
            config.argon2_memory_kib = number(value, &Argon2Params::MEMORY_KIB)?;
            Ok(())
        },
        get: |config| SettingValue::Number(config.argon2_memory_kib),
    },
    Key {
        name: "password.passes",
        set: |config, value| {
            config.argon2_passes = number(value, &Argon2Params::PASSES)?;
            Ok(())
        },
        get: |config| SettingValue::Number(config.argon2_passes),
    },
    Key {
        name: "audit.retention",
        set: |config, value| {
            let retention = duration(value, "400d")?;
            if retention < RETENTION_FLOOR {
                return Err(is("a day or more", Some("write \"400d\"".to_owned())));
            }
            config.audit_retention = retention;
            Ok(())
        },
        get: |config| span(config.audit_retention),
    },
    Key {
        name: "audit.syslog",
        set: |config, value| {
            config.syslog = value
                .as_bool()
                .ok_or_else(|| is("true or false, without quotes", None))?;
            Ok(())
        },
        get: |config| SettingValue::Flag(config.syslog),
    },
    Key {
        name: "audit.syslog_socket",
        set: |config, value| {
            config.syslog_socket = absolute(value, "/dev/log")?;
            Ok(())
        },
        get: |config| SettingValue::Text(config.syslog_socket.display().to_string()),
    },
    Key {
        name: "audit.forward",
        set: |config, value| {
            config.forward = one_of(value, &ForwardChoice::ALL)?;
            Ok(())
        },
        get: |config| SettingValue::Text(name_in(&ForwardChoice::ALL, &config.forward).to_owned()),
    },
    Key {
        name: "audit.journald_socket",
        set: |config, value| {
            config.journald_socket = absolute(value, JOURNALD_SOCKET)?;
            Ok(())
        },
        get: |config| SettingValue::Text(config.journald_socket.display().to_string()),
    },
    Key {
        name: "audit.on_tamper",
        set: |config, value| {
            let command = value.as_str().map(str::trim).filter(|command| {
                (1..=COMMAND_LIMIT).contains(&command.len()) && !command.contains('\0')
            });
            let command = command.ok_or_else(|| {
                let example = "write \"logger -p auth.crit \\\"$NIGHTLATCH_ALERT_MESSAGE\\\"\"";
                is("a shell command", Some(example.to_owned()))
            })?;
            config.on_tamper = Some(command.to_owned());
            Ok(())
        },
        get: |config| SettingValue::Text(config.on_tamper.clone().unwrap_or_default()),
    },
    Key {
        name: "guard.commands",
        set: |config, value| {
            let names: Option<Vec<_>> = value.as_array().and_then(|names| {
                let names = names.iter().map(|name| name.get_ref().as_str());
                names.map(|name| name.map(str::to_owned)).collect()
            });
            let example = || Some("write [\"psql\", \"kubectl\"]".to_owned());
            let names = names.ok_or_else(|| is("a list of names", example()))?;
            config.guarded_commands = command_name::all(&names).map_err(Refused::Told)?;
            Ok(())
        },
        get: |config| {
            let names = config.guarded_commands.iter().map(ToString::to_string);
            SettingValue::List(names.collect())
        },
    },
    Key {
        name: "guard.account",
        set: |config, value| {
            let example = || Some("write \"alice@example.com\"".to_owned());
            let text = value.as_str().ok_or_else(|| is("an email", example()))?;
            let wrong = |error| Refused::Told(format!("guard.account = \"{text}\": {error}"));
            config.guard_account = Some(text.parse::<Email>().map_err(wrong)?);
            Ok(())
        },
        get: |config| {
            let email = config.guard_account.as_ref().map(Email::normalized);
            SettingValue::Text(email.unwrap_or_default().to_owned())
        },
    },
    Key {
        name: "guard.on_end",
        set: |config, value| {
            config.on_end = one_of(value, &OnEnd::ALL)?;
            Ok(())
        },
        get: |config| SettingValue::Text(name_in(&OnEnd::ALL, &config.on_end).to_owned()),
    },
];

fn is(what: impl Into<String>, suggestion: Option<String>) -> Refused {
    Refused::Is(what.into(), suggestion)
}

impl From<LimitOutOfRange> for Refused {
    fn from(error: LimitOutOfRange) -> Self {
        Self::Told(error.to_string())
    }
}

/// Parses a duration; `example` shows the notation.
fn duration(value: &DeValue<'_>, example: &str) -> Result<Duration, Refused> {
    let parsed = value.as_str().map(humantime::parse_duration);
    parsed
        .and_then(Result::ok)
        .ok_or_else(|| is("a length of time", Some(format!("write \"{example}\""))))
}

fn absolute(value: &DeValue<'_>, example: &str) -> Result<PathBuf, Refused> {
    let path = value.as_str().map(PathBuf::from);
    path.filter(|path| path.is_absolute())
        .ok_or_else(|| is("an absolute path", Some(format!("write \"{example}\""))))
}

pub(super) fn span(length: Duration) -> SettingValue {
    let days = length.as_secs() / 86_400;
    // `humantime` would write 90 days as 2months 29days 3h.
    SettingValue::Text(
        if length == Duration::from_secs(days * 86_400) && days > 0 {
            format!("{days}d")
        } else {
            humantime::format_duration(length).to_string()
        },
    )
}

fn number(value: &DeValue<'_>, range: &std::ops::RangeInclusive<u32>) -> Result<u32, Refused> {
    let number = value
        .as_integer()
        .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let (start, end) = (range.start(), range.end());
            is(format!("a number from {start} to {end}"), None)
        })
}

fn one_of<T: Copy>(value: &DeValue<'_>, all: &[(&'static str, T)]) -> Result<T, Refused> {
    let text = value.as_str();
    let found = all.iter().find(|(name, _)| Some(*name) == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        let nearest = text.and_then(|text| nearest(text, names.iter().copied()));
        let suggestion = nearest.map(|name| format!("did you mean \"{name}\"?"));
        is(format!("one of {}", names.join(", ")), suggestion)
    })
}
