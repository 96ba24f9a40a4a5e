//! An event that was read back.

use serde_json::value::RawValue;

use super::command_end::CommandEnd;
use super::details::Details;
use super::event_name::EventName;
use super::facts::Facts;
use super::hash::LineHash;
use super::line::Line;
use super::outcome::Outcome;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::{ExecId, SessionId};

/// A line of the log, raw and parsed. Verification shows whether it is genuine. Its texts may
/// contain anything and must be escaped before they reach a terminal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// The line itself, without its line end.
    pub raw: String,
    /// Its number in the log, from 1.
    pub seq: u64,
    /// The event's own id, a UUID.
    pub id: String,
    /// When it was recorded.
    pub timestamp: Timestamp,
    /// The type of the event; possibly one that this version does not know.
    pub event_type: EventName,
    /// The account it is about.
    pub username: Option<String>,
    /// The session in which it happened.
    pub session_id: Option<SessionId>,
    /// Whether nothing was refused and nothing failed.
    pub success: bool,
    /// The details: a JSON object.
    pub details: Box<RawValue>,
    /// The machine.
    pub host: String,
    /// The user's numeric id.
    pub uid: u32,
    /// The process.
    pub pid: u32,
    /// The terminal's name below `/dev`.
    pub tty: Option<String>,
    /// The hash of the previous line.
    pub prev: LineHash,
    /// The hash in the line.
    pub hash: LineHash,
}

impl Record {
    /// Parses a line without its line end; `None` if it is not an event.
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(raw).ok()?;
        let View {
            line,
            timestamp,
            event_type,
            session_id,
            prev,
            hash,
        } = View::parse(raw)?;
        Some(Self {
            raw: text.to_owned(),
            seq: line.seq,
            id: line.id.0.into_owned(),
            timestamp,
            event_type,
            username: line.username.map(|name| name.0.into_owned()),
            session_id,
            success: line.success,
            details: line.details.to_owned(),
            host: line.host.0.into_owned(),
            uid: line.uid,
            pid: line.pid,
            tty: line.tty.map(|tty| tty.0.into_owned()),
            prev,
            hash,
        })
    }
}

impl Record {
    /// The details, typed; `None` if this version does not know the event, or they do not have its
    /// form. Keys that a later version added are left out.
    pub fn read_details(&self) -> Option<Details> {
        Details::read(self.event_type.known()?, self.details.get())
    }

    /// The code or text that says why it happened, whatever the event.
    pub fn reason(&self) -> Option<String> {
        Facts::of(&self.details).reason.map(String::from)
    }

    /// The run of a guarded command that the event is about.
    pub fn exec_id(&self) -> Option<ExecId> {
        Facts::of(&self.details).exec()
    }

    /// How the guarded command ended, if the record has that.
    pub fn command_end(&self) -> Option<CommandEnd> {
        Facts::of(&self.details).end()
    }

    /// The outcome of what the event is about.
    pub fn outcome(&self) -> Outcome {
        self.event_type.outcome(self.success)
    }
}

/// A line parsed in place, to be judged without copying.
pub(super) struct View<'a> {
    pub(super) line: Line<'a>,
    pub(super) timestamp: Timestamp,
    pub(super) event_type: EventName,
    pub(super) session_id: Option<SessionId>,
    prev: LineHash,
    hash: LineHash,
}

impl<'a> View<'a> {
    /// Like [`Record::parse`].
    pub(super) fn parse(raw: &'a [u8]) -> Option<Self> {
        let line = Line::parse(raw)?;
        let session_id = match &line.session_id {
            Some(id) => Some(id.0.parse().ok()?),
            None => None,
        };
        Some(Self {
            timestamp: Timestamp::parse_rfc3339(&line.timestamp.0)?,
            event_type: line.event_type.0.parse().ok()?,
            session_id,
            prev: LineHash::parse(line.prev.0.as_bytes())?,
            hash: LineHash::parse(line.hash.0.as_bytes())?,
            line,
        })
    }
}
