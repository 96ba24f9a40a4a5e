//! The command of `audit.on_tamper` where there is no shell to run it: Windows.

use std::io;
use std::path::Path;

use nightlatch_core::clock::Clock;

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// The audit log does not verify.
    Tamper,
    /// Sign-in was locked after repeated failures.
    Lockout,
}

/// The command of `audit.on_tamper` did not do its work.
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
