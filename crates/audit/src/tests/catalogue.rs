use std::ffi::OsStr;

use super::super::json::Object;
use super::*;
use nightlatch_core::crypto::Key;
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_core::id::ExecId;

pub(super) fn details_of(event: &Event) -> String {
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
    let secret = SecretTag::of(&key, b"prod-db");
    let digest = SecretsDigest::from_bytes([0x44; 32]);
    let guest = GuestTag::of(&key, b"7f3c");
    let link = LinkTag::of(&key, b"a token");
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
                incident: None,
                scope: None,
                sessions: None,
                by: None,
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
        (
            Details::SessionRevoked {
                reason: "leaked keys".parse().unwrap(),
                incident: Some("INC-7".parse().unwrap()),
                scope: Some(RevocationScope::AllAnonymous),
                sessions: Some(100_000),
                by: Some(AuditName::known("bob@example.com")),
            },
            r#"{"reason":"leaked keys","incident_id":"INC-7","scope":"all_anonymous","sessions":100000,"by":"bob@example.com"}"#.into(),
        ),
        (
            Details::SecretSet {
                secret,
                version: 3,
                how: SecretChange::Generated,
                count: 7,
                digest,
                before: None,
            },
            format!(r#"{{"secret":"{secret}","version":3,"how":"generated","count":7,"digest":"{digest}"}}"#),
        ),
        (
            Details::SecretRead { secret, version: 3 },
            format!(r#"{{"secret":"{secret}","version":3}}"#),
        ),
        (
            Details::SecretUsed {
                exec,
                secret,
                version: 3,
            },
            format!(r#"{{"exec_id":"{id}","secret":"{secret}","version":3}}"#),
        ),
        (
            Details::SecretRemoved {
                secret,
                count: 6,
                digest,
                before: None,
            },
            format!(r#"{{"secret":"{secret}","count":6,"digest":"{digest}"}}"#),
        ),
        (Details::AccountSwitched { from: None }, "{}".into()),
        (
            Details::AccountSwitched {
                from: Some(AuditName::known("bob@example.com")),
            },
            r#"{"from":"bob@example.com"}"#.into(),
        ),
        (Details::AccountRenamed, "{}".into()),
        (
            Details::EmailChanged {
                failure: None,
                to: AuditName::known("carol@example.com"),
            },
            r#"{"to":"carol@example.com"}"#.into(),
        ),
        (
            Details::EmailChanged {
                failure: Some(EmailChangeFailure::EmailTaken),
                to: AuditName::known("bob@example.com"),
            },
            r#"{"reason":"email_taken","to":"bob@example.com"}"#.into(),
        ),
        (
            Details::AccountRemoved { secrets: 12 },
            r#"{"secrets":12}"#.into(),
        ),
        (Details::RecoveryCodeCreated, "{}".into()),
        (Details::RecoveryCodeUsed { failure: None }, "{}".into()),
        (
            Details::RecoveryCodeUsed {
                failure: Some(PasswordChangeFailure::WrongCredentials),
            },
            r#"{"reason":"wrong_credentials"}"#.into(),
        ),
        (
            Details::GuestCreated { guest },
            format!(r#"{{"guest":"{guest}"}}"#),
        ),
        (
            Details::LinkRequested { link },
            format!(r#"{{"link":"{link}"}}"#),
        ),
        (
            Details::LinkRedeemed { link },
            format!(r#"{{"link":"{link}"}}"#),
        ),
        (
            Details::LinkRefused {
                link,
                reason: LinkRefusal::Used,
            },
            format!(r#"{{"link":"{link}","reason":"used"}}"#),
        ),
        (
            Details::AccountsMerged { guest, items: 4 },
            format!(r#"{{"guest":"{guest}","items":4}}"#),
        ),
        (
            Details::SessionRefreshed { times: 9 },
            r#"{"times":9}"#.into(),
        ),
        (Details::ProfileChanged, "{}".into()),
        (
            Details::AdminRead {
                what: AdminRead::Lookup,
                matched: 1,
            },
            r#"{"what":"lookup","matched":1}"#.into(),
        ),
        (
            Details::EventSetAside {
                event: Some(uuid::Uuid::from_bytes([0x11; 16])),
                digest: EventDigest::of(b"no event"),
                bytes: 8,
            },
            format!(
                r#"{{"event":"{id}","digest":"{}","bytes":8}}"#,
                EventDigest::of(b"no event")
            ),
        ),
        (
            Details::RetentionApplied {
                sessions: 5,
                guests: 2,
                links: 3,
                attempts: 1,
                sessions_kept: Duration::from_secs(7_776_000),
                links_kept: Duration::from_secs(86_400),
            },
            r#"{"sessions":5,"guests":2,"links":3,"attempts":1,"sessions_kept_seconds":7776000,"links_kept_seconds":86400}"#.into(),
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
fn a_change_of_a_secret_is_written_and_read_with_the_digest_before_it() {
    let digest = SecretsDigest::from_bytes([0x44; 32]);
    let before = SecretsDigest::from_bytes([0x55; 32]);
    let secret = SecretTag::of(&Key::init_with(|bytes| bytes.fill(3)), b"prod-db");
    let removed = Details::SecretRemoved {
        secret,
        count: 6,
        digest,
        before: Some(before),
    };
    let written = details_of(&Event::new(removed));
    assert_eq!(
        written,
        format!(r#"{{"secret":"{secret}","count":6,"digest":"{digest}","before":"{before}"}}"#)
    );
    let read = Details::read(EventType::SecretRemoved, &written).unwrap();
    assert_eq!(details_of(&Event::new(read)), written);
}

#[test]
fn the_catalogue_of_this_test_is_complete_and_names_read_back() {
    let types: Vec<_> = catalogue().iter().map(|(d, _)| d.event_type()).collect();
    for &event_type in EventType::ALL {
        assert!(types.contains(&event_type), "{event_type}");
        assert_eq!(event_type.as_str().parse(), Ok(event_type));
    }
    assert!("login_success".parse::<EventType>().is_err());
    assert_eq!(EventType::ALL.len(), 43);
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
            "COMMAND_REFUSED",
            "EMAIL_CHANGED",
            "RECOVERY_CODE_USED",
            "LINK_REFUSED",
            "EVENT_SET_ASIDE",
        ]
    );
}
