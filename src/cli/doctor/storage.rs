//! Storage: the home, its files, the disk, and the configuration.

use std::path::Path;

use nightlatch_platform::fs::{FsError, storage};

use super::environment::Environment;
use super::finding::Finding;
use crate::cli::exit::no_home;
use crate::cli::hints::Hint;
use crate::cli::origin::Origin;
use crate::cli::progress::size;
use crate::cli::system::check_writable;

/// The maximum number of files named per problem.
const NAMED: usize = 5;
/// Enough for more than a day of the audit log.
const ENOUGH: u64 = 100 * 1024 * 1024;
/// With less room, events cannot be recorded, and so commands cannot run.
const TOO_LITTLE: u64 = 1024 * 1024;

/// The directory itself.
pub fn home(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "home";
    let paths = match &case.paths {
        Ok(paths) => paths,
        Err(error) => {
            return vec![Finding::fail(CHECK, error.to_string()).advice(no_home(error))];
        }
    };
    let from = match case.origins.home {
        Origin::Flag(name) | Origin::Variable(name) => name,
        Origin::Unset => "the default",
    };
    let path = paths.home.display();
    if let Some(error) = of_home(&case.survey.refused, &paths.home) {
        return vec![Finding::fail(CHECK, format!("{error} ({from})")).advice(error.hint())];
    }
    if !case.survey.exists {
        // The nearest existing parent directory decides.
        let parent = paths.home.ancestors().skip(1).find(|path| path.exists());
        let writable = match parent {
            Some(parent) if !parent.is_dir() => Err(std::io::ErrorKind::NotADirectory.into()),
            Some(parent) if !parent.as_os_str().is_empty() => check_writable(parent),
            _ => Ok(()),
        };
        if let (Err(error), Some(parent)) = (writable, parent) {
            let parent = parent.display();
            let found = format!("{path} ({from}) cannot be made: {parent}: {error}");
            let advice = "choose another place: --home DIR or NIGHTLATCH_HOME".to_owned();
            return vec![Finding::fail(CHECK, found).advice(advice)];
        }
        let found = format!("{path} ({from}) is not there yet");
        return vec![
            Finding::ok(CHECK, found).advice("it is made by: nightlatch register EMAIL".to_owned()),
        ];
    }
    if !case.is_home {
        let found = format!("{path} ({from}) is no home of Nightlatch; it is left as it is");
        let advice = "nightlatch register makes one, of a directory that is empty or not there";
        return vec![Finding::warn(CHECK, found).advice(advice.to_owned())];
    }
    if let Some(error) = of_home(&case.survey.open, &paths.home) {
        let found = format!("{path} ({from}): {}", error.problem);
        return vec![Finding::warn(CHECK, found).advice(error.hint())];
    }
    if let Err(error) = check_writable(&paths.home) {
        let found = format!("{path} ({from}) cannot be written to: {error}");
        return vec![Finding::fail(CHECK, found)];
    }
    vec![Finding::ok(CHECK, format!("{path} ({from})"))]
}

fn of_home<'a>(errors: &'a [FsError], home: &Path) -> Option<&'a FsError> {
    errors.iter().find(|error| error.path == home)
}

/// The files in the home: owners, modes, links.
pub fn files(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "files";
    let Some(home) = case.home() else {
        return Vec::new();
    };
    // In this case nothing in it was examined.
    if of_home(&case.survey.refused, home).is_some() {
        return Vec::new();
    }
    let inside = |errors: &'_ [FsError], make: fn(&'static str, String) -> Finding| {
        let mut findings = Vec::new();
        let errors: Vec<_> = errors.iter().filter(|error| error.path != home).collect();
        for error in errors.iter().take(NAMED) {
            let found = format!("{}: {}", error.path.display(), error.problem);
            findings.push(make(CHECK, found).advice(error.hint()));
        }
        if errors.len() > NAMED {
            findings.push(make(
                CHECK,
                format!("and {} more like these", errors.len() - NAMED),
            ));
        }
        findings
    };
    let mut findings = inside(&case.survey.refused, Finding::fail);
    findings.extend(inside(&case.survey.open, Finding::warn));
    if findings.is_empty() {
        // Do not count the home itself.
        let count = case.survey.entries.saturating_sub(1);
        let found = format!("{count} files and directories, each yours alone");
        findings.push(Finding::ok(CHECK, found));
    }
    findings
}

/// The file system, and its free space.
pub fn disk(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "disk";
    let Ok(paths) = &case.paths else {
        return Vec::new();
    };
    // The home, or the directory in which it would be created.
    let Some(there) = paths.home.ancestors().find(|path| path.exists()) else {
        return Vec::new();
    };
    let space = match fs2::available_space(there) {
        Ok(space) => space,
        Err(error) => {
            let found = format!("how much room is left on it cannot be told: {error}");
            return vec![Finding::warn(CHECK, found)];
        }
    };
    let left = format!("{} left", size(space));
    let free = "free some disk space: what cannot be recorded does not run".to_owned();
    let room = match space {
        ..TOO_LITTLE => Finding::fail(CHECK, left).advice(free),
        TOO_LITTLE..ENOUGH => Finding::warn(CHECK, left).advice(free),
        _ => Finding::ok(CHECK, left),
    };
    let mut findings = vec![room];
    findings.extend(
        file_system(there)
            .map(|(what, advice)| Finding::warn(CHECK, what).advice(advice.to_owned())),
    );
    findings
}

/// What is unusual about the file system, and what to do about it.
fn file_system(path: &Path) -> Option<(String, &'static str)> {
    let found = storage(path)?;
    if found.is_remote() {
        let name = &found.file_system;
        let what = format!("it is on a network file system ({name}), whose locks may not hold");
        return Some((what, "choose a local place: --home DIR or NIGHTLATCH_HOME"));
    }
    found.is_in_memory().then(|| {
        let name = &found.file_system;
        let what =
            format!("it is in memory ({name}): accounts and the audit log are gone after a reboot");
        (what, "choose a place on a disk, unless that is meant")
    })
}

/// The configuration file and the environment variables.
pub fn configuration(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "config";
    let mut findings = Vec::new();
    if let (Ok(paths), Some(settings)) = (&case.paths, &case.settings) {
        let path = paths.config_file.display();
        findings.push(match settings {
            Ok(settings) if settings.file_exists() => {
                Finding::ok(CHECK, format!("{path}: nothing is wrong with it"))
            }
            Ok(_) => Finding::ok(CHECK, format!("there is no {path}: defaults are in force")),
            Err(error) => Finding::fail(CHECK, error.to_string()).advice(error.hint()),
        });
    }
    if let Some(Err(error)) = &case.forced {
        let found = format!("NIGHTLATCH_KEEPER: {error}");
        findings
            .push(Finding::fail(CHECK, found).advice("unset it, or set one of these".to_owned()));
    }
    if let Some(what) = &case.bad_account {
        findings.push(Finding::fail(CHECK, what.clone()));
    }
    findings
}
