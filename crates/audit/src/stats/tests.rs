#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::CommandEnd;
use crate::outcome::Outcome;
use nightlatch_core::id::{ExecId, SessionId};
use std::time::Duration;

/// 2025-11-20T23:41:07Z, a Thursday.
const START: i64 = 1_763_682_067;

/// A line of the log, parsed.
fn event(kind: EventType, seconds: i64, about: u8, details: &str) -> Record {
    let time = Timestamp::from_unix_seconds(START + seconds);
    let success = !matches!(
        kind,
        EventType::LoginFailure | EventType::AccountLocked | EventType::CommandRefused
    ) && !details.contains("\"exit_code\":1");
    let session = SessionId::from_bytes([about; 16]);
    let zeros = "0".repeat(64);
    let line = format!(
        r#"{{"seq":1,"id":"{session}","timestamp":"{time}","event_type":"{kind}","username":"user{about}@example.com","session_id":"{session}","success":{success},"details":{details},"host":"h","uid":0,"pid":1,"tty":null,"prev":"{zeros}","hash":"{zeros}"}}"#
    );
    Record::parse(line.as_bytes()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(START + seconds)
}

fn statistics(records: &[Record]) -> Statistics {
    let mut statistics = Statistics::default();
    for record in records {
        statistics.add(record);
    }
    statistics
}

fn created(seconds: i64, about: u8) -> Record {
    let limits = r#"{"idle_seconds":900,"max_seconds":14400}"#;
    event(EventType::SessionCreated, seconds, about, limits)
}

fn naive<'a>(records: impl Iterator<Item = &'a Record>) -> Count {
    let mut count = Count::default();
    for record in records {
        count.events += 1;
        match record.outcome() {
            Outcome::Ok => {}
            Outcome::Failed => count.failed += 1,
            Outcome::Refused => count.refused += 1,
            Outcome::NonZero => count.nonzero += 1,
        }
        if record.event_type.as_str() == "ACCOUNT_LOCKED" {
            count.lockouts += 1;
        }
    }
    count
}

