//! Events of types that only a later version knows.

use std::ops::ControlFlow;

use super::*;

/// A log in which every second event has an unknown type.
fn from_a_later_version() -> Home {
    let home = Home::new();
    for event in [used("a"), Event::new(Details::LoginAttempt), used("b")] {
        home.log().append_durable(&[event]).unwrap();
    }
    let log = String::from_utf8(home.bytes()).unwrap();
    let log = log.replace("SESSION_VALIDATED", "SECRET_READ_V2");
    std::fs::write(home.segment(), log).unwrap();
    home
}

fn secret_read() -> EventName {
    "SECRET_READ_V2".parse().unwrap()
}

#[test]
fn an_event_of_an_unknown_type_is_listed_and_followed() {
    let home = from_a_later_version();
    let log = home.log();
    let found = log.query(&Query::default()).unwrap();
    assert_eq!(
        (found.events.len(), found.total, found.unreadable),
        (4, 4, 0)
    );
    assert_eq!(found.events[3].event_type, secret_read());
    let reader = log.reader();
    let mut follow = reader.follow_from(&Query::default(), Position::default());
    assert_eq!(follow.poll().unwrap().len(), 4);
    assert_eq!(follow.unreadable(), 0);
}

#[test]
fn an_unknown_type_can_be_searched_for_alone_and_among_others() {
    let home = from_a_later_version();
    let find = |types: Vec<EventName>, since| {
        let query = Query {
            types,
            since,
            ..Query::default()
        };
        let found = home.log().query(&query).unwrap();
        assert_eq!(found.unreadable, 0);
        found.total
    };
    let start = Some(Timestamp::from_unix_nanos(START));
    assert_eq!(find(vec![secret_read()], None), 2);
    assert_eq!(
        find(vec![secret_read(), EventType::LoginAttempt.into()], None),
        3
    );
    assert_eq!(
        find(vec![secret_read(), EventType::LoginAttempt.into()], start),
        3
    );
    assert_eq!(find(vec!["SECRET_READ".parse().unwrap()], None), 0);
}

#[test]
fn an_unknown_type_is_counted_and_in_every_export() {
    let home = from_a_later_version();
    let (mut statistics, mut csv) = (Statistics::default(), Vec::new());
    let mut exports = [ExportFormat::Jsonl, ExportFormat::Ocsf, ExportFormat::Ecs]
        .map(|format| (format, Vec::new()));
    let all = home.log().reader().for_each(
        ReadKind::Stats,
        &Query::default(),
        &Progress::default(),
        |record| {
            statistics.add(record);
            write_csv_record(&mut csv, record).unwrap();
            for (format, out) in &mut exports {
                format.append(out, record, None);
            }
            ControlFlow::Continue(())
        },
    );
    assert_eq!(all.unwrap().answer.total, 4);
    let (name, count) = statistics.by_type()[0];
    assert_eq!((name, count.events), (&secret_read(), 2));
    for out in exports.map(|(_, out)| out).into_iter().chain([csv]) {
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("SECRET_READ_V2").count(), 2, "{text}");
    }
}

#[test]
fn the_types_counted_by_name_are_bounded() {
    let home = from_a_later_version();
    let mut record = home
        .log()
        .query(&Query::default())
        .unwrap()
        .events
        .remove(0);
    let mut statistics = Statistics::default();
    for number in 0..1500 {
        record.event_type = format!("MADE_UP_{number}").parse().unwrap();
        statistics.add(&record);
    }
    record.event_type = EventType::LoginFailure.into();
    statistics.add(&record);
    assert_eq!(statistics.by_type().len(), 1001);
    assert_eq!(statistics.other_types().events, 500);
    assert_eq!(statistics.total().events, 1501);
}
