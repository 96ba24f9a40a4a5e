//! All output to the terminal. Results go to standard output, messages and logs to standard error.

use std::io::{IsTerminal, Write};

use tracing::level_filters::LevelFilter;

/// Prints one line of a result. A closed pipe ends nothing here.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Prints a line of JSON; to a terminal with JSON's own escapes for all that is not printable ASCII,
/// since the terminal would interpret some of it.
///
/// # Errors
/// As [`print()`].
pub fn print_json(line: &str) -> std::io::Result<()> {
    if std::io::stdout().is_terminal() {
        print(&ascii(line))
    } else {
        print(line)
    }
}

/// A line of JSON with the same meaning in printable ASCII.
fn ascii(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for character in line.chars() {
        if matches!(character, ' '..='~') {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let escape = format!("\\u{unit:04x}");
                shown.push_str(&escape);
            }
        }
    }
    shown
}

/// Prints a message.
pub fn tell(message: &str) {
    // There is nobody left to tell that standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

/// Shows a mail to whoever started the server in a terminal. Elsewhere standard error is a log,
/// where its link must not be.
pub fn show_mail(mail: &str) {
    if is_watched() {
        tell(mail);
    }
}

/// Whether a person sees the messages.
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Starts the log on standard error: warnings and what happens to the server; with `verbose` every
/// request.
pub fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(is_watched())
        .with_writer(std::io::stderr);
    // Only a test that runs two commands in one process has a log already.
    let _ = log.try_init();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_on_a_terminal_has_nothing_that_it_interprets_and_means_the_same() {
        let line = "{\"reason\":\"\u{7f}\u{9b}2J \u{202e}txt\u{1f600} ok\"}";
        let shown = ascii(line);
        assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(line));
    }
}
