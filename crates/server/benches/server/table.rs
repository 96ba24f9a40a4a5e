//! The lines of the tables.

use std::fmt::Write;
use std::time::Duration;

use crate::load::Outcome;
use crate::processes::{Used, Watched};

/// Prints the head of a table.
pub fn head() {
    println!(
        "{:<42} {:>8} {:>10} {:>10} {:>10} {:>10} {:>7}",
        "case", "per s", "server", "database", "p50", "p99", "MiB"
    );
}

/// Prints what a load gave and what it used: requests a second, processor time a request,
/// latencies, and the server's resident memory.
#[allow(clippy::cast_precision_loss)]
pub fn line(name: &str, outcome: &Outcome, [before, after]: [Used; 2], watched: Watched) {
    let count = u32::try_from(outcome.count()).unwrap().max(1);
    let mut line = format!(
        "{name:<42} {:>8.0} {:>10} {:>10} {:>10} {:>10} {:>7.1}",
        outcome.count() as f64 / outcome.elapsed.as_secs_f64(),
        short(after.server.saturating_sub(before.server) / count),
        short(after.database.saturating_sub(before.database) / count),
        short(outcome.percentile(50)),
        short(outcome.percentile(99)),
        watched.resident(),
    );
    line.push_str(&refusals(outcome));
    println!("{line}");
}

/// The answers that were none of 200 to 299, by their status.
pub fn refusals(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (status, count) in &outcome.statuses {
        if !(200..300).contains(status) {
            write!(text, "  {count} x {status}").unwrap();
        }
    }
    text
}

/// A time with a unit that fits.
pub fn short(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if time < Duration::from_millis(1) {
        format!("{micros:.1} us")
    } else if time < Duration::from_secs(1) {
        format!("{:.2} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}
