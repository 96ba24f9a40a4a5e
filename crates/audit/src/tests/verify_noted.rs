//! What verification compares with noted data, and what it reports besides findings.

use super::*;
use nightlatch_core::id::SessionId;

fn problems(found: &Verification) -> Vec<Problem> {
    let findings = found.findings.iter();
    findings.map(|found| found.problem.clone()).collect()
}

fn run(home: &Home, with: impl FnOnce(Verifier) -> Verifier) -> Verification {
    let verifier = with(Verifier::new(&home.audit()));
    verifier.run(&Progress::default()).unwrap()
}

fn read(text: &str) -> Anchors {
    Anchors::read("anchors", text.as_bytes()).unwrap()
}

/// The anchor as a line of a system log.
fn logged(anchor: &Anchor) -> String {
    format!(
        "Nov 28 10:00:00 ws1 nightlatch[4242]: audit anchor seq={} hash={} fingerprint={}",
        anchor.seq,
        anchor.hash,
        anchor.fingerprint()
    )
}

#[test]
fn a_log_set_back_and_continued_has_two_anchors_of_one_number() {
    let home = Home::new();
    let append = |action| home.log().append_durable(&[used(action)]).unwrap();
    append("a");
    let before = home.files();
    append("b");
    let one = home.log().anchor().unwrap().unwrap();
    home.put(&before);
    append("c");
    let other = home.log().anchor().unwrap().unwrap();
    assert_eq!(one.seq, other.seq);
    let text = format!("{}\nsome other line\n{}", logged(&one), other.to_json());
    let found = run(&home, |verifier| verifier.anchors(read(&text)));
    let problems = problems(&found);
    assert!(problems.contains(&Problem::AnchorMismatch { seq: one.seq }));
    let fork = problems
        .iter()
        .find(|problem| problem.name() == "fork")
        .unwrap();
    let said = fork.to_string();
    for part in [
        &one.hash.to_string(),
        &other.hash.to_string(),
        "anchors:1",
        "anchors:3",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!((found.anchors.given, found.anchors.checked), (2, 1));
    assert_eq!(read(&text).ignored(), 1);
}

#[test]
fn anchors_of_other_logs_are_ignored_unless_all_are() {
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        home.log().append_durable(&[used("a")]).unwrap();
    }
    let own = home.log().anchor().unwrap().unwrap();
    let others = other.log().anchor().unwrap().unwrap();
    let both = format!("{}\n{}\n", logged(&others), logged(&own));
    let found = run(&home, |verifier| verifier.anchors(read(&both)));
    assert_eq!(problems(&found), []);
    assert_eq!((found.anchors.checked, found.anchors.other_log), (1, 1));
    assert!(found.fingerprint_given);
    let found = run(&home, |verifier| verifier.anchors(read(&logged(&others))));
    let expected = Problem::OtherAnchors {
        found: own.fingerprint(),
    };
    assert_eq!(problems(&found), [expected]);
    assert!(!found.fingerprint_given);
}

#[test]
fn a_hundred_thousand_anchors_and_garbage_are_compared() {
    let home = Home::new();
    home.log().append_durable(&vec![used("a"); 100]).unwrap();
    let anchor = home.log().anchor().unwrap().unwrap();
    let mut text = "x".repeat(200_000) + "\n";
    for _ in 0..50_000 {
        text.push_str(&logged(&anchor));
        text.push_str("\n\u{0}garbage seq=1 hash=\n");
    }
    let found = run(&home, |verifier| verifier.anchors(read(&text)));
    assert_eq!(problems(&found), []);
    assert_eq!((found.anchors.given, found.anchors.checked), (1, 1));
    assert_eq!(read(&text).ignored(), 50_001);
}

