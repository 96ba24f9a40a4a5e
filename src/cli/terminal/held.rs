//! Signals that end the program, and that no handler of ours can pass on to their default action.

use std::os::fd::AsFd;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags};

/// Those of them that have a name. The others are the real-time signals.
const NAMES: [&str; 3] = ["SIGIO", "SIGPWR", "SIGSTKFLT"];

/// Holds SIGIO, SIGPWR, SIGSTKFLT and the real-time signals back, in this thread and those that it
/// starts, until it is dropped. One that arrives meanwhile can be read; one that was not read takes
/// its default action then.
pub struct Held {
    /// `None` where the system does not allow that; nothing is held back then.
    pending: Option<(SignalFd, SigSet)>,
}

impl Held {
    /// Starts to hold them back.
    pub fn begin() -> Self {
        let mut held = SigSet::all();
        for signal in Signal::iterator().filter(|signal| !NAMES.contains(&signal.as_str())) {
            held.remove(signal);
        }
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let arrivals = SignalFd::with_flags(&held, flags).ok();
        let pending = arrivals.and_then(|arrivals| {
            let before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok()?;
            Some((arrivals, before))
        });
        Self { pending }
    }

    /// What becomes readable when one has arrived.
    pub fn poll(&self) -> Option<PollFd<'_>> {
        let (arrivals, _) = self.pending.as_ref()?;
        Some(PollFd::from_borrowed_fd(arrivals.as_fd(), PollFlags::IN))
    }

    /// The number of one that has arrived.
    pub fn next(&self) -> Option<i32> {
        let (arrivals, _) = self.pending.as_ref()?;
        let arrived = arrivals.read_signal().ok()??;
        i32::try_from(arrived.ssi_signo).ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((_, before)) = &self.pending {
            // Cannot fail, because the set is valid.
            let _ = before.thread_set_mask();
        }
    }
}
