//! `audit verify`, and the commands that print what it compares with: `audit fingerprint`, `audit
//! anchor`.
//!
//! Verification reads only the log's files, and records nothing: it must work on a read-only copy,
//! and on a log that can no longer be appended to.

mod report;

use std::io::Read;
use std::path::Path;

use nightlatch_audit::{Anchor, Anchors, AuditError, Progress, Verification, Verifier};
use nightlatch_core::clock::Clock;
use nightlatch_platform::clock::SystemClock;

use super::reading::NAME_THE_DIRECTORY;
use crate::cli::args::{Audit, AuditCommand, AuditVerify, Noted};
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};
use crate::cli::progress;
use crate::cli::text::escape;
use crate::cli::ui::Ui;
use report::{Report, is_nothing};

/// Longer than any anchor.
const ANCHOR_LIMIT: u64 = 4096;

/// The arguments and the directory of a verification that names a directory, which needs no home.
pub fn copy_to_verify(audit: &Audit) -> Option<(&AuditVerify, &Path)> {
    let Some(AuditCommand::Verify(args)) = &audit.command else {
        return None;
    };
    args.directory.as_deref().map(|directory| (args, directory))
}

/// Verifies the log in `directory`.
pub fn verify(ui: Ui, args: &AuditVerify, directory: &Path) -> Result<End, Failure> {
    let (mut verifier, ignored) = verifier(ui, directory, &args.noted)?;
    if args.directory.is_none() {
        verifier = verifier.in_home().in_boot(this_boot());
    }
    if args.fast {
        verifier = verifier.fast();
    }
    let done = Progress::default();
    let result = progress::watched(ui, "verifying", || done.get(), || verifier.run(&done))
        .map_err(|error| unreadable(error, directory))?;
    let report = Report {
        directory,
        args,
        ignored,
        result: &result,
    };
    if ui.json {
        ui.json(&report.json())?;
    } else {
        ui.data(&report.text())?;
    }
    if result.is_good() {
        return Ok(End::Done);
    }
    if is_nothing(&result) {
        let message = "there is no audit log to verify";
        let failure = Failure::new(Code::Audit, "not_verified", message);
        return Err(failure.hint(NAME_THE_DIRECTORY.to_owned()));
    }
    let hint = "keep the files as they are: they are evidence";
    Err(not_verified(&result).hint(hint.to_owned()))
}

/// The boot id of the running system; zeros if it has none.
pub fn this_boot() -> [u8; 16] {
    SystemClock.boot().map_or([0; 16], |boot| boot.id)
}

/// The log has findings.
pub fn not_verified(result: &Verification) -> Failure {
    let count = result.findings.len() as u64 + result.more_findings;
    let findings = if count == 1 { "finding" } else { "findings" };
    let message = format!("the audit log does not verify: {count} {findings}");
    Failure::new(Code::Audit, "not_verified", message)
}

/// Somebody may have put the obstacle there on purpose, so the message does not suggest moving it.
fn unreadable(error: AuditError, directory: &Path) -> Failure {
    let hint = if directory.is_dir() {
        "verify a copy whose files you may read; leave the log as it is: it is evidence"
    } else {
        NAME_THE_DIRECTORY
    };
    Failure::from(error).hint(hint.to_owned())
}

/// A verifier of the log in `directory` that compares it with `noted`, and the number of input
/// lines without an anchor.
pub fn verifier(ui: Ui, directory: &Path, noted: &Noted) -> Result<(Verifier, u64), Failure> {
    let mut verifier = Verifier::new(directory);
    if let Some(fingerprint) = &noted.fingerprint {
        verifier = expecting(verifier, fingerprint)?;
    }
    if let Some(path) = &noted.anchor {
        let anchor = read_anchor(ui, path)?;
        let given = noted.fingerprint.as_deref().map(str::trim);
        if given.is_some_and(|given| !given.eq_ignore_ascii_case(&anchor.fingerprint())) {
            return Err(
                Failure::usage("--fingerprint and --anchor are of different logs")
                    .hint("give the ones that were noted of this log".to_owned()),
            );
        }
        verifier = verifier.anchors(Anchors::one(anchor, &path.to_string_lossy()));
    }
    let mut ignored = 0;
    if let Some(path) = &noted.anchors {
        let anchors = read_anchors(ui, path)?;
        ignored = anchors.ignored();
        verifier = verifier.anchors(anchors);
    }
    if let Some(retention) = noted.retention {
        verifier = verifier.retention(retention);
    }
    Ok((verifier, ignored))
}

