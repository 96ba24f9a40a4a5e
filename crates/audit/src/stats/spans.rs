//! Time spans of sessions, and of the commands in them.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::activity::{Activity, Extender};
use crate::catalogue::EventType;
use crate::command_end::CommandEnd;
use crate::details::Details;
use crate::facts::Facts;
use crate::record::Record;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::{ExecId, SessionId};

/// The maximum number of sessions or commands followed at once; beyond that, the older half is no
/// longer followed.
const MAX_OPEN: usize = 10_000;
const NEWEST_SESSIONS: usize = 400;
const LONGEST_SESSIONS: usize = 10;
const NEWEST_COMMANDS: usize = 1000;

/// A session according to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSpan {
    /// The session's id.
    pub id: SessionId,
    /// The account.
    pub username: Option<String>,
    /// When it started, or was first seen.
    pub start: Timestamp,
    /// Whether its start is among the events.
    pub start_seen: bool,
    /// When it ended. A timeout counts from when it passed, not from when it was noticed.
    pub end: Timestamp,
    /// What ended it; `None` if no event records that.
    pub ended_by: Option<EventType>,
    /// The number of extensions.
    pub extensions: u64,
    /// What extended it most often.
    pub most_by: Option<Extender>,
}

impl SessionSpan {
    /// How long it lasted.
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }
}

/// A guarded command according to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // facts, which the tests of a report make up
pub struct CommandSpan {
    /// The account that ran it.
    pub username: Option<String>,
    /// The program's name.
    pub program: String,
    /// When it started.
    pub start: Timestamp,
    /// When it ended; equal to its start if no event records that.
    pub end: Timestamp,
    /// How it ended; `None` if no event records that: it is running, or its guard was killed.
    pub ended: Option<CommandEnd>,
}

/// Sessions or commands that are counted but no longer kept individually.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// How many.
    pub count: u64,
    /// When the first of them started.
    pub from: Timestamp,
    /// When the last of them started.
    pub to: Timestamp,
}

impl LeftOut {
    fn with(left: Option<Self>, start: Timestamp) -> Self {
        let Self { count, from, to } = left.unwrap_or(Self {
            count: 0,
            from: start,
            to: start,
        });
        Self {
            count: count + 1,
            from: from.min(start),
            to: to.max(start),
        }
    }
}

#[derive(Clone, Debug)]
struct Open {
    span: SessionSpan,
    idle: Option<Duration>,
    max: Option<Duration>,
    last_activity: Timestamp,
    activity: Activity,
}

impl Open {
    /// Ends it with the recorded end, or at its limits.
    fn ended(mut self, ended_by: Option<EventType>, at: Timestamp) -> SessionSpan {
        let limits = [
            self.idle.map(|idle| self.last_activity.plus(idle)),
            self.max.map(|max| self.span.start.plus(max)),
        ];
        let end = limits.into_iter().flatten().fold(at, Timestamp::min);
        self.span.end = end.max(self.span.start);
        self.span.ended_by = ended_by;
        self.span.extensions = self.activity.total();
        self.span.most_by = self.activity.most().cloned();
        self.span
    }

    /// Ends it without a record: at its limits if known, else when it was last seen.
    fn ended_unseen(self, now: Timestamp) -> SessionSpan {
        let at = if self.idle.is_some() {
            now
        } else {
            self.last_activity
        };
        self.ended(None, at)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    open: HashMap<SessionId, Open>,
    newest: VecDeque<SessionSpan>,
    old_sessions: Option<LeftOut>,
    longest: Vec<SessionSpan>,
    sessions: u64,
    running: HashMap<ExecId, CommandSpan>,
    commands: VecDeque<CommandSpan>,
    old_commands: Option<LeftOut>,
}

impl Spans {
    pub(super) fn add(&mut self, record: &Record) {
        use EventType as Is;
        match record.event_type.known() {
            Some(Is::SessionCreated | Is::SessionExtended | Is::SessionValidated) => {
                self.seen(record);
            }
            Some(
                Is::SessionExpired
                | Is::SessionTerminated
                | Is::SessionInvalid
                | Is::SessionRevoked,
            ) => self.ended(record),
            Some(Is::CommandStarted) => {
                self.seen(record);
                self.started(record);
            }
            Some(Is::CommandFinished) => self.finished(record),
            _ => {}
        }
    }

    fn seen(&mut self, record: &Record) {
        let Some(id) = record.session_id else { return };
        let at = record.timestamp;
        let is_new = !self.open.contains_key(&id);
        if is_new && self.open.len() >= MAX_OPEN {
            for open in older_half(&mut self.open, |open| open.last_activity) {
                // The current time is unknown here; usually the limits end the session earlier.
                self.keep(open.ended_unseen(at));
            }
        }
        self.sessions += u64::from(is_new);
        let open = self.open.entry(id).or_insert_with(|| Open {
            span: SessionSpan {
                id,
                username: record.username.clone(),
                start: at,
                start_seen: false,
                end: at,
                ended_by: None,
                extensions: 0,
                most_by: None,
            },
            idle: None,
            max: None,
            last_activity: at,
            activity: Activity::default(),
        });
        match record.event_type.known() {
            Some(EventType::SessionValidated) => open.activity.validated(record),
            Some(EventType::SessionExtended) => open.activity.extended(),
            Some(EventType::CommandStarted) => open.activity.started(record),
            _ => {}
        }
        if record.event_type == EventType::SessionCreated {
            open.span.start_seen = true;
            let limits = match record.read_details() {
                Some(Details::SessionCreated { idle, max }) => Some((idle, max)),
                _ => None,
            };
            (open.idle, open.max) = limits.unzip();
        }
        // A validation is not activity, but if the start was not seen, the limits are unknown.
        if record.event_type != EventType::SessionValidated || open.idle.is_none() {
            open.last_activity = open.last_activity.max(at);
        }
    }

