//! Secrets: whether the database has those that the audit log says it has.

use nightlatch_local::guard::SecretsCheck;
use nightlatch_local::guard::{Guard, GuardConfig};

use super::environment::Environment;
use super::finding::Finding;

pub fn secrets(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "secrets";
    let Some(home) = case.home() else {
        return Vec::new();
    };
    // Other checks report a home, database or log that cannot be read.
    let Some(checks) = Guard::open_to_look(GuardConfig::under(home))
        .ok()
        .and_then(|guard| guard.check_secrets().ok())
    else {
        return Vec::new();
    };
    let wrong: Vec<_> = checks
        .iter()
        .filter_map(|(email, check)| Some((email, explained(*check)?)))
        .map(|(email, (found, advice))| {
            Finding::warn(CHECK, format!("{email}: {found}")).advice(advice.to_owned())
        })
        .collect();
    if wrong.is_empty() && !checks.is_empty() {
        return vec![Finding::ok(CHECK, "as the audit log recorded them last")];
    }
    wrong
}

/// What is wrong, and what to do about it; `None` when nothing is.
pub fn explained(check: SecretsCheck) -> Option<(String, &'static str)> {
    match check {
        SecretsCheck::LastChangeMissing { recorded, found } => Some((
            format!(
                "the last recorded change is not in the database: it has {found} secrets, {recorded} are recorded"
            ),
            "a command was killed or could not write it, or the database was put back; make the change again",
        )),
        SecretsCheck::Different { recorded, found } => Some((
            format!(
                "the database was removed, changed or put back: it has {found} secrets, {recorded} are recorded"
            ),
            "see when they were changed: nightlatch audit list --event SECRET_SET",
        )),
        _ => None,
    }
}
