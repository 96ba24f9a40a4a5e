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
