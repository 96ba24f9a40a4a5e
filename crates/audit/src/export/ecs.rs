//! Elastic Common Schema 8.17.0.

use super::common::{PRODUCT, email};
use super::sentence::sentence;
use crate::catalogue::row::{Class, ExportedOutcome, Row};
use crate::facts::Facts;
use crate::json::Object;
use crate::record::Record;

const VERSION: &str = "8.17.0";

fn outcome(record: &Record, row: Option<&Row>) -> &'static str {
    match row.map_or(ExportedOutcome::AsInLine, |row| row.exported) {
        ExportedOutcome::Unknown => "unknown",
        ExportedOutcome::Success => "success",
        ExportedOutcome::AsInLine if record.success => "success",
        ExportedOutcome::AsInLine => "failure",
    }
}

pub(super) fn append(out: &mut Vec<u8>, record: &Record, fingerprint: Option<&str>) {
    let facts = Facts::of(&record.details);
    let row = record.event_type.row();
    let mut line = Object::open(out);
    line.plain("@timestamp", record.timestamp);
    line.text("message", &sentence(record, &facts));
    let mut ecs = line.object("ecs");
    ecs.text("version", VERSION);
    ecs.close();
    event(&mut line, record, row, &facts);
    if let Some(name) = &record.username {
        let mut user = line.object("user");
        user.text("name", name);
        if let Some(email) = email(record) {
            user.text("email", email);
        }
        user.close();
    }
    process(&mut line, record, row, &facts);
    if let Some(segment) = &facts.segment {
        let mut file = line.object("file");
        file.text("name", segment);
        file.close();
    }
    let mut host = line.object("host");
    host.text("name", &record.host);
    host.text("hostname", &record.host);
    host.close();
    if let Some(address) = facts.address {
        let mut source = line.object("source");
        source.plain("ip", address);
        source.close();
    }
    if let Some(agent) = &facts.user_agent {
        let mut object = line.object("user_agent");
        object.text("original", agent);
        object.close();
    }
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

fn event(line: &mut Object<'_>, record: &Record, row: Option<&Row>, facts: &Facts<'_>) {
    let mut event = line.object("event");
    event.text("id", &record.id);
    event.text("kind", "event");
    if let Some((category, types)) = row.map(|row| row.ecs) {
        event.texts("category", &[category]);
        event.texts("type", types);
    }
    event.plain("action", record.event_type.as_str().to_ascii_lowercase());
    event.plain("code", &record.event_type);
    event.text("outcome", outcome(record, row));
    if let Some(reason) = facts.error.as_deref().or(facts.reason.as_deref()) {
        event.text("reason", reason);
    }
    if let Some(nanos) = facts.duration_ms.and_then(|ms| ms.checked_mul(1_000_000)) {
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
fn process(line: &mut Object<'_>, record: &Record, row: Option<&Row>, facts: &Facts<'_>) {
    let mut process = line.object("process");
    if row.is_some_and(|row| row.ocsf.0 == Class::ProcessActivity) {
        if let Some(program) = &facts.program {
            process.text("name", program);
        }
        if let Some(exec) = &facts.exec_id {
            process.text("entity_id", exec);
        }
        if let Some(code) = facts.exit_code {
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
