//! Reads the file and reports every mistake in it, not only the first.

use std::fmt;
use std::path::{Path, PathBuf};

use nightlatch_core::suggestion::nearest;
use nightlatch_platform::fs::{FsError, read_user_file};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Config;
use super::keys::{KEYS, Key};
use super::values::Refused;

/// Larger than any sensible configuration.
const LIMIT: usize = 256 * 1024;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read, or other users may write to it.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file named with `--config` does not exist.
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// It is invalid.
    #[error("{}: {}", .path.display(), .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The configuration file.
        path: PathBuf,
        /// All problems in the order of their lines; never empty.
        problems: Vec<ConfigProblem>,
    },
}

/// One problem in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Its line, counted from 1, if it is on one.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// A suggested replacement, if there is one.
    pub suggestion: Option<String>,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " ({suggestion})"),
            None => Ok(()),
        }
    }
}

/// Reads the file at `path` over the settings in `config`.
///
/// # Errors
/// When the file is missing, cannot be read or is invalid. It never falls back to defaults, because
/// a stricter rule would then silently not apply.
pub fn load(path: &Path, config: &mut Config) -> Result<(), ConfigError> {
    let content =
        read_user_file(path, LIMIT)?.ok_or_else(|| ConfigError::Missing(path.to_owned()))?;
    let problems = apply(&content, config);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }
}

/// Sets every valid key of `content` in `config` and returns the problems of the others.
fn apply(content: &[u8], config: &mut Config) -> Vec<ConfigProblem> {
    let Ok(text) = std::str::from_utf8(content) else {
        return vec![ConfigProblem {
            line: None,
            what: "it is not UTF-8 text".to_owned(),
            suggestion: None,
        }];
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reading = Reading {
        text,
        config,
        problems: Vec::new(),
    };
    for (key, value) in table.get_ref() {
        reading.top(key, value.get_ref());
    }
    if !errors.is_empty() {
        // Other problems may only follow from the syntax errors.
        reading.problems = errors.iter().map(|error| syntax(error, text)).collect();
    }
    reading.problems.sort_by_key(|problem| problem.line);
    reading.problems
}

/// A syntax error with its line, without the multi-line excerpt.
fn syntax(error: &toml::de::Error, text: &str) -> ConfigProblem {
    ConfigProblem {
        line: error.span().map(|span| line_at(text, span.start)),
        what: error.message().lines().collect::<Vec<_>>().join(" "),
        suggestion: None,
    }
}

fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

struct Reading<'a> {
    text: &'a str,
    config: &'a mut Config,
    problems: Vec<ConfigProblem>,
}

impl Reading<'_> {
    /// Reads a top-level key, or a section with its keys.
    fn top(&mut self, key: &Spanned<DeString<'_>>, value: &DeValue<'_>) {
        let name = key.get_ref().as_ref();
        match (sections().any(|section| section == name), value) {
            (true, DeValue::Table(table)) => {
                for (inner, value) in table {
                    let name = format!("{name}.{}", inner.get_ref());
                    self.key(&name, inner, value.get_ref());
                }
            }
            (true, _) => {
                let suggestion = format!("write [{name}] above its keys");
                self.problem(key, format!("{name} is a section"), Some(suggestion));
            }
            (false, DeValue::Table(_)) => {
                let suggestion = nearest(name, sections());
                let suggestion = suggestion.map(|near| format!("did you mean [{near}]?"));
                self.problem(key, format!("unknown section [{name}]"), suggestion);
            }
            (false, _) => self.key(name, key, value),
        }
    }

    /// Reads one key; `name` includes its section.
    fn key(&mut self, name: &str, key: &Spanned<DeString<'_>>, value: &DeValue<'_>) {
        let Some(known) = KEYS.iter().find(|known| known.name == name) else {
            let what = format!("unknown key \"{name}\"");
            self.problem(key, what, Some(instead_of(name)));
            return;
        };
        if let Err(Refused { expected, example }) = (known.set)(self.config, value) {
            let suggestion = example.map(|example| format!("write {example}"));
            self.problem(key, format!("{name}: expected {expected}"), suggestion);
        }
    }

    fn problem(&mut self, key: &Spanned<DeString<'_>>, what: String, suggestion: Option<String>) {
        self.problems.push(ConfigProblem {
            line: Some(line_at(self.text, key.span().start)),
            what,
            suggestion,
        });
    }
}

/// Splits a key into its section and its name there.
fn split(key: &Key) -> (Option<&'static str>, &'static str) {
    match key.name.split_once('.') {
        Some((section, name)) => (Some(section), name),
        None => (None, key.name),
    }
}

fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key| split(key).0)
}

