//! The result of inspecting a home.

use crate::fs::FsError;

/// The result of inspecting a home.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Survey {
    /// Whether the directory exists.
    pub exists: bool,
    /// How many files and directories were inspected.
    pub entries: usize,
    /// Entries that commands refuse to use, and why.
    pub refused: Vec<FsError>,
    /// Entries that the next command closes to other users by itself.
    pub open: Vec<FsError>,
}
