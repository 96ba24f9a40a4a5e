//! What holds for every event of the catalogue.

use super::catalogue::{catalogue, details_of};
use super::*;

#[test]
fn the_details_of_every_event_read_back_and_ignore_what_a_later_version_adds() {
    for (details, json) in catalogue() {
        let event_type = details.event_type();
        assert_eq!(Details::read(event_type, &json), Some(details.clone()));
        let later = json
            .replacen('{', "{\"added_later\":[1],", 1)
            .replace(",}", "}");
        assert_eq!(Details::read(event_type, &later), Some(details), "{later}");
    }
}

#[test]
fn details_of_another_form_are_read_as_none() {
    for (event_type, json) in [
        (
            EventType::LoginFailure,
            r#"{"reason":"a reason of a later version"}"#,
        ),
        (EventType::LoginFailure, "{}"),
        (
            EventType::SessionCreated,
            r#"{"idle_seconds":-1,"max_seconds":9}"#,
        ),
        (EventType::SessionValidated, r#"{"action":"a\u001b[2J"}"#),
        (
            EventType::CommandFinished,
            r#"{"exec_id":"1","exit_code":0,"duration_ms":1}"#,
        ),
        (EventType::AuditHoldAdded, r#"{"hold":"case 7"}"#),
        (EventType::AuditHoldAdded, r#"{"reason":"lawsuit"}"#),
        (EventType::SegmentClosed, r#"{"segment":"1.jsonl"}"#),
    ] {
        assert_eq!(Details::read(event_type, json), None, "{json}");
    }
}

#[test]
fn a_client_comes_last_in_the_details_with_what_it_calls_itself() {
    let agent = UserAgent::new("Mozilla/5.0 \"X\"\n");
    let client = Client::new("2001:db8::1".parse().unwrap(), Some(agent));
    let event = Event::new(Details::LoginFailure {
        reason: LoginFailure::WrongCredentials,
        attempts: None,
    })
    .about(AuditName::unknown(&[0xcd; 16]))
    .from_client(client);
    assert_eq!(
        details_of(&event),
        r#"{"reason":"wrong_credentials","tag":"cdcdcdcdcdcdcdcd","address":"2001:db8::1","user_agent":"Mozilla/5.0 \"X\"\\n"}"#
    );
    let client = Client::new("192.0.2.7".parse().unwrap(), None);
    let event = Event::new(Details::ProfileChanged).from_client(client);
    assert_eq!(details_of(&event), r#"{"address":"192.0.2.7"}"#);
}

/// All but those that say something about the log itself, which verification compares with it.
#[test]
fn every_event_is_written_listed_counted_and_verified() {
    let home = Home::new();
    let events: Vec<_> = catalogue()
        .into_iter()
        .map(|(details, _)| Event::new(details))
        .filter(|event| {
            let name = event.event_type().as_str();
            !name.starts_with("AUDIT_") && !name.starts_with("SEGMENT_")
        })
        .collect();
    home.log().append_durable(&events).unwrap();
    let query = Query {
        limit: Limit::MAX,
        ..Query::default()
    };
    let found = home.log().query(&query).unwrap();
    assert_eq!(found.unreadable, 0);
    let listed: Vec<_> = found
        .events
        .iter()
        .filter_map(Record::read_details)
        .collect();
    let written: Vec<_> = events.iter().map(|event| event.details().clone()).collect();
    assert_eq!(listed[1..], written, "after the opening of the segment");
    let mut statistics = Statistics::default();
    for record in &found.events {
        statistics.add(record);
        let one = Query {
            types: vec![record.event_type.clone()],
            ..query.clone()
        };
        assert!(
            home.log()
                .query(&one)
                .unwrap()
                .events
                .iter()
                .any(|event| event.seq == record.seq)
        );
    }
    assert_eq!(statistics.total().events, found.total);
    let verified = Verifier::new(&home.audit())
        .run(&Progress::default())
        .unwrap();
    assert!(verified.is_good(), "{:?}", verified.findings);
}

/// The rows of a table that begin with these cells, split into cells.
fn rows_about<'a>(document: &'a str, name: &str) -> Vec<Vec<&'a str>> {
    let name = format!("`{name}`");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells[0].split(' ').any(|cell| cell == name))
        .collect()
}

#[test]
fn every_event_is_in_the_tables_of_the_documents() {
    let formats = include_str!("../../../../docs/formats.md");
    let export = include_str!("../../../../docs/export.md");
    for &event_type in EventType::ALL {
        let name = event_type.as_str();
        let row = event_type.row();
        let [cells] = &rows_about(export, name)[..] else {
            panic!("docs/export.md needs one row about {name}");
        };
        let (class, id, activity) = row.ocsf;
        assert!(
            cells[1].ends_with(&format!(" {}", class as u32)),
            "{name}: {cells:?}"
        );
        let activity = format!("{id} {activity}");
        assert_eq!(cells[2].split(';').next(), Some(&*activity), "{name}");
        assert_eq!(
            (cells[3], cells[4]),
            (row.ecs.0, &*row.ecs.1.join(", ")),
            "{name}"
        );

        let [cells] = &rows_about(formats, name)[..] else {
            panic!("docs/formats.md needs one row about {name}");
        };
        let written = catalogue();
        let of_type = written
            .iter()
            .filter(|(details, _)| details.event_type() == event_type);
        for (_, json) in of_type {
            let details: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(json).unwrap();
            // The settings of a segment have a paragraph of their own.
            let mut rest = if event_type == EventType::SegmentOpened {
                formats
            } else {
                cells[1]
            };
            for key in details.keys() {
                let key = format!("`{key}`");
                let at = rest
                    .find(&key)
                    .unwrap_or_else(|| panic!("{name} has {key}"));
                rest = &rest[at + key.len()..];
            }
        }
    }
}

#[test]
fn an_event_of_another_process_has_the_origin_that_was_passed_in() {
    let home = Home::new();
    let other = Origin::new("ws2", 1001, 77, None);
    home.log().append_durable(&[used("own")]).unwrap();
    let log = home.log().with_origin(other);
    log.append_durable(&[used("other")]).unwrap();
    let query = Query {
        host: Some("ws2".to_owned()),
        ..Query::default()
    };
    let found = home.log().query(&query).unwrap().events;
    let [record] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((record.uid, record.pid, &record.tty), (1001, 77, &None));
    let lines = home.checked_lines();
    assert_eq!(lines[0]["host"], "ws1");
    assert_eq!(lines[0]["tty"], "pts/3");
    home.verifies();
}
