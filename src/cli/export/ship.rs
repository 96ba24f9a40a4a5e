//! `audit export --after SEQ`: exports the events after a number, and with `--follow` also later
//! ones.

use std::ops::RangeInclusive;
use std::time::Duration;

use nightlatch_audit::{EventsAfter, LogReader, Query, Reading, Record};

use super::output::Output;
use crate::cli::args::AuditExport;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::system::Interruption;

/// How often `--follow` polls for new events.
const INTERVAL: Duration = Duration::from_millis(250);
/// The maximum number of events in memory.
const BATCH: usize = 512;

pub fn run(
    context: &Context,
    args: &AuditExport,
    log: &LogReader<'_>,
    after: u64,
    query: &Query,
) -> Result<End, Failure> {
    // From here on, a signal takes effect only after a complete line.
    let mut interruption = Interruption::catch()?;
    // Existing events are exported even if the reading cannot be recorded.
    let Reading { answer, recorded } = log.export_after(query, after)?;
    let (_, end) = &answer;
    // If there is no log yet, there is nothing to follow.
    let follows = args.follow && recorded.is_ok() && *end > 0;
    let mut output = Output::new(context.ui, args.format, log);
    write_all(context, &mut output, answer, follows, &mut interruption)?;
    recorded?;
    Ok(End::Done)
}

/// Writes the events. Without `--follow`, only those that existed when the export began.
fn write_all(
    context: &Context,
    output: &mut Output,
    (mut events, end): (EventsAfter<'_>, u64),
    follows: bool,
    interruption: &mut Interruption,
) -> Result<(), Failure> {
    loop {
        let next = events.poll(BATCH)?;
        if let Some(removed) = &next.removed {
            warn_of_removed(context, removed);
        }
        for record in &next.events {
            if !follows && record.seq > end {
                return Ok(());
            }
            if !interruption.wait_to_write() || !write(output, record)? {
                return Ok(());
            }
        }
        if !next.is_end {
            continue;
        }
        if !follows || !interruption.wait(INTERVAL) {
            return Ok(());
        }
    }
}

/// `false` if stdout is closed.
fn write(output: &mut Output, record: &Record) -> Result<bool, Failure> {
    output.add(record);
    output.write();
    std::mem::replace(&mut output.wanted, Ok(true))
}

fn warn_of_removed(context: &Context, removed: &RangeInclusive<u64>) {
    let (first, last) = (removed.start(), removed.end());
    let events = if first == last {
        format!("event {first} was")
    } else {
        format!("events {first} to {last} were")
    };
    context
        .ui
        .warn(&format!("{events} removed from the log before this export"));
}
