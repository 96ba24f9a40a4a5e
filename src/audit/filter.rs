//! Judging lines: which of them a query means.

use memchr::memmem::Finder;

use super::event_name::EventName;
use super::json::push_string;
use super::line::Head;
use super::query::Query;
use super::reader::Found;
use super::record::View;
use super::seal::Parts;
use crate::clock::Timestamp;
use crate::id::SessionId;

/// A query made ready to judge lines.
pub(super) struct Filter {
    user: Option<String>,
    types: Vec<EventName>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    since_text: Option<Vec<u8>>,
    until_text: Option<Vec<u8>>,
    session: Option<SessionId>,
    failed_only: bool,
    /// Bytes that every matching line contains: a line without them need not be parsed.
    needle: Option<Finder<'static>>,
}

/// What a line is to a query. A match has been judged by its beginning and its end at least; whether
/// all of it is an event shows when it is parsed.
pub(super) enum Verdict<'a> {
    Match(&'a [u8]),
    Other,
    Unreadable,
}

fn text(time: Timestamp) -> Vec<u8> {
    time.to_rfc3339().into_bytes()
}

impl Filter {
    pub(super) fn new(query: &Query) -> Self {
        let user = query.user.as_deref().map(|user| user.trim().to_lowercase());
        let needle = if let Some(session) = query.session {
            Some(format!("\"session_id\":\"{session}\"").into_bytes())
        } else if let Some(user) = &user {
            let mut needle = b"\"username\":".to_vec();
            push_string(&mut needle, user);
            Some(needle)
        } else if let [only] = &query.types[..] {
            Some(format!("\"event_type\":\"{only}\"").into_bytes())
        } else if query.failed_only {
            Some(b"\"success\":false".to_vec())
        } else {
            None
        };
        Self {
            user,
            types: query.types.clone(),
            since: query.since,
            until: query.until,
            since_text: query.since.map(text),
            until_text: query.until.map(text),
            session: query.session,
            failed_only: query.failed_only,
            needle: needle.map(|needle| Finder::new(&needle).into_owned()),
        }
    }

    /// Judges every line of `block`, complete lines with their line ends, in order. Where there is a
    /// needle, lines without it are passed over unseen.
    pub(super) fn judge_block<'a>(&self, block: &'a [u8], mut each: impl FnMut(Verdict<'a>)) {
        let Some(needle) = &self.needle else {
            let mut rest = block;
            while let Some(length) = memchr::memchr(b'\n', rest) {
                each(self.judge(Found::of(&rest[..length])));
                rest = &rest[length + 1..];
            }
            return;
        };
        let mut from = 0;
        while let Some(found) = needle.find(&block[from..]) {
            let at = from + found;
            let start = memchr::memrchr(b'\n', &block[from..at]).map_or(from, |end| from + end + 1);
            let end = memchr::memchr(b'\n', &block[at..]).map_or(block.len(), |length| at + length);
            // One that is too long is passed over, as those are that span blocks.
            if let line @ Found::Line(_) = Found::of(&block[start..end]) {
                each(self.judge(line));
            }
            from = block.len().min(end + 1);
        }
    }

    /// Whether every line is looked at, so that one that cannot be read counts.
    pub(super) fn looks_at_all(&self) -> bool {
        self.needle.is_none()
    }

    fn judge<'a>(&self, line: Found<'a>) -> Verdict<'a> {
        let Found::Line(line) = line else {
            return Verdict::Unreadable;
        };
        if let Some(head) = Head::of(line) {
            if self.rules_out(&head) {
                return Verdict::Other;
            }
            // Begins and ends as an event: what is in between is not asked for.
            if self.takes(&head) && Parts::ends(line) {
                return Verdict::Match(line);
            }
        }
        match View::parse(line) {
            Some(view) if self.matches(&view) => Verdict::Match(line),
            Some(_) => Verdict::Other,
            None => Verdict::Unreadable,
        }
    }

    /// What shows without parsing the line.
    fn rules_out(&self, head: &Head<'_>) -> bool {
        let type_is = |wanted: &EventName| head.event_type == wanted.as_str().as_bytes();
        // Texts of one form sort as the times do. One that equals a bound is left to the parser, which
        // knows what a bound says below a microsecond.
        self.since_text
            .as_deref()
            .is_some_and(|since| head.timestamp < since)
            || self
                .until_text
                .as_deref()
                .is_some_and(|until| head.timestamp > until)
            || !self.types.is_empty() && !self.types.iter().any(type_is)
    }

    /// Whether nothing is asked that the beginning of a line does not answer.
    fn takes(&self, head: &Head<'_>) -> bool {
        self.user.is_none()
            && self.session.is_none()
            && !self.failed_only
            && self
                .since_text
                .as_deref()
                .is_none_or(|since| head.timestamp > since)
            && self
                .until_text
                .as_deref()
                .is_none_or(|until| head.timestamp < until)
            && head.is_well_formed()
    }

    fn matches(&self, view: &View<'_>) -> bool {
        let username = view.line.username.as_ref().map(|name| &*name.0);
        (self.user.is_none() || self.user.as_deref() == username)
            && (self.types.is_empty() || self.types.contains(&view.event_type))
            && self.since.is_none_or(|since| view.timestamp >= since)
            && self.until.is_none_or(|until| view.timestamp < until)
            && (self.session.is_none() || self.session == view.session_id)
            && !(self.failed_only && view.line.success)
    }
}
