//! The files of a log to read: in its home, where they must belong to this user, or in a copy.

use std::fs::File;
use std::path::Path;

use super::opening::FirstLine;
use super::segment::SegmentName;
use nightlatch_platform::fs::{Archive, Dir, FsError};

/// A directory with segments, open for reading.
pub(super) enum Files<'a> {
    /// In a home.
    Home(Dir),
    /// A copy, with any owner.
    Copy(&'a Archive),
}

impl Files<'_> {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Home(dir) => dir.path(),
            Self::Copy(archive) => archive.path(),
        }
    }

    pub(super) fn names(&self) -> Result<Vec<String>, FsError> {
        match self {
            Self::Home(dir) => dir.names(),
            Self::Copy(archive) => archive.names(),
        }
    }

    /// `None` if there is no such file.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>, FsError> {
        match self {
            Self::Home(dir) => dir.open_file(name),
            Self::Copy(archive) => archive.open_file(name),
        }
    }

    /// The first line of `segment`; `None` if the file is gone or its first line is not canonical.
    pub(super) fn first_line(&self, segment: SegmentName) -> Result<Option<FirstLine>, FsError> {
        let name = segment.to_string();
        let Some(file) = self.open_file(&name)? else {
            return Ok(None);
        };
        let line = FirstLine::read(&file, u64::MAX);
        line.map_err(|error| FsError::new("read", self.path().join(name), error))
    }
}
