//! Open Cybersecurity Schema Framework 1.3.0 (schema.ocsf.io): maps each event to an OCSF class.

use super::said::{PRODUCT, Said, email};
use super::sentence::sentence;
use crate::event_name::EventName;
use crate::event_type::EventType;
use crate::json::Object;
use crate::record::Record;

const VERSION: &str = "1.3.0";

/// The value of `metadata.log_name`: the name of the log's directory.
const LOG_NAME: &str = "audit";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// For types that this version does not know.
    BaseEvent = 0,
    AccountChange = 3001,
    Authentication = 3002,
    ProcessActivity = 1007,
    EventLogActivity = 1008,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::BaseEvent => "Base Event",
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::ProcessActivity => "Process Activity",
            Self::EventLogActivity => "Event Log Activity",
        }
    }
}

/// `activity_id` for activities that OCSF does not define.
const OTHER: u32 = 99;

/// The class, `activity_id` and `activity_name`: from the schema, or our own name with 99 (Other).
fn activity(event_type: &EventName, said: &Said<'_>) -> (Class, u32, &'static str) {
    use Class::{AccountChange, Authentication, EventLogActivity, ProcessActivity};
    let Some(event_type) = event_type.known() else {
        return (Class::BaseEvent, OTHER, "Other");
    };
    match event_type {
        EventType::LoginSuccess | EventType::LoginFailure => (Authentication, 1, "Logon"),
        EventType::SessionExpired | EventType::SessionTerminated | EventType::SessionRevoked => {
            (Authentication, 2, "Logoff")
        }
        // Not Logon, which LOGIN_SUCCESS and LOGIN_FAILURE use: each sign-in would be counted
        // twice.
        EventType::LoginAttempt => (Authentication, OTHER, "Logon Attempt"),
        EventType::SessionCreated => (Authentication, OTHER, "Session Create"),
        EventType::SessionExtended => (Authentication, OTHER, "Session Extend"),
        EventType::SessionValidated => (Authentication, OTHER, "Session Use"),
        EventType::SessionInvalid => (Authentication, OTHER, "Session Reject"),
        EventType::AccountRegistered => (AccountChange, 1, "Create"),
        EventType::PasswordChanged => (AccountChange, 3, "Password Change"),
        EventType::AccountLocked => (AccountChange, 9, "Lock"),
        // A command that was not started cannot terminate.
        EventType::CommandFinished if said.error.is_none() => (ProcessActivity, 2, "Terminate"),
        EventType::CommandStarted | EventType::CommandFinished | EventType::CommandRefused => {
            (ProcessActivity, 1, "Launch")
        }
        EventType::AuditPruned => (EventLogActivity, 2, "Delete"),
        EventType::SegmentClosed => (EventLogActivity, 5, "Rotate"),
        EventType::SegmentOpened => (EventLogActivity, OTHER, "Segment Open"),
        EventType::AuditRead => (EventLogActivity, OTHER, "Read"),
        EventType::AuditRepaired => (EventLogActivity, OTHER, "Repair"),
        EventType::AuditHoldAdded => (EventLogActivity, OTHER, "Hold Add"),
        EventType::AuditHoldRemoved => (EventLogActivity, OTHER, "Hold Remove"),
    }
}

/// 1 Informational, 2 Low, 3 Medium.
fn severity(record: &Record) -> u32 {
    match record.event_type.known() {
        Some(EventType::AccountLocked | EventType::SessionInvalid | EventType::AuditRepaired) => 3,
        _ if !record.success => 2,
        _ => 1,
    }
}

/// `status_id` and its caption.
fn status(record: &Record) -> (u32, &'static str) {
    match record.event_type.known() {
        // The outcome is not known when the event is recorded.
        Some(EventType::LoginAttempt | EventType::CommandStarted) => (0, "Unknown"),
        // The sign-ins before it failed; locking the account succeeded.
        Some(EventType::AccountLocked) => (1, "Success"),
        _ if record.success => (1, "Success"),
        _ => (2, "Failure"),
    }
}

