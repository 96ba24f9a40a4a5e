//! Sends anchors of the log's end to a place that whoever takes over this machine cannot change.

use std::path::PathBuf;

use super::error::{AuditError, Damage};
use super::log::AuditLog;
use super::sealer::Sealer;
use super::segment::segments;
use super::state_file::StateFile;
use super::syslog::{self, anchor_message};
use super::verify::Anchor;

impl AuditLog {
    /// Also sends an anchor to the system log, through the socket at `path`, when a session begins
    /// or ends, when a segment is closed, and every hour while there are events. Best effort: a
    /// later comparison depends on it, never the current command.
    #[must_use]
    pub fn with_syslog(mut self, path: PathBuf) -> Self {
        self.syslog = Some(path);
        self
    }

    /// The log's first public key, in hexadecimal; `None` if there is no log yet. A copy kept
    /// elsewhere distinguishes this log from every other.
    ///
    /// # Errors
    /// When the sealing state cannot be read or is damaged.
    pub fn fingerprint(&self) -> Result<Option<String>, AuditError> {
        let state = self.state()?;
        Ok(state.map(|state| state.fingerprint().to_string()))
    }

    /// The log's current end, to be kept elsewhere; `None` if there is no log yet.
    ///
    /// # Errors
    /// As for [`AuditLog::fingerprint`].
    pub fn anchor(&self) -> Result<Option<Anchor>, AuditError> {
        let state = self.state()?.filter(|state| state.last().seq > 0);
        Ok(state.map(|state| Anchor::new(state.last(), state.fingerprint())))
    }

    fn state(&self) -> Result<Option<Sealer>, AuditError> {
        let Some(dir) = self.directory()? else {
            return Ok(None);
        };
        let Some(file) = StateFile::open(&self.home)? else {
            return match segments(&dir.names()?).last() {
                None => Ok(None),
                Some(last) => {
                    let path = dir.path().join(last.to_string());
                    Err(AuditError::damaged(&path, Damage::NoSealState))
                }
            };
        };
        match file.read()? {
            Ok(state) => Ok(Some(state)),
            Err(_) => Err(AuditError::damaged(file.path(), Damage::NoSealState)),
        }
    }

    /// Sends `anchor` if a system log is configured. Takes no lock.
    pub(super) fn tell(&self, anchor: &Anchor) {
        let Some(path) = &self.syslog else {
            return;
        };
        let pid = self.origin().pid();
        let message = anchor_message(pid, anchor);
        match syslog::Socket::open(path).and_then(|socket| socket.send(message.as_bytes())) {
            Ok(()) => tracing::debug!(seq = anchor.seq, "sent an anchor to the system log"),
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "could not send an anchor to the system log");
            }
        }
    }
}
