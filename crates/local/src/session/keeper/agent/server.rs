//! The agent's event loop. It has one thread, and no client can block another.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, Mode, chmodat};

use super::error::AgentError;
use super::peer;
use super::protocol::{REQUEST_LENGTH, Request};
use super::socket::{RUN, SOCKET, interrupted, socket_path};
use super::socket_watch::{EVERY, SETTLED, SocketWatch};
use super::vault::Vault;
use nightlatch_core::clock::{BootTime, Clock};
use nightlatch_core::memory::Secret;
use nightlatch_platform::clock::alarm::Alarm;
use nightlatch_platform::fs::Dir;

/// How long the agent waits for the first publish before it exits.
const GRACE: Duration = Duration::from_secs(5);
/// How long a client has to send its request.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the agent accepts no connections after accept failed.
const PAUSE: Duration = Duration::from_millis(100);
/// How many clients are served at once; others wait in the listen queue.
const CLIENT_LIMIT: usize = 64;
/// Room for a request and one more byte, to detect a longer one.
const BUFFER_LENGTH: usize = REQUEST_LENGTH + 1;

/// Serves `home` until it holds nothing or `stop` becomes readable; returns at once when another
/// agent serves. Calls `ready` when the socket accepts connections.
pub(super) fn run(
    home: &Dir,
    clock: &dyn Clock,
    stop: impl AsFd,
    ready: impl FnOnce(),
) -> Result<(), AgentError> {
    let directory = home.subdir_or_create(RUN)?;
    let Some(lock) = directory.lock_within(Duration::ZERO)? else {
        return Ok(());
    };
    // We hold the lock, so an existing socket belongs to nobody.
    directory.unlink(SOCKET)?;
    let alarm = Alarm::new().map_err(|error| AgentError::system("make a timer", error))?;
    let (listener, watch) =
        listen(&directory).map_err(|error| AgentError::system("listen on its socket", error))?;
    ready();
    let start = clock.now().boot;
    let mut agent = Agent {
        home,
        directory: &directory,
        listener,
        look_at: watch.look_after().map(|after| start.plus(after)),
        watch,
        clock,
        alarm,
        clients: Vec::new(),
        vault: Vault::default(),
        grace_end: Some(start.plus(GRACE)),
        accept_after: start,
    };
    let served = agent.serve(stop);
    // Remove the name first, so that no new client connects. Then drop the waiting clients, which
    // start the next agent. Release the lock last.
    let unlinked = agent.unlink();
    drop(agent);
    drop(lock);
    served?;
    unlinked?;
    Ok(())
}

fn listen(directory: &Dir) -> io::Result<(UnixListener, SocketWatch)> {
    let listener = UnixListener::bind(socket_path(directory))?;
    listener.set_nonblocking(true)?;
    // The directory already keeps others out, whatever mode the umask gave the socket.
    let mode = Mode::RUSR | Mode::WUSR;
    chmodat(directory.handle(), SOCKET, mode, AtFlags::empty())?;
    Ok((listener, SocketWatch::new(directory)?))
}

struct Agent<'a> {
    home: &'a Dir,
    directory: &'a Dir,
    listener: UnixListener,
    watch: SocketWatch,
    clock: &'a dyn Clock,
    alarm: Alarm,
    clients: Vec<Client>,
    vault: Vault,
    /// How long an agent that holds nothing waits; `None` once it has held something.
    grace_end: Option<BootTime>,
    accept_after: BootTime,
    /// When to check whether the socket can be reached.
    look_at: Option<BootTime>,
}

struct Client {
    stream: UnixStream,
    request: Secret<BUFFER_LENGTH>,
    filled: usize,
    deadline: BootTime,
}

/// Result of reading from a client.
enum Heard {
    /// The request is incomplete.
    Part,
    /// The request is complete.
    All,
    /// The connection failed, or the request is too long.
    Nothing,
}

/// The events that poll(2) reported.
struct Ready {
    stop: bool,
    accept: bool,
    clients: Vec<bool>,
    moved: bool,
}

