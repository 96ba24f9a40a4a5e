//! Leases: a guarded command's process holds a locked file while it runs. A lease that no process
//! holds means a crash, and ends the session that it names.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::session::CrashWatch;
use nightlatch_core::id::{ExecId, SessionId};
use nightlatch_platform::fs::{
    Archive, Dir, FsError, FsProblem, has_lost_name, is_locked, read_bounded,
};

const RUN: &str = "run";
const SUFFIX: &str = ".lease";
/// Far larger than any lease.
const READ_LIMIT: usize = 4096;

/// The content of a lease.
#[derive(Serialize, Deserialize)]
struct Content {
    exec_id: String,
    session_id: String,
    /// The nightlatch process that waits for the command, and its start time (clock ticks after
    /// boot), which distinguishes it from a later process with the same id.
    pid: u32,
    start_time: Option<u64>,
    /// The program's file name; never its arguments.
    command: String,
}

/// A held lease, released when dropped.
#[must_use = "the lease is given back when this is dropped"]
pub(super) struct Lease {
    dir: Dir,
    name: String,
    /// Keeps the lock until the file name is removed.
    _file: File,
}

impl Lease {
    /// Takes a lease on `session`. Call it under the session lock, so that nobody sees a
    /// half-written lease.
    pub(super) fn take(
        home: &Dir,
        exec: ExecId,
        session: SessionId,
        command: &str,
    ) -> Result<Self, FsError> {
        let dir = home.subdir_or_create(RUN)?;
        let (mut file, temporary) = dir.create_temporary()?;
        let name = format!("{exec}{SUFFIX}");
        let content = Content {
            exec_id: exec.to_string(),
            session_id: session.to_string(),
            pid: std::process::id(),
            start_time: own_start_time(),
            command: command.to_owned(),
        };
        let made = fs2::FileExt::lock_exclusive(&file)
            .and_then(|()| Ok(serde_json::to_vec(&content)?))
            .and_then(|content| file.write_all(&content));
        let renamed = made
            .map_err(|error| FsError::new("write", dir.path().join(&temporary), error))
            .and_then(|()| dir.rename(&temporary, &name));
        if let Err(error) = renamed {
            // Report the first failure; sign-in sweeps what is left.
            let _ = dir.unlink(&temporary);
            return Err(error);
        }
        Ok(Self {
            dir,
            name,
            _file: file,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A lease that cannot be removed looks like a crash later and ends the session, which is
        // safe.
        if let Err(error) = self.dir.unlink(&self.name) {
            tracing::warn!(%error, "cannot give the lease back");
        }
    }
}

/// The leases of a home.
pub(super) struct Leases {
    home: Arc<Dir>,
}

impl Leases {
    pub(super) fn new(home: Arc<Dir>) -> Self {
        Self { home }
    }

    /// Calls `found` with the name of each lease that no process holds, and the session that it
    /// names.
    fn each_abandoned(
        &self,
        mut found: impl FnMut(&Dir, &str, Option<SessionId>) -> Result<(), FsError>,
    ) -> Result<(), FsError> {
        let Some(mut dir) = self.home.subdir(RUN)? else {
            return Ok(());
        };
        for name in dir.own_names()? {
            if !name.ends_with(SUFFIX) {
                continue;
            }
            let Some(file) = dir.open_file(&name)? else {
                continue;
            };
            let path = dir.path().join(&name);
            if is_locked(&file).map_err(|error| FsError::new("lock", &path, error))?
                // Removed between listing and locking: a normal end, not a crash.
                || has_lost_name(&file)
            {
                continue;
            }
            let session = match read_bounded(&file, &path, READ_LIMIT) {
                Ok(content) => session_named(&content),
                // Not one of our leases.
                Err(error) if matches!(error.problem, FsProblem::TooLong { .. }) => None,
                Err(error) => return Err(error),
            };
            found(&dir, &name, session)?;
        }
        Ok(())
    }
}

impl CrashWatch for Leases {
    fn crashed(&self, session: SessionId) -> Result<bool, FsError> {
        let mut crashed = false;
        self.each_abandoned(|_, _, named| {
            // An unreadable lease might name any session: fail closed.
            crashed |= named.is_none_or(|named| named == session);
            Ok(())
        })?;
        Ok(crashed)
    }

    fn unsettled(&self) -> Result<Vec<String>, FsError> {
        let mut names = Vec::new();
        self.each_abandoned(|_, name, _| {
            names.push(name.to_owned());
            Ok(())
        })?;
        Ok(names)
    }

    fn forget(&self, crashes: &[String]) -> Result<(), FsError> {
        let Some(dir) = self.home.subdir(RUN)? else {
            return Ok(());
        };
        dir.sweep_temporary()?;
        crashes
            .iter()
            .try_for_each(|name| dir.unlink(name).map(drop))
    }
}

/// How many leases of the home at `home` are held by a running command, and how many were left by a
/// nightlatch process that was killed. Changes nothing.
///
/// # Errors
/// When they cannot be listed or read.
pub fn count_leases(home: &Path) -> Result<(usize, usize), FsError> {
    let run = match Archive::open(&home.join(RUN)) {
        Ok(run) => run,
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => return Ok((0, 0)),
        Err(error) => return Err(error),
    };
    let (mut held, mut left) = (0, 0);
    for name in run.names()? {
        if !name.ends_with(SUFFIX) {
            continue;
        }
        let Some(file) = run.open_file(&name)? else {
            continue;
        };
        let path = run.path().join(&name);
        if is_locked(&file).map_err(|error| FsError::new("lock", path, error))? {
            held += 1;
        } else if !has_lost_name(&file) {
            left += 1;
        }
    }
    Ok((held, left))
}

/// The session that a lease names; `None` when the lease cannot be read.
fn session_named(content: &[u8]) -> Option<SessionId> {
    let content: Content = serde_json::from_slice(content).ok()?;
    content.session_id.parse().ok()
}

/// This process's start time in clock ticks after boot: field 22 of `/proc/self/stat`.
#[cfg(target_os = "linux")]
fn own_start_time() -> Option<u64> {
    let mut bytes = [0; 1024];
    let length = nightlatch_platform::fs::read_proc("self/stat", &mut bytes).ok()?;
    start_time_in(bytes.get(..length)?)
}

/// Not available here.
#[cfg(not(target_os = "linux"))]
fn own_start_time() -> Option<u64> {
    None
}

/// The second field is the command's name in parentheses, which may hold any character, so count
/// from the last parenthesis.
#[cfg(target_os = "linux")]
fn start_time_in(stat: &[u8]) -> Option<u64> {
    let behind = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let mut fields = stat[behind..]
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty());
    std::str::from_utf8(fields.nth(19)?).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nightlatch_platform::fs::Durability;

    const SESSION: SessionId = SessionId::from_bytes([1; 16]);
    const OTHER: SessionId = SessionId::from_bytes([2; 16]);

    fn scratch() -> (tempfile::TempDir, Arc<Dir>, Leases) {
        let temp = tempfile::tempdir().unwrap();
        let home = Arc::new(Dir::open_or_create(&temp.path().join("home")).unwrap());
        let leases = Leases::new(Arc::clone(&home));
        (temp, home, leases)
    }

    fn take(home: &Dir) -> Lease {
        Lease::take(home, ExecId::random().unwrap(), SESSION, "true").unwrap()
    }

    /// Leaves a lease as a killed process does: a file without a lock.
    fn abandon(home: &Dir, content: &[u8]) {
        let run = home.subdir_or_create(RUN).unwrap();
        run.write_atomic("dead.lease", content, Durability::Volatile)
            .unwrap();
    }

    #[test]
    fn a_held_lease_is_no_crash_and_a_returned_one_leaves_nothing() {
        let (_temp, home, leases) = scratch();
        let lease = take(&home);
        assert!(!leases.crashed(SESSION).unwrap());
        leases.forget(&leases.unsettled().unwrap()).unwrap();
        assert_eq!(home.subdir(RUN).unwrap().unwrap().names().unwrap().len(), 1);
        drop(lease);
        assert!(!leases.crashed(SESSION).unwrap());
        assert_eq!(home.subdir(RUN).unwrap().unwrap().names().unwrap(), [""; 0]);
    }

    #[test]
    fn an_abandoned_lease_is_a_crash_of_the_session_it_names() {
        let (_temp, home, leases) = scratch();
        let content = format!(
            r#"{{"exec_id":"x","session_id":"{SESSION}","pid":1,"start_time":null,"command":"true"}}"#
        );
        abandon(&home, content.as_bytes());
        assert!(leases.crashed(SESSION).unwrap());
        assert!(!leases.crashed(OTHER).unwrap());
        leases.forget(&leases.unsettled().unwrap()).unwrap();
        assert!(!leases.crashed(SESSION).unwrap());
    }

    #[test]
    fn an_abandoned_lease_that_cannot_be_read_is_a_crash_of_every_session() {
        let (_temp, home, leases) = scratch();
        abandon(&home, b"{}");
        assert!(leases.crashed(SESSION).unwrap());
        assert!(leases.crashed(OTHER).unwrap());
    }

    #[test]
    fn the_start_time_is_found_behind_any_command_name() {
        let stat = b"7 (a ) (b) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        assert_eq!(start_time_in(stat), Some(4242));
        assert_eq!(start_time_in(b"7 (a"), None);
        assert!(own_start_time().is_some());
    }
}
