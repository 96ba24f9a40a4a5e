//! Logs that earlier builds wrote, in `tests/vectors`: they are read, and verify, for ever.

use std::path::Path;

use super::*;

/// Of before there were seals.
const LOG: &str = include_str!("../../../tests/vectors/audit-v1.jsonl");

/// Of the log in `tests/vectors/audit-v2`, noted when it was written.
const FINGERPRINT: &str = "72cb0cb231edab425838dd3407b88db7e26a6646b774240ed3027e9da2dbb590";

#[test]
fn a_log_of_an_earlier_build_is_read_for_ever() {
    let home = Home::new();
    home.dir.subdir_or_create("audit").unwrap();
    std::fs::write(home.segment(), LOG).unwrap();
    assert_eq!(home.all_lines().len(), 3, "the chain holds");
    let found = home.log().query(&Query::default()).unwrap();
    assert_eq!((found.total, found.unreadable), (3, 0));
    let told: Vec<_> = found
        .events
        .iter()
        .map(|record| (record.event_type.as_str(), record.username.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (EventType::LoginFailure.as_str(), Some(UNKNOWN_NAME)),
            (
                EventType::SessionCreated.as_str(),
                Some("alice@example.com")
            ),
            (
                EventType::SessionValidated.as_str(),
                Some("alice@example.com")
            ),
        ]
    );
}

fn sealed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/audit-v2")
}

#[test]
fn a_sealed_log_of_an_earlier_build_verifies_for_ever() {
    let verifier = Verifier::new(&sealed()).fingerprint(FINGERPRINT).unwrap();
    let result = verifier.run(&Progress::default()).unwrap();
    assert_eq!(result.findings, []);
    assert_eq!((result.segments, result.lines, result.seals), (2, 9, 6));
    assert_eq!(
        (result.first_seq, result.sealed_through),
        (Some(1), Some(8))
    );
    assert!(result.state_seen);
}

#[test]
fn a_sealed_log_of_an_earlier_build_is_continued_from_its_state() {
    let home = Home::new();
    home.dir.subdir_or_create("audit").unwrap();
    let files = std::fs::read_dir(sealed()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    });
    home.put(&files.collect());
    home.shift(86_400_000_000_000);
    home.log()
        .append_durable(&[used("later"), Event::new(Details::LoginAttempt)])
        .unwrap();
    assert_eq!(home.all_lines().len(), 11);
    let result = verified(&home);
    assert_eq!(
        (result.findings, result.fingerprint.as_deref()),
        (vec![], Some(FINGERPRINT))
    );
}

#[test]
#[ignore = "writes the vector, once for each version of the format"]
#[allow(clippy::disallowed_macros)]
fn write_sealed_vector() {
    let session = crate::id::SessionId::from_bytes([0x5E; 16]);
    let alice = || AuditName::known("alice@example.com");
    let home = Home::new();
    let failed = Event::new(Details::LoginFailure {
        reason: LoginFailure::WrongCredentials,
        attempts: Some(2),
    });
    let created = Event::new(Details::SessionCreated {
        idle: Duration::from_secs(900),
        max: Duration::from_secs(14_400),
    });
    let text = "line\nbreak \u{202e} and \"quotes\"";
    home.log()
        .append_durable(&[failed.about(AuditName::unknown(&[0xC3; 16]))])
        .unwrap();
    home.log()
        .append_durable(&[created.about(alice()).in_session(session)])
        .unwrap();
    home.log()
        .append_durable(&[used(text).about(alice()).in_session(session)])
        .unwrap();
    home.shift(86_400_000_000_000);
    home.log()
        .append_durable(&[used("next day").about(alice())])
        .unwrap();
    home.log()
        .append_durable(&[Event::new(Details::LoginAttempt).about(alice())])
        .unwrap();
    home.log()
        .append_durable(&[used("not sealed yet").about(alice())])
        .unwrap();
    assert!(
        !sealed().exists(),
        "{} is there for ever",
        sealed().display()
    );
    std::fs::create_dir(sealed()).unwrap();
    for (name, bytes) in home.files() {
        std::fs::write(sealed().join(name), bytes).unwrap();
    }
    println!("fingerprint: {:?}", verified(&home).fingerprint);
}
