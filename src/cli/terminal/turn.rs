//! Allows one prompt at a time on a terminal, whichever homes the prompts are for.
//!
//! This is a record lock on the terminal's own device. Record locks belong to a process, so a
//! process that cannot open the device, as after `su`, can lock it through an inherited stream.
//! `/dev/tty` cannot be used, because it is the same file for every terminal. Closing any
//! descriptor of the device releases the lock, so nothing else here opens it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nightlatch_platform::fs::record_lock_holder;
use rustix::event::Timespec;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, fcntl_getfl, fcntl_lock, fstat};
use rustix::io::Errno;
use rustix::termios::{tcgetsid, ttyname};

/// The interval between attempts to lock.
const PAUSE: Duration = Duration::from_millis(20);
/// After this many attempts, check who holds the lock.
const LOOK_EVERY: u32 = 10;
/// How many attempts to wait for another user's prompt: one minute.
const FOREIGN_TRIES: u32 = 3000;

/// The right to prompt on the terminal, until it is dropped.
#[derive(Default)]
pub(super) struct Turn {
    /// The locked device.
    held: Option<File>,
    /// The device while waiting for the lock.
    waiting: Option<File>,
    tries: u32,
    /// Whether it was taken from a stopped prompt, which may have left the echo off.
    pub(super) is_taken_from_stopped: bool,
}

impl Turn {
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn give_back(&mut self) {
        *self = Self::default();
    }

    /// Whether it is this process's turn. Also `true` if that cannot be determined: the device
    /// cannot be opened, or the holder of the lock cannot be expected to release it.
    pub(super) fn try_take(&mut self) -> bool {
        let Some(file) = self.waiting.take().or_else(device) else {
            return true;
        };
        self.tries += 1;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                self.held = Some(file);
                return true;
            }
            Err(Errno::WOULDBLOCK | Errno::ACCESS | Errno::INTR) => {}
            Err(_) => return true,
        }
        if self.tries.is_multiple_of(LOOK_EVERY)
            && let Some(holder) = record_lock_holder(&file)
            && (holder.is_stopped || (holder.is_foreign && self.tries > FOREIGN_TRIES))
        {
            self.is_taken_from_stopped = holder.is_stopped;
            return true;
        }
        self.waiting = Some(file);
        false
    }

    pub(super) fn pause() {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: PAUSE.subsec_nanos().into(),
        };
        // Interrupted or not: an interruption only makes the next attempt earlier.
        let _ = rustix::event::poll(&mut [], Some(&timeout));
    }
}

/// The device to lock: opened by name, or taken from a stream.
fn device() -> Option<File> {
    let by_number = own_terminal().and_then(|number| {
        let paths = paths(number);
        paths.iter().find_map(|path| open_device(path, number))
    });
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let ours = streams.into_iter().filter(|stream| is_own_terminal(stream));
    by_number
        .or_else(|| ours.clone().find_map(named))
        .or_else(|| ours.clone().find_map(inherited))
}

fn is_own_terminal(stream: impl AsFd) -> bool {
    let own = nix::unistd::getsid(None).map(nix::unistd::Pid::as_raw);
    let session = tcgetsid(&stream).map(|session| session.as_raw_nonzero().get());
    matches!((own, session), (Ok(own), Ok(session)) if own == session)
}

/// The device of a stream, if it has a name and this user may open it.
fn named(stream: BorrowedFd<'_>) -> Option<File> {
    let number = fstat(stream).ok()?.st_rdev;
    let path = ttyname(stream, Vec::new()).ok()?;
    open_device(path.to_str().ok()?, number)
}

/// A copy of the stream, if it can be locked because it is open for writing.
fn inherited(stream: BorrowedFd<'_>) -> Option<File> {
    let writes = OFlags::RDWR | OFlags::WRONLY;
    let mode = fcntl_getfl(stream).ok()?;
    let copy = || stream.try_clone_to_owned().ok().map(File::from);
    mode.intersects(writes).then(copy)?
}

fn open_device(path: &str, number: rustix::fs::Dev) -> Option<File> {
    let flags =
        OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let stat = fstat(&file).ok()?;
    let is_it = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == number;
    is_it.then(|| file.into())
}

/// Possible paths of the device with this number; in a container, the terminal is the console.
#[cfg(target_os = "linux")]
fn paths(number: rustix::fs::Dev) -> Vec<String> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let mut paths = match major {
        136..=143 => vec![format!("/dev/pts/{}", (major - 136) * 256 + minor)],
        4 if minor < 64 => vec![format!("/dev/tty{minor}")],
        4 => vec![format!("/dev/ttyS{}", minor - 64)],
        _ => Vec::new(),
    };
    paths.push("/dev/console".to_owned());
    paths
}

#[cfg(not(target_os = "linux"))]
fn paths(_: rustix::fs::Dev) -> Vec<String> {
    Vec::new()
}

/// The device number of this process's terminal, whatever its streams are.
#[cfg(target_os = "linux")]
fn own_terminal() -> Option<rustix::fs::Dev> {
    use nightlatch_platform::fs::{Proc, ProcessStat};
    terminal_in(&ProcessStat::read(&Proc::open().ok()?, "self")?)
}

#[cfg(not(target_os = "linux"))]
fn own_terminal() -> Option<rustix::fs::Dev> {
    None
}

#[cfg(target_os = "linux")]
fn terminal_in(stat: &nightlatch_platform::fs::ProcessStat) -> Option<rustix::fs::Dev> {
    let number: i32 = stat.field(7)?;
    // The kernel's encoding: 12 bits of the minor number above the major number, and 8 below.
    let bits = number.cast_unsigned();
    let minor = (bits & 0xff) | ((bits >> 12) & 0x000f_ff00);
    (bits != 0).then(|| rustix::fs::makedev((bits >> 8) & 0xfff, minor))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_found_behind_any_name() {
        let number = |stat: &[u8]| {
            let stat = nightlatch_platform::fs::ProcessStat::parse(stat)?;
            terminal_in(&stat).map(|dev| (rustix::fs::major(dev), rustix::fs::minor(dev)))
        };
        assert_eq!(number(b"7 (a ) (b) S 1 7 7 34819 7 0"), Some((136, 3)));
        assert_eq!(number(b"7 (sh) S 1 7 7 1082368 7 0"), Some((132, 256)));
        assert_eq!(number(b"7 (sh) S 1 7 7 0 -1 0"), None);
        assert_eq!(number(b"7 (sh"), None);
    }

    #[test]
    fn a_terminal_of_any_number_has_a_path() {
        let first = |major, minor| paths(rustix::fs::makedev(major, minor)).remove(0);
        assert_eq!(first(136, 3), "/dev/pts/3");
        assert_eq!(first(137, 1), "/dev/pts/257");
        assert_eq!(first(4, 1), "/dev/tty1");
        assert_eq!(first(4, 65), "/dev/ttyS1");
        assert_eq!(first(5, 1), "/dev/console");
    }
}
