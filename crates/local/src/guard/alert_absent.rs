//! The `audit.on_tamper` command on Windows, where there is no shell to run it.

use std::io;
use std::path::Path;

use nightlatch_core::clock::Clock;

/// The reason for an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// The audit log failed verification.
    Tamper,
    /// Sign-in was locked after repeated failures.
    Lockout,
}

/// The `audit.on_tamper` command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertFailed {
    /// It could not be started.
    #[error("the on_tamper command could not be run: {0}")]
    NotRun(#[from] io::Error),
}

/// Refuses.
///
/// # Errors
/// Always.
pub(super) fn run(
    _: &str,
    _: AlertKind,
    _: &str,
    _: &Path,
    _: &dyn Clock,
) -> Result<(), AlertFailed> {
    let error = io::Error::new(io::ErrorKind::Unsupported, "this platform has no /bin/sh");
    Err(error.into())
}
