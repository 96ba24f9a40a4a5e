//! Sets the clocks that a single process sees: the real program with a clock that was changed, or
//! long after it was last used.
//!
//! The program normally reads its clocks without a system call, from memory shared with the kernel.
//! So it is traced: that memory is hidden from it, and the results of the system calls that it
//! makes instead are replaced. Its child processes are not traced and see the real clocks.

use std::io::{Error, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::time::{ClockId, clock_gettime};

use super::Run;

/// The times of both clocks, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    wall: i64,
    boot: i64,
}

/// One second, in the unit of [`Clocks::later`].
pub const SECOND: i64 = 1_000_000_000;

impl Clocks {
    /// The real times; `None`, with a message, if they cannot be replaced.
    pub fn now() -> Option<Self> {
        // The program closes its memory to all debuggers except root's.
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can replace the clocks of the program");
            return None;
        }
        let nanos = |clock| {
            let time = clock_gettime(clock);
            time.tv_sec * SECOND + time.tv_nsec
        };
        let now = Self {
            wall: nanos(ClockId::Realtime),
            boot: nanos(ClockId::Boottime),
        };
        match now.try_run(Command::new("true"), b"") {
            Ok(_) => Some(now),
            Err(error) => {
                eprintln!("skipped: no process may be traced here: {error}");
                None
            }
        }
    }

    /// Both clocks, moved by these numbers of nanoseconds.
    pub fn moved(self, wall: i64, boot: i64) -> Self {
        Self {
            wall: self.wall + wall,
            boot: self.boot + boot,
        }
    }

    /// Both clocks, moved forward.
    pub fn later(self, by: i64) -> Self {
        self.moved(by, by)
    }

    /// Whether these times are possible: a machine cannot show a time before it was started.
    pub fn may_be(self) -> bool {
        self.boot > 0
    }

    /// Runs `command` with `input` until it ends. For it, time stands still at these clocks.
    pub fn run(self, command: Command, input: &[u8]) -> Run {
        self.try_run(command, input).unwrap()
    }

    /// Only the thread that starts a process may trace it, and this thread has other children.
    fn try_run(self, mut command: Command, input: &[u8]) -> std::io::Result<Run> {
        let run = move || {
            let output = self.trace(&mut command, input)?;
            Ok(Run::new(&command, &output))
        };
        std::thread::scope(|scope| scope.spawn(run).join().unwrap())
    }

    #[allow(clippy::zombie_processes)] // the tracer waits for it
    fn trace(self, command: &mut Command, input: &[u8]) -> std::io::Result<Output> {
        ask_to_be_traced(command);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn()?;
        // Small enough to fit into the pipe before anyone reads it.
        child.stdin.take().unwrap().write_all(input).unwrap();
        let tracee = Tracee::begun(&child);
        let status = tracee.follow(|clock| match clock {
            libc::CLOCK_REALTIME => Some(self.wall),
            libc::CLOCK_BOOTTIME => Some(self.boot),
            _ => None,
        });
        let mut output = Output {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        let (mut stdout, mut stderr) = (child.stdout.unwrap(), child.stderr.unwrap());
        stdout.read_to_end(&mut output.stdout).unwrap();
        stderr.read_to_end(&mut output.stderr).unwrap();
        Ok(output)
    }
}

