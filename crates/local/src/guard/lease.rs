//! Leases: a guarded command's process holds a locked file while it runs. A lease that no process
//! holds means a crash, and ends the session that it names.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use std::fs::File;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::session::CrashWatch;
use nightlatch_core::id::{AccountId, ExecId, SessionId};
use nightlatch_platform::fs::{
    Archive, Dir, FsError, FsProblem, has_lost_name, is_locked, read_bounded,
};

const RUN: &str = "run";
const SUFFIX: &str = ".lease";
/// Far larger than any lease.
const READ_LIMIT: usize = 4096;

/// The content of a lease: one line of JSON, and a second one once the command runs.
#[derive(Serialize, Deserialize)]
struct Content {
    exec_id: String,
    session_id: String,
    /// Absent in leases of older versions.
    #[serde(default)]
    account_id: Option<String>,
    /// The nightlatch process that waits for the command, and its start time (clock ticks after
    /// boot), which distinguishes it from a later process with the same id.
    pid: u32,
    start_time: Option<u64>,
    /// The program's file name; never its arguments.
    command: String,
}

/// The second line.
#[derive(Serialize, Deserialize)]
struct CommandLine {
    command_pid: NonZeroU32,
    command_start_time: Option<u64>,
}

/// The run that a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) exec: ExecId,
    pub(super) session: SessionId,
    pub(super) account: Option<AccountId>,
}

/// A command's own process, as its guard started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommandProcess {
    pub(super) pid: i32,
    /// In clock ticks after boot, if the system says.
    pub(super) start_time: Option<u64>,
}

/// A lease as found in the home.
#[derive(Debug)]
pub(super) struct FoundLease {
    pub(super) run: Run,
    /// The program's file name.
    pub(super) program: String,
    /// The process that took it, which waits for the command; 0 when that is no process id.
    pub(super) guard: i32,
    pub(super) guard_start_time: Option<u64>,
    /// `None` until the command runs.
    pub(super) command: Option<CommandProcess>,
    /// Whether its guard holds it. Otherwise that was killed, and its command may be running on.
    pub(super) is_held: bool,
}

/// A held lease, released when dropped.
#[must_use = "the lease is given back when this is dropped"]
pub(super) struct Lease {
    dir: Dir,
    name: String,
    /// Keeps the lock until the file name is removed.
    file: File,
    command: Option<CommandProcess>,
}

impl Lease {
    /// Takes a lease on `session`. Call it under the session lock, so that nobody sees a
    /// half-written lease.
    pub(super) fn take(home: &Dir, run: Run, command: &str) -> Result<Self, FsError> {
        let dir = home.subdir_or_create(RUN)?;
        let (mut file, temporary) = dir.create_temporary()?;
        let name = format!("{}{SUFFIX}", run.exec);
        let content = Content {
            exec_id: run.exec.to_string(),
            session_id: run.session.to_string(),
            account_id: run.account.map(|account| account.to_string()),
            pid: std::process::id(),
            start_time: start_time("self"),
            command: command.to_owned(),
        };
        let made = fs2::FileExt::lock_exclusive(&file)
            .and_then(|()| line(&content))
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
            file,
            command: None,
        })
    }

    /// The command's own process, once it runs.
    pub(super) fn command(&self) -> Option<CommandProcess> {
        self.command
    }

    /// Notes the command's own process. Best effort: it is also found by its parent and by a
    /// variable.
    pub(super) fn note_command(&mut self, pid: u32) {
        let Some(command_pid) = NonZeroU32::new(pid) else {
            return;
        };
        let command = CommandLine {
            command_pid,
            command_start_time: start_time(&pid.to_string()),
        };
        self.command = i32::try_from(pid).ok().map(|pid| CommandProcess {
            pid,
            start_time: command.command_start_time,
        });
        let written = line(&command).and_then(|line| self.file.write_all(&line));
        if let Err(error) = written {
            tracing::debug!(%error, "cannot note the command's process");
        }
    }
}

