//! `config show` and `config check`: the settings and their origin, and the mistakes in the file.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use nightlatch_local::config::{ConfigError, ConfigProblem, SettingValue, Settings};
use serde::Serialize;

use super::args::ConfigCommand;
use super::config_file;
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::origin::Origin;
use super::text::escape;
use super::ui::{FAINT, GOOD, STRONG, WARN};
use crate::cli::hints::Hint;

pub fn run(context: &Context, command: &ConfigCommand) -> Result<End, Failure> {
    match command {
        ConfigCommand::Show => show(context),
        ConfigCommand::Check(args) => check(context, args.file.as_deref()),
        ConfigCommand::Path => config_file::path(context),
        ConfigCommand::Init => config_file::init(context),
        ConfigCommand::Edit => {
            config_file::edit(context)?;
            check(context, None)
        }
    }
}

/// A setting, and where its value came from.
#[derive(Serialize)]
struct Row {
    key: Cow<'static, str>,
    value: Option<SettingValue>,
    source: Source,
    /// The line in the file.
    line: Option<usize>,
    /// The flag or variable.
    name: Option<&'static str>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Default,
    File,
    Environment,
    Flag,
    /// The home: the account that signed in last, or the only one there is.
    Home,
}

#[derive(Serialize)]
struct Listing<'a> {
    schema: u32,
    file: String,
    file_exists: bool,
    settings: &'a [Row],
}

/// `config show`.
fn show(context: &Context) -> Result<End, Failure> {
    let file = context.config.config_file();
    let settings = Settings::load(file)?;
    let mut rows = vec![home(context), account(context)];
    rows.extend(settings.iter().map(|setting| Row {
        key: setting.key,
        value: Some(setting.value),
        source: match setting.line {
            Some(_) => Source::File,
            None => Source::Default,
        },
        line: setting.line,
        name: None,
    }));
    if let Some(choice) = context.config.chosen_keeper() {
        let keeper = rows.iter_mut().filter(|row| row.key == "keeper");
        let value = SettingValue::Text(choice.to_string());
        let origin = context.origins.keeper;
        keeper.for_each(|row| *row = given("keeper", Some(value.clone()), origin));
    }
    if context.ui.json {
        context.ui.json(&Listing {
            schema: 1,
            file: file.display().to_string(),
            file_exists: settings.file_exists(),
            settings: &rows,
        })?;
    } else {
        let is_there = if settings.file_exists() {
            ""
        } else {
            " (there is none)"
        };
        let path = escape(&file.display().to_string());
        let head = format!("{FAINT}file: {path}{is_there}{FAINT:#}\n");
        context.ui.data(&(head + &table(&rows)))?;
    }
    Ok(End::Done)
}

/// A row whose value came from `origin`.
fn given(key: &'static str, value: Option<SettingValue>, origin: Origin) -> Row {
    let (source, name) = match origin {
        Origin::Flag(name) => (Source::Flag, Some(name)),
        Origin::Variable(name) => (Source::Environment, Some(name)),
        Origin::Unset => (Source::Default, None),
    };
    Row {
        key: key.into(),
        value,
        source,
        line: None,
        name,
    }
}

fn home(context: &Context) -> Row {
    let path = context.config.home().display().to_string();
    given("home", Some(SettingValue::Text(path)), context.origins.home)
}

fn account(context: &Context) -> Row {
    if let Some(email) = &context.account {
        let value = SettingValue::Text(email.to_string());
        return given("account", Some(value), context.origins.account);
    }
    // An unreadable home must not hide the settings: `doctor` reports what is wrong with it.
    let meant = context
        .guard_to_look()
        .ok()
        .and_then(|guard| guard.account_meant().ok().flatten());
    Row {
        source: Source::Home,
        ..given(
            "account",
            meant.map(|account| SettingValue::Text(account.email.normalized().to_owned())),
            Origin::Unset,
        )
    }
}

