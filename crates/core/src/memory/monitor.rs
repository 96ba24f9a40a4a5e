//! A helper process between this one and a command that has a terminal of its own. It leads the
//! terminal's session and is the command's parent: the kernel ignores Ctrl-Z in a process group
//! that has no parent in its session. If this process is killed, it restores this process's terminal.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use rustix::process::{Pid, Signal, WaitOptions};

/// A change of the command, as it is reported: a code of waitid(2), and an exit code, a signal or,
/// at first, the command's process id; in the machine's byte order.
const REPORT: usize = 8;
/// The code of the first report. Those of waitid are above it.
const STARTED: i32 = 0;

/// How a command has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // the system reports nothing else
pub enum Change {
    /// It exited with this code.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// This signal stopped it.
    Stopped(i32),
    /// It was resumed.
    Continued,
}

/// Whether the command's next start is one with a monitor. When this is dropped, it can no longer be
/// started: the descriptors are closed, and their numbers may be others'.
struct Armed(Arc<AtomicBool>);

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// What the monitor is to do with this process's terminal if this process is killed.
#[derive(Clone, Copy)]
#[repr(C)]
struct Restoring {
    is_wanted: bool,
    settings: libc::termios,
}

/// Makes the next start of a command one with a monitor.
pub struct MonitoredStart {
    armed: Armed,
    reports: OwnedFd,
    restoring: OwnedFd,
    /// What the new processes inherit; closed here after the start.
    inherited: [OwnedFd; 4],
}

impl MonitoredStart {
    /// Prepares `command` to be started on `terminal`, which becomes the controlling terminal of a
    /// new session, by a monitor that leads it; in the foreground or not. The terminal's descriptors
    /// among the command's standard streams are set by the caller. `outer` is this process's terminal.
    ///
    /// Call [`MonitoredStart::started`] after the start; `command` cannot be started again.
    ///
    /// # Errors
    /// When the system refuses a pipe.
    pub fn prepare(
        command: &mut Command,
        terminal: OwnedFd,
        outer: OwnedFd,
        in_foreground: bool,
    ) -> io::Result<Self> {
        use rustix::pipe::{PipeFlags, pipe_with};
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (reports, tell) = pipe_with(flags)?;
        let (to_restore, restoring) = pipe_with(flags)?;
        let armed = Armed(Arc::new(AtomicBool::new(true)));
        let is_armed = Arc::clone(&armed.0);
        let inherited = [tell, terminal, outer, to_restore];
        let numbers = inherited.each_ref().map(AsRawFd::as_raw_fd);
        let own = std::process::id();
        // SAFETY: the new process only makes system calls. Its descriptors are those that this
        // value keeps open, which the flag says.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(move || {
                if !is_armed.load(Ordering::SeqCst) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                split(numbers, own, in_foreground)
            });
        }
        Ok(Self {
            armed,
            reports,
            restoring,
            inherited,
        })
    }

    /// The monitor of the command that was started just now, as `process`.
    ///
    /// # Errors
    /// When the monitor did not report the command.
    pub fn started(self, process: Pid) -> io::Result<Monitor> {
        drop(self.armed);
        drop(self.inherited);
        let mut report = [0; REPORT];
        // The command runs only after the report is written, except for the last system call.
        let mut fds = [rustix::event::PollFd::new(
            &self.reports,
            rustix::event::PollFlags::IN,
        )];
        let polled = rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None));
        let read = polled.and_then(|_| rustix::io::read(&self.reports, &mut report));
        let command = match decode(report) {
            (STARTED, command) if read == Ok(REPORT) => Pid::from_raw(command),
            _ => None,
        };
        let Some(command) = command else {
            end(process);
            return Err(io::Error::other("the command's monitor did not start"));
        };
        Ok(Monitor {
            process,
            command,
            reports: self.reports,
            restoring: self.restoring,
        })
    }
}

