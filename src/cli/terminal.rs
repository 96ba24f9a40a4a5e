//! The terminal of this process: `/dev/tty`, whatever standard input and output are.

#[path = "terminal/lent.rs"]
mod lent;
#[path = "terminal/quiet.rs"]
mod quiet;
#[cfg(target_os = "linux")]
#[path = "terminal/stat.rs"]
mod stat;
#[path = "terminal/turn.rs"]
mod turn;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, Termios, tcdrain, tcflush, tcgetattr,
    tcgetwinsize, tcsetattr,
};

pub use lent::Lent;
pub(super) use quiet::{Quiet, ends_us};
use turn::Turn;

/// Switches off the mode in which a pasted text comes between two escape sequences; a program that
/// crashed may have left it on.
const PLAIN_PASTE: &str = "\x1b[?2004l";

/// An open terminal. From the first question to its drop, the other prompts on it wait, and from the
/// first password on, what is typed is unseen.
pub struct Terminal {
    tty: Arc<OwnedFd>,
    takes_escapes: bool,
    /// Between two passwords. Before the turn: the terminal is set back first.
    pub(super) quiet: Option<Quiet>,
    turn: Turn,
    lent: Lent,
    pub(super) leaves_when_resumed: bool,
}

impl Terminal {
    /// The terminal this process belongs to; `None` when it has none (cron, a service, a CI job).
    pub fn open() -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let tty = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        Some(Self {
            tty: Arc::new(tty),
            takes_escapes: false,
            quiet: None,
            turn: Turn::default(),
            lent: Lent::default(),
            leaves_when_resumed: false,
        })
    }

    /// The same, which may be sent escape sequences.
    #[must_use]
    pub fn taking_escapes(mut self, takes_escapes: bool) -> Self {
        self.takes_escapes = takes_escapes;
        self
    }

    /// From now on a password is not asked for anew when this process was stopped (Ctrl-Z) and resumed, but the
    /// question left with [`PromptError::Resumed`](super::prompt::PromptError::Resumed): somebody may have
    /// answered it elsewhere.
    pub fn leave_when_resumed(&mut self) {
        self.leaves_when_resumed = true;
    }

    /// What another program has taken over while a password was asked for here, to be set right later.
    pub fn lent(&self) -> Lent {
        self.lent.clone()
    }

    /// Waits until no other prompt is open on this terminal; what is typed is theirs meanwhile. In the
    /// background this process is stopped, as one that reads the terminal would be, until `fg`.
    ///
    /// Call it with the terminal's signals at their default action.
    ///
    /// # Errors
    /// When it is in the background and cannot be stopped either.
    pub fn wait_for_turn(&mut self) -> io::Result<()> {
        while !self.turn.is_held() {
            // The kernel stops a background process that waits for its output, and nothing is dropped.
            rustix::io::retry_on_intr(|| tcdrain(&self.tty))?;
            if !self.is_foreground() {
                return Err(background());
            }
            if self.turn.try_take() {
                break;
            }
            Turn::pause();
        }
        Ok(())
    }

    /// Lets others ask, and shows again what is typed.
    pub(super) fn give_turn_back(&mut self) {
        self.quiet = None;
        self.turn.give_back();
    }

    /// Writes `text` as it is: control characters in it are the caller's to escape.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn write(&self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let count = rustix::io::retry_on_intr(|| rustix::io::write(&self.tty, rest))?;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Returns once this process is in the foreground, dropping what was typed before that. In the
    /// background it is stopped, as one that reads the terminal would be, until `fg`.
    ///
    /// Call it with the terminal's signals at their default action.
    ///
    /// # Errors
    /// When it is in the background and cannot be stopped either.
    pub(super) fn await_foreground(&self) -> io::Result<()> {
        // The kernel stops a background process that flushes the input, and the call begins anew
        // when it is resumed. Nothing is changed before that: the terminal is the shell's till then.
        rustix::io::retry_on_intr(|| tcflush(&self.tty, QueueSelector::IFlush))?;
        if self.is_foreground() {
            Ok(())
        } else {
            Err(background())
        }
    }

    /// Whether this process's job is the one that the person at the terminal speaks to.
    pub fn is_foreground(&self) -> bool {
        is_foreground(&self.tty)
    }

    /// How the terminal is set now, but for what a prompt has hidden that was stopped by force.
    pub(super) fn settings(&self) -> io::Result<Termios> {
        let mut settings = tcgetattr(&self.tty)?;
        let modes = &mut settings.local_modes;
        let is_hidden = !modes.contains(LocalModes::ECHO) && modes.contains(LocalModes::ECHONL);
        if self.turn.is_taken_from_stopped && is_hidden {
            modes.insert(LocalModes::ECHO);
            modes.remove(LocalModes::ECHONL);
        }
        Ok(settings)
    }

    /// Has what is pasted come as if it were typed.
    pub(super) fn take_plain_pastes(&self) -> io::Result<()> {
        if self.takes_escapes {
            self.write(PLAIN_PASTE)?;
        }
        Ok(())
    }

    /// Hides what is typed until the returned value is dropped, which gives the terminal the
    /// settings `original` and forgets what was typed and not read. The newline stays visible, and
    /// the keys that edit a line or send signals stay alive.
    pub(super) fn hide_typing(&self, original: Termios) -> io::Result<Hidden> {
        self.take_plain_pastes()?;
        let mut hidden = original.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden
            .local_modes
            .insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // A terminal left raw by a crashed program sends a carriage return for Enter.
        hidden.input_modes.insert(InputModes::ICRNL);
        hidden
            .input_modes
            .remove(InputModes::IGNCR | InputModes::INLCR);
        let guard = Hidden {
            tty: Arc::clone(&self.tty),
            original,
            set: hidden,
            lent: self.lent.clone(),
        };
        rustix::io::retry_on_intr(|| tcsetattr(&self.tty, OptionalActions::Flush, &guard.set))?;
        Ok(guard)
    }
}

