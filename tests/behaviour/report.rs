//! Viewing the log: `audit stats` and the page of `audit report`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{EMAIL, Home, OTHER_PASSWORD, Pty, Run, files_in};

/// Would run or draw something if it were not escaped.
const HOSTILE: [&str; 4] = [
    "<img src=x onerror=document.title=1>",
    "\"><svg onload=document.title=1>",
    "<script>document.title=1<",
    "--><b>' onclick='document.title=1",
];

/// A person who signed in, once with a wrong password, and ran a program that failed and others
/// with hostile names.
pub fn eventful() -> Home {
    let home = Home::registered();
    home.run_with_input(
        &["login", EMAIL, "--password-stdin"],
        OTHER_PASSWORD.as_bytes(),
    )
    .ends_with(5);
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "false"]).ends_with(1);
    for name in HOSTILE {
        let program = home.outside(name);
        symlink("/bin/true", &program).unwrap();
        home.run(&["exec", "--", program.to_str().unwrap()])
            .succeeds();
    }
    home
}

/// Inserts lines before the last one of the log, after which nothing can be appended.
pub fn put_in(home: &Home, lines: &str) {
    let segment = files_in(&home.path().join("audit"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|is| is == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    let (head, tail) = text.split_at(text.trim_end().rfind('\n').unwrap() + 1);
    std::fs::write(&segment, format!("{head}{lines}{tail}")).unwrap();
}

/// Inserts a line in which every text is hostile. It was never sealed.
pub fn forge_a_line(home: &Home) {
    let mut forged = home.audit().pop().unwrap();
    for key in ["username", "host", "tty"] {
        forged[key] = format!("{key}</script>{}", HOSTILE.concat()).into();
    }
    forged["details"] = serde_json::json!({ "reason": HOSTILE.concat(), HOSTILE[0]: "\u{202e}" });
    forged.as_object_mut().unwrap().shift_remove("seal");
    put_in(home, &format!("{forged}\n"));
}

pub fn report(home: &Home, more: &[&str]) -> (PathBuf, Run) {
    let file = home.outside("report.html");
    let arguments = ["audit", "report", "--html", file.to_str().unwrap()];
    let run = home.run(&[&arguments, more].concat());
    (file, run)
}

pub fn page(home: &Home, more: &[&str]) -> String {
    let (file, run) = report(home, more);
    run.succeeds();
    std::fs::read_to_string(file).unwrap()
}

fn reads(home: &Home) -> usize {
    let events = home.events();
    events.iter().filter(|event| *event == "AUDIT_READ").count()
}

#[test]
fn statistics_are_those_of_the_lines_and_are_recorded_once() {
    let home = eventful();
    let lines = home.audit();
    let stats = home.run(&["audit", "stats", "--json"]).succeeds().json();
    assert_eq!(reads(&home), 1);
    let count = |keeps: &dyn Fn(&Value) -> bool| lines.iter().filter(|line| keeps(line)).count();
    assert_eq!(stats["schema"], 1);
    assert_eq!(stats["total"], lines.len());
    let finished = |line: &Value| line["event_type"] == "COMMAND_FINISHED";
    let failed = count(&|line| line["success"] == false && !finished(line));
    let sum_of =
        |keys: [&str; 2]| -> u64 { keys.iter().map(|key| stats[*key].as_u64().unwrap()).sum() };
    assert_eq!(sum_of(["failed", "refused"]), failed as u64);
    let nonzero = count(&|line| line["success"] == false && finished(line));
    assert_eq!(stats["nonzero"], nonzero);
    for row in stats["by_type"].as_array().unwrap() {
        let expected = count(&|line| line["event_type"] == row["event_type"]);
        assert_eq!(row["events"], expected, "{row}");
    }
    let account = &stats["by_account"][0];
    assert_eq!(account["username"], EMAIL);
    assert_eq!(account["sessions"], 1);
    assert_eq!(account["commands"], 1 + HOSTILE.len());
    let sum = |rows: &Value| -> u64 {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["events"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&stats["by_hour"]), lines.len() as u64);
    assert_eq!(sum(&stats["over_time"]), lines.len() as u64);
    assert_eq!(stats["longest_sessions"].as_array().unwrap().len(), 1);

    let some = ["audit", "stats", "--json", "--event", "LOGIN_FAILURE"];
    let some = home.run(&some).succeeds().json();
    assert_eq!(some["total"], 1);
    assert_eq!(some["longest_sessions"], Value::Null, "not to be known");
}

#[test]
fn statistics_fit_the_width_and_are_ascii_where_the_locale_is() {
    let home = eventful();
    let plain = home.run(&["audit", "stats"]).succeeds().stdout;
    assert!(plain.is_ascii() && plain.contains("###"), "{plain}");
    let mut command = home.command(&["audit", "stats"]);
    let blocks = Run::of({
        command.env("LANG", "C.UTF-8");
        command
    });
    let blocks = blocks.succeeds().stdout;
    assert!(blocks.contains("██"), "{blocks}");
    for text in [&plain, &blocks] {
        for part in ["By type", "By account", "By hour", "Failures", "Longest"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(80), "{text}");
    }
}

#[test]
fn on_a_terminal_statistics_are_as_wide_as_it_is() {
    let home = eventful();
    for columns in [50, 120] {
        let script = format!("stty cols {columns}; exec $NIGHTLATCH audit stats");
        let (text, status) = Pty::spawn(home.shell(&script)).finish();
        assert!(status.success(), "{text}");
        let widest = text.lines().map(|line| line.trim_end().chars().count());
        assert_eq!(widest.max(), Some(columns), "{text}");
    }
}

#[test]
fn where_there_is_no_log_there_is_no_page_and_nothing_is_created() {
    let home = Home::bare();
    let (file, run) = report(&home, &[]);
    run.refuses(7, "there is no audit log here");
    assert!(!file.exists() && !home.path().exists());
    let stats = home.run(&["audit", "stats", "--json"]).succeeds().json();
    assert_eq!(stats["total"], 0);
}

#[test]
fn the_page_is_the_owners_alone_and_replaces_files_only() {
    let home = eventful();
    let file = home.outside("report.html");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let before = files_in(file.parent().unwrap());
    let text = page(&home, &[]);
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>"));
    assert_eq!(reads(&home), 1);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(files_in(file.parent().unwrap()), before, "left something");

    let to_stdout = home.run(&["audit", "report", "--html", "-"]).succeeds();
    assert!(to_stdout.stdout.starts_with("<!DOCTYPE html>"));

    let target = home.outside("target");
    std::fs::write(&target, "kept").unwrap();
    let link = home.outside("link");
    symlink(&target, &link).unwrap();
    let fifo = home.outside("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let read = reads(&home);
    for path in [&link, &fifo, &home.path(), Path::new("/dev/null")] {
        let path = path.to_str().unwrap();
        home.run(&["audit", "report", "--html", path])
            .refuses(1, "not a regular file");
    }
    assert_eq!(std::fs::read_to_string(target).unwrap(), "kept");
    assert_eq!(reads(&home), read, "nothing was read");
}

#[test]
fn the_page_tells_what_was_verified_and_what_was_not() {
    let home = eventful();
    let text = page(&home, &[]);
    assert!(text.contains("Verified: no tampering found") && text.contains("Not checked"));
    assert!(
        text.contains("--fingerprint"),
        "it says it was not compared"
    );
    let fingerprint = home.audit()[0]["details"]["fingerprint"].clone();
    let text = page(&home, &["--fingerprint", fingerprint.as_str().unwrap()]);
    assert!(!text.contains("--fingerprint") && text.contains("Fingerprint, as noted"));

    assert!(text.contains("--anchor"), "it says so of the anchor, too");
    let anchor = home.outside("anchor.json");
    let noted = home.run(&["audit", "anchor", "--json"]).succeeds().stdout;
    std::fs::write(&anchor, &noted).unwrap();
    let text = page(&home, &["--anchor", anchor.to_str().unwrap()]);
    assert!(!text.contains("--anchor") && text.contains("Anchors that fit"));
    let later = noted.replacen("\"seq\":", "\"seq\":9", 1);
    std::fs::write(&anchor, later).unwrap();
    let (file, run) = report(&home, &["--anchor", anchor.to_str().unwrap()]);
    run.refuses(7, "does not verify");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("the log ends before event"));

    let (file, run) = report(&home, &["--fingerprint", &"ab".repeat(32)]);
    run.refuses(7, "does not verify");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("TAMPERED") && text.contains("this is another log"));
    assert!(!text.contains("Verified: no tampering found"));
}

#[test]
fn nothing_in_the_log_becomes_markup_and_nothing_is_loaded() {
    let home = eventful();
    forge_a_line(&home);
    let (file, run) = report(&home, &[]);
    run.ends_with(7);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("TAMPERED"));
    for tag in ["<img", "<svg onload", "<b>", "\u{202e}", "' onclick='"] {
        assert!(!text.contains(tag), "{tag}");
    }
    assert_eq!(text.matches("<script").count(), 1);
    assert_eq!(text.matches("</script").count(), 1);
    // They are present as text: the names of programs, and those in the forged line.
    for part in ["&#60;img src=x", "username&#60;/script", "host&#60;/script"] {
        assert!(text.contains(part), "no {part}");
    }
    for load in [
        " src=\"", "url(", "@import", "http://", "https://", "<link", "<iframe",
    ] {
        assert!(!text.contains(load), "{load}");
    }
    assert!(text.contains("default-src &#39;none&#39;") || text.contains("default-src 'none'"));
}