impl Agent<'_> {
    fn serve(&mut self, stop: impl AsFd) -> Result<(), AgentError> {
        loop {
            let now = self.clock.now().boot;
            self.vault.forget_ended(now);
            self.clients.retain(|client| now < client.deadline);
            if self.is_done(now) || !self.can_be_reached(now) {
                return Ok(());
            }
            let ready = self
                .wait(&stop, now)
                .map_err(|error| AgentError::system("wait for clients", error))?;
            if ready.stop {
                return Ok(());
            }
            self.hear(&ready.clients);
            if ready.moved {
                self.watch.take_note();
                self.look_at = Some(self.clock.now().boot.plus(SETTLED));
            }
            if ready.accept {
                self.accept();
            }
        }
    }

    fn is_done(&self, now: BootTime) -> bool {
        self.vault.is_empty()
            && self.clients.is_empty()
            && self.grace_end.is_none_or(|end| now >= end)
    }

    fn wait(&self, stop: &impl AsFd, now: BootTime) -> rustix::io::Result<Ready> {
        let accepting = self.clients.len() < CLIENT_LIMIT && now >= self.accept_after;
        let timeout = match self.next_wake(now) {
            Some(at) => self.alarm.set(at.since(now))?,
            None => None,
        };
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        let clients_at = fds.len();
        fds.extend(
            self.clients
                .iter()
                .map(|client| PollFd::new(&client.stream, PollFlags::IN)),
        );
        if accepting {
            fds.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        if let Some(alarm) = self.alarm.handle() {
            fds.push(PollFd::from_borrowed_fd(alarm, PollFlags::IN));
        }
        let watch_at = fds.len();
        if let Some(watch) = self.watch.handle() {
            fds.push(PollFd::from_borrowed_fd(watch, PollFlags::IN));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Err(error) if !interrupted(error) => return Err(error),
            _ => {}
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let clients_end = clients_at + self.clients.len();
        Ok(Ready {
            stop: ready[0],
            accept: accepting && ready[clients_end],
            clients: ready[clients_at..clients_end].to_vec(),
            moved: ready.get(watch_at).copied().unwrap_or(false),
        })
    }

    /// The next time at which the loop must wake by itself.
    fn next_wake(&self, now: BootTime) -> Option<BootTime> {
        let clients = self.clients.iter().map(|client| client.deadline);
        let pause = Some(self.accept_after).filter(|&at| at > now);
        clients
            .chain(self.vault.next_deadline())
            .chain(pause)
            .chain(self.grace_end.filter(|&at| at > now))
            .chain(self.look_at)
            .min()
    }

    /// When a check is due, creates a new socket if the old one was removed. Returns `false` when
    /// the directory itself was removed, so that no client would find this agent. A failed check or
    /// creation is tried again later.
    fn can_be_reached(&mut self, now: BootTime) -> bool {
        if self.look_at.is_none_or(|at| now < at) {
            return true;
        }
        self.look_at = self.watch.look_after().map(|after| now.plus(after));
        if !self.watch.is_lost(self.directory) {
            return true;
        }
        self.look_at = Some(now.plus(EVERY));
        let Ok(found) = self.home.subdir(RUN) else {
            return true;
        };
        let place = |dir: &Dir| dir.device_and_inode().ok();
        if found.as_ref().and_then(place) != place(self.directory) {
            return false;
        }
        // We hold the lock, so an existing socket belongs to nobody.
        let cleared = self.directory.unlink(SOCKET);
        if let (Ok(_), Ok((listener, watch))) = (cleared, listen(self.directory)) {
            tracing::info!("the socket was gone; made a new one");
            self.look_at = watch.look_after().map(|after| now.plus(after));
            // Clients waiting at the old socket are dropped, and connect to the new one.
            (self.listener, self.watch) = (listener, watch);
        }
        true
    }

    /// Removes the socket, if it is still ours.
    fn unlink(&self) -> Result<(), AgentError> {
        if !self.watch.is_lost(self.directory) {
            self.directory.unlink(SOCKET)?;
        }
        Ok(())
    }

    fn accept(&mut self) {
        let now = self.clock.now().boot;
        while self.clients.len() < CLIENT_LIMIT {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // Hang up on another user's process, or one that cannot be identified.
                    let ours = peer::user_and_process(&stream)
                        .is_ok_and(|(uid, _)| uid == peer::own_user_id());
                    if ours && stream.set_nonblocking(true).is_ok() {
                        self.clients.push(Client {
                            stream,
                            request: Secret::zeroed(),
                            filled: 0,
                            deadline: now.plus(PATIENCE),
                        });
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    ErrorKind::WouldBlock => return,
                    // Out of descriptors or memory; some may be freed later.
                    _ => {
                        self.accept_after = now.plus(PAUSE);
                        return;
                    }
                },
            }
        }
    }

    /// Reads from readable clients, and keeps those whose requests are incomplete.
    fn hear(&mut self, readable: &[bool]) {
        let clients = std::mem::take(&mut self.clients);
        for (mut client, &readable) in clients.into_iter().zip(readable) {
            match if readable { client.hear() } else { Heard::Part } {
                Heard::Part => self.clients.push(client),
                Heard::All => self.answer(&client),
                Heard::Nothing => {}
            }
        }
    }

    fn answer(&mut self, client: &Client) {
        let Ok(request) = Request::decode(&client.request.expose()[..client.filled]) else {
            return;
        };
        let response = self.vault.handle(request, self.clock.now().boot);
        if !self.vault.is_empty() {
            self.grace_end = None;
        }
        // The response fits into the empty buffer of a new socket. It does not matter if the client
        // has gone.
        let _ = (&client.stream).write_all(response.encode().expose());
    }
}

impl Client {
    fn hear(&mut self) -> Heard {
        loop {
            let room = &mut self.request.expose_mut()[self.filled..];
            match (&self.stream).read(room) {
                Ok(0) if self.filled == REQUEST_LENGTH => return Heard::All,
                Ok(0) => return Heard::Nothing,
                Ok(count) => self.filled += count,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Heard::Part,
                    _ => return Heard::Nothing,
                },
            }
        }
    }
}
