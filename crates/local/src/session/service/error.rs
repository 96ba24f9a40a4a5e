//! Why a session operation failed.

use std::time::Duration;

use crate::session::keeper::KeeperError;
use crate::session::model::{Elsewhere, EndReason};
use crate::session::revocation::Revocation;
use nightlatch_audit::AuditError;
use nightlatch_platform::fs::FsError;

/// Why a session operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Nobody is signed in.
    #[error("no live session")]
    None,
    /// The session has ended, and its end is recorded.
    #[error("no live session: {0}")]
    Ended(EndReason),
    /// The last session was revoked, and nobody has signed in since.
    #[error("no live session: it was revoked: {}", .0.reason)]
    Revoked(Box<Revocation>),
    /// There may be a session that cannot be seen from here; it was left alone.
    #[error("no live session here: {0}")]
    Elsewhere(Elsewhere),
    /// The session would end before the required time.
    #[error(
        "the session ends in {}, and {} were asked for",
        humantime::format_duration(Duration::from_secs(.remaining.as_secs())),
        humantime::format_duration(*.wanted)
    )]
    TooLittleTime {
        /// The session's remaining time.
        remaining: Duration,
        /// The required time.
        wanted: Duration,
    },
    /// The account changed during sign-in.
    #[error("the password was changed meanwhile")]
    AccountChanged,
    /// The keeper failed.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The event could not be recorded, so the operation was not performed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The system does not provide the identity of this boot.
    #[error("cannot tell which boot this is: {0}")]
    Boot(#[source] std::io::Error),
    /// The system does not provide the identity of this process's machine or user namespace.
    #[error("cannot tell which machine and user namespace this is: {0}")]
    Surroundings(#[source] std::io::Error),
    /// The system provides no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}
