//! The configuration file: TOML, every key optional, unknown keys refused.
//!
//! ```toml
//! idle = "10m"            # lock after this long without activity; 1s to 15m
//! max = "2h"              # lock this long after sign-in at the latest; 1s to 12h
//! keeper = "auto"         # where the session key lives: auto, kernel, agent
//!
//! [password]
//! policy = "nist"         # nist or pci
//! memory_kib = 65536      # Argon2id memory, 19456 to 1048576
//! passes = 3              # Argon2id passes, 2 to 16
//!
//! [audit]
//! retention = "90d"       # keep what happened for so long; 1d or more
//! syslog = true           # tell the system log of the audit log's end
//! syslog_socket = "/dev/log"
//!
//! [guard]
//! commands = ["psql"]     # what `nightlatch hook` wraps in the shell
//! ```

mod command_name;

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use command_name::{BadCommandName, CommandName};

use crate::fs::{self, FsError};

/// The longest idle timeout there is, and the default: 15 minutes (PCI DSS 8.2.8, NIST SP 800-63B
/// section 4.3.3).
pub const IDLE_CEILING: Duration = Duration::from_secs(15 * 60);
/// The default absolute limit of a session: 4 hours.
pub const MAX_DEFAULT: Duration = Duration::from_secs(4 * 3600);
/// The longest absolute limit there is: 12 hours (NIST SP 800-63B section 4.3.3).
pub const MAX_CEILING: Duration = Duration::from_secs(12 * 3600);
/// The shortest idle timeout and absolute limit.
pub const FLOOR: Duration = Duration::from_secs(1);

/// Where the system log listens on Linux.
const SYSLOG_SOCKET: &str = "/dev/log";

/// More than anybody writes into a configuration file.
const FILE_LIMIT: usize = 64 * 1024;

/// Where the session's key may live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeeperChoice {
    /// The kernel's keyring where it is usable, else the agent.
    #[default]
    Auto,
    /// The kernel's keyring or nothing.
    Kernel,
    /// The agent or nothing.
    Agent,
}

/// A word that names no keeper.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no keeper: use auto, kernel or agent")]
pub struct UnknownKeeper(String);

impl std::str::FromStr for KeeperChoice {
    type Err = UnknownKeeper;

    fn from_str(text: &str) -> Result<Self, UnknownKeeper> {
        match text {
            "auto" => Ok(Self::Auto),
            "kernel" => Ok(Self::Kernel),
            "agent" => Ok(Self::Agent),
            other => Err(UnknownKeeper(other.to_owned())),
        }
    }
}

/// Which rules a new password must meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasswordRules {
    /// At least 15 characters of any kind (NIST SP 800-63B section 3.1.1.2).
    #[default]
    Nist,
    /// At least 12 characters with a letter, a digit and a symbol (PCI DSS 8.3.6, and a symbol).
    Pci,
}

/// How long a session lasts. Within the ceilings by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    idle: Duration,
    max: Duration,
    max_ceiling: Duration,
}

/// A time limit outside its range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the {name} limit must be from 1s to {}, not {}", humantime::format_duration(*.ceiling), humantime::format_duration(*.given))]
pub struct LimitOutOfRange {
    name: &'static str,
    ceiling: Duration,
    given: Duration,
}

impl Limits {
    /// Limits within range: `idle` from 1 s to 15 min, `max` from 1 s to 12 h.
    ///
    /// # Errors
    /// When either is outside its range; never silently clamped.
    pub fn new(idle: Duration, max: Duration) -> Result<Self, LimitOutOfRange> {
        let check = |name, given, ceiling| {
            if (FLOOR..=ceiling).contains(&given) {
                Ok(given)
            } else {
                Err(LimitOutOfRange {
                    name,
                    ceiling,
                    given,
                })
            }
        };
        let (idle, max) = (
            check("idle", idle, IDLE_CEILING)?,
            check("max", max, MAX_CEILING)?,
        );
        Ok(Self {
            idle,
            max,
            max_ceiling: max,
        })
    }

    /// The time without activity after which the session ends.
    pub fn idle(self) -> Duration {
        self.idle
    }

    /// The time after sign-in at which the session ends, whatever happens.
    pub fn max(self) -> Duration {
        self.max
    }

