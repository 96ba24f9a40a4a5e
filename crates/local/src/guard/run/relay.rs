//! A terminal of the command's own, between it and ours: what it writes is masked on the way, and
//! the keys typed are passed on. Job control works as without it.
//!
//! The real terminal is in raw mode while the command is in the foreground; the new one does the
//! echo, the line editing and the signals of keys. A [`Monitor`] leads the session on it and reports
//! when the command is stopped; we then restore the real terminal and stop as well.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGINT, SIGQUIT, SIGTSTP, SIGWINCH};

use super::ended::Ended;
use super::filter::Filter;
use super::keys::Keys;
use super::sending::{WITNESS_AFTER, number, reached_group, send};
use crate::guard::signals::{Catch, Caught, is_foreground, nobody_could_resume_us, stop_ourselves};
use nightlatch_core::memory::{Change, Monitor, MonitoredStart, Witness};
use nightlatch_platform::clock::alarm::timespec;
use nightlatch_platform::fs::without_stops;

/// How long to wait, before this process stops, for what the command wrote before it stopped.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The controlling terminal of this process.
pub(super) struct OuterTerminal {
    tty: OwnedFd,
    /// The settings to restore, while it is in raw mode.
    original: Option<Termios>,
}

impl OuterTerminal {
    pub(super) fn open() -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let tty = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        Some(Self {
            tty,
            original: None,
        })
    }

    /// Whether `stream` is this terminal.
    pub(super) fn is(&self, stream: BorrowedFd<'_>) -> bool {
        // In a container entered from outside, both ids are 0.
        let session = |terminal: BorrowedFd<'_>| nix::sys::termios::tcgetsid(terminal);
        matches!((session(stream), session(self.tty.as_fd())), (Ok(one), Ok(other)) if one == other)
    }

    fn is_foreground(&self) -> bool {
        is_foreground(&self.tty)
    }

    /// In the background, changing the settings would stop this process, and they are others'.
    fn set(&self, settings: &Termios) -> bool {
        if !self.is_foreground() {
            return false;
        }
        let set = || tcsetattr(&self.tty, OptionalActions::Now, settings);
        // If it goes to the background just now, it must not be stopped here.
        without_stops(|| rustix::io::retry_on_intr(set)).is_ok()
    }

    /// Passes every key on as it is typed, and shows all output as it is. If this process is killed,
    /// `monitor` restores the settings.
    fn enter_raw_mode(&mut self, monitor: &Monitor) {
        if self.original.is_none()
            && let Ok(original) = tcgetattr(&self.tty)
        {
            let mut raw = original.clone();
            raw.make_raw();
            // If another guard in our pipeline has set it so, it also restores it.
            let is_raw = raw.local_modes == original.local_modes
                && raw.output_modes == original.output_modes;
            if !is_raw && monitor.guard_settings(self.tty.as_fd()).is_ok() && self.set(&raw) {
                self.original = Some(original);
            }
        }
    }

    /// Sets raw mode again if somebody has changed it.
    fn keep_raw_mode(&self) {
        if self.original.is_some()
            && let Ok(mut settings) = tcgetattr(&self.tty)
        {
            settings.make_raw();
            self.set(&settings);
        }
    }

    /// Leaves the terminal as it is, for another job.
    fn give_up_raw_mode(&mut self, monitor: &Monitor) {
        self.original = None;
        monitor.leave_settings();
    }

    fn leave_raw_mode(&mut self, monitor: &Monitor) {
        if let Some(original) = self.original.take() {
            self.set(&original);
        }
        self.give_up_raw_mode(monitor);
    }
}

/// A terminal for a command that has not been started.
pub(super) struct NewTerminal {
    outer: OuterTerminal,
    master: Arc<OwnedFd>,
    /// Whether the command begins in its foreground. If its input is not the terminal, what writes
    /// its input may read keys of ours, such as a password; the command gets it when it asks for it.
    in_foreground: bool,
    start: MonitoredStart,
}

impl NewTerminal {
    /// Gives `command` a terminal with the settings and size of `outer`, as its standard output, and
    /// as its input and error if so.
    pub(super) fn give(
        command: &mut Command,
        outer: OuterTerminal,
        (input_too, error_too): (bool, bool),
    ) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty())?;
        rustix::io::ioctl_fionbio(&master, true)?;
        tcsetattr(&slave, OptionalActions::Now, &tcgetattr(&outer.tty)?)?;
        resize(&outer, &master);
        if input_too {
            command.stdin(slave.try_clone()?);
        }
        command.stdout(slave.try_clone()?);
        if error_too {
            command.stderr(slave.try_clone()?);
        }
        let in_foreground = input_too && outer.is_foreground();
        let tty = outer.tty.try_clone()?;
        Ok(Self {
            start: MonitoredStart::prepare(command, slave, tty, in_foreground)?,
            outer,
            master: Arc::new(master),
            in_foreground,
        })
    }

    /// The relay of the command whose monitor was started as `process`.
    pub(super) fn started(self, process: Pid) -> io::Result<Relay> {
        let monitor = self.start.started(process)?;
        let input = self.outer.tty.try_clone()?;
        let keys = Keys::start(input, Arc::clone(&self.master), monitor.command())?;
        let mut relay = Relay {
            keys,
            outer: self.outer,
            master: self.master,
            monitor,
            is_in_foreground: self.in_foreground,
        };
        if relay.is_in_foreground {
            relay.outer.enter_raw_mode(&relay.monitor);
            relay.keys.pass_on();
        }
        Ok(relay)
    }
}

