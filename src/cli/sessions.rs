//! `sessions`: lists the live sessions of all accounts, and the guarded commands under them.

use std::fmt::Write as _;

use nightlatch_local::guard::GuardedCommand;
use nightlatch_local::guard::SessionListing;
use nightlatch_local::session::{SessionState, SessionStatus};
use serde::Serialize;

use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::local_time::Zone;
use super::session::locks_in;
use super::session_state::wait_for_nobody;
use super::text::{escape, span};
use super::ui::{FAINT, GOOD, STRONG, WARN};

#[derive(Serialize)]
struct Listing<'a> {
    schema: u32,
    sessions: Vec<Row<'a>>,
}

/// A session in JSON.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    status: &'a SessionStatus,
    commands: Vec<CommandRow<'a>>,
}

impl<'a> Row<'a> {
    fn of(listing: &'a SessionListing) -> Self {
        Self {
            status: &listing.status,
            commands: listing.commands.iter().map(CommandRow::of).collect(),
        }
    }
}

/// A guarded command in JSON.
#[derive(Serialize)]
pub(super) struct CommandRow<'a> {
    exec_id: String,
    program: &'a str,
    pid: Option<i32>,
    guard_pid: Option<i32>,
    tty: Option<&'a str>,
    running_seconds: Option<u64>,
}

impl<'a> CommandRow<'a> {
    pub(super) fn of(command: &'a GuardedCommand) -> Self {
        Self {
            exec_id: command.exec_id.to_string(),
            program: &command.program,
            pid: command.pid,
            guard_pid: command.guard_pid,
            tty: command.tty.as_deref(),
            running_seconds: command.running_for.map(|time| time.as_secs()),
        }
    }
}

pub fn run(context: &Context) -> Result<End, Failure> {
    wait_for_nobody();
    let listings = context.guard_to_look()?.sessions()?;
    if context.ui.json {
        context.ui.json(&Listing {
            schema: 1,
            sessions: listings.iter().map(Row::of).collect(),
        })?;
        return Ok(End::Done);
    }
    if listings.is_empty() {
        context.ui.say("○ nobody is signed in");
    }
    let text: String = listings
        .iter()
        .map(|listing| lines(listing, &context.zone))
        .collect();
    context.ui.data(&text)?;
    Ok(End::Done)
}

/// The lines about a session: its own, and one for each command.
fn lines(listing: &SessionListing, zone: &Zone) -> String {
    let mut text = format!("{}\n", about(&listing.status, zone));
    for command in &listing.commands {
        let pid = command
            .pid
            .map_or_else(String::new, |pid| format!("  process {pid}"));
        let tty = command
            .tty
            .as_ref()
            .map_or_else(String::new, |tty| format!("  {tty}"));
        let time = command
            .running_for
            .map_or_else(String::new, |time| format!("  for {}", span(time)));
        let program = escape(&command.program);
        let _ = writeln!(
            text,
            "  {STRONG}{program}{STRONG:#}{FAINT}{pid}{tty}{time}{FAINT:#}"
        );
    }
    text
}

fn about(status: &SessionStatus, zone: &Zone) -> String {
    let session = status
        .session_id
        .map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    if let Some(why) = status.elsewhere {
        return format!("{WARN}○{WARN:#} session {session}: {why}");
    }
    if status.state != SessionState::Active {
        return format!("{WARN}○{WARN:#} session {session} has ended; still running under it:");
    }
    let name = escape(status.username.as_deref().unwrap_or("?"));
    let locks = locks_in(status);
    let time = |time: Option<_>| time.map_or_else(|| "?".to_owned(), |time| zone.second(time));
    let (since, ends) = (time(status.created_at), time(status.max_expires_at));
    let keeper = status
        .keeper
        .map_or_else(String::new, |keeper| format!(", key kept by {keeper}"));
    format!(
        "{GOOD}●{GOOD:#} {STRONG}{name}{STRONG:#}; {locks}\n  \
         {FAINT}session {session}\n  since {since}, ends by {ends}{keeper}{FAINT:#}"
    )
}
