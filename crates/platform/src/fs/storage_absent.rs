//! Platforms where a directory's file system cannot be determined.

#[path = "storage/kinds.rs"]
mod kinds;

use std::path::Path;

#[cfg(unix)]
use super::dir::Dir;
#[cfg(unix)]
use super::error::FsError;
pub use kinds::{Erasure, Kept, Storage, Unsure};

#[cfg(unix)]
impl Dir {
    /// Does nothing: copy-on-write cannot be disabled here.
    ///
    /// # Errors
    /// Never.
    #[allow(clippy::unnecessary_wraps)] // the same signature as on Linux
    pub fn disable_copy_on_write(&self) -> Result<bool, FsError> {
        Ok(false)
    }
}

/// The file system of the directory at `path`: unknown here.
pub fn storage(_: &Path) -> Option<Storage> {
    None
}
