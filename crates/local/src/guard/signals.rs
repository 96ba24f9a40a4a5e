//! Catches signals for a while: during a prompt, or while a guarded command runs.
//!
//! Handlers stay installed until the process ends, but their behaviour changes. While a [`Catch`]
//! exists, its signals are collected for it to read. When no [`Catch`] wants a signal any more, the
//! handler takes the default action, so that Ctrl-C ends the program again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags};
use signal_hook::consts::{SIGCONT, SIGSTOP, SIGXFSZ};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;

use nightlatch_core::memory::ignores;
use nightlatch_platform::clock::alarm::timespec;

/// One more than the highest signal number that can be caught; real-time signals are above it.
const LIMIT: usize = 32;

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    /// Its number.
    pub signal: i32,
    /// The process that sent it; `None` when the kernel did (a key on the terminal, a timer).
    pub sender: Option<i32>,
}

/// Collects signals from [`Catch::new`] until it is dropped.
///
/// Signal masks are inherited, so the thread may have been started with some of these blocked. They
/// are unblocked meanwhile: a process that never receives SIGCHLD would wait for ever.
pub struct Catch {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
    signals: Vec<i32>,
    /// Signals that were blocked before.
    unblocked: SigSet,
}

impl Catch {
    /// Starts to collect the signals of `unless_ignored`, except those that this process was
    /// started with ignored (by nohup, or by a shell's `&`), and of `always`, even if ignored.
    ///
    /// # Errors
    /// When the system refuses a socket pair, or a signal cannot be caught (SIGKILL, SIGSTOP, a
    /// fault, a real-time signal).
    pub fn new(unless_ignored: &[i32], always: &[i32]) -> io::Result<Self> {
        // Install no handler for an ignored signal, so that the next call also finds it ignored.
        let wanted = unless_ignored
            .iter()
            .filter(|&&signal| !ignores(signal))
            .chain(always);
        let (reader, writer) = UnixStream::pair()?;
        let delivery = SignalDelivery::with_pipe(reader, writer, WithOrigin::default(), [0; 0])?;
        let mut catch = Self {
            delivery,
            signals: Vec::new(),
            unblocked: SigSet::empty(),
        };
        for &signal in wanted {
            catch.add(signal)?;
        }
        catch.unblock();
        Ok(catch)
    }

