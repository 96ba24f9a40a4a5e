//! The terminal of this process: `/dev/tty`, whatever standard input and output are.

#[cfg(target_os = "linux")]
#[path = "terminal/held.rs"]
mod held;
#[cfg(not(target_os = "linux"))]
#[path = "terminal/held_absent.rs"]
mod held;
#[path = "terminal/lent.rs"]
mod lent;
#[path = "terminal/quiet.rs"]
mod quiet;
#[path = "terminal/turn.rs"]
mod turn;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nightlatch_local::guard::run::{CommandTerminal, takes_lines};
use nightlatch_local::guard::signals::is_foreground;
use nightlatch_platform::fs::without_stops;
use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, Termios, tcdrain, tcflush, tcgetattr,
    tcgetwinsize, tcsetattr,
};

pub use held::Held;
pub use lent::Lent;
pub(super) use quiet::{Quiet, ends_us};
use turn::Turn;

/// Disables bracketed paste, which a program that crashed may have left on.
const PLAIN_PASTE: &str = "\x1b[?2004l";

/// An open terminal. From the first question until this is dropped, other prompts on the terminal
/// wait; from the first password on, the echo is off.
pub struct Terminal {
    tty: Arc<OwnedFd>,
    takes_escapes: bool,
    /// Between two passwords. It comes before the turn, so that the terminal is restored first.
    pub(super) quiet: Option<Quiet>,
    turn: Turn,
    lent: Lent,
    pub(super) leaves_when_resumed: bool,
}

impl Terminal {
    /// The controlling terminal of this process; `None` if there is none (cron, a service, a CI
    /// job).
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

    /// Sets whether escape sequences may be sent to it.
    #[must_use]
    pub fn taking_escapes(mut self, takes_escapes: bool) -> Self {
        self.takes_escapes = takes_escapes;
        self
    }

    /// After this, when the process is stopped (Ctrl-Z) and resumed, a password is not asked for
    /// again: the question is abandoned with
    /// [`PromptError::Resumed`](super::prompt::PromptError::Resumed), because somebody may have
    /// answered it elsewhere.
    pub fn leave_when_resumed(&mut self) {
        self.leaves_when_resumed = true;
    }

    /// The state of a terminal that another program took over during a password prompt, to be
    /// restored later.
    pub fn lent(&self) -> Lent {
        self.lent.clone()
    }

