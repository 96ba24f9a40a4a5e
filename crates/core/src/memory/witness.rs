//! A process that sees which signals this process's whole group is sent. The system does not say of a
//! signal whether it was meant for one process or for all of a group; what reaches both was.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::libc;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions};

/// A signal's number and the time it came, in nanoseconds of the monotonic clock; both little-endian.
const REPORT: usize = 16;
/// How much later than the witness this process may come to see a signal, in nanoseconds. Signals of one
/// number that come closer together than that count as one, as they do to the system while they wait.
const FRESH: u64 = 100_000_000;

/// The witness; it ends when this is dropped, and when this process or thread does.
pub struct Witness {
    process: Pid,
    told: OwnedFd,
    /// Signals with the times they came, oldest first.
    seen: Vec<(i32, u64)>,
}

impl Witness {
    /// Starts it, in this process's group, with nothing open and nothing to stop it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start() -> io::Result<Self> {
        let (told, tell) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK,
        )?;
        let own = std::process::id();
        let tell_number = tell.as_raw_fd();
        // SAFETY: until it ends, the new process makes system calls alone and touches no lock of this one;
        // the mask that it needs is set before it begins, so that no handler of ours runs in it.
        #[allow(unsafe_code)]
        let process = unsafe {
            let mut all = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
            let mut before = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            let process = libc::fork();
            if process == 0 {
                witness(tell_number, own, all.as_ptr());
            }
            let error = io::Error::last_os_error();
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
            if process < 0 {
                return Err(error);
            }
            process
        };
        let process = Pid::from_raw(process).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self {
            process,
            told,
            seen: Vec::new(),
        })
    }

    /// Whether a `signal` that has reached this process a moment ago has reached the witness too. Waits for
    /// `patience` before it says no.
    pub fn saw(&mut self, signal: i32, patience: Duration) -> bool {
        if self.has_told(signal) {
            return true;
        }
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: patience.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.told, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&timeout)), Ok(1)) && self.has_told(signal)
    }

    fn has_told(&mut self, signal: i32) -> bool {
        let mut reports = [0; 32 * REPORT];
        while let Ok(count @ 1..) = rustix::io::read(&self.told, &mut reports) {
            let (whole, _) = reports[..count].as_chunks::<REPORT>();
            self.seen.extend(whole.iter().map(decode));
        }
        let now = monotonic();
        self.seen.retain(|&(_, at)| now.saturating_sub(at) < FRESH);
        self.seen.iter().any(|&(seen, _)| seen == signal)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // Nothing else ends it.
        let _ = rustix::process::kill_process(self.process, Signal::KILL);
        let _ = rustix::io::retry_on_intr(|| {
            rustix::process::waitpid(Some(self.process), WaitOptions::empty())
        });
    }
}

fn decode(report: &[u8; REPORT]) -> (i32, u64) {
    let mut parts = report.chunks_exact(8).map(|part| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(part);
        u64::from_le_bytes(bytes)
    });
    let signal = parts.next().unwrap_or(0);
    let at = parts.next().unwrap_or(0);
    (i32::try_from(signal).unwrap_or(0), at)
}

fn monotonic() -> u64 {
    let mut now = std::mem::MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the call fills in the time; where it does not, all zeros are a value as well.
    #[allow(unsafe_code)]
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The whole life of the witness: tells of each signal by descriptor 0, until it is killed or nobody is
/// there to be told.
///
/// # Safety
/// To be called in a process that was just forked, all of whose signals are blocked.
#[allow(unsafe_code)]
unsafe fn witness(tell: i32, parent: u32, all: *const libc::sigset_t) -> ! {
    // SAFETY: system calls on memory of this function alone.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let is_alone = libc::getppid().cast_unsigned() != parent;
        // It keeps nobody's pipe or terminal open. Where it could not be sure of that, it is not there.
        if is_alone
            || libc::dup2(tell, 0) != 0
            || libc::syscall(libc::SYS_close_range, 1_u32, u32::MAX, 0_u32) != 0
        {
            libc::_exit(0);
        }
        loop {
            let signal = libc::sigwaitinfo(all, std::ptr::null_mut());
            let Ok(number @ 1..) = u64::try_from(signal) else {
                continue;
            };
            let mut report = [0_u8; REPORT];
            report[..8].copy_from_slice(&number.to_le_bytes());
            report[8..].copy_from_slice(&monotonic().to_le_bytes());
            // A pipe takes so little as a whole or not at all; one that is full is not read just now.
            if libc::write(0, report.as_ptr().cast(), REPORT) < 0
                && io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock
            {
                libc::_exit(0);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_what_it_is_sent_for_a_moment_and_nothing_else() {
        const PATIENCE: Duration = Duration::from_millis(900);
        let mut witness = Witness::start().unwrap();
        assert!(!witness.saw(libc::SIGUSR1, Duration::ZERO));
        for signal in [Signal::USR1, Signal::TSTP, Signal::TERM] {
            rustix::process::kill_process(witness.process, signal).unwrap();
            assert!(witness.saw(signal.as_raw(), PATIENCE), "{signal:?}");
        }
        assert!(!witness.saw(libc::SIGUSR2, Duration::ZERO));
        // What was seen long ago is no signal of now.
        std::thread::sleep(Duration::from_nanos(2 * FRESH));
        assert!(!witness.saw(libc::SIGTERM, Duration::ZERO));
    }

    #[test]
    fn it_keeps_nothing_open_and_is_gone_with_its_owner() {
        let witness = Witness::start().unwrap();
        let process = witness.process.as_raw_nonzero();
        let open = || std::fs::read_dir(format!("/proc/{process}/fd"));
        // It closes what it inherited when it begins. Whoever may not look sees nothing.
        let count = || open().map_or(0, Iterator::count);
        let tries = (0..1000).find(|_| {
            std::thread::sleep(Duration::from_millis(5));
            count() <= 1
        });
        assert!(tries.is_some(), "{} files are open", count());
        drop(witness);
        assert!(open().is_err());
    }
}
