//! `audit export --after SEQ`: what follows an event, and with `--follow` what comes after that.

use std::ops::RangeInclusive;
use std::time::Duration;

use nightlatch::AuditLog;
use nightlatch::audit::{AuditError, Details, Event, Query, Record};

use super::Output;
use crate::cli::args::AuditExport;
use crate::cli::exit::Failure;
use crate::cli::system::Interruption;
use crate::cli::{Context, End};

/// How often `--follow` looks for new events.
const INTERVAL: Duration = Duration::from_millis(250);
/// Events held at a time.
const BATCH: usize = 512;

pub fn run(
    context: &Context,
    args: &AuditExport,
    log: Option<&AuditLog>,
    after: u64,
    query: &Query,
) -> Result<End, Failure> {
    let Some(log) = log else {
        let last = 0;
        return match after {
            0 => Ok(End::Done),
            _ => Err(AuditError::SetBack { last, after }.into()),
        };
    };
    // From here on a signal waits for the end of a line.
    let mut interruption = Interruption::catch()?;
    let (end, matched) = count(log, query, after)?;
    if end == 0 {
        return Ok(End::Done);
    }
    // The record of the reading stands before any data leaves. What is there is exported even where
    // that cannot be written.
    let returned = matched;
    let read = Event::new(Details::AuditRead { matched, returned });
    let recorded = log.append_durable(&[read]);
    let follows = args.follow && recorded.is_ok();
    write_all(
        context,
        args,
        log,
        query,
        (after, end),
        follows,
        &mut interruption,
    )?;
    recorded?;
    Ok(End::Done)
}

/// Writes what follows the first of `range`, and, unless it `follows`, does not pass its second.
fn write_all(
    context: &Context,
    args: &AuditExport,
    log: &AuditLog,
    query: &Query,
    (after, end): (u64, u64),
    follows: bool,
    interruption: &mut Interruption,
) -> Result<(), Failure> {
    let mut output = Output::new(context.ui, args.format, log);
    let mut events = log.events_after(after);
    loop {
        let next = events.poll(BATCH)?;
        if let Some(removed) = &next.removed {
            warn_of_removed(context, removed);
        }
        for record in &next.events {
            if !follows && record.seq > end {
                return Ok(());
            }
            if !query.matches(record) {
                continue;
            }
            if !interruption.wait_to_write() || !write(&mut output, record)? {
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

/// The number of the last event there is, and how many after `after` match.
fn count(log: &AuditLog, query: &Query, after: u64) -> Result<(u64, u64), Failure> {
    let mut events = log.events_after(after);
    let mut matched = 0;
    loop {
        let next = events.poll(BATCH)?;
        let matching = next.events.iter().filter(|record| query.matches(record));
        matched += matching.count() as u64;
        if next.is_end {
            return Ok((events.last(), matched));
        }
    }
}

/// `false` when nobody reads any more.
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
