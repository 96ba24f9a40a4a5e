//! Hundreds of logs, honest and tampered with, for our verifier and for docs/verify.py: both must
//! find the same rules broken in each. Every log that verifies is also read, searched and exported.

mod anchors;
mod bases;
mod case;
mod edits;
mod forge;
mod honest;
mod order;
mod readers;
mod records;
mod seals;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Anchors, Progress, Verification, Verifier};
use case::Case;

/// Imports verify.py from the directory in the first argument, and prints the broken rules of each
/// log in the list that the second argument names, one line per log.
const DRIVER: &str = "
import json, sys
sys.path.insert(0, sys.argv[1])
from verify import Verification
for line in open(sys.argv[2], encoding='utf-8'):
    print(*sorted({rule for _, _, rule in Verification(**json.loads(line)).findings}))
";

/// The rules that a log breaks.
type Rules = BTreeSet<u8>;

fn cases() -> Vec<Case> {
    let all = [
        honest::cases,
        edits::cases,
        order::cases,
        seals::cases,
        records::cases,
        anchors::cases,
    ];
    all.iter().flat_map(|cases| cases()).collect()
}

/// The cases as directories, by index.
struct Corpus {
    scratch: tempfile::TempDir,
    cases: Vec<Case>,
}

impl Corpus {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let corpus = Self {
            scratch,
            cases: cases(),
        };
        for (at, case) in corpus.cases.iter().enumerate() {
            case.write(&corpus.log(at));
            if let Some(anchors) = &case.anchors {
                std::fs::write(corpus.anchors(at), anchors).unwrap();
            }
        }
        corpus
    }

    /// In a separate directory, so that no sealing state is beside it.
    fn log(&self, at: usize) -> PathBuf {
        self.scratch.path().join(format!("{at:04}"))
    }

    fn anchors(&self, at: usize) -> PathBuf {
        self.log(at).with_extension("anchors")
    }

    /// The result of our verifier.
    fn verified(&self, at: usize, threads: usize) -> Verification {
        let case = &self.cases[at];
        let mut verifier = Verifier::new(&self.log(at)).threads(threads);
        if let Some(fingerprint) = &case.fingerprint {
            verifier = verifier.fingerprint(fingerprint).unwrap();
        }
        if let Some(anchors) = &case.anchors {
            verifier = verifier.anchors(Anchors::read("anchors", anchors.as_slice()).unwrap());
        }
        if let Some(days) = case.retention {
            verifier = verifier.retention(Duration::from_secs(days * 86_400));
        }
        verifier.run(&Progress::default()).unwrap()
    }

    /// The result of docs/verify.py for all logs; `None` if it cannot run.
    #[allow(clippy::disallowed_macros)] // prints what was skipped
    fn documented(&self) -> Option<Vec<Rules>> {
        let import = Command::new("python3")
            .args(["-c", "import cryptography"])
            .output();
        if !import.is_ok_and(|output| output.status.success()) {
            eprintln!(
                "SKIPPED: docs/verify.py was not run: there is no python3 with the package cryptography"
            );
            return None;
        }
        let list = self.scratch.path().join("list");
        let lines: String = (0..self.cases.len()).map(|at| self.arguments(at)).collect();
        std::fs::write(&list, lines).unwrap();
        let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let mut command = Command::new("python3");
        let command = command.args(["-B", "-c", DRIVER]).arg(documents).arg(&list);
        let run = command.output().unwrap();
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && errors.is_empty(), "{errors}");
        let text = String::from_utf8(run.stdout).unwrap();
        let rules = |line: &str| {
            let rules = line.split_ascii_whitespace();
            rules.map(|rule| rule.parse().unwrap()).collect()
        };
        Some(text.lines().map(rules).collect())
    }

    /// The arguments of a `Verification` in docs/verify.py, as a line of JSON.
    fn arguments(&self, at: usize) -> String {
        let case = &self.cases[at];
        let mut arguments = serde_json::Map::new();
        let mut option = |name: &str, value: Option<serde_json::Value>| {
            arguments.extend(value.map(|value| (name.to_owned(), value)));
        };
        let path = |path: PathBuf| path.to_str().unwrap().into();
        let anchors = case.anchors.is_some().then(|| path(self.anchors(at)));
        option("directory", Some(path(self.log(at))));
        option("fingerprint", case.fingerprint.clone().map(Into::into));
        option("anchors", anchors);
        option("retention", case.retention.map(Into::into));
        serde_json::Value::from(arguments).to_string() + "\n"
    }
}

fn rules_of(found: &Verification) -> Rules {
    let findings = found.findings.iter();
    findings.map(|finding| finding.problem.rule()).collect()
}

#[test]
fn both_verifiers_find_the_same_rules_broken() {
    let corpus = Corpus::new();
    let found: Vec<_> = (0..corpus.cases.len())
        .map(|at| corpus.verified(at, 1 + at % 3))
        .collect();
    let ours: Vec<_> = found.iter().map(rules_of).collect();
    let theirs = corpus.documented();
    if let Some(theirs) = &theirs {
        assert_eq!(theirs.len(), ours.len());
    }
    let theirs = theirs.as_deref().unwrap_or(&ours);
    let mut wrong = Vec::new();
    for (case, (ours, theirs)) in corpus.cases.iter().zip(ours.iter().zip(theirs)) {
        if ours != theirs || !case.allows(ours) {
            let name = &case.name;
            wrong.push(format!("{name}: {ours:?}, by docs/verify.py {theirs:?}"));
        }
    }
    let wrong = wrong.join("\n");
    assert!(wrong.is_empty(), "{wrong}");
    let tampered = ours.iter().filter(|rules| !rules.is_empty()).count();
    assert!(tampered >= 300 && ours.len() - tampered >= 40, "{tampered}");
    for rule in 1..=12 {
        let is_found_by_it_alone = ours.iter().any(|rules| rules.iter().eq([&rule]));
        assert!(is_found_by_it_alone, "nothing breaks rule {rule} alone");
    }
}

#[test]
fn what_verifies_is_listed_found_and_exported_to_the_byte() {
    readers::every_line_of_what_verifies_is_read();
}
