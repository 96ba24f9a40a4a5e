//! The audit log: its contents, what it never contains, and its queries.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::checks::{log_is_whole, nobody_is_signed_in};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run, contains, tree};

/// Which events a filter should keep.
type Keeps<'a> = Box<dyn Fn(&Value) -> bool + 'a>;

const OTHER_EMAIL: &str = "bob@example.com";
/// Longer than anything takes on a busy machine; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two accounts. The first one signed in twice, once with a wrong password, and ran a command.
fn eventful() -> Home {
    let home = Home::registered();
    home.register_another(OTHER_EMAIL, OTHER_PASSWORD)
        .succeeds();
    login_as(&home, OTHER_EMAIL, OTHER_PASSWORD, 0);
    login_as(&home, EMAIL, OTHER_PASSWORD, 5);
    login_as(&home, EMAIL, PASSWORD, 0);
    home.run(&["exec", "--", "false"]).ends_with(1);
    home
}

fn login_as(home: &Home, email: &str, password: &str, code: i32) {
    home.run_with_input(&["login", email, "--password-stdin"], password.as_bytes())
        .ends_with(code);
}

fn query(home: &Home, arguments: &[&str]) -> Value {
    home.run(&[&["audit", "list", "--json"], arguments].concat())
        .succeeds()
        .json()
}

fn events(answer: &Value) -> &Vec<Value> {
    answer["events"].as_array().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn every_line_has_the_next_number_and_the_hash_of_itself_and_of_the_one_before() {
    let home = eventful();
    let mut previous = "0".repeat(64);
    let lines = home.audit_lines();
    assert!(lines.len() > 10);
    for (at, line) in lines.iter().enumerate() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["seq"], at + 1, "{line}");
        assert_eq!(event["prev"], previous.as_str(), "{line}");
        let hashed = line.split(",\"hash\":").next().unwrap();
        previous = hex(&Sha256::digest(hashed.as_bytes()));
        assert_eq!(event["hash"], previous.as_str(), "{line}");
    }
}

