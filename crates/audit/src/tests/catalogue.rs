use std::ffi::OsStr;

use super::super::json::Object;
use super::*;
use nightlatch_core::crypto::Key;
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_core::id::ExecId;

fn details_of(event: &Event) -> String {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    object.value("details", &event.written_details());
    object.close();
    let line = String::from_utf8(out).unwrap();
    let details = line.strip_prefix("{\"details\":").unwrap();
    details.strip_suffix('}').unwrap().to_owned()
}

/// One of every event, with the details it writes.
#[allow(clippy::too_many_lines)] // a table
pub(crate) fn catalogue() -> Vec<(Details, String)> {
    let exec = ExecId::from_bytes([0x11; 16]);
    let key = Key::init_with(|bytes| bytes.fill(3));
    let argv = ArgvDigest::of(&key, [b"kubectl".as_slice(), b"apply".as_slice()]);
    let program = ProgramName::new(OsStr::new("/usr/bin/kubectl"));
    let id = "11111111-1111-1111-1111-111111111111";
    let finished = |end| Details::CommandFinished {
        exec,
        end,
        took: Duration::from_millis(1500),
    };
    let segment = SegmentName::starting_at(1);
    vec![
        (Details::LoginAttempt, "{}".into()),
        (Details::LoginSuccess, "{}".into()),
        (
            Details::LoginFailure {
                reason: LoginFailure::WrongCredentials,
                attempts: Some(3),
            },
            r#"{"reason":"wrong_credentials","attempts":3}"#.into(),
        ),
        (
            Details::LoginFailure {
                reason: LoginFailure::Locked,
                attempts: None,
            },
            r#"{"reason":"locked"}"#.into(),
        ),
        (
            Details::SessionCreated {
                idle: Duration::from_mins(15),
                max: Duration::from_hours(4),
            },
            r#"{"idle_seconds":900,"max_seconds":14400}"#.into(),
        ),
        (Details::SessionExtended, "{}".into()),
        (
            Details::SessionExpired {
                reason: ExpiryReason::Idle,
            },
            r#"{"reason":"idle"}"#.into(),
        ),
        (
            Details::SessionTerminated {
                reason: TerminationReason::Logout,
            },
            r#"{"reason":"logout"}"#.into(),
        ),
        (
            Details::SessionValidated {
                action: Action::new("exec"),
            },
            r#"{"action":"exec"}"#.into(),
        ),
        (
            Details::SessionInvalid {
                reason: InvalidReason::StaleCopy,
            },
            r#"{"reason":"stale_copy"}"#.into(),
        ),
        (
            Details::AccountRegistered {
                failure: None,
                by: None,
            },
            "{}".into(),
        ),
        (
            Details::AccountRegistered {
                failure: None,
                by: Some(AuditName::known("bob@example.com")),
            },
            r#"{"by":"bob@example.com"}"#.into(),
        ),
        (
            Details::AccountRegistered {
                failure: Some(RegistrationFailure::EmailTaken),
                by: Some(AuditName::known("bob@example.com")),
            },
            r#"{"reason":"email_taken","by":"bob@example.com"}"#.into(),
        ),
        (
            Details::AccountLocked {
                failures: 5,
                lock: Duration::from_mins(30),
            },
            r#"{"failures":5,"lock_seconds":1800}"#.into(),
        ),
        (Details::PasswordChanged { failure: None }, "{}".into()),
        (
            Details::PasswordChanged {
                failure: Some(PasswordChangeFailure::WeakPassword),
            },
            r#"{"reason":"weak_password"}"#.into(),
        ),
        (
            Details::SessionRevoked {
                reason: RevocationReason::new("lost \"laptop\"\n"),
            },
            r#"{"reason":"lost \"laptop\"\\n"}"#.into(),
        ),
        (
            Details::CommandStarted {
                exec,
                program: program.clone(),
                argv,
            },
            format!(r#"{{"exec_id":"{id}","program":"kubectl","argv_digest":"{argv}"}}"#),
        ),
        (
            finished(CommandEnd::Exited(0)),
            format!(r#"{{"exec_id":"{id}","exit_code":0,"duration_ms":1500}}"#),
        ),
        (
            finished(CommandEnd::Signalled(15)),
            format!(r#"{{"exec_id":"{id}","signal":15,"duration_ms":1500}}"#),
        ),
        (
            finished(CommandEnd::Failed(CommandFailure::NotFound)),
            format!(r#"{{"exec_id":"{id}","error":"not_found","duration_ms":1500}}"#),
        ),
        (
            Details::CommandRefused {
                program,
                reason: CommandRefusal::NoSession,
            },
            r#"{"program":"kubectl","reason":"no_session"}"#.into(),
        ),
        (
            Details::AuditRead {
                how: ReadKind::List,
                filters: ReadFilters::default(),
                matched: 12,
                returned: 10,
            },
            r#"{"how":"list","filters":{},"matched":12,"returned":10}"#.into(),
        ),
        (
            Details::AuditPruned(PrunedDetails {
                segments: 2,
                first_seq: 1,
                last_seq: 99,
                last_hash: LineHash::ZERO,
                from: Timestamp::from_unix_nanos(START),
                to: Timestamp::from_unix_nanos(START).plus(Duration::from_hours(48)),
                retention: Duration::from_hours(24),
            }),
            format!(
                r#"{{"segments":2,"first_seq":1,"last_seq":99,"last_hash":"{}","from":"2025-11-20T23:41:07.123456Z","to":"2025-11-22T23:41:07.123456Z","retention_seconds":86400}}"#,
                "0".repeat(64)
            ),
        ),
        (
            Details::AuditHoldAdded {
                hold: "case-7".parse().unwrap(),
                reason: Some("\"Smith\" lawsuit".parse().unwrap()),
            },
            r#"{"hold":"case-7","reason":"\"Smith\" lawsuit"}"#.into(),
        ),
        (
            Details::AuditHoldAdded {
                hold: "case-8".parse().unwrap(),
                reason: None,
            },
            r#"{"hold":"case-8"}"#.into(),
        ),
        (
            Details::AuditHoldRemoved {
                hold: "case-7".parse().unwrap(),
            },
            r#"{"hold":"case-7"}"#.into(),
        ),
        (
            Details::AuditRepaired {
                segment,
                reason: RepairReason::Unsealed,
                lines: 2,
                bytes: 617,
                quarantine: Some(QuarantineName::new(5, 0xab)),
            },
            r#"{"segment":"0000000000000001.jsonl","reason":"unsealed","lines":2,"bytes":617,"quarantine":"unsealed-5-00000000000000ab.part"}"#.into(),
        ),
        (
            Details::AuditRepaired {
                segment,
                reason: RepairReason::Lost,
                lines: 3,
                bytes: 1234,
                quarantine: None,
            },
            r#"{"segment":"0000000000000001.jsonl","reason":"lost","lines":3,"bytes":1234}"#.into(),
        ),
        (
            Details::SegmentOpened {
                segment,
                fingerprint: PublicKey::from_bytes([0x11; 32]),
                key: PublicKey::from_bytes([0x22; 32]),
                reason: OpeningReason::Clock,
                boot: Some(uuid::Uuid::from_bytes([0x33; 16])),
                version: env!("CARGO_PKG_VERSION").into(),
                settings: Some(LogSettings::new(
                    Duration::from_secs(900),
                    Duration::from_secs(14_400),
                    Duration::from_secs(7_776_000),
                    "nist",
                    true,
                )),
            },
            format!(
                concat!(
                    r#"{{"segment":"0000000000000001.jsonl","fingerprint":"{}","key":"{}","#,
                    r#""reason":"clock","boot":"33333333-3333-3333-3333-333333333333","version":"{}","#,
                    r#""idle_seconds":900,"max_seconds":14400,"retention_seconds":7776000,"#,
                    r#""policy":"nist","syslog":true}}"#
                ),
                "11".repeat(32),
                "22".repeat(32),
                env!("CARGO_PKG_VERSION")
            ),
        ),
        (
            Details::SegmentClosed { segment },
            r#"{"segment":"0000000000000001.jsonl"}"#.into(),
        ),
    ]
}

#[test]
fn every_event_says_what_the_catalogue_has_and_nothing_else() {
    for (details, expected) in catalogue() {
        assert_eq!(details_of(&Event::new(details)), expected);
    }
}

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
fn the_catalogue_of_this_test_is_complete_and_names_read_back() {
    let types: Vec<_> = catalogue().iter().map(|(d, _)| d.event_type()).collect();
    for &event_type in EventType::ALL {
        assert!(types.contains(&event_type), "{event_type}");
        assert_eq!(event_type.as_str().parse(), Ok(event_type));
    }
    assert!("login_success".parse::<EventType>().is_err());
    assert_eq!(EventType::ALL.len(), 23);
}

#[test]
fn an_unknown_name_leaves_only_its_tag() {
    let event = Event::new(Details::LoginFailure {
        reason: LoginFailure::WrongCredentials,
        attempts: None,
    })
    .about(AuditName::unknown(&[0xcd; 16]));
    assert_eq!(event.who().unwrap().as_str(), "(unknown)");
    assert_eq!(
        details_of(&event),
        r#"{"reason":"wrong_credentials","tag":"cdcdcdcdcdcdcdcd"}"#
    );
}

#[test]
fn what_was_refused_or_failed_is_no_success() {
    let failed: Vec<_> = catalogue()
        .iter()
        .filter(|(details, _)| !details.success())
        .map(|(details, _)| details.event_type().as_str())
        .collect();
    assert_eq!(
        failed,
        [
            "LOGIN_FAILURE",
            "LOGIN_FAILURE",
            "SESSION_INVALID",
            "ACCOUNT_REGISTERED",
            "ACCOUNT_LOCKED",
            "PASSWORD_CHANGED",
            "COMMAND_FINISHED",
            "COMMAND_FINISHED",
            "COMMAND_REFUSED"
        ]
    );
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
