//! All output, in one place.
//!
//! The rules: stdout is data, stderr is talk. A closed pipe ends the output, not with an error:
//! whoever closed it had enough. Text that came from a file, a log or a command line is escaped on
//! its way to a terminal. Colour only where it helps, and not with `NO_COLOR`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::exit::Failure;
use super::terminal::columns;
use super::text::{bounded, escape, escape_json, is_too_long};

/// What this invocation prints, and how.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// JSON on stdout, and errors as JSON on stderr.
    pub json: bool,
    /// No talk.
    pub quiet: bool,
    /// Whether stdout is a terminal, which acts on what it is sent.
    pub on_terminal: bool,
    /// Whether the locale has more than ASCII.
    pub is_utf8: bool,
}

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Needs attention.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What can be skipped.
pub const FAINT: Style = Style::new().dimmed();
/// What the eye should find first.
pub const STRONG: Style = Style::new().bold();

/// What is drawn, and what stands for it in ASCII.
const SIGNS: [(char, char); 5] = [('●', '*'), ('○', 'o'), ('█', '#'), ('░', '.'), ('…', '~')];

impl Ui {
    /// Prints `text` to stdout; styles are dropped where they would not show. `false` when nobody
    /// reads any more, which is not an error.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn data(self, text: &str) -> Result<bool, Failure> {
        written(&mut anstream::stdout().lock(), self.signs(text).as_bytes())
    }

    /// As [`Ui::data`], to the byte: nothing in it is taken for a style. On a terminal it must be
    /// harmless.
    ///
    /// # Errors
    /// As [`Ui::data`].
    #[allow(clippy::unused_self)] // so that whoever prints has to be handed a Ui
    pub fn bytes(self, bytes: &[u8]) -> Result<bool, Failure> {
        written(&mut io::stdout().lock(), bytes)
    }

    /// Prints lines of JSON to stdout, to the byte; on a terminal, what that would act on is written
    /// as JSON's own escapes.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn json_text(self, json: &str) -> Result<bool, Failure> {
        if self.on_terminal {
            self.bytes(escape_json(json).as_bytes())
        } else {
            self.bytes(json.as_bytes())
        }
    }

    /// Prints a JSON value and a newline to stdout. `false` as of [`Ui::data`].
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn json(self, value: &impl serde::Serialize) -> Result<bool, Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed("output", error.to_string()))?;
        self.json_text(&format!("{text}\n"))
    }

    /// How many columns there are to print on; `None` where stdout is no terminal, or it does not say.
    #[allow(clippy::unused_self)] // as above
    pub fn width(self) -> Option<usize> {
        columns(io::stdout())
    }

    /// Says something to the person, on stderr, unless asked to be quiet.
    pub fn say(self, text: &str) {
        if !self.quiet && !self.json {
            Self::to_stderr(&self.signs(&format!("{text}\n")));
        }
    }

    /// Draws `text` over the line of stderr that the cursor is on, unless asked to be quiet. What the
    /// line had beyond that stays: there is no clearing it where escapes are not wanted.
    pub fn draw(self, text: &str) {
        if !self.quiet && !self.json {
            Self::to_stderr(&self.signs(&format!("\r{text}")));
        }
    }

    /// Warns on stderr, quiet or not.
    pub fn warn(self, text: &str) {
        let text = &*bounded(text);
        if self.json {
            let object = serde_json::json!({ "warning": text });
            Self::to_stderr(&escape_json(&format!("{object}\n")));
        } else {
            Self::to_stderr(&format!("{WARN}nightlatch: {}{WARN:#}\n", escape(text)));
        }
    }

    /// Reports a failure on stderr: one JSON object, one line, or a line and its hint.
    pub fn failure(self, failure: &Failure) {
        let Failure {
            kind,
            message,
            hint,
            ..
        } = failure;
        let message = bounded(message);
        // A command without its middle may do something else when it is pasted.
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

    /// `text` with the signs that are drawn in it, in ASCII where the locale has no others.
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
        // Nothing is left to tell anyone when stderr is gone.
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
