//! Exclusive locks, on a directory and on a file in it.
//!
//! A wait for one ends after half a minute, is spoken of after two seconds, and can be left by any signal:
//! nothing is held yet. Whoever holds one is not stopped by Ctrl-Z until it is given back.

mod holder;
mod stops;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use super::content::is_locked;
use super::dir::Dir;
use super::error::{FsError, FsProblem};
use super::names::names_by;
use super::waits::{SPOKEN_OF, Wait, tell};
pub use holder::{LockHolder, holder_of, record_lock_holder};
use stops::NoStops;
pub use stops::with_stops;

/// How long a lock is waited for. Locks are held for milliseconds; a hundred who wait in line are a second.
const LIMIT: Duration = Duration::from_secs(30);
/// How long until a lock is tried again: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// An exclusive lock on a directory or on a file in it, released when dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct DirLock {
    file: File,
    path: PathBuf,
    /// After the file, and with it the lock.
    _stops: NoStops,
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
    /// [`FsProblem::Held`] after half a minute, or when the system refuses.
    pub fn lock(&self) -> Result<DirLock, FsError> {
        take(self.reopen()?, self.path().to_owned(), LIMIT)
    }

    /// As [`Dir::lock`], waiting `limit` at most; `None` when another process holds it all that time.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn lock_within(&self, limit: Duration) -> Result<Option<DirLock>, FsError> {
        match take(self.reopen()?, self.path().to_owned(), limit) {
            Err(FsError {
                problem: FsProblem::Held { .. },
                ..
            }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether somebody holds that lock at this moment. Whoever asks is not seen by others who ask.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn is_locked(&self) -> Result<bool, FsError> {
        is_locked(&self.reopen()?).map_err(|error| FsError::new("lock", self.path(), error))
    }

    /// The process that holds it, where the system says which.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn lock_holder(&self) -> Result<Option<LockHolder>, FsError> {
        Ok(holder_of(&self.reopen()?))
    }

    /// Waits for, and takes, the exclusive lock on the file `name`, creating it (0600) when there is
    /// none.
    ///
    /// # Errors
    /// As [`Dir::open_file`] and [`Dir::lock`].
    pub fn lock_file(&self, name: &str) -> Result<DirLock, FsError> {
        take(self.open_update(name)?, self.path().join(name), LIMIT)
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

/// Waits for the lock on `file`, which is at `path`, for `limit` at most. It is tried again and again,
/// as the call that waits by itself has no limit.
fn take(file: File, path: PathBuf, limit: Duration) -> Result<DirLock, FsError> {
    let (mut waited, mut pause) = (Duration::ZERO, PAUSES.0);
    let mut is_told = false;
    loop {
        // Before the lock: nobody is stopped between the two.
        let stops = NoStops::begin();
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                return Ok(DirLock {
                    file,
                    path,
                    _stops: stops,
                });
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => drop(stops),
            Err(error) => return Err(FsError::new("lock", path, io::Error::from(error))),
        }
        if waited >= limit {
            let by = holder_of(&file).map(|holder| holder.process);
            return Err(FsError::new("lock", path, FsProblem::Held { by }));
        }
        if waited >= SPOKEN_OF && !is_told {
            is_told = true;
            tell(&Wait::Lock {
                path: &path,
                holder: holder_of(&file).map(|holder| holder.process),
            });
        }
        pause_for(pause);
        // Not by a clock: the time that we are stopped ourselves is not waited.
        waited += pause;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn pause_for(duration: Duration) {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: duration.subsec_nanos().into(),
    };
    // Interrupted or not: then it is tried again the sooner.
    let _ = rustix::event::poll(&mut [], Some(&timeout));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_or_create(&temp.path().join("dir")).unwrap();
        (temp, dir)
    }

    #[test]
    fn a_lock_that_is_not_given_back_is_waited_for_until_the_limit_and_no_longer() {
        let (_temp, dir) = scratch();
        let held = dir.lock().unwrap();
        let limit = Duration::from_millis(20);
        assert!(dir.lock_within(limit).unwrap().is_none());
        assert!(dir.lock_within(Duration::ZERO).unwrap().is_none());
        drop(held);
        assert!(dir.lock_within(Duration::ZERO).unwrap().is_some());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn who_waited_in_vain_is_told_which_process_holds_the_lock() {
        let (_temp, dir) = scratch();
        let _held = dir.lock_file("file").unwrap();
        let file = dir.open_update("file").unwrap();
        let error = take(file, dir.path().join("file"), Duration::ZERO).unwrap_err();
        let own = std::process::id().to_string();
        assert!(error.to_string().contains(&own), "{error}");
        assert!(error.hint().unwrap().contains(&own), "{error}");
    }

    #[test]
    fn a_lock_that_is_given_back_meanwhile_is_taken() {
        let (_temp, dir) = scratch();
        let held = dir.lock().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(dir.lock().unwrap()));
            pause_for(Duration::from_millis(5));
            drop(held);
            waiting.join().unwrap();
        });
    }
}
