//! The settings that each segment's first line records, so that changes to them are on record.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::forms::seconds;

/// The settings in force when events are recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogSettings {
    /// The idle timeout of new sessions, in whole seconds.
    #[serde(rename = "idle_seconds", with = "seconds")]
    pub idle: Duration,
    /// The absolute timeout of new sessions, in whole seconds.
    #[serde(rename = "max_seconds", with = "seconds")]
    pub max: Duration,
    /// How long closed segments are kept, in whole seconds.
    #[serde(rename = "retention_seconds", with = "seconds")]
    pub retention: Duration,
    /// The password policy: `nist` or `pci`.
    pub policy: Cow<'static, str>,
    /// Whether anchors are sent to the system log.
    pub syslog: bool,
}

impl LogSettings {
    /// Creates the settings from their values.
    pub const fn new(
        idle: Duration,
        max: Duration,
        retention: Duration,
        policy: &'static str,
        syslog: bool,
    ) -> Self {
        Self {
            idle,
            max,
            retention,
            policy: Cow::Borrowed(policy),
            syslog,
        }
    }
}
