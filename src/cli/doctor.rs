//! `doctor`: what is right and what is wrong with this installation, a line for each.
//!
//! It only looks: it creates, extends, records and mends nothing, and needs neither a home nor an
//! account nor a configuration that can be read. No check depends on another having passed.

mod keeper;
#[cfg(unix)]
mod limits;
#[cfg(windows)]
#[path = "doctor/limits_absent.rs"]
mod limits;
mod machine;
mod place;
mod program;
mod records;
mod seal;

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use nightlatch::account::Email;
use nightlatch::config::{ConfigError, KeeperChoice, Settings};
use nightlatch::paths::{NoHomeDirectory, Paths};
use nightlatch::{Survey, is_home, survey};
use serde::Serialize;

use super::args::Global;
use super::exit::Failure;
use super::system;
use super::text::escape;
use super::ui::{BAD, FAINT, GOOD, Ui, WARN};
use super::{End, Origin, Origins, Surroundings};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    found: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Finding {
    fn new(check: &'static str, state: State, found: impl Into<String>) -> Self {
        Self {
            check,
            state,
            found: found.into(),
            advice: None,
        }
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Ok, found)
    }

    fn warn(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Warn, found)
    }

    fn fail(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Fail, found)
    }

    #[must_use]
    fn advice(mut self, advice: impl Into<Option<String>>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// What the checks look at.
struct Case {
    origins: Origins,
    paths: Result<Paths, NoHomeDirectory>,
    /// `None` where there is no place for a file.
    settings: Option<Result<Settings, ConfigError>>,
    /// What `NIGHTLATCH_KEEPER` says; the error when it is no keeper.
    forced: Option<Result<KeeperChoice, String>>,
    /// What is wrong with the account that was named, if anything.
    bad_account: Option<String>,
    survey: Survey,
    /// Whether what stands there is a home of ours.
    is_home: bool,
    program: Option<PathBuf>,
    /// `PATH`.
    search_path: Option<OsString>,
    /// `HOME`.
    user_home: Option<PathBuf>,
}

impl Case {
    fn new(global: Global, surroundings: Surroundings) -> Self {
        let origins = Origins::of(&global, &surroundings);
        let account = global.account.map(OsString::from).or(surroundings.account);
        let home = global.home.or(surroundings.home.map(PathBuf::from));
        let paths = home.map_or_else(Paths::of_environment, |home| Ok(Paths::under(home)));
        let settings = paths
            .as_ref()
            .ok()
            .map(|paths| Settings::load(&paths.config_file));
        let survey = paths.as_ref().map_or_else(
            |_| Survey::default(),
            |paths| survey(&paths.home, &["config.toml"]),
        );
        // One that cannot be told is looked at as if it were.
        let is_home = paths
            .as_ref()
            .is_ok_and(|paths| is_home(&paths.home).unwrap_or(true));
        Self {
            settings,
            forced: surroundings.keeper.map(|word| {
                let parsed = word.to_string_lossy().parse();
                parsed.map_err(|error: nightlatch::config::UnknownKeeper| error.to_string())
            }),
            bad_account: account.and_then(|account| {
                let (Origin::Flag(name) | Origin::Variable(name)) = origins.account else {
                    return None;
                };
                let parsed = account.to_string_lossy().parse::<Email>();
                parsed.err().map(|error| format!("{name}: {error}"))
            }),
            survey,
            is_home,
            paths,
            origins,
            program: (surroundings.program)(),
            search_path: surroundings.path,
            user_home: surroundings.user_home.map(PathBuf::from),
        }
    }

    /// The home, where there is one on disk.
    fn home(&self) -> Option<&Path> {
        let paths = self.paths.as_ref().ok()?;
        (self.survey.exists && self.is_home).then_some(&*paths.home)
    }

    /// The configuration in force, where it can be used.
    fn config(&self) -> Option<&nightlatch::Config> {
        Some(self.settings.as_ref()?.as_ref().ok()?.config())
    }
}

/// Every check, in the order in which they are told.
const CHECKS: &[fn(&Case) -> Vec<Finding>] = &[
    program::version,
    program::in_path,
    program::terminal,
    program::guarded,
    program::hook,
    place::home,
    place::files,
    place::disk,
    place::configuration,
    records::accounts,
    records::lockouts,
    keeper::keeper,
    keeper::agent,
    keeper::quota,
    records::log,
    records::retention,
    records::holds,
    seal::seal,
    records::syslog,
    records::leases,
    machine::clock,
    machine::swap,
    machine::hibernation,
    limits::memory,
    limits::cores,
    machine::tracing,
    machine::unseen,
];

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    ok: bool,
    warnings: usize,
    failures: usize,
    checks: &'a [Finding],
}

/// Runs every check and tells how each came out.
pub fn run(ui: Ui, global: Global, surroundings: Surroundings) -> Result<End, Failure> {
    let case = Case::new(global, surroundings);
    let findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&case)).collect();
    let count = |state| findings.iter().filter(|found| found.state == state).count();
    let (warnings, failures) = (count(State::Warn), count(State::Fail));
    if ui.json {
        ui.json(&Report {
            schema: 1,
            ok: failures == 0,
            warnings,
            failures,
            checks: &findings,
        })?;
    } else {
        let width = ui.width().unwrap_or(usize::MAX);
        let lines = findings.iter().map(|finding| told(finding, width));
        ui.data(&lines.collect::<String>())?;
    }
    if failures > 0 {
        let message = format!("{} failed", of_checks(failures));
        return Err(Failure::failed("doctor", message));
    }
    ui.say(&match warnings {
        0 => "nothing is wrong".to_owned(),
        _ => format!("nothing failed, {} gave a warning", of_checks(warnings)),
    });
    Ok(End::Done)
}

fn of_checks(count: usize) -> String {
    match count {
        1 => "1 check".to_owned(),
        _ => format!("{count} checks"),
    }
}

/// Where what was found begins.
const INDENT: usize = 19;

/// A finding for people, and what to do about it, in lines of up to `width` columns.
fn told(finding: &Finding, width: usize) -> String {
    let (style, word) = match finding.state {
        State::Ok => (GOOD, "ok"),
        State::Warn => (WARN, "warn"),
        State::Fail => (BAD, "fail"),
    };
    let mut text = format!("{style}{word:4}{style:#}  {:11}  ", finding.check);
    wrap(&mut text, &escape(&finding.found), INDENT, width);
    if let Some(advice) = &finding.advice {
        let _ = write!(text, "{:INDENT$}{FAINT}->{FAINT:#} ", "");
        wrap(&mut text, &escape(advice), INDENT + 3, width);
    }
    text
}

/// Writes `words` and a line end behind what takes `indent` columns, and further lines below their
/// beginning.
fn wrap(text: &mut String, words: &str, indent: usize, width: usize) {
    let mut column = indent;
    for (at, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > width {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if at > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

/// The content of a small file of the system's, such as those of `/proc`; `None` where there is none or
/// it may not be read.
fn read_small(path: &str) -> Option<String> {
    let bytes = system::read(Path::new(path), 64 * 1024)?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_finding_goes_on_below_where_it_began() {
        let finding = Finding::warn("swap", "one two three").advice("do that now".to_owned());
        let plain = anstream::adapter::strip_str(&told(&finding, 27)).to_string();
        let expected = "\
warn  swap         one two
                   three
                   -> do
                      that
                      now
";
        assert_eq!(plain, expected);
    }
}
