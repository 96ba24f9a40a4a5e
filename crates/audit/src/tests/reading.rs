//! The library records each reading of a home's log, and none of a copy.

use std::ops::ControlFlow;
use std::path::Path;

use super::*;

fn reads(home: &Home) -> Vec<serde_json::Value> {
    let mut lines = home.all_lines();
    lines.retain(|line| line["event_type"] == "AUDIT_READ");
    lines
        .into_iter()
        .map(|line| line["details"].clone())
        .collect()
}

/// Reads the log in every way, and returns the number of events of each.
fn read_all(reader: &LogReader<'_>, query: &Query) -> Vec<u64> {
    let progress = Progress::default();
    let list = reader.list(query, &progress).unwrap();
    list.recorded.unwrap();
    let follow = reader.follow(query, &progress).unwrap();
    follow.recorded.unwrap();
    let mut counts = vec![list.answer.total, follow.answer.0.total];
    for how in [ReadKind::Stats, ReadKind::Export, ReadKind::Report] {
        let read = reader.for_each(how, query, &progress, |_| ControlFlow::Continue(()));
        let read = read.unwrap();
        read.recorded.unwrap();
        counts.push(read.answer.total);
    }
    counts
}

#[test]
fn every_way_to_read_is_recorded_with_its_filters_and_numbers() {
    let home = Home::new();
    let log = home
        .log()
        .with_accounts(|email| email == "alice@example.com");
    log.append_durable(&[used("a"), used("b")]).unwrap();
    let query = Query {
        types: vec![
            EventType::SessionValidated.into(),
            "NEW_TYPE".parse().unwrap(),
        ],
        limit: Limit::new(1).unwrap(),
        ..Query::default()
    };
    assert_eq!(read_all(&log.reader(), &query), [2; 5]);
    let filters = r#""filters":{"event":["SESSION_VALIDATED","NEW_TYPE"]}"#;
    let expected = [
        ("list", 1),
        ("follow", 1),
        ("stats", 0),
        ("export", 2),
        ("report", 2),
    ];
    let expected = expected.map(|(how, returned)| {
        serde_json::from_str::<serde_json::Value>(&format!(
            r#"{{"how":"{how}",{filters},"matched":2,"returned":{returned}}}"#
        ))
        .unwrap()
    });
    assert_eq!(reads(&home), expected);
}

#[test]
fn a_filter_is_recorded_without_anything_that_a_person_may_have_typed_by_mistake() {
    let home = Home::new();
    let log = home
        .log()
        .with_accounts(|email| email == "alice@example.com");
    log.append_durable(&[used("a")]).unwrap();
    for user in ["Alice@Example.com", "hunter2-is-my-password"] {
        let query = Query {
            user: Some(user.to_owned()),
            since: Some(Timestamp::from_unix_nanos(START)),
            failed_only: true,
            program: Some("x\n".repeat(500)),
            exit: Some(ExitFilter::AnySignal),
            ..Query::default()
        };
        log.reader()
            .list(&query, &Progress::default())
            .unwrap()
            .recorded
            .unwrap();
    }
    let (known, unknown) = (&reads(&home)[0]["filters"], &reads(&home)[1]["filters"]);
    assert_eq!(known["user"], "alice@example.com");
    assert_eq!(unknown["user"], "(unknown)");
    assert_eq!(known["since"], "2025-11-20T23:41:07.123456Z");
    assert_eq!(
        (&known["failed"], &known["exit"]),
        (&true.into(), &"signal".into())
    );
    assert!(known["program"].as_str().unwrap().len() <= 64);
}

#[test]
fn reading_creates_nothing_where_there_is_no_log() {
    let home = Home::new();
    assert_eq!(read_all(&home.log().reader(), &Query::default()), [0; 5]);
    assert!(!home.audit().exists());
    home.dir.subdir_or_create("audit").unwrap();
    assert_eq!(read_all(&home.log().reader(), &Query::default()), [0; 5]);
    assert_eq!(home.names(), [""; 0]);
    // A log that was removed must not pass for one that never existed.
    std::fs::remove_dir(home.audit()).unwrap();
    let log = home.log().created_only_while(|| false);
    let reading = log
        .reader()
        .list(&Query::default(), &Progress::default())
        .unwrap();
    assert!(matches!(reading.recorded, Err(AuditError::Gone { .. })));
    assert!(!home.audit().exists());
}

