//! Elastic Common Schema 8.17.0.

use super::said::{PRODUCT, Said, email};
use super::sentence::sentence;
use crate::event_name::EventName;
use crate::event_type::EventType;
use crate::json::Object;
use crate::record::Record;

const VERSION: &str = "8.17.0";

/// `event.category` and `event.type`; `None` for a type that this version does not know.
fn category(event_type: &EventName) -> Option<(&'static str, &'static [&'static str])> {
    Some(match event_type.known()? {
        EventType::LoginAttempt => ("authentication", &["info"]),
        EventType::LoginSuccess | EventType::LoginFailure => ("authentication", &["start"]),
        EventType::SessionCreated => ("session", &["start"]),
        EventType::SessionExtended | EventType::SessionValidated | EventType::SessionInvalid => {
            ("session", &["info"])
        }
        EventType::SessionExpired | EventType::SessionTerminated | EventType::SessionRevoked => {
            ("session", &["end"])
        }
        EventType::AccountRegistered => ("iam", &["user", "creation"]),
        EventType::AccountLocked | EventType::PasswordChanged => ("iam", &["user", "change"]),
        EventType::CommandStarted => ("process", &["start"]),
        EventType::CommandFinished => ("process", &["end"]),
        // No process was started.
        EventType::CommandRefused => ("process", &["info"]),
        EventType::AuditRead => ("file", &["access"]),
        EventType::AuditPruned => ("file", &["deletion"]),
        EventType::SegmentOpened => ("file", &["creation"]),
        EventType::AuditHoldAdded | EventType::AuditHoldRemoved => ("configuration", &["change"]),
        EventType::AuditRepaired | EventType::SegmentClosed => ("file", &["change"]),
    })
}

fn outcome(record: &Record) -> &'static str {
    match record.event_type.known() {
        // The outcome is not known when the event is recorded.
        Some(EventType::LoginAttempt | EventType::CommandStarted) => "unknown",
        // The sign-ins before it failed; locking the account succeeded.
        Some(EventType::AccountLocked) => "success",
        _ if record.success => "success",
        _ => "failure",
    }
}

pub(super) fn append(out: &mut Vec<u8>, record: &Record, fingerprint: Option<&str>) {
    let said = Said::of(record);
    let mut line = Object::open(out);
    line.plain("@timestamp", record.timestamp);
    line.text("message", &sentence(record, &said));
    let mut ecs = line.object("ecs");
    ecs.text("version", VERSION);
    ecs.close();
    event(&mut line, record, &said);
    if let Some(name) = &record.username {
        let mut user = line.object("user");
        user.text("name", name);
        if let Some(email) = email(record) {
            user.text("email", email);
        }
        user.close();
    }
    process(&mut line, record, &said);
    if let Some(segment) = &said.segment {
        let mut file = line.object("file");
        file.text("name", segment);
        file.close();
    }
    let mut host = line.object("host");
    host.text("name", &record.host);
    host.text("hostname", &record.host);
    host.close();
    let mut related = line.object("related");
    related.texts("hosts", &[&record.host]);
    if let Some(email) = email(record) {
        related.texts("user", &[email]);
    }
    related.close();
    let mut own = line.object(PRODUCT);
    if let Some(fingerprint) = fingerprint {
        let mut log = own.object("log");
        log.text("fingerprint", fingerprint);
        log.close();
    }
    if let Some(session) = record.session_id {
        own.plain("session_id", session);
    }
    if let Some(tty) = &record.tty {
        own.text("tty", tty);
    }
    own.token("success", record.success);
    own.token("details", record.details.get());
    own.plain("prev", record.prev);
    own.close();
    line.close();
}

fn event(line: &mut Object<'_>, record: &Record, said: &Said<'_>) {
    let category = category(&record.event_type);
    let mut event = line.object("event");
    event.text("id", &record.id);
    event.text("kind", "event");
    if let Some((category, types)) = category {
        event.texts("category", &[category]);
        event.texts("type", types);
    }
    event.plain("action", record.event_type.as_str().to_ascii_lowercase());
    event.plain("code", &record.event_type);
    event.text("outcome", outcome(record));
    if let Some(reason) = said.error.as_deref().or(said.reason.as_deref()) {
        event.text("reason", reason);
    }
    if let Some(nanos) = said.duration_ms.and_then(|ms| ms.checked_mul(1_000_000)) {
        event.token("duration", nanos);
    }
    event.text("module", PRODUCT);
    event.text("dataset", "nightlatch.audit");
    event.token("sequence", record.seq);
    event.plain("hash", record.hash);
    event.close();
}

/// The process that recorded the event. For a command's events it is the command, and the recording
/// process is its parent.
fn process(line: &mut Object<'_>, record: &Record, said: &Said<'_>) {
    let mut process = line.object("process");
    if matches!(
        record.event_type.known(),
        Some(EventType::CommandStarted | EventType::CommandFinished | EventType::CommandRefused)
    ) {
        if let Some(program) = &said.program {
            process.text("name", program);
        }
        if let Some(exec) = &said.exec_id {
            process.text("entity_id", exec);
        }
        if let Some(code) = said.exit_code {
            process.token("exit_code", code);
        }
        let mut parent = process.object("parent");
        parent.token("pid", record.pid);
        parent.close();
    } else {
        process.token("pid", record.pid);
    }
    let mut owner = process.object("real_user");
    owner.plain("id", record.uid);
    owner.close();
    process.close();
}
