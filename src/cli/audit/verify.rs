//! `audit verify`, and what is noted of a log to verify it with: `audit fingerprint`, `audit anchor`.
//!
//! Verifying reads the log's files and nothing else, and records nothing: it has to work on a copy
//! that cannot be written, and on a log that nothing may be appended to any more.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use nightlatch::audit::{Anchor, AuditError, Finding, Problem, Progress, Verification, Verifier};

use crate::cli::args::{Audit, AuditCommand, AuditVerify, Noted};
use crate::cli::exit::{Code, Failure};
use crate::cli::ui::{BAD, GOOD, STRONG, Ui, WARN};
use crate::cli::{Context, End, progress, text};

/// Longer than any anchor.
const ANCHOR_LIMIT: u64 = 4096;

pub(super) const NAME_THE_DIRECTORY: &str =
    "name the directory that has the .jsonl files: in a home it is audit";

/// The arguments and the directory of a verification that names one: it needs no home.
pub fn copy_to_verify(audit: &Audit) -> Option<(&AuditVerify, &Path)> {
    let Some(AuditCommand::Verify(args)) = &audit.command else {
        return None;
    };
    args.directory.as_deref().map(|directory| (args, directory))
}

/// Verifies the log in `directory`.
pub fn verify(ui: Ui, args: &AuditVerify, directory: &Path) -> Result<End, Failure> {
    let (mut verifier, anchor) = verifier(directory, &args.noted)?;
    if args.fast {
        verifier = verifier.fast();
    }
    let done = Progress::default();
    let result = progress::watched(ui, "verifying", || done.get(), || verifier.run(&done))
        .map_err(|error| unreadable(error, directory))?;
    let told = Told {
        directory,
        fast: args.fast,
        anchor: anchor.as_ref(),
        result: &result,
    };
    if ui.json {
        ui.json(&told.json())?;
    } else {
        ui.data(&told.text())?;
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

/// What was verified is not as it was sealed.
pub fn not_verified(result: &Verification) -> Failure {
    let count = result.findings.len() as u64 + result.more_findings;
    let findings = if count == 1 { "finding" } else { "findings" };
    let message = format!("the audit log does not verify: {count} {findings}");
    Failure::new(Code::Audit, "not_verified", message)
}

/// Whether there was no log to verify.
fn is_nothing(result: &Verification) -> bool {
    let is_nothing = |finding: &Finding| finding.problem == Problem::NoLog;
    !result.is_good() && result.findings.iter().all(is_nothing)
}

/// What is in the way of verification may be what somebody put there: nobody is told to move it.
fn unreadable(error: AuditError, directory: &Path) -> Failure {
    let hint = if directory.is_dir() {
        "verify a copy whose files you may read; leave the log as it is: it is evidence"
    } else {
        NAME_THE_DIRECTORY
    };
    Failure::from(error).hint(hint.to_owned())
}

/// A verifier of the log in `directory` that compares it with what was noted, and the anchor of that.
pub fn verifier(directory: &Path, noted: &Noted) -> Result<(Verifier, Option<Anchor>), Failure> {
    let mut verifier = Verifier::new(directory);
    if let Some(fingerprint) = &noted.fingerprint {
        verifier = expecting(verifier, fingerprint)?;
    }
    let anchor = noted.anchor.as_deref().map(read_anchor).transpose()?;
    if let Some(anchor) = &anchor {
        let given = noted.fingerprint.as_deref().map(str::trim);
        if given.is_some_and(|given| !given.eq_ignore_ascii_case(&anchor.fingerprint())) {
            return Err(
                Failure::usage("--fingerprint and --anchor are of different logs")
                    .hint("give the ones that were noted of this log".to_owned()),
            );
        }
        verifier = verifier.anchor(anchor.clone());
    }
    Ok((verifier, anchor))
}

/// The same for the log of this fingerprint only.
fn expecting(verifier: Verifier, fingerprint: &str) -> Result<Verifier, Failure> {
    verifier.fingerprint(fingerprint).map_err(|error| {
        Failure::usage(format!("--fingerprint: {error}"))
            .hint("it is what `nightlatch audit fingerprint` printed".to_owned())
    })
}

fn read_anchor(path: &Path) -> Result<Anchor, Failure> {
    let wrong = |what: String| {
        Failure::usage(format!("--anchor {}: {what}", path.display()))
            .hint("note one with: nightlatch audit anchor --json".to_owned())
    };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .take(ANCHOR_LIMIT)
            .read_to_string(&mut text)
    } else {
        open_named(path).and_then(|file| file.take(ANCHOR_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|error| wrong(error.to_string()))?;
    Anchor::parse(&text).map_err(|error| wrong(error.to_string()))
}

/// A file that the person named as input: it may as well be a link or a pipe.
#[allow(clippy::disallowed_methods)]
fn open_named(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// What a verification came to, and what it was.
struct Told<'a> {
    directory: &'a Path,
    fast: bool,
    anchor: Option<&'a Anchor>,
    result: &'a Verification,
}

impl Told<'_> {
    fn json(&self) -> serde_json::Value {
        let result = self.result;
        let findings: Vec<_> = result
            .findings
            .iter()
            .map(|finding| {
                serde_json::json!({
                    "file": (!finding.file.is_empty()).then_some(&finding.file),
                    "line": (finding.line > 0).then_some(finding.line),
                    "seq": finding.seq,
                    "problem": finding.problem.name(),
                    "message": finding.problem.to_string(),
                })
            })
            .collect();
        serde_json::json!({
            "schema": 1,
            "ok": result.is_good(),
            "findings": findings,
            "more_findings": result.more_findings,
            "directory": self.directory.to_string_lossy(),
            "segments": result.segments,
            "events": result.lines,
            "bytes": result.bytes,
            "first_seq": result.first_seq,
            "last_seq": result.last.map(|(seq, _)| seq),
            "last_hash": result.last.map(|(_, hash)| hash.to_string()),
            "seals": result.seals,
            "sealed_through": result.sealed_through,
            "fingerprint": result.fingerprint,
            "fingerprint_compared": self.fingerprint_compared(),
            "anchor_seq": self.anchor.map(|anchor| anchor.seq),
            "state_seen": result.state_seen,
            "fast": self.fast,
            "ends_torn": result.ends_torn,
        })
    }

    /// An anchor has a fingerprint too.
    fn fingerprint_compared(&self) -> bool {
        self.result.fingerprint_given || self.anchor.is_some()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let directory = text::escape(&self.directory.to_string_lossy());
        let (style, verdict) = if self.result.is_good() {
            (GOOD, "is as it was sealed")
        } else if is_nothing(self.result) {
            (BAD, "has no audit log")
        } else {
            (BAD, "is NOT as it was sealed")
        };
        // Writing to memory does not fail.
        let _ = writeln!(
            text,
            "{style}●{style:#} {STRONG}{directory}{STRONG:#} {verdict}"
        );
        // That there is no log has been said.
        let named = if is_nothing(self.result) {
            &[]
        } else {
            &self.result.findings[..]
        };
        for finding in named {
            let finding = text::escape(&finding.to_string());
            let _ = writeln!(text, "{BAD}{finding}{BAD:#}");
        }
        if self.result.more_findings > 0 {
            let _ = writeln!(text, "and {} more findings", self.result.more_findings);
        }
        for (name, value) in self.facts() {
            let _ = writeln!(text, "  {name:<12} {value}");
        }
        for gap in self.gaps() {
            let _ = writeln!(text, "  {WARN}not checked:{WARN:#} {gap}");
        }
        text
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let result = self.result;
        let mut facts = Vec::new();
        let (Some(first), Some((last, _))) = (result.first_seq, result.last) else {
            return facts;
        };
        let segments = if result.segments == 1 {
            "segment"
        } else {
            "segments"
        };
        facts.push((
            "events",
            format!(
                "{}, from {first} to {last}, in {} {segments}, {}",
                result.lines,
                result.segments,
                progress::size(result.bytes)
            ),
        ));
        let after = result
            .sealed_through
            .map(|through| last - through.min(last));
        facts.push((
            "seals",
            match (result.sealed_through, after) {
                (Some(through), Some(0)) => {
                    format!(
                        "{} verified, through event {through}, the last",
                        result.seals
                    )
                }
                (Some(through), Some(after)) => format!(
                    "{} verified, through event {through}; {after} after it, not sealed yet",
                    result.seals
                ),
                _ => "none".to_owned(),
            },
        ));
        if let Some(fingerprint) = &result.fingerprint {
            facts.push(("fingerprint", fingerprint.clone()));
        }
        facts
    }

    /// What this verification leaves open.
    fn gaps(&self) -> Vec<&'static str> {
        let mut gaps = Vec::new();
        if self.result.lines == 0 {
            return gaps;
        }
        if self.fast {
            gaps.push("the seals inside closed segments, left out by --fast");
        }
        if !self.fingerprint_compared() {
            gaps.push("whose log it is: compare the fingerprint, or give --fingerprint");
        }
        if self.anchor.is_none() {
            gaps.push(if self.result.state_seen {
                "whether all of it was set back to an earlier time: give --anchor"
            } else {
                "whether the end is cut off (no sealing state here): give --anchor"
            });
        }
        if self.result.ends_torn {
            gaps.push("bytes after the last line: being written, or torn by a crash");
        }
        gaps
    }
}

/// Prints the fingerprint of the home's log, alone.
pub fn fingerprint(context: &Context) -> Result<End, Failure> {
    let guard = context.guard()?;
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

/// Prints the line of the home's log that was sealed last.
pub fn anchor(context: &Context) -> Result<End, Failure> {
    let guard = context.guard()?;
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

/// The home has no log: it has not begun, or it is gone.
pub fn no_log() -> Failure {
    Failure::new(Code::Audit, "no_log", "there is no audit log here")
        .hint("it begins with the first account: nightlatch register EMAIL; if there was one, put it back".to_owned())
}
