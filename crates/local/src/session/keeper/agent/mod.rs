//! The agent keeper: one small process per home that holds payloads in its memory, where the
//! kernel's keyring cannot be used.
//!
//! It listens on `run/agent.sock` (0600 in a 0700 directory; both sides check the other's user id).
//! The first publish starts it. It drops every payload at its deadline, and exits when it holds
//! none. It locks the directory `run` itself: a lock file could be removed, and then nothing would
//! show that an agent is serving. Only the lock's holder may serve or remove a socket. If the
//! agent's socket is removed, it makes a new one; if its directory is removed, it exits.

mod client;
mod conversation;
mod error;
mod launch;
mod peer;
mod protocol;
mod server;
mod socket;
mod socket_watch;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod vault;

use std::io;
use std::path::Path;

pub use client::{AgentKeeper, answer_within};
pub use error::AgentError;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub use protocol::properties;

use socket::RUN;

use nightlatch_core::clock::Clock;
use nightlatch_platform::fs::{Archive, Dir, FsError};

/// The byte that the agent writes to standard output when it accepts connections. Launchers skip
/// everything before it.
const READY: u8 = 0x06;

/// Whether an agent serves the home at `home`. Does not contact it and changes nothing.
///
/// # Errors
/// When its lock cannot be checked.
pub fn is_running(home: &Path) -> Result<bool, FsError> {
    match Archive::open(&home.join(RUN)) {
        Ok(run) => run.is_locked(),
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Serves `home` as its agent, in the foreground: the main function of the agent process.
///
/// Call it first in a separate process, started by an [`AgentLauncher`](super::AgentLauncher). It
/// leaves the terminal's session, writes a byte to standard output when it accepts connections, and
/// then closes its standard streams. It returns when it holds no payload any more, on SIGTERM, and
/// at once when another agent already serves the home.
///
/// # Errors
/// When it cannot serve. Nothing that it held outlives it.
pub fn serve(home: &Dir, clock: &dyn Clock) -> Result<(), AgentError> {
    // The core limit is not restored, because an agent starts no children.
    let _ = nightlatch_core::memory::harden();
    leave_terminal();
    let stop = stop_signals().map_err(|error| AgentError::system("watch signals", error))?;
    server::run(home, clock, &stop, || {
        // It does not matter if the launcher has exited meanwhile.
        let _ = rustix::io::write(rustix::stdio::stdout(), &[READY]);
        release_stdio();
    })
}

/// Best effort: a process that already leads a group was not started by us, and keeps its session.
fn leave_terminal() {
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
}

/// A stream that becomes readable on SIGTERM. SIGHUP and SIGINT are for the terminal's other
/// processes, and are ignored.
fn stop_signals() -> io::Result<std::os::unix::net::UnixStream> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let (stop, notify) = std::os::unix::net::UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, notify)?;
    for signal in [SIGHUP, SIGINT] {
        signal_hook::flag::register(signal, std::sync::Arc::default())?;
    }
    Ok(stop)
}

/// Redirects the standard streams to `/dev/null`, so that nobody waits for the agent to close them.
/// Best effort: it writes to none of them from now on.
fn release_stdio() {
    use rustix::fs::{Mode, OFlags, open};
    if let Ok(null) = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