fn any_records() -> impl Strategy<Value = Vec<Record>> {
    let kind = 0..EventType::ALL.len();
    // Short logs, and logs that only a wrong clock produces.
    let time = prop_oneof![0..100_000_i64, -4_000_000_000..4_000_000_000_i64];
    let one = (kind, time, 0..5_u8)
        .prop_map(|(kind, seconds, about)| event(EventType::ALL[kind], seconds, about, "{}"));
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn every_number_is_what_counting_one_by_one_gives(records in any_records(), columns in 31..90_usize) {
        let found = statistics(&records);
        prop_assert_eq!(found.total(), naive(records.iter()));
        let times = records.iter().map(|record| record.timestamp);
        prop_assert_eq!(found.range(), times.clone().min().zip(times.max()));

        let types: BTreeSet<_> = records.iter().map(|record| record.event_type.as_str()).collect();
        prop_assert_eq!(found.by_type().len(), types.len());
        for (kind, count) in found.by_type() {
            prop_assert_eq!(count, naive(records.iter().filter(|record| record.event_type == *kind)));
        }
        let names: BTreeSet<_> = records.iter().map(|record| record.username.clone()).collect();
        prop_assert_eq!(found.by_account().len(), names.len());
        for (name, account) in found.by_account() {
            let mine = || records.iter().filter(|record| record.username.as_deref() == Some(name));
            let of = |kind| mine().filter(|record| record.event_type == kind).count() as u64;
            prop_assert_eq!(account.count, naive(mine()));
            prop_assert_eq!(account.sessions, of(EventType::SessionCreated));
            prop_assert_eq!(account.commands, of(EventType::CommandStarted));
        }
        for (hour, &count) in found.by_hour().iter().enumerate() {
            let text = format!("T{hour:02}:");
            prop_assert_eq!(
                count,
                naive(records.iter().filter(|record| record.timestamp.to_rfc3339().contains(&text)))
            );
        }

        let buckets = found.over_time(columns);
        prop_assert!(buckets.len() <= columns);
        for pair in buckets.windows(2) {
            prop_assert_eq!(pair[0].from.plus(pair[0].width), pair[1].from);
        }
        for bucket in buckets {
            let inside = |time: Timestamp| time >= bucket.from && time < bucket.from.plus(bucket.width);
            prop_assert_eq!(
                bucket.count,
                naive(records.iter().filter(|record| inside(record.timestamp)))
            );
        }
    }

    #[test]
    fn sessions_are_those_that_began_and_none_outlasts_its_limits(
        steps in proptest::collection::vec((0..4_u8, 0..2000_i64), 0..80),
    ) {
        let (mut records, mut now, mut number, mut began) = (Vec::new(), 0, 0, BTreeMap::new());
        for (step, wait) in steps {
            now += wait;
            match step {
                0 => {
                    number += 1;
                    began.insert(SessionId::from_bytes([number; 16]), at(now));
                    records.push(created(now, number));
                }
                1 if number > 0 => records.push(event(EventType::SessionExtended, now, number, "{}")),
                2 if number > 0 => {
                    // No event mentions a session after its end.
                    records.push(event(EventType::SessionTerminated, now, number, "{}"));
                    number += 1;
                    began.insert(SessionId::from_bytes([number; 16]), at(now));
                    records.push(created(now, number));
                }
                _ => {}
            }
        }
        let found = statistics(&records);
        prop_assert_eq!(found.session_count(), began.len() as u64);
        let spans = found.sessions(at(now));
        prop_assert_eq!(spans.len(), began.len());
        for span in &spans {
            prop_assert_eq!(began.get(&span.id), Some(&span.start));
            prop_assert!(span.end >= span.start && span.end <= at(now));
            prop_assert!(span.length() <= Duration::from_hours(4));
        }
        let longest = found.longest_sessions(at(now));
        let greatest = spans.iter().map(SessionSpan::length).max();
        prop_assert_eq!(longest.first().map(SessionSpan::length), greatest);
        prop_assert!(longest.windows(2).all(|pair| pair[0].length() >= pair[1].length()));
    }
}

