//! `audit verify` on a log that was tampered with: what it reports, and where.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nightlatch_audit::AuditLog;
use nightlatch_audit::{AuditName, Details, Event};
use nightlatch_core::clock::{Boot, Clock, Moment};
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::users::{ALICE, Alices, BOB};
use crate::support::{EMAIL, Home, Pty, Run, files_in, tree};

const DAY: Duration = Duration::from_secs(86_400);
/// Events per day, without those that open and close the segment.
const A_DAYS_EVENTS: usize = 7;

/// The machine's clock, shifted by some days.
#[derive(Default)]
struct Calendar(Mutex<Duration>);

impl Clock for Calendar {
    fn now(&self) -> Moment {
        let now = SystemClock.now();
        let wall = now.wall.plus(*self.0.lock().unwrap());
        Moment { wall, ..now }
    }

    fn boot(&self) -> std::io::Result<Boot> {
        SystemClock.boot()
    }

    fn sleep(&self, _: Duration) {}
}

/// The log of a home, with three days and so three segments; an auditor's copy is beside it.
struct Case {
    home: Home,
    clock: Arc<Calendar>,
    log: AuditLog,
}

impl Case {
    fn new() -> Self {
        let home = Home::bare();
        let clock = Arc::new(Calendar::default());
        let dir = Arc::new(Dir::open_or_create(&home.path()).unwrap());
        let log = AuditLog::new(dir, Arc::clone(&clock) as Arc<dyn Clock>);
        let case = Self { home, clock, log };
        for day in 0..3 {
            if day > 0 {
                *case.clock.0.lock().unwrap() += DAY;
            }
            case.append(A_DAYS_EVENTS);
        }
        assert_eq!(segments(&case.original()).len(), 3);
        case
    }

    /// Events that are sealed at once, alternating with some that are not.
    fn append(&self, count: usize) {
        for number in 0..count {
            let details = if number % 3 == 0 {
                Details::LoginAttempt
            } else {
                Details::SessionExtended
            };
            let event = Event::new(details).about(AuditName::known(EMAIL));
            self.log.append_durable(&[event]).unwrap();
        }
    }

    fn original(&self) -> PathBuf {
        self.home.path().join("audit")
    }

    /// Copies the log's files, with or without its head.
    fn copy(&self, with: Head) -> PathBuf {
        let copy = self.home.outside("copy");
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).unwrap();
        for file in files_in(&self.original()) {
            let name = file.file_name().unwrap();
            if with == Head::Kept || name != "head" {
                fs::copy(&file, copy.join(name)).unwrap();
            }
        }
        copy
    }

    fn fingerprint(&self) -> String {
        self.log.fingerprint().unwrap().unwrap()
    }

    /// Saves an anchor of the current log, and returns its file.
    fn note_anchor(&self) -> String {
        let run = self.home.run(&["audit", "anchor", "--json"]).succeeds();
        let file = self.home.outside("anchor.json");
        fs::write(&file, run.stdout).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn verify(&self, directory: &Path, more: &[&str]) -> Run {
        let arguments = [&["audit", "verify", directory.to_str().unwrap()], more].concat();
        self.home.run(&arguments)
    }

    /// Asserts that verification reports this problem at this place, as JSON and as text, and exits
    /// with 7.
    #[track_caller]
    fn is_found(&self, directory: &Path, more: &[&str], problem: &str, place: &Place) {
        let run = self.verify(directory, &[&["--json"], more].concat());
        let told = run.ends_with(7).json();
        assert_eq!(told["ok"], false);
        let findings = told["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| {
            finding["problem"] == problem
                && finding["file"].as_str() == place.file.as_deref()
                && finding["line"].as_u64() == place.line
                && finding["seq"].as_u64() == place.seq
        });
        let finding = finding.unwrap_or_else(|| panic!("no {problem} at {place:?}: {findings:#?}"));
        let run = self.verify(directory, more).ends_with(7);
        let message = finding["message"].as_str().unwrap();
        let line = format!("{}{message} [rule {}]", place.shown(), finding["rule"]);
        assert!(run.stdout.lines().any(|is| is == line), "{line}: {run:#?}");
        let said = run
            .stderr
            .starts_with("nightlatch: the audit log does not verify: ");
        assert!(said && run.stderr.lines().count() == 1, "{run:#?}");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Kept,
    Left,
}