#[test]
fn the_table_is_bounded_and_says_how_much_is_left_out() {
    let home = Home::registered();
    home.login(&[]).succeeds();
    let line = format!("{}\n", home.audit_lines()[1]);
    put_in(&home, &line.repeat(1100));
    let lines = home.audit().len();
    let (file, run) = report(&home, &[]);
    run.ends_with(7);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("TAMPERED"));
    assert_eq!(text.matches("<td class=\"result\">").count(), 1000);
    let note = format!("The newest 1000; {} older ones are left out", lines - 1000);
    assert!(text.contains(&note), "{note}");
}

#[test]
fn the_page_splits_failures_in_three() {
    let home = eventful();
    home.run(&["logout"]).succeeds();
    home.run(&["exec", "--", "true"]).ends_with(4);
    let text = page(&home, &[]);
    for part in [
        "<strong>1</strong> failed sign-ins",
        "<strong>1</strong> refusals",
        "<strong>1</strong> commands returned non-zero",
    ] {
        assert!(text.contains(part), "no {part}");
    }
    for class in ["failed", "refused", "nonzero"] {
        let rows = text.matches(&format!("<tr class=\"{class}\">")).count();
        assert_eq!(rows, 1, "{class}");
        let bars = text.matches(&format!("class=\"{class}\"><title>")).count();
        assert!(bars > 0, "{class} is not in the chart");
    }
}

