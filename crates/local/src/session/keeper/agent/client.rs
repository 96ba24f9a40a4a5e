//! The client side of the agent keeper.

use std::io::ErrorKind;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, statat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::conversation::{Failure, Patience, connect, converse};
use super::launch::{Started, remaining};
use super::protocol::{REQUEST_LENGTH, Response, encode_destroy, encode_publish, encode_read};
use super::socket::{RUN, SOCKET, socket_path};
use crate::session::keeper::{AgentLaunch, Keeper, KeeperError, KeeperKind, Payload, Slot};
use nightlatch_core::clock::Clock;
use nightlatch_core::id::{AccountId, HomeId};
use nightlatch_core::memory::Secret;
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::{Dir, FsError};

/// How long a publish tries to reach or start an agent.
const START_LIMIT: Duration = Duration::from_secs(5);
/// Default time limit for the agent's answer, in milliseconds.
static ANSWER_LIMIT: AtomicU64 = AtomicU64::new(5_000);
/// Time limit after the agent failed to answer the last request.
const ONCE_MORE: Duration = Duration::from_millis(200);
/// How long a killed agent may take to exit.
const END_LIMIT: Duration = Duration::from_secs(1);
/// How often to check whether it has.
const END_PAUSE: Duration = Duration::from_millis(5);
/// How often to retry when an agent hangs up without an answer, as one that is exiting does.
const ATTEMPTS: usize = 4;
/// How long to wait for an agent that holds its lock but has no socket: it is starting or exiting,
/// or its socket was removed a moment ago.
const HIDDEN_LIMIT: Duration = Duration::from_millis(200);
/// The same for the end of a session, which must work on a slow machine too.
const HIDDEN_LIMIT_AT_END: Duration = Duration::from_secs(2);
/// How often to look again meanwhile.
const HIDDEN_PAUSE: Duration = Duration::from_millis(10);

/// Sets the time limit for the agent's answer, at least one millisecond, in place of five seconds.
/// Call it at the start of a program that must be fast, such as one that runs at a shell's prompt.
pub fn answer_within(limit: Duration) {
    let milliseconds = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    ANSWER_LIMIT.store(milliseconds.max(1), Ordering::Relaxed);
}

/// Holds payloads in the agent process of one home.
pub struct AgentKeeper {
    home: Arc<Dir>,
    launch: Option<AgentLaunch>,
    /// Agents that this process started, to be reaped when they exit.
    children: Mutex<Vec<Child>>,
    /// Whether the agent failed to answer the last request.
    is_silent: AtomicBool,
}

impl AgentKeeper {
    /// The agent of `home`, started with `launch` when a publish finds none. Without `launch`, a
    /// publish needs an agent that is already running.
    pub fn new(home: Arc<Dir>, launch: Option<AgentLaunch>) -> Self {
        Self {
            home,
            launch,
            children: Mutex::default(),
            is_silent: AtomicBool::new(false),
        }
    }

    /// Whether an agent can be started here, as far as can be determined without starting one.
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

    /// Whether the agent's directory contains `name`.
    pub(in crate::session::keeper) fn has(&self, name: &str) -> bool {
        let name = [RUN, name].join("/");
        !matches!(
            statat(self.home.handle(), name, AtFlags::SYMLINK_NOFOLLOW),
            Err(Errno::NOENT | Errno::NOTDIR)
        )
    }

    /// Sends a request and returns the agent's answer; `None` when no agent runs. Waits for `hidden`
    /// where an agent has no socket.
    fn ask(
        &self,
        request: &Secret<REQUEST_LENGTH>,
        hidden: Duration,
    ) -> Result<Option<Response>, KeeperError> {
        let mut limit = Duration::from_millis(ANSWER_LIMIT.load(Ordering::Relaxed));
        if self.is_silent.load(Ordering::Relaxed) {
            limit = limit.min(ONCE_MORE);
        }
        let answer = self.ask_within(request, hidden, &mut Patience::of(limit));
        let is_silent = matches!(answer, Err(KeeperError::NoAnswer { .. }));
        self.is_silent.store(is_silent, Ordering::Relaxed);
        answer
    }