/// The place of a problem.
#[derive(Debug, Default)]
struct Place {
    file: Option<String>,
    line: Option<u64>,
    seq: Option<u64>,
}

impl Place {
    fn shown(&self) -> String {
        let mut shown = String::new();
        if let Some(file) = &self.file {
            shown.push_str(file);
            if let Some(line) = self.line {
                write!(shown, ":{line}").unwrap();
            }
            if let Some(seq) = self.seq {
                write!(shown, " (event {seq})").unwrap();
            }
            shown.push_str(": ");
        }
        shown
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut files = files_in(directory);
    files.retain(|file| file.extension().is_some_and(|is| is == "jsonl"));
    files
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn lines_of(segment: &Path) -> Vec<String> {
    let text = fs::read_to_string(segment).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write_lines(segment: &Path, lines: &[String]) {
    fs::write(segment, lines.join("\n") + "\n").unwrap();
}

fn seq_of(line: &str) -> u64 {
    let event: Value = serde_json::from_str(line).unwrap();
    event["seq"].as_u64().unwrap()
}

fn hash_of(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap();
    event["hash"].as_str().unwrap().to_owned()
}

/// The line with another account.
fn edited(line: &str) -> String {
    line.replacen(EMAIL, "mallory@example.com", 1)
}

/// The line as successor of the one with the hash `previous`, with its new hash; its seal is
/// unchanged, because nobody can make another.
fn chained(line: &str, previous: &str) -> String {
    let (body, rest) = line.split_once(",\"prev\":\"").unwrap();
    let seal = rest.find(",\"seal\":").map_or("}", |at| &rest[at..]);
    let hashed = format!("{body},\"prev\":\"{previous}\"");
    let mut hash = String::new();
    for byte in Sha256::digest(&hashed) {
        write!(hash, "{byte:02x}").unwrap();
    }
    format!("{hashed},\"hash\":\"{hash}\"{seal}")
}

/// Rewrites all lines from `at` on, including the chain.
fn rechain(lines: &mut [String], at: usize) {
    for at in at..lines.len() {
        let previous = hash_of(&lines[at - 1]);
        lines[at] = chained(&lines[at], &previous);
    }
}

/// A way to tamper with the lines of a segment. Returns the index of the line where it must be
/// found, and the problem.
type Tampering = fn(&mut Vec<String>) -> (usize, &'static str);

const TAMPERINGS: [(&str, Tampering); 6] = [
    ("a line edited", |lines| {
        lines[3] = edited(&lines[3]);
        (3, "edited")
    }),
    ("a line deleted", |lines| {
        lines.remove(3);
        (3, "missing")
    }),
    ("a line inserted", |lines| {
        let forged = chained(&edited(&lines[3]), &hash_of(&lines[2]));
        lines.insert(3, forged);
        (4, "out_of_order")
    }),
    ("two lines swapped", |lines| {
        lines.swap(3, 4);
        (3, "missing")
    }),
    ("a line duplicated", |lines| {
        lines.insert(4, lines[3].clone());
        (4, "out_of_order")
    }),
    ("a line edited and the chain computed anew", |lines| {
        lines[2] = edited(&lines[2]);
        rechain(lines, 2);
        let sealed = lines[2..]
            .iter()
            .position(|line| line.contains("\"seal\":"));
        (2 + sealed.unwrap(), "foreign_seal")
    }),
];

#[test]
fn every_change_to_the_lines_of_any_segment_is_found_and_named() {
    let case = Case::new();
    for at in 0..3 {
        for (what, tamper) in TAMPERINGS {
            println!("{what}, segment {at}");
            let copy = case.copy(Head::Left);
            let segment = &segments(&copy)[at];
            let mut lines = lines_of(segment);
            let (index, problem) = tamper(&mut lines);
            write_lines(segment, &lines);
            let place = Place {
                file: Some(name_of(segment)),
                line: Some(index as u64 + 1),
                seq: Some(seq_of(&lines[index])),
            };
            case.is_found(&copy, &[], problem, &place);
        }
    }
}

#[test]
fn a_segment_that_is_missing_or_renamed_is_found_and_named() {
    let case = Case::new();
    let copy = case.copy(Head::Left);
    let files = segments(&copy);
    let gap = Place {
        file: Some(name_of(&files[2])),
        line: Some(1),
        seq: Some(seq_of(&lines_of(&files[2])[0])),
    };
    let stray = copy.join("old.jsonl");
    fs::rename(&files[1], &stray).unwrap();
    case.is_found(&copy, &[], "missing", &gap);
    let renamed = Place {
        file: Some(name_of(&stray)),
        ..Place::default()
    };
    case.is_found(&copy, &[], "strange_file", &renamed);
    fs::remove_file(&stray).unwrap();
    case.is_found(&copy, &[], "missing", &gap);

    let copy = case.copy(Head::Left);
    let other = copy.join("0000000000000011.jsonl");
    let segment = &segments(&copy)[1];
    let first = seq_of(&lines_of(segment)[0]);
    assert_ne!(first, 11);
    fs::rename(segment, &other).unwrap();
    let misnamed = Place {
        file: Some(name_of(&other)),
        line: Some(1),
        seq: Some(first),
    };
    case.is_found(&copy, &[], "misnamed", &misnamed);
}

#[test]
fn segments_removed_from_the_beginning_without_a_record_are_found() {
    let case = Case::new();
    let copy = case.copy(Head::Left);
    fs::remove_file(&segments(&copy)[0]).unwrap();
    case.is_found(&copy, &[], "unrecorded_prune", &Place::default());
}

#[test]
fn a_cut_end_is_found_by_the_head_or_by_an_anchor() {
    let case = Case::new();
    let anchor = case.note_anchor();
    let head = || Place {
        file: Some("head".to_owned()),
        ..Place::default()
    };
    for (state, more, problem, place) in [
        (Head::Kept, &[][..], "cut_end", head()),
        (
            Head::Left,
            &["--anchor", &anchor],
            "before_anchor",
            Place::default(),
        ),
    ] {
        for whole_segment in [false, true] {
            let copy = case.copy(state);
            let last = segments(&copy).pop().unwrap();
            if whole_segment {
                fs::remove_file(&last).unwrap();
            } else {
                let lines = lines_of(&last);
                write_lines(&last, &lines[..1]);
            }
            case.is_found(&copy, more, problem, &place);
        }
    }
}

#[test]
fn in_its_home_a_log_without_its_sealing_state_does_not_verify_and_a_copy_does() {
    let home = Home::registered();
    let verify = |more: &[&str]| home.run(&[&["audit", "verify"], more].concat());
    verify(&[]).succeeds();
    let copy = home.outside("audit");
    let copied = Command::new("cp")
        .args(["-a", "audit"])
        .arg(&copy)
        .current_dir(home.path())
        .status();
    assert!(copied.unwrap().success());
    std::fs::remove_dir_all(home.path().join("seal")).unwrap();
    let run = verify(&[]).ends_with(7);
    assert!(
        run.stdout.contains("the sealing state is missing"),
        "{run:#?}"
    );
    verify(&[copy.to_str().unwrap()]).succeeds();
}

#[test]
fn a_log_set_back_with_its_state_is_whole_but_for_an_anchor() {
    let case = Case::new();
    let backup = case.copy(Head::Kept);
    case.append(4);
    let anchor = case.note_anchor();
    case.verify(&case.original(), &["--anchor", &anchor])
        .succeeds();
    case.verify(&backup, &[]).succeeds();
    case.is_found(
        &backup,
        &["--anchor", &anchor],
        "before_anchor",
        &Place::default(),
    );
    // The anchor can also come through a pipe.
    let text = fs::read(&anchor).unwrap();
    let verify = ["audit", "verify", "--anchor", "-", backup.to_str().unwrap()];
    let run = case.home.run_with_input(&verify, &text).ends_with(7);
    assert!(run.stdout.contains("which an anchor names"), "{run:#?}");
    let run = case.home.run_with_input(&verify[..4], &text).succeeds();
    assert!(!run.stdout.contains("TAMPERED"), "{run:#?}");
}

#[test]
fn anchors_from_a_device_are_refused() {
    let case = Case::new();
    for option in ["--anchors", "--anchor"] {
        let run = case.verify(&case.original(), &[option, "/dev/zero"]);
        let run = run.ends_with(2);
        assert!(run.stderr.contains("neither a file nor a pipe"), "{run:#?}");
    }
}

#[test]
fn a_pipe_of_anchors_that_nobody_closes_is_spoken_of_and_left_by_ctrl_c() {
    let home = Home::registered();
    let pipe = home.outside("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Simulates a writer that writes nothing.
    let writer = fs::File::options().read(true).write(true).open(&pipe);
    let mut pty = Pty::spawn(home.shell(&format!(
        "trap : INT; $NIGHTLATCH audit verify --anchors {0}; echo code=$?; \
         $NIGHTLATCH audit verify --anchor - < {0}; echo code=$?",
        pipe.display()
    )));
    pty.expect("waiting for the end of ");
    pty.expect("pipe\r\n");
    pty.send("\x03");
    pty.expect("code=130");
    pty.expect("waiting for the end of standard input\r\n");
    pty.send("\x03");
    pty.expect("code=130");
    drop(writer);
}

#[test]
fn a_log_that_took_the_place_of_another_is_found_by_fingerprint_and_by_anchor() {
    let case = Case::new();
    let other = Case::new();
    let (fingerprint, anchor) = (other.fingerprint(), other.note_anchor());
    let run = other.verify(&other.original(), &["--fingerprint", &fingerprint]);
    run.succeeds();
    let upper = fingerprint.to_uppercase();
    let run = other.verify(&other.original(), &["--fingerprint", &upper]);
    run.succeeds();
    for (more, problem) in [
        (["--fingerprint", &fingerprint], "wrong_fingerprint"),
        (["--anchor", &anchor], "other_anchors"),
    ] {
        let place = Place::default();
        case.is_found(&case.original(), &more, problem, &place);
    }
}

#[test]
fn the_fast_way_finds_an_edit_and_says_what_it_leaves_out() {
    let case = Case::new();
    let slow = case.verify(&case.original(), &["--json"]).succeeds().json();
    let run = case.verify(&case.original(), &["--json", "--fast"]);
    let fast = run.succeeds().json();
    assert!(fast["seals"].as_u64() < slow["seals"].as_u64());
    assert_eq!(
        (&fast["fast"], &slow["fast"]),
        (&true.into(), &false.into())
    );
    assert_eq!(fast["events"], slow["events"]);
    let told = |more: &[&str]| case.verify(&case.original(), more).succeeds().stdout;
    assert!(told(&["--fast"]).contains("not checked: the seals"));
    assert!(!told(&[]).contains("not checked: the seals"));
    let copy = case.copy(Head::Left);
    let segment = &segments(&copy)[1];
    let mut lines = lines_of(segment);
    lines[3] = edited(&lines[3]);
    write_lines(segment, &lines);
    let place = Place {
        file: Some(name_of(segment)),
        line: Some(4),
        seq: Some(seq_of(&lines[3])),
    };
    case.is_found(&copy, &["--fast"], "edited", &place);
}

#[test]
fn the_answer_in_json_has_fixed_keys_whatever_was_found() {
    let case = Case::new();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let good = case.verify(&case.original(), &["--json"]).succeeds().json();
    assert_eq!(
        keys(&good).join(" "),
        "schema ok findings more_findings warnings more_warnings directory segments events bytes \
         first_seq last_seq last_hash seals unsealed_lines unsealed_bytes lost_lines lost_bytes lost_through fingerprint \
         fingerprint_compared head_seen state_seen end_checked anchors removals removed_without_record holds repairs fast"
    );
    // Each day opens a segment, and all except the last one close it.
    assert_eq!(good["events"], 3 * A_DAYS_EVENTS + 3 + 2);
    assert_eq!(good["last_seq"], good["events"]);
    assert_eq!((&good["schema"], &good["segments"]), (&1.into(), &3.into()));
    assert_eq!(good["fingerprint"], case.fingerprint());

    let empty = case.home.outside("empty");
    fs::create_dir(&empty).unwrap();
    let run = case.verify(&empty, &["--json"]).ends_with(7);
    let bad = run.json();
    assert_eq!(keys(&bad), keys(&good));
    assert_eq!(
        keys(&bad["findings"][0]).join(" "),
        "file line seq rule problem message"
    );
    assert_eq!(bad["findings"][0]["problem"], "no_log");
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["error"], "not_verified");
}

#[test]
fn what_cannot_be_verified_against_is_refused_as_wrong_usage() {
    let case = Case::new();
    let anchor = case.note_anchor();
    let other = Case::new().fingerprint();
    let file = case.home.outside("file");
    fs::write(&file, "{\"seq\":3}").unwrap();
    let file = file.to_str().unwrap();
    let nowhere = case.home.outside("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    for (more, part) in [
        (&["--fingerprint", "abc"][..], "64 hexadecimal digits"),
        (
            &["--anchor", file],
            "is not what `nightlatch audit anchor --json` prints",
        ),
        (&["--anchor", nowhere], "No such file"),
        (&["--anchor", "/dev/zero"], "--anchor /dev/zero"),
        (
            &["--anchor", &anchor, "--fingerprint", &other],
            "different logs",
        ),
    ] {
        case.verify(&case.original(), more).refuses(2, part);
    }
    case.verify(Path::new(nowhere), &[])
        .refuses(7, "No such file");
}

#[test]
fn files_without_a_line_prove_nothing() {
    let case = Case::new();
    let fingerprint = case.fingerprint();
    let anchor = case.note_anchor();
    let copy = case.copy(Head::Left);
    for segment in &segments(&copy)[1..] {
        fs::remove_file(segment).unwrap();
    }
    let first = segments(&copy)[0].clone();
    for left in ["", "{\"seq\":1"] {
        fs::write(&first, left).unwrap();
        for more in [&[][..], &["--fingerprint", &fingerprint], &["--fast"]] {
            let run = case.verify(&copy, more);
            let run = run.refuses(7, "name the directory that has the .jsonl files");
            assert!(run.stdout.contains("has no audit log"), "{run:#?}");
        }
        case.verify(&copy, &["--anchor", &anchor])
            .refuses(7, "does not verify");
    }
    // What the head names was truncated, not lost.
    let copy = case.copy(Head::Kept);
    for segment in &segments(&copy)[1..] {
        fs::remove_file(segment).unwrap();
    }
    fs::write(&segments(&copy)[0], "").unwrap();
    let head = Place {
        file: Some("head".to_owned()),
        ..Place::default()
    };
    case.is_found(&copy, &[], "cut_end", &head);
}

#[test]
fn a_link_in_the_place_of_a_segment_is_found_and_keeps_nothing_else_from_being_verified() {
    let case = Case::new();
    let copy = case.copy(Head::Left);
    let segment = segments(&copy).pop().unwrap();
    fs::remove_file(&segment).unwrap();
    std::os::unix::fs::symlink("/dev/null", &segment).unwrap();
    let link = Place {
        file: Some(name_of(&segment)),
        ..Place::default()
    };
    case.is_found(&copy, &[], "strange_file", &link);
    let run = case.verify(&copy, &["--json"]).ends_with(7);
    assert_eq!(run.json()["segments"], 2);
    // The message must not suggest moving what may be evidence.
    assert!(!run.stderr.contains("out of the way"), "{run:#?}");
    case.verify(&segments(&copy)[0], &[])
        .refuses(7, "name the directory that has the .jsonl files");
}

#[test]
fn names_of_strange_files_do_nothing_to_the_terminal() {
    let case = Case::new();
    let copy = case.copy(Head::Left);
    fs::write(copy.join("\u{1b}[2J\u{202e}.jsonl"), "").unwrap();
    let run = case.verify(&copy, &[]).ends_with(7);
    assert!(
        run.stdout.contains("\\u{1b}[2J\\u{202e}.jsonl: "),
        "{run:#?}"
    );
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains('\u{202e}'));
}

#[test]
fn verifying_ones_own_log_writes_and_records_nothing() {
    let home = Home::signed_in();
    let before = tree(&home.path());
    for arguments in [
        &["audit", "verify"][..],
        &["audit", "verify", "--json", "--fast"],
        &["audit", "fingerprint"],
        &["audit", "anchor"],
        &["audit", "anchor", "--json"],
    ] {
        home.run(arguments).succeeds();
    }
    assert_eq!(tree(&home.path()), before);
    // An invalid configuration does not prevent verifying a copy.
    home.configure("idle = \"never\"");
    let audit = home.path().join("audit");
    home.run(&["audit", "verify", audit.to_str().unwrap()])
        .succeeds();
}

#[test]
fn without_a_log_there_is_nothing_to_note_or_to_verify_and_no_home_is_made() {
    let home = Home::bare();
    home.run(&["audit", "fingerprint"])
        .refuses(7, "there is no audit log here");
    home.run(&["audit", "anchor", "--json"]).ends_with(7);
    home.run(&["audit", "verify"])
        .refuses(7, "there is no audit log here");
    assert!(!home.path().exists());
}

#[test]
fn registering_tells_the_fingerprint_the_first_time_and_it_is_the_logs() {
    let home = Home::new();
    let first = home.register(EMAIL, crate::support::PASSWORD).succeeds();
    let fingerprint = home.run(&["audit", "fingerprint"]).succeeds().stdout;
    assert_eq!(fingerprint.len(), 65, "{fingerprint:?}");
    assert!(first.stderr.contains(fingerprint.trim()), "{first:#?}");
    assert!(first.stderr.contains("keep a copy elsewhere"), "{first:#?}");
    assert_eq!(first.stdout, "");
    let opened = &home.audit()[0];
    assert_eq!(opened["details"]["fingerprint"], fingerprint.trim());
    let password = crate::support::OTHER_PASSWORD.as_bytes();
    home.login(&[]).succeeds();
    let second = ["register", "bob@example.com", "--password-stdin"];
    let run = home.run_with_input(&second, password).succeeds();
    assert!(!run.stderr.contains(fingerprint.trim()), "{run:#?}");
    let third = ["register", "eve@example.com", "--password-stdin", "--json"];
    let run = home.run_with_input(&third, password).succeeds();
    assert_eq!(run.json()["log_fingerprint"], fingerprint.trim());
    assert_eq!(run.stderr, "");
}

#[test]
fn an_auditor_with_a_read_only_copy_needs_no_account_no_home_and_no_state() {
    let Some(alices) = Alices::signed_in("kernel") else {
        return;
    };
    let fingerprint = alices
        .run(ALICE, &["audit", "fingerprint"])
        .succeeds()
        .stdout;
    let copy = alices.home.outside("copy");
    fs::create_dir(&copy).unwrap();
    for file in segments(&alices.home.path().join("audit")) {
        fs::copy(&file, copy.join(name_of(&file))).unwrap();
    }
    let set_mode = |path: &Path, mode: &str| {
        let status = Command::new("chmod").args(["-R", mode]).arg(path).status();
        assert!(status.unwrap().success());
    };
    set_mode(&copy, "a=rX");
    let before = tree(&copy);
    let verify = |more: &[&str]| {
        let arguments = [&["audit", "verify", copy.to_str().unwrap()], more].concat();
        let mut command = alices.command(BOB, &arguments);
        command.env_remove("HOME").env_remove("NIGHTLATCH_HOME");
        Run::of(command)
    };
    let run = verify(&["--fingerprint", fingerprint.trim()]).succeeds();
    assert!(run.stdout.contains("the end: there is no head"), "{run:#?}");
    verify(&["--fingerprint", &"0".repeat(64)]).ends_with(7);
    assert_eq!(tree(&copy), before);
    // If even reading is refused, the message says so.
    set_mode(&copy, "go=");
    verify(&[]).refuses(7, "Permission denied");
}

#[test]
fn what_takes_long_shows_how_far_it_is_on_a_terminal_only() {
    let home = &Home::registered();
    let audit = home.path().join("audit");
    // Make reading directories slow.
    let slow = "inject=getdents64:delay_enter=1300000";
    let options = [
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=getdents64",
        "-e",
        slow,
    ];
    let under = |arguments: &[&str]| home.command_under("strace", &options, arguments);
    let verify = ["audit", "verify", audit.to_str().unwrap()];
    let Ok(output) = under(&verify).output() else {
        println!("skipped: there is no strace");
        return;
    };
    if !output.status.success() {
        println!("skipped: strace may not trace");
        return;
    }
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let page = home.outside("page.html");
    let report = ["audit", "report", "--html", page.to_str().unwrap()];
    std::thread::scope(|scope| {
        for (arguments, shown, answer, plain) in [
            (&verify[..], "verifying", "no tampering found", false),
            (&report, "reading", "wrote", true),
            (&["audit", "stats"], "counting", "By type", false),
        ] {
            let under = &under;
            scope.spawn(move || {
                let mut command = under(arguments);
                if plain {
                    command.env("NO_COLOR", "1");
                }
                let mut pty = Pty::spawn(command);
                pty.expect(shown);
                pty.expect("%");
                let (said, status) = pty.finish();
                assert!(status.success(), "{said}");
                // The bar is cleared before the result is printed.
                let (_, last) = said.rsplit_once(" \r").unwrap();
                assert!(last.contains(answer) && !last.contains(shown), "{said:?}");
                assert_eq!(said.contains('\u{1b}'), !plain, "{said:?}");
                for quiet in ["--quiet", "--json"] {
                    let more = [arguments, &[quiet]].concat();
                    let (said, status) = Pty::spawn(under(&more)).finish();
                    assert!(status.success() && !said.contains(shown), "{said:?}");
                }
            });
        }
        // Its lines themselves show the progress, unless they are redirected.
        for (redirection, is_shown) in [("", false), (">/dev/null", true)] {
            scope.spawn(move || {
                let options = options.map(|option| format!("'{option}'")).join(" ");
                let script =
                    format!("exec strace {options} \"$NIGHTLATCH\" audit export {redirection}");
                let (said, status) = Pty::spawn(home.shell(&script)).finish();
                assert!(status.success(), "{said}");
                assert_eq!(said.contains("exporting"), is_shown, "{said:?}");
            });
        }
    });
}

#[test]
fn whatever_is_damaged_doing_what_the_advice_says_begins_a_new_log() {
    let harms: [fn(&Path); 3] = [
        |home| fs::write(home.join("seal/state"), "garbled").unwrap(),
        |home| fs::remove_file(home.join("seal/state")).unwrap(),
        |home| {
            for file in files_in(&home.join("audit")) {
                fs::remove_file(file).unwrap();
            }
        },
    ];
    for harm in harms {
        let home = Home::signed_in();
        harm(&home.path());
        let refused = home.run(&["exec", "--", "true"]);
        assert_ne!(refused.code, 0, "{refused:#?}");
        let (_, advice) = refused.stderr.split_once("begin a new log, ").unwrap();
        let audit = home.path().join("audit");
        let moved = format!("move {} and seal beside it away", audit.display());
        assert!(advice.starts_with(&moved), "{refused:#?}");
        let (_, script) = advice.trim_end().rsplit_once("and: ").unwrap();
        for name in ["audit", "seal"] {
            let _ = fs::rename(home.path().join(name), home.outside(name));
        }
        let run = Command::new("/bin/sh").args(["-c", script]).status();
        assert!(run.unwrap().success() && audit.is_dir(), "{script}");
        home.run(&["exec", "--", "true"]).succeeds();
    }
}
