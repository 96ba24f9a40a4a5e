use std::io::Write;

use super::*;
use nightlatch_core::id::SessionId;

const SESSION: SessionId = SessionId::from_bytes([0x22; 16]);

/// The numbers of the events found, counted from 1 after the line that opens the log.
fn find(home: &Home, query: &Query) -> Vec<u64> {
    let result = home.log().query(query).unwrap();
    assert_eq!(result.unreadable, 0);
    assert_eq!(result.total, result.events.len() as u64);
    let told = result.events.iter();
    told.filter(|record| record.event_type != EventType::SegmentOpened)
        .map(|record| record.seq - 1)
        .collect()
}

/// Five events a second apart.
fn five() -> Home {
    let home = Home::new();
    let events = [
        Event::new(Details::LoginAttempt).about(AuditName::known("alice@example.com")),
        Event::new(Details::LoginFailure {
            reason: LoginFailure::WrongCredentials,
            attempts: None,
        })
        .about(AuditName::unknown(&[7; 16])),
        Event::new(Details::LoginSuccess).about(AuditName::known("alice@example.com")),
        used("exec")
            .about(AuditName::known("alice@example.com"))
            .in_session(SESSION),
        used("exec")
            .about(AuditName::known("bob@example.com"))
            .in_session(SessionId::from_bytes([0x33; 16])),
    ];
    for event in events {
        home.log().append_durable(&[event]).unwrap();
        home.clock.sleep(Duration::from_secs(1));
    }
    home
}

#[test]
fn without_a_log_the_answer_is_empty() {
    let home = Home::new();
    let result = home.log().query(&Query::default()).unwrap();
    assert!(result.events.is_empty() && result.total == 0 && !result.has_more);
    assert!(!home.audit().exists());
}

#[test]
fn each_filter_finds_its_events_and_no_others() {
    let home = five();
    let all = Query::default;
    let at = |seconds: i64| Some(Timestamp::from_unix_nanos(START + seconds * 1_000_000_000));
    let user = |user: &str| Query {
        user: Some(user.to_owned()),
        ..all()
    };
    let types = |types: &[EventType]| Query {
        types: types.iter().copied().map(EventName::from).collect(),
        ..all()
    };
    assert_eq!(find(&home, &all()), [1, 2, 3, 4, 5]);
    assert_eq!(find(&home, &user(" Alice@Example.COM")), [1, 3, 4]);
    assert_eq!(find(&home, &user("alice")), [0_u64; 0]);
    assert_eq!(find(&home, &user(UNKNOWN_NAME)), [2]);
    assert_eq!(find(&home, &types(&[EventType::SessionValidated])), [4, 5]);
    assert_eq!(
        find(
            &home,
            &types(&[EventType::LoginAttempt, EventType::LoginSuccess])
        ),
        [1, 3]
    );
    assert_eq!(
        find(
            &home,
            &Query {
                since: at(2),
                ..all()
            }
        ),
        [3, 4, 5]
    );
    assert_eq!(
        find(
            &home,
            &Query {
                until: at(2),
                ..all()
            }
        ),
        [1, 2]
    );
    assert_eq!(
        find(
            &home,
            &Query {
                session: Some(SESSION),
                ..all()
            }
        ),
        [4]
    );
    assert_eq!(
        find(
            &home,
            &Query {
                failed_only: true,
                ..all()
            }
        ),
        [2]
    );
    let both = Query {
        since: at(1),
        ..user("alice@example.com")
    };
    assert_eq!(find(&home, &both), [3, 4]);
    let none = Query {
        failed_only: true,
        ..user("alice@example.com")
    };
    assert_eq!(find(&home, &none), [0_u64; 0]);
}