/// A running monitor. It ends when this value is dropped, and when this process or thread ends; the
/// command's terminal hangs up then. Until then, the process id of its command, which also
/// identifies the command's process group, is not reused.
///
/// Accepted: it is a copy of this process, so it keeps what is in this process's ordinary memory at
/// the start, such as the command's environment. Like this process, it can be read by root only.
pub struct Monitor {
    process: Pid,
    command: Pid,
    reports: OwnedFd,
    restoring: OwnedFd,
}

impl Monitor {
    /// The command.
    pub fn command(&self) -> Pid {
        self.command
    }

    /// Becomes readable when there is a change to report.
    pub fn reports(&self) -> &OwnedFd {
        &self.reports
    }

    /// The next change of the command, without blocking; `None` when there is none. If somebody
    /// killed the monitor, that counts as the command's end.
    ///
    /// # Errors
    /// When the report cannot be read.
    pub fn next_change(&self) -> io::Result<Option<Change>> {
        let mut report = [0; REPORT];
        let length = match rustix::io::read(&self.reports, &mut report) {
            Ok(length) => length,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if length < REPORT {
            return Ok(Some(Change::Killed(libc::SIGKILL)));
        }
        Ok(Some(match decode(report) {
            (libc::CLD_EXITED, code) => Change::Exited(code),
            (libc::CLD_STOPPED | libc::CLD_TRAPPED, signal) => Change::Stopped(signal),
            (libc::CLD_CONTINUED, _) => Change::Continued,
            (_, signal) => Change::Killed(signal),
        }))
    }

    /// From now on, if this process is killed and leaves `terminal` in raw mode, the monitor restores
    /// the settings that it has at present.
    ///
    /// # Errors
    /// When the settings cannot be read, or the monitor is gone.
    pub fn guard_settings(&self, terminal: BorrowedFd<'_>) -> io::Result<()> {
        let mut settings = std::mem::MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: the call fills in the settings, and their zeros are valid as well.
        #[allow(unsafe_code)]
        let settings = unsafe {
            if libc::tcgetattr(terminal.as_raw_fd(), settings.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            settings.assume_init()
        };
        self.set_restoring(&Restoring {
            is_wanted: true,
            settings,
        })
    }

    /// From now on, the monitor leaves this process's terminal alone.
    pub fn leave_settings(&self) {
        // SAFETY: plain numbers, of which zero is a valid value.
        #[allow(unsafe_code)]
        let settings = unsafe { std::mem::zeroed() };
        // Fails only if the monitor is gone.
        let _ = self.set_restoring(&Restoring {
            is_wanted: false,
            settings,
        });
    }

    fn set_restoring(&self, restoring: &Restoring) -> io::Result<()> {
        // SAFETY: the value is as large as it says. A pipe takes so few bytes whole or not at all.
        #[allow(unsafe_code)]
        let written = unsafe {
            let bytes = std::ptr::from_ref(restoring).cast();
            libc::write(self.restoring.as_raw_fd(), bytes, size_of::<Restoring>())
        };
        if written < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Resumes the command's process group, in the foreground of its terminal or not.
    pub fn resume(&self, in_foreground: bool) {
        let signal = if in_foreground {
            Signal::USR1
        } else {
            Signal::USR2
        };
        // Fails only if the monitor is gone, and the command with it.
        let _ = rustix::process::kill_process(self.process, signal);
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        end(self.process);
    }
}

fn end(monitor: Pid) {
    let _ = rustix::process::kill_process(monitor, Signal::KILL);
    let _ =
        rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(monitor), WaitOptions::empty()));
}

fn decode(report: [u8; REPORT]) -> (i32, i32) {
    let number = |half: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&report[half * 4..][..4]);
        i32::from_ne_bytes(bytes)
    };
    (number(0), number(1))
}

