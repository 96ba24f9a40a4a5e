//! The exact output that a person sees: `tests/transcripts`, one file per condition.
//!
//! A line that begins with `$ ` is run by a shell. Its result follows: standard output, then
//! standard error with `! ` before each line, then `? ` and the exit code unless it is 0.

use std::fmt::Write;
use std::path::Path;

use crate::support::{Home, Run, files_in};

/// Runs the commands of `transcript` in sequence in one home. Returns the actual transcript.
fn replay(transcript: &str, home: &Home) -> String {
    let mut replayed = String::new();
    for line in transcript
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
    {
        let script =
            format!("export LC_ALL=C.UTF-8\nnightlatch() {{ \"$NIGHTLATCH\" \"$@\"; }}\n{line}");
        let run = Run::of(home.shell(&script));
        if !replayed.is_empty() {
            replayed.push('\n');
        }
        writeln!(replayed, "$ {line}").unwrap();
        replayed.push_str(&run.stdout);
        for said in run.stderr.lines() {
            writeln!(replayed, "{}", format!("! {said}").trim_end()).unwrap();
        }
        if run.code != 0 {
            writeln!(replayed, "? {}", run.code).unwrap();
        }
    }
    replayed
}

#[test]
fn what_the_program_says_is_what_the_transcripts_have() {
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let files = files_in(&transcripts);
    assert!(!files.is_empty());
    let mut differing = String::new();
    for file in files {
        let expected = std::fs::read_to_string(&file).unwrap();
        let home = Home::bare();
        let actual = replay(&expected, &home);
        if actual != expected {
            writeln!(differing, "--- {} is now:\n{actual}", file.display()).unwrap();
        }
        assert!(!home.path().exists(), "{} made a home", file.display());
    }
    assert!(differing.is_empty(), "{differing}");
}
