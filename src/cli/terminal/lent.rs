//! A pager that was started while a password was asked for has remembered the terminal as it was then, with
//! the echo off, and sets it back so when it is left. Whoever asked waits for that and switches the echo on:
//! earlier nothing can be set right, and once this process has ended, the shell takes the terminal as it is.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nightlatch::guard::signals::Catch;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::termios::{OptionalActions, Termios, tcsetattr};
use signal_hook::consts::{SIGINT, SIGQUIT};

use super::{is_foreground, is_set_so};

/// Whether another program has taken the terminal over while a password was asked for.
#[derive(Clone, Default)]
pub struct Lent(Arc<Mutex<Option<Loan>>>);

struct Loan {
    tty: Arc<OwnedFd>,
    /// How the terminal was before.
    original: Termios,
    /// How it was while a password was asked for.
    asking: Termios,
    takers: Vec<Taker>,
}

impl Lent {
    /// Notes that the terminal is not as it was set while `asking`. The first time counts: later on the
    /// settings before may be those of the other program.
    pub(super) fn note(&self, tty: &Arc<OwnedFd>, original: &Termios, asking: &Termios) {
        let mut loan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loan.get_or_insert_with(|| Loan {
            tty: Arc::clone(tty),
            original: original.clone(),
            asking: asking.clone(),
            takers: later_processes_of_this_job(),
        });
    }

    /// Waits until the terminal is set back, and sets it right; nothing where nobody took it. To be called
    /// when this process has nothing else to do: its input and output lead nowhere afterwards.
    pub fn await_return(&self) {
        let loan = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(loan) = loan {
            loan.await_return();
        }
    }
}

impl Loan {
    fn await_return(mut self) {
        // These keys mean the other program.
        let Ok(mut catch) = Catch::new(&[SIGINT, SIGQUIT], &[]) else {
            return;
        };
        let open = kept_open();
        let may_wait = !self.takers.is_empty()
            && !is_socket(std::io::stderr())
            && !self.takers.iter().any(|taker| taker.may_read_from(&open))
            && give_up_streams();
        loop {
            if !is_foreground(&self.tty) {
                return;
            }
            if is_set_so(&self.tty, &self.asking) {
                let _ = rustix::io::retry_on_intr(|| {
                    tcsetattr(&self.tty, OptionalActions::Now, &self.original)
                });
                return;
            }
            if !may_wait || self.takers.is_empty() {
                return;
            }
            let handles = self.takers.iter().map(|taker| taker.end.as_fd());
            let mut fds: Vec<_> = handles
                .chain([catch.as_fd()])
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            if rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None)).is_err() {
                return;
            }
            let is_running: Vec<_> = fds.iter().map(|fd| fd.revents().is_empty()).collect();
            let mut is_running = is_running.into_iter();
            self.takers.retain(|_| is_running.next() == Some(true));
            catch.pending();
        }
    }
}

/// A process that may have taken the terminal.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // none is found there
struct Taker {
    number: i32,
    /// Readable when it has ended.
    end: OwnedFd,
}

impl Taker {
    /// Whether it reads, or may read, from a pipe that this process keeps open, as after `2>&1 |`: it would
    /// wait for the pipe's end, and this process for it.
    fn may_read_from(&self, open: &[PathBuf]) -> bool {
        match std::fs::read_link(format!("/proc/{}/fd/0", self.number)) {
            Ok(input) => open.contains(&input),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            // Another user's.
            Err(_) => !open.is_empty(),
        }
    }
}

/// The files that are open here, but for input and output, which are given up.
fn kept_open() -> Vec<PathBuf> {
    let files = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    files
        .filter(|file| file.file_name() != "0" && file.file_name() != "1")
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter(|file| file.to_string_lossy().starts_with("pipe:"))
        .collect()
}

/// Whether it is what some shells have for pipes, whose other end cannot be told.
fn is_socket(stream: impl AsFd) -> bool {
    let kind = fstat(stream).map(|stat| FileType::from_raw_mode(stat.st_mode));
    kind.is_ok_and(|kind| kind == FileType::Socket)
}

/// Has input and output lead nowhere: a pager sees its end, and whoever writes here nobody who reads.
fn give_up_streams() -> bool {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open("/dev/null", flags, Mode::empty()).is_ok_and(|null| {
        rustix::stdio::dup2_stdin(&null).is_ok() && rustix::stdio::dup2_stdout(&null).is_ok()
    })
}

/// The other processes of this job that were started after this one: what follows in a pipeline. Those before
/// are not waited for, so that no two processes wait for each other.
#[cfg(target_os = "linux")]
fn later_processes_of_this_job() -> Vec<Taker> {
    use super::stat::{self, SELF, Stat};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    const GROUP: usize = 5;
    const STARTED: usize = 22;
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let place = |stat: &Stat, process: i32| {
        let started: u64 = stat.field(STARTED)?;
        Some((started, process))
    };
    let Some((group, place_of_own)) =
        stat::read(SELF).and_then(|stat| Some((stat.field::<i32>(GROUP)?, place(&stat, own)?)))
    else {
        return Vec::new();
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let open = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let number: i32 = name.parse().ok()?;
        let stat = stat::read(&name)?;
        let is_later = place(&stat, number)? > place_of_own;
        if stat.field::<i32>(GROUP)? != group || !is_later {
            return None;
        }
        let end = pidfd_open(Pid::from_raw(number)?, PidfdFlags::empty()).ok()?;
        Some(Taker { number, end })
    };
    entries.filter_map(open).collect()
}

/// No other system says which they are.
#[cfg(not(target_os = "linux"))]
fn later_processes_of_this_job() -> Vec<Taker> {
    Vec::new()
}
