//! Decides which lines match a query.

use std::collections::HashSet;

use memchr::memmem::Finder;

use super::catalogue::EventType;
use super::event_name::EventName;
use super::exit_filter::ExitFilter;
use super::facts::Facts;
use super::json::push_string;
use super::line::Head;
use super::outcome::Outcome;
use super::query::Query;
use super::reader::Found;
use super::record::{Record, View};
use super::seal::Parts;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

/// A query, prepared for matching lines.
pub(super) struct Filter {
    user: Option<String>,
    types: Vec<EventName>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    since_text: Option<Vec<u8>>,
    until_text: Option<Vec<u8>>,
    session: Option<SessionId>,
    failed_only: bool,
    program: Option<String>,
    execs: HashSet<String>,
    argv: Option<String>,
    exit: Option<ExitFilter>,
    tty: Option<String>,
    host: Option<String>,
    /// Whether a line that matches by its beginning is fully parsed all the same.
    is_strict: bool,
    /// Bytes that every matching line contains, so that lines without them need not be parsed.
    needle: Option<Finder<'static>>,
}

/// How a line relates to a query. At least the beginning and the end of a match have been checked;
/// only parsing shows whether the whole line is an event.
pub(super) enum Verdict<'a> {
    Match(&'a [u8]),
    Other,
    Unreadable,
}

impl Query {
    /// Whether `record` passes all filters, regardless of the limit.
    pub fn matches(&self, record: &Record) -> bool {
        let line = [record.raw.as_bytes(), b"\n"].concat();
        let mut is_match = false;
        Filter::new(self).judge_block(&line, |verdict| {
            is_match |= matches!(verdict, Verdict::Match(_));
        });
        is_match
    }
}

fn text(time: Timestamp) -> Vec<u8> {
    time.to_rfc3339().into_bytes()
}

impl Filter {
    pub(super) fn new(query: &Query) -> Self {
        let user = query.user.as_deref().map(|user| user.trim().to_lowercase());
        let execs: Vec<_> = query.execs.iter().map(ToString::to_string).collect();
        let argv = query.argv.map(|digest| digest.to_string());
        let needle = needle(query, user.as_deref(), &execs, argv.as_deref());
        Self {
            user,
            types: query.types.clone(),
            since: query.since,
            until: query.until,
            since_text: query.since.map(text),
            until_text: query.until.map(text),
            session: query.session,
            failed_only: query.failed_only,
            program: query.program.clone(),
            execs: execs.into_iter().collect(),
            argv,
            exit: query.exit,
            tty: query.tty.clone(),
            host: query.host.clone(),
            is_strict: false,
            needle: needle.map(|needle| Finder::new(&needle).into_owned()),
        }
    }

    /// Makes the filter count only lines that parse as matches.
    pub(super) fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Judges each line of `block`, which are complete lines with their line ends, in order. If
    /// there is a needle, lines without it are skipped.
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
            // A line that is too long is skipped, as it would be if it spanned blocks.
            if let line @ Found::Line(_) = Found::of(&block[start..end]) {
                each(self.judge(line));
            }
            from = block.len().min(end + 1);
        }
    }

    /// Whether every line is examined, so that unreadable ones are counted.
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
            // It begins and ends as an event does, and no filter needs what is between.
            if !self.is_strict && self.takes(&head) && Parts::ends(line) {
                return Verdict::Match(line);
            }
        }
        match View::parse(line) {
            Some(view) if self.matches(&view) => Verdict::Match(line),
            Some(_) => Verdict::Other,
            None => Verdict::Unreadable,
        }
    }

    /// Whether the beginning of the line already fails a filter.
    fn rules_out(&self, head: &Head<'_>) -> bool {
        let type_is = |wanted: &EventName| head.event_type == wanted.as_str().as_bytes();
        // Texts of this form sort like the times. If one equals a bound, the parser decides,
        // because bounds may be finer than a microsecond.
        self.since_text
            .as_deref()
            .is_some_and(|since| head.timestamp < since)
            || self
                .until_text
                .as_deref()
                .is_some_and(|until| head.timestamp > until)
            || !self.types.is_empty() && !self.types.iter().any(type_is)
    }

    /// Whether the beginning of a line answers all filters.
    fn takes(&self, head: &Head<'_>) -> bool {
        self.user.is_none()
            && self.session.is_none()
            && !self.failed_only
            && !self.asks_of_commands()
            && self.tty.is_none()
            && self.host.is_none()
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

    /// Whether a filter needs the details.
    fn asks_of_commands(&self) -> bool {
        self.program.is_some()
            || !self.execs.is_empty()
            || self.argv.is_some()
            || self.exit.is_some()
    }

    fn matches(&self, view: &View<'_>) -> bool {
        let line = &view.line;
        let says = |wanted: &Option<String>, said: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == said
        };
        says(&self.user, line.username.as_ref().map(|name| &*name.0))
            && (self.types.is_empty() || self.types.contains(&view.event_type))
            && self.since.is_none_or(|since| view.timestamp >= since)
            && self.until.is_none_or(|until| view.timestamp < until)
            && (self.session.is_none() || self.session == view.session_id)
            && says(&self.tty, line.tty.as_ref().map(|tty| &*tty.0))
            && says(&self.host, Some(&line.host.0))
            && (!self.failed_only || failed(view))
            && (!self.asks_of_commands() || self.means(&Facts::of(line.details), view))
    }

    fn means(&self, facts: &Facts<'_>, view: &View<'_>) -> bool {
        let says = |wanted: &Option<String>, said: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == said
        };
        says(&self.program, facts.program.as_deref())
            && says(&self.argv, facts.argv_digest.as_deref())
            && (self.execs.is_empty()
                || facts
                    .exec_id
                    .as_deref()
                    .is_some_and(|exec| self.execs.contains(exec)))
            && self.exit.is_none_or(|exit| {
                view.event_type == EventType::CommandFinished && exit.takes(facts.end())
            })
    }
}

fn failed(view: &View<'_>) -> bool {
    let outcome = view.event_type.outcome(view.line.success);
    matches!(outcome, Outcome::Failed | Outcome::Refused)
}

/// Bytes that every matching line contains; the rarest known ones.
fn needle(
    query: &Query,
    user: Option<&str>,
    execs: &[String],
    argv: Option<&str>,
) -> Option<Vec<u8>> {
    let text = |key: &str, text: &str| {
        let mut needle = format!("\"{key}\":").into_bytes();
        push_string(&mut needle, text);
        Some(needle)
    };
    if let [only] = execs {
        text("exec_id", only)
    } else if let Some(digest) = argv {
        text("argv_digest", digest)
    } else if let Some(session) = query.session {
        text("session_id", &session.to_string())
    } else if let Some(program) = &query.program {
        text("program", program)
    } else if let Some(user) = user {
        text("username", user)
    } else if let Some(tty) = &query.tty {
        text("tty", tty)
    } else if query.exit.is_some() {
        text("event_type", EventType::CommandFinished.as_str())
    } else if let [only] = &query.types[..] {
        text("event_type", only.as_str())
    } else if !execs.is_empty() {
        Some(b"\"exec_id\":\"".to_vec())
    } else if query.failed_only {
        Some(b"\"success\":false".to_vec())
    } else {
        None
    }
}
