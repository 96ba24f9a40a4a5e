//! `audit prune`: remove what the retention no longer keeps; and the same after a sign-in.

use nightlatch::Guard;
use nightlatch::audit::OldSegment;

use super::args::AuditPrune;
use super::exit::Failure;
use super::progress::size;
use super::text::days;
use super::{Context, End};

/// What is, or would be, removed, for programs.
#[derive(serde::Serialize)]
struct Listing {
    schema: u32,
    dry_run: bool,
    retention_seconds: u64,
    segments: Vec<Removed>,
    bytes: u64,
}

#[derive(serde::Serialize)]
struct Removed {
    segment: String,
    first_seq: u64,
    last_seq: u64,
    closed_at: String,
    bytes: u64,
}

pub fn run(context: &Context, args: &AuditPrune) -> Result<End, Failure> {
    let guard = context.guard()?;
    let retention = guard.retention();
    let segments = match guard.audit() {
        None => Vec::new(),
        Some(log) if args.dry_run => log.prunable(retention)?,
        Some(log) => log.prune(retention)?,
    };
    let bytes = segments.iter().map(|segment| segment.bytes).sum();
    if context.ui.json {
        context.ui.json(&Listing {
            schema: 1,
            dry_run: args.dry_run,
            retention_seconds: retention.get().as_secs(),
            segments: segments.iter().map(removed).collect(),
            bytes,
        })?;
        return Ok(End::Done);
    }
    let lines: String = segments
        .iter()
        .map(|segment| line(context, segment))
        .collect();
    context.ui.data(&lines)?;
    let kept_for = days(retention.get());
    context.ui.say(&match (segments.len(), args.dry_run) {
        (0, _) => format!("nothing to remove: what is there is kept for {kept_for}"),
        (1, true) => format!("1 segment, {}, would be removed", size(bytes)),
        (1, false) => format!("1 segment, {}, removed", size(bytes)),
        (count, true) => format!("{count} segments, {}, would be removed", size(bytes)),
        (count, false) => format!("{count} segments, {}, removed", size(bytes)),
    });
    Ok(End::Done)
}

/// Prunes after a sign-in that has been reported. It can only fail to save space.
pub fn after_sign_in(context: &Context, guard: &Guard) {
    if let Some(Err(error)) = guard.audit().map(|log| log.prune(guard.retention())) {
        context
            .ui
            .warn(&format!("old events could not be removed: {error}"));
    }
}

fn removed(segment: &OldSegment) -> Removed {
    Removed {
        segment: segment.name.to_string(),
        first_seq: segment.name.first(),
        last_seq: segment.last_seq,
        closed_at: segment.closed_at.to_rfc3339(),
        bytes: segment.bytes,
    }
}

fn line(context: &Context, segment: &OldSegment) -> String {
    let OldSegment {
        name,
        last_seq,
        bytes,
        closed_at,
        ..
    } = segment;
    let (first, closed_at) = (name.first(), context.zone.second(*closed_at));
    format!(
        "{name}  events {first} to {last_seq}, closed {closed_at}, {}\n",
        size(*bytes)
    )
}
