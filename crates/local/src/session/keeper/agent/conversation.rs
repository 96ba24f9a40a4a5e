//! One request to the agent and its answer, within a time limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::peer;
use super::protocol::{REQUEST_LENGTH, RESPONSE_LENGTH, Response};
use super::socket::interrupted;
use crate::session::keeper::KeeperError;
use nightlatch_core::clock::Clock;
use nightlatch_core::memory::Secret;
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::clock::alarm::timespec;
use nightlatch_platform::fs::{SPOKEN_OF, Wait, tell};
use rustix::event::{PollFd, PollFlags, poll};

/// The longest single wait.
const STEP: Duration = Duration::from_millis(100);
/// How long to wait before connecting again.
const PAUSE: Duration = Duration::from_millis(10);

/// Why a request got no answer.
pub(super) enum Failure {
    /// The agent hung up.
    HungUp,
    /// The request failed, and retrying would not help.
    Final(KeeperError),
}

/// The time left to wait for the agent. Time is counted in steps, so that time while this process
/// itself is stopped does not count.
pub(super) struct Patience {
    left: Duration,
    waited: Duration,
    is_told: bool,
}

impl Patience {
    pub(super) fn of(limit: Duration) -> Self {
        Self {
            left: limit,
            waited: Duration::ZERO,
            is_told: false,
        }
    }

    /// Waits for one short step before a retry; `false` when no time is left. `process` is the
    /// agent's.
    pub(super) fn pauses(&mut self, process: i32) -> bool {
        let step = PAUSE.min(self.left);
        SystemClock.sleep(step);
        self.goes_on(step, process)
    }

    /// Counts `step` as waited, and notifies the user once the wait is noticeable.
    fn goes_on(&mut self, step: Duration, process: i32) -> bool {
        self.left = self.left.saturating_sub(step);
        self.waited += step;
        if self.left.is_zero() {
            return false;
        }
        if self.waited >= SPOKEN_OF && !self.is_told {
            self.is_told = true;
            tell(&Wait::Agent { process });
        }
        true
    }

    /// Waits until `stream` is readable; `false` when no time is left.
    fn awaits(&mut self, stream: &UnixStream, process: i32) -> io::Result<bool> {
        loop {
            let step = STEP.min(self.left);
            let mut fds = [PollFd::new(stream, PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(step))) {
                Ok(0) if !self.goes_on(step, process) => return Ok(false),
                Ok(0) => {}
                Err(error) if interrupted(error) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(true),
            }
        }
    }
}

/// Connects without blocking: [`ErrorKind::WouldBlock`] when the listen queue is full.
#[cfg(target_os = "linux")]
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Connects.
#[cfg(not(target_os = "linux"))]
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path)
}

/// Checks who is at the other end, then sends one request and reads the answer.
pub(super) fn converse(
    stream: &UnixStream,
    request: &Secret<REQUEST_LENGTH>,
    patience: &mut Patience,
) -> Result<Response, Failure> {
    let (uid, process) = peer::user_and_process(stream)
        .map_err(|error| Failure::Final(KeeperError::system("identify the agent", error)))?;
    if uid != peer::own_user_id() {
        return Err(Failure::Final(KeeperError::ForeignPeer { uid }));
    }
    let mut answer = Secret::<RESPONSE_LENGTH>::zeroed();
    exchange(stream, request, &mut answer, patience, process).map_err(|error| {
        match error.kind() {
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected => Failure::HungUp,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                Failure::Final(KeeperError::NoAnswer { process })
            }
            _ => Failure::Final(KeeperError::system("talk to the agent", error)),
        }
    })?;
    Response::decode(answer.expose()).map_err(|_| Failure::Final(KeeperError::Protocol))
}

fn exchange(
    mut stream: &UnixStream,
    request: &Secret<REQUEST_LENGTH>,
    answer: &mut Secret<RESPONSE_LENGTH>,
    patience: &mut Patience,
    process: i32,
) -> io::Result<()> {
    // A request fits into the empty buffer of a new socket, and an answer arrives in one piece.
    let limit = Some(patience.left.max(PAUSE));
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    stream.write_all(request.expose())?;
    stream.shutdown(Shutdown::Write)?;
    if !patience.awaits(stream, process)? {
        return Err(ErrorKind::TimedOut.into());
    }
    stream.read_exact(answer.expose_mut())
}
