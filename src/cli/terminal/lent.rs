//! A pager that starts during a password prompt saves the terminal's settings with the echo off,
//! and restores them when it exits. The prompting process waits for that exit and then switches the
//! echo on: earlier it would be undone, and after this process has ended, the shell keeps whatever
//! settings it finds.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nightlatch_local::guard::signals::{Catch, is_foreground};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::termios::{OptionalActions, Termios, tcsetattr};
use signal_hook::consts::{SIGINT, SIGQUIT};

use super::is_set_so;

/// Whether another program has taken over the terminal during a password prompt.
#[derive(Clone, Default)]
pub struct Lent(Arc<Mutex<Option<Loan>>>);

struct Loan {
    tty: Arc<OwnedFd>,
    /// The terminal's settings before the prompt.
    original: Termios,
    /// The settings during the prompt.
    asking: Termios,
    takers: Vec<Taker>,
}

impl Lent {
    /// Records that the terminal no longer has the settings `asking`. Only the first time counts:
    /// later, the previous settings may be those of the other program.
    pub(super) fn note(&self, tty: &Arc<OwnedFd>, original: &Termios, asking: &Termios) {
        let mut loan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loan.get_or_insert_with(|| Loan {
            tty: Arc::clone(tty),
            original: original.clone(),
            asking: asking.clone(),
            takers: later_processes_of_this_job(),
        });
    }

    /// Waits until the terminal is restored, and then switches the echo on; does nothing if no
    /// program took it over. Call this when the process has nothing else to do: its input and
    /// output are redirected to nowhere.
    pub fn await_return(&self) {
        let loan = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(loan) = loan {
            loan.await_return();
        }
    }
}

impl Loan {
    fn await_return(mut self) {
        // These keys are meant for the other program.
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

/// A process that may have taken over the terminal.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // never constructed elsewhere
struct Taker {
    number: i32,
    /// Readable when the process has ended.
    end: OwnedFd,
}

impl Taker {
    /// Whether it reads, or may read, from a pipe that this process keeps open, as after `2>&1 |`:
    /// then each would wait for the other to end.
    fn may_read_from(&self, open: &[PathBuf]) -> bool {
        match std::fs::read_link(format!("/proc/{}/fd/0", self.number)) {
            Ok(input) => open.contains(&input),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            // A process of another user.
            Err(_) => !open.is_empty(),
        }
    }
}

/// The files open in this process, except input and output, which are given up.
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

/// Whether it is a socket, which some shells use for pipes and whose other end is unknown.
fn is_socket(stream: impl AsFd) -> bool {
    let kind = fstat(stream).map(|stat| FileType::from_raw_mode(stat.st_mode));
    kind.is_ok_and(|kind| kind == FileType::Socket)
}

/// Redirects input and output to nowhere: a pager sees the end of its input, and a process that
/// writes to us sees a closed pipe.
fn give_up_streams() -> bool {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open("/dev/null", flags, Mode::empty()).is_ok_and(|null| {
        rustix::stdio::dup2_stdin(&null).is_ok() && rustix::stdio::dup2_stdout(&null).is_ok()
    })
}

/// The other processes of this job that were started after this one: those that follow in a
/// pipeline. Earlier ones are not waited for, so that no two processes wait for each other.
#[cfg(target_os = "linux")]
fn later_processes_of_this_job() -> Vec<Taker> {
    use nightlatch_platform::fs::{Proc, ProcessStat};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    const GROUP: usize = 5;
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let place = |stat: &ProcessStat, process: i32| Some((stat.start_time()?, process));
    let Ok(proc) = Proc::open() else {
        return Vec::new();
    };
    let Some((group, place_of_own)) = ProcessStat::read(&proc, "self")
        .and_then(|stat| Some((stat.field::<i32>(GROUP)?, place(&stat, own)?)))
    else {
        return Vec::new();
    };
    let open = |number: i32| {
        let stat = ProcessStat::read(&proc, &number.to_string())?;
        let is_later = place(&stat, number)? > place_of_own;
        if stat.field::<i32>(GROUP)? != group || !is_later {
            return None;
        }
        let end = pidfd_open(Pid::from_raw(number)?, PidfdFlags::empty()).ok()?;
        Some(Taker { number, end })
    };
    let processes = proc.process_ids().unwrap_or_default();
    processes.into_iter().filter_map(open).collect()
}

/// Only Linux provides this information.
#[cfg(not(target_os = "linux"))]
fn later_processes_of_this_job() -> Vec<Taker> {
    Vec::new()
}
