//! The log of one home: where it is, and how it is kept.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::error::AuditError;
use super::event_source::Origin;
use super::forward::Forward;
use super::segment::{DIRECTORY, SEGMENT_SIZE, segments};
use super::settings::LogSettings;
use super::state_file::StateFile;
use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_platform::fs::Dir;

/// Whether there is an account with an email.
type IsAccount = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The log of one home. Holds nothing open: every call finds the log as it then is.
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
    /// Looked up with the first event: most commands that look record nothing.
    origin: OnceLock<Origin>,
    /// Likewise.
    boot: OnceLock<[u8; 16]>,
    pub(super) segment_size: u64,
    /// Whether there has been nothing to record yet: where it says otherwise, no log is created.
    pub(super) is_new: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    /// Whether there is an account of a normalized email, which may then be named in a record.
    accounts: Option<IsAccount>,
    /// Where the system log listens, when anchors are to be sent to it.
    pub(super) syslog: Option<PathBuf>,
    /// Where each event is sent as it is sealed.
    pub(super) forward: Option<Forward>,
    /// The settings in force, recorded with each segment.
    pub(super) settings: Option<LogSettings>,
}

impl AuditLog {
    /// The log in `home`, its events from this process. Touches nothing until it is used.
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

    /// Closes segments at another size.
    #[cfg(test)]
    pub(super) fn with_segment_size(mut self, size: u64) -> Self {
        self.segment_size = size;
        self
    }

    /// Creates the log only while `is_new`: a directory that is missing later was taken away, and
    /// what cannot be recorded in it must not happen.
    #[must_use]
    pub fn created_only_while(mut self, is_new: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_new = Some(Box::new(is_new));
        self
    }

    /// As before, and asks `is_account` whether there is an account of a normalized email: only such
    /// a one is named in the record of a reading that asked for it.
    #[must_use]
    pub fn with_accounts(
        mut self,
        is_account: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.accounts = Some(Box::new(is_account));
        self
    }

    /// As [`AuditLog::new`], its events from elsewhere.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin.into();
        self
    }

    /// As before, and sends each event on as it is sealed. Best effort: an event that could not be sent
    /// is sent with a later one. Where this is not set, the log's present end counts as sent.
    #[must_use]
    pub fn with_forward(mut self, forward: Forward) -> Self {
        self.forward = Some(forward);
        self
    }

    /// As before, and records `settings` with each segment that it opens.
    #[must_use]
    pub fn with_settings(mut self, settings: LogSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Whether nothing was ever recorded: no reading is then, so that reading creates nothing.
    pub(super) fn has_nothing(&self) -> Result<bool, AuditError> {
        let Some(dir) = self.directory()? else {
            // A log that was taken away is not one that never was.
            return Ok(self.is_new.as_ref().is_none_or(|is_new| is_new()));
        };
        Ok(segments(&dir.names()?).is_empty() && StateFile::open(&self.home)?.is_none())
    }

    /// Whether there is an account of this normalized email.
    pub(super) fn is_account(&self, email: &str) -> bool {
        self.accounts
            .as_ref()
            .is_some_and(|is_account| is_account(email))
    }

    /// The present, by the wall clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// Where this process's events come from.
    pub(super) fn origin(&self) -> &Origin {
        self.origin.get_or_init(Origin::of_this_process)
    }

    /// The kernel's id of this boot; zeros where the system does not tell.
    pub(super) fn boot_id(&self) -> [u8; 16] {
        let read = || self.clock.boot().map_or([0; 16], |boot| boot.id);
        *self.boot.get_or_init(read)
    }

    /// The directory of the log; `None` when there is none yet.
    pub(super) fn directory(&self) -> Result<Option<Dir>, AuditError> {
        Ok(self.home.subdir(DIRECTORY)?)
    }
}
