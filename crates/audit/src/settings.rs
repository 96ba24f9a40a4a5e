//! The settings that each segment's first line records, so that changes to them are on record.

use std::time::Duration;

use super::json::Object;

/// The settings in force when events are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSettings {
    /// The idle timeout of new sessions, in whole seconds.
    pub idle: Duration,
    /// The absolute timeout of new sessions, in whole seconds.
    pub max: Duration,
    /// How long closed segments are kept, in whole seconds.
    pub retention: Duration,
    /// The password policy: `nist` or `pci`.
    pub policy: &'static str,
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
            policy,
            syslog,
        }
    }

    pub(super) fn write(&self, object: &mut Object<'_>) {
        object.token("idle_seconds", self.idle.as_secs());
        object.token("max_seconds", self.max.as_secs());
        object.token("retention_seconds", self.retention.as_secs());
        object.plain("policy", self.policy);
        object.token("syslog", self.syslog);
    }
}
