//! Logs that earlier builds wrote, in `tests/vectors` of this crate: every version must read and
//! verify them.

use std::path::Path;

use super::*;

/// The fingerprint of the log in `tests/vectors/log`, noted when it was written.
const FINGERPRINT: &str = "1a06d15a4afab25480c8dd8d955697d390d837053582e60ab937a4e68931a142";

/// A home with the directories `audit` and `seal`.
fn vector() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/log")
}

#[test]
fn a_log_of_an_earlier_build_verifies_for_ever() {
    let verifier = Verifier::new(&vector().join("audit"));
    let verifier = verifier.fingerprint(FINGERPRINT).unwrap();
    let result = verifier.run(&Progress::default()).unwrap();
    assert_eq!(result.findings, []);
    assert_eq!((result.segments, result.lines, result.seals), (2, 10, 9));
    assert_eq!(result.first_seq, Some(1));
    assert_eq!(result.last.map(|(seq, _)| seq), Some(10));
    assert!(result.state_seen);
}

#[test]
fn a_log_of_an_earlier_build_is_read_for_ever() {
    let home = earlier();
    let found = home.log().query(&Query::default()).unwrap();
    assert_eq!((found.total, found.unreadable), (10, 0));
    let names: Vec<_> = found
        .events
        .iter()
        .filter_map(|record| record.username.as_deref())
        .collect();
    assert_eq!(names[..2], [UNKNOWN_NAME, "alice@example.com"]);
}

#[test]
fn a_log_of_an_earlier_build_is_continued_from_its_state() {
    let home = earlier();
    home.shift(86_400_000_000_000);
    home.log()
        .append_durable(&[used("later"), Event::new(Details::LoginAttempt)])
        .unwrap();
    assert_eq!(home.all_lines().len(), 12);
    let result = verified(&home);
    assert_eq!(
        (result.findings, result.fingerprint.as_deref()),
        (vec![], Some(FINGERPRINT))
    );
}

/// A home with the log of the vector.
fn earlier() -> Home {
    let home = Home::new();
    home.log().append_durable(&[]).unwrap();
    let read = |name: &str| std::fs::read(vector().join(name)).unwrap();
    let mut files = BTreeMap::from([(STATE.to_owned(), read(STATE))]);
    for entry in std::fs::read_dir(vector().join("audit")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let bytes = read(&format!("audit/{name}"));
        files.insert(name, bytes);
    }
    home.put(&files);
    home
}

#[test]
#[ignore = "writes the vector, once for each version of the format"]
#[allow(clippy::disallowed_macros)]
fn write_vector() {
    let session = nightlatch_core::id::SessionId::from_bytes([0x5E; 16]);
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
    let two = [used("one of two"), used("two of two")].map(|event| event.about(alice()));
    home.log().append_durable(&two).unwrap();
    assert!(
        !vector().exists(),
        "{} is there for ever",
        vector().display()
    );
    for directory in ["audit", "seal"] {
        std::fs::create_dir_all(vector().join(directory)).unwrap();
    }
    for (name, bytes) in home.files() {
        let path = if name == STATE {
            name
        } else {
            format!("audit/{name}")
        };
        std::fs::write(vector().join(path), bytes).unwrap();
    }
    println!("fingerprint: {:?}", verified(&home).fingerprint);
}