#[test]
fn a_legal_hold_in_force_is_at_the_top() {
    let home = eventful();
    let text = page(&home, &[]);
    let holds = |text: &str| {
        let holds = text.split("Legal holds in force</h3>").nth(1).unwrap();
        holds.split("<h3").next().unwrap().to_owned()
    };
    assert!(holds(&text).contains("None."));
    home.run(&["audit", "hold", "add", "case-7", "--reason", "Smith <b> v."])
        .succeeds();
    let text = page(&home, &[]);
    for part in ["case-7", "Smith &#60;b&#62; v.", EMAIL] {
        assert!(holds(&text).contains(part), "no {part}");
    }
}

/// Copies of the log's last line of this type, each with a different session.
fn of_new_sessions(home: &Home, event_type: &str, count: usize) -> String {
    let lines = home.audit();
    let mut line = lines
        .into_iter()
        .rfind(|line| line["event_type"] == event_type)
        .unwrap();
    line.as_object_mut().unwrap().shift_remove("seal");
    (0..count)
        .map(|number| {
            line["session_id"] = format!("{number:08x}-0000-4000-8000-000000000000").into();
            format!("{line}\n")
        })
        .collect::<Vec<_>>()
        .concat()
}

#[test]
fn the_page_says_which_sessions_its_timeline_leaves_out() {
    let home = eventful();
    let lines = of_new_sessions(&home, "SESSION_CREATED", 450);
    put_in(&home, &lines);
    let (file, run) = report(&home, &[]);
    run.ends_with(7);
    let text = std::fs::read_to_string(file).unwrap();
    let note =
        "The newest 400 of 451 sessions are drawn. Not drawn: 51 older sessions, begun from 20";
    assert!(text.contains(note), "no {note}");
    assert_eq!(text.matches("class=\"session\"><title>").count() - 1, 400);
}

#[test]
fn a_session_that_was_never_created_is_flagged_at_the_top_and_in_the_table() {
    let home = eventful();
    put_in(&home, &of_new_sessions(&home, "SESSION_VALIDATED", 1));
    let (file, run) = report(&home, &[]);
    run.ends_with(7);
    let text = std::fs::read_to_string(file).unwrap();
    let top = text.split("Removed events").next().unwrap();
    assert!(
        top.contains("used, but its creation is not in the log"),
        "{top}"
    );
    assert!(text.contains(" flagged\">") && text.contains("⚠ session used, but"));
}