pub(super) fn append(out: &mut Vec<u8>, record: &Record, fingerprint: Option<&str>) {
    let said = Said::of(record);
    let (class, activity_id, activity_name) = activity(&record.event_type, &said);
    let uid = class as u32;
    let mut event = Object::open(out);
    event.token("activity_id", activity_id);
    event.text("activity_name", activity_name);
    event.token("category_uid", uid / 1000);
    event.token("class_uid", uid);
    event.text("class_name", class.name());
    event.token("type_uid", uid * 100 + activity_id);
    // Rounded down, also before 1970. The exact time is in `metadata.original_time`.
    event.token("time", record.timestamp.unix_nanos().div_euclid(1_000_000));
    event.token("severity_id", severity(record));
    let (status_id, status) = status(record);
    event.token("status_id", status_id);
    event.text("status", status);
    event.text("message", &sentence(record, &said));
    let reason = said.reason.as_deref();
    if matches!(
        record.event_type.known(),
        Some(EventType::SessionRevoked | EventType::AuditHoldAdded)
    ) {
        // The text a person wrote, not a code.
        text_if(&mut event, "status_detail", reason);
    } else {
        text_if(&mut event, "status_code", said.error.as_deref().or(reason));
    }
    match class {
        Class::Authentication => {
            user(&mut event, record);
            session(&mut event, record);
            let mut service = event.object("service");
            service.text("name", PRODUCT);
            service.close();
        }
        Class::BaseEvent => {}
        Class::AccountChange => user(&mut event, record),
        Class::ProcessActivity => process(&mut event, record, &said),
        Class::EventLogActivity => {
            event.text("log_name", LOG_NAME);
            event.text("log_provider", PRODUCT);
            event.token("log_type_id", 2); // Application
            if let Some(segment) = &said.segment {
                let mut file = event.object("file");
                file.text("name", segment);
                file.token("type_id", 1); // Regular File
                file.close();
            }
        }
    }
    if class != Class::BaseEvent {
        actor(&mut event, record, class);
        let mut device = event.object("device");
        device.text("hostname", &record.host);
        device.token("type_id", 0); // Unknown
        device.close();
    }
    metadata(&mut event, record, class);
    let mut unmapped = event.object("unmapped");
    unmapped.token("success", record.success);
    unmapped.token("details", record.details.get());
    unmapped.plain("prev", record.prev);
    unmapped.plain("hash", record.hash);
    text_if(&mut unmapped, "fingerprint", fingerprint);
    if class == Class::BaseEvent {
        elsewhere_in_other_classes(&mut unmapped, record);
    }
    unmapped.close();
    event.close();
}

/// Data that has no place in a base event.
fn elsewhere_in_other_classes(unmapped: &mut Object<'_>, record: &Record) {
    text_if(unmapped, "username", record.username.as_deref());
    if let Some(session) = record.session_id {
        unmapped.plain("session_id", session);
    }
    unmapped.text("host", &record.host);
    unmapped.token("uid", record.uid);
    unmapped.token("pid", record.pid);
    text_if(unmapped, "tty", record.tty.as_deref());
}

fn text_if(object: &mut Object<'_>, key: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        object.text(key, value);
    }
}

/// The account; if the line has none, the system's user, because the schema requires a user.
fn user(object: &mut Object<'_>, record: &Record) {
    let mut user = object.object("user");
    match &record.username {
        Some(name) => user.text("name", name),
        None => user.plain("uid", record.uid),
    }
    let email = email(record).filter(|email| is_email_t(email));
    text_if(&mut user, "email_addr", email);
    user.close();
}

/// Whether `email` matches the schema's type `email_t`, which is ASCII only:
/// ``^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$``
fn is_email_t(email: &str) -> bool {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    // `+-/` is a range: + , - . /
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+,-./=?^_`{|}~".contains(&byte);
    let Some((local, domain)) = email.split_once('@') else {
        return false;
    };
    let Some((label, rest)) = domain.split_once('.') else {
        return false;
    };
    !local.is_empty()
        && local.bytes().all(is_local)
        && !label.is_empty()
        && label.bytes().all(is_label)
        && !rest.is_empty()
        && rest.bytes().all(|byte| is_label(byte) || byte == b'.')
}

fn session(object: &mut Object<'_>, record: &Record) {
    if let Some(id) = record.session_id {
        let mut session = object.object("session");
        session.plain("uid", id);
        session.close();
    }
}

/// The guarded command. The schema requires an identifier, but a refused command has no exec id, so
/// the event's own id is used.
fn process(event: &mut Object<'_>, record: &Record, said: &Said<'_>) {
    let mut process = event.object("process");
    text_if(&mut process, "name", said.program.as_deref());
    process.text("uid", said.exec_id.as_deref().unwrap_or(&record.id));
    process.close();
    if let Some(code) = said.exit_code {
        event.token("exit_code", code);
    }
}

/// The process that recorded the event, with its user and terminal, and the signed-in account if
/// the event is not about it.
fn actor(event: &mut Object<'_>, record: &Record, class: Class) {
    let mut actor = event.object("actor");
    let mut process = actor.object("process");
    process.token("pid", record.pid);
    if let Some(tty) = &record.tty {
        let mut session = process.object("session");
        session.text("terminal", tty);
        session.close();
    }
    let mut owner = process.object("user");
    owner.plain("uid", record.uid);
    owner.close();
    process.close();
    if class != Class::Authentication {
        session(&mut actor, record);
    }
    if matches!(class, Class::ProcessActivity | Class::EventLogActivity)
        && record.username.is_some()
    {
        user(&mut actor, record);
    }
    actor.close();
}

fn metadata(event: &mut Object<'_>, record: &Record, class: Class) {
    let mut metadata = event.object("metadata");
    metadata.text("version", VERSION);
    let mut product = metadata.object("product");
    product.text("name", PRODUCT);
    product.text("vendor_name", PRODUCT);
    product.text("version", env!("CARGO_PKG_VERSION"));
    product.close();
    if class != Class::BaseEvent {
        metadata.texts("profiles", &["host"]);
    }
    metadata.text("uid", &record.id);
    metadata.plain("event_code", &record.event_type);
    metadata.text("log_name", LOG_NAME);
    metadata.plain("original_time", record.timestamp);
    metadata.token("sequence", record.seq);
    metadata.close();
}
