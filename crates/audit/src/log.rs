//! The log of a home: its location and how it is kept.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::error::AuditError;
use super::event_source::Origin;
use super::forward::Forward;
use super::segment::{DIRECTORY, SEGMENT_SIZE, segments};
use super::settings::LogSettings;
use super::state_file::StateFile;
use nightlatch_core::clock::{Clock, Moment, Timestamp};
use nightlatch_platform::fs::Dir;

/// Whether there is an account with this email.
type IsAccount = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The log of a home. Keeps nothing open: every call reads the log's current state.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = std::sync::Arc::new(nightlatch_platform::fs::Dir::open_or_create(&scratch.path().join("home"))?);
/// use nightlatch_audit::AuditLog;
/// use nightlatch_audit::{AuditName, Details, Event, Progress, Query};
/// use nightlatch_platform::clock::SystemClock;
///
/// let log = AuditLog::new(home, std::sync::Arc::new(SystemClock));
/// let event = Event::new(Details::LoginAttempt).about(AuditName::known("alice@example.com"));
/// log.append_durable(&[event])?;
///
/// let found = log.reader().list(&Query::default(), &Progress::default())?;
/// let last = found.answer.events.last().and_then(|event| event.username.as_deref());
/// assert_eq!(last, Some("alice@example.com"));
/// # Ok(())
/// # }
/// ```
pub struct AuditLog {
    pub(super) home: Arc<Dir>,
    clock: Arc<dyn Clock>,
    /// Determined with the first event: most read-only commands record nothing.
    origin: OnceLock<Origin>,
    /// Determined with the first event, too.
    boot: OnceLock<[u8; 16]>,
    pub(super) segment_size: u64,
    /// Whether nothing has been recorded in this home yet; if it returns `false`, no log is
    /// created.
    pub(super) is_new: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    /// Whether a normalized email belongs to an account, and so may appear in a record.
    accounts: Option<IsAccount>,
    /// The system log's socket, if anchors are sent to it.
    pub(super) syslog: Option<PathBuf>,
    /// Where events are forwarded.
    pub(super) forward: Option<Forward>,
    /// The settings in force, recorded with each segment.
    pub(super) settings: Option<LogSettings>,
}

impl AuditLog {
    /// The log in `home`, with events from this process. Accesses nothing until it is used.
    pub fn new(home: Arc<Dir>, clock: Arc<dyn Clock>) -> Self {
        Self {
            home,
            clock,
            origin: OnceLock::new(),
            boot: OnceLock::new(),
            segment_size: SEGMENT_SIZE,
            is_new: None,
            accounts: None,
            syslog: None,
            forward: None,
            settings: None,
        }
    }

    /// Closes segments at another size than the default.
    #[cfg(test)]
    pub(super) fn with_segment_size(mut self, size: u64) -> Self {
        self.segment_size = size;
        self
    }

    /// Creates the log only while `is_new` returns `true`: a log that is missing later was removed,
    /// and an action that cannot be recorded must not happen.
    #[must_use]
    pub fn created_only_while(mut self, is_new: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_new = Some(Box::new(is_new));
        self
    }

    /// Uses `is_account` to check whether a normalized email belongs to an account: only such an
    /// email is named in the record of a reading that filters by account.
    #[must_use]
    pub fn with_accounts(
        mut self,
        is_account: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.accounts = Some(Box::new(is_account));
        self
    }

    /// Sets the origin of the events.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin.into();
        self
    }

    /// Forwards each event when it is sealed. Best effort: an event that could not be sent is sent
    /// with a later one. Without this setting, everything up to the log's current end counts as
    /// sent.
    #[must_use]
    pub fn with_forward(mut self, forward: Forward) -> Self {
        self.forward = Some(forward);
        self
    }

    /// Records `settings` with each segment that is opened.
    #[must_use]
    pub fn with_settings(mut self, settings: LogSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Whether nothing was ever recorded. Then a reading is not recorded either, so that it creates
    /// nothing.
    pub(super) fn has_nothing(&self) -> Result<bool, AuditError> {
        let Some(dir) = self.directory()? else {
            // A log that was removed must not pass for one that never existed.
            return Ok(self.is_new.as_ref().is_none_or(|is_new| is_new()));
        };
        Ok(segments(&dir.names()?).is_empty() && StateFile::open(&self.home)?.is_none())
    }

    /// Whether there is an account with this normalized email.
    pub(super) fn is_account(&self, email: &str) -> bool {
        self.accounts
            .as_ref()
            .is_some_and(|is_account| is_account(email))
    }

    /// The current time, by the wall clock.
    pub(super) fn now(&self) -> Timestamp {
        self.moment().wall
    }

    /// The current time, by every clock.
    pub(super) fn moment(&self) -> Moment {
        self.clock.now()
    }

    /// The origin of this process's events.
    pub(super) fn origin(&self) -> &Origin {
        self.origin.get_or_init(Origin::of_this_process)
    }

    /// The kernel's id of this boot; zeros if the system has none.
    pub(super) fn boot_id(&self) -> [u8; 16] {
        let read = || self.clock.boot().map_or([0; 16], |boot| boot.id);
        *self.boot.get_or_init(read)
    }

    /// The log's directory; `None` if there is none yet.
    pub(super) fn directory(&self) -> Result<Option<Dir>, AuditError> {
        Ok(self.home.subdir(DIRECTORY)?)
    }
}