    fn ask_within(
        &self,
        request: &Secret<REQUEST_LENGTH>,
        hidden: Duration,
        patience: &mut Patience,
    ) -> Result<Option<Response>, KeeperError> {
        let has_socket = self.has(SOCKET);
        let run = match self.home.subdir(RUN) {
            Ok(Some(run)) => run,
            Ok(None) => return Ok(None),
            // Whatever has taken the directory's place, no agent serves in it.
            Err(_) if !has_socket => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Usually no agent runs. Do not create a socket to find that out: a system may forbid
        // sockets.
        if !has_socket && !run.is_locked()? {
            return Ok(None);
        }
        let (mut attempts, mut hidden_for) = (0, Duration::ZERO);
        while attempts < ATTEMPTS {
            let stream = match connect(&socket_path(&run)) {
                Ok(stream) => stream,
                Err(error) => match error.kind() {
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                        if !run.is_locked()? {
                            return Ok(None);
                        }
                        if hidden_for >= hidden {
                            return Err(hidden_socket(&run));
                        }
                        hidden_for += HIDDEN_PAUSE;
                        SystemClock.sleep(HIDDEN_PAUSE);
                        continue;
                    }
                    // The listen queue is full.
                    ErrorKind::WouldBlock => {
                        let holder = run.lock_holder()?.filter(|holder| !holder.is_foreign);
                        let process = holder.map_or(0, |holder| holder.process);
                        if !patience.pauses(process) {
                            return Err(KeeperError::NoAnswer { process });
                        }
                        continue;
                    }
                    // The agent exited after the connection was made.
                    ErrorKind::ConnectionReset | ErrorKind::Interrupted => {
                        attempts += 1;
                        continue;
                    }
                    _ => return Err(KeeperError::system("connect to the agent", error)),
                },
            };
            match converse(&stream, request, patience) {
                Ok(response) => return Ok(Some(response)),
                Err(Failure::HungUp) => attempts += 1,
                Err(Failure::Final(error)) => return Err(error),
            }
        }
        // Something accepts connections there and hangs up, so what it holds is unknown.
        Err(KeeperError::system(
            "talk to the agent",
            ErrorKind::UnexpectedEof,
        ))
    }

    /// As [`AgentKeeper::ask`], but starts an agent when none runs.
    fn ask_started(&self, request: &Secret<REQUEST_LENGTH>) -> Result<Response, KeeperError> {
        let deadline = SystemClock.now().boot.plus(START_LIMIT);
        let mut pause = Duration::from_millis(5);
        loop {
            match self.ask(request, HIDDEN_LIMIT) {
                Ok(Some(response)) => return Ok(response),
                Ok(None) => {}
                // Another process is starting one.
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

    /// Keeps a started agent, and reaps those that have exited.
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
        match self.ask(&encode_read(slot), HIDDEN_LIMIT)? {
            None | Some(Response::Absent) => Ok(None),
            Some(Response::Found(payload)) => Ok(Some(payload)),
            Some(Response::Done | Response::Full) => Err(KeeperError::Protocol),
        }
    }

    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError> {
        match self.ask(&encode_destroy(slot), HIDDEN_LIMIT_AT_END)? {
            None | Some(Response::Absent) => Ok(false),
            Some(Response::Done) => Ok(true),
            Some(Response::Found(_) | Response::Full) => Err(KeeperError::Protocol),
        }
    }

    fn await_answer(&self) -> Result<(), KeeperError> {
        // Usually there is no socket, and this check takes one system call.
        if !self.has(SOCKET) {
            return Ok(());
        }
        let nobody = Slot::new(HomeId::from_bytes([0; 16]), AccountId::from_bytes([0; 16]));
        match self.ask(&encode_read(&nobody), HIDDEN_LIMIT) {
            Err(error @ KeeperError::NoAnswer { .. }) => Err(error),
            // Any other problem shows when the agent is asked what it holds.
            _ => Ok(()),
        }
    }

    fn end_holder(&self, process: i32) -> Result<(), KeeperError> {
        let unanswered = || KeeperError::NoAnswer { process };
        // The process belongs to this user: its user id was checked before the request was sent.
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
        while !is_refused(&connect(&socket_path(&run))) {
            if remaining(deadline).is_zero() {
                return Err(unanswered());
            }
            SystemClock.sleep(END_PAUSE);
        }
        Ok(())
    }
}

/// Why `run` seems to have no socket although an agent runs. Without `/proc` the socket is never
/// found.
fn hidden_socket(run: &Dir) -> KeeperError {
    let path = socket_path(run);
    let directory = path.parent().unwrap_or(&path);
    match statat(CWD, directory, AtFlags::empty()) {
        Ok(_) => KeeperError::NoSocket,
        Err(error) => FsError::new("look into", directory, std::io::Error::from(error)).into(),
    }
}

/// Whether the connection was refused, so that the agent is gone.
fn is_refused<T>(connected: &std::io::Result<T>) -> bool {
    connected
        .as_ref()
        .is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
}
