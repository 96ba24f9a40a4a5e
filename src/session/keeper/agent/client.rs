//! The side of the agent keeper that asks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::launch::{AgentLaunch, Started, remaining};
use super::protocol::{
    REQUEST_LENGTH, RESPONSE_LENGTH, Response, encode_destroy, encode_publish, encode_read,
};
use super::{LOCK, RUN, SOCKET, lock_holder, lock_is_held, peer, socket_path};
use crate::clock::{Clock, SystemClock};
use crate::fs::Dir;
use crate::memory::Secret;
use crate::session::keeper::{Keeper, KeeperError, KeeperKind, Payload, Slot};

/// How long a publish tries to get an agent that answers.
const START_LIMIT: Duration = Duration::from_secs(5);
/// How many milliseconds an agent may take for its answer, where nobody is in a hurry.
static ANSWER_LIMIT: AtomicU64 = AtomicU64::new(5_000);
/// How long an agent that was killed may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(1);
/// How often it is looked whether it is.
const END_PAUSE: Duration = Duration::from_millis(5);
/// How often an agent is asked again that hung up without an answer, as one that leaves does.
const ATTEMPTS: usize = 4;
/// How often, and how long each time, an agent is waited for that holds its lock and has no socket: one that
/// starts or leaves, or whose socket was taken away a moment ago. 200 ms in all.
const HIDDEN_ATTEMPTS: usize = 20;
const HIDDEN_PAUSE: Duration = Duration::from_millis(10);

/// Gives agents no longer than `limit` for an answer, at least a millisecond, in place of five seconds. For a
/// program that is in a hurry, as at a shell's prompt, at its start.
pub fn answer_within(limit: Duration) {
    let milliseconds = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    ANSWER_LIMIT.store(milliseconds.max(1), Ordering::Relaxed);
}

/// Holds payloads in the agent process of one home.
pub struct AgentKeeper {
    home: Arc<Dir>,
    launch: Option<AgentLaunch>,
    /// Agents this process started, to be reaped when they have ended.
    children: Mutex<Vec<Child>>,
}

/// How asking came out short of an answer.
enum Failure {
    /// The agent hung up.
    HungUp,
    /// It cannot be asked, and asking again would not help.
    Final(KeeperError),
}

impl AgentKeeper {
    /// The agent of `home`, which is started as `launch` tells when a publish finds none. Without
    /// that, a publish needs one that runs already.
    pub fn new(home: Arc<Dir>, launch: Option<AgentLaunch>) -> Self {
        Self {
            home,
            launch,
            children: Mutex::default(),
        }
    }

    /// Whether an agent can be started here, as far as can be told without starting one.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn probe() -> Result<(), KeeperError> {
        let made = std::os::unix::net::UnixDatagram::unbound();
        made.map(drop).map_err(|error| KeeperError::Unusable {
            keeper: KeeperKind::Agent,
            why: format!("no socket can be made: {error}"),
        })
    }

    /// Whether there may be an agent: its socket or its lock exists. Mostly two system calls and nothing more.
    fn may_run(&self) -> bool {
        [SOCKET, LOCK].iter().any(|name| self.has(name))
    }

    /// Whether something of this name is in the agent's directory.
    pub(in crate::session::keeper) fn has(&self, name: &str) -> bool {
        let name = [RUN, name].join("/");
        !matches!(
            statat(self.home.handle(), name, AtFlags::SYMLINK_NOFOLLOW),
            Err(Errno::NOENT | Errno::NOTDIR)
        )
    }

    /// The agent's answer; `None` when no agent runs.
    fn ask(&self, request: &Secret<REQUEST_LENGTH>) -> Result<Option<Response>, KeeperError> {
        if !self.may_run() {
            return Ok(None);
        }
        let Some(run) = self.home.subdir(RUN)? else {
            return Ok(None);
        };
        let (mut attempts, mut hidden) = (0, 0);
        while attempts < ATTEMPTS {
            let stream = match connect(&run, answer_limit()) {
                Ok(stream) => stream,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        let process = lock_holder(&run)?.unwrap_or_default();
                        return Err(KeeperError::NoAnswer { process });
                    }
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                        if !lock_is_held(&run)? {
                            return Ok(None);
                        }
                        if hidden == HIDDEN_ATTEMPTS {
                            return Err(KeeperError::NoSocket);
                        }
                        hidden += 1;
                        SystemClock.sleep(HIDDEN_PAUSE);
                        continue;
                    }
                    // Connected to an agent that left meanwhile.
                    ErrorKind::ConnectionReset | ErrorKind::Interrupted => {
                        attempts += 1;
                        continue;
                    }
                    _ => return Err(KeeperError::system("connect to the agent", error)),
                },
            };
            match converse(&stream, request) {
                Ok(response) => return Ok(Some(response)),
                Err(Failure::HungUp) => attempts += 1,
                Err(Failure::Final(error)) => return Err(error),
            }
        }
        // Somebody accepts connections there and hangs up: it cannot be told what it holds.
        Err(KeeperError::system(
            "talk to the agent",
            ErrorKind::UnexpectedEof,
        ))
    }

    /// As [`AgentKeeper::ask`], starting an agent when none runs.
    fn ask_started(&self, request: &Secret<REQUEST_LENGTH>) -> Result<Response, KeeperError> {
        let deadline = SystemClock.now().boot.plus(START_LIMIT);
        let mut pause = Duration::from_millis(5);
        loop {
            match self.ask(request) {
                Ok(Some(response)) => return Ok(response),
                Ok(None) => {}
                // One that another process is starting.
                Err(KeeperError::NoSocket) if !remaining(deadline).is_zero() => continue,
                Err(error) => return Err(error),
            }
            let launcher = self.launch.as_ref().and_then(|launch| launch());
            let launcher = launcher.ok_or(KeeperError::NoAgent)?;
            let failed = |why| KeeperError::AgentStart { why };
            if remaining(deadline).is_zero() {
                return Err(failed("it keeps leaving before it answers".to_owned()));
            }
            match launcher.start(deadline).map_err(failed)? {
                Started::Ready(child) => self.adopt(child),
                Started::Left => {
                    SystemClock.sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(200));
                }
            }
        }
    }

    /// Remembers a started agent and reaps those that have ended.
    fn adopt(&self, child: Child) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        children.push(child);
    }
}

