//! Reads the file and reports every mistake in it, not only the first.

use std::borrow::Cow;

use nightlatch_core::suggestion::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{KEYS, Key, Refused, span};
use super::values::PCI_RETENTION_DEFAULT;
use super::{Config, ConfigProblem, PCI_RETENTION_FLOOR, command_section};

/// The keys that the file sets, and their lines.
pub(super) type Lines = Vec<(Cow<'static, str>, usize)>;

/// Parses `content` into a configuration and the lines of its keys.
///
/// # Errors
/// All problems, in the order of the lines; for a TOML syntax error, only that.
pub(super) fn read(content: &[u8]) -> Result<(Config, Lines), Vec<ConfigProblem>> {
    let (config, lines, problems) = read_what_can_be(content);
    if problems.is_empty() {
        Ok((config, lines))
    } else {
        Err(problems)
    }
}

/// As [`read`], but returns every valid setting, the defaults of the others, and the problems.
pub(super) fn read_what_can_be(content: &[u8]) -> (Config, Lines, Vec<ConfigProblem>) {
    let Ok(text) = std::str::from_utf8(content) else {
        let problem = ConfigProblem::general("it is not UTF-8 text");
        return (Config::default(), Lines::new(), vec![problem]);
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reading = Reading {
        text,
        config: Config::default(),
        lines: Lines::new(),
        problems: Vec::new(),
    };
    for (key, value) in table.get_ref() {
        reading.top(key, value.get_ref());
    }
    reading.pci_retention();
    if !errors.is_empty() {
        // Other problems may only follow from the syntax errors.
        reading.problems = errors.iter().map(|error| syntax(error, text)).collect();
    }
    reading.problems.sort_by_key(|problem| problem.line);
    (reading.config, reading.lines, reading.problems)
}

/// A syntax error with its line, without the multi-line excerpt.
fn syntax(error: &toml::de::Error, text: &str) -> ConfigProblem {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    ConfigProblem {
        line: error.span().map(|span| line_at(text, span.start)),
        ..ConfigProblem::general(message)
    }
}

fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(any(test, fuzzing, feature = "test-util"))]
impl Config {
    pub(super) fn parse(content: &[u8]) -> Result<Self, Vec<ConfigProblem>> {
        read(content).map(|(config, _)| config)
    }
}

struct Reading<'a> {
    text: &'a str,
    config: Config,
    lines: Lines,
    problems: Vec<ConfigProblem>,
}

impl Reading<'_> {
    /// Reads a top-level key, or a section with its keys.
    fn top(&mut self, key: &Spanned<DeString<'_>>, value: &DeValue<'_>) {
        let name = key.get_ref().as_ref();
        match (sections().any(|section| section == name), value) {
            (true, DeValue::Table(table)) => {
                for (inner, value) in table {
                    let full = format!("{name}.{}", inner.get_ref());
                    match value.get_ref() {
                        DeValue::Table(of_command) if name == "guard" && !is_key(&full) => {
                            self.command(&full, inner, of_command);
                        }
                        value => self.key(&full, inner, value),
                    }
                }
            }
            (true, _) => {
                let what = format!("{name} = {}: it is a section", written(value));
                let suggestion = format!("write [{name}] above its keys");
                self.problem(key, name, what, Some(suggestion));
            }
            (false, DeValue::Table(_)) => {
                let what = format!("unknown section [{name}]");
                let suggestion = nearest(name, sections());
                let suggestion = suggestion.map(|near| format!("did you mean [{near}]?"));
                self.problem(key, name, what, suggestion);
            }
            (false, _) => self.key(name, key, value),
        }
    }

    /// Reads the section `name` of a command.
    fn command(&mut self, name: &str, key: &Spanned<DeString<'_>>, table: &DeTable<'_>) {
        let read = match command_section::read(key.get_ref(), table) {
            Ok(read) => read,
            Err(bad) => {
                let what = format!("[{name}]: the name of the command {bad}");
                return self.problem(key, name, what, None);
            }
        };
        for (key, own, result) in read.keys {
            let full = format!("{name}.{own}");
            match result {
                Ok(()) => self.lines.push((full.into(), self.line_of(key))),
                Err((what, suggestion)) => {
                    self.problem(key, &full, format!("{full}{what}"), suggestion);
                }
            }
        }
        self.config.secrets.push(read.secrets);
    }

    /// Reads one key; `name` includes its section.
    fn key(&mut self, name: &str, key: &Spanned<DeString<'_>>, value: &DeValue<'_>) {
        let Some(known) = KEYS.iter().find(|known| known.name == name) else {
            let what = format!("unknown key \"{name}\"");
            self.problem(key, name, what, Some(instead_of(name)));
            return;
        };
        match (known.set)(&mut self.config, value) {
            Ok(()) => self.lines.push((known.name.into(), self.line_of(key))),
            Err(Refused::Told(what)) => self.problem(key, name, what, None),
            Err(Refused::Is(what, suggestion)) => {
                let what = format!("{name} = {}: it is {what}", written(value));
                self.problem(key, name, what, suggestion);
            }
        }
    }

    /// PCI DSS requires a longer retention. Checked after all keys are read, because their order is
    /// free.
    fn pci_retention(&mut self) {
        const KEY: &str = "audit.retention";
        if !self.config.follows_pci() {
            return;
        }
        let Some((_, line)) = self.lines.iter().find(|(name, _)| *name == KEY) else {
            self.config.audit_retention = PCI_RETENTION_DEFAULT;
            return;
        };
        if self.config.audit_retention < PCI_RETENTION_FLOOR {
            let retention = span(self.config.audit_retention);
            let floor = span(PCI_RETENTION_FLOOR);
            self.problems.push(ConfigProblem {
                line: Some(*line),
                key: Some(KEY.to_owned()),
                what: format!(
                    "{KEY} = \"{retention}\": password.policy = \"pci\" demands {floor} or more (PCI DSS 10.5.1)"
                ),
                suggestion: Some("write \"400d\", or leave it out".to_owned()),
            });
        }
    }

    fn problem(
        &mut self,
        key: &Spanned<DeString<'_>>,
        name: &str,
        what: String,
        suggestion: Option<String>,
    ) {
        self.problems.push(ConfigProblem {
            line: Some(self.line_of(key)),
            key: Some(name.to_owned()),
            what,
            suggestion,
        });
    }

    fn line_of(&self, key: &Spanned<DeString<'_>>) -> usize {
        line_at(self.text, key.span().start)
    }
}

/// Splits a key into its section and its name there.
fn split(key: &Key) -> (Option<&'static str>, &'static str) {
    match key.name.split_once('.') {
        Some((section, name)) => (Some(section), name),
        None => (None, key.name),
    }
}

fn is_key(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name)
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

/// A value as written in a file, shortened to fit into a message.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[...]".to_owned(),
        DeValue::Table(_) => "{...}".to_owned(),
    }
}