fn background() -> io::Error {
    io::Error::other("this job is in the background")
}

fn is_foreground(tty: impl AsFd) -> bool {
    // Both are 0 in a container entered from outside, and then they are the same group.
    nix::unistd::tcgetpgrp(tty).is_ok_and(|group| group == nix::unistd::getpgrp())
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tty.as_fd()
    }
}

/// How many columns `stream` has; `None` when it is no terminal, or does not tell.
pub fn columns(stream: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

/// How many lines `stream` has; `None` when it is no terminal, or does not say.
pub fn lines(stream: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_row)).filter(|&lines| lines > 0)
}

/// Writes a line of its own to the terminal that stderr leads to, where the person reads it: this job is in
/// the foreground, and the terminal shows what is typed a line at a time. A program that takes each key has
/// drawn the screen itself, and one that hides what is typed asks for a password; neither is written into.
/// Never waits for a terminal that was stopped.
pub fn notify(line: &str) {
    let err = std::io::stderr();
    let modes = LocalModes::ICANON | LocalModes::ECHO;
    if !is_foreground(&err) || !tcgetattr(&err).is_ok_and(|now| now.local_modes.contains(modes)) {
        return;
    }
    // Where a job has come into the background by now, nothing is stopped for it.
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTTOU);
    if stop.thread_block().is_err() {
        return;
    }
    // Opened anew, for only this process to write without waiting.
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if let Ok(tty) = rustix::fs::open("/dev/tty", flags, Mode::empty()) {
        // What stands on the line so far is kept.
        let text = format!("\n{line}\n");
        let mut rest = text.as_bytes();
        while let Ok(count @ 1..) = rustix::io::write(&tty, rest) {
            rest = &rest[count..];
        }
    }
    let _ = stop.thread_unblock();
}

/// The name of a signal, such as `SIGTERM`.
pub fn signal_name(signal: i32) -> Option<&'static str> {
    signal_hook::low_level::signal_name(signal)
}

/// Set from now on by Ctrl-C and the like, which then end nothing.
pub fn interruption() -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// Dies of `signal`, so that the shell sees it. Returns where that does not end this process.
pub fn die_of(signal: i32) {
    nightlatch::memory::die_of(signal);
}

/// While it lives, what is typed is not shown.
pub(super) struct Hidden {
    tty: Arc<OwnedFd>,
    original: Termios,
    set: Termios,
    lent: Lent,
}

/// Whether the terminal is as it was set here, and by nobody since: a pager that was started meanwhile needs
/// its own settings.
fn is_set_so(tty: &OwnedFd, set: &Termios) -> bool {
    let modes = |settings: &Termios| {
        let Termios {
            input_modes,
            output_modes,
            local_modes,
            ..
        } = settings;
        (*input_modes, *output_modes, *local_modes)
    };
    tcgetattr(tty).is_ok_and(|now| modes(&now) == modes(set))
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // In the background the terminal is in use by others, and setting it would stop us.
        if !is_foreground(&self.tty) {
            return;
        }
        if is_set_so(&self.tty, &self.set) {
            // Nothing can be done about a terminal that is gone.
            let _ = rustix::io::retry_on_intr(|| {
                tcsetattr(&self.tty, OptionalActions::Flush, &self.original)
            });
        } else {
            self.lent.note(&self.tty, &self.original, &self.set);
        }
    }
}
