//! Hundreds of logs, honest and tampered with, for our verifier and for the one in docs/verify.py:
//! the two must find the same rules broken in each.

mod bases;
mod case;
mod edits;
mod forge;
mod honest;
mod order;
mod records;
mod seals;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use case::Case;

/// The rules that each case breaks.
type Verdicts = Vec<BTreeSet<u8>>;

fn cases() -> Vec<Case> {
    let all = [
        honest::cases,
        edits::cases,
        order::cases,
        seals::cases,
        records::cases,
    ];
    all.iter().flat_map(|cases| cases()).collect()
}

/// What docs/verify.py finds; `None` where it cannot run.
fn documented(cases: &[Case], at: &dyn Fn(usize) -> PathBuf) -> Option<Verdicts> {
    let can = Command::new("python3")
        .args(["-c", "import cryptography"])
        .output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!(
            "SKIPPED: docs/verify.py was not run: there is no python3 with the package cryptography"
        );
        return None;
    }
    let arguments = |(number, case): (usize, &Case)| {
        let log = at(number);
        let mut arguments = vec![log.to_str().unwrap().to_owned()];
        let mut option = |name: &str, value: Option<String>| {
            arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        option("--fingerprint", case.fingerprint.clone());
        let anchors = log.with_extension("anchors").to_str().unwrap().to_owned();
        option("--anchors", case.anchors.is_some().then_some(anchors));
        option("--retention", case.retention.map(|days| days.to_string()));
        serde_json::to_string(&arguments).unwrap() + "\n"
    };
    let batch: String = cases.iter().enumerate().map(arguments).collect();
    let list = at(cases.len());
    std::fs::write(&list, batch).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.py");
    let run = Command::new("python3")
        .arg(script)
        .arg("--batch")
        .arg(&list)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && errors.is_empty(), "{errors}");
    let text = String::from_utf8(run.stdout).unwrap();
    assert_eq!(text.lines().count(), cases.len(), "{text}");
    let rules = |line: &str| {
        line.split(' ')
            .skip(2)
            .map(|rule| rule.parse().unwrap())
            .collect()
    };
    Some(text.lines().map(rules).collect())
}

#[test]
fn the_corpus() {
    let cases = cases();
    let scratch = tempfile::tempdir().unwrap();
    let at = |number: usize| scratch.path().join(format!("{number:04}"));
    for (number, case) in cases.iter().enumerate() {
        case.write(&at(number));
        if let Some(anchors) = &case.anchors {
            std::fs::write(at(number).with_extension("anchors"), anchors).unwrap();
        }
    }
    let theirs = documented(&cases, &at).unwrap();
    let judged = cases.iter().zip(&theirs);
    let wrong: Vec<_> = judged
        .filter(|(case, rules)| !case.allows(rules))
        .map(|(case, rules)| format!("{}: {rules:?}", case.name))
        .collect();
    let honest = cases.iter().filter(|case| case.is_honest()).count();
    println!("{honest} honest, {} tampered", cases.len() - honest);
    for rule in 1..=12 {
        println!(
            "{rule}: {}",
            theirs
                .iter()
                .filter(|rules| rules.iter().eq([&rule]))
                .count()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
