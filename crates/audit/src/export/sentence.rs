//! Describes an event in one plain sentence, for fields that people read.

use super::common::email;
use crate::facts::Facts;
use crate::record::Record;

/// One English sentence about the event, without control characters.
pub(super) fn sentence(record: &Record, facts: &Facts<'_>) -> String {
    let mut text = match record.event_type.row() {
        Some(row) if record.success => filled(row.sentence, record, facts),
        Some(row) => filled(row.failed, record, facts),
        None => "An event that this version does not know was recorded".to_owned(),
    };
    text.push('.');
    text
}

/// The catalogue's sentence with the values of this event.
fn filled(sentence: &str, record: &Record, facts: &Facts<'_>) -> String {
    let mut parts = sentence.split(['{', '}']);
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let (Some(name), Some(rest)) = (parts.next(), parts.next()) {
        text.push_str(&plain(&value(name, record, facts)));
        text.push_str(rest);
    }
    text
}

/// The value of a name in a sentence.
fn value(name: &str, record: &Record, facts: &Facts<'_>) -> String {
    match name {
        "who" => match (email(record), &record.username) {
            (Some(email), _) => email.to_owned(),
            (None, Some(_)) => "an unknown name".to_owned(),
            (None, None) => format!("user {}", record.uid),
        },
        "because" => match facts.error.as_deref().or(facts.reason.as_deref()) {
            Some(reason) => format!(": {}", reason.replace('_', " ")),
            None => String::new(),
        },
        "program" => facts.program.as_deref().unwrap_or("a command").to_owned(),
        "segment" => match facts.segment.as_deref() {
            Some(segment) => format!(" {segment}"),
            None => String::new(),
        },
        "ended" => match (facts.exit_code, facts.signal) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => format!("was not run{}", value("because", record, facts)),
        },
        // A test fills in every sentence.
        unknown => format!("{{{unknown}}}"),
    }
}

/// Escapes control characters: a log that was tampered with may contain any text.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
