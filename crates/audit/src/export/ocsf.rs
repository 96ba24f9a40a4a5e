//! Open Cybersecurity Schema Framework 1.3.0 (schema.ocsf.io): maps each event to an OCSF class.

use super::common::{PRODUCT, email};
use super::sentence::sentence;
use crate::catalogue::row::{Class, ExportedOutcome, OTHER, Row};
use crate::facts::Facts;
use crate::json::Object;
use crate::record::Record;

const VERSION: &str = "1.3.0";

/// The value of `metadata.log_name`: the name of the log's directory.
const LOG_NAME: &str = "audit";

const fn class_name(class: Class) -> &'static str {
    match class {
        Class::BaseEvent => "Base Event",
        Class::AccountChange => "Account Change",
        Class::Authentication => "Authentication",
        Class::ProcessActivity => "Process Activity",
        Class::EventLogActivity => "Event Log Activity",
        Class::EntityManagement => "Entity Management",
    }
}

/// The class, `activity_id` and `activity_name`.
fn activity(row: Option<&Row>, facts: &Facts<'_>) -> (Class, u32, &'static str) {
    match row.map(|row| row.ocsf) {
        None => (Class::BaseEvent, OTHER, "Other"),
        // A command that was not started cannot terminate.
        Some((Class::ProcessActivity, ..)) if facts.error.is_some() => {
            (Class::ProcessActivity, 1, "Launch")
        }
        Some(activity) => activity,
    }
}

/// 1 Informational, 2 Low, 3 Medium.
fn severity(record: &Record, row: Option<&Row>) -> u32 {
    match row {
        Some(row) if row.is_severe => 3,
        _ if !record.success => 2,
        _ => 1,
    }
}

/// `status_id` and its caption.
fn status(record: &Record, row: Option<&Row>) -> (u32, &'static str) {
    match row.map_or(ExportedOutcome::AsInLine, |row| row.exported) {
        ExportedOutcome::Unknown => (0, "Unknown"),
        ExportedOutcome::Success => (1, "Success"),
        ExportedOutcome::AsInLine if record.success => (1, "Success"),
        ExportedOutcome::AsInLine => (2, "Failure"),
    }
}

pub(super) fn append(out: &mut Vec<u8>, record: &Record, fingerprint: Option<&str>) {
    let facts = Facts::of(&record.details);
    let row = record.event_type.row();
    let (class, activity_id, activity_name) = activity(row, &facts);
    let uid = class as u32;
    let mut event = Object::open(out);
    event.token("activity_id", activity_id);
    event.text("activity_name", activity_name);
    event.token("category_uid", uid / 1000);
    event.token("class_uid", uid);
    event.text("class_name", class_name(class));
    event.token("type_uid", uid * 100 + activity_id);
    // Rounded down, also before 1970. The exact time is in `metadata.original_time`.
    event.token("time", record.timestamp.unix_nanos().div_euclid(1_000_000));
    event.token("severity_id", severity(record, row));
    let (status_id, status) = status(record, row);
    event.token("status_id", status_id);
    event.text("status", status);
    event.text("message", &sentence(record, &facts));
    let reason = facts.reason.as_deref();
    if row.is_some_and(|row| row.reason_is_text) {
        // The text a person wrote, not a code.
        text_if(&mut event, "status_detail", reason);
    } else {
        text_if(&mut event, "status_code", facts.error.as_deref().or(reason));
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
        Class::ProcessActivity => process(&mut event, record, &facts),
        Class::EntityManagement => entity(&mut event, record, &facts),
        Class::EventLogActivity => {
            event.text("log_name", LOG_NAME);
            event.text("log_provider", PRODUCT);
            event.token("log_type_id", 2); // Application
            if let Some(segment) = &facts.segment {
                let mut file = event.object("file");
                file.text("name", segment);
                file.token("type_id", 1); // Regular File
                file.close();
            }
        }
    }
    if matches!(
        class,
        Class::AccountChange | Class::Authentication | Class::EntityManagement
    ) {
        client(&mut event, &facts);
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
fn process(event: &mut Object<'_>, record: &Record, facts: &Facts<'_>) {
    let mut process = event.object("process");
    text_if(&mut process, "name", facts.program.as_deref());
    process.text("uid", facts.exec_id.as_deref().unwrap_or(&record.id));
    process.close();
    if let Some(code) = facts.exit_code {
        event.token("exit_code", code);
    }
}

/// The secret or the data of others that was read or changed. The schema requires a name or an
/// identifier, so if a log that was tampered with has neither, the event's own id is used.
fn entity(event: &mut Object<'_>, record: &Record, facts: &Facts<'_>) {
    let mut entity = event.object("entity");
    match (&facts.secret, &facts.what) {
        (Some(secret), _) => {
            entity.text("type", "Secret");
            entity.text("uid", secret);
        }
        (None, Some(what)) => entity.text("name", what),
        (None, None) => entity.text("uid", &record.id),
    }
    entity.close();
}

/// The client of a server that the event came from.
fn client(event: &mut Object<'_>, facts: &Facts<'_>) {
    if let Some(address) = facts.address {
        let mut endpoint = event.object("src_endpoint");
        endpoint.plain("ip", address);
        endpoint.close();
    }
    if let Some(agent) = &facts.user_agent {
        let mut request = event.object("http_request");
        request.text("user_agent", agent);
        request.close();
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
    if matches!(
        class,
        Class::ProcessActivity | Class::EventLogActivity | Class::EntityManagement
    ) && record.username.is_some()
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
