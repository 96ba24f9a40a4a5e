//! A progress bar for work that takes more than a moment while a person watches.

use std::io::IsTerminal;
use std::sync::mpsc;
use std::time::Duration;

use anstream::adapter::strip_str;
use unicode_width::UnicodeWidthStr;

use super::table::fit;
use super::terminal::columns;
use super::ui::{FAINT, GOOD, Ui};

/// Shorter work shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// A longer wait for another process is reported.
const SPOKEN_OF: Duration = Duration::from_secs(2);
const REDRAW: Duration = Duration::from_millis(100);
const WIDTH: u64 = 24;

/// Runs `work` and shows its progress in bytes: only on a terminal, and not with `--quiet` or
/// `--json`.
pub fn watched<T: Send>(
    ui: Ui,
    what: &str,
    progress: impl Fn() -> (u64, u64),
    work: impl FnOnce() -> T + Send,
) -> T {
    if ui.quiet || ui.json || !std::io::stderr().is_terminal() {
        return work();
    }
    std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        let worker = scope.spawn(move || {
            // Dropped when the work ends, for whatever reason.
            let _done = done;
            work()
        });
        let (mut wait, mut shown) = (PATIENCE, 0);
        while ended.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
            let (done, total) = progress();
            // Read the width each time: the window may have become narrower.
            let room = columns(std::io::stderr()).unwrap_or(0);
            let line = line(what, done, total, room);
            let width = strip_str(&line).to_string().width();
            ui.draw(&format!(
                "{line}{:1$}",
                "",
                usize::saturating_sub(shown, width)
            ));
            (wait, shown) = (REDRAW, width);
        }
        if shown > 0 {
            ui.draw(&" ".repeat(shown));
            ui.draw("");
        }
        match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Runs `work`, which may have to wait for the end of `what`, and reports the wait after two
/// seconds: another process can hold a pipe open without writing.
pub fn read_to_end<T>(ui: Ui, what: &str, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            if ended.recv_timeout(SPOKEN_OF) == Err(mpsc::RecvTimeoutError::Timeout) {
                ui.say(&format!("waiting for the end of {what}"));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// The bar, or only the percentage if the bar would wrap and so could not be overwritten.
fn line(what: &str, done: u64, total: u64, room: usize) -> String {
    let line = bar(what, done, total);
    // If the width is unknown, assume the usual one.
    if room == 0 || strip_str(&line).to_string().width() < room {
        return line;
    }
    let percent = u128::from(done.min(total)) * 100;
    let percent = percent.checked_div(total.into()).unwrap_or(0);
    fit(&format!("{percent}% {what}"), room.saturating_sub(1), ' ')
}

/// `verifying ███░░░░░ 37%  1.2 of 3.4 GB`
fn bar(what: &str, done: u64, total: u64) -> String {
    // A file may grow while it is read.
    let done = done.min(total);
    let of = |whole: u64| {
        (u128::from(done) * u128::from(whole))
            .checked_div(total.into())
            .unwrap_or(0)
    };
    let full = usize::try_from(of(WIDTH)).unwrap_or(0);
    let filled = "█".repeat(full);
    let rest = "░".repeat(usize::try_from(WIDTH).unwrap_or(full) - full);
    format!(
        "{what} {GOOD}{filled}{GOOD:#}{FAINT}{rest}{FAINT:#} {percent:>3}%  {} of {}",
        size(done),
        size(total),
        percent = of(100),
    )
}

/// A number of bytes in a suitable unit.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} bytes"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_empty_at_first_full_at_last_and_never_longer() {
        let blocks = |done, total| {
            let bar = bar("verifying", done, total);
            (bar.matches('█').count(), bar.matches('░').count())
        };
        assert_eq!(blocks(0, 0), (0, 24));
        assert_eq!(blocks(0, 100), (0, 24));
        assert_eq!(blocks(50, 100), (12, 12));
        assert_eq!(blocks(100, 100), (24, 0));
        assert_eq!(blocks(u64::MAX, 100), (24, 0));
        assert_eq!(blocks(u64::MAX, u64::MAX), (24, 0));
        assert!(bar("verifying", 1_234_567, 5_000_000_000).ends_with("  0%  1.2 MB of 5.0 GB"));
    }

    #[test]
    fn a_line_of_progress_is_never_as_wide_as_the_terminal() {
        for room in 1..100 {
            let line = line("verifying", 1_234_567, 5_000_000, room);
            assert!(
                strip_str(&line).to_string().width() < room,
                "{room}: {line}"
            );
        }
        assert!(line("verifying", 1, 4, 80).contains('█'));
        assert_eq!(line("verifying", 1, 4, 40), "25% verifying");
        assert!(line("verifying", 1, 4, 0).contains('█'));
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_keeps_them_short() {
        for (bytes, told) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (1_999_999, "1.9 MB"),
            (64 * 1024 * 1024, "67.1 MB"),
            (3_900_000_000, "3.9 GB"),
        ] {
            assert_eq!(size(bytes), told);
        }
    }
}
