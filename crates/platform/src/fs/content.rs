//! Files of any system: read within bounds, how surely written, and whether locked.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::error::{FsError, FsProblem};

/// Whether a write must survive a loss of power before it is reported as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced, the directory too.
    Synced,
    /// Left to the system: its loss is safe.
    Volatile,
}

/// Reads the rest of `file`, which must not be longer than `limit` bytes.
///
/// # Errors
/// [`FsProblem::TooLong`], or the system's refusal.
pub fn read_bounded(file: &File, path: &Path, limit: usize) -> Result<Vec<u8>, FsError> {
    use std::io::Read;
    // Room for what such files usually hold, so that they are read in one go.
    let mut content = Vec::with_capacity(limit.min(1024) + 1);
    file.take(limit as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|error| FsError::new("read", path, error))?;
    if content.len() > limit {
        return Err(FsError::new("read", path, FsProblem::TooLong { limit }));
    }
    Ok(content)
}

/// Whether somebody holds an exclusive lock on `file`. A system that does not say so is an error, not a
/// holder.
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