impl Keeper for AgentKeeper {
    fn publish(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<(), KeeperError> {
        match self.ask_started(&encode_publish(slot, payload, lifetime))? {
            Response::Done => Ok(()),
            Response::Full => Err(KeeperError::Quota {
                keeper: KeeperKind::Agent,
            }),
            Response::Found(_) | Response::Absent => Err(KeeperError::Protocol),
        }
    }

    fn read(&self, slot: &Slot) -> Result<Option<Payload>, KeeperError> {
        match self.ask(&encode_read(slot))? {
            None | Some(Response::Absent) => Ok(None),
            Some(Response::Found(payload)) => Ok(Some(payload)),
            Some(Response::Done | Response::Full) => Err(KeeperError::Protocol),
        }
    }

    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError> {
        match self.ask(&encode_destroy(slot))? {
            None | Some(Response::Absent) => Ok(false),
            Some(Response::Done) => Ok(true),
            Some(Response::Found(_) | Response::Full) => Err(KeeperError::Protocol),
        }
    }

    fn end_holder(&self, process: i32) -> Result<(), KeeperError> {
        let unanswered = || KeeperError::NoAnswer { process };
        // It is this user's: whose it is was looked at before it was asked.
        let pid = Some(process).filter(|&process| process > 0);
        let pid = pid.and_then(Pid::from_raw).ok_or_else(unanswered)?;
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(KeeperError::system("end the agent", error)),
        }
        let Some(run) = self.home.subdir(RUN)? else {
            return Ok(());
        };
        let deadline = SystemClock.now().boot.plus(END_LIMIT);
        while lives(connect(&run, END_PAUSE)) {
            if remaining(deadline).is_zero() {
                return Err(unanswered());
            }
            SystemClock.sleep(END_PAUSE);
        }
        Ok(())
    }
}

/// Whether who was tried to be `connected` to still listens.
fn lives(connected: io::Result<UnixStream>) -> bool {
    connected.map_or_else(|error| error.kind() == ErrorKind::WouldBlock, |_| true)
}

/// Connects to the agent in `run`. One that was stopped takes nobody in, and once its queue is full the system
/// has whoever connects wait: `limit` at most, and then it is [`ErrorKind::WouldBlock`].
#[cfg(target_os = "linux")]
fn connect(run: &Dir, limit: Duration) -> io::Result<UnixStream> {
    use rustix::net::sockopt::{Timeout, set_socket_timeout};
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

    let address = SocketAddrUnix::new(socket_path(run))?;
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(limit))?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket.into())
}

/// Elsewhere a full queue refuses.
#[cfg(not(target_os = "linux"))]
fn connect(run: &Dir, _: Duration) -> io::Result<UnixStream> {
    UnixStream::connect(socket_path(run))
}

fn answer_limit() -> Duration {
    Duration::from_millis(ANSWER_LIMIT.load(Ordering::Relaxed))
}

/// One request and its answer, with whoever is at the other end made sure of first.
fn converse(stream: &UnixStream, request: &Secret<REQUEST_LENGTH>) -> Result<Response, Failure> {
    let (uid, process) = peer::user_and_process(stream)
        .map_err(|error| Failure::Final(KeeperError::system("identify the agent", error)))?;
    if uid != peer::own_user_id() {
        return Err(Failure::Final(KeeperError::ForeignPeer { uid }));
    }
    let mut answer = Secret::<RESPONSE_LENGTH>::zeroed();
    exchange(stream, request, &mut answer).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected => Failure::HungUp,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Failure::Final(KeeperError::NoAnswer { process })
        }
        _ => Failure::Final(KeeperError::system("talk to the agent", error)),
    })?;
    Response::decode(answer.expose()).map_err(|_| Failure::Final(KeeperError::Protocol))
}

fn exchange(
    mut stream: &UnixStream,
    request: &Secret<REQUEST_LENGTH>,
    answer: &mut Secret<RESPONSE_LENGTH>,
) -> io::Result<()> {
    let limit = answer_limit();
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(request.expose())?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_exact(answer.expose_mut())
}