fn table(rows: &[Row]) -> String {
    let told = |row: &Row| {
        let value = row.value.as_ref().map(ToString::to_string);
        escape(value.as_deref().unwrap_or("-"))
    };
    let width = |text: &str| text.chars().count();
    let keys = rows.iter().map(|row| width(&row.key)).max().unwrap_or(0);
    let values = rows.iter().map(|row| width(&told(row))).max().unwrap_or(0);
    // A long path would push everything to the right.
    let values = values.min(40);
    let mut text = format!(
        "{STRONG}{:keys$}  {:values$}  FROM{STRONG:#}\n",
        "KEY", "VALUE"
    );
    for row in rows {
        let from = match (row.source, row.line, row.name) {
            (Source::File, Some(line), _) => format!("line {line}"),
            (Source::Home, ..) if row.value.is_some() => "signed in last, or the only one".into(),
            (Source::Home, ..) => "nobody has signed in".into(),
            (_, _, Some(name)) => name.to_owned(),
            _ => format!("{FAINT}default{FAINT:#}"),
        };
        let value = told(row);
        let _ = writeln!(text, "{:keys$}  {value:values$}  {from}", row.key);
    }
    text
}

#[derive(Serialize)]
struct Verdict<'a> {
    schema: u32,
    ok: bool,
    file: String,
    file_exists: bool,
    problems: Vec<Mistake<'a>>,
}

#[derive(Serialize)]
struct Mistake<'a> {
    line: Option<usize>,
    key: Option<&'a str>,
    message: &'a str,
    suggestion: Option<&'a str>,
}

impl<'a> Mistake<'a> {
    fn of(problem: &'a ConfigProblem) -> Self {
        Self {
            line: problem.line,
            key: problem.key.as_deref(),
            message: &problem.what,
            suggestion: problem.suggestion.as_deref(),
        }
    }
}

/// `config check`.
pub fn check(context: &Context, named: Option<&Path>) -> Result<End, Failure> {
    let file = named.unwrap_or_else(|| context.config.config_file());
    let path = escape(&file.display().to_string());
    let settings = Settings::load(file);
    // The default file need not exist; a named one must.
    if named.is_some() && settings.as_ref().is_ok_and(|found| !found.file_exists()) {
        let message = format!("there is no {}", file.display());
        return Err(Failure::failed("config", message));
    }
    let (message, suggestion);
    let mistakes = match &settings {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid { problems, .. }) => problems.iter().map(Mistake::of).collect(),
        Err(error) => {
            (message, suggestion) = (error.to_string(), error.hint().unwrap_or_default());
            vec![Mistake {
                line: None,
                key: None,
                message: &message,
                suggestion: Some(&suggestion),
            }]
        }
    };
    if context.ui.json {
        context.ui.json(&Verdict {
            schema: 1,
            ok: settings.is_ok(),
            file: file.display().to_string(),
            file_exists: settings.as_ref().map_or(true, Settings::file_exists),
            problems: mistakes,
        })?;
    } else {
        match &settings {
            Ok(settings) => {
                let what = if settings.file_exists() {
                    "nothing is wrong with it"
                } else {
                    "there is none, so every setting has its default"
                };
                context
                    .ui
                    .data(&format!("{GOOD}ok{GOOD:#} {path}: {what}\n"))?;
            }
            Err(ConfigError::Invalid { problems, .. }) => {
                let mut lines = String::new();
                for problem in problems {
                    let told = escape(&problem.to_string());
                    let _ = writeln!(lines, "{WARN}{path}{WARN:#}: {told}");
                }
                context.ui.data(&lines)?;
            }
            // The error was already reported.
            Err(_) => {}
        }
    }
    match settings {
        Ok(_) => Ok(End::Done),
        Err(ConfigError::Invalid { problems, .. }) => {
            let count = match problems.len() {
                1 => "1 mistake".to_owned(),
                count => format!("{count} mistakes"),
            };
            let message = format!("{}: {count}", file.display());
            let hint = "correct the file, or remove it to use the defaults".to_owned();
            Err(Failure::failed("config", message).hint(hint))
        }
        Err(error) => Err(error.into()),
    }
}
