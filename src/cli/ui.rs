//! All output, in one place.
//!
//! The rules: stdout is data, stderr is talk. A closed pipe ends the output, not with an error:
//! whoever closed it had enough. Text that came from a file, a log or a command line is escaped on
//! its way to a terminal. Colour only where it helps, and not with `NO_COLOR`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::exit::Failure;

/// What this invocation prints, and how.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// JSON on stdout, and errors as JSON on stderr.
    pub json: bool,
    /// No talk.
    pub quiet: bool,
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

impl Ui {
    /// Prints `text` to stdout; styles are dropped where they would not show. `false` when nobody
    /// reads any more, which is not an error.
    ///
    /// # Errors
    /// When stdout cannot be written.
    #[allow(clippy::unused_self)] // so that whoever prints has to be handed a Ui
    pub fn data(self, text: &str) -> Result<bool, Failure> {
        let mut out = anstream::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::failed(
                "output",
                format!("cannot write to standard output: {error}"),
            )),
        }
    }

    /// Prints a JSON value and a newline to stdout.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn json(self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed("output", error.to_string()))?;
        self.data(&format!("{text}\n")).map(drop)
    }

    /// Says something to the person, on stderr, unless asked to be quiet.
    pub fn say(self, text: &str) {
        if !self.quiet && !self.json {
            Self::to_stderr(&format!("{text}\n"));
        }
    }

    /// Warns on stderr, quiet or not.
    pub fn warn(self, text: &str) {
        if self.json {
            Self::to_stderr(&format!("{}\n", serde_json::json!({ "warning": text })));
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
        if self.json {
            let object = serde_json::json!({ "error": kind, "message": message, "hint": hint });
            Self::to_stderr(&format!("{object}\n"));
            return;
        }
        let mut text = format!("nightlatch: {}", escape(message));
        if let Some(hint) = hint {
            let _ = write!(text, "; {}", escape(hint));
        }
        Self::to_stderr(&format!("{text}\n"));
    }

    fn to_stderr(text: &str) {
        // Nothing is left to tell anyone when stderr is gone.
        let _ = anstream::stderr().lock().write_all(text.as_bytes());
    }
}

/// `text` with everything a terminal would act on, or that changes the direction of reading, shown
/// as an escape instead.
pub fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, character| {
            if is_harmless(character) {
                shown.push(character);
            } else {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            shown
        })
}

fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            // Bidirectional controls and marks, and separators a terminal may break lines at.
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
            // Invisible: zero-width characters, byte order mark, tags.
            | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2065}' | '\u{FEFF}'
            | '\u{E0000}'..='\u{E007F}')
}

/// A time span for people, in its two largest units: `14m 32s`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_instead() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("user\u{202e}moc"), "user\\u{202e}moc");
        assert_eq!(escape("line\nbreak"), "line\\u{a}break");
        assert_eq!(escape("Grüße, 世界 🔒"), "Grüße, 世界 🔒");
    }

    #[test]
    fn spans_are_told_in_two_units() {
        for (seconds, told) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (872, "14m 32s"),
            (3600, "1h"),
            (14_399, "3h 59m"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), told);
        }
    }
}
