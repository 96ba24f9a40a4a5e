//! The facts in details that readers of any event ask for, read in place.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::command_end::CommandEnd;
use super::forms::Written;
use super::reason::CommandFailure;
use nightlatch_core::id::ExecId;

/// The keys that several events have, each with one meaning. All are absent if the details do not
/// have the catalogue's form, as in a log that was tampered with.
///
/// [`Record::read_details`](super::Record::read_details) reads the details of one event in full.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Facts<'a> {
    #[serde(borrow)]
    pub(super) reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) action: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) program: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) exec_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) argv_digest: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) segment: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) secret: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) what: Option<Cow<'a, str>>,
    pub(super) address: Option<IpAddr>,
    #[serde(borrow)]
    pub(super) user_agent: Option<Cow<'a, str>>,
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) duration_ms: Option<u64>,
}

impl<'a> Facts<'a> {
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
        CommandFailure::read(self.error.as_deref()?).map(CommandEnd::Failed)
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
