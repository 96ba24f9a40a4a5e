//! `doctor`: checks this installation, and prints one line per check.
//!
//! It is read-only: it creates, extends, records and repairs nothing, and needs no home, no account
//! and no valid configuration. Checks do not depend on each other.

mod environment;
mod finding;
mod keeper;
#[cfg(unix)]
mod limits;
#[cfg(windows)]
#[path = "doctor/limits_absent.rs"]
mod limits;
mod machine;
mod program;
mod records;
mod seal;
pub mod secrets;
mod storage;

use std::fmt::Write;

use serde::Serialize;

use super::args::Global;
use super::end::End;
use super::exit::Failure;
use super::surroundings::Surroundings;
use super::text::escape;
use environment::Environment;
use finding::{Finding, State};

use super::ui::{BAD, FAINT, GOOD, Ui, WARN};

/// All checks, in the order of the output.
const CHECKS: &[fn(&Environment) -> Vec<Finding>] = &[
    program::version,
    program::in_path,
    program::terminal,
    program::guarded,
    program::configured_secrets,
    program::hook,
    storage::home,
    storage::files,
    storage::disk,
    storage::configuration,
    records::accounts,
    records::lockouts,
    secrets::secrets,
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

/// Runs every check and reports the results.
pub fn run(ui: Ui, global: Global, surroundings: Surroundings) -> Result<End, Failure> {
    let case = Environment::new(global, surroundings);
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

/// The column at which findings begin.
const INDENT: usize = 19;

/// Formats a finding and its advice for people, in lines of at most `width` columns.
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

/// Appends `words` and a line end. The first line has `indent` columns before it, and further lines
/// are indented equally.
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