    /// The limits of one session, with `idle` and `max` instead of these where given. What is
    /// configured is the rule and can only be shortened; where no `max` is configured, one of up
    /// to 12 hours may be asked for.
    ///
    /// # Errors
    /// When one is out of range, or longer than configured.
    pub fn for_session(
        self,
        idle: Option<Duration>,
        max: Option<Duration>,
    ) -> Result<Self, LimitOutOfRange> {
        let new = Self::new(idle.unwrap_or(self.idle), max.unwrap_or(self.max))?;
        let within = |name, given, ceiling| {
            if given <= ceiling {
                Ok(())
            } else {
                Err(LimitOutOfRange {
                    name,
                    ceiling,
                    given,
                })
            }
        };
        within("idle", new.idle, self.idle)?;
        within("max", new.max, self.max_ceiling)?;
        Ok(new)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: IDLE_CEILING,
            max: MAX_DEFAULT,
            max_ceiling: MAX_CEILING,
        }
    }
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a session lasts.
    pub limits: Limits,
    /// Where its key may live.
    pub keeper: KeeperChoice,
    /// What a new password must meet.
    pub password_rules: PasswordRules,
    /// Argon2id memory in KiB, when set.
    pub argon2_memory_kib: Option<u32>,
    /// Argon2id passes, when set.
    pub argon2_passes: Option<u32>,
    /// How long closed segments of the audit log are kept, when set.
    pub audit_retention: Option<Duration>,
    /// The socket of the system log, when it is to be told of the audit log's end.
    pub syslog: Option<PathBuf>,
    /// The commands that are wrapped in the shell, each once.
    pub guarded_commands: Vec<CommandName>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            keeper: KeeperChoice::default(),
            password_rules: PasswordRules::default(),
            argon2_memory_kib: None,
            argon2_passes: None,
            audit_retention: None,
            syslog: Some(SYSLOG_SOCKET.into()),
            guarded_commands: Vec::new(),
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read, or others may write to it.
    #[error(transparent)]
    File(#[from] FsError),
    /// It is not valid: a syntax error, an unknown key, a value out of range.
    #[error("{path}: {reason}", path = .path.display())]
    Invalid {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong, with the line where it is known.
        reason: String,
    },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FileFormat {
    idle: Option<String>,
    max: Option<String>,
    keeper: KeeperChoice,
    password: PasswordSection,
    audit: AuditSection,
    guard: GuardSection,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PasswordSection {
    policy: PasswordRules,
    memory_kib: Option<u32>,
    passes: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditSection {
    retention: Option<String>,
    syslog: bool,
    syslog_socket: PathBuf,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct GuardSection {
    commands: Vec<String>,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            retention: None,
            syslog: true,
            syslog_socket: SYSLOG_SOCKET.into(),
        }
    }
}

impl Config {
    /// Reads the file at `path`; the defaults when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is not valid. There is no falling back to defaults: a rule that
    /// was meant to be stricter would silently not hold.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match fs::read_user_file(path, FILE_LIMIT)? {
            None => Ok(Self::default()),
            Some(content) => Self::parse(&content).map_err(|reason| ConfigError::Invalid {
                path: path.to_owned(),
                reason,
            }),
        }
    }

    fn parse(content: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8 text".to_owned())?;
        let file: FileFormat = toml::from_str(text).map_err(|error| in_one_line(&error, text))?;
        let idle = duration("idle", file.idle, "10m")?.unwrap_or(IDLE_CEILING);
        let max_is_configured = file.max.is_some();
        let max = duration("max", file.max, "2h")?.unwrap_or(MAX_DEFAULT);
        let limits = Limits::new(idle, max).map_err(|error| error.to_string())?;
        let max_ceiling = if max_is_configured { max } else { MAX_CEILING };
        let AuditSection {
            retention,
            syslog,
            syslog_socket,
        } = file.audit;
        if !syslog_socket.is_absolute() {
            let path = syslog_socket.display();
            return Err(format!(
                "syslog_socket = \"{path}\": write an absolute path"
            ));
        }
        Ok(Self {
            limits: Limits {
                max_ceiling,
                ..limits
            },
            keeper: file.keeper,
            password_rules: file.password.policy,
            argon2_memory_kib: file.password.memory_kib,
            argon2_passes: file.password.passes,
            audit_retention: duration("retention", retention, "400d")?,
            syslog: syslog.then_some(syslog_socket),
            guarded_commands: command_name::all(&file.guard.commands)?,
        })
    }
}

