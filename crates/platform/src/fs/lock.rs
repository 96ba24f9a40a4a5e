//! Exclusive locks on a directory or a file in it.
//!
//! Waiting for a lock fails after half a minute, is reported to the user after two seconds, and can
//! be interrupted by any signal, because nothing is held yet. While a lock is held, Ctrl-Z takes
//! effect only when the lock is released.

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
pub use stops::{with_stops, without_stops};

/// Time limit for a lock. Locks are held for milliseconds, so a queue of a hundred takes about a
/// second.
const LIMIT: Duration = Duration::from_secs(30);
/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// An exclusive lock on a directory or on a file in it, released when dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct DirLock {
    file: File,
    path: PathBuf,
    /// Declared after the file, so that the lock is released first.
    _stops: NoStops,
}

impl DirLock {
    /// The names of the files in the locked directory, as [`Dir::names`], but without opening it
    /// again, which would prolong the wait of other processes. Not for a lock on a file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        names_by(&self.file)
            .map_err(|error| FsError::new("list", &self.path, io::Error::from(error)))
    }
}

impl Dir {
    /// Waits for the exclusive lock on this directory.
    ///
    /// # Errors
    /// [`FsProblem::Held`] after half a minute, or when the system refuses.
    pub fn lock(&self) -> Result<DirLock, FsError> {
        take(self.reopen()?, self.path().to_owned(), LIMIT)
    }

    /// As [`Dir::lock`], but waits at most `limit`; `None` when another process holds it all that
    /// time.
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

    /// Whether that lock is held right now. Concurrent callers of this function do not see each
    /// other.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn is_locked(&self) -> Result<bool, FsError> {
        is_locked(&self.reopen()?).map_err(|error| FsError::new("lock", self.path(), error))
    }

    /// The process that holds the lock, if the system says which.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn lock_holder(&self) -> Result<Option<LockHolder>, FsError> {
        Ok(holder_of(&self.reopen()?))
    }

    /// Waits for the exclusive lock on the file `name`, and creates it (0600) when there is none.
    ///
    /// # Errors
    /// As [`Dir::open_file`] and [`Dir::lock`].
    pub fn lock_file(&self, name: &str) -> Result<DirLock, FsError> {
        take(self.open_update(name)?, self.path().join(name), LIMIT)
    }

    /// A handle with a separate open file description: a lock on a duplicated handle would be
    /// shared with all other duplicates in this process.
    pub(super) fn reopen(&self) -> Result<File, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(self.handle(), ".", flags, Mode::empty())
            .map(File::from)
            .map_err(|error| FsError::new("open", self.path(), io::Error::from(error)))
    }
}

/// Waits for the lock on `file`, which is at `path`, for at most `limit`. It polls, because the
/// blocking call has no time limit.
fn take(file: File, path: PathBuf, limit: Duration) -> Result<DirLock, FsError> {
    let (mut waited, mut pause) = (Duration::ZERO, PAUSES.0);
    let mut is_told = false;
    loop {
        // Begin before locking, so that the process cannot be stopped in between.
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
        // Count pauses instead of reading a clock, so that time while this process is stopped does
        // not count.
        waited += pause;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn pause_for(duration: Duration) {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: duration.subsec_nanos().into(),
    };
    // An interrupted pause only means an earlier retry.
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
        // A process that another test is starting has a copy of the handle until it runs.
        assert!(dir.lock_within(Duration::from_secs(5)).unwrap().is_some());
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