#[test]
fn a_record_has_every_field_and_the_line_itself() {
    let home = five();
    let text = String::from_utf8(home.bytes()).unwrap();
    let result = home.log().query(&Query::default()).unwrap();
    let lines: Vec<_> = result
        .events
        .iter()
        .map(|record| record.raw.as_str())
        .collect();
    assert_eq!(lines, text.lines().collect::<Vec<_>>());
    let record = &result.events[4];
    assert_eq!(record.timestamp.unix_nanos(), START + 3_000_000_000);
    assert_eq!(record.event_type, EventType::SessionValidated);
    assert_eq!(record.username.as_deref(), Some("alice@example.com"));
    assert_eq!(record.session_id, Some(SESSION));
    assert!(record.success);
    assert_eq!(record.details.get(), "{\"action\":\"exec\"}");
    assert_eq!(
        (record.host.as_str(), record.uid, record.pid),
        ("ws1", 1000, 4242)
    );
    assert_eq!(record.tty.as_deref(), Some("pts/3"));
    assert_eq!(record.prev, result.events[3].hash);
}

#[test]
fn the_newest_are_given_in_order_and_the_rest_counted() {
    let home = Home::new();
    let events: Vec<_> = (1..=150).map(|number| used(&number.to_string())).collect();
    home.log().append_durable(&events).unwrap();
    let with = |limit| {
        let limit = Limit::new(limit).unwrap();
        let query = Query {
            limit,
            ..Query::default()
        };
        home.log().query(&query).unwrap()
    };
    let result = with(3);
    assert_eq!(actions(&result.events), ["148", "149", "150"]);
    assert_eq!((result.total, result.has_more), (151, true));
    assert_eq!(
        (with(150).has_more, with(151).has_more, with(1000).has_more),
        (true, false, false)
    );
    assert_eq!(
        home.log().query(&Query::default()).unwrap().events.len(),
        100
    );
}

#[test]
fn a_limit_is_from_1_to_1000() {
    assert!(Limit::new(0).is_err() && Limit::new(1001).is_err() && Limit::new(65_537).is_err());
    assert_eq!(Limit::new(1000), Ok(Limit::MAX));
    assert_eq!(Limit::default().get(), 100);
}

#[test]
fn lines_that_are_no_events_are_counted_as_far_as_they_are_looked_at() {
    let home = five();
    let text = String::from_utf8(home.bytes()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1] = "garbage".to_owned();
    lines.insert(3, "x".repeat(300_000));
    let last = lines.pop().unwrap();
    let mut bytes = (lines.join("\n") + "\n").into_bytes();
    bytes.extend_from_slice(last.strip_suffix('}').unwrap().as_bytes());
    bytes.extend_from_slice(b",\"more\":\"\xff\"}\n");
    bytes.extend_from_slice(last.as_bytes());
    bytes.push(b'\n');
    std::fs::write(home.segment(), bytes).unwrap();
    let bobs = Query {
        user: Some("bob@example.com".to_owned()),
        ..Query::default()
    };
    // Only the last of them contains the name.
    for (query, unreadable) in [(Query::default(), 3), (bobs, 1)] {
        let result = home.log().query(&query).unwrap();
        assert_eq!(result.unreadable, unreadable);
        assert_eq!(result.events.last().unwrap().seq, 6);
        assert_eq!(result.total, result.events.len() as u64);
    }
}

#[test]
fn a_segment_torn_inside_the_log_is_counted_and_the_next_is_read() {
    let home = five();
    let bytes = home.bytes();
    std::fs::write(home.segment(), &bytes[..bytes.len() - 5]).unwrap();
    std::fs::write(home.audit().join("0000000000000007.jsonl"), &bytes).unwrap();
    let result = home.log().query(&Query::default()).unwrap();
    assert_eq!((result.total, result.unreadable), (11, 1));
}

#[test]
fn following_gives_what_comes_after_the_answer_once() {
    let home = Home::new();
    let log = home.log();
    let only_used = Query {
        types: vec![EventType::SessionValidated.into()],
        ..Query::default()
    };
    let reader = log.reader();
    let mut from_nothing = reader.follow_from(&only_used, Position::default());
    assert!(from_nothing.poll().unwrap().is_empty());
    log.append_durable(&[used("a")]).unwrap();
    let answer = log.query(&only_used).unwrap();
    let mut follow = reader.follow_from(&only_used, answer.end);
    assert!(follow.poll().unwrap().is_empty());
    log.append_durable(&[used("b"), Event::new(Details::LoginAttempt)])
        .unwrap();
    log.append_durable(&[used("c")]).unwrap();
    assert_eq!(actions(&follow.poll().unwrap()), ["b", "c"]);
    assert!(follow.poll().unwrap().is_empty());
    assert_eq!(actions(&from_nothing.poll().unwrap()), ["a", "b", "c"]);

    home.clock.sleep(Duration::from_secs(24 * 3600));
    log.append_durable(&[used("d")]).unwrap();
    assert_eq!(actions(&follow.poll().unwrap()), ["d"]);
    assert_eq!(follow.unreadable(), 0);
}

