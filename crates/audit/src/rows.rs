//! Events as rows for people: a guarded command is one row, however many events it has.

use std::collections::HashMap;
use std::time::Duration;

use super::catalogue::EventType;
use super::command_end::CommandEnd;
use super::facts::Facts;
use super::outcome::Outcome;
use super::record::Record;
use nightlatch_core::id::ExecId;

/// The maximum number of events per row: session used, session extended, command started, command
/// ended.
pub(super) const MOST_EVENTS: u16 = 4;

/// One row.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums)] // whoever shows rows handles every kind
pub enum Row {
    /// An event.
    Event(Record),
    /// A guarded command.
    Command(CommandRow),
}

/// A guarded command, assembled from its events.
#[derive(Clone, Debug)]
pub struct CommandRow {
    /// The run.
    pub exec: ExecId,
    /// The event that determines its place: its start, or its end if the start is not listed.
    pub record: Record,
    /// The program's name; `None` if no remaining event has it.
    pub program: Option<String>,
    /// How it ended; `None` while it runs, or if its end was never recorded.
    pub end: Option<CommandEnd>,
    /// How long it ran.
    pub took: Option<Duration>,
    /// The number of listed events in this row.
    events: u64,
}

impl CommandRow {
    /// The outcome; `None` while it runs, or if its end was never recorded.
    pub fn outcome(&self) -> Option<Outcome> {
        self.end.map(|end| {
            if end == CommandEnd::Exited(0) {
                Outcome::Ok
            } else {
                Outcome::NonZero
            }
        })
    }
}

impl Row {
    /// The event that determines the row's place.
    pub fn record(&self) -> &Record {
        match self {
            Self::Event(record) => record,
            Self::Command(command) => &command.record,
        }
    }

    /// The number of listed events in this row.
    pub(super) fn events(&self) -> u64 {
        match self {
            Self::Event(_) => 1,
            Self::Command(command) => command.events,
        }
    }
}

/// The rows of `records`, which are in log order. Each row takes the place of its first event.
pub(super) fn rows(records: &[Record]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(records.len());
    let mut at: HashMap<ExecId, usize> = HashMap::new();
    for record in records {
        let facts = Facts::of(&record.details);
        let row = match (record.event_type.known(), facts.exec()) {
            (Some(EventType::CommandStarted), Some(exec)) => {
                let before = take_uses(&mut rows, record);
                at.insert(exec, rows.len());
                Row::Command(CommandRow {
                    exec,
                    record: record.clone(),
                    program: facts.program.map(String::from),
                    end: None,
                    took: None,
                    events: 1 + before,
                })
            }
            (Some(EventType::CommandFinished), Some(exec)) => {
                if let Some(Row::Command(command)) = at.remove(&exec).map(|at| &mut rows[at]) {
                    command.end = facts.end();
                    command.took = facts.took();
                    command.events += 1;
                    continue;
                }
                Row::Command(CommandRow {
                    exec,
                    record: record.clone(),
                    program: None,
                    end: facts.end(),
                    took: facts.took(),
                    events: 1,
                })
            }
            _ => Row::Event(record.clone()),
        };
        rows.push(row);
    }
    rows
}

/// Removes from the end of `rows` the uses of the session that were recorded with `start` in one
/// append. Returns how many.
fn take_uses(rows: &mut Vec<Row>, start: &Record) -> u64 {
    let mut next = start.seq;
    let mut taken = 0;
    while taken < 2
        && let Some(Row::Event(use_)) = rows.last()
    {
        let is_use = match use_.event_type.known() {
            Some(EventType::SessionExtended) => taken == 0,
            Some(EventType::SessionValidated) => Facts::of(&use_.details).is_exec(),
            _ => false,
        };
        let is_of_start = next == use_.seq + 1
            && use_.session_id == start.session_id
            && use_.pid == start.pid
            && use_.host == start.host;
        if !is_use || !is_of_start {
            break;
        }
        next = use_.seq;
        let was_validated = use_.event_type == EventType::SessionValidated;
        rows.pop();
        taken += 1;
        if was_validated {
            break;
        }
    }
    taken
}

/// Completes `rows` with `others`, events of the same commands that are not listed.
pub(super) fn complete(rows: &mut [Row], others: &[Record]) {
    let mut of: HashMap<ExecId, Vec<Facts<'_>>> = HashMap::new();
    for other in others {
        let facts = Facts::of(&other.details);
        if let Some(exec) = facts.exec() {
            of.entry(exec).or_default().push(facts);
        }
    }
    for row in rows {
        let Row::Command(command) = row else { continue };
        for facts in of.get(&command.exec).into_iter().flatten() {
            if command.program.is_none() {
                command.program = facts.program.as_deref().map(str::to_owned);
            }
            if command.end.is_none() {
                command.end = facts.end();
                command.took = command.took.or(facts.took());
            }
        }
    }
}

/// The commands in `rows` of which an event is missing.
pub(super) fn incomplete(rows: &[Row]) -> impl Iterator<Item = &CommandRow> {
    rows.iter().filter_map(|row| match row {
        Row::Command(command) if command.program.is_none() || command.end.is_none() => {
            Some(command)
        }
        _ => None,
    })
}
