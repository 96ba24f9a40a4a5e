//! The limits of a session and of the audit log's retention, each once: configuration, sessions and
//! servers take them from here.

use std::time::Duration;

/// The longest idle timeout, and the default: 15 minutes (PCI DSS 8.2.8, NIST SP 800-63B section
/// 4.3.3).
pub const IDLE_CEILING: Duration = Duration::from_secs(15 * 60);
/// The default absolute limit of a session: 4 hours.
pub const MAX_DEFAULT: Duration = Duration::from_secs(4 * 3600);
/// The longest absolute limit: 12 hours (NIST SP 800-63B section 4.3.3).
pub const MAX_CEILING: Duration = Duration::from_secs(12 * 3600);
/// The highest generation of an account and its sessions: more password changes than ever happen.
pub const GENERATION_CEILING: u64 = 0xffff_ffff;
/// The shortest idle timeout and absolute limit.
pub const FLOOR: Duration = Duration::from_secs(1);

/// The shortest retention of the audit log: one day, the time span of a segment.
pub const RETENTION_FLOOR: Duration = Duration::from_secs(24 * 3600);
/// The shortest retention under PCI rules: 12 months (PCI DSS 4.0, 10.5.1).
pub const PCI_RETENTION_FLOOR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The limits of a session, always within the ceilings.
///
/// ```
/// use std::time::Duration;
///
/// use nightlatch_core::limits::Limits;
///
/// let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
/// let short = Limits::new(minutes(5), minutes(60))?;
/// assert_eq!((short.idle(), short.max()), (minutes(5), minutes(60)));
/// assert!(Limits::default().with_idle(minutes(16)).is_err());
/// # Ok::<(), nightlatch_core::limits::LimitOutOfRange>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    idle: Duration,
    max: Duration,
    max_ceiling: Duration,
}

/// A time limit outside its range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the {name} limit must be from 1s to {}, not {}", humantime::format_duration(*.ceiling), humantime::format_duration(*.given))]
pub struct LimitOutOfRange {
    name: &'static str,
    ceiling: Duration,
    given: Duration,
}

impl Limits {
    /// Checks the limits: `idle` from 1 s to 15 min, `max` from 1 s to 12 h.
    ///
    /// # Errors
    /// When either is outside its range; they are never silently clamped.
    pub fn new(idle: Duration, max: Duration) -> Result<Self, LimitOutOfRange> {
        Self::default().with_idle(idle)?.with_max(max)
    }

    /// These limits with another `idle`.
    ///
    /// # Errors
    /// When it is not from 1 s to 15 min.
    pub fn with_idle(self, idle: Duration) -> Result<Self, LimitOutOfRange> {
        let idle = within("idle", idle, IDLE_CEILING)?;
        Ok(Self { idle, ..self })
    }

    /// These limits with another `max`, which [`Limits::for_session`] can then only shorten.
    ///
    /// # Errors
    /// When it is not from 1 s to 12 h.
    pub fn with_max(self, max: Duration) -> Result<Self, LimitOutOfRange> {
        let max = within("max", max, MAX_CEILING)?;
        Ok(Self {
            max,
            max_ceiling: max,
            ..self
        })
    }

    /// The longest `max` that [`Limits::for_session`] accepts.
    pub fn max_ceiling(self) -> Duration {
        self.max_ceiling
    }

    /// The time without activity after which the session ends.
    pub fn idle(self) -> Duration {
        self.idle
    }

    /// The time after sign-in at which the session ends in any case.
    pub fn max(self) -> Duration {
        self.max
    }

    /// The limits of one session, with `idle` and `max` replaced if given. Configured limits can
    /// only be shortened. Where no `max` is configured, up to 12 hours are allowed.
    ///
    /// # Errors
    /// When one is out of range, or longer than configured.
    pub fn for_session(
        self,
        idle: Option<Duration>,
        max: Option<Duration>,
    ) -> Result<Self, LimitOutOfRange> {
        let new = Self::new(idle.unwrap_or(self.idle), max.unwrap_or(self.max))?;
        within("idle", new.idle, self.idle)?;
        within("max", new.max, self.max_ceiling)?;
        Ok(new)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: IDLE_CEILING,
            max: MAX_DEFAULT,
            max_ceiling: MAX_CEILING,
        }
    }
}

/// Checks that a limit is within its range.
fn within(
    name: &'static str,
    given: Duration,
    ceiling: Duration,
) -> Result<Duration, LimitOutOfRange> {
    if (FLOOR..=ceiling).contains(&given) {
        Ok(given)
    } else {
        Err(LimitOutOfRange {
            name,
            ceiling,
            given,
        })
    }
}
