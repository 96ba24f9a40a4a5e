//! Telling of the log's end where whoever takes this machine over cannot take it back.

use std::path::PathBuf;

use super::error::{AuditError, Damage};
use super::log::AuditLog;
use super::origin::Origin;
use super::sealing::{STATE_FILE, Sealing};
use super::segment::segments;
use super::syslog;
use super::verify::Anchor;

impl AuditLog {
    /// As before, and tells the system log, by the socket at `path`, of the log's end whenever a
    /// segment follows another, and when [`AuditLog::announce`] is called.
    #[must_use]
    pub fn with_syslog(mut self, path: PathBuf) -> Self {
        self.syslog = Some(path);
        self
    }

    /// The log's first public key, in hexadecimal; `None` while there is no log. Whoever notes it
    /// elsewhere can tell this log from every other.
    ///
    /// # Errors
    /// When the sealing state cannot be read, or is damaged.
    pub fn fingerprint(&self) -> Result<Option<String>, AuditError> {
        let state = self.state()?;
        Ok(state.map(|state| state.fingerprint().to_string()))
    }

    /// The line that was sealed last, to be kept elsewhere; `None` while there is no log. Later lines
    /// may yet be lost to a crash, so an anchor to one of them could accuse an honest log.
    ///
    /// # Errors
    /// As [`AuditLog::fingerprint`].
    pub fn anchor(&self) -> Result<Option<Anchor>, AuditError> {
        Ok(self.state()?.as_ref().and_then(anchor_of))
    }

    fn state(&self) -> Result<Option<Sealing>, AuditError> {
        let Some(dir) = self.directory()? else {
            return Ok(None);
        };
        match Sealing::load(&dir)? {
            Some(Ok(state)) => Ok(Some(state)),
            None if segments(&dir.names()?).is_empty() => Ok(None),
            None | Some(Err(_)) => {
                let path = dir.path().join(STATE_FILE);
                Err(AuditError::damaged(&path, Damage::NoSealState))
            }
        }
    }

    /// Tells the system log of the log's end, where that was asked for and somebody listens. Best
    /// effort: what is at stake is a later comparison, never the command at hand.
    pub fn announce(&self) {
        if self.syslog.is_none() {
            return;
        }
        match self.anchor() {
            Ok(Some(anchor)) => self.tell(&anchor),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "no anchor for the system log"),
        }
    }

    /// Sends `anchor`, if anybody is to be told. Takes no lock.
    pub(super) fn tell(&self, anchor: &Anchor) {
        let Some(path) = &self.syslog else {
            return;
        };
        let pid = self.origin.get_or_init(Origin::of_this_process).pid();
        match syslog::send(path, pid, anchor) {
            Ok(()) => tracing::debug!(seq = anchor.seq, "told the system log"),
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "could not tell the system log");
            }
        }
    }
}

/// The last line that `sealing` sealed.
pub(super) fn anchor_of(sealing: &Sealing) -> Option<Anchor> {
    let last = sealing.last();
    (last.seq > 0).then(|| Anchor::new(last, sealing.fingerprint()))
}
