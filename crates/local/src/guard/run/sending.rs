//! Passing signals on to a command.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use nightlatch_core::memory::Witness;

/// How long a command runs before a witness is started for it: most have ended by then.
pub(super) const WITNESS_AFTER: Duration = Duration::from_millis(30);
/// How much later than this process the witness may see a signal that was sent to both.
const WITNESS_PATIENCE: Duration = Duration::from_millis(20);

/// Whether a signal that a process sent to us also reached the rest of our process group.
pub(super) fn reached_group(witness: &mut Option<io::Result<Witness>>, signal: i32) -> bool {
    match witness {
        Some(Ok(witness)) => witness.saw(signal, WITNESS_PATIENCE),
        _ => false,
    }
}

pub(super) fn number(child: Pid) -> i32 {
    child.as_raw_nonzero().get()
}

pub(super) fn send(child: Pid, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // Ignore errors: the child may have ended, or run as another user (sudo), and then the
        // sender could not have signalled it directly either.
        let _ = rustix::process::kill_process(child, signal);
    }
}
