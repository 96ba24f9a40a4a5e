//! `audit hold`: legal holds, which prevent the removal of events while they are in force.

use nightlatch_audit::{Hold, HoldName, HoldReason};

use super::args::HoldCommand;
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::text;
use super::ui::{FAINT, GOOD, STRONG};

/// A hold in JSON output.
#[derive(serde::Serialize)]
pub struct HoldRow<'a> {
    hold: &'a str,
    reason: Option<&'a str>,
    added_at: String,
    added_by: Option<&'a str>,
    seq: u64,
}

impl<'a> HoldRow<'a> {
    pub fn of(hold: &'a Hold) -> Self {
        Self {
            hold: hold.name.as_str(),
            reason: hold.reason.as_ref().map(HoldReason::as_str),
            added_at: hold.added_at.to_rfc3339(),
            added_by: hold.added_by.as_deref(),
            seq: hold.seq,
        }
    }
}

#[derive(serde::Serialize)]
struct Listing<'a> {
    schema: u32,
    holds: Vec<HoldRow<'a>>,
}

#[derive(serde::Serialize)]
struct Changed<'a> {
    schema: u32,
    hold: &'a str,
    in_force: bool,
}

pub fn run(context: &Context, command: &HoldCommand) -> Result<End, Failure> {
    match command {
        HoldCommand::Add(args) => add(context, &args.name, args.reason.as_deref()),
        HoldCommand::List => list(context),
        HoldCommand::Remove(args) => remove(context, &args.name),
    }
}

fn add(context: &Context, name: &str, reason: Option<&str>) -> Result<End, Failure> {
    let name: HoldName = name.parse()?;
    let reason: Option<HoldReason> = reason.map(str::parse).transpose()?;
    let guard = context.guard()?;
    let session = guard.require("audit hold add")?;
    if let Some(log) = guard.audit() {
        let (account, session) = (session.username(), session.session_id());
        log.add_hold(&name, reason.as_ref(), account, session)?;
    }
    changed(context, &name, true)
}

fn remove(context: &Context, name: &str) -> Result<End, Failure> {
    let name: HoldName = name.parse()?;
    let guard = context.guard()?;
    let session = guard.require("audit hold remove")?;
    if let Some(log) = guard.audit() {
        log.remove_hold(&name, session.username(), session.session_id())?;
    }
    changed(context, &name, false)
}

fn changed(context: &Context, name: &HoldName, in_force: bool) -> Result<End, Failure> {
    if context.ui.json {
        context.ui.json(&Changed {
            schema: 1,
            hold: name.as_str(),
            in_force,
        })?;
    } else if in_force {
        context.ui.say(&format!(
            "{GOOD}●{GOOD:#} hold {STRONG}{name}{STRONG:#} is in force: nothing is removed from the audit log"
        ));
    } else {
        context
            .ui
            .say(&format!("○ hold {STRONG}{name}{STRONG:#} is removed"));
    }
    Ok(End::Done)
}

fn list(context: &Context) -> Result<End, Failure> {
    let guard = context.guard()?;
    let holds = guard.audit().map(nightlatch_audit::AuditLog::holds);
    let holds = holds.transpose()?.unwrap_or_default();
    if context.ui.json {
        context.ui.json(&Listing {
            schema: 1,
            holds: holds.iter().map(HoldRow::of).collect(),
        })?;
        return Ok(End::Done);
    }
    let lines: String = holds.iter().map(|hold| line(context, hold)).collect();
    context.ui.data(&lines)?;
    if holds.is_empty() {
        context.ui.say("no legal hold is in force");
    }
    Ok(End::Done)
}

fn line(context: &Context, hold: &Hold) -> String {
    let since = context.zone.second(hold.added_at);
    let by = text::escape(hold.added_by.as_deref().unwrap_or("nobody"));
    let name = &hold.name;
    let reason = hold.reason.as_ref().map_or(String::new(), |reason| {
        format!(": {}", text::escape(reason.as_str()))
    });
    format!("{STRONG}{name}{STRONG:#}  {FAINT}since {since}, by {by}{FAINT:#}{reason}\n")
}
