//! The agent keeper: one small process per home that holds payloads in its memory, for where the
//! kernel's keyring cannot be used.
//!
//! It listens on `run/agent.sock` (0600 in a 0700 directory, both sides check the other's user id),
//! is started by the first publish, drops every payload at its deadline, and leaves when it holds
//! none. It holds the lock on `run`, the directory itself, so that no name can be taken away that tells whether
//! one serves. Only who holds it may serve or remove a socket. One whose socket was taken away makes a new
//! one; one whose directory was leaves.

mod client;
mod conversation;
mod launch;
mod peer;
mod protocol;
mod server;
mod socket_watch;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod vault;

use std::io;
use std::path::Path;

use rustix::io::Errno;

pub use client::{AgentKeeper, answer_within};
pub use launch::{AgentLaunch, AgentLauncher};
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub use protocol::properties;

use nightlatch_core::clock::Clock;
use nightlatch_platform::fs::{Archive, Dir, FsError};

/// The directory of the home that has the socket, and is locked.
const RUN: &str = "run";
const SOCKET: &str = "agent.sock";
/// What the agent writes to its standard output once it can be connected to. Launchers skip
/// everything before it.
const READY: u8 = 0x06;

/// Why an agent could not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Its directory, lock or socket cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The system refused something it needs.
    #[error("the agent cannot {operation}: {source}")]
    System {
        /// What was tried, as a verb with its object.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl AgentError {
    fn system(operation: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System {
            operation,
            source: source.into(),
        }
    }

    /// What the person can do about it, when there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fs(error) => error.hint(),
            Self::System { .. } => None,
        }
    }
}

/// Whether an agent serves the home at `home`. Asks it nothing and changes nothing.
///
/// # Errors
/// When its lock cannot be looked at.
pub fn is_running(home: &Path) -> Result<bool, FsError> {
    match Archive::open(&home.join(RUN)) {
        Ok(run) => run.is_locked(),
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Serves `home` as its agent: the whole life of the agent process, in the foreground.
///
/// Call it first thing in a process of its own, started by an [`AgentLauncher`]. It leaves the
/// terminal's session, writes a byte to standard output when it can be connected to, then gives up
/// its standard streams. It returns when it holds no payload any more, when it is told to end
/// (SIGTERM), and at once when another agent serves the home already.
///
/// # Errors
/// When it cannot serve. Nothing it held outlives it.
pub fn serve(home: &Dir, clock: &dyn Clock) -> Result<(), AgentError> {
    // The limit is not given back: an agent starts no children.
    let _ = nightlatch_core::memory::harden();
    leave_terminal();
    let stop = stop_signals().map_err(|error| AgentError::system("watch signals", error))?;
    server::run(home, clock, &stop, || {
        // A launcher that has gone away meanwhile does not matter.
        let _ = rustix::io::write(rustix::stdio::stdout(), &[READY]);
        release_stdio();
    })
}

/// Best effort: a process that already leads a group is not started by us, and stays where it is.
fn leave_terminal() {
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
}

/// A stream that becomes readable when the agent is told to end. Hanging up and interrupting are
/// for the terminal's other processes; the agent takes no notice.
fn stop_signals() -> io::Result<std::os::unix::net::UnixStream> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let (stop, notify) = std::os::unix::net::UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, notify)?;
    for signal in [SIGHUP, SIGINT] {
        signal_hook::flag::register(signal, std::sync::Arc::default())?;
    }
    Ok(stop)
}

/// Points the standard streams at nothing, so that nobody waits for the agent to close them. Best
/// effort: it writes to none of them from here on.
fn release_stdio() {
    use rustix::fs::{Mode, OFlags, open};
    if let Ok(null) = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// A path by which the socket in `run` is reached: an address holds 107 bytes, a home may be
/// deeper. It leads through the open handle, so it is the checked directory, too.
#[cfg(target_os = "linux")]
fn socket_path(run: &Dir) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}/{SOCKET}", run.handle().as_raw_fd()).into()
}

/// The path of the socket in `run`; binding and connecting say so when it is too long.
#[cfg(not(target_os = "linux"))]
fn socket_path(run: &Dir) -> std::path::PathBuf {
    run.path().join(SOCKET)
}

/// Whether a system call was merely interrupted.
fn interrupted(error: Errno) -> bool {
    error == Errno::INTR
}
