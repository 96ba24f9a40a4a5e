//! The individual settings, each with its value and origin.

use std::borrow::Cow;
use std::path::Path;

use super::keys::KEYS;
use super::read::{self, Lines};
use super::setting::{Setting, SettingValue};
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

impl Config {
    /// Reads the file at `path`; returns the defaults when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is invalid. It does not fall back to defaults, because a stricter
    /// rule would then silently not apply.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(Settings::load(path)?.into_config())
    }

    /// As [`Config::load`], for operations that must work whatever the file says: returns every
    /// valid setting, the defaults of the others, and the error.
    pub(crate) fn load_what_can_be(path: &Path) -> (Self, Option<ConfigError>) {
        let content = match fs::read_user_file(path, FILE_LIMIT) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => return (Self::default(), Some(error.into())),
        };
        let (config, _, problems) = read::read_what_can_be(&content);
        let path = path.to_owned();
        let error = (!problems.is_empty()).then_some(ConfigError::Invalid { path, problems });
        (config, error)
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
