//! `audit export --after SEQ`, with and without `--follow`, as a collector uses it: every event
//! once.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Home, Run};

fn numbers(text: &str) -> Vec<u64> {
    text.lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["seq"].as_u64().unwrap()
        })
        .collect()
}

fn last(home: &Home) -> u64 {
    home.audit_lines().len() as u64
}

/// A running `audit export --follow`.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command(&["audit", "export", "--follow"]);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = self.child.id().try_into().unwrap();
        #[allow(unsafe_code)]
        // SAFETY: the child has not been waited for.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0);
    }

    /// Its remaining output, and its exit code.
    fn finish(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), None, "it ends by itself");
        (rest, status.code())
    }
}

#[test]
fn an_export_after_a_number_has_exactly_the_rest() {
    let home = Home::signed_in();
    home.run(&["exec", "--", "true"]).succeeds();
    for after in [0, 1, 5] {
        let end = last(&home);
        let run = home
            .run(&["audit", "export", "--after", &after.to_string()])
            .succeeds();
        assert_eq!(numbers(&run.stdout), (after + 1..=end).collect::<Vec<_>>());
        let all = home.audit();
        let read = all.last().unwrap();
        assert_eq!(read["event_type"], "AUDIT_READ");
        assert_eq!(read["details"]["matched"], end - after);
        assert_eq!(all.len() as u64, end + 1, "recorded once");
    }
    let run = home
        .run(&[
            "audit",
            "export",
            "--after",
            "3",
            "--event",
            "LOGIN_SUCCESS",
            "--format",
            "ecs",
        ])
        .succeeds();
    let event: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(event["event"]["code"], "LOGIN_SUCCESS");
    let fingerprint = home.run(&["audit", "fingerprint"]).succeeds().stdout;
    assert_eq!(
        event["nightlatch"]["log"]["fingerprint"],
        fingerprint.trim()
    );
}

#[test]
fn a_number_beyond_the_end_reports_a_log_that_was_set_back() {
    let home = Home::signed_in();
    let end = last(&home);
    let beyond = (end + 1).to_string();
    for more in [&[][..], &["--follow"]] {
        let arguments = [&["audit", "export", "--after", &beyond], more].concat();
        let run = home.run(&arguments).refuses(7, "set back");
        assert_eq!(run.stdout, "");
    }
    assert_eq!(last(&home), end, "nothing was read and nothing recorded");
    Home::bare()
        .run(&["audit", "export", "--after", "1"])
        .refuses(7, "set back");
    let none = Home::bare().run(&["audit", "export", "--after", "0", "--follow"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    home.run(&["audit", "export", "--follow"])
        .refuses(2, "--after");
    home.run(&["audit", "export", "--after", "-1"]).ends_with(2);
}

#[test]
fn a_follower_gets_each_event_as_it_comes_and_ends_cleanly_on_a_signal() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let home = Home::signed_in();
        let end = last(&home);
        let after = (end - 1).to_string();
        let mut follower = Follower::start(&home, &["--after", &after]);
        assert_eq!(follower.next()["seq"], end);
        let own = follower.next();
        assert_eq!(
            (&own["seq"], &own["event_type"]),
            (&(end + 1).into(), &"AUDIT_READ".into())
        );
        home.run(&["extend"]).succeeds();
        let mut expected = end + 2;
        while expected <= last(&home) {
            assert_eq!(follower.next()["seq"], expected);
            expected += 1;
        }
        follower.signal(signal);
        assert_eq!(follower.finish(), (String::new(), Some(0)));
    }
}

