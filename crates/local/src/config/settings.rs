//! The individual settings, each with its value and origin.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::keys::KEYS;
use super::read::{self, Lines};
use super::{Config, ConfigError, ConfiguredSecrets, command_section};
use nightlatch_platform::fs;

/// Larger than any configuration file.
const FILE_LIMIT: usize = 64 * 1024;

/// A configuration with the origin of each setting.
///
/// ```
/// # let scratch = tempfile::tempdir()?;
/// # let path = scratch.path().join("config.toml");
/// # std::fs::write(&path, "idle = \"10m\"")?;
/// use nightlatch_local::config::Settings;
///
/// let settings = Settings::load(&path)?;
/// for setting in settings.iter() {
///     match setting.line {
///         Some(line) => println!("{} = {} (line {line})", setting.key, setting.value),
///         None => println!("{} = {} (default)", setting.key, setting.value),
///     }
/// }
/// # assert_eq!(settings.iter().next().and_then(|idle| idle.line), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    config: Config,
    file_exists: bool,
    lines: Lines,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The key, with its section: `password.policy`.
    pub key: Cow<'static, str>,
    /// The effective value.
    pub value: SettingValue,
    /// The line of the file that sets it, counted from 1; `None` for a default.
    pub line: Option<usize>,
}

/// A value as serialized for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum SettingValue {
    /// A word, a path, or a duration in human notation.
    Text(String),
    /// A number.
    Number(u32),
    /// A boolean.
    Flag(bool),
    /// Words, in order.
    List(Vec<String>),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text.is_empty() => f.write_str("none"),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::List(words) if words.is_empty() => f.write_str("none"),
            Self::List(words) => f.write_str(&words.join(", ")),
        }
    }
}

impl Default for Settings {
    /// The defaults, for when there is no file.
    fn default() -> Self {
        Self {
            config: Config::default(),
            file_exists: false,
            lines: Lines::new(),
        }
    }
}

impl Settings {
    /// Reads the file at `path`; returns the defaults when there is none.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let Some(content) = fs::read_user_file(path, FILE_LIMIT)? else {
            return Ok(Self::default());
        };
        let (config, lines) = read::read(&content).map_err(|problems| ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })?;
        Ok(Self {
            config,
            file_exists: true,
            lines,
        })
    }

    /// As [`Config::load_what_can_be`].
    pub(super) fn load_what_can_be(path: &Path) -> (Config, Option<ConfigError>) {
        let content = match fs::read_user_file(path, FILE_LIMIT) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => return (Config::default(), Some(error.into())),
        };
        let (config, _, problems) = read::read_what_can_be(&content);
        let path = path.to_owned();
        let error = (!problems.is_empty()).then_some(ConfigError::Invalid { path, problems });
        (config, error)
    }

    /// Whether the file exists.
    pub fn file_exists(&self) -> bool {
        self.file_exists
    }

    /// The settings as the program uses them.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// As [`Settings::config`], without the origins.
    #[must_use]
    pub fn into_config(self) -> Config {
        self.config
    }

    /// All keys, in the order of the documentation, and those of commands that the file has.
    pub fn iter(&self) -> impl Iterator<Item = Setting> {
        let known = KEYS
            .iter()
            .map(|key| (Cow::from(key.name), (key.get)(&self.config)));
        let commands = self.config.secrets.iter();
        known
            .chain(commands.flat_map(of_command))
            .map(|(key, value)| Setting {
                line: self
                    .lines
                    .iter()
                    .find(|(name, _)| *name == key)
                    .map(|(_, line)| *line),
                key,
                value,
            })
    }
}

/// The keys of a command's section that have something, with their values.
fn of_command(
    secrets: &ConfiguredSecrets,
) -> impl Iterator<Item = (Cow<'static, str>, SettingValue)> {
    let listed = |given| -> Vec<String> {
        let given = secrets
            .bindings
            .iter()
            .filter(move |one| one.given == given);
        given
            .map(|one| format!("{}={}", one.variable, one.name))
            .collect()
    };
    let settings = command_section::KEYS.map(|(key, given)| {
        let name = format!("guard.{}.{key}", secrets.command);
        (Cow::from(name), listed(given))
    });
    let with_some = settings.into_iter().filter(|(_, words)| !words.is_empty());
    with_some.map(|(name, words)| (name, SettingValue::List(words)))
}
