//! Describes an event in one plain sentence, for fields that people read.

use super::said::{Said, email};
use crate::event_type::EventType;
use crate::record::Record;

/// One English sentence about the event, without control characters.
pub(super) fn sentence(record: &Record, said: &Said<'_>) -> String {
    let mut text = plain(&phrase(record, said));
    text.push('.');
    text
}

fn phrase(record: &Record, said: &Said<'_>) -> String {
    let who = match (email(record), &record.username) {
        (Some(email), _) => email.to_owned(),
        (None, Some(_)) => "an unknown name".to_owned(),
        (None, None) => format!("user {}", record.uid),
    };
    let program = said.program.as_deref().unwrap_or("a command");
    let because = match said.error.as_deref().or(said.reason.as_deref()) {
        Some(reason) => format!(": {}", reason.replace('_', " ")),
        None => String::new(),
    };
    let segment = match said.segment.as_deref() {
        Some(segment) => format!(" {segment}"),
        None => String::new(),
    };
    let Some(event_type) = record.event_type.known() else {
        return "An event that this version does not know was recorded".to_owned();
    };
    match event_type {
        EventType::LoginAttempt => format!("Sign-in of {who} began"),
        EventType::LoginSuccess => format!("Sign-in of {who} succeeded"),
        EventType::LoginFailure => format!("Sign-in of {who} failed{because}"),
        EventType::SessionCreated => format!("A session of {who} began"),
        EventType::SessionExtended => format!("The session of {who} was extended"),
        EventType::SessionExpired => format!("The session of {who} expired{because}"),
        EventType::SessionTerminated => format!("The session of {who} was ended{because}"),
        EventType::SessionValidated => format!("The session of {who} was used"),
        EventType::SessionInvalid => format!("The session of {who} was rejected{because}"),
        EventType::SessionRevoked => format!("The session of {who} was revoked{because}"),
        EventType::AccountRegistered if record.success => {
            format!("The account of {who} was created")
        }
        EventType::AccountRegistered => format!("The account of {who} was not created{because}"),
        EventType::AccountLocked => {
            format!("Sign-in of {who} was locked after repeated failures")
        }
        EventType::PasswordChanged if record.success => {
            format!("The password of {who} was changed")
        }
        EventType::PasswordChanged => format!("The password of {who} was not changed{because}"),
        EventType::CommandStarted => format!("Command {program} was started by {who}"),
        EventType::CommandFinished => match (said.exit_code, said.signal) {
            (Some(code), _) => format!("Command {program} of {who} ended with exit code {code}"),
            (None, Some(signal)) => {
                format!("Command {program} of {who} was ended by signal {signal}")
            }
            (None, None) => format!("Command {program} of {who} was not run{because}"),
        },
        EventType::CommandRefused => format!("Command {program} of {who} was refused{because}"),
        EventType::AuditRead => "The audit log was read".to_owned(),
        EventType::AuditPruned => "Old events were removed from the audit log".to_owned(),
        EventType::AuditHoldAdded => "A legal hold was put on the audit log".to_owned(),
        EventType::AuditHoldRemoved => "A legal hold was taken off the audit log".to_owned(),
        EventType::AuditRepaired => {
            "Unsealed bytes at the end of the audit log were moved aside".to_owned()
        }
        EventType::SegmentOpened => format!("Segment{segment} of the audit log was opened"),
        EventType::SegmentClosed => format!("Segment{segment} of the audit log was closed"),
    }
}

/// Escapes control characters: a log that was tampered with may contain any text.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