/// In the new process: becomes the leader of a session on `terminal`, and forks. Returns in the
/// command; the other process becomes the monitor.
///
/// # Safety
/// Call only in a process that was just forked, with these descriptors open.
#[allow(unsafe_code)]
unsafe fn split(inherited: [i32; 4], guard: u32, in_foreground: bool) -> io::Result<()> {
    let [_, terminal, ..] = inherited;
    // SAFETY: only system calls on this function's own memory. The signal sets are initialized
    // before they are used.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        let mut before = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigfillset(all.as_mut_ptr());
        if libc::setsid() < 0 || libc::ioctl(terminal, libc::TIOCSCTTY, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        // The command must not be stopped for setting the foreground group.
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
        let command = libc::fork();
        if command > 0 {
            monitor(inherited, command, guard, all.as_ptr());
        }
        if command < 0 || libc::setpgid(0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        if in_foreground && libc::tcsetpgrp(terminal, libc::getpid()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    Ok(())
}

/// The monitor's main loop: reports changes of the command and resumes it, until it is killed.
///
/// # Safety
/// Call only in a process that was just forked, with all signals blocked.
#[allow(unsafe_code)]
unsafe fn monitor(inherited: [i32; 4], command: i32, guard: u32, all: *const libc::sigset_t) -> ! {
    // SAFETY: only system calls on this function's own memory.
    unsafe {
        libc::setpgid(command, command);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        // It must not keep anyone's pipe open, and the terminal only while the command runs. The
        // standard streams were set before, so all these descriptors are above them; the last is
        // placed last, where another may have been.
        let are_placed = (0..4)
            .zip(inherited)
            .all(|(to, from)| libc::dup2(from, to) == to);
        if !are_placed
            || libc::syscall(libc::SYS_close_range, 4_u32, u32::MAX, 0_u32) != 0
            || libc::getppid().cast_unsigned() != guard
            || !report(STARTED, command)
        {
            libc::kill(command, libc::SIGKILL);
            libc::_exit(0);
        }
        let mut has_ended = false;
        let mut restoring = Restoring {
            is_wanted: false,
            settings: std::mem::zeroed(),
        };
        loop {
            next_restoring(&mut restoring);
            if libc::getppid().cast_unsigned() != guard {
                restore(&restoring);
                libc::_exit(0);
            }
            while !has_ended && let Some((code, status)) = next_change(command) {
                has_ended = matches!(code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED);
                if has_ended {
                    // Whoever reads the terminal must see its end.
                    libc::close(1);
                }
                // A command that was never executed is waited for by this process's end.
                if !report(code, status) || has_ended && !was_executed(command) {
                    libc::_exit(0);
                }
            }
            let mut origin = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
            let signal = libc::sigwaitinfo(all, origin.as_mut_ptr());
            let is_order = matches!(signal, libc::SIGUSR1 | libc::SIGUSR2)
                && origin.assume_init_ref().si_pid().cast_unsigned() == guard;
            if is_order && !has_ended {
                let group = if signal == libc::SIGUSR1 {
                    command
                } else {
                    libc::getpid()
                };
                libc::tcsetpgrp(1, group);
                libc::kill(-command, libc::SIGCONT);
            }
        }
    }
}

/// The command's next change, without blocking. Its end is left to be waited for, so that its
/// process id is not reused.
///
/// # Safety
/// None beyond that of a system call on this function's own memory.
#[allow(unsafe_code)]
unsafe fn next_change(command: i32) -> Option<(i32, i32)> {
    for options in [
        libc::WSTOPPED | libc::WCONTINUED,
        libc::WEXITED | libc::WNOWAIT,
    ] {
        let mut change = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the call fills in the change; without one, its zeros stay.
        unsafe {
            let process = command.cast_unsigned();
            let options = options | libc::WNOHANG;
            if libc::waitid(libc::P_PID, process, change.as_mut_ptr(), options) == 0 {
                let change = change.assume_init();
                if change.si_pid() != 0 {
                    return Some((change.si_code, change.si_status()));
                }
            }
        }
    }
    None
}

/// Reads the latest of the guard's wishes for its terminal, if there is another.
///
/// # Safety
/// None beyond that of a system call on this function's own memory.
#[allow(unsafe_code)]
unsafe fn next_restoring(restoring: &mut Restoring) {
    const SIZE: usize = size_of::<Restoring>();
    let mut next = *restoring;
    // SAFETY: the guard writes whole values of this type.
    unsafe {
        while libc::read(3, std::ptr::from_mut(&mut next).cast(), SIZE) == SIZE.cast_signed() {
            *restoring = next;
        }
    }
}

/// Restores the guard's terminal, unless somebody, such as a shell, has already set it otherwise.
///
/// # Safety
/// None beyond that of system calls on this function's own memory.
#[allow(unsafe_code)]
unsafe fn restore(restoring: &Restoring) {
    // SAFETY: the call fills in the settings, and their zeros are valid as well.
    unsafe {
        let mut now: libc::termios = std::mem::zeroed();
        let local = libc::ICANON | libc::ECHO | libc::ISIG;
        let is_raw = libc::tcgetattr(2, &raw mut now) == 0
            && now.c_lflag & local == 0
            && now.c_oflag & libc::OPOST == 0;
        if restoring.is_wanted && is_raw {
            libc::tcsetattr(2, libc::TCSANOW, &raw const restoring.settings);
        }
    }
}

/// Writes a report; `false` when nobody reads it any more.
///
/// # Safety
/// None beyond that of a system call on this function's own memory.
#[allow(unsafe_code)]
unsafe fn report(code: i32, status: i32) -> bool {
    let mut bytes = [0_u8; REPORT];
    bytes[..4].copy_from_slice(&code.to_ne_bytes());
    bytes[4..].copy_from_slice(&status.to_ne_bytes());
    // SAFETY: a pipe takes so few bytes whole or not at all.
    unsafe { libc::write(0, bytes.as_ptr().cast(), REPORT) > 0 }
}

/// Whether the ended process had executed its program, by the flag that the kernel keeps for process
/// accounting. If it cannot be read, assume that it had not.
///
/// # Safety
/// None beyond that of system calls on this function's own memory.
#[allow(unsafe_code)]
unsafe fn was_executed(process: i32) -> bool {
    /// PF_FORKNOEXEC.
    const FORKED_ONLY: u32 = 0x40;
    let mut path = *b"/proc/0000000000/stat\0";
    let mut digits = process;
    for place in path[6..16].iter_mut().rev() {
        *place += u8::try_from(digits % 10).unwrap_or(0);
        digits /= 10;
    }
    // Leading zeros name no process.
    let zeros = path[6..16].iter().take_while(|&&byte| byte == b'0').count();
    path.copy_within(6 + zeros.., 6);
    let mut stat = [0_u8; 512];
    // SAFETY: the path ends with a zero, and the call fills in the array.
    let length = unsafe {
        let file = libc::open(path.as_ptr().cast(), libc::O_RDONLY);
        libc::read(file, stat.as_mut_ptr().cast(), stat.len())
    };
    let stat = &stat[..usize::try_from(length).unwrap_or(0)];
    flags_in(stat).is_some_and(|flags| flags & FORKED_ONLY == 0)
}

/// The process's flags in its `/proc/PID/stat`: the seventh field after the name in parentheses,
/// which may hold any character.
fn flags_in(stat: &[u8]) -> Option<u32> {
    let behind = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let mut fields = stat[behind..].split(u8::is_ascii_whitespace);
    std::str::from_utf8(fields.nth(7)?).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_found_behind_any_name() {
        let stat = b"7 (a ) (b) Z 1 2 3 4 5 4194368 0 0";
        assert_eq!(flags_in(stat), Some(4_194_368));
        assert_eq!(flags_in(b"7 (a"), None);
    }

    #[test]
    fn a_process_that_executed_nothing_is_told_from_one_that_did() {
        // This process was executed; the path of a process that is not there cannot be read.
        let own = i32::try_from(std::process::id()).unwrap();
        #[allow(unsafe_code)]
        // SAFETY: as it says.
        let (own, none) = unsafe { (was_executed(own), was_executed(999_999_999)) };
        assert!(own);
        assert!(!none);
    }
}