/// A length of time, when there is one; `example` shows how to write it.
fn duration(key: &str, value: Option<String>, example: &str) -> Result<Option<Duration>, String> {
    let parse = |text: String| {
        humantime::parse_duration(&text)
            .map_err(|error| format!("{key} = \"{text}\": {error} (write \"{example}\")"))
    };
    value.map(parse).transpose()
}

/// What is wrong and on which line, without the excerpt that takes several lines to show.
fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = Config::parse(b"").unwrap();
        assert_eq!(config.limits.idle(), Duration::from_secs(900));
        assert_eq!(config.limits.max(), Duration::from_secs(4 * 3600));
    }

    #[test]
    fn an_idle_limit_above_fifteen_minutes_is_refused_not_clamped() {
        let error = Config::parse(b"idle = \"15m 1ms\"").unwrap_err();
        assert!(error.contains("15m"), "{error}");
        assert!(Config::parse(b"idle = \"15m\"").is_ok());
        assert!(Config::parse(b"idle = \"0s\"").is_err());
        assert!(Config::parse(b"max = \"13h\"").is_err());
    }

    #[test]
    fn unknown_keys_and_values_are_named() {
        assert!(
            Config::parse(b"idel = \"5m\"")
                .unwrap_err()
                .contains("idel")
        );
        assert!(
            Config::parse(b"[password]\nrules = 1")
                .unwrap_err()
                .contains("rules")
        );
        assert!(
            Config::parse(b"keeper = \"disk\"")
                .unwrap_err()
                .contains("disk")
        );
        assert!(Config::parse(b"idle = 5").is_err());
        assert!(Config::parse(b"\xff").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn a_flag_shortens_the_idle_limit_and_never_lengthens_it() {
        let limits = Config::parse(b"idle = \"60s\"").unwrap().limits;
        assert!(
            limits
                .for_session(Some(Duration::from_secs(61)), None)
                .is_err()
        );
        let shorter = limits
            .for_session(Some(Duration::from_secs(59)), None)
            .unwrap();
        assert_eq!(shorter.idle(), Duration::from_secs(59));
    }

    #[test]
    fn a_flag_lengthens_the_absolute_limit_only_where_none_is_configured() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        let limits = Config::default().limits;
        assert!(limits.for_session(None, hours(12)).is_ok());
        assert!(limits.for_session(None, hours(13)).is_err());
        let configured = Config::parse(b"max = \"2h\"").unwrap().limits;
        assert!(configured.for_session(None, hours(3)).is_err());
        assert_eq!(
            configured.for_session(None, hours(1)).map(Limits::max).ok(),
            hours(1)
        );
    }

    #[test]
    fn a_bad_or_repeated_name_of_a_guarded_command_is_named_with_what_to_do() {
        let parse = |text: &str| Config::parse(text.as_bytes());
        let config = parse("[guard]\ncommands = [\"psql\", \"g++\"]").unwrap();
        let names: Vec<_> = config
            .guarded_commands
            .iter()
            .map(CommandName::as_str)
            .collect();
        assert_eq!(names, ["psql", "g++"]);
        for (bad, told) in [
            ("a b", "without a path or arguments"),
            ("cd", "leave it out"),
            ("psql", "named twice"),
        ] {
            let error = parse(&format!("[guard]\ncommands = [\"psql\", \"{bad}\"]")).unwrap_err();
            assert!(
                error.contains(&format!("\"{bad}\"")) && error.contains(told),
                "{error}"
            );
        }
        assert!(
            parse("[guard]\ncommand = []")
                .unwrap_err()
                .contains("command")
        );
    }

    #[test]
    fn a_missing_file_is_the_defaults_and_a_directory_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        assert!(Config::load(&temp.path().join("none.toml")).is_ok());
        assert!(Config::load(temp.path()).is_err());
    }
}
