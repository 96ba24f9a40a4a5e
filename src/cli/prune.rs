//! `audit prune`: removes what the retention no longer keeps. This also runs after a sign-in.

use nightlatch_audit::{Hold, OldSegment, Pruning};
use nightlatch_local::guard::SignedIn;

use super::args::AuditPrune;
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::hold::HoldRow;
use super::progress::size;
use super::text::days;

/// What was or would be removed, in JSON output.
#[derive(serde::Serialize)]
struct Listing<'a> {
    schema: u32,
    dry_run: bool,
    retention_seconds: u64,
    segments: Vec<Removed>,
    bytes: u64,
    /// The time of the first removed event, and when the last removed segment was closed.
    from: Option<String>,
    to: Option<String>,
    /// The holds that prevented removal.
    holds: Vec<HoldRow<'a>>,
}

#[derive(serde::Serialize)]
struct Removed {
    segment: String,
    first_seq: u64,
    last_seq: u64,
    opened_at: String,
    closed_at: String,
    bytes: u64,
}

pub fn run(context: &Context, args: &AuditPrune) -> Result<End, Failure> {
    let guard = context.guard()?;
    let retention = guard.retention();
    let Pruning {
        segments, holds, ..
    } = match guard.audit() {
        None => Pruning::default(),
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
            from: segments.first().map(|first| first.opened_at.to_rfc3339()),
            to: segments.last().map(|last| last.closed_at.to_rfc3339()),
            holds: holds.iter().map(HoldRow::of).collect(),
        })?;
        return Ok(End::Done);
    }
    let lines: String = segments
        .iter()
        .map(|segment| line(context, segment))
        .collect();
    context.ui.data(&lines)?;
    if !holds.is_empty() {
        context.ui.say(&stopped_by(&holds));
        return Ok(End::Done);
    }
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

/// Prunes after a sign-in has been reported. If it fails, only disk space is not freed.
pub fn after_sign_in(context: &Context, signed_in: SignedIn) {
    if let Err(error) = signed_in.into_upkeep().run() {
        context
            .ui
            .warn(&format!("old events could not be removed: {error}"));
    }
}

/// The message that names the holds in force.
fn stopped_by(holds: &[Hold]) -> String {
    let names: Vec<_> = holds.iter().map(|hold| hold.name.as_str()).collect();
    let hold = match names[..] {
        [_] => "a legal hold is in force",
        _ => "legal holds are in force",
    };
    let see = "see nightlatch audit hold list";
    format!("nothing is removed: {hold}: {}; {see}", names.join(", "))
}

fn removed(segment: &OldSegment) -> Removed {
    Removed {
        segment: segment.name.to_string(),
        first_seq: segment.name.first(),
        last_seq: segment.last_seq,
        opened_at: segment.opened_at.to_rfc3339(),
        closed_at: segment.closed_at.to_rfc3339(),
        bytes: segment.bytes,
    }
}

fn line(context: &Context, segment: &OldSegment) -> String {
    let OldSegment {
        name,
        last_seq,
        bytes,
        opened_at,
        closed_at,
        ..
    } = segment;
    let (opened, closed) = (
        context.zone.second(*opened_at),
        context.zone.second(*closed_at),
    );
    let first = name.first();
    format!(
        "{name}  events {first} to {last_seq}, {opened} to {closed}, {}\n",
        size(*bytes)
    )
}
