//! A helper process that observes signals sent to the whole process group. The system does not
//! report whether a signal was sent to one process or to the group; a signal that reaches both
//! processes was sent to the group.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::libc;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions};

/// A signal's number and its arrival time in nanoseconds of the monotonic clock; both
/// little-endian.
const REPORT: usize = 16;
/// How much later than the witness this process may see a signal, in nanoseconds. Signals with the
/// same number that arrive closer together count as one, as they do for the kernel while they are
/// pending.
const FRESH: u64 = 100_000_000;

/// The witness process. It ends when this value is dropped, and when this process or thread ends.
pub struct Witness {
    process: Pid,
    told: OwnedFd,
    /// Signals with their arrival times, oldest first.
    seen: Vec<(i32, u64)>,
}

impl Witness {
    /// Starts the witness in this process's group, with no inherited files open and all signals
    /// blocked.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start() -> io::Result<Self> {
        let (told, tell) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK,
        )?;
        let own = std::process::id();
        let tell_number = tell.as_raw_fd();
        // SAFETY: the new process only makes system calls and takes no lock of this one. The signal
        // mask that it needs is set before the fork, so that none of our handlers runs in it.
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

    /// Whether the witness has also received a `signal` that just reached this process. Waits up to
    /// `patience` before it returns false.
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
        // The witness ends only when killed.
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
    // SAFETY: the call fills in the time; if it fails, all zeros are a valid value too.
    #[allow(unsafe_code)]
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The witness's main loop: reports each signal on a descriptor until it is killed or the reader is
/// gone.
///
/// # Safety
/// Call only in a process that was just forked, with all signals blocked.
#[allow(unsafe_code)]
unsafe fn witness(tell: i32, parent: u32, all: *const libc::sigset_t) -> ! {
    // SAFETY: only system calls on this function's own memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let is_alone = libc::getppid().cast_unsigned() != parent;
        // The witness must not keep anyone's pipe or terminal open. If it cannot close them all, it
        // exits.
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
            // A pipe takes so few bytes whole or not at all; a full pipe has no reader right now.
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
        // A signal seen long ago is not the current one.
        std::thread::sleep(Duration::from_nanos(2 * FRESH));
        assert!(!witness.saw(libc::SIGTERM, Duration::ZERO));
    }

    #[test]
    fn it_keeps_nothing_open_and_is_gone_with_its_owner() {
        let witness = Witness::start().unwrap();
        let process = witness.process.as_raw_nonzero();
        let open = || std::fs::read_dir(format!("/proc/{process}/fd"));
        // The witness closes inherited files when it starts. Where open files cannot be listed,
        // this counts zero.
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
