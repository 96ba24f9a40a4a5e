//! One prompt at a time on a terminal, whatever homes the prompts are for.
//!
//! A record lock on the terminal's own device, which is each process's own: so those share it who cannot open
//! the device, as after `su`, but inherited it as a stream. `/dev/tty` will not do: it is the same file for
//! every terminal there is. Closing any descriptor of the device gives the lock back, so nothing else here
//! opens it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nightlatch::record_lock_holder;
use rustix::event::Timespec;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, fcntl_getfl, fcntl_lock, fstat};
use rustix::io::Errno;
use rustix::termios::{tcgetsid, ttyname};

/// How long until the lock is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// After so many tries it is looked at who holds it.
const LOOK_EVERY: u32 = 10;
/// So many tries another user's prompt is waited for: a minute.
const FOREIGN_TRIES: u32 = 3000;

/// The right to ask on the terminal; given back when dropped.
#[derive(Default)]
pub(super) struct Turn {
    /// The locked device.
    held: Option<File>,
    /// The device while the lock is waited for.
    waiting: Option<File>,
    tries: u32,
    /// Whether it was taken from a prompt that is stopped, with what is typed hidden perhaps.
    pub(super) is_taken_from_stopped: bool,
}

impl Turn {
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn give_back(&mut self) {
        *self = Self::default();
    }

    /// Whether it is this process's turn. Also where nobody could say so: the device cannot be opened, or
    /// who holds the lock cannot be expected to give it back.
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
        // Interrupted or not: then it is tried again the sooner.
        let _ = rustix::event::poll(&mut [], Some(&timeout));
    }
}

/// The device of this process's terminal, to be locked: opened, or else as a stream has it.
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

/// The device of a stream, where the system gives it a name and lets this user open it.
fn named(stream: BorrowedFd<'_>) -> Option<File> {
    let number = fstat(stream).ok()?.st_rdev;
    let path = ttyname(stream, Vec::new()).ok()?;
    open_device(path.to_str().ok()?, number)
}

/// A copy of the stream, where that may be locked: it was opened for writing.
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

/// Where the device of this number may be; a container has its terminal as its console.
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

/// The number of this process's terminal, whatever its streams are.
#[cfg(target_os = "linux")]
fn own_terminal() -> Option<rustix::fs::Dev> {
    use super::stat;
    stat::read(stat::SELF).as_ref().and_then(terminal_in)
}

#[cfg(not(target_os = "linux"))]
fn own_terminal() -> Option<rustix::fs::Dev> {
    None
}

#[cfg(target_os = "linux")]
fn terminal_in(stat: &super::stat::Stat) -> Option<rustix::fs::Dev> {
    let number: i32 = stat.field(7)?;
    // As the kernel packs it: 12 bits of the minor number above the major's, 8 below.
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
            let stat = super::super::stat::Stat::of(stat)?;
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