#[test]
fn a_timeout_noticed_late_ends_the_session_when_it_passed() {
    let records = [
        created(0, 1),
        event(EventType::SessionExtended, 600, 1, "{}"),
        event(EventType::SessionExpired, 90_000, 1, r#"{"reason":"idle"}"#),
        // Its end was never noticed.
        created(100_000, 2),
    ];
    let spans = statistics(&records).sessions(at(900_000));
    assert_eq!(spans[0].length(), Duration::from_secs(600 + 900));
    assert_eq!(spans[0].ended_by, Some(EventType::SessionExpired));
    assert_eq!(spans[1].length(), Duration::from_secs(900));
    assert_eq!(spans[1].ended_by, None);
}

#[test]
fn a_session_that_began_before_the_events_is_said_to() {
    let records = [
        event(EventType::SessionValidated, 0, 1, "{}"),
        event(EventType::SessionExtended, 60, 1, "{}"),
        event(EventType::SessionTerminated, 120, 1, "{}"),
    ];
    let spans = statistics(&records).sessions(at(900));
    assert_eq!(spans.len(), 1);
    assert!(!spans[0].start_seen);
    assert_eq!(spans[0].length(), Duration::from_secs(120));
}

#[test]
fn a_command_has_the_end_that_its_own_finish_tells() {
    let exec = |number| ExecId::from_bytes([number; 16]);
    let started = |seconds, number| {
        let details = format!(r#"{{"exec_id":"{}","program":"p{number}"}}"#, exec(number));
        event(EventType::CommandStarted, seconds, 1, &details)
    };
    let finished = |seconds, number, code| {
        let details = format!(r#"{{"exec_id":"{}","exit_code":{code}}}"#, exec(number));
        event(EventType::CommandFinished, seconds, 1, &details)
    };
    let records = [
        started(0, 1),
        started(5, 2),
        started(6, 3),
        finished(10, 2, 0),
        finished(20, 1, 1),
        finished(30, 9, 0),
    ];
    let found = statistics(&records);
    let commands: Vec<_> = found
        .commands()
        .into_iter()
        .map(|span| (span.program, span.start, span.end, span.ended))
        .collect();
    assert_eq!(
        commands,
        [
            ("p1".to_owned(), at(0), at(20), Some(CommandEnd::Exited(1))),
            ("p2".to_owned(), at(5), at(10), Some(CommandEnd::Exited(0))),
            ("p3".to_owned(), at(6), at(6), None),
        ]
    );
    assert_eq!(found.command_count(), 3);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_counted_is_not() {
    let mut found = Statistics::default();
    for number in 0..25_000_u32 {
        let mut record = created(i64::from(number) * 7200, 1);
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        record.session_id = Some(SessionId::from_bytes(id));
        record.username = Some(format!("user{number}@example.com"));
        found.add(&record);
    }
    assert_eq!(found.by_account().len(), 10_000);
    assert_eq!(found.other_accounts().sessions, 15_000);
    assert_eq!(found.session_count(), 25_000);
    assert_eq!(
        found.longest_sessions(at(i64::MAX / 4_000_000_000)).len(),
        10
    );
    let newest = found.sessions(at(200_000_000));
    assert_eq!(newest.len(), 400);
    assert_eq!(newest[399].start, at(24_999 * 7200));
    let left = LeftOut {
        count: 24_600,
        from: at(0),
        to: at(24_599 * 7200),
    };
    assert_eq!(found.sessions_left_out(), Some(left));
    assert_eq!(found.commands_left_out(), None);
    let total: u64 = found
        .over_time(60)
        .iter()
        .map(|part| part.count.events)
        .sum();
    assert_eq!(total, 25_000);
}

#[test]
fn commands_that_are_left_out_are_counted_with_their_span() {
    let mut found = Statistics::default();
    for number in 0..1500_u32 {
        let exec = ExecId::from_bytes([7; 16]);
        let details = format!(r#"{{"exec_id":"{exec}","program":"p"}}"#);
        found.add(&event(
            EventType::CommandStarted,
            i64::from(number),
            1,
            &details,
        ));
    }
    assert_eq!(found.commands().len(), 1000);
    let left = LeftOut {
        count: 500,
        from: at(0),
        to: at(499),
    };
    assert_eq!(found.commands_left_out(), Some(left));
}

#[test]
fn a_loop_that_keeps_a_session_alive_is_counted_by_its_program() {
    let mut records = vec![created(0, 1)];
    let started = |program: &str| format!(r#"{{"program":"{program}","exec_id":"x"}}"#);
    let exec = r#"{"action":"exec"}"#;
    for seconds in 1..=500 {
        // Programs that occur once each do not hide the frequent one.
        let once = format!("once{seconds}");
        for program in ["poll", "poll", &once] {
            records.push(event(EventType::SessionValidated, seconds, 1, exec));
            records.push(event(EventType::SessionExtended, seconds, 1, "{}"));
            records.push(event(
                EventType::CommandStarted,
                seconds,
                1,
                &started(program),
            ));
        }
        // With --no-extend: this is not activity, so it keeps nothing alive.
        records.push(event(EventType::SessionValidated, seconds, 1, exec));
        records.push(event(
            EventType::CommandStarted,
            seconds,
            1,
            &started("silent"),
        ));
    }
    let found = statistics(&records);
    let session = &found.longest_sessions(at(600))[0];
    assert_eq!(session.extensions, 1500);
    let most = session.most_by.as_ref().unwrap();
    assert_eq!((&*most.name, most.times), ("poll", 1000));
}

#[test]
fn an_extension_without_a_command_is_counted_by_its_action() {
    let records = [
        created(0, 1),
        event(EventType::SessionValidated, 1, 1, r#"{"action":"deploy"}"#),
        event(EventType::SessionExtended, 1, 1, "{}"),
    ];
    let session = &statistics(&records).longest_sessions(at(600))[0];
    let most = session.most_by.as_ref().unwrap();
    assert_eq!(
        (&*most.name, most.times, session.extensions),
        ("deploy", 1, 1)
    );
}
