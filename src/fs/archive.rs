//! A directory that was copied from somewhere: read, and trusted in nothing.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use super::dir::names_in;
use super::error::{FsError, FsProblem};

/// A directory whose files may be anybody's and are only read: an auditor's copy. What is in it must
/// prove itself by its content.
#[derive(Debug)]
pub struct Archive {
    handle: OwnedFd,
    path: PathBuf,
}

impl Archive {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// When there is none, or it may not be read.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| FsError::new("open", path, io::Error::from(error)))?;
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the files in it, in no order; names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        names_in(&self.handle)
            .map_err(|error| FsError::new("list", &self.path, io::Error::from(error)))
    }

    /// Opens the regular file `name` for reading; `None` when there is none.
    ///
    /// # Errors
    /// When it is something else, a link among it, or may not be read.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, FsError> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let path = self.path.join(name);
        let file = match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => {
                return Err(FsError::new("open", path, FsProblem::Symlink));
            }
            Err(error) => return Err(FsError::new("open", path, io::Error::from(error))),
        };
        let inspected = file.metadata();
        let inspected = inspected.map_err(|error| FsError::new("inspect", &path, error))?;
        if inspected.is_file() {
            Ok(Some(file))
        } else {
            Err(FsError::new("use", path, FsProblem::NotRegular))
        }
    }
}
