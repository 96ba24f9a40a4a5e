//! Forwards each event when it is sealed: to the system log or to journald, one datagram per event.
//!
//! Best effort at the time: nothing waits for it or fails because of it. The sealing state has the
//! number of the last event that was sent, and the next append continues there. After a crash
//! between sending and saving that number, events are sent again; `seq` and the hash identify
//! duplicates.

use std::io;
use std::path::PathBuf;

use super::batch::Batch;
use super::error::AuditError;
use super::files::Files;
use super::next_lines::{NextLines, next_lines};
use super::record::Record;
use super::segment::DIRECTORY;
use super::syslog::{PRIORITY, Socket, is_too_long};
use nightlatch_platform::fs::Dir;

/// The maximum number of events sent per append.
const MOST: usize = 1000;

/// If a line is too long for the socket, it is truncated to the first of these lengths, in bytes,
/// that fits.
const SHORTER: [usize; 3] = [32 * 1024, 8 * 1024, 1024];

/// journald's priorities (RFC 5424, section 6.2.1): informational, and warning for failures.
const INFORMATIONAL: u8 = 6;
const WARNING: u8 = 4;
/// The facility authpriv.
const FACILITY: u8 = PRIORITY >> 3;

/// The receiver of forwarded events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardTo {
    /// The system log, in the form of RFC 3164.
    Syslog,
    /// journald, in its native protocol.
    Journald,
}

/// The destination for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    to: ForwardTo,
    socket: PathBuf,
}

/// The process and the log that events come from.
pub(super) struct Sender {
    pub(super) pid: u32,
    /// The log's fingerprint, in hexadecimal.
    pub(super) fingerprint: String,
}

/// The result of sending one event.
enum Sent {
    /// It was sent, possibly truncated, or it can never be sent; continue with the next one.
    Done,
    /// The receiver accepts nothing at present.
    Refused(io::Error),
}

/// The sealed lines after the line `cursor`: at most [`MOST`], and the rest of the last append.
fn missed(home: &Dir, cursor: u64) -> Result<NextLines, AuditError> {
    match home.subdir(DIRECTORY)? {
        Some(dir) => next_lines(&Files::Home(dir), cursor, MOST),
        None => Ok(NextLines::default()),
    }
}

impl Forward {
    /// Forwards to the Unix datagram socket at `socket`.
    pub fn new(to: ForwardTo, socket: PathBuf) -> Self {
        Self { to, socket }
    }

    /// Sends the events of the log in `home` after number `cursor`, at most [`MOST`]; `batch` has
    /// the last ones. Returns the number of the last event sent.
    pub(super) fn send(&self, home: &Dir, sender: &Sender, cursor: u64, batch: &Batch) -> u64 {
        let socket = match Socket::open(&self.socket) {
            Ok(socket) => socket,
            Err(error) => {
                self.note(&error);
                return cursor;
            }
        };
        let new: Vec<&[u8]> = batch.lines.split(|&byte| byte == b'\n').collect();
        let new = &new[..new.len() - 1];
        let first_new = batch.last.seq + 1 - new.len() as u64;
        if cursor + 1 == first_new {
            return self.send_lines(&socket, sender, cursor, new);
        }
        // The new lines are in the log, too.
        match missed(home, cursor) {
            Ok(missed) => {
                let lines: Vec<&[u8]> = missed.lines.iter().map(Vec::as_slice).collect();
                let sent = self.send_lines(&socket, sender, cursor, &lines);
                let is_all = lines.is_empty() || Some(sent) == last_number(&lines);
                if is_all { missed.through } else { sent }
            }
            Err(error) => {
                tracing::debug!(%error, "could not read the events to forward");
                cursor
            }
        }
    }

    fn send_lines(
        &self,
        socket: &Socket,
        sender: &Sender,
        mut cursor: u64,
        lines: &[&[u8]],
    ) -> u64 {
        for line in lines {
            // A line that is not an event is not forwarded; verification reports it.
            let Some(record) = Record::parse(line) else {
                continue;
            };
            match self.send_one(socket, sender, &record) {
                Sent::Done => cursor = record.seq,
                Sent::Refused(error) => {
                    self.note(&error);
                    break;
                }
            }
        }
        cursor
    }

    fn send_one(&self, socket: &Socket, sender: &Sender, record: &Record) -> Sent {
        let limits = [usize::MAX].into_iter().chain(SHORTER);
        for limit in limits {
            let line = shortened(&record.raw, limit);
            let datagram = match self.to {
                ForwardTo::Syslog => syslog_message(sender, record, line),
                ForwardTo::Journald => journald_message(sender, record, line),
            };
            match socket.send(&datagram) {
                Ok(()) => return Sent::Done,
                Err(error) if is_too_long(&error) => {}
                Err(error) => return Sent::Refused(error),
            }
        }
        tracing::debug!(seq = record.seq, "an event is too long to be forwarded");
        Sent::Done
    }

    fn note(&self, error: &io::Error) {
        tracing::debug!(%error, path = %self.socket.display(), "could not forward events");
    }
}

fn last_number(lines: &[&[u8]]) -> Option<u64> {
    let records = lines.iter().rev().filter_map(|line| Record::parse(line));
    records.map(|record| record.seq).next()
}

/// The first `limit` bytes of `line`, cut at a character boundary.
fn shortened(line: &str, limit: usize) -> &str {
    let mut end = limit.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// The identifying fields come first, so that a truncated message still has them.
fn syslog_message(sender: &Sender, record: &Record, line: &str) -> Vec<u8> {
    let Sender { pid, fingerprint } = sender;
    let Record { seq, hash, .. } = record;
    format!(
        "<{PRIORITY}>nightlatch[{pid}]: audit event seq={seq} hash={hash} fingerprint={fingerprint} {line}"
    )
    .into_bytes()
}

/// Fields in the format of systemd's "Native Journal Protocol".
fn journald_message(sender: &Sender, record: &Record, line: &str) -> Vec<u8> {
    let priority = if record.success {
        INFORMATIONAL
    } else {
        WARNING
    };
    let mut out = Vec::with_capacity(line.len() + 512);
    field(&mut out, "MESSAGE", line);
    field(&mut out, "PRIORITY", &priority.to_string());
    field(&mut out, "SYSLOG_FACILITY", &FACILITY.to_string());
    field(&mut out, "SYSLOG_IDENTIFIER", "nightlatch");
    field(&mut out, "SYSLOG_PID", &sender.pid.to_string());
    field(&mut out, "NIGHTLATCH_SEQ", &record.seq.to_string());
    field(&mut out, "NIGHTLATCH_HASH", &record.hash.to_string());
    field(&mut out, "NIGHTLATCH_FINGERPRINT", &sender.fingerprint);
    field(
        &mut out,
        "NIGHTLATCH_EVENT_TYPE",
        record.event_type.as_str(),
    );
    if let Some(username) = &record.username {
        field(&mut out, "NIGHTLATCH_USERNAME", username);
    }
    if let Some(session) = record.session_id {
        field(&mut out, "NIGHTLATCH_SESSION_ID", &session.to_string());
    }
    out
}

/// `NAME=value` if the value is a single line, else its length and its bytes.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_is_sent_with_its_length() {
        let mut out = Vec::new();
        field(&mut out, "A", "b");
        field(&mut out, "C", "d\ne");
        assert_eq!(out, b"A=b\nC\n\x03\0\0\0\0\0\0\0d\ne\n");
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
        assert_eq!(shortened("aé", usize::MAX), "aé");
    }
}
