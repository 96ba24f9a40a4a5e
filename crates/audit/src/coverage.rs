//! How far back the log reaches.

use std::time::Duration;

use super::error::{AuditError, Damage};
use super::log::AuditLog;
use super::opening::Opening;
use super::segment::segments;
use nightlatch_core::clock::Timestamp;

/// How far back the log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// The time of the oldest remaining event.
    pub since: Timestamp,
    /// Whether the oldest event is the log's first, so that nothing has been removed.
    pub is_complete: bool,
}

impl Coverage {
    /// A log whose oldest event is of the time `since`.
    pub const fn new(since: Timestamp, is_complete: bool) -> Self {
        Self { since, is_complete }
    }

    /// How much of a history of this `length` is missing at `now`. Nothing is missing from a
    /// complete log, even if it is younger than `length`.
    pub fn missing(&self, length: Duration, now: Timestamp) -> Duration {
        if self.is_complete {
            Duration::ZERO
        } else {
            length.saturating_sub(now.since(self.since))
        }
    }
}

impl AuditLog {
    /// How far back the log reaches; `None` if there is no log. Reads one line and records nothing.
    ///
    /// # Errors
    /// When the first segment cannot be read, or its first line does not open one.
    pub fn coverage(&self) -> Result<Option<Coverage>, AuditError> {
        let Some(dir) = self.directory()? else {
            return Ok(None);
        };
        let Some(&first) = segments(&dir.names()?).first() else {
            return Ok(None);
        };
        let path = dir.path().join(first.to_string());
        let opening = Opening::read(&dir, first)?;
        let opening = opening.ok_or_else(|| AuditError::damaged(&path, Damage::NotAnEvent))?;
        Ok(Some(Coverage {
            since: opening.timestamp,
            is_complete: first.first() == 1,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn only_a_pruned_log_lacks_history() {
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let of = |days: u32, is_complete| Coverage {
            since: now.minus(days * DAY),
            is_complete,
        };
        assert_eq!(of(90, false).missing(365 * DAY, now), 275 * DAY);
        assert_eq!(of(365, false).missing(365 * DAY, now), Duration::ZERO);
        assert_eq!(of(500, false).missing(365 * DAY, now), Duration::ZERO);
        assert_eq!(of(1, true).missing(365 * DAY, now), Duration::ZERO);
    }
}