/// A running command on a terminal of its own.
pub(super) struct Relay {
    keys: Keys,
    outer: OuterTerminal,
    master: Arc<OwnedFd>,
    monitor: Monitor,
    is_in_foreground: bool,
}

impl Relay {
    pub(super) fn command(&self) -> Pid {
        self.monitor.command()
    }

    pub(super) fn master(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.master)
    }

    /// Passes on signals and stops until the command has ended. `early` signals arrived before it
    /// was started.
    pub(super) fn follow(
        &mut self,
        catch: &mut Catch,
        early: Vec<Caught>,
        filters: &[Filter],
        reaps: bool,
    ) -> io::Result<Ended> {
        for early in early {
            send(self.command(), early.signal);
        }
        let mut witness = None;
        loop {
            for caught in catch.pending() {
                if caught.signal == SIGCHLD && reaps {
                    // The monitor too, if somebody killed it.
                    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
                }
                self.hand_on(caught, &mut witness);
            }
            while let Some(change) = self.monitor.next_change()? {
                match change {
                    Change::Exited(code) => return Ok(self.ended(Ended::Code(code), filters)),
                    Change::Killed(signal) => {
                        return Ok(self.ended(Ended::Signal(signal), filters));
                    }
                    Change::Stopped(signal) => self.stop(signal, filters)?,
                    Change::Continued => {}
                }
            }
            let limit = witness.is_none().then_some(WITNESS_AFTER).map(timespec);
            let mut fds = [
                PollFd::new(&*catch, PollFlags::IN),
                PollFd::new(self.monitor.reports(), PollFlags::IN),
            ];
            if rustix::io::retry_on_intr(|| poll(&mut fds, limit.as_ref()))? == 0 {
                witness = Some(Witness::start());
            }
        }
    }

    /// From here on, keys are for whoever comes next, and Ctrl-C is for this process.
    fn ended(&mut self, ended: Ended, filters: &[Filter]) -> Ended {
        self.keys.hold();
        for filter in filters {
            filter.catch_up(CATCH_UP);
        }
        self.outer.leave_raw_mode(&self.monitor);
        ended
    }

    /// Passes on a signal, which has reached nobody on the command's terminal: one for our process
    /// group, as the kernel sends them, to the command's.
    fn hand_on(&mut self, caught: Caught, witness: &mut Option<io::Result<Witness>>) {
        let command = self.command();
        let own = rustix::process::getpid();
        match (caught.signal, caught.sender) {
            (SIGCHLD, _) => {}
            (SIGCONT, _) => self.resumed(),
            (SIGWINCH, _) => resize(&self.outer, &self.master),
            (_, Some(sender)) if sender == number(command) || sender == number(own) => {}
            (signal, Some(_)) if !reached_group(witness, signal) => send(command, signal),
            (signal, _) => {
                if let Some(signal) = Signal::from_named_raw(signal) {
                    let _ = rustix::process::kill_process_group(command, signal);
                }
                // A child of the command that waits for its terminal, stopped, takes no Ctrl-C.
                if matches!(signal, SIGINT | SIGQUIT) && !self.is_in_foreground {
                    self.monitor.resume(false);
                }
            }
        }
    }

    /// The command was stopped: stops this process, or gives the command the terminal that it waits
    /// for. Returns when it has been resumed.
    fn stop(&mut self, signal: i32, filters: &[Filter]) -> io::Result<()> {
        // A program that catches the signals of a terminal that it lacks stops itself by SIGSTOP.
        let wants_terminal = signal != SIGTSTP;
        if wants_terminal && !self.is_in_foreground && self.outer.is_foreground() {
            self.resume();
            return Ok(());
        }
        self.keys.hold();
        // Full-screen programs restore the screen before they stop.
        for filter in filters {
            filter.catch_up(CATCH_UP);
        }
        if nobody_could_resume_us() {
            // There, the kernel ignores Ctrl-Z.
            if signal == SIGTSTP {
                self.resume();
            } else if self.is_in_foreground {
                self.keys.pass_on();
            }
            return Ok(());
        }
        self.outer.leave_raw_mode(&self.monitor);
        if signal == SIGTSTP {
            // The terminal would have stopped the whole pipeline. We catch it, and ignore it.
            let _ = rustix::process::kill_current_process_group(Signal::TSTP);
        }
        stop_ourselves()?;
        self.resume();
        Ok(())
    }

    /// This process alone was stopped and resumed, by SIGSTOP; or it was in [`Relay::stop`], and
    /// nothing has changed since.
    fn resumed(&mut self) {
        if !self.is_in_foreground {
            return;
        }
        if self.outer.is_foreground() {
            self.outer.keep_raw_mode();
            self.keys.pass_on();
        } else {
            self.keys.hold();
            self.outer.give_up_raw_mode(&self.monitor);
            self.is_in_foreground = false;
            self.monitor.resume(false);
        }
    }

    /// Resumes the command where our own job is: in the foreground or the background.
    fn resume(&mut self) {
        resize(&self.outer, &self.master);
        self.is_in_foreground = self.outer.is_foreground();
        if self.is_in_foreground {
            self.outer.enter_raw_mode(&self.monitor);
            self.keys.pass_on();
        }
        self.monitor.resume(self.is_in_foreground);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // No key is taken from a terminal that has been restored.
        self.keys.hold();
        self.outer.leave_raw_mode(&self.monitor);
    }
}

/// Gives the command's terminal the size of ours; the kernel tells the command.
fn resize(outer: &OuterTerminal, master: impl AsFd) {
    if let Ok(size) = tcgetwinsize(&outer.tty) {
        let _ = tcsetwinsize(master, size);
    }
}
