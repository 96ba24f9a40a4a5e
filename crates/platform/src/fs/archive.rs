//! A directory copied from elsewhere, read without trusting any of it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use super::error::{FsError, FsProblem};
use super::names::all_names_in;

/// A read-only directory whose files may be anybody's: an auditor's copy. Its content must prove
/// itself.
#[derive(Debug)]
pub struct Archive {
    handle: OwnedFd,
    path: PathBuf,
}

impl Archive {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| FsError::new("open", path, io::Error::from(error)))?;
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    /// The path at which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its files, unordered. Invalid UTF-8 in a name is replaced: such a file cannot
    /// be opened by that name, but is not overlooked.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        all_names_in(&self.handle)
            .map_err(|error| FsError::new("list", &self.path, io::Error::from(error)))
    }

    /// Whether the directory is locked right now.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn is_locked(&self) -> Result<bool, FsError> {
        use rustix::fs::{FlockOperation, flock};
        match flock(&self.handle, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                let _ = flock(&self.handle, FlockOperation::Unlock);
                Ok(false)
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(FsError::new("lock", &self.path, io::Error::from(error))),
        }
    }

    /// Opens the subdirectory `name`; `None` when there is none.
    ///
    /// # Errors
    /// When it is something else, such as a link, or cannot be read.
    pub fn subdir(&self, name: &str) -> Result<Option<Self>, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.path.join(name);
        match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => Ok(Some(Self { handle, path })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                Err(FsError::new("open", path, FsProblem::NotDirectory))
            }
            Err(error) => Err(FsError::new("open", path, io::Error::from(error))),
        }
    }

    /// Opens the regular file `name` for reading; `None` when there is none.
    ///
    /// # Errors
    /// When it is something else, such as a link, or cannot be read.
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_directory_in_it_is_opened_and_a_link_to_one_is_not() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("a")).unwrap();
        symlink("a", temp.path().join("link")).unwrap();
        std::fs::write(temp.path().join("file"), "").unwrap();
        let archive = Archive::open(temp.path()).unwrap();
        assert!(archive.subdir("a").unwrap().is_some());
        assert!(archive.subdir("b").unwrap().is_none());
        for name in ["link", "file"] {
            assert_eq!(archive.subdir(name).unwrap_err().io_kind(), None);
        }
    }

    #[test]
    fn a_file_others_may_write_is_read_and_what_is_not_there_is_none() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        std::fs::write(&path, "text").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        std::fs::hard_link(&path, temp.path().join("b")).unwrap();
        let archive = Archive::open(temp.path()).unwrap();
        let mut names = archive.names().unwrap();
        names.sort();
        assert_eq!(names, ["a", "b"]);
        let mut text = String::new();
        let mut file = archive.open_file("b").unwrap().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        assert!(archive.open_file("c").unwrap().is_none());
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o666
        );
    }

    #[test]
    fn links_directories_and_pipes_are_refused_without_waiting() {
        let temp = tempfile::tempdir().unwrap();
        symlink("/dev/zero", temp.path().join("link")).unwrap();
        std::fs::create_dir(temp.path().join("directory")).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, temp.path().join("pipe"), fifo, mode, 0).unwrap();
        let archive = Archive::open(temp.path()).unwrap();
        let problem = |name| archive.open_file(name).unwrap_err().problem;
        assert!(matches!(problem("link"), FsProblem::Symlink));
        assert!(matches!(problem("directory"), FsProblem::NotRegular));
        assert!(matches!(problem("pipe"), FsProblem::NotRegular));
        assert!(Archive::open(&temp.path().join("pipe")).is_err());
    }
}
