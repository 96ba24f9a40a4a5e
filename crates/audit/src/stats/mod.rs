//! Statistics of the log, from one pass, in memory that does not grow with the log.

mod activity;
mod count;
mod series;
mod spans;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::catalogue::EventType;
use super::event_name::EventName;
use super::record::Record;
use nightlatch_core::clock::Timestamp;
use series::Series;
use spans::Spans;

pub use activity::Extender;
pub use count::Count;
pub use series::Bucket;
pub use spans::{CommandSpan, LeftOut, SessionSpan};

/// The maximum number of accounts counted by name, since a hostile log may have any number.
const MAX_ACCOUNTS: usize = 10_000;
/// The maximum number of types counted by name, since a hostile log may have any number of unknown
/// ones.
const MAX_TYPES: usize = 1000;

/// The counts of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountCount {
    /// Its events.
    pub count: Count,
    /// Sessions that started.
    pub sessions: u64,
    /// Guarded commands that started.
    pub commands: u64,
}

impl AccountCount {
    fn add(&mut self, record: &Record) {
        self.count.add(record);
        self.sessions += u64::from(record.event_type == EventType::SessionCreated);
        self.commands += u64::from(record.event_type == EventType::CommandStarted);
    }
}

/// Counts events. Feed it with [`LogReader::for_each`](super::LogReader::for_each).
///
/// Its texts come from the log and must be escaped before they reach a terminal or a page.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    total: Count,
    range: Option<(Timestamp, Timestamp)>,
    types: BTreeMap<EventName, Count>,
    other_types: Count,
    hours: [Count; 24],
    accounts: BTreeMap<String, AccountCount>,
    other_accounts: AccountCount,
    series: Series,
    spans: Spans,
}

impl Statistics {
    /// Counts an event. Events must be added in log order.
    pub fn add(&mut self, record: &Record) {
        let at = record.timestamp;
        self.total.add(record);
        let (first, last) = self.range.unwrap_or((at, at));
        self.range = Some((first.min(at), last.max(at)));
        self.event_type(&record.event_type).add(record);
        self.hours[usize::from(at.to_offset_date_time().hour())].add(record);
        if let Some(name) = &record.username {
            self.account(name).add(record);
        }
        self.series.add(record);
        self.spans.add(record);
    }

    fn event_type(&mut self, name: &EventName) -> &mut Count {
        let is_new = !self.types.contains_key(name);
        if is_new && name.known().is_none() && self.types.len() >= MAX_TYPES {
            return &mut self.other_types;
        }
        self.types.entry(name.clone()).or_default()
    }

    fn account(&mut self, name: &str) -> &mut AccountCount {
        if !self.accounts.contains_key(name) && self.accounts.len() >= MAX_ACCOUNTS {
            return &mut self.other_accounts;
        }
        self.accounts.entry(name.to_owned()).or_default()
    }

    /// All events.
    pub fn total(&self) -> Count {
        self.total
    }

    /// The earliest and the latest time of an event.
    pub fn range(&self) -> Option<(Timestamp, Timestamp)> {
        self.range
    }

    /// The types, most frequent first.
    pub fn by_type(&self) -> Vec<(&EventName, Count)> {
        let mut types: Vec<_> = self
            .types
            .iter()
            .map(|(name, count)| (name, *count))
            .collect();
        types.sort_by_key(|(_, count)| std::cmp::Reverse(count.events));
        types
    }

    /// Events of unknown types beyond the first 1,000 types, counted together.
    pub fn other_types(&self) -> Count {
        self.other_types
    }

    /// The accounts, those with the most events first.
    pub fn by_account(&self) -> Vec<(&str, AccountCount)> {
        let accounts = self.accounts.iter();
        let mut accounts: Vec<_> = accounts.map(|(name, count)| (&**name, *count)).collect();
        accounts.sort_by_key(|(_, account)| std::cmp::Reverse(account.count.events));
        accounts
    }

    /// Events about accounts beyond the first 10,000, counted together.
    pub fn other_accounts(&self) -> AccountCount {
        self.other_accounts
    }

    /// By the hour of the day, in UTC.
    pub fn by_hour(&self) -> &[Count; 24] {
        &self.hours
    }

    /// Over time, from the first event to the last without gaps, in at most `columns` equal parts
    /// (but not fewer than 31 if the range is that of [`Timestamp`]).
    pub fn over_time(&self, columns: usize) -> Vec<Bucket> {
        self.series.dense(columns)
    }

    /// The number of sessions in the events.
    pub fn session_count(&self) -> u64 {
        self.spans.session_count()
    }

    /// The newest 400 sessions, by their start. A session without a recorded end lasts until its
    /// limits, or until `now`.
    pub fn sessions(&self, now: Timestamp) -> Vec<SessionSpan> {
        self.spans.sessions(now)
    }

    /// The sessions that [`Statistics::sessions`] leaves out.
    pub fn sessions_left_out(&self) -> Option<LeftOut> {
        self.spans.sessions_left_out()
    }

    /// The longest 10 sessions, the longest first.
    pub fn longest_sessions(&self, now: Timestamp) -> Vec<SessionSpan> {
        self.spans.longest(now)
    }

    /// How many guarded commands started.
    pub fn command_count(&self) -> u64 {
        self.types
            .get(&EventType::CommandStarted.into())
            .map_or(0, |count| count.events)
    }

    /// The newest 1,000 guarded commands, by their start.
    pub fn commands(&self) -> Vec<CommandSpan> {
        self.spans.commands()
    }

    /// The commands that [`Statistics::commands`] leaves out.
    pub fn commands_left_out(&self) -> Option<LeftOut> {
        self.spans.commands_left_out()
    }
}
