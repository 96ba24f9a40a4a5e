//! A log that an earlier build wrote, in `tests/vectors`: it is read, and continued, for ever.

use std::path::Path;

use super::*;

const LOG: &str = include_str!("../../../tests/vectors/audit-v1.jsonl");

fn events() -> [Event; 3] {
    let session = crate::id::SessionId::from_bytes([0x5E; 16]);
    let alice = || AuditName::known("alice@example.com");
    [
        Event::new(Details::LoginFailure {
            reason: LoginFailure::WrongCredentials,
            attempts: Some(2),
        })
        .about(AuditName::unknown(&[0xC3; 16])),
        Event::new(Details::SessionCreated {
            idle: Duration::from_secs(900),
            max: Duration::from_secs(14_400),
        })
        .about(alice())
        .in_session(session),
        Event::new(Details::SessionValidated {
            action: Action::new("line\nbreak \u{202e} and \"quotes\""),
        })
        .about(alice())
        .in_session(session),
    ]
}

fn old_home() -> Home {
    let home = Home::new();
    let audit = home.dir.subdir_or_create("audit").unwrap();
    assert_eq!(audit.path(), home.audit());
    std::fs::write(home.segment(), LOG).unwrap();
    home
}

#[test]
fn a_log_of_an_earlier_build_is_read_for_ever() {
    let home = old_home();
    assert_eq!(home.checked_lines().len(), 3, "the chain holds");
    let found = home.log().query(&Query::default()).unwrap();
    assert_eq!((found.total, found.unreadable), (3, 0));
    let told: Vec<_> = found
        .events
        .iter()
        .map(|record| (record.event_type, record.username.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (EventType::LoginFailure, Some(UNKNOWN_NAME)),
            (EventType::SessionCreated, Some("alice@example.com")),
            (EventType::SessionValidated, Some("alice@example.com")),
        ]
    );
}

#[test]
fn a_log_of_an_earlier_build_is_continued() {
    let home = old_home();
    home.log().append_durable(&[used("later")]).unwrap();
    assert!(home.bytes().starts_with(LOG.as_bytes()));
    assert_eq!(home.checked_lines().len(), 4);
}

#[test]
#[ignore = "writes the vector, once for each version of the format"]
fn write_vector() {
    let home = Home::new();
    home.log().append_durable(&events()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/audit-v1.jsonl");
    assert!(!path.exists(), "{} is there for ever", path.display());
    std::fs::write(path, home.bytes()).unwrap();
}