fn line(content: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(content)?;
    line.push(b'\n');
    Ok(line)
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
        mut found: impl FnMut(&str, Option<SessionId>),
    ) -> Result<(), FsError> {
        each_lease(&self.home, |lease| {
            if !lease.is_held {
                let content = lease.read()?;
                let session = content.and_then(|content| session_named(&content));
                found(lease.name, session);
            }
            Ok(())
        })
    }
}

impl CrashWatch for Leases {
    fn crashed(&self, session: SessionId) -> Result<bool, FsError> {
        let mut crashed = false;
        self.each_abandoned(|_, named| {
            // An unreadable lease might name any session: fail closed.
            crashed |= named.is_none_or(|named| named == session);
        })?;
        Ok(crashed)
    }

    fn unsettled(&self) -> Result<Vec<String>, FsError> {
        let mut names = Vec::new();
        self.each_abandoned(|name, _| names.push(name.to_owned()))?;
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

/// All readable leases of the home. Changes nothing.
///
/// # Errors
/// When they cannot be listed or read.
pub(super) fn leases_in(home: &Dir) -> Result<Vec<FoundLease>, FsError> {
    let mut found = Vec::new();
    each_lease(home, |lease| {
        let is_held = lease.is_held;
        let read = lease.read()?.and_then(|content| lease_in(&content));
        found.extend(read.map(|lease| FoundLease { is_held, ..lease }));
        Ok(())
    })?;
    Ok(found)
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
    let open = |name: &str| run.open_file(name);
    each_lease_of(&run.names()?, run.path(), open, |lease| {
        *(if lease.is_held { &mut held } else { &mut left }) += 1;
        Ok(())
    })?;
    Ok((held, left))
}

/// The file of a lease.
struct LeaseFile<'a> {
    name: &'a str,
    path: PathBuf,
    file: File,
    /// Whether its guard holds it.
    is_held: bool,
}

impl LeaseFile<'_> {
    /// Its content; `None` when it is too long for one of our leases.
    fn read(&self) -> Result<Option<Vec<u8>>, FsError> {
        match read_bounded(&self.file, &self.path, READ_LIMIT) {
            Ok(content) => Ok(Some(content)),
            Err(error) if matches!(error.problem, FsProblem::TooLong { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Calls `found` with each lease of `home`.
fn each_lease(
    home: &Dir,
    found: impl FnMut(&LeaseFile<'_>) -> Result<(), FsError>,
) -> Result<(), FsError> {
    let Some(mut run) = home.subdir(RUN)? else {
        return Ok(());
    };
    let names = run.own_names()?;
    each_lease_of(&names, run.path(), |name| run.open_file(name), found)
}

/// Calls `found` with each lease among the files of a directory.
fn each_lease_of(
    names: &[String],
    directory: &Path,
    open: impl Fn(&str) -> Result<Option<File>, FsError>,
    mut found: impl FnMut(&LeaseFile<'_>) -> Result<(), FsError>,
) -> Result<(), FsError> {
    for name in names.iter().filter(|name| name.ends_with(SUFFIX)) {
        let Some(file) = open(name)? else {
            continue;
        };
        let path = directory.join(name);
        let is_held = is_locked(&file).map_err(|error| FsError::new("lock", &path, error))?;
        // Removed between listing and locking: a normal end, not a crash.
        if is_held || !has_lost_name(&file) {
            found(&LeaseFile {
                name,
                path,
                file,
                is_held,
            })?;
        }
    }
    Ok(())
}

/// The session that a lease names; `None` when the lease cannot be read.
fn session_named(content: &[u8]) -> Option<SessionId> {
    let (first, _) = lines_of(content);
    let content: Content = serde_json::from_slice(first).ok()?;
    content.session_id.parse().ok()
}

/// A lease; `None` when it cannot be read. It does not count as held.
fn lease_in(content: &[u8]) -> Option<FoundLease> {
    let (first, second) = lines_of(content);
    let content: Content = serde_json::from_slice(first).ok()?;
    // Not complete while it is being written.
    let command = second.and_then(|line| serde_json::from_slice::<CommandLine>(line).ok());
    let command = command.and_then(|command| {
        Some(CommandProcess {
            pid: i32::try_from(command.command_pid.get()).ok()?,
            start_time: command.command_start_time,
        })
    });
    Some(FoundLease {
        run: Run {
            exec: content.exec_id.parse().ok()?,
            session: content.session_id.parse().ok()?,
            account: content.account_id.and_then(|account| account.parse().ok()),
        },
        program: content.command,
        guard: i32::try_from(content.pid).unwrap_or(0),
        guard_start_time: content.start_time,
        command,
        is_held: false,
    })
}

/// The first line, and the second one if it is complete. Older versions wrote one line without an
/// end.
fn lines_of(content: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut lines = content.splitn(3, |&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let second = lines.next();
    let is_complete = lines.next().is_some();
    (first, second.filter(|_| is_complete))
}

/// A process's start time in clock ticks after boot.
#[cfg(target_os = "linux")]
fn start_time(process: &str) -> Option<u64> {
    use nightlatch_platform::fs::{Proc, ProcessStat};
    ProcessStat::read(&Proc::open().ok()?, process)?.start_time()
}

/// Not available here.
#[cfg(not(target_os = "linux"))]
fn start_time(_: &str) -> Option<u64> {
    None
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
        let run = Run {
            exec: ExecId::random().unwrap(),
            session: SESSION,
            account: Some(AccountId::from_bytes([3; 16])),
        };
        Lease::take(home, run, "true").unwrap()
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
    fn a_lease_names_its_run_its_guard_and_its_command_once_that_runs() {
        let (_temp, home, leases) = scratch();
        let mut lease = take(&home);
        let one = || {
            let mut found = leases_in(&home).unwrap();
            assert_eq!(found.len(), 1);
            found.remove(0)
        };
        let found = one();
        assert_eq!(found.run.session, SESSION);
        assert_eq!(found.run.account, Some(AccountId::from_bytes([3; 16])));
        assert_eq!(found.program, "true");
        assert_eq!(found.guard.cast_unsigned(), std::process::id());
        assert!(found.is_held && found.command.is_none());
        lease.note_command(std::process::id());
        let command = one().command.unwrap();
        assert_eq!(command.pid.cast_unsigned(), std::process::id());
        assert_eq!(command.start_time, start_time("self"));
        assert!(!leases.crashed(SESSION).unwrap());
        drop(lease);
        assert!(leases_in(&home).unwrap().is_empty());
    }

    #[test]
    fn a_lease_of_an_older_version_and_a_second_line_that_is_not_complete_are_read() {
        let first = format!(
            r#"{{"exec_id":"{}","session_id":"{SESSION}","pid":7,"start_time":null,"command":"true"}}"#,
            ExecId::from_bytes([4; 16])
        );
        let old = lease_in(first.as_bytes()).unwrap();
        assert_eq!((old.guard, old.run.account, old.command), (7, None, None));
        for second in [
            "{\"command_pid\":5,\"command_start_time\":6}",
            "{}\n",
            "{\"command_pid\":0}\n",
        ] {
            let content = format!("{first}\n{second}");
            assert_eq!(
                lease_in(content.as_bytes()).unwrap().command,
                None,
                "{second}"
            );
            assert_eq!(session_named(content.as_bytes()), Some(SESSION));
        }
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
    fn a_file_too_long_for_a_lease_hides_no_other_lease_and_is_a_crash() {
        let (_temp, home, leases) = scratch();
        let lease = take(&home);
        abandon(&home, &[b' '; READ_LIMIT + 1]);
        let found = leases_in(&home).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].run.session, SESSION);
        assert!(leases.crashed(OTHER).unwrap());
        assert_eq!(count_leases(home.path()).unwrap(), (1, 1));
        drop(lease);
    }
}