#[test]
fn a_follower_ends_when_nobody_reads_any_more_without_another_event() {
    let home = Home::signed_in();
    let mut follower = Follower::start(&home, &["--after", "0"]);
    while follower.next()["event_type"] != "AUDIT_READ" {}
    let Follower { mut child, lines } = follower;
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_follower_that_is_killed_and_restarted_misses_and_repeats_nothing() {
    let home = Home::signed_in();
    let mut kept = 0;
    for round in 0..6 {
        let mut follower = Follower::start(&home, &["--after", &kept.to_string()]);
        home.run(&["extend"]).succeeds();
        // At least its own record; output beyond that may be lost in the pipe.
        let goal = last(&home) - round % 2;
        while kept < goal {
            let seq = follower.next()["seq"].as_u64().unwrap();
            assert_eq!(seq, kept + 1);
            kept = seq;
        }
        follower.child.kill().unwrap();
        follower.child.wait().unwrap();
    }
    let run = home
        .run(&["audit", "export", "--after", &kept.to_string()])
        .succeeds();
    let rest = numbers(&run.stdout);
    let expected: Vec<_> = (kept + 1..kept + 1 + rest.len() as u64).collect();
    assert_eq!(rest, expected);
    assert_eq!(rest.last(), Some(&(last(&home) - 1)));
}

#[test]
fn a_signal_ends_a_follower_whose_reader_has_stopped_reading_at_a_line_border() {
    let home = Home::signed_in();
    // More than fits into a pipe.
    for _ in 0..40 {
        home.run(&["exec", "--", "true"]).succeeds();
    }
    let follower = Follower::start(&home, &["--after", "0", "--format", "ocsf"]);
    std::thread::sleep(Duration::from_millis(500));
    follower.signal(libc::SIGTERM);
    let (text, code) = follower.finish();
    assert_eq!(code, Some(0));
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_configured_socket_gets_every_event_and_a_missing_one_changes_nothing() {
    let home = Home::new();
    let path = home.outside("log");
    let configure = |target: &str, key: &str| {
        let audit = format!(
            "syslog = false\nforward = \"{target}\"\n{key} = \"{}\"",
            path.display()
        );
        home.configure_audit("", &audit);
    };
    configure("syslog", "syslog_socket");
    home.register(crate::support::EMAIL, crate::support::PASSWORD)
        .succeeds();
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let received = || {
        let mut buffer = vec![0; 128 * 1024];
        let mut all = Vec::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        all
    };
    let mut all: Vec<String> = Vec::new();
    home.login(&[]).succeeds();
    all.extend(received());
    for _ in 0..5 {
        home.run(&["extend"]).succeeds();
        all.extend(received());
    }
    let lines = home.audit_lines();
    let sent: Vec<_> = all
        .iter()
        .map(|text| &text[text.find('{').unwrap()..])
        .collect();
    assert_eq!(sent, lines);
    configure("journald", "journald_socket");
    home.run(&["extend"]).succeeds();
    let all = received();
    assert!(!all.is_empty());
    for message in &all {
        assert!(
            message.contains("\nSYSLOG_IDENTIFIER=nightlatch\n"),
            "{message}"
        );
    }
    configure("telegraph", "journald_socket");
    home.run(&["extend"])
        .refuses(1, "one of off, syslog, journald");
}

#[test]
fn the_configuration_shows_where_events_go() {
    let home = Home::new();
    let show = || -> Vec<(String, Value)> {
        let shown = home.run(&["config", "show", "--json"]).succeeds().json();
        let rows = shown["settings"].as_array().unwrap().iter();
        rows.map(|row| {
            (
                row["key"].as_str().unwrap().to_owned(),
                row["value"].clone(),
            )
        })
        .filter(|(key, _)| {
            ["audit.forward", "audit.journald_socket", "audit.on_tamper"].contains(&key.as_str())
        })
        .collect()
    };
    let row = |key: &str, value: &str| (key.to_owned(), Value::from(value));
    assert_eq!(
        show(),
        [
            row("audit.forward", "off"),
            row("audit.journald_socket", "/run/systemd/journal/socket"),
            row("audit.on_tamper", ""),
        ]
    );
    home.configure_audit("", "forward = \"journald\"\non_tamper = \"true\"");
    assert_eq!(show()[0].1, "journald");
    assert_eq!(show()[2].1, "true");
    for (wrong, told) in [
        ("forward = \"jornald\"", "did you mean \"journald\"?"),
        ("journald_socket = \"x\"", "an absolute path"),
        ("on_tamper = \"\"", "a shell command"),
        ("on_tamper = 5", "a shell command"),
    ] {
        home.configure_audit("", wrong);
        let run: Run = home.run(&["config", "check"]).ends_with(1);
        assert!(run.stdout.contains(told), "{run:?}");
    }
}