/// Suggests a replacement for an unknown key.
fn instead_of(name: &str) -> String {
    let (section, own) = match name.split_once('.') {
        Some((section, own)) => (Some(section), own),
        None => (None, name),
    };
    let beside = || KEYS.iter().map(split).filter(|(of, _)| *of == section);
    if let Some(near) = nearest(own, beside().map(|(_, name)| name)) {
        return format!("did you mean \"{near}\"?");
    }
    // The right key in the wrong section.
    if let Some((of, _)) = KEYS.iter().map(split).find(|(_, name)| *name == own) {
        return match of {
            Some(of) => format!("it belongs under [{of}]"),
            None => "it belongs above the first section".to_owned(),
        };
    }
    let names: Vec<_> = beside().map(|(_, name)| name).collect();
    match section {
        Some(section) => format!("under [{section}] are: {}", names.join(", ")),
        None => format!("there are: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn problems(content: &[u8]) -> Vec<String> {
        let mut config = Config::new("/data".into());
        let problems = apply(content, &mut config);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_key_is_read_into_its_setting() {
        let mut config = Config::new("/data".into());
        let content = b"listen = \"127.0.0.1:9000\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
            [session]\nidle = \"30d\"\nmax = \"60d\"\n[password]\npolicy = \"classic\"\n\
            [items]\nkinds = [\"notes\"]\n[tls]\nself_signed = true";
        assert_eq!(apply(content, &mut config), []);
        assert_eq!(config.listen.port(), 9000);
        assert_eq!(config.session_idle, Duration::from_secs(30 * 86_400));
        assert_eq!(config.item_kinds, ["tasks", "configurations", "notes"]);
        assert_eq!(config.tls, super::super::Tls::SelfSigned);
    }

    #[test]
    fn unknown_keys_are_errors_with_a_suggestion() {
        for (content, told) in [
            (
                "lisen = \"127.0.0.1:1\"",
                "line 1: unknown key \"lisen\" (did you mean \"listen\"?)",
            ),
            (
                "[sesion]\nidle = \"5m\"",
                "line 1: unknown section [sesion] (did you mean [session]?)",
            ),
            (
                "idle = \"5m\"",
                "line 1: unknown key \"idle\" (it belongs under [session])",
            ),
            (
                "[token]\nqqq = 1",
                "line 2: unknown key \"token.qqq\" (under [token] are: life, issuer, audience)",
            ),
            (
                "session = 3",
                "line 1: session is a section (write [session] above its keys)",
            ),
        ] {
            assert_eq!(problems(content.as_bytes()), [told], "{content}");
        }
    }

    #[test]
    fn every_bad_value_is_refused_with_what_is_expected() {
        for (content, told) in [
            (
                "listen = \"localhost\"",
                "line 1: listen: expected an address with a port (write \"127.0.0.1:8734\")",
            ),
            (
                "listen = 3",
                "line 1: listen: expected an address with a port (write \"127.0.0.1:8734\")",
            ),
            (
                "[session]\nidle = \"31d\"",
                "line 2: session.idle: expected a time from 1s to 30d (write \"15m\")",
            ),
            (
                "[token]\nlife = \"0s\"",
                "line 2: token.life: expected a time from 1s to 7d (write \"15m\")",
            ),
            (
                "[password]\nthreads = 0",
                "line 2: password.threads: expected a number from 1 to 256",
            ),
            (
                "[password]\npolicy = \"none\"",
                "line 2: password.policy: expected one of nist, pci, classic",
            ),
            (
                "public_url = \"login.example.com\"",
                "line 1: public_url: expected an http or https address without a path (write \"https://login.example.com\")",
            ),
            (
                "trusted_proxies = [\"10.0.0.0/40\"]",
                "line 1: trusted_proxies: expected a list of address ranges (write [\"10.0.0.0/8\"])",
            ),
            (
                "[items]\nkinds = [\"A b\"]",
                "line 2: items.kinds: expected names of lower-case letters, digits and dashes (write [\"notes\"])",
            ),
            (
                "database = \"postgres://app:secret@db/app\"",
                "line 1: database: expected an address without a password; put it into NIGHTLATCH_DATABASE_PASSWORD (write \"postgres://app@db/app\")",
            ),
            (
                "[mail]\nsmtp = \"smtp-plain://mail.example.com\"",
                "line 2: mail.smtp: expected smtps:// or smtp:// for a mail server on another machine (write \"smtps://login@mail.example.com\")",
            ),
            ("x = \"", "line 1: invalid basic string, expected `\"`"),
        ] {
            assert_eq!(problems(content.as_bytes()), [told], "{content}");
        }
        assert_eq!(problems(b"\xff"), ["it is not UTF-8 text"]);
    }
}
