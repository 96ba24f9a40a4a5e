//! A thread that passes on the keys typed on our terminal to the command's.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::sys::signal::{SigSet, Signal as NixSignal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_current_process_group};
use rustix::termios::{LocalModes, SpecialCodeIndex, tcgetattr, tcgetpgrp};

use nightlatch_core::memory::SecretBuffer;

/// As much as a terminal takes at once.
const CHUNK: usize = 4096;

/// What the thread is told.
const PASS_ON: u8 = b'p';
const HOLD: u8 = b'h';

/// The thread; it ends when this is dropped.
pub(super) struct Keys {
    control: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Starts the thread, which does nothing at first, for a command that leads its process group.
    pub(super) fn start(input: OwnedFd, master: Arc<OwnedFd>, command: Pid) -> io::Result<Self> {
        let (control, other_side) = UnixStream::pair()?;
        let typist = Typist {
            input,
            master,
            command,
            control: other_side,
            is_passing: false,
            is_quoting: false,
            // Keys may be a password.
            typed: SecretBuffer::with_capacity(CHUNK),
        };
        let thread = std::thread::Builder::new().spawn(|| typist.run())?;
        Ok(Self {
            control: Some(control),
            thread: Some(thread),
        })
    }

    /// From now on, keys are passed on.
    pub(super) fn pass_on(&self) {
        self.tell(PASS_ON);
    }

    /// From now on, keys are left to others. When this returns, none is being read.
    pub(super) fn hold(&self) {
        self.tell(HOLD);
    }

    fn tell(&self, what: u8) {
        if let Some(control) = &self.control
            && rustix::io::write(control, &[what]).is_ok()
        {
            let _ = rustix::io::retry_on_intr(|| rustix::io::read(control, &mut [0]));
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        drop(self.control.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Typist {
    input: OwnedFd,
    master: Arc<OwnedFd>,
    command: Pid,
    control: UnixStream,
    is_passing: bool,
    /// Whether the key typed last makes the next one an ordinary character, as Ctrl-V does.
    is_quoting: bool,
    /// Keys that have been read and not yet passed on.
    typed: SecretBuffer,
}

impl Typist {
    fn run(mut self) {
        // In the background, reading then fails, and stops nobody.
        let mut stop = SigSet::empty();
        stop.add(NixSignal::SIGTTIN);
        let _ = stop.thread_block();
        // When the terminal or the command's side is gone, there is nothing to pass on.
        while let Ok(true) = self.step() {}
    }

    /// Does the next thing; `false` at the end.
    fn step(&mut self) -> rustix::io::Result<bool> {
        let mut fds = vec![PollFd::new(&self.control, PollFlags::IN)];
        if !self.typed.is_empty() {
            fds.push(PollFd::from_borrowed_fd(
                std::os::fd::AsFd::as_fd(&*self.master),
                PollFlags::OUT,
            ));
        } else if self.is_passing {
            fds.push(PollFd::new(&self.input, PollFlags::IN));
        }
        rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
        let is_told = !fds[0].revents().is_empty();
        let is_ready = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        if is_told {
            let mut what = [0];
            if rustix::io::retry_on_intr(|| rustix::io::read(&self.control, &mut what))? == 0 {
                return Ok(false);
            }
            self.is_passing = what[0] == PASS_ON;
            rustix::io::write(&self.control, &what)?;
        } else if is_ready && self.typed.is_empty() {
            match self.typed.read_once(&self.input) {
                Ok(1..) => self.interrupt_our_job(),
                // Hung up, or in the background by now.
                Ok(0) | Err(_) => self.is_passing = false,
            }
        } else if is_ready {
            match rustix::io::write(&self.master, self.typed.expose()) {
                Ok(count) => self.typed.drop_front(count),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// If keys were typed that interrupt the command, they also interrupt the rest of our process
    /// group, as they would without a terminal in between: a pipeline, or a script that called us.
    fn interrupt_our_job(&mut self) {
        let Ok(settings) = tcgetattr(&self.master) else {
            return;
        };
        let quotes = LocalModes::ICANON | LocalModes::IEXTEN;
        let quotes = settings.local_modes.contains(quotes);
        let is_key = |byte, key| byte != 0 && byte == settings.special_codes[key];
        let keys = [
            (SpecialCodeIndex::VINTR, Signal::INT),
            (SpecialCodeIndex::VQUIT, Signal::QUIT),
        ];
        let mut pressed = [false; 2];
        for &byte in self.typed.expose() {
            if std::mem::take(&mut self.is_quoting) {
                continue;
            }
            self.is_quoting = quotes && is_key(byte, SpecialCodeIndex::VLNEXT);
            for (is_pressed, (key, _)) in pressed.iter_mut().zip(keys) {
                *is_pressed |= is_key(byte, key);
            }
        }
        if !settings.local_modes.contains(LocalModes::ISIG)
            || tcgetpgrp(&self.master) != Ok(self.command)
        {
            return;
        }
        for (is_pressed, (_, signal)) in pressed.into_iter().zip(keys) {
            if is_pressed {
                // We catch it, and ignore what we send ourselves.
                let _ = kill_current_process_group(signal);
            }
        }
    }
}