    /// Waits until no other prompt is open on this terminal; until then, input is theirs. In the
    /// background this process is stopped until `fg`, as is usual for reading from the terminal.
    ///
    /// Call it while the terminal's signals have their default action.
    ///
    /// # Errors
    /// When this process is in the background and cannot be stopped.
    pub fn wait_for_turn(&mut self) -> io::Result<()> {
        while !self.turn.is_held() {
            // The kernel stops a background process in tcdrain, and nothing is dropped.
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

    /// Lets other prompts take their turn, and switches the echo on again.
    pub(super) fn give_turn_back(&mut self) {
        self.quiet = None;
        self.turn.give_back();
    }

    /// Writes `text` verbatim; the caller must escape control characters.
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

    /// Returns once this process is in the foreground, and drops earlier input. In the background
    /// this process is stopped until `fg`, as is usual for reading from the terminal.
    ///
    /// Call it while the terminal's signals have their default action.
    ///
    /// # Errors
    /// When this process is in the background and cannot be stopped.
    pub(super) fn await_foreground(&self) -> io::Result<()> {
        // The kernel stops a background process that flushes the input, and restarts the call when
        // it is resumed. Nothing is changed before that: until then the terminal belongs to the
        // shell.
        rustix::io::retry_on_intr(|| tcflush(&self.tty, QueueSelector::IFlush))?;
        if self.is_foreground() {
            Ok(())
        } else {
            Err(background())
        }
    }

    /// Whether this process is in the terminal's foreground process group.
    pub fn is_foreground(&self) -> bool {
        is_foreground(&self.tty)
    }

    /// The terminal's current settings, with the echo on if only a forcibly stopped prompt left it
    /// off.
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

    /// Switches bracketed paste off, so that pasted text arrives as if typed.
    pub(super) fn take_plain_pastes(&self) -> io::Result<()> {
        if self.takes_escapes {
            self.write(PLAIN_PASTE)?;
        }
        Ok(())
    }

    /// Switches the echo off until the returned value is dropped, which restores the settings
    /// `original` and drops unread input. The newline is still echoed, and the keys for line
    /// editing and signals still work.
    pub(super) fn hide_typing(&self, original: Termios) -> io::Result<Hidden> {
        self.take_plain_pastes()?;
        let mut hidden = original.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden
            .local_modes
            .insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // On a terminal left in raw mode by a crashed program, Enter sends a carriage return.
        hidden.input_modes.insert(InputModes::ICRNL);
        hidden
            .input_modes
            .remove(InputModes::IGNCR | InputModes::INLCR);
        let guard = Hidden {
            tty: Arc::clone(&self.tty),
            original,
            set: hidden,
            lent: self.lent.clone(),
            held: Held::begin(),
        };
        rustix::io::retry_on_intr(|| tcsetattr(&self.tty, OptionalActions::Flush, &guard.set))?;
        Ok(guard)
    }
}

fn background() -> io::Error {
    io::Error::other("this job is in the background")
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tty.as_fd()
    }
}

/// The width of `stream` in columns; `None` if it is not a terminal or has no size.
pub fn columns(stream: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

/// The height of `stream` in lines; `None` if it is not a terminal or has no size.
pub fn lines(stream: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_row)).filter(|&lines| lines > 0)
}

/// Writes a separate line to stderr's terminal if it reaches the person: this job is in the
/// foreground, and the terminal, or the one that the command has instead, is in line mode with echo.
/// A program in raw mode has drawn the screen itself, and one without echo is asking for a password;
/// neither is disturbed. Never waits for a stopped terminal.
pub fn notify(line: &str, instead: Option<&CommandTerminal>) {
    let err = std::io::stderr();
    let takes_lines = match instead {
        Some(terminal) => terminal.takes_lines(),
        None => takes_lines(&err),
    };
    if !is_foreground(&err) || !takes_lines {
        return;
    }
    // Open it again, so that nonblocking mode affects only this process.
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(tty) = rustix::fs::open("/dev/tty", flags, Mode::empty()) else {
        return;
    };
    // Keep what is already on the line. If the terminal is in raw mode for another that the command
    // has instead, a line feed alone does not begin a line.
    let text = match instead {
        Some(_) => format!("\r\n{line}\r\n"),
        None => format!("\n{line}\n"),
    };
    // If the job is in the background by now, the write must not stop it.
    without_stops(|| {
        let mut rest = text.as_bytes();
        while let Ok(count @ 1..) = rustix::io::write(&tty, rest) {
            rest = &rest[count..];
        }
    });
}

/// The name of a signal, such as `SIGTERM`.
pub fn signal_name(signal: i32) -> Option<&'static str> {
    signal_hook::low_level::signal_name(signal)
}

/// A flag that Ctrl-C and similar signals set from now on, instead of ending the process.
pub fn interruption() -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// Dies of `signal`, so that the shell sees it. Returns if the signal does not end this process.
pub fn die_of(signal: i32) {
    nightlatch_core::memory::die_of(signal);
}

/// Keeps the echo off until it is dropped.
pub(super) struct Hidden {
    tty: Arc<OwnedFd>,
    original: Termios,
    set: Termios,
    lent: Lent,
    /// Released last, when the terminal is restored.
    pub(super) held: Held,
}

/// Whether the terminal still has the settings made here: a pager that was started meanwhile needs
/// its own.
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
        // In the background, the terminal is in use by others, and changing it would stop this
        // process.
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
