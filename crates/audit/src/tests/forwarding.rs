//! Forwards events to the system log or journald: each once, in order, without waiting.

use std::path::Path;

use super::datagrams::{listener, received};
use super::*;

fn forwarding(home: &Home, to: ForwardTo, socket: &Path) -> AuditLog {
    home.log().with_forward(Forward::new(to, socket.to_owned()))
}

/// The log's lines as text, oldest first.
fn lines(home: &Home) -> Vec<String> {
    let files = home.files().into_iter();
    let segments = files.filter(|(name, _)| name.starts_with('0'));
    let bytes: Vec<u8> = segments.flat_map(|(_, bytes)| bytes).collect();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn message(line: &str, fingerprint: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let hash = event["hash"].as_str().unwrap();
    format!(
        "<86>nightlatch[4242]: audit event seq={} hash={hash} fingerprint={fingerprint} {line}",
        event["seq"]
    )
}

/// The messages that a log with these lines sends.
fn messages(home: &Home, lines: &[String]) -> Vec<String> {
    let fingerprint = home.log().fingerprint().unwrap().unwrap();
    lines
        .iter()
        .map(|line| message(line, &fingerprint))
        .collect()
}

#[test]
fn the_system_log_gets_every_line_as_it_is_sealed() {
    let home = Home::new();
    let path = home.dir.path().join("log");
    let socket = listener(&path);
    let log = forwarding(&home, ForwardTo::Syslog, &path);
    let mut sent = 0;
    for day in 0..3 {
        home.set_day(day, 0);
        log.append_durable(&[used("a"), used("b")]).unwrap();
        let all = messages(&home, &lines(&home));
        assert_eq!(received(&socket), all[sent..]);
        sent = all.len();
    }
    home.verifies();
}

#[test]
fn journald_gets_fields_that_can_be_searched_for() {
    let home = Home::new();
    let path = home.dir.path().join("journal");
    let socket = listener(&path);
    let log = forwarding(&home, ForwardTo::Journald, &path);
    let failed = Event::new(Details::LoginFailure {
        reason: LoginFailure::WrongCredentials,
        attempts: Some(1),
    })
    .about(AuditName::known("alice@example.com"));
    log.append_durable(&[failed]).unwrap();
    let all = received(&socket);
    assert_eq!(all.len(), 2);
    let line = &lines(&home)[1];
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let fields: Vec<_> = all[1].lines().collect();
    let fingerprint = log.fingerprint().unwrap().unwrap();
    assert_eq!(
        fields,
        [
            &format!("MESSAGE={line}"),
            "PRIORITY=4",
            "SYSLOG_FACILITY=10",
            "SYSLOG_IDENTIFIER=nightlatch",
            "SYSLOG_PID=4242",
            "NIGHTLATCH_SEQ=2",
            &format!("NIGHTLATCH_HASH={}", event["hash"].as_str().unwrap()),
            &format!("NIGHTLATCH_FINGERPRINT={fingerprint}"),
            "NIGHTLATCH_EVENT_TYPE=LOGIN_FAILURE",
            "NIGHTLATCH_USERNAME=alice@example.com",
        ]
    );
    assert!(all[0].contains("PRIORITY=6\n"), "{}", all[0]);
}

#[test]
fn forwarding_begins_at_the_end_that_there_is() {
    let home = Home::new();
    let path = home.dir.path().join("log");
    let socket = listener(&path);
    home.use_on(0..2);
    let before = lines(&home).len();
    let log = forwarding(&home, ForwardTo::Syslog, &path);
    log.append_durable(&[used("b")]).unwrap();
    assert_eq!(received(&socket), messages(&home, &lines(&home)[before..]));
    // After a period without forwarding, it starts at the current end.
    home.log().append_durable(&[used("c")]).unwrap();
    let before = lines(&home).len();
    log.append_durable(&[used("d")]).unwrap();
    assert_eq!(received(&socket), messages(&home, &lines(&home)[before..]));
}

#[test]
fn what_an_outage_missed_is_sent_with_the_next_event() {
    let home = Home::new();
    let path = home.dir.path().join("log");
    let log = forwarding(&home, ForwardTo::Syslog, &path);
    // No socket, a regular file, a dead socket, a stream socket: none makes the append fail.
    log.append_durable(&[used("a")]).unwrap();
    std::fs::write(&path, "").unwrap();
    log.append_durable(&[used("b")]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    std::fs::remove_file(&path).unwrap();
    drop(listener(&path));
    log.append_durable(&[used("c")]).unwrap();
    std::fs::remove_file(&path).unwrap();
    let stream = std::os::unix::net::UnixListener::bind(&path).unwrap();
    home.set_day(1, 0);
    log.append_durable(&[used("d")]).unwrap();
    drop(stream);
    std::fs::remove_file(&path).unwrap();
    let socket = listener(&path);
    log.append_durable(&[used("e")]).unwrap();
    assert_eq!(received(&socket), messages(&home, &lines(&home)));
    // The socket disappears again, and comes back.
    let before = lines(&home).len();
    drop(socket);
    std::fs::remove_file(&path).unwrap();
    log.append_durable(&[used("f")]).unwrap();
    let socket = listener(&path);
    log.append_durable(&[used("g")]).unwrap();
    assert_eq!(received(&socket), messages(&home, &lines(&home)[before..]));
    home.verifies();
}

#[test]
fn a_full_socket_holds_nobody_up_and_loses_nothing() {
    let home = Home::new();
    let path = home.dir.path().join("log");
    let socket = listener(&path);
    let log = forwarding(&home, ForwardTo::Syslog, &path);
    let mut all = Vec::new();
    // The kernel queues only a few datagrams (net.unix.max_dgram_qlen); this writes far more.
    for _ in 0..30 {
        let events: Vec<_> = (0..100).map(|_| used("a")).collect();
        log.append_durable(&events).unwrap();
    }
    let written = messages(&home, &lines(&home)).len();
    all.extend(received(&socket));
    assert!(all.len() < written, "the socket was never full");
    while all.len() < written {
        log.append_durable(&[used("b")]).unwrap();
        let more = received(&socket);
        assert!(!more.is_empty(), "{} of {written}", all.len());
        all.extend(more);
    }
    let expected = messages(&home, &lines(&home));
    assert_eq!(all, expected[..all.len()]);
}

#[test]
fn one_append_sends_no_more_than_a_thousand_missed_events() {
    let home = Home::new();
    let path = home.dir.path().join("log");
    let log = forwarding(&home, ForwardTo::Syslog, &path);
    let events: Vec<_> = (0..2500).map(|_| used("a")).collect();
    log.append_durable(&events).unwrap();
    let socket = listener(&path);
    let reader = std::thread::spawn(move || {
        socket.set_nonblocking(false).unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let mut count = 0;
        socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        while socket.recv(&mut buffer).is_ok() {
            count += 1;
        }
        count
    });
    log.append_durable(&[used("b")]).unwrap();
    let count = reader.join().unwrap();
    assert!((1..=1000 + 16).contains(&count), "{count}");
}
