//! All output.
//!
//! Results go to stdout, messages to stderr. A closed pipe ends the output and is not an error.
//! Text from a file, a log or a command line is escaped before it reaches a terminal. Colour is
//! used only where it helps, and never with `NO_COLOR`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use nightlatch_core::memory::SecretBuffer;

use super::exit::Failure;
use super::system;
use super::terminal::columns;
use super::text::{bounded, escape, escape_json, is_too_long};

/// What this invocation prints, and how.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// JSON on stdout, and errors as JSON on stderr.
    pub json: bool,
    /// No messages.
    pub quiet: bool,
    /// Whether stdout is a terminal, which interprets escape sequences.
    pub on_terminal: bool,
    /// Whether the locale has characters beyond ASCII.
    pub is_utf8: bool,
}

/// Success.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Needs attention.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Failure.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Less important text.
pub const FAINT: Style = Style::new().dimmed();
/// Important text.
pub const STRONG: Style = Style::new().bold();

/// The signs used in drawing, with their ASCII replacements.
const SIGNS: [(char, char); 5] = [('●', '*'), ('○', 'o'), ('█', '#'), ('░', '.'), ('…', '~')];

impl Ui {
    /// Prints `text` to stdout, without styles where they would not show. Returns `false` if stdout
    /// is closed, which is not an error.
    ///
    /// # Errors
    /// When writing to stdout fails.
    pub fn data(self, text: &str) -> Result<bool, Failure> {
        written(&mut anstream::stdout().lock(), self.signs(text).as_bytes())
    }

    /// Like [`Ui::data`], but byte for byte, without interpreting styles. Anything for a terminal
    /// must already be escaped.
    ///
    /// As for [`Ui::data`].
    /// As for [`Ui::data`].
    #[allow(clippy::unused_self)] // so that printing requires a Ui
    pub fn bytes(self, bytes: &[u8]) -> Result<bool, Failure> {
        written(&mut io::stdout().lock(), bytes)
    }

    /// Prints a secret to stdout, byte for byte and without keeping it in a buffer. Returns `false`
    /// like [`Ui::data`].
    ///
    /// # Errors
    /// As for [`Ui::data`].
    #[allow(clippy::unused_self)] // as above
    pub fn secret(self, bytes: &[u8]) -> Result<bool, Failure> {
        written(&mut system::Unbuffered, bytes)
    }

    /// Prints JSON lines to stdout, byte for byte; on a terminal, what it would interpret is
    /// written with JSON's own escapes.
    ///
    /// # Errors
    /// As for [`Ui::data`].
    pub fn json_text(self, json: &str) -> Result<bool, Failure> {
        if self.on_terminal {
            self.bytes(escape_json(json).as_bytes())
        } else {
            self.bytes(json.as_bytes())
        }
    }

