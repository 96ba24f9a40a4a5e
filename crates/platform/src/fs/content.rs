//! Platform-independent file operations: bounded reads, durability, and lock checks.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::error::{FsError, FsProblem};

/// Whether a write must survive a power failure before it is reported as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced, including the directory.
    Synced,
    /// Not synced, because losing it is safe.
    Volatile,
}

/// Reads the rest of `file`, which must be at most `limit` bytes.
///
/// # Errors
/// [`FsProblem::TooLong`], or the system's error.
pub fn read_bounded(file: &File, path: &Path, limit: usize) -> Result<Vec<u8>, FsError> {
    use std::io::Read;
    // Capacity for the usual size of such files, so that one read suffices.
    let mut content = Vec::with_capacity(limit.min(1024) + 1);
    file.take(limit as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|error| FsError::new("read", path, error))?;
    if content.len() > limit {
        return Err(FsError::new("read", path, FsProblem::TooLong { limit }));
    }
    Ok(content)
}

/// Whether `file` is exclusively locked. If the system cannot say, that is an error, not a holder.
///
/// # Errors
/// When the system refuses.
pub fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
