//! The audit log for other programs and on a terminal: unchanged in a file, and escaped on a
//! terminal.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Home, Pty, Run, files_in};

/// Contains, unescaped, a right-to-left override, a C1 control sequence, DEL and an invisible tag.
const HOSTILE: &str = "\u{202e}\u{9b}31m\u{7f}\u{e0041}";

/// A home with a session in which a command ran.
fn eventful() -> Home {
    let home = Home::signed_in();
    home.run(&["exec", "--", "true"]).succeeds();
    home
}

fn export(home: &Home, arguments: &[&str]) -> Run {
    home.run(&[&["audit", "export"], arguments].concat())
}

fn lines(run: &Run) -> Vec<Value> {
    run.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A line that parses as an event but is not from the log, with `HOSTILE` in its texts.
fn hostile_line(home: &Home) -> String {
    let line = home.audit_lines().pop().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    let of = |key: &str| format!("\"{key}\":{}", event[key]);
    let host = format!("\"host\":\"{HOSTILE}\"");
    let details = format!("\"details\":{{\"reason\":\"{HOSTILE}\"}}");
    line.replace(&of("host"), &host)
        .replace(&of("details"), &details)
        .replace(&of("username"), &format!("\"username\":\"{HOSTILE}\""))
}

/// A copy of the log.
fn copy_of(home: &Home) -> PathBuf {
    let copy = home.outside("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in files_in(&home.path().join("audit")) {
        std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    copy
}

/// Appends `line` to the newest segment, bypassing the program.
fn tamper(log: &Path, line: &str) {
    let mut segments = files_in(log);
    segments.retain(|path| path.extension().is_some_and(|is| is == "jsonl"));
    let mut segment = std::fs::OpenOptions::new()
        .append(true)
        .open(segments.last().unwrap())
        .unwrap();
    writeln!(segment, "{line}").unwrap();
}

#[test]
fn an_export_has_every_event_once_in_order_with_its_number_and_hash() {
    let home = eventful();
    for format in ["jsonl", "ocsf", "ecs"] {
        let before = home.audit();
        let run = export(&home, &["--format", format]).succeeds();
        assert_eq!(run.stderr, "");
        let told: Vec<(Value, Value)> = lines(&run)
            .iter()
            .map(|event| match format {
                "jsonl" => (event["seq"].clone(), event["hash"].clone()),
                "ocsf" => (
                    event["metadata"]["sequence"].clone(),
                    event["unmapped"]["hash"].clone(),
                ),
                _ => (
                    event["event"]["sequence"].clone(),
                    event["event"]["hash"].clone(),
                ),
            })
            .collect();
        let there: Vec<(Value, Value)> = before
            .iter()
            .map(|event| (event["seq"].clone(), event["hash"].clone()))
            .collect();
        assert!(there.len() > 5);
        assert_eq!(told, there, "{format}");
    }
}

#[test]
fn an_export_takes_the_filters_of_the_list_and_has_no_limit() {
    let home = eventful();
    let run = export(
        &home,
        &["--event", "COMMAND_STARTED", "--event", "login_success"],
    )
    .succeeds();
    let types: Vec<_> = lines(&run)
        .iter()
        .map(|e| e["event_type"].clone())
        .collect();
    assert_eq!(types, ["LOGIN_SUCCESS", "COMMAND_STARTED"]);
    assert_eq!(export(&home, &["--failed"]).succeeds().stdout, "");
    assert_eq!(
        export(&home, &["--since", "9999-12-31"]).succeeds().stdout,
        ""
    );
    let all = export(&home, &["--since", "0001-01-01", "--until", "9999-12-31"]).succeeds();
    assert!(all.stdout.lines().count() > 10);
    export(&home, &["--limit", "5"]).refuses(2, "--limit");
    export(&home, &["--event", "no such"]).refuses(2, "not an event type");
}

#[test]
fn an_export_is_recorded_once_before_it_is_written_and_does_not_hold_that_record() {
    let home = eventful();
    let count = home.audit_lines().len();
    let run = export(&home, &[]).succeeds();
    assert_eq!(run.stdout.lines().count(), count);
    let all = home.audit();
    assert_eq!(all.len(), count + 1);
    assert_eq!(all[count]["event_type"], "AUDIT_READ");
    assert_eq!(all[count]["details"]["matched"], count);
    assert_eq!(all[count]["details"]["returned"], count);
}

#[test]
fn an_export_that_nobody_reads_ends_quietly_and_is_on_record() {
    let home = eventful();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["audit", "export", "--format", "ocsf"]);
    let child = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let run = Run::finish(&command, child).succeeds();
    assert_eq!(run.stderr, "");
    assert_eq!(home.events().last().unwrap(), "AUDIT_READ");
}

#[test]
fn an_export_that_cannot_be_recorded_is_written_and_reports_7() {
    let home = eventful();
    let count = home.audit_lines().len();
    std::fs::remove_dir_all(home.path().join("seal")).unwrap();
    let run = export(&home, &["--format", "ecs"]).refuses(7, "audit log");
    assert_eq!(run.stdout.lines().count(), count);
    assert_eq!(home.audit_lines().len(), count);
}

#[test]
fn an_export_of_no_log_is_empty() {
    let run = export(&Home::bare(), &["--format", "ocsf"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
}

#[test]
fn the_documented_line_finds_the_sealed_line_of_every_exported_event() {
    let home = eventful();
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/export.md"));
    let document = document.unwrap();
    let script = document.split("```sh\n").nth(1).unwrap();
    let script = script.split("```").next().unwrap();
    let exported = home.outside("exported");
    let find = || {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .env("EXPORTED", &exported)
            .env("AUDIT", home.path().join("audit"));
        Run::of(command)
    };
    for format in ["jsonl", "ocsf", "ecs"] {
        let sealed = home.audit_lines();
        let run = export(&home, &["--format", format]).succeeds();
        std::fs::write(&exported, &run.stdout).unwrap();
        let found = find().succeeds().stdout;
        assert_eq!(found.lines().collect::<Vec<_>>(), sealed, "{format}");

        let last: Value = serde_json::from_str(sealed.last().unwrap()).unwrap();
        let hash = last["hash"].as_str().unwrap();
        let forged = run.stdout.replace(hash, &"f".repeat(64));
        assert_ne!(forged, run.stdout);
        std::fs::write(&exported, forged).unwrap();
        assert_eq!(find().code, 1, "{format}");
    }
}

#[test]
fn whatever_the_log_holds_a_terminal_is_sent_nothing_to_act_on() {
    let home = eventful();
    // In a copy, because recording an event in the log itself would move such a line aside.
    let (copy, line) = (copy_of(&home), hostile_line(&home));
    tamper(&copy, &line);
    let of_copy = ["--dir", copy.to_str().unwrap()];
    for arguments in [
        &["audit", "--format", "table"][..],
        &["audit", "--format", "json"],
        &["audit", "--json"],
        &["audit", "--format", "jsonl"],
        &["audit", "--format", "csv"],
        &["audit", "export"],
        &["audit", "export", "--format", "ocsf"],
        &["audit", "export", "--format", "ecs"],
    ] {
        let (shown, status) = Pty::spawn(home.command(&[arguments, &of_copy].concat())).finish();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {shown}");
        assert!(
            shown.contains("\\u202e") || shown.contains("\\u{202e}"),
            "{arguments:?}: {shown}"
        );
        let raw = shown
            .chars()
            .find(|&c| HOSTILE.contains(c) && !c.is_ascii_graphic());
        assert_eq!(raw, None, "{arguments:?}: {shown:?}");
        // It is still JSON with the same meaning.
        if arguments.contains(&"jsonl") || arguments == ["audit", "export"] {
            let same = |shown: &str| {
                serde_json::from_str::<Value>(shown.trim()).ok()
                    == serde_json::from_str::<Value>(&line).ok()
            };
            assert!(shown.lines().any(same), "{arguments:?}: {shown}");
        }
    }
}

#[test]
fn whatever_the_log_holds_a_pipe_is_sent_its_bytes() {
    let home = eventful();
    // In a copy, because recording an event in the log itself would move such a line aside.
    let (copy, line) = (copy_of(&home), hostile_line(&home));
    tamper(&copy, &line);
    let of_copy = ["--dir", copy.to_str().unwrap()];
    for arguments in [
        &["audit", "--format", "jsonl"][..],
        &["audit", "--json"],
        &["audit", "export"],
    ] {
        let run = home.run(&[arguments, &of_copy].concat()).succeeds();
        assert!(
            run.stdout.contains(&line),
            "{arguments:?}: {:?}",
            run.stdout
        );
    }
    let csv = home.run(&["audit", "--format", "csv", "--dir", of_copy[1]]);
    let csv = csv.succeeds().stdout;
    assert!(csv.contains(&format!(",{HOSTILE},")), "{csv:?}");
}

#[test]
fn what_comes_while_following_on_a_terminal_is_harmless_too() {
    let home = eventful();
    let line = hostile_line(&home);
    let mut pty = Pty::spawn(home.command(&["audit", "--follow", "--format", "jsonl"]));
    // The first event is its own reading.
    pty.expect("AUDIT_READ");
    tamper(&home.path().join("audit"), &line);
    let shown = pty.expect("\\u202e\\u009b31m\\u007f");
    assert!(!shown.contains('\u{202e}'), "{shown:?}");
}
