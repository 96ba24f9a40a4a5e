//! The clipboard: served by wl-copy or xclip, or by the terminal (OSC 52).
//!
//! This process stays until the clipboard is cleared. A process left behind in the background would
//! write to a terminal that belongs to something else by then.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nightlatch_core::clock::{BootTime, Clock};
use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::secrets::formats::base64;
use nightlatch_platform::clock::SystemClock;

use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::search_path;
use crate::cli::system::Interruption;
use crate::cli::terminal::Terminal;
use crate::cli::text;

/// How long a value stays in the clipboard unless something else is asked for.
pub const CLEARED_AFTER: Duration = Duration::from_secs(45);

/// Programs that hold the clipboard for as long as they run: killing one clears it, unless something
/// else was copied meanwhile.
const WAYLAND: [&str; 2] = ["wl-copy", "--foreground"];
const X11: [&str; 4] = ["xclip", "-quiet", "-selection", "clipboard"];

/// Puts what follows, in base64, into the clipboard; nothing clears it.
const OSC_52: &str = "\x1b]52;c;";
const BELL: &str = "\x07";
/// A space in place of the value, for terminals that ignore the request to clear, and that request.
const CLEAR: &str = "\x1b]52;c;IA==\x07\x1b]52;c;\x07";

/// How often to look whether the clipboard's program still runs.
const LOOK: Duration = Duration::from_secs(1);

/// Where a value can be copied to.
pub enum Clipboard {
    /// By this command.
    Program(&'static [&'static str]),
    /// By the terminal.
    Terminal(Terminal),
}

impl Clipboard {
    /// The clipboard of this desktop, or else the terminal's.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(context: &Context) -> Result<Self, Failure> {
        let is_there = |name: &str| {
            let path = context.search_path.as_ref();
            path.is_some_and(|path| search_path::find(path, name.as_ref()).is_some())
        };
        if context.has_wayland && is_there(WAYLAND[0]) {
            return Ok(Self::Program(&WAYLAND));
        }
        if context.has_x11 && is_there(X11[0]) {
            return Ok(Self::Program(&X11));
        }
        let terminal = Terminal::open().filter(|_| context.takes_escapes);
        terminal.map(Self::Terminal).ok_or_else(|| {
            let hint = match (context.has_wayland, context.has_x11) {
                (true, _) => "install wl-clipboard",
                (_, true) => "install xclip",
                _ => "use a terminal, or leave out --copy",
            };
            Failure::failed("no_clipboard", "there is no clipboard to copy to")
                .hint(hint.to_owned())
        })
    }

    /// Copies `value`, which the messages call `name`, and clears it again `after` this time, or when
    /// a signal comes.
    ///
    /// # Errors
    /// When the clipboard's program fails, or the terminal is gone.
    pub fn lend(
        self,
        context: &Context,
        (name, value): (&str, SecretBuffer),
        after: Duration,
    ) -> Result<(), Failure> {
        // Before the value is in the clipboard, so that no signal leaves it there.
        let interruption = Interruption::catch()?;
        let begun = SystemClock.now().boot;
        let mut wait = Wait {
            interruption,
            begun,
            after,
        };
        let span = text::span(after);
        let says = |how: &str| {
            context.ui.say(&format!(
                "{how}; it is cleared after {span}, or now with Ctrl-C"
            ));
        };
        match self {
            Self::Program(words) => {
                let mut program = Served::start(words, &value)?;
                drop(value);
                says(&format!("{name} is in the clipboard"));
                while wait.goes_on() && !program.has_ended()? {}
            }
            Self::Terminal(terminal) => {
                let gone = |error: std::io::Error| Failure::failed("terminal", error.to_string());
                let _clear = ClearedLater(&terminal);
                request(&terminal, &value).map_err(gone)?;
                drop(value);
                says(&format!(
                    "the terminal was asked to put {name} into the clipboard, which not every terminal does"
                ));
                while wait.goes_on() {}
            }
        }
        context.ui.say("cleared");
        Ok(())
    }
}

/// The time until the clipboard is cleared. Suspend counts.
struct Wait {
    interruption: Interruption,
    begun: BootTime,
    after: Duration,
}

impl Wait {
    /// Waits for at most [`LOOK`]; `false` once the time is over or a signal came.
    fn goes_on(&mut self) -> bool {
        let passed = SystemClock.now().boot.since(self.begun);
        let left = self.after.saturating_sub(passed);
        !left.is_zero() && self.interruption.wait(left.min(LOOK))
    }
}

/// A program that holds the clipboard. Dropping this ends it.
struct Served {
    name: &'static str,
    child: Child,
}

impl Served {
    fn start(words: &'static [&'static str], value: &SecretBuffer) -> Result<Self, Failure> {
        let name = words[0];
        let failed = |error| Failure::failed("clipboard", format!("{name}: {error}"));
        let child = Command::new(name)
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut served = Self { name, child };
        // Not buffered.
        if let Some(mut input) = served.child.stdin.take() {
            input.write_all(value.expose()).map_err(failed)?;
        }
        Ok(served)
    }

    /// Whether something else was copied, which ends the program.
    ///
    /// # Errors
    /// When it failed.
    fn has_ended(&mut self) -> Result<bool, Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(false),
            Ok(Some(status)) if status.success() => Ok(true),
            Ok(Some(status)) => Err(self.failed(&status.to_string())),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::failed("clipboard", format!("{}: {why}", self.name))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Clears the terminal's clipboard when dropped.
struct ClearedLater<'a>(&'a Terminal);

impl Drop for ClearedLater<'_> {
    fn drop(&mut self) {
        // If the terminal is gone, so is its clipboard, as far as anybody can tell.
        let _ = self.0.write(CLEAR);
    }
}

/// Asks the terminal to copy `value`, in one write, so that nothing comes between.
fn request(terminal: &Terminal, value: &SecretBuffer) -> std::io::Result<()> {
    let encoded = base64(value.expose());
    let length = OSC_52.len() + encoded.len() + BELL.len();
    let mut sequence = SecretBuffer::with_capacity(length);
    let fits = sequence.push(OSC_52.as_bytes())
        && sequence.push(encoded.expose())
        && sequence.push(BELL.as_bytes());
    debug_assert!(fits, "the buffer has their length");
    terminal.write(std::str::from_utf8(sequence.expose()).unwrap_or_default())
}
