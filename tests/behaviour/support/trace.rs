//! Stops a process at every system call it makes.
#![allow(unsafe_code)]

use std::os::raw::c_void;

/// The width that the C library uses.
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;
#[cfg(target_env = "musl")]
type Request = libc::c_int;

const GET_SYSCALL_INFO: Request = 0x420e;

/// A system call that a process is about to make.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub number: i64,
    pub arguments: [u64; 6],
}

/// The tracer of a process, used from a single thread.
pub struct Tracer {
    pid: libc::pid_t,
}

impl Tracer {
    /// Starts tracing process `pid`. It is stopped until [`Tracer::next`].
    pub fn attach(pid: u32) -> Self {
        let tracer = Self {
            pid: pid.cast_signed(),
        };
        let options =
            libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACEEXIT;
        tracer.request(libc::PTRACE_SEIZE, usize::try_from(options).unwrap());
        tracer.request(libc::PTRACE_INTERRUPT, 0);
        tracer.wait();
        tracer
    }

    /// Lets the process run up to its next system call and stops it there. Returns that call, or
    /// `None` when the process ends; it is no longer traced then.
    pub fn next(&mut self) -> Option<Call> {
        let mut signal = 0;
        loop {
            self.request(libc::PTRACE_SYSCALL, signal);
            let status = self.wait();
            let event = status >> 16;
            if event == libc::PTRACE_EVENT_EXIT {
                // The process that started it waits for its end.
                self.request(libc::PTRACE_DETACH, 0);
                return None;
            }
            assert!(libc::WIFSTOPPED(status), "it was killed");
            let stopped_by = libc::WSTOPSIG(status);
            signal = 0;
            if stopped_by == libc::SIGTRAP | 0x80 {
                if let Some(call) = self.entered() {
                    return Some(call);
                }
            } else if event == 0 {
                // Deliver the signal to the process.
                signal = usize::try_from(stopped_by).unwrap();
            }
        }
    }

    /// The call before which it is stopped; `None` after a call.
    fn entered(&self) -> Option<Call> {
        // The operation (a byte, and the architecture), two addresses, the call's number and its
        // arguments.
        let mut info = [0_u64; 11];
        let size = size_of_val(&info) as *mut c_void;
        // SAFETY: the kernel gets the size of the buffer.
        let length = unsafe { libc::ptrace(GET_SYSCALL_INFO, self.pid, size, info.as_mut_ptr()) };
        assert!(length > 0, "{}", std::io::Error::last_os_error());
        let [entry, ..] = info[0].to_ne_bytes();
        let mut arguments = [0; 6];
        arguments.copy_from_slice(&info[4..10]);
        (entry == 1).then_some(Call {
            number: info[3].cast_signed(),
            arguments,
        })
    }

    fn request(&self, request: Request, data: usize) {
        // SAFETY: none of these requests takes memory.
        let done = unsafe {
            libc::ptrace(
                request,
                self.pid,
                std::ptr::null_mut::<c_void>(),
                data as *mut c_void,
            )
        };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    fn wait(&self) -> libc::c_int {
        let mut status = 0;
        // SAFETY: the status outlives the call.
        let pid = unsafe { libc::waitpid(self.pid, &raw mut status, libc::__WALL) };
        assert_eq!(pid, self.pid, "{}", std::io::Error::last_os_error());
        status
    }

    /// Lets the stopped process continue untraced.
    pub fn detach(self) {
        self.request(libc::PTRACE_DETACH, 0);
    }
}
