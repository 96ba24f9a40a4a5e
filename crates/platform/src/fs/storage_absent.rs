//! What is not told on this platform: the file system under a directory.

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
    /// Switches copy-on-write off where the file system has it: whether it is off. It is not here.
    ///
    /// # Errors
    /// None, here.
    #[allow(clippy::unnecessary_wraps)] // the same face as on Linux
    pub fn disable_copy_on_write(&self) -> Result<bool, FsError> {
        Ok(false)
    }
}

/// The file system that the directory at `path` lies on: not told here.
pub fn storage(_: &Path) -> Option<Storage> {
    None
}