    /// Unblocks the collected signals, except stop signals: those are held back while a lock is
    /// held, and whoever started us with them blocked wants no job control.
    fn unblock(&mut self) {
        let blocked = SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty());
        for signal in self
            .signals
            .iter()
            .filter_map(|&n| Signal::try_from(n).ok())
        {
            let stops = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU].contains(&signal);
            if blocked.contains(signal) && !stops {
                self.unblocked.add(signal);
            }
        }
        // Cannot fail, because the set is valid.
        let _ = self.unblocked.thread_unblock();
    }

    /// Runs `action` with the original signal mask, so that a process started in it inherits that.
    /// Signals that arrive meanwhile are collected afterwards.
    pub fn blocked_as_before<T>(&self, action: impl FnOnce() -> T) -> T {
        let _ = self.unblocked.thread_block();
        let result = action();
        let _ = self.unblocked.thread_unblock();
        result
    }

    fn add(&mut self, signal: i32) -> io::Result<()> {
        let (index, free) = slot(signal)?;
        let mut claims = claims();
        // Install the default action before collecting, so that no signal finds neither. The
        // handler also checks whether to act before it collects, so that a signal that was
        // collected and then released by another thread is not acted on as well.
        if !claims[index].has_default {
            signal_hook::flag::register_conditional_default(signal, free)?;
            claims[index].has_default = true;
        }
        self.delivery.handle().add_signal(signal)?;
        free.store(false, Ordering::SeqCst);
        claims[index].holders += 1;
        self.signals.push(signal);
        Ok(())
    }

    /// As [`Catch::wait`], for at most `limit` if given; `None` when nothing arrived in that time.
    ///
    /// # Errors
    /// As [`Catch::wait`].
    pub fn wait_for(&mut self, limit: Option<Duration>) -> io::Result<Option<Vec<Caught>>> {
        let limit = limit.map(timespec);
        let mut fds = [PollFd::new(&*self, PollFlags::IN)];
        match rustix::event::poll(&mut fds, limit.as_ref()) {
            Ok(0) => Ok(None),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(Some(self.pending())),
            Err(error) => Err(error.into()),
        }
    }

    /// Blocks until signals arrive, and returns them. Several arrivals of a signal before it is
    /// read may be returned once, as is usual for signals.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn wait(&mut self) -> io::Result<Vec<Caught>> {
        let mut fds = [PollFd::new(&*self, PollFlags::IN)];
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None))?;
        Ok(self.pending())
    }

    /// The signals that have arrived so far, in the order of their numbers, without blocking.
    pub fn pending(&mut self) -> Vec<Caught> {
        self.delivery
            .pending()
            .map(|origin| Caught {
                signal: origin.signal,
                sender: origin.process.map(|process| process.pid),
            })
            .collect()
    }

    /// Restores the default actions and returns the signals that arrived before. No signal is lost
    /// between the two.
    pub fn finish(mut self) -> Vec<Caught> {
        self.release();
        self.pending()
    }

    fn release(&mut self) {
        // Block first: a signal that was blocked before must not take its default action either.
        let _ = std::mem::replace(&mut self.unblocked, SigSet::empty()).thread_block();
        let mut claims = claims();
        for signal in self.signals.drain(..) {
            let Ok((index, free)) = slot(signal) else {
                continue;
            };
            claims[index].holders -= 1;
            if claims[index].holders == 0 {
                free.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Becomes readable when a signal has arrived, so that it can be polled with other descriptors.
impl AsFd for Catch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

impl Drop for Catch {
    fn drop(&mut self) {
        self.release();
    }
}

/// Turns a write beyond the file size limit (`ulimit -f`) into an error; otherwise the signal would
/// kill this process silently. Commands start with the default action again. Where the signal is
/// ignored already, it stays so, here and in commands.
///
/// # Errors
/// When the signal cannot be caught.
pub fn survive_file_size_limit() -> io::Result<()> {
    if !ignores(SIGXFSZ) {
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    }
    Ok(())
}

/// Whether this process is in the process group of its session leader. Then there is no shell above
/// it that would notice a stop and could resume it, and the kernel ignores Ctrl-Z there.
///
/// Both numbers are 0 in a container that was entered from outside without a new session. A shell
/// outside stops and resumes its own child, so nothing is lost if we do not stop with it.
pub fn nobody_could_resume_us() -> bool {
    nix::unistd::getsid(None).is_ok_and(|session| session == nix::unistd::getpgrp())
}

/// Whether this process is the session leader, which gets SIGHUP when the terminal hangs up.
pub fn is_session_leader() -> bool {
    nix::unistd::getsid(None).is_ok_and(|leader| leader == nix::unistd::getpid())
}

/// Whether this process is in the foreground process group of the terminal `tty`.
pub fn is_foreground(tty: impl AsFd) -> bool {
    // In a container entered from outside, both ids are 0 and denote the same group.
    nix::unistd::tcgetpgrp(tty).is_ok_and(|group| group == nix::unistd::getpgrp())
}

/// Stops this process, as Ctrl-Z would; returns when it has been resumed and every live [`Catch`]
/// has seen that. Does nothing where no process could resume it.
///
/// # Errors
/// When the resuming signal cannot be waited for; the process is not stopped then.
pub fn stop_ourselves() -> io::Result<()> {
    if nobody_could_resume_us() {
        return Ok(());
    }
    let mut resumption = Catch::new(&[], &[SIGCONT])?;
    // Sent to this thread, not to the process, so that it is stopped before the call returns.
    signal_hook::low_level::raise(SIGSTOP)?;
    // Another thread may receive the SIGCONT; a later Catch must not see it.
    resumption.wait()?;
    Ok(())
}

/// The state of one signal number.
#[derive(Clone, Copy)]
struct Claim {
    /// How many live [`Catch`]es collect it.
    holders: usize,
    /// Whether its handler takes the default action when nobody collects it.
    has_default: bool,
}

static CLAIMS: Mutex<[Claim; LIMIT]> = Mutex::new(
    [Claim {
        holders: 0,
        has_default: false,
    }; LIMIT],
);

/// Per signal: whether its handler takes the default action. Read inside the handlers.
static FREE: [AtomicBool; LIMIT] = [const { AtomicBool::new(true) }; LIMIT];

fn claims() -> MutexGuard<'static, [Claim; LIMIT]> {
    CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn slot(signal: i32) -> io::Result<(usize, &'static AtomicBool)> {
    let index = usize::try_from(signal).unwrap_or(LIMIT);
    match FREE.get(index) {
        Some(free) if !signal_hook::consts::FORBIDDEN.contains(&signal) => Ok((index, free)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use signal_hook::consts::{SIGKILL, SIGUSR1, SIGWINCH};

    use super::*;

    #[test]
    fn a_signal_that_cannot_be_caught_is_an_error_and_no_panic() {
        for signal in [SIGKILL, -1, 0x7fff, 40] {
            assert!(Catch::new(&[], &[signal]).is_err());
        }
    }

    #[test]
    fn a_caught_signal_names_its_sender() {
        let mut catch = Catch::new(&[], &[SIGWINCH]).unwrap();
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::WINCH).unwrap();
        let expected = Caught {
            signal: SIGWINCH,
            sender: Some(own.as_raw_nonzero().get()),
        };
        assert_eq!(catch.wait().unwrap(), [expected]);
        assert_eq!(catch.finish(), []);
    }

    #[test]
    fn a_signal_is_free_again_only_when_its_last_catch_is_gone() {
        let free = || slot(SIGUSR1).unwrap().1.load(Ordering::SeqCst);
        let first = Catch::new(&[], &[SIGUSR1]).unwrap();
        let second = Catch::new(&[], &[SIGUSR1]).unwrap();
        drop(first);
        assert!(!free());
        drop(second);
        assert!(free());
    }
}