fn session(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

fn created() -> Event {
    Event::new(Details::SessionCreated {
        idle: Duration::from_secs(900),
        max: Duration::from_secs(43_200),
    })
}

fn ended() -> Event {
    Event::new(Details::SessionTerminated {
        reason: TerminationReason::Logout,
    })
}

#[test]
fn a_session_that_was_not_created_or_had_ended_is_warned_of_across_segments() {
    let home = Home::new();
    let append = |event: Event, number| {
        let events = [event.in_session(session(number))];
        home.log().append_durable(&events).unwrap();
    };
    append(created(), 1);
    append(created(), 2);
    append(used("exec"), 1);
    append(used("exec"), 9);
    append(used("exec"), 9);
    append(ended(), 2);
    // Another day and another segment, within the longest session.
    home.shift(11 * 3600 * 1_000_000_000);
    append(used("exec"), 1);
    append(used("exec"), 2);
    append(ended(), 1);
    append(used("exec"), 1);
    let found = home.verifies();
    assert_eq!(found.segments, 2);
    let warned: Vec<_> = found
        .warnings
        .iter()
        .map(|warning| (warning.session, warning.reason.name(), warning.seq))
        .collect();
    let not_created = (session(9), "session_not_created", 5);
    let after_end = |number, seq| (session(number), "session_used_after_end", seq);
    assert_eq!(warned, [not_created, after_end(2, 11), after_end(1, 13)]);
    assert!(
        found.warnings[2]
            .to_string()
            .ends_with("after it had ended (event 12)")
    );
}

#[test]
fn a_session_used_after_its_maximum_is_warned_of_across_segments() {
    let home = Home::new();
    let append = |event: Event, number| {
        let events = [event.in_session(session(number))];
        home.log().append_durable(&events).unwrap();
    };
    let created = |seconds| {
        Event::new(Details::SessionCreated {
            idle: Duration::from_secs(900),
            max: Duration::from_secs(seconds),
        })
    };
    for (number, seconds) in [(1, 60), (2, 7200), (3, 7200), (4, 7200)] {
        append(created(seconds), number);
    }
    // A use recorded a moment after the maximum was checked before it.
    home.shift(119 * 1_000_000_000);
    append(used("exec"), 1);
    home.shift(1_000_000_000);
    append(used("exec"), 1);
    append(used("exec"), 1);
    // Another day, and another segment.
    home.shift(3600 * 1_000_000_000);
    append(used("exec"), 2);
    append(used("exec"), 4);
    home.shift(3600 * 1_000_000_000);
    append(used("exec"), 2);
    append(used("exec"), 3);
    let found = home.verifies();
    assert_eq!(found.segments, 2);
    let warned: Vec<_> = found.warnings.iter().map(ToString::to_string).collect();
    let after_maximum = |seq, number, created| {
        let session = session(number);
        format!(
            "event {seq}: session {session} was used after its maximum time (created in event {created})"
        )
    };
    let expected = [
        after_maximum(7, 1, 2),
        after_maximum(13, 2, 3),
        after_maximum(14, 3, 4),
    ];
    assert_eq!(warned, expected);
}

#[test]
fn removals_are_named_and_those_sooner_than_asked_for_are_found() {
    let home = Home::new();
    let retention = Retention::new(Duration::from_secs(30 * 86_400)).unwrap();
    home.use_on(0..40);
    let early = home.log().anchor().unwrap().unwrap();
    let first = run(&home, |verifier| verifier).first_seq;
    assert_eq!(first, Some(1));
    home.log().prune(retention).unwrap();
    let found = home.verifies();
    let begin = found.first_seq.unwrap();
    assert!(begin > 1);
    let [removal] = found.removals[..] else {
        panic!("{:?}", found.removals)
    };
    assert_eq!((removal.first_seq, removal.last_seq), (1, begin - 1));
    assert_eq!(removal.retention, retention.get());
    assert_eq!(Some(removal.record_seq), found.last.map(|(seq, _)| seq));
    assert!(removal.from < removal.to && removal.to < removal.recorded_at);
    // Nothing was removed sooner than 30 days, but something sooner than 60.
    let asked = |days: u64| {
        let retention = Duration::from_secs(days * 86_400);
        problems(&run(&home, |verifier| verifier.retention(retention)))
    };
    assert_eq!(asked(30), []);
    assert_eq!(asked(60)[0].name(), "too_early_prune");
    assert_eq!(asked(60)[0].rule(), 12);
    // An anchor of a removed event cannot be compared; a later one can.
    let gone = Anchor::parse(
        &early
            .to_json()
            .replace(&format!("\"seq\":{}", early.seq), "\"seq\":1"),
    );
    let found = run(&home, |verifier| {
        verifier.anchor(early).anchor(gone.unwrap())
    });
    assert_eq!(problems(&found), []);
    assert_eq!((found.anchors.checked, found.anchors.not_checked), (1, 1));
}

#[test]
fn what_was_moved_aside_is_named() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    let mut bytes = home.bytes();
    bytes.extend_from_slice(b"one line\nand a torn one");
    std::fs::write(home.segment(), bytes).unwrap();
    home.log().append_durable(&[used("b")]).unwrap();
    let found = home.verifies();
    let [repair] = &found.repairs[..] else {
        panic!("{:?}", found.repairs)
    };
    assert_eq!((repair.lines, repair.bytes), (1, 23));
    let file = repair.file.as_ref().unwrap();
    assert!(home.names().contains(file));
}
