//! Removal from the log, the anchors sent to the system log, and following meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use nightlatch_audit::{Anchor, Progress, Retention, Verifier};
use nightlatch_local::guard::Guard;

use crate::library::{config, secret};
use crate::support::days::{DAY, log_on_day, segments, used, used_for_days};
use crate::support::{EMAIL, Home, PASSWORD, Run};

/// Longer than anything takes on a busy machine; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
fn verifies(home: &Home) {
    let verifier = Verifier::new(&home.path().join("audit"));
    let found = verifier.run(&Progress::default()).unwrap();
    assert!(found.is_good(), "{:?}", found.findings);
}

#[test]
fn prune_shows_and_then_removes_what_is_older_than_the_retention() {
    let home = used_for_days();
    let before = segments(&home);
    assert_eq!(before.len(), 10);

    let would = home.run(&["audit", "prune", "--dry-run"]).succeeds();
    assert_eq!(would.stdout.lines().count(), 5, "{would:#?}");
    assert!(
        would
            .stdout
            .starts_with("0000000000000001.jsonl  events 1 to 3, 20")
    );
    assert!(would.stderr.contains("5 segments, "), "{would:#?}");
    assert!(would.stderr.contains(" would be removed"), "{would:#?}");
    assert_eq!(segments(&home), before);

    let would = home
        .run(&["audit", "prune", "--dry-run", "--json"])
        .succeeds()
        .json();
    let does = home.run(&["audit", "prune", "--json"]).succeeds().json();
    assert_eq!(would["segments"], does["segments"]);
    assert_eq!(
        (&would["dry_run"], &does["dry_run"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        (&does["schema"], &does["retention_seconds"]),
        (&1.into(), &(2 * DAY).into())
    );
    let removed = does["segments"].as_array().unwrap();
    let names: Vec<_> = removed
        .iter()
        .map(|gone| gone["segment"].as_str().unwrap())
        .collect();
    assert_eq!(names, before[..5]);
    assert_eq!(
        (&removed[4]["first_seq"], &removed[4]["last_seq"]),
        (&13.into(), &15.into())
    );
    assert_eq!(does["from"], removed[0]["opened_at"]);
    assert_eq!(does["to"], removed[4]["closed_at"]);
    assert_eq!(does["holds"], serde_json::json!([]));
    // The record has the same values.
    let record = home.audit().pop().unwrap();
    assert_eq!(record["event_type"], "AUDIT_PRUNED");
    let details = &record["details"];
    assert_eq!(
        (&details["from"], &details["to"]),
        (&does["from"], &does["to"])
    );
    assert_eq!(
        (&details["first_seq"], &details["last_seq"]),
        (&1.into(), &15.into())
    );
    assert_eq!(details["retention_seconds"], 2 * DAY);
    assert_eq!(details["segments"], 5);
    // Today's segment was opened for the record.
    assert_eq!(segments(&home)[..5], before[5..]);
    assert_eq!(segments(&home).len(), 6);
    verifies(&home);
}

#[test]
fn prune_says_so_when_there_is_nothing_to_remove() {
    for home in [Home::new(), Home::registered()] {
        let run = home.run(&["audit", "prune"]).succeeds();
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("is kept for 90 days"), "{run:#?}");
        let answer = home.run(&["audit", "prune", "--json"]).succeeds().json();
        assert_eq!(
            (&answer["segments"], &answer["bytes"]),
            (&serde_json::json!([]), &0.into())
        );
    }
}

#[test]
fn a_sign_in_prunes_after_its_report() {
    let home = used_for_days();
    home.register(EMAIL, PASSWORD).succeeds();
    assert_eq!(segments(&home).len(), 11);
    let login = home.login(&[]).succeeds();
    assert!(!login.stderr.contains("removed"), "{login:#?}");
    // Six: today is on record as well.
    assert_eq!(segments(&home).len(), 5);
    let events = home.events();
    assert_eq!(events.last().unwrap(), "AUDIT_PRUNED");
    verifies(&home);
}

#[test]
fn a_sign_in_through_the_library_prunes_when_its_value_is_dropped() {
    let home = used_for_days();
    home.register(EMAIL, PASSWORD).succeeds();
    let guard = Guard::open(config(&home, &Arc::default())).unwrap();
    let signed_in = guard
        .sign_in(&EMAIL.parse().unwrap(), secret(PASSWORD), guard.limits())
        .unwrap();
    assert_eq!(segments(&home).len(), 11, "the program may report first");
    drop(signed_in);
    assert_eq!(segments(&home).len(), 5);
    verifies(&home);
}

#[test]
fn a_sign_in_succeeds_where_pruning_fails_and_says_what_failed() {
    let home = used_for_days();
    home.register(EMAIL, PASSWORD).succeeds();
    let oldest = home.path().join("audit/0000000000000001.jsonl");
    let text = std::fs::read_to_string(&oldest).unwrap();
    std::fs::write(&oldest, text.replace("SEGMENT_CLOSED", "SEGMENT_CLOSEX")).unwrap();
    let before = segments(&home);
    let login = home.login(&[]).succeeds();
    assert!(
        login.stderr.contains("old events could not be removed"),
        "{login:#?}"
    );
    assert!(home.is_active());
    assert_eq!(segments(&home), before);
    home.run(&["audit", "prune"]).refuses(7, "damaged");
}

#[test]
fn a_retention_of_less_than_a_day_is_refused() {
    let home = Home::new();
    for (audit, part) in [
        ("retention = \"23h\"", "a day or more"),
        ("retention = \"long\"", "write \"400d\""),
        ("retention = 90", "line"),
        ("keep = \"90d\"", "keep"),
        ("syslog_socket = \"dev/log\"", "absolute"),
    ] {
        home.configure_audit("", audit);
        let run = home.run(&["audit", "prune", "--dry-run"]);
        assert_ne!(run.code, 0, "{audit}");
        assert!(run.stderr.contains(part), "{audit}: {run:#?}");
    }
}

/// A socket in place of the system log's, and a home that uses it.
fn with_listener() -> (Home, UnixDatagram) {
    let home = Home::new();
    let path = home.outside("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    // What a command sends is there when the command has ended.
    socket.set_nonblocking(true).unwrap();
    home.configure_audit("", &format!("syslog_socket = \"{}\"", path.display()));
    (home, socket)
}

fn received(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    std::iter::from_fn(|| {
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    })
    .collect()
}

/// The anchor that process `pid` sent to the system log.
fn anchor_from(message: &str, pid: u32) -> Anchor {
    let prefix = format!("<86>nightlatch[{pid}]: audit anchor seq=");
    let rest = message
        .strip_prefix(&prefix)
        .unwrap_or_else(|| panic!("{message}"));
    let (seq, rest) = rest.split_once(" hash=").unwrap();
    let (hash, fingerprint) = rest.split_once(" fingerprint=").unwrap();
    let json = format!(r#"{{"seq":{seq},"hash":"{hash}","fingerprint":"{fingerprint}"}}"#);
    Anchor::parse(&json).unwrap()
}

fn holds_against(audit: &Path, anchor: Anchor) -> bool {
    let verifier = Verifier::new(audit).anchor(anchor);
    verifier.run(&Progress::default()).unwrap().is_good()
}

/// Signs in, and returns the process's id and the result.
fn sign_in(home: &Home) -> (u32, Run) {
    let mut command = home.command(&["login", "--password-stdin"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(PASSWORD.as_bytes())
        .unwrap();
    (pid, Run::finish(&command, child))
}

#[test]
fn a_sign_in_and_a_sign_out_send_an_anchor_and_a_wrong_password_does_not() {
    let (home, socket) = with_listener();
    home.register(EMAIL, PASSWORD).succeeds();
    assert_eq!(received(&socket).len(), 1, "the first event of a log");
    home.run_with_input(&["login", "--password-stdin"], b"wrong")
        .ends_with(5);
    assert_eq!(received(&socket), [""; 0]);
    let (pid, login) = sign_in(&home);
    login.succeeds();
    let messages = received(&socket);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let anchor = anchor_from(&messages[0], pid);
    let last = home.audit().pop().unwrap();
    assert_eq!(last["seq"], anchor.seq);
    assert_eq!(last["hash"], anchor.hash.to_string());
    home.run(&["exec", "--", "true"]).succeeds();
    assert!(holds_against(&home.path().join("audit"), anchor));
    assert_eq!(received(&socket), [""; 0]);
    home.run(&["logout"]).succeeds();
    assert_eq!(received(&socket).len(), 1);
}

#[test]
fn the_first_event_of_a_day_sends_an_anchor() {
    let (home, socket) = with_listener();
    let yesterday = log_on_day(&home, -1);
    yesterday.append_durable(&[used("a")]).unwrap();
    home.register(EMAIL, PASSWORD).succeeds();
    let messages = received(&socket);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let pid = messages[0]["<86>nightlatch[".len()..]
        .split(']')
        .next()
        .unwrap();
    let anchor = anchor_from(&messages[0], pid.parse().unwrap());
    assert!(holds_against(&home.path().join("audit"), anchor));
}

#[test]
fn no_anchor_is_sent_where_that_is_turned_off_or_nobody_listens() {
    let (home, socket) = with_listener();
    let path = home.outside("log");
    home.register(EMAIL, PASSWORD).succeeds();
    let told = format!("syslog_socket = \"{}\"", path.display());
    assert_eq!(received(&socket).len(), 1, "the first event of a log");
    home.configure_audit("", &format!("{told}\nsyslog = false"));
    home.login(&[]).succeeds();
    assert_eq!(received(&socket), [""; 0]);
    home.configure_audit("", &told);
    drop(socket);
    let login = home.login(&[]).succeeds();
    assert!(!login.stderr.contains("log"), "{login:#?}");
}

#[test]
fn following_goes_on_when_the_log_goes_on_in_another_segment_and_old_ones_are_removed() {
    let home = used_for_days();
    let mut command = home.command(&[
        "--quiet",
        "audit",
        "--follow",
        "--format",
        "jsonl",
        "--event",
        "SESSION_VALIDATED",
        "--limit",
        "1",
    ]);
    let mut follower = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let (sender, printed) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    let next = || printed.recv_timeout(PATIENCE).unwrap();
    assert!(next().contains("\"action\":\"a\""));
    // Yesterday's segment is closed, either by the follower's own AUDIT_READ or by this.
    log_on_day(&home, 0)
        .append_durable(&[used("today")])
        .unwrap();
    assert!(next().contains("\"action\":\"today\""));
    let tomorrow = log_on_day(&home, 1);
    tomorrow.append_durable(&[used("tomorrow")]).unwrap();
    assert!(next().contains("\"action\":\"tomorrow\""));
    let retention = Retention::new(Duration::from_secs(2 * DAY)).unwrap();
    assert_eq!(tomorrow.prune(retention).unwrap().segments.len(), 7);
    tomorrow.append_durable(&[used("after")]).unwrap();
    assert!(next().contains("\"action\":\"after\""));
    assert!(follower.try_wait().unwrap().is_none());
    follower.kill().unwrap();
    let output = follower.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
