//! What a look over a home found.

use crate::fs::FsError;

/// What was found in a home.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Survey {
    /// Whether there is a directory at all.
    pub exists: bool,
    /// How many files and directories were looked at.
    pub entries: usize,
    /// What commands refuse to use, and why.
    pub refused: Vec<FsError>,
    /// What the next command closes to others by itself.
    pub open: Vec<FsError>,
}
