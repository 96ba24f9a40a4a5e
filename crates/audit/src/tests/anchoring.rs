//! Anchors sent to the system log, without waiting for it.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;

use super::datagrams::{listener, received};
use super::*;

/// Longer than anything takes here; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

fn told(anchor: &Anchor) -> String {
    format!(
        "<86>nightlatch[4242]: audit anchor seq={} hash={} fingerprint={}",
        anchor.seq,
        anchor.hash,
        anchor.fingerprint()
    )
}

/// The anchor in a message, as an auditor would extract it.
fn anchor_in(message: &str) -> Anchor {
    let after = |key: &str| {
        let from = message.find(key).unwrap() + key.len();
        message[from..].split(' ').next().unwrap()
    };
    let (seq, hash, fingerprint) = (after("seq="), after("hash="), after("fingerprint="));
    let json = format!(r#"{{"seq":{seq},"hash":"{hash}","fingerprint":"{fingerprint}"}}"#);
    Anchor::parse(&json).unwrap()
}

fn problems(home: &Home, anchor: Anchor) -> Vec<Problem> {
    let verifier = Verifier::new(&home.audit()).anchor(anchor);
    let found = verifier.run(&Progress::default()).unwrap();
    let findings = found.findings.into_iter();
    findings.map(|finding| finding.problem).collect()
}

#[test]
fn a_log_without_events_has_no_anchor_and_one_with_events_that_of_its_last_seal() {
    let home = Home::new();
    let log = home.log();
    assert_eq!(log.anchor().unwrap(), None);
    log.append_durable(&[used("a"), Event::new(Details::LoginSuccess)])
        .unwrap();
    let anchor = log.anchor().unwrap().unwrap();
    assert_eq!(anchor.seq, 3);
    assert_eq!(problems(&home, anchor), []);
}

fn session(details: Details) -> Event {
    Event::new(details).in_session(nightlatch_core::id::SessionId::random().unwrap())
}

#[test]
fn an_anchor_is_sent_when_a_session_begins_or_ends_at_rotation_and_every_hour() {
    const HOUR: i64 = 3600 * 1_000_000_000;
    let home = Home::new();
    let path = home.dir.path().join("log");
    let socket = listener(&path);
    let log = home.log().with_syslog(path);
    let expect = |what: &str, event: Event, is_sent: bool| {
        log.append_durable(&[event]).unwrap();
        let anchor = log.anchor().unwrap().unwrap();
        let expected: Vec<_> = is_sent.then(|| told(&anchor)).into_iter().collect();
        let messages = received(&socket);
        assert_eq!(messages, expected, "{what}");
        if let [message] = &messages[..] {
            assert_eq!(anchor_in(message), anchor);
        }
    };
    expect("the first event", used("a"), true);
    expect("use", used("a"), false);
    let created = Details::SessionCreated {
        idle: Duration::from_secs(900),
        max: Duration::from_secs(14_400),
    };
    expect("sign-in", session(created), true);
    expect("use", used("a"), false);
    let reason = TerminationReason::Logout;
    expect(
        "sign-out",
        session(Details::SessionTerminated { reason }),
        true,
    );
    home.set_day(1, 0);
    expect("rotation", used("b"), true);
    home.shift(HOUR - 1000);
    // On the same day: the log began at 23:41.
    expect("rotation at midnight", used("b"), true);
    home.shift(HOUR - 1000);
    expect("less than an hour", used("b"), false);
    home.shift(1000);
    expect("an hour", used("b"), true);
    expect("use", used("b"), false);
}

#[test]
fn what_the_system_log_was_told_shows_a_log_that_was_set_back() {
    let home = Home::new();
    let path = home.dir.path().join("log");
    let socket = listener(&path);
    let log = home.log().with_syslog(path);
    log.append_durable(&[used("a")]).unwrap();
    let before = home.files();
    assert_eq!(received(&socket).len(), 1);
    home.set_day(1, 0);
    log.append_durable(&[used("b")]).unwrap();
    let anchor = anchor_in(&received(&socket)[0]);
    assert_eq!(problems(&home, anchor.clone()), []);

    // Restore everything, including the state: only the anchor reveals it.
    home.put(&before);
    home.verifies();
    let seq = anchor.seq;
    assert_eq!(problems(&home, anchor), [Problem::BeforeAnchor { seq }]);
}

/// Rotates a log that sends anchors to `path`. This must be quick and must not fail.
fn rotates_with(path: PathBuf) {
    let home = Home::new();
    home.use_on([0]);
    home.set_day(1, 0);
    let log = home.log().with_syslog(path);
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || done.send(log.append_durable(&[used("b")])));
    is_done.recv_timeout(PATIENCE).unwrap().unwrap();
    home.verifies();
}

#[test]
fn a_socket_that_is_full_holds_nobody_up() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("log");
    let socket = listener(&path);
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while sender.send_to(b"x", &path).is_ok() {
        sent += 1;
    }
    rotates_with(path);
    assert_eq!(received(&socket), vec!["x"; sent]);
}

#[test]
fn nobody_at_the_other_end_and_no_socket_at_all_are_no_failure() {
    let temp = tempfile::tempdir().unwrap();
    let dead = temp.path().join("dead");
    drop(listener(&dead));
    rotates_with(dead);
    rotates_with(temp.path().join("none"));
    let stream = temp.path().join("stream");
    let _listens = std::os::unix::net::UnixListener::bind(&stream).unwrap();
    rotates_with(stream);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    rotates_with(file.clone());
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    let fifo = temp.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    rotates_with(fifo);
}