    /// Prints a JSON value and a newline to stdout. Returns `false` like [`Ui::data`].
    ///
    /// # Errors
    /// As for [`Ui::data`].
    pub fn json(self, value: &impl serde::Serialize) -> Result<bool, Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed("output", error.to_string()))?;
        self.json_text(&format!("{text}\n"))
    }

    /// The width of stdout in columns; `None` if it is not a terminal or has no size.
    #[allow(clippy::unused_self)] // as above
    pub fn width(self) -> Option<usize> {
        columns(io::stdout())
    }

    /// Prints a message on stderr, unless `--quiet` is set.
    pub fn say(self, text: &str) {
        if !self.quiet && !self.json {
            Self::to_stderr(&self.signs(&format!("{text}\n")));
        }
    }

    /// Prints a message that ends with a secret on stderr, unless `--quiet` is set. No buffer keeps a
    /// copy of the secret.
    pub fn say_secret(self, text: &str, secret: &SecretBuffer) {
        if !self.quiet && !self.json {
            Self::to_stderr(&self.signs(text));
            // Standard error is not buffered. If it is gone, nobody can be informed.
            let _ = io::stderr().write_all(secret.expose());
            Self::to_stderr("\n");
        }
    }

    /// Prints a secret alone on a line of stdout. No buffer keeps a copy of it.
    ///
    /// # Errors
    /// As for [`Ui::data`].
    pub fn secret_line(self, secret: &SecretBuffer) -> Result<bool, Failure> {
        self.secret_within("", secret, "\n")
    }

    /// Prints a JSON object and a newline to stdout, with `secret` as the string `key` at its end.
    /// No buffer keeps a copy of the secret, which needs no escapes.
    ///
    /// # Errors
    /// As for [`Ui::data`].
    pub fn json_with_secret(
        self,
        object: &impl serde::Serialize,
        key: &str,
        secret: &SecretBuffer,
    ) -> Result<bool, Failure> {
        let text = serde_json::to_string(object)
            .map_err(|error| Failure::failed("output", error.to_string()))?;
        let open = text.strip_suffix('}').unwrap_or(&text);
        let before = format!("{open},\"{key}\":\"");
        let before = if self.on_terminal {
            escape_json(&before)
        } else {
            before
        };
        self.secret_within(&before, secret, "\"}\n")
    }

    fn secret_within(
        self,
        before: &str,
        secret: &SecretBuffer,
        after: &str,
    ) -> Result<bool, Failure> {
        let length = before.len() + secret.len() + after.len();
        let mut line = SecretBuffer::with_capacity(length);
        let fits = line.push(before.as_bytes())
            && line.push(secret.expose())
            && line.push(after.as_bytes());
        debug_assert!(fits, "the buffer has their length");
        self.secret(line.expose())
    }

    /// Draws `text` over stderr's current line, unless `--quiet` is set. Longer text that was there
    /// stays beyond it, because clearing the line would need an escape sequence.
    pub fn draw(self, text: &str) {
        if !self.quiet && !self.json {
            Self::to_stderr(&self.signs(&format!("\r{text}")));
        }
    }

    /// Prints a warning on stderr, even with `--quiet`.
    pub fn warn(self, text: &str) {
        let text = &*bounded(text);
        if self.json {
            let object = serde_json::json!({ "warning": text });
            Self::to_stderr(&escape_json(&format!("{object}\n")));
        } else {
            Self::to_stderr(&format!("{WARN}nightlatch: {}{WARN:#}\n", escape(text)));
        }
    }

    /// Reports a failure on stderr: as a JSON object, as one line, or as a line and a hint.
    pub fn failure(self, failure: &Failure) {
        let Failure {
            kind,
            message,
            hint,
            ..
        } = failure;
        let message = bounded(message);
        // A command without its middle could do something else when it is pasted.
        let hint = hint.as_deref().filter(|hint| !is_too_long(hint));
        if self.json {
            let object = serde_json::json!({ "error": kind, "message": message, "hint": hint });
            Self::to_stderr(&escape_json(&format!("{object}\n")));
            return;
        }
        let mut text = format!("nightlatch: {}", escape(&message));
        if let Some(hint) = hint {
            let _ = write!(text, "; {}", escape(hint));
        }
        Self::to_stderr(&format!("{text}\n"));
    }

    /// `text` with its signs replaced by ASCII if the locale requires it.
    fn signs(self, text: &str) -> Cow<'_, str> {
        if self.is_utf8 || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let shown = |character| {
            let known = SIGNS.iter().find(|(sign, _)| *sign == character);
            known.map_or(character, |&(_, ascii)| ascii)
        };
        Cow::Owned(text.chars().map(shown).collect())
    }

    fn to_stderr(text: &str) {
        // If stderr is gone, nobody can be informed.
        let mut err = anstream::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

fn written(out: &mut impl Write, bytes: &[u8]) -> Result<bool, Failure> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed(
            "output",
            format!("cannot write to standard output: {error}"),
        )),
    }
}
