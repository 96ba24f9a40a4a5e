//! The record of a reading: how the log was read, and with which filters.

use serde::{Deserialize, Serialize};

use super::event_name::EventName;
use super::exit_filter::ExitFilter;
use super::forms::optional;
use super::reason::names;
use super::text::ArgvDigest;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

names! {
    /// How the log was read.
    ReadKind {
        /// The newest events were listed.
        List => "list",
        /// Events were counted.
        Stats => "stats",
        /// Every event was exported.
        Export => "export",
        /// A report was made.
        Report => "report",
        /// Events were listed, and then as they came.
        Follow => "follow",
    }
}

/// The filters of a reading, without secrets: an unknown account is recorded as `(unknown)`, and a
/// command line as its keyed digest. Long lists and texts are truncated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFilters(pub(super) Box<Filters>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Filters {
    #[serde(skip_serializing_if = "Option::is_none", with = "optional")]
    pub(super) since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", with = "optional")]
    pub(super) until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) event: Vec<EventName>,
    #[serde(skip_serializing_if = "Option::is_none", with = "optional")]
    pub(super) session: Option<SessionId>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) failed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) exec_id: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) argv_digest: Option<ArgvDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exit: Option<ExitFilter>,
}