#[allow(unsafe_code)]
fn ask_to_be_traced(command: &mut Command) {
    // SAFETY: only a system call runs between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            -1 => Err(Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// A process that this thread traces.
struct Tracee(libc::pid_t);

impl Tracee {
    /// Attaches to `child` at the first instruction of its program.
    fn begun(child: &Child) -> Self {
        let tracee = Self(child.id().try_into().unwrap());
        let status = tracee.wait();
        assert_eq!(status.stopped_signal(), Some(libc::SIGTRAP), "{status:?}");
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        tracee.ask(libc::PTRACE_SETOPTIONS, 0, options.into());
        tracee.hide_the_shared_clocks();
        tracee
    }

    /// Removes the vDSO from the data that the kernel put on the program's stack: the number and
    /// the addresses of the arguments, those of the environment, and then pairs of a key and a
    /// value.
    fn hide_the_shared_clocks(&self) {
        const WORD: u64 = size_of::<libc::c_long>() as u64;
        let stack = self.stop().stack_pointer;
        let mut at = stack + WORD * (self.peek(stack).cast_unsigned() + 2);
        while self.peek(at) != 0 {
            at += WORD;
        }
        at += WORD;
        loop {
            match self.peek(at).cast_unsigned() {
                libc::AT_NULL => panic!("the program was told of no vDSO"),
                libc::AT_SYSINFO_EHDR => break,
                _ => at += 2 * WORD,
            }
        }
        self.poke(at, libc::AT_IGNORE.cast_signed());
    }

    /// Lets it run until it ends. A clock that it reads returns `answer`'s value, if there is one.
    fn follow(&self, answer: impl Fn(libc::c_int) -> Option<i64>) -> ExitStatus {
        let mut signal = 0;
        let mut reading = None;
        loop {
            self.ask(libc::PTRACE_SYSCALL, 0, signal);
            let status = self.wait();
            signal = 0;
            match status.stopped_signal() {
                None => return status,
                Some(stop) if stop == libc::SIGTRAP | 0x80 => {
                    reading = match (self.call(), reading) {
                        (Call::Begins(clock), _) => clock,
                        (Call::Ends, Some((clock, to))) => {
                            if let Some(nanos) = answer(clock) {
                                self.poke(to, nanos.div_euclid(SECOND));
                                self.poke(to + 8, nanos.rem_euclid(SECOND));
                            }
                            None
                        }
                        (Call::Ends, None) => None,
                    };
                }
                Some(other) => signal = other.into(),
            }
        }
    }

    /// The system call at which it stopped.
    #[allow(unsafe_code)]
    fn call(&self) -> Call {
        let stop = self.stop();
        if stop.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return Call::Ends;
        }
        // SAFETY: the kernel filled in the union's field that `op` names.
        let entry = unsafe { stop.u.entry };
        let is_reading = entry.nr == u64::try_from(libc::SYS_clock_gettime).unwrap();
        let clock = || libc::c_int::try_from(entry.args[0]).unwrap();
        Call::Begins(is_reading.then(|| (clock(), entry.args[1])))
    }

    #[allow(unsafe_code)]
    fn stop(&self) -> libc::ptrace_syscall_info {
        // SAFETY: plain numbers; the kernel writes no more bytes than the given size.
        unsafe {
            let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
            let filled = libc::ptrace(
                libc::PTRACE_GET_SYSCALL_INFO,
                self.0,
                size_of_val(&info),
                &raw mut info,
            );
            assert!(filled > 0, "{}", Error::last_os_error());
            info
        }
    }

    /// The word at `address`. It must not be -1, which is also the result of a failed call.
    #[allow(unsafe_code)]
    fn peek(&self, address: u64) -> i64 {
        // SAFETY: this only reads, and from the other process.
        let word = unsafe { libc::ptrace(libc::PTRACE_PEEKDATA, self.0, address, 0) };
        assert_ne!(word, -1, "{}", Error::last_os_error());
        word
    }

    fn poke(&self, address: u64, word: i64) {
        self.ask(libc::PTRACE_POKEDATA, address, word);
    }

    #[allow(unsafe_code)]
    fn ask(&self, request: libc::c_uint, address: u64, data: i64) {
        // SAFETY: none of the requests above writes to this process.
        let answer = unsafe { libc::ptrace(request, self.0, address, data) };
        assert_eq!(answer, 0, "{}", Error::last_os_error());
    }

    #[allow(unsafe_code)]
    fn wait(&self) -> ExitStatus {
        let mut status = 0;
        // SAFETY: the status outlives the call.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) };
        assert_eq!(waited, self.0, "{}", Error::last_os_error());
        ExitStatus::from_raw(status)
    }
}

/// Where a process stops for its tracer.
enum Call {
    /// Before a call: if it reads a clock, which one, and the address for the time.
    Begins(Option<(libc::c_int, u64)>),
    /// After the call.
    Ends,
}