#[test]
fn every_line_has_the_same_keys_in_the_same_order() {
    let home = eventful();
    let keys = [
        "seq",
        "id",
        "timestamp",
        "event_type",
        "username",
        "session_id",
        "success",
        "details",
        "host",
        "uid",
        "pid",
        "tty",
        "prev",
        "hash",
    ];
    let mut ids = Vec::new();
    for line in home.audit_lines() {
        let mut from = 0;
        for key in keys {
            let at = line[from..].find(&format!("\"{key}\":"));
            from += at.unwrap_or_else(|| panic!("no {key} in its place in {line}"));
        }
        let event: Value = serde_json::from_str(&line).unwrap();
        let id: uuid::Uuid = event["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        ids.push(id);
        let time = event["timestamp"].as_str().unwrap();
        assert!(
            humantime::parse_rfc3339(time).is_ok() && time.ends_with('Z'),
            "{time}"
        );
    }
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id came twice");
}

#[test]
fn sign_in_use_and_sign_out_are_all_on_record_in_their_order() {
    let home = Home::signed_in();
    home.run(&["exec", "--", "true"]).succeeds();
    home.run(&["logout"]).succeeds();
    home.run(&["exec", "--", "true"]).ends_with(4);
    let wanted = [
        "ACCOUNT_REGISTERED",
        "LOGIN_ATTEMPT",
        "LOGIN_SUCCESS",
        "SESSION_CREATED",
        "SESSION_VALIDATED",
        "SESSION_EXTENDED",
        "COMMAND_STARTED",
        "COMMAND_FINISHED",
        "SESSION_TERMINATED",
        "COMMAND_REFUSED",
    ];
    let mut found = home.events();
    found.retain(|event| wanted.contains(&event.as_str()));
    assert_eq!(found, wanted);
    let all = home.audit();
    let one = |name: &str| {
        all.iter()
            .find(|event| event["event_type"] == name)
            .unwrap()
    };
    let session = &one("SESSION_CREATED")["session_id"];
    assert!(session.is_string());
    for name in [
        "SESSION_VALIDATED",
        "COMMAND_STARTED",
        "COMMAND_FINISHED",
        "SESSION_TERMINATED",
    ] {
        assert_eq!(&one(name)["session_id"], session, "{name}");
        assert_eq!(one(name)["username"], EMAIL, "{name}");
    }
    let (started, finished) = (one("COMMAND_STARTED"), one("COMMAND_FINISHED"));
    assert_eq!(started["details"]["program"], "true");
    assert_eq!(
        started["details"]["exec_id"],
        finished["details"]["exec_id"]
    );
    assert_eq!(finished["details"]["exit_code"], 0);
    assert_eq!(one("SESSION_TERMINATED")["details"]["reason"], "logout");
}

#[test]
fn the_json_answer_has_fixed_keys_and_the_newest_last() {
    let home = eventful();
    let before = home.audit();
    let answer = query(&home, &[]);
    let keys: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    assert_eq!(answer["removed"], serde_json::json!([]));
    assert_eq!(answer["schema"], 1);
    assert_eq!(answer["total"], before.len());
    assert_eq!(answer["has_more"], false);
    assert_eq!(events(&answer), &before);
}

#[test]
fn a_limit_gives_the_newest_and_says_that_there_are_more() {
    let home = eventful();
    let before = home.audit();
    let answer = query(&home, &["--limit", "3"]);
    assert_eq!(answer["total"], before.len());
    assert_eq!(answer["has_more"], true);
    assert_eq!(events(&answer)[..], before[before.len() - 3..]);
    query(&home, &["--limit", "1000"]);
    for bad in ["0", "1001", "-1", "many", "18446744073709551616"] {
        let run = home.run(&["audit", "list", &format!("--limit={bad}")]);
        run.refuses(2, "limit");
    }
}

#[test]
fn every_filter_keeps_what_it_names_and_nothing_else() {
    let home = eventful();
    let all = home.audit();
    let session = home.status()["session_id"].as_str().unwrap().to_owned();
    let middle = all[all.len() / 2]["timestamp"].as_str().unwrap().to_owned();
    let cases: Vec<(Vec<&str>, Keeps<'_>)> = vec![
        (
            vec!["--user", "BOB@example.com"],
            Box::new(|e| e["username"] == OTHER_EMAIL),
        ),
        (
            vec!["--event", "LOGIN_FAILURE"],
            Box::new(|e| e["event_type"] == "LOGIN_FAILURE"),
        ),
        (
            vec!["--event", "login_success", "--event", "LOGIN_ATTEMPT"],
            Box::new(|e| e["event_type"] == "LOGIN_SUCCESS" || e["event_type"] == "LOGIN_ATTEMPT"),
        ),
        (
            vec!["--session", &session],
            Box::new(|e| e["session_id"] == session.as_str()),
        ),
        (
            vec!["--failed"],
            Box::new(|e| e["success"] == false && e["event_type"] != "COMMAND_FINISHED"),
        ),
        (
            vec!["--exit", "nonzero"],
            Box::new(|e| e["success"] == false && e["event_type"] == "COMMAND_FINISHED"),
        ),
        (
            vec!["--since", &middle],
            Box::new(|e| e["timestamp"].as_str() >= Some(&middle)),
        ),
        (
            vec!["--until", &middle],
            Box::new(|e| e["timestamp"].as_str() < Some(&middle)),
        ),
        (vec!["--until", "1h"], Box::new(|_| false)),
        (
            vec!["--since", "2020-01-01", "--user", EMAIL],
            Box::new(|e| e["username"] == EMAIL),
        ),
        (
            vec![
                "--exit",
                "nonzero",
                "--user",
                EMAIL,
                "--event",
                "COMMAND_FINISHED",
            ],
            Box::new(|e| {
                e["success"] == false
                    && e["username"] == EMAIL
                    && e["event_type"] == "COMMAND_FINISHED"
            }),
        ),
    ];
    for (arguments, keeps) in cases {
        let answer = query(&home, &arguments);
        // The queries themselves added events.
        let found: Vec<&Value> = events(&answer)
            .iter()
            .filter(|event| event["event_type"] != "AUDIT_READ")
            .collect();
        let expected: Vec<&Value> = all.iter().filter(|event| keeps(event)).collect();
        assert_eq!(found, expected, "{arguments:?}");
        let kept = expected.len();
        assert!(
            arguments == ["--until", "1h"] || (1..all.len()).contains(&kept),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_filter_that_cannot_be_is_refused_before_anything_is_recorded() {
    let home = eventful();
    let before = home.audit_lines();
    home.run(&["audit", "--event", "login-success"])
        .refuses(2, "is not an event type; did you mean LOGIN_SUCCESS?");
    let run = home.run(&["audit", "--event", "frob"]);
    let run = run.refuses(2, "is not an event type");
    for name in [
        "LOGIN_ATTEMPT",
        "SESSION_INVALID",
        "AUDIT_READ",
        "SEGMENT_CLOSED",
    ] {
        assert!(run.stderr.contains(name), "{name}: {run:?}");
    }
    home.run(&["audit", "--since", "someday"])
        .refuses(2, "cannot read \"someday\" as a time");
    home.run(&["audit", "--until", "2026-13-01"])
        .refuses(2, "cannot read");
    home.run(&["audit", "--exit", "256"]).refuses(2, "--exit");
    home.run(&["audit", "--exec-id", "1"])
        .refuses(2, "--exec-id");
    home.run(&["audit", "--argv-of", "psql 'x"])
        .refuses(2, "--argv-of");
    home.run(&["audit", "--session", "42"])
        .refuses(2, "--session");
    home.run(&["audit", "--json", "--follow"]).ends_with(2);
    assert_eq!(home.audit_lines(), before);
}

#[test]
fn every_format_tells_of_the_same_events() {
    let home = eventful();
    let lines = home.audit_lines();
    let list = |format: &str| {
        let run = home.run(&[
            "audit",
            "--until",
            "2200-01-01",
            "--user",
            EMAIL,
            "--format",
            format,
        ]);
        assert_eq!(run.stderr, "", "{format}");
        run.succeeds()
    };
    let mine: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains(&format!("\"username\":\"{EMAIL}\"")))
        .collect();
    let jsonl = list("jsonl").stdout;
    assert_eq!(jsonl.lines().collect::<Vec<_>>(), mine, "to the byte");

    let json = list("json").json();
    assert_eq!(events(&json).len(), mine.len());

    let csv = list("csv").stdout;
    let rows: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert!(rows[0].starts_with("seq,timestamp,event_type,username,session_id,success,details"));
    assert_eq!(rows.len() - 1, mine.len());

    // A command is one row, at the place of its start.
    let table = list("table").stdout;
    let mut is_command = false;
    let rows = mine.iter().filter(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        match event["event_type"].as_str().unwrap() {
            // The session was also used for registering Bob's account, which is not a command.
            "SESSION_VALIDATED" => is_command = event["details"]["action"] == "exec",
            "SESSION_EXTENDED" => {}
            other => return other != "COMMAND_FINISHED",
        }
        !is_command
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(table.lines().count() - 1, rows.len(), "{table}");
    for (row, line) in table.lines().skip(1).zip(&rows) {
        let event: Value = serde_json::from_str(line).unwrap();
        let (day, time) = event["timestamp"]
            .as_str()
            .unwrap()
            .split_once('T')
            .unwrap();
        assert!(
            row.contains(&format!("{day} {} +00:00", &time[..8])),
            "{row}"
        );
        let event_type = event["event_type"].as_str().unwrap();
        let shown = event_type.strip_suffix("_STARTED").unwrap_or(event_type);
        assert!(row.contains(shown) && row.contains(EMAIL), "{row}");
        assert_eq!(
            row.contains("FAILED"),
            event_type == "LOGIN_FAILURE",
            "{row}"
        );
    }
    assert!(!table.contains('\u{1b}'));
}

#[test]
fn every_reading_of_the_log_is_recorded_once() {
    let home = eventful();
    for (at, format) in ["table", "json", "jsonl", "csv"].iter().enumerate() {
        home.run(&["audit", "--event", "LOGIN_FAILURE", "--format", format])
            .succeeds();
        let all = home.audit();
        let reads: Vec<_> = all
            .iter()
            .filter(|event| event["event_type"] == "AUDIT_READ")
            .collect();
        assert_eq!(reads.len(), at + 1);
        let details = &reads[at]["details"];
        assert_eq!(
            (&details["matched"], &details["returned"]),
            (&1.into(), &1.into())
        );
    }
}

#[test]
fn following_prints_what_comes_and_only_what_matches() {
    let home = Home::registered();
    let mut command = home.command(&[
        "audit",
        "--follow",
        "--format",
        "jsonl",
        "--event",
        "LOGIN_SUCCESS",
        "--event",
        "SESSION_TERMINATED",
    ]);
    let mut follower = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(follower.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines() {
            let _ = sender.send(line.unwrap());
        }
    });
    let seen = (|| {
        for act in [&["login"][..], &["logout"]] {
            if act == ["login"] {
                home.login(&[]).succeeds();
            } else {
                home.run(act).succeeds();
            }
        }
        let next = || lines.recv_timeout(PATIENCE);
        Ok::<_, mpsc::RecvTimeoutError>([next()?, next()?])
    })();
    let _ = follower.kill();
    let _ = follower.wait();
    let types = seen.unwrap().map(|line| {
        let event: Value = serde_json::from_str(&line).unwrap();
        event["event_type"].as_str().unwrap().to_owned()
    });
    assert_eq!(types, ["LOGIN_SUCCESS", "SESSION_TERMINATED"]);
}

#[test]
fn following_ends_when_nobody_reads_any_more() {
    let home = Home::registered();
    let mut command = home.command(&["audit", "--follow", "--format", "jsonl"]);
    let mut follower = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(follower.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let started = std::time::Instant::now();
    let status = loop {
        // Each is an event to print.
        home.login(&["-q"]).succeeds();
        if let Some(status) = follower.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > PATIENCE {
            let _ = follower.kill();
            panic!("it goes on");
        }
    };
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_unknown_name_is_a_tag_that_is_the_same_every_time_and_another_for_another_name() {
    let home = Home::registered();
    let (typed, other) = ("hunter2-is-my-password@example.org", "mallory@example.org");
    for email in [typed, typed, other] {
        login_as(&home, email, OTHER_PASSWORD, 5);
    }
    let all = home.audit();
    let failures: Vec<&Value> = all
        .iter()
        .filter(|event| event["event_type"] == "LOGIN_FAILURE")
        .collect();
    assert_eq!(failures.len(), 3);
    let tag = |event: &Value| event["details"]["tag"].as_str().unwrap().to_owned();
    for event in all.iter().filter(|e| e["details"]["tag"].is_string()) {
        assert_eq!(event["username"], "(unknown)");
    }
    assert_eq!(tag(failures[0]), tag(failures[1]));
    assert_ne!(tag(failures[0]), tag(failures[2]));
    let found = query(&home, &["--user", typed]);
    assert_eq!(found["total"], 0);

    // The same name has another tag in another home, because the digest is keyed.
    let elsewhere = Home::registered();
    login_as(&elsewhere, typed, OTHER_PASSWORD, 5);
    let there = elsewhere.audit();
    let failure = there.iter().find(|e| e["event_type"] == "LOGIN_FAILURE");
    assert_ne!(tag(failure.unwrap()), tag(failures[0]));
}

#[test]
fn no_secret_is_in_any_file_of_the_home() {
    let home = Home::signed_in();
    let secrets = [
        PASSWORD,
        OTHER_PASSWORD,
        "hunter2-typed-as-a-name",
        "--token=s3cr3t-argument",
        "A lantern under 9 blue stairs!",
    ];
    login_as(&home, "hunter2-typed-as-a-name@example.org", PASSWORD, 5);
    login_as(&home, EMAIL, OTHER_PASSWORD, 5);
    home.run(&["exec", "--", "true", secrets[3]]).succeeds();
    home.run(&["exec", "--", "/nonexistent/program", secrets[3]])
        .ends_with(127);
    let look = || {
        for entry in tree(&home.path()) {
            for secret in secrets {
                let path = entry.path.to_string_lossy().into_owned();
                assert!(!contains(path.as_bytes(), secret), "{path} has {secret:?}");
                assert!(!contains(&entry.content, secret), "{path} holds {secret:?}");
            }
        }
    };
    look();
    let passwords = format!("{PASSWORD}\n{}\n", secrets[4]);
    home.run_with_input(&["passwd", "--password-stdin"], passwords.as_bytes())
        .succeeds();
    home.run(&["exec", "--", "true", secrets[3]]).ends_with(4);
    look();
    // The search would have found it.
    assert!(
        tree(&home.path())
            .iter()
            .any(|entry| contains(&entry.content, EMAIL))
    );
}

#[test]
fn a_log_that_cannot_be_written_stops_the_command_and_says_so() {
    let home = Home::signed_in();
    let segment = home.path().join("audit").join("0000000000000001.jsonl");
    let whole = std::fs::read(&segment).unwrap();
    let mut edited = whole.clone();
    // The year, in the hashed part of the last line, which the seal follows.
    let key = b"\"timestamp\":\"20";
    let at = edited.windows(key.len()).rposition(|bytes| bytes == key);
    edited[at.unwrap() + key.len()] ^= 1;
    std::fs::write(&segment, &edited).unwrap();
    let marker = home.outside("ran");
    let touch = ["exec", "--", "touch", marker.to_str().unwrap()];
    home.run(&touch).refuses(7, "the audit log is damaged");
    assert!(!marker.exists());
    home.login(&[]).refuses(7, "the audit log is damaged");
    assert_eq!(
        std::fs::read(&segment).unwrap(),
        edited,
        "nothing is written over it"
    );
    // The log can still be read.
    let run = home.run(&["audit", "--json"]).ends_with(7);
    assert!(run.json()["total"].as_u64().unwrap() > 0);
    std::fs::write(&segment, &whole).unwrap();
    home.login(&[]).succeeds();
    home.run(&touch).succeeds();
    assert!(marker.exists());
}

#[test]
fn a_log_whose_directory_is_gone_stops_the_command_and_lets_one_sign_out() {
    let home = Home::signed_in();
    let audit = home.path().join("audit");
    let kept = home.outside("kept");
    std::fs::rename(&audit, &kept).unwrap();
    let marker = home.outside("ran");
    let touch = ["exec", "--", "touch", marker.to_str().unwrap()];
    let run = home.run(&touch).refuses(7, "the audit log is gone");
    assert!(run.stderr.contains("mkdir -m 700"), "{run:#?}");
    home.login(&[]).refuses(7, "the audit log is gone");
    home.run(&["extend"]).refuses(7, "the audit log is gone");
    assert!(home.is_active());
    home.run(&["logout"]).refuses(7, "the audit log is gone");
    nobody_is_signed_in(&home);
    assert!(!audit.exists() && !marker.exists());
    // After restoring the log, commands work again; an empty directory in its place starts a new
    // log.
    std::fs::rename(&kept, &audit).unwrap();
    home.login(&[]).succeeds();
    home.run(&touch).succeeds();
    log_is_whole(&home);
    let fingerprint = |home: &Home| home.run(&["audit", "fingerprint"]).succeeds().stdout;
    let old = fingerprint(&home);
    std::fs::rename(&audit, &kept).unwrap();
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&audit)
        .unwrap();
    // The old log's state does not belong to another log.
    home.run(&touch)
        .refuses(7, "ends before the line that was sealed last");
    std::fs::rename(home.path().join("seal"), home.outside("kept-seal")).unwrap();
    home.run(&touch).succeeds();
    log_is_whole(&home);
    assert_ne!(fingerprint(&home), old);
}

/// Runs `script` in a private mount namespace; `None`, with a message, if that is not permitted.
fn with_mounts(home: &Home, script: &str) -> Option<Run> {
    let probe = home.shell("unshare -m mount -t tmpfs tmpfs /mnt").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("skipped: nothing can be mounted here");
        return None;
    }
    let script = format!("exec unshare -m sh -c '{script}'");
    Some(Run::of(home.shell(&script)).succeeds())
}

#[test]
fn a_log_that_became_read_only_stops_the_command_and_lets_one_sign_out() {
    let home = Home::signed_in();
    let before = home.audit_lines();
    let script = "
        log=$NIGHTLATCH_HOME/audit
        mount --bind $log $log && mount -o remount,ro,bind $log || exit 1
        $GUARD touch $HOME/ran; echo exec=$?
        $NIGHTLATCH audit verify >$HOME/verified; echo verify=$?
        $NIGHTLATCH logout; echo logout=$?";
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    assert_eq!(run.stdout, "exec=7\nverify=0\nlogout=7\n", "{run:#?}");
    assert_eq!(run.stderr.matches("Read-only file system").count(), 2);
    assert!(!home.outside("ran").exists());
    nobody_is_signed_in(&home);
    assert_eq!(home.audit_lines(), before);
    log_is_whole(&home);
}

#[test]
fn a_log_on_a_full_disk_stops_the_command_and_lets_one_sign_out() {
    let home = Home::signed_in();
    let script = "
        log=$NIGHTLATCH_HOME/audit
        cp -a $log $HOME/kept && mount -t tmpfs -o size=256k,mode=700 tmpfs $log || exit 1
        cp $HOME/kept/* $log; chmod 600 $log/*
        dd if=/dev/zero of=$log/filling bs=4k 2>/dev/null; chmod 600 $log/filling
        for n in 1 2 3 4 5 6 7 8 9; do
            $GUARD sh -c \"echo ran >> $HOME/ran\"; code=$?
            [ $code = 0 ] || break
        done
        echo exec=$code
        $NIGHTLATCH logout; echo logout=$?
        rm $log/filling; cp -a $log $HOME/after
        $NIGHTLATCH audit verify >$HOME/verified; echo verify=$?";
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    assert_eq!(run.stdout, "exec=7\nlogout=7\nverify=0\n", "{run:#?}");
    assert!(run.stderr.contains("No space left on device"), "{run:#?}");
    assert!(run.stderr.contains("free some disk space"), "{run:#?}");
    nobody_is_signed_in(&home);
    // Every command that ran is on record there.
    let log = std::fs::read_to_string(home.outside("after/0000000000000001.jsonl")).unwrap();
    let ran = std::fs::read_to_string(home.outside("ran")).unwrap_or_default();
    let started = log.matches("\"COMMAND_STARTED\"").count();
    assert_eq!(started, ran.lines().count(), "{log}");
}

#[test]
fn a_line_torn_by_a_crash_is_moved_aside_and_recorded() {
    let home = Home::signed_in();
    let audit = home.path().join("audit");
    let segment = audit.join("0000000000000001.jsonl");
    let mut torn = std::fs::read(&segment).unwrap();
    torn.extend_from_slice(b"{\"seq\":999,\"id\":\"01");
    std::fs::write(&segment, &torn).unwrap();
    home.run(&["exec", "--", "true"]).succeeds();
    let events = home.audit();
    let repaired = events
        .iter()
        .find(|event| event["event_type"] == "AUDIT_REPAIRED")
        .unwrap();
    assert_eq!(repaired["details"]["reason"], "unsealed");
    assert_eq!(repaired["details"]["bytes"], 19);
    let kept = audit.join(repaired["details"]["quarantine"].as_str().unwrap());
    assert_eq!(std::fs::read(kept).unwrap(), b"{\"seq\":999,\"id\":\"01");
}

#[test]
fn a_command_is_one_line_that_says_how_it_ended() {
    let home = Home::signed_in();
    home.run(&["exec", "--", "true"]).succeeds();
    home.run(&["exec", "--", "sh", "-c", "exit 3"]).ends_with(3);
    home.run(&["exec", "--", "no-such-program"]).ends_with(127);
    let table = home.run(&["audit"]).succeeds().stdout;
    let commands: Vec<_> = table
        .lines()
        .filter(|line| line.contains("  COMMAND  "))
        .collect();
    assert_eq!(commands.len(), 3, "{table}");
    for (line, (outcome, told)) in commands.iter().zip([
        ("ok", "true, exit 0, "),
        ("NONZERO", "sh, exit 3, "),
        ("NONZERO", "no-such-program, not found, "),
    ]) {
        assert!(line.contains(outcome) && line.contains(told), "{line}");
    }
    for folded in ["SESSION_VALIDATED", "SESSION_EXTENDED", "COMMAND_"] {
        assert!(!table.contains(folded), "{table}");
    }
    // The newest rows, however many events they contain.
    let last = home.run(&["audit", "--limit", "2"]).succeeds().stdout;
    assert!(
        last.contains("AUDIT_READ") && last.contains("no-such-program"),
        "{last}"
    );
    assert!(!last.contains("exit 3"), "{last}");
    let nonzero = home.run(&["audit", "--exit", "nonzero"]).succeeds().stdout;
    assert!(
        nonzero.contains("sh, exit 3") && !nonzero.contains("true, exit 0"),
        "{nonzero}"
    );
    let one = home.run(&["audit", "--exit", "3"]).succeeds().stdout;
    assert_eq!(one.lines().count(), 2, "{one}");
}

#[test]
fn a_command_that_still_runs_says_so() {
    let home = Home::signed_in();
    let table = "$GUARD sh -c '\"$NIGHTLATCH\" audit'";
    let table = Run::of(home.shell(table)).succeeds().stdout;
    let last = table.lines().last().unwrap();
    assert!(
        last.contains("COMMAND") && last.contains("sh, running"),
        "{table}"
    );
}

#[test]
fn commands_are_found_by_program_run_terminal_machine_and_command_line() {
    let home = Home::signed_in();
    home.run(&["exec", "--", "sh", "-c", "exit 3"]).ends_with(3);
    home.run(&["exec", "--", "true", "a  b"]).succeeds();
    home.run(&["exec", "--", "true", "a", "b"]).succeeds();
    let all = home.happened();
    let started: Vec<_> = all
        .iter()
        .filter(|e| e["event_type"] == "COMMAND_STARTED")
        .collect();
    let exec = |at: usize| started[at]["details"]["exec_id"].as_str().unwrap();
    let host = started[0]["host"].as_str().unwrap();
    for (arguments, found) in [
        (&["--program", "true"][..], vec![1, 2]),
        (
            &["--exec-id", exec(0), "--event", "COMMAND_STARTED"],
            vec![0],
        ),
        (&["--argv-of", "true 'a  b'"], vec![1]),
        (&["--argv-of", "true a b"], vec![2]),
        (&["--argv-of", "true a"], vec![]),
        (&["--host", host, "--program", "sh"], vec![0]),
        (&["--host", "elsewhere"], vec![]),
        (&["--tty", "pts/99999"], vec![]),
    ] {
        let answer = query(&home, arguments);
        let expected: Vec<_> = found
            .iter()
            .map(|&at: &usize| started[at].clone())
            .collect();
        assert_eq!(events(&answer), &expected, "{arguments:?}");
    }
    let read = home.happened().pop().unwrap();
    assert_eq!(
        read["details"]["filters"],
        serde_json::json!({ "tty": "pts/99999" })
    );
    let log = home.audit_lines().join("\n");
    assert!(!log.contains("a  b"), "no command line is in the log");
    home.run(&["logout"]).succeeds();
    home.run(&["audit", "--argv-of", "true a b"])
        .refuses(4, "no live session");
}

#[test]
fn commands_are_found_by_what_they_were_and_how_they_ended_together() {
    let home = Home::signed_in();
    home.run(&["exec", "--", "sh", "-c", "exit 3"]).ends_with(3);
    home.run(&["exec", "--", "sh", "-c", "exit 0"]).succeeds();
    home.run(&["exec", "--", "false"]).ends_with(1);
    let all = home.happened();
    let ended: Vec<_> = all
        .iter()
        .filter(|event| event["event_type"] == "COMMAND_FINISHED")
        .cloned()
        .collect();
    for (arguments, found) in [
        (&["--program", "sh", "--exit", "nonzero"][..], vec![0]),
        (&["--program", "sh", "--exit", "0"], vec![1]),
        (&["--argv-of", "sh -c 'exit 3'", "--exit", "3"], vec![0]),
        (&["--argv-of", "sh -c 'exit 3'", "--exit", "0"], vec![]),
        (&["--program", "false", "--exit", "nonzero"], vec![2]),
        (&["--program", "true", "--exit", "0"], vec![]),
    ] {
        let answer = query(&home, arguments);
        let expected: Vec<_> = found.iter().map(|&at: &usize| ended[at].clone()).collect();
        assert_eq!(events(&answer), &expected, "{arguments:?}");
    }
    let follow = ["audit", "--follow", "--program", "sh", "--exit", "nonzero"];
    home.run(&follow).refuses(2, "cannot be followed");
}

/// A read-only copy of the log.
fn copied(home: &Home) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let copy = home.outside("copy");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(home.path().join("audit")).unwrap() {
        let entry = entry.unwrap();
        let to = copy.join(entry.file_name());
        std::fs::copy(entry.path(), &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o444)).unwrap();
    }
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o555)).unwrap();
    copy
}

#[test]
fn a_copy_is_read_without_a_home_and_nothing_is_recorded() {
    let home = eventful();
    let copy = copied(&home);
    let before = home.audit_lines();
    let elsewhere = Home::bare();
    let dir = copy.to_str().unwrap();
    let list = elsewhere
        .run(&["audit", "--dir", dir, "--json"])
        .succeeds()
        .json();
    assert_eq!(list["total"], before.len());
    let stats = elsewhere
        .run(&["audit", "stats", "--dir", dir, "--json"])
        .succeeds()
        .json();
    assert_eq!(stats["total"], before.len());
    let export = elsewhere
        .run(&["audit", "export", "--dir", dir])
        .succeeds()
        .stdout;
    assert_eq!(export.lines().collect::<Vec<_>>(), before);
    let page = elsewhere.run(&["audit", "report", "--dir", dir, "--html", "-"]);
    assert!(page.stdout.contains("Nightlatch audit report"), "{page:?}");
    assert!(!elsewhere.path().exists());
    assert_eq!(home.audit_lines(), before);
    let nothing = elsewhere.run(&["audit", "stats", "--dir", "/usr"]);
    nothing.refuses(7, "there is no audit log in /usr");
    elsewhere
        .run(&["audit", "--dir", "/nonexistent"])
        .refuses(7, "cannot open /nonexistent");
    std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

fn files(home: &Home) -> Vec<std::path::PathBuf> {
    tree(&home.path())
        .into_iter()
        .map(|entry| entry.path)
        .collect()
}

#[test]
fn reading_where_there_is_no_log_creates_none() {
    let home = Home::new();
    let before = files(&home);
    for arguments in [&["audit"][..], &["audit", "stats"], &["audit", "export"]] {
        home.run(arguments).succeeds();
    }
    assert_eq!(files(&home), before);
}

#[test]
fn events_of_an_unknown_type_are_in_every_answer() {
    let home = Home::signed_in();
    let copy = home.outside("copy");
    std::fs::create_dir(&copy).unwrap();
    let log = home.audit_lines().join("\n") + "\n";
    let log = log.replace("LOGIN_ATTEMPT", "SECRET_READ_V2");
    std::fs::write(copy.join("0000000000000001.jsonl"), log).unwrap();
    let dir = copy.to_str().unwrap();
    for arguments in [
        &["audit"][..],
        &["audit", "--event", "secret_read_v2", "--json"],
        &["audit", "--format", "csv"],
        &["audit", "export", "--format", "ocsf"],
        &["audit", "export", "--format", "ecs"],
        &["audit", "stats"],
        &["audit", "stats", "--json"],
    ] {
        let run = home.run(&[arguments, &["--dir", dir]].concat()).succeeds();
        assert!(
            run.stdout.contains("SECRET_READ_V2"),
            "{arguments:?}: {run:?}"
        );
    }
}