#[test]
fn an_append_just_being_written_is_given_when_it_is_sealed() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&[used("a"), used("b")]).unwrap();
    let whole = home.bytes();
    let first = end_of(&whole, 2);
    std::fs::write(home.segment(), &whole[..first + 10]).unwrap();
    let answer = log.query(&Query::default()).unwrap();
    assert_eq!(
        (answer.total, answer.unreadable),
        (1, 0),
        "not before its seal"
    );
    let reader = log.reader();
    let mut follow = reader.follow_from(&Query::default(), answer.end);
    assert!(follow.poll().unwrap().is_empty());
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(home.segment())
        .unwrap();
    file.write_all(&whole[first + 10..]).unwrap();
    assert_eq!(actions(&follow.poll().unwrap()), ["a", "b"]);
}

#[test]
fn following_goes_on_when_a_failed_append_was_undone() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&[used("a")]).unwrap();
    let state = home.dir.path().join("seal/state");
    let (before, sealed) = (home.files(), std::fs::read(&state).unwrap());
    log.append_durable(&[used("b")]).unwrap();
    let reader = log.reader();
    let mut follow =
        reader.follow_from(&Query::default(), log.query(&Query::default()).unwrap().end);
    home.put(&before);
    std::fs::write(&state, sealed).unwrap();
    assert!(follow.poll().unwrap().is_empty());
    log.append_durable(&[used("c")]).unwrap();
    assert_eq!(actions(&follow.poll().unwrap()), ["c"]);
}

#[test]
fn what_follows_the_last_seal_is_not_found_counted_or_followed() {
    let home = five();
    let sealed = home.bytes();
    let log = home.log();
    let made_up = String::from_utf8(sealed.clone()).unwrap();
    let unsealed: String = made_up
        .lines()
        .map(|line| line.split_once(",\"seal\"").unwrap().0.to_owned() + "}\n")
        .collect();
    for after in [
        unsealed.as_bytes(),
        b"{",
        b"\n\n",
        b"{\"x\":{\"y\":\"\"}}\n",
        &[b'x'; 700_000],
    ] {
        std::fs::write(home.segment(), [&sealed, after].concat()).unwrap();
        let found = log.query(&Query::default()).unwrap();
        assert_eq!((found.total, found.unreadable), (6, 0));
        let reader = log.reader();
        let mut follow = reader.follow_from(&Query::default(), found.end);
        assert!(follow.poll().unwrap().is_empty());
        // A segment without a seal does not count.
        std::fs::write(home.audit().join("0000000000000007.jsonl"), after).unwrap();
        assert_eq!(log.query(&Query::default()).unwrap().end, found.end);
        std::fs::remove_file(home.audit().join("0000000000000007.jsonl")).unwrap();
    }
}

#[test]
fn a_line_that_is_no_event_does_not_take_the_place_of_one() {
    let home = five();
    let text = String::from_utf8(home.bytes()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // It begins and ends as an event does, but cannot be parsed.
    let spoilt = lines[4].replace("\"success\":true", "\"success\":maybe");
    let log = [&lines[..5], &[&spoilt], &lines[5..]].concat().join("\n") + "\n";
    std::fs::write(home.segment(), log).unwrap();
    let query = Query {
        limit: Limit::new(3).unwrap(),
        ..Query::default()
    };
    let found = home.log().query(&query).unwrap();
    let numbers: Vec<_> = found.events.iter().map(|record| record.seq).collect();
    assert_eq!(
        (numbers, found.total, found.unreadable),
        (vec![4, 5, 6], 6, 1)
    );
}