/// Makes the verifier compare the log with this fingerprint.
fn expecting(verifier: Verifier, fingerprint: &str) -> Result<Verifier, Failure> {
    verifier.fingerprint(fingerprint).map_err(|error| {
        Failure::usage(format!("--fingerprint: {error}"))
            .hint("it is what `nightlatch audit fingerprint` printed".to_owned())
    })
}

fn read_anchor(ui: Ui, path: &Path) -> Result<Anchor, Failure> {
    let wrong = |what: String| {
        Failure::usage(format!("--anchor {}: {what}", path.display()))
            .hint("note one with: nightlatch audit anchor --json".to_owned())
    };
    let read = |source: Input| {
        let mut text = String::new();
        source.take(ANCHOR_LIMIT).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read_named(ui, path, read).map_err(|error| wrong(error.to_string()))?;
    Anchor::parse(&text).map_err(|error| wrong(error.to_string()))
}

fn read_anchors(ui: Ui, path: &Path) -> Result<Anchors, Failure> {
    let wrong = |what: String| {
        Failure::usage(format!("--anchors {}: {what}", path.display()))
            .hint("give lines of `nightlatch audit anchor --json`, or the system log".to_owned())
    };
    let read = |source| Anchors::read(&name_of(path), source);
    let anchors = read_named(ui, path, read).map_err(|error| wrong(error.to_string()))?;
    if anchors.is_empty() {
        return Err(wrong("there is no anchor in it".to_owned()));
    }
    Ok(anchors)
}

/// An input file that a person named.
type Input = Box<dyn Read>;

/// The name of the input in messages.
fn name_of(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.to_string_lossy().into_owned()
    }
}

/// Reads the input that a person named; `-` is standard input.
fn read_named<T>(
    ui: Ui,
    path: &Path,
    read: impl FnOnce(Input) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let name = escape(&name_of(path));
    progress::read_to_end(ui, &name, || {
        read(if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(open_named(path)?)
        })
    })
}

/// Opens a file that a person named as input. It may be a link or a pipe, but not a device.
#[allow(clippy::disallowed_methods)]
fn open_named(path: &Path) -> std::io::Result<std::fs::File> {
    let kind = std::fs::metadata(path)?.file_type();
    #[cfg(unix)]
    let is_pipe = std::os::unix::fs::FileTypeExt::is_fifo(&kind);
    #[cfg(not(unix))]
    let is_pipe = false;
    if kind.is_file() || is_pipe {
        return std::fs::File::open(path);
    }
    Err(std::io::Error::other("it is neither a file nor a pipe"))
}

/// Prints only the fingerprint of the home's log.
pub fn fingerprint(context: &Context) -> Result<End, Failure> {
    let guard = context.guard_to_look()?;
    let fingerprint = match guard.audit() {
        Some(log) => log.fingerprint()?,
        None => None,
    };
    let fingerprint = fingerprint.ok_or_else(no_log)?;
    if context.ui.json {
        let object = serde_json::json!({ "schema": 1, "fingerprint": fingerprint });
        context.ui.json(&object)?;
    } else {
        context.ui.data(&format!("{fingerprint}\n"))?;
    }
    Ok(End::Done)
}

/// Prints the last sealed line of the home's log.
pub fn anchor(context: &Context) -> Result<End, Failure> {
    let guard = context.guard_to_look()?;
    let anchor = match guard.audit() {
        Some(log) => log.anchor()?,
        None => None,
    };
    let anchor = anchor.ok_or_else(no_log)?;
    let shown = if context.ui.json {
        format!("{}\n", anchor.to_json())
    } else {
        format!(
            "event        {}\nhash         {}\nfingerprint  {}\n",
            anchor.seq,
            anchor.hash,
            anchor.fingerprint()
        )
    };
    context.ui.data(&shown)?;
    Ok(End::Done)
}

/// The home has no log: it has not been started, or it is gone.
pub fn no_log() -> Failure {
    Failure::new(Code::Audit, "no_log", "there is no audit log here")
        .hint("it begins with the first account: nightlatch register EMAIL; if there was one, put it back".to_owned())
}
