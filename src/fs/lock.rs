//! Exclusive locks, on a directory and on a file in it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::fs::{Mode, OFlags, openat};

use super::dir::{Dir, names_by};
use super::error::FsError;

/// How long until a lock that another process holds is tried again, where the wait has a limit.
const PAUSE: Duration = Duration::from_millis(10);

/// An exclusive lock on a directory or on a file in it, released when dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct DirLock {
    file: File,
    path: PathBuf,
}

impl DirLock {
    /// The names of the files in the locked directory, as [`Dir::names`]; without opening it again,
    /// which others who wait for the lock would wait for. Not for a lock on a file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        names_by(&self.file)
            .map_err(|error| FsError::new("list", &self.path, io::Error::from(error)))
    }
}

impl Dir {
    /// Waits for, and takes, the exclusive lock on this directory.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn lock(&self) -> Result<DirLock, FsError> {
        let file = self.reopen()?;
        // By path: on a recent toolchain the method of the same name is std's.
        fs2::FileExt::lock_exclusive(&file)
            .map_err(|error| FsError::new("lock", self.path(), error))?;
        let path = self.path().to_owned();
        Ok(DirLock { file, path })
    }

    /// Takes the exclusive lock on this directory, waiting `limit` at most; `None` when another process
    /// holds it all that time.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn lock_within(&self, limit: Duration) -> Result<Option<DirLock>, FsError> {
        let file = self.reopen()?;
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: PAUSE.subsec_nanos().into(),
        };
        let mut waited = Duration::ZERO;
        loop {
            match fs2::FileExt::try_lock_exclusive(&file) {
                Ok(()) => {
                    let path = self.path().to_owned();
                    return Ok(Some(DirLock { file, path }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(FsError::new("lock", self.path(), error)),
            }
            if waited >= limit {
                return Ok(None);
            }
            // Interrupted or not: then it is tried again the sooner.
            let _ = rustix::event::poll(&mut [], Some(&pause));
            waited += PAUSE;
        }
    }

    /// Waits for, and takes, the exclusive lock on the file `name`, creating it (0600) when there is
    /// none.
    ///
    /// # Errors
    /// As [`Dir::open_file`], and when the system refuses.
    pub fn lock_file(&self, name: &str) -> Result<DirLock, FsError> {
        let file = self.open_update(name)?;
        let path = self.path().join(name);
        fs2::FileExt::lock_exclusive(&file).map_err(|error| FsError::new("lock", &path, error))?;
        Ok(DirLock { file, path })
    }

    /// A handle with an open file description of its own: a lock taken on a duplicate would be
    /// shared with every other duplicate in this process.
    pub(super) fn reopen(&self) -> Result<File, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(self.handle(), ".", flags, Mode::empty())
            .map(File::from)
            .map_err(|error| FsError::new("open", self.path(), io::Error::from(error)))
    }
}
