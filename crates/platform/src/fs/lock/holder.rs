//! The holder of a lock, if the system reports it: for messages, and to avoid waiting for a process
//! that cannot answer.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::io::Read;

/// The largest part of the system's list of locks that is read.
#[cfg(target_os = "linux")]
const LIST_LIMIT: u64 = 1024 * 1024;

/// How often that list is read until the lock is found: it is not read in one step, and what the
/// system removes from its beginning meanwhile moves the rest past the reader.
#[cfg(target_os = "linux")]
const READS: u32 = 5;

/// The process that holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The process id.
    pub process: i32,
    /// Whether it is another user's process.
    pub is_foreign: bool,
    /// Whether it is stopped, and so will not release the lock by itself.
    pub is_stopped: bool,
}

/// The process that holds a lock (flock) on `file`; `None` when there is none, or the system does
/// not report it.
pub fn holder_of(file: &File) -> Option<LockHolder> {
    holder_by("FLOCK", file)
}

/// The process that holds a record lock (fcntl) on `file`.
pub fn record_lock_holder(file: &File) -> Option<LockHolder> {
    holder_by("POSIX", file)
}

#[cfg(target_os = "linux")]
fn holder_by(kind: &str, file: &File) -> Option<LockHolder> {
    let stat = rustix::fs::fstat(file).ok()?;
    let place = format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(stat.st_dev),
        rustix::fs::minor(stat.st_dev),
        stat.st_ino
    );
    let look = |_| holder_in(&read("/proc/locks", LIST_LIMIT)?, kind, &place);
    let process = (0..READS).find_map(look)?;
    let status = read(&format!("/proc/{process}/status"), LIST_LIMIT).unwrap_or_default();
    let own = rustix::process::geteuid().as_raw();
    Some(LockHolder {
        process,
        is_foreign: field(&status, "Uid:").is_some_and(|uid| uid.parse() != Ok(own)),
        is_stopped: field(&status, "State:").is_some_and(|state| ["T", "t"].contains(&state)),
    })
}

/// Not available here.
#[cfg(not(target_os = "linux"))]
fn holder_by(_: &str, _: &File) -> Option<LockHolder> {
    None
}

/// The holder of a lock of this `kind` at `place`, from lines such as
/// `1: FLOCK  ADVISORY  WRITE 4242 fd:01:123 0 EOF`. Waiting processes are marked with an arrow.
#[cfg(target_os = "linux")]
fn holder_in(list: &str, kind: &str, place: &str) -> Option<i32> {
    list.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        if fields.next()? != kind {
            return None;
        }
        let process: i32 = fields.nth(2)?.parse().ok()?;
        // 0 and -1 mean a process in another PID namespace.
        (fields.next()? == place && process > 0).then_some(process)
    })
}

/// The first word on the line with the prefix `name`.
#[cfg(target_os = "linux")]
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()
}

#[cfg(target_os = "linux")]
fn read(path: &str, limit: u64) -> Option<String> {
    use rustix::fs::{Mode, OFlags, open};
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::new();
    File::from(file)
        .take(limit)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_and_not_who_waits() {
        let list = "1: POSIX  ADVISORY  WRITE 7 00:18:5 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 8 00:18:5 0 EOF\n\
                    3: FLOCK  ADVISORY  WRITE 9 00:18:55 0 EOF\n\
                    4: FLOCK  ADVISORY  WRITE 10 00:18:5 0 EOF\n\
                    5: FLOCK  ADVISORY  WRITE 0 00:18:6 0 EOF\n";
        assert_eq!(holder_in(list, "FLOCK", "00:18:5"), Some(10));
        assert_eq!(holder_in(list, "FLOCK", "00:18:6"), None);
        assert_eq!(holder_in(list, "FLOCK", "00:18:7"), None);
        assert_eq!(holder_in(list, "POSIX", "00:18:5"), Some(7));
    }

    #[test]
    fn whoever_holds_a_lock_here_is_this_process_running() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(holder_of(&file), None);
        fs2::FileExt::lock_exclusive(&file).unwrap();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let expected = LockHolder {
            process: own,
            is_foreign: false,
            is_stopped: false,
        };
        // Some file systems have other device numbers there.
        assert!(holder_of(&file).is_none_or(|holder| holder == expected));
    }
}