    fn ended(&mut self, record: &Record) {
        let open = record.session_id.and_then(|id| self.open.remove(&id));
        if let Some(open) = open {
            let span = open.ended(record.event_type.known(), record.timestamp);
            self.keep(span);
        }
    }

    fn keep(&mut self, span: SessionSpan) {
        self.longest.push(span.clone());
        if self.longest.len() >= 4 * LONGEST_SESSIONS {
            keep_longest(&mut self.longest);
        }
        if let Some(old) = keep_newest(&mut self.newest, span, NEWEST_SESSIONS) {
            self.old_sessions = Some(LeftOut::with(self.old_sessions, old.start));
        }
    }

    fn keep_command(&mut self, span: CommandSpan) {
        if let Some(old) = keep_newest(&mut self.commands, span, NEWEST_COMMANDS) {
            self.old_commands = Some(LeftOut::with(self.old_commands, old.start));
        }
    }

    fn started(&mut self, record: &Record) {
        let facts = Facts::of(&record.details);
        let exec = facts.exec();
        let span = CommandSpan {
            username: record.username.clone(),
            program: facts.program.map(String::from).unwrap_or_default(),
            start: record.timestamp,
            end: record.timestamp,
            ended: None,
        };
        if self.running.len() >= MAX_OPEN {
            for span in older_half(&mut self.running, |span| span.start) {
                self.keep_command(span);
            }
        }
        // If two commands have the same id, keep both.
        let left = match exec {
            Some(exec) => self.running.insert(exec, span),
            None => Some(span),
        };
        if let Some(span) = left {
            self.keep_command(span);
        }
    }

    fn finished(&mut self, record: &Record) {
        let exec = record.exec_id();
        if let Some(mut span) = exec.and_then(|exec| self.running.remove(&exec)) {
            span.end = record.timestamp.max(span.start);
            span.ended = record.command_end();
            self.keep_command(span);
        }
    }

    pub(super) fn session_count(&self) -> u64 {
        self.sessions
    }

    fn still_open(&self, now: Timestamp) -> impl Iterator<Item = SessionSpan> {
        let open = self.open.values().cloned();
        open.map(move |open| open.ended_unseen(now))
    }

    pub(super) fn sessions(&self, now: Timestamp) -> Vec<SessionSpan> {
        let mut all: Vec<_> = self.newest.iter().cloned().collect();
        all.extend(self.still_open(now));
        all.sort_by_key(|span| (span.start, span.id));
        all.split_off(all.len().saturating_sub(NEWEST_SESSIONS))
    }

    /// The sessions that `sessions` leaves out.
    pub(super) fn sessions_left_out(&self) -> Option<LeftOut> {
        let kept = self.newest.iter().map(|span| span.start);
        let open = self.open.values().map(|open| open.span.start);
        left_out(self.old_sessions, kept.chain(open), NEWEST_SESSIONS)
    }

    pub(super) fn longest(&self, now: Timestamp) -> Vec<SessionSpan> {
        let mut all = self.longest.clone();
        all.extend(self.still_open(now));
        keep_longest(&mut all);
        all
    }

    pub(super) fn commands(&self) -> Vec<CommandSpan> {
        let mut all: Vec<_> = self.commands.iter().cloned().collect();
        all.extend(self.running.values().cloned());
        all.sort_by(|one, other| (one.start, &one.program).cmp(&(other.start, &other.program)));
        all.split_off(all.len().saturating_sub(NEWEST_COMMANDS))
    }

    /// The commands that `commands` leaves out.
    pub(super) fn commands_left_out(&self) -> Option<LeftOut> {
        let spans = self.commands.iter().chain(self.running.values());
        left_out(
            self.old_commands,
            spans.map(|span| span.start),
            NEWEST_COMMANDS,
        )
    }
}

/// What was dropped, and what exceeds the newest `most` of the rest.
fn left_out(
    old: Option<LeftOut>,
    starts: impl Iterator<Item = Timestamp>,
    most: usize,
) -> Option<LeftOut> {
    let mut starts: Vec<_> = starts.collect();
    starts.sort_unstable();
    starts.truncate(starts.len().saturating_sub(most));
    let with = |left, start| Some(LeftOut::with(left, start));
    starts.into_iter().fold(old, with)
}

/// Keeps `span`; returns the oldest earlier one if there are already `most` of them.
fn keep_newest<T>(kept: &mut VecDeque<T>, span: T, most: usize) -> Option<T> {
    let oldest = if kept.len() >= most {
        kept.pop_front()
    } else {
        None
    };
    kept.push_back(span);
    oldest
}

fn keep_longest(spans: &mut Vec<SessionSpan>) {
    spans.sort_by_key(|span| (Reverse(span.length()), span.start, span.id));
    spans.truncate(LONGEST_SESSIONS);
}

/// Removes the older half of `map`, oldest first.
fn older_half<K: Copy + Eq + std::hash::Hash + Ord, V>(
    map: &mut HashMap<K, V>,
    age: impl Fn(&V) -> Timestamp,
) -> Vec<V> {
    let mut ages: Vec<_> = map.iter().map(|(key, value)| (age(value), *key)).collect();
    ages.sort_unstable();
    ages.truncate(ages.len() / 2);
    ages.iter().filter_map(|(_, key)| map.remove(key)).collect()
}
