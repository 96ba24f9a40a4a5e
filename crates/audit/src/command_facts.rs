//! The facts about guarded commands in the details of their events.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::command_end::CommandEnd;
use super::reason::CommandFailure;
use super::record::Record;
use nightlatch_core::id::ExecId;

/// The details of a command's events. Empty if the line is damaged or foreign.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CommandFacts<'a> {
    #[serde(borrow)]
    pub(super) program: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) exec_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) argv_digest: Option<Cow<'a, str>>,
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    duration_ms: Option<u64>,
}

impl<'a> CommandFacts<'a> {
    pub(super) fn of(details: &'a RawValue) -> Self {
        serde_json::from_str(details.get()).unwrap_or_default()
    }

    /// The run that the event is about.
    pub(super) fn exec(&self) -> Option<ExecId> {
        self.exec_id.as_ref()?.parse().ok()
    }

    /// How the command ended.
    pub(super) fn end(&self) -> Option<CommandEnd> {
        if let Some(code) = self.exit_code {
            return Some(CommandEnd::Exited(code));
        }
        if let Some(signal) = self.signal {
            return Some(CommandEnd::Signalled(signal));
        }
        let error = self.error.as_deref()?;
        let failure = CommandFailure::ALL
            .iter()
            .find(|failure| failure.as_str() == error);
        failure.copied().map(CommandEnd::Failed)
    }

    /// How long it ran.
    pub(super) fn took(&self) -> Option<Duration> {
        self.duration_ms.map(Duration::from_millis)
    }

    /// Whether the event records the use of a session to run a command.
    pub(super) fn is_exec(&self) -> bool {
        self.action.as_deref() == Some("exec")
    }
}

impl Record {
    /// The run of a guarded command that the event is about.
    pub fn exec_id(&self) -> Option<ExecId> {
        CommandFacts::of(&self.details).exec()
    }

    /// How the guarded command ended, if the record has that.
    pub fn command_end(&self) -> Option<CommandEnd> {
        CommandFacts::of(&self.details).end()
    }
}

/// A filter on the ends of guarded commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitFilter {
    /// Any end except exit code 0.
    NonZero,
    /// With this exit code.
    Code(i32),
    /// By any signal.
    AnySignal,
    /// By this signal.
    Signal(i32),
}

/// The text is not a valid filter on the end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write nonzero, an exit code from 0 to 255, signal, or signal:N")]
pub struct BadExitFilter;

impl ExitFilter {
    /// Whether an event with this end matches.
    pub(super) fn takes(self, end: Option<CommandEnd>) -> bool {
        match (self, end) {
            (Self::NonZero, Some(end)) => end != CommandEnd::Exited(0),
            (Self::Code(wanted), Some(CommandEnd::Exited(code))) => code == wanted,
            (Self::Signal(wanted), Some(CommandEnd::Signalled(signal))) => signal == wanted,
            (Self::AnySignal, Some(CommandEnd::Signalled(_))) => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for ExitFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NonZero => f.write_str("nonzero"),
            Self::Code(code) => write!(f, "{code}"),
            Self::AnySignal => f.write_str("signal"),
            Self::Signal(signal) => write!(f, "signal:{signal}"),
        }
    }
}

impl FromStr for ExitFilter {
    type Err = BadExitFilter;

    fn from_str(text: &str) -> Result<Self, BadExitFilter> {
        let number = |text: &str, most| {
            text.parse()
                .ok()
                .filter(|number| (0..=most).contains(number))
                .ok_or(BadExitFilter)
        };
        match text {
            "nonzero" => Ok(Self::NonZero),
            "signal" => Ok(Self::AnySignal),
            _ => match text.strip_prefix("signal:") {
                Some(signal) => number(signal, 64).map(Self::Signal),
                None => number(text, 255).map(Self::Code),
            },
        }
    }
}