#[test]
fn reading_a_copy_gives_the_same_and_changes_nothing() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let before = home.files();
    let reader = LogReader::copy(&home.audit()).unwrap();
    assert_eq!(read_all(&reader, &Query::default()), [3; 5]);
    assert_eq!(home.files(), before);
    assert!(LogReader::copy(Path::new("/nonexistent")).is_err());
    assert!(!LogReader::copy(home.dir.path()).unwrap().has_log().unwrap());
}

/// Anybody without a key can append lines that only look sealed; verification does not vouch for
/// them.
#[test]
fn lines_at_the_end_that_only_look_sealed_are_no_events_for_any_reader() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let honest = home.bytes();
    let start = honest[..honest.len() - 1]
        .iter()
        .rposition(|&byte| byte == b'\n');
    let last = std::str::from_utf8(&honest[start.unwrap() + 1..]).unwrap();
    let made_up = |seq: u64| last.replacen(":3,", &format!(":{seq},"), 1);
    let spaced = |seq| made_up(seq).replace(",\"host\":", ", \"host\":");
    let other_seal = |seq| {
        let line = made_up(seq);
        let (event, _) = line.split_once(",\"seal\":").unwrap();
        format!("{event},\"seal\":{{\"key\":\"0\"}}}}\n")
    };
    let plain = |seq| made_up(seq).split(",\"seal\":").next().unwrap().to_owned() + "}\n";
    for end in [
        spaced(4),
        other_seal(4),
        plain(4) + &spaced(5),
        plain(4) + &other_seal(5),
    ] {
        std::fs::write(home.segment(), [&honest, end.as_bytes()].concat()).unwrap();
        assert_eq!(home.verifies().last.map(|(seq, _)| seq), Some(3), "{end}");
        let reader = LogReader::copy(&home.audit()).unwrap();
        assert_eq!(read_all(&reader, &Query::default()), [3; 5], "{end}");
        for after in [0, 3] {
            let next = reader.events_after(&Query::default(), after).poll(9);
            let next = next.unwrap().events.len() as u64;
            assert_eq!(next, 3 - after, "{end}");
        }
    }
}

#[test]
fn what_was_asked_for_is_given_though_it_cannot_be_recorded() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    std::fs::remove_dir_all(home.dir.path().join("seal")).unwrap();
    let reading = home
        .log()
        .reader()
        .list(&Query::default(), &Progress::default())
        .unwrap();
    assert_eq!(reading.answer.total, 2);
    assert!(reading.recorded.is_err());
}

#[test]
fn an_answer_says_which_events_are_gone_where_it_could_have_had_them() {
    let home = Home::new();
    home.use_on(0..=8);
    let retention = Retention::new(Duration::from_secs(2 * 86_400)).unwrap();
    home.log().prune(retention).unwrap();
    let ask = |since| {
        let query = Query {
            since,
            ..Query::default()
        };
        home.log().query(&query).unwrap()
    };
    let all = ask(None);
    let first = &all.events[0];
    let [removed] = &all.removed[..] else {
        panic!("{:?}", all.removed)
    };
    assert_eq!((removed.first_seq, removed.last_seq), (1, first.seq - 1));
    let pruned = all
        .events
        .iter()
        .find(|event| event.event_type == EventType::AuditPruned);
    assert_eq!(removed.recorded_seq, pruned.map(|event| event.seq));
    assert_eq!(ask(Some(first.timestamp)).removed, all.removed);
    let later = first.timestamp.plus(Duration::from_secs(1));
    assert_eq!(ask(Some(later)).removed, []);
}

#[test]
fn a_gap_without_a_record_is_told_as_one() {
    let home = Home::new();
    home.use_on(0..=1);
    let first = home
        .names()
        .into_iter()
        .find(|name| name.contains(".jsonl"))
        .unwrap();
    std::fs::remove_file(home.audit().join(first)).unwrap();
    let removed = home.log().query(&Query::default()).unwrap().removed;
    assert_eq!(removed.len(), 1);
    assert_eq!((removed[0].first_seq, removed[0].recorded_seq), (1, None));
}
