//! A guarded command is one row, wherever its events are.

use std::ffi::OsStr;

use super::*;
use nightlatch_core::crypto::Key;
use nightlatch_core::id::{ExecId, SessionId};

const SESSION: SessionId = SessionId::from_bytes([5; 16]);

fn started(exec: u8, program: &str) -> Event {
    let key = Key::init_with(|bytes| bytes.fill(7));
    Event::new(Details::CommandStarted {
        exec: ExecId::from_bytes([exec; 16]),
        program: ProgramName::new(OsStr::new(program)),
        argv: ArgvDigest::of(&key, [program.as_bytes()]),
    })
    .in_session(SESSION)
}

fn finished(exec: u8, code: i32) -> Event {
    Event::new(Details::CommandFinished {
        exec: ExecId::from_bytes([exec; 16]),
        end: CommandEnd::Exited(code),
        took: Duration::from_secs(3),
    })
    .in_session(SESSION)
}

/// The events that record the start of a command.
fn run(exec: u8, program: &str) -> [Event; 3] {
    [
        used("exec").in_session(SESSION),
        Event::new(Details::SessionExtended).in_session(SESSION),
        started(exec, program),
    ]
}

fn told(rows: &[Row]) -> Vec<String> {
    let rows = rows
        .iter()
        .filter(|row| row.record().event_type != EventType::SegmentOpened);
    rows.map(|row| match row {
        Row::Event(record) => record.event_type.to_string(),
        Row::Command(command) => format!("{:?} {:?}", command.program, command.outcome()),
    })
    .collect()
}

fn listed(home: &Home, query: Query) -> QueryResult {
    let query = Query {
        limit_unit: LimitUnit::Rows,
        ..query
    };
    home.log().query(&query).unwrap()
}

#[test]
fn a_command_and_the_uses_of_the_session_recorded_with_it_are_one_row() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&[used("exec").in_session(SESSION)])
        .unwrap();
    log.append_durable(&run(1, "psql")).unwrap();
    log.append_durable(&run(2, "make")).unwrap();
    log.append_durable(&[finished(1, 0)]).unwrap();
    log.append_durable(&run(3, "top")[..]).unwrap();
    log.append_durable(&[finished(2, 2), Event::new(Details::LoginAttempt)])
        .unwrap();
    let found = listed(&home, Query::default());
    assert_eq!(
        told(&found.rows),
        [
            "SESSION_VALIDATED",
            "Some(\"psql\") Some(Ok)",
            "Some(\"make\") Some(NonZero)",
            "Some(\"top\") None",
            "LOGIN_ATTEMPT",
        ]
    );
    assert_eq!(
        (found.total, found.events.len(), found.has_more),
        (14, 14, false)
    );
}

#[test]
fn the_limit_counts_rows_and_no_command_is_cut_in_two() {
    let home = Home::new();
    let log = home.log();
    for exec in 1..=30 {
        log.append_durable(&run(exec, "psql")).unwrap();
        log.append_durable(&[finished(exec, 0)]).unwrap();
    }
    for limit in [1, 7, 29, 30] {
        let query = Query {
            limit: Limit::new(limit).unwrap(),
            ..Query::default()
        };
        let found = listed(&home, query);
        assert_eq!(
            told(&found.rows),
            vec!["Some(\"psql\") Some(Ok)"; usize::try_from(limit).unwrap()]
        );
        assert!(found.has_more);
    }
}

#[test]
fn what_a_filter_leaves_out_of_a_command_is_looked_up() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&run(1, "psql")).unwrap();
    log.append_durable(&[finished(1, 3)]).unwrap();
    for query in [
        Query {
            exit: Some(ExitFilter::NonZero),
            ..Query::default()
        },
        Query {
            program: Some("psql".to_owned()),
            ..Query::default()
        },
    ] {
        let found = listed(&home, query);
        assert_eq!(told(&found.rows), ["Some(\"psql\") Some(NonZero)"]);
        assert_eq!((found.total, found.events.len()), (1, 1));
    }
}

#[test]
fn one_that_is_followed_is_a_row_when_it_starts_and_one_when_it_ended() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&[used("a")]).unwrap();
    let reader = log.reader();
    let mut follow =
        reader.follow_from(&Query::default(), log.query(&Query::default()).unwrap().end);
    log.append_durable(&run(1, "psql")).unwrap();
    assert_eq!(told(&follow.poll_rows().unwrap()), ["Some(\"psql\") None"]);
    log.append_durable(&[finished(1, 0)]).unwrap();
    assert_eq!(
        told(&follow.poll_rows().unwrap()),
        ["Some(\"psql\") Some(Ok)"]
    );
    assert!(follow.poll_rows().unwrap().is_empty());
}

#[test]
fn what_failed_what_was_refused_and_what_ended_with_another_code_are_three_things() {
    let home = Home::new();
    let refused = Details::CommandRefused {
        program: ProgramName::new(OsStr::new("psql")),
        reason: CommandRefusal::NoSession,
    };
    let failure = Details::LoginFailure {
        reason: LoginFailure::WrongCredentials,
        attempts: None,
    };
    let events = [
        Event::new(failure),
        Event::new(refused),
        finished(1, 3),
        finished(2, 0),
    ];
    home.log().append_durable(&events).unwrap();
    let all = home.log().query(&Query::default()).unwrap().events;
    let outcomes: Vec<_> = all.iter().map(Record::outcome).collect();
    let expected = [
        Outcome::Ok,
        Outcome::Failed,
        Outcome::Refused,
        Outcome::NonZero,
        Outcome::Ok,
    ];
    assert_eq!(outcomes, expected);
    let failed = Query {
        failed_only: true,
        ..Query::default()
    };
    let found = home.log().query(&failed).unwrap().events;
    assert_eq!(
        found.iter().map(Record::outcome).collect::<Vec<_>>(),
        [Outcome::Failed, Outcome::Refused]
    );
}
