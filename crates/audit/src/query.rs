//! Queries of the log and their results.

#[cfg(any(test, fuzzing, feature = "test-util"))]
pub(crate) mod properties;

use super::event_name::EventName;
use super::exit_filter::ExitFilter;
use super::record::Record;
use super::removed_events::RemovedEvents;
use super::rows::Row;
use super::text::ArgvDigest;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::{ExecId, SessionId};

/// The maximum number of events in a result: 1 to 1000, 100 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

/// The limit is not in the range 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit must be from 1 to 1000, not {0}")]
pub struct BadLimit(u64);

impl Limit {
    /// The minimum.
    pub const MIN: Self = Self(1);
    /// The maximum.
    pub const MAX: Self = Self(1000);

    /// The number of events that is enough for `limit` rows.
    pub(super) const fn of_rows(limit: Self) -> Self {
        Self(limit.0 * super::rows::MOST_EVENTS)
    }

    /// Creates a limit.
    ///
    /// # Errors
    /// When it is 0 or more than 1000.
    pub fn new(limit: u64) -> Result<Self, BadLimit> {
        match u16::try_from(limit) {
            Ok(small @ 1..=1000) => Ok(Self(small)),
            _ => Err(BadLimit(limit)),
        }
    }

    /// As a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

/// A query: an event matches if it passes all filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// About this user; case-insensitive.
    pub user: Option<String>,
    /// Of one of these types; empty means any type.
    pub types: Vec<EventName>,
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// In this session.
    pub session: Option<SessionId>,
    /// Only events where something failed or was refused, not commands that ended with a code other
    /// than 0.
    pub failed_only: bool,
    /// About this program: the events that name one are `COMMAND_STARTED` and `COMMAND_REFUSED`.
    pub program: Option<String>,
    /// About one of these runs of guarded commands; empty means any.
    pub execs: Vec<ExecId>,
    /// The start of a command with this command line; see `Guard::argv_digest`.
    pub argv: Option<ArgvDigest>,
    /// The end of a command that ended like this.
    pub exit: Option<ExitFilter>,
    /// Recorded on this terminal, by its name below `/dev`.
    pub tty: Option<String>,
    /// Recorded on this machine.
    pub host: Option<String>,
    /// The maximum number of events or rows in the result.
    pub limit: Limit,
    /// What the limit counts.
    pub limit_unit: LimitUnit,
}

/// Each method sets a filter; `None` removes it.
///
/// ```
/// use nightlatch_audit::{EventType, Limit, Query};
///
/// let failures = Query::default()
///     .user("alice@example.com".to_owned())
///     .types([EventType::LoginFailure])
///     .limit(Limit::MAX);
/// assert_eq!(failures.types.len(), 1);
/// ```
impl Query {
    /// About this user; case-insensitive.
    #[must_use]
    pub fn user(mut self, user: impl Into<Option<String>>) -> Self {
        self.user = user.into();
        self
    }

    /// At or after this time.
    #[must_use]
    pub fn since(mut self, since: impl Into<Option<Timestamp>>) -> Self {
        self.since = since.into();
        self
    }

    /// Before this time.
    #[must_use]
    pub fn until(mut self, until: impl Into<Option<Timestamp>>) -> Self {
        self.until = until.into();
        self
    }

    /// In this session.
    #[must_use]
    pub fn session(mut self, session: impl Into<Option<SessionId>>) -> Self {
        self.session = session.into();
        self
    }

    /// About this program.
    #[must_use]
    pub fn program(mut self, program: impl Into<Option<String>>) -> Self {
        self.program = program.into();
        self
    }

    /// The start of a command with this command line.
    #[must_use]
    pub fn argv(mut self, argv: impl Into<Option<ArgvDigest>>) -> Self {
        self.argv = argv.into();
        self
    }

    /// The end of a command that ended like this.
    #[must_use]
    pub fn exit(mut self, exit: impl Into<Option<ExitFilter>>) -> Self {
        self.exit = exit.into();
        self
    }

    /// Recorded on this terminal.
    #[must_use]
    pub fn tty(mut self, tty: impl Into<Option<String>>) -> Self {
        self.tty = tty.into();
        self
    }

    /// Recorded on this machine.
    #[must_use]
    pub fn host(mut self, host: impl Into<Option<String>>) -> Self {
        self.host = host.into();
        self
    }

    /// Of one of these types; none means any type.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<EventName>>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// About one of these runs of guarded commands; none means any.
    #[must_use]
    pub fn execs(mut self, execs: impl IntoIterator<Item = ExecId>) -> Self {
        self.execs = execs.into_iter().collect();
        self
    }

    /// Only events where something failed or was refused, if `only`.
    #[must_use]
    pub fn failed_only(mut self, only: bool) -> Self {
        self.failed_only = only;
        self
    }

    /// The maximum number of events or rows in the result.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }

    /// What the limit counts.
    #[must_use]
    pub fn limit_unit(mut self, unit: LimitUnit) -> Self {
        self.limit_unit = unit;
        self
    }
}

/// What a [`Limit`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitUnit {
    /// Events.
    #[default]
    Events,
    /// Rows for people, in which the events of a guarded command form one row; see
    /// [`QueryResult::rows`].
    Rows,
}

/// The result of a [`Query`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct QueryResult {
    /// The newest matching events, in log order: newest last.
    pub events: Vec<Record>,
    /// The total number of matches. Those that are not in `events` were judged only by the parts
    /// that the filters need: for a damaged line, possibly only its beginning and its end.
    pub total: u64,
    /// Whether older events match that are not in the result.
    pub has_more: bool,
    /// Lines that may have matched but are not events: of all lines examined, or, with a text
    /// filter, of those that contain the text. Verification reports each one.
    pub unreadable: u64,
    /// The result as rows, if the limit counts rows: a guarded command is one row. Empty otherwise.
    pub rows: Vec<Row>,
    /// Removed events that might have matched.
    pub removed: Vec<RemovedEvents>,
    /// The position where the result ends.
    pub end: Position,
}

/// The totals of a reading of all matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuerySummary {
    /// The number of matches returned.
    pub total: u64,
    /// Lines that may have matched but are not events, as in [`QueryResult::unreadable`].
    pub unreadable: u64,
}

/// A position between two lines of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The segment, by the number of its first line; 0 is before all segments.
    pub(super) segment: u64,
    /// The byte offset in it.
    pub(super) offset: u64,
}
