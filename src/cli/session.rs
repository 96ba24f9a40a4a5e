//! `status`, `extend`, `whoami`, and the hidden `agent`.

use std::fmt::Write as _;
use std::time::Duration;

use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_local::account::Lockout;
use nightlatch_local::guard::{Denied, Guard};
use nightlatch_local::session::{LimitedBy, SessionState, SessionStatus};
use nightlatch_platform::clock::SystemClock;

use super::args::Status;
use super::context::Context;
use super::end::End;
use super::exit::{Code, Failure};
use super::local_time::Zone;
use super::session_state::look;
use super::ui::{FAINT, GOOD, STRONG, WARN};
use super::{ending, text, watch};

/// `status`: shows the session, and changes nothing.
pub fn status(context: &Context, args: &Status) -> Result<End, Failure> {
    if args.watch {
        return watch::run(context);
    }
    let guard = context.guard_to_look()?;
    let status = look(&guard)?;
    let is_live = status.state == SessionState::Active;
    // In every format: a script that omits --check must not take "signed out" for success.
    let end = if is_live {
        End::Done
    } else {
        End::Code(Code::NoSession as u8)
    };
    if args.check {
        return Ok(end);
    }
    if args.prompt {
        if is_live {
            let ends = prompt_text(&status, &context.zone);
            let whose = guard.account_notice()?.map_or_else(String::new, |_| {
                format!("{} ", for_prompt(status.username.as_deref().unwrap_or("?")))
            });
            context.ui.bytes(format!("{whose}{ends}\n").as_bytes())?;
        }
    } else if args.notice {
        let mut lines = format!("{}\n", notice(context, &status));
        if let Some(whose) = guard.account_notice()? {
            let _ = writeln!(lines, "nightlatch: {}", text::escape(&whose.to_string()));
        }
        context.ui.bytes(lines.as_bytes())?;
    } else if context.ui.json {
        context.ui.json(&status)?;
    } else {
        let lockouts = if is_live {
            Vec::new()
        } else {
            // Extra information: if it cannot be read, the answer is still valid.
            guard.lockouts().unwrap_or_default()
        };
        let lockouts = lockouts.iter().map(|lockout| {
            let left = lockout.until.since(SystemClock.now().wall);
            format!("{WARN}○{WARN:#} {}\n", locked_out(lockout, left))
        });
        let has_ended = matches!(status.state, SessionState::Expired | SessionState::Revoked);
        let text = if has_ended && let Some(how) = ending::of_status(context, &status) {
            format!("{WARN}○{WARN:#} {how}; sign in with: nightlatch login\n")
        } else {
            describe(&status, &context.zone)
        };
        let mut text = text + &lockouts.collect::<String>();
        if let Some(whose) = guard.account_notice()? {
            let _ = writeln!(text, "{WARN}!{WARN:#} {}", text::escape(&whose.to_string()));
        }
        context.ui.data(&text)?;
    }
    Ok(end)
}

/// An email for a shell prompt, without characters that are special to a shell.
fn for_prompt(email: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "@._+-".contains(c);
    email
        .chars()
        .map(|c| if plain(c) { c } else { '?' })
        .collect()
}

/// The message that an account is locked, and for how much longer.
pub fn locked_out(lockout: &Lockout, left: Duration) -> String {
    let (email, left) = (text::escape(&lockout.email), text::span(left));
    format!("sign-in as {email} is locked for another {left}, after too many failures")
}

/// With less time than this, the prompt's text has seconds, so that the shell knows when to show a
/// notice.
const SOON: u64 = 60;

/// The prompt's text about a live session. It shows when the session ends: a prompt stays on the
/// screen, so a remaining time would soon be wrong.
fn prompt_text(status: &SessionStatus, zone: &Zone) -> String {
    let ends = status.expires_at.unwrap_or(Timestamp::from_unix_seconds(0));
    let ends = if status.remaining_seconds.unwrap_or(0) < SOON {
        zone.of_day_to_the_second(ends)
    } else {
        zone.of_day(ends)
    };
    format!("until {ends}")
}

/// The notice when the session has less than a minute left or has ended.
fn notice(context: &Context, status: &SessionStatus) -> String {
    if status.state != SessionState::Active {
        let how = ending::of_status(context, status).unwrap_or_else(|| "locked".to_owned());
        return format!("nightlatch: {how}; a guarded command asks to sign in");
    }
    let left = text::span(Duration::from_secs(status.remaining_seconds.unwrap_or(0)));
    let what_to_do = match status.limited_by {
        Some(LimitedBy::Max) => " at its absolute limit; start a new one with: nightlatch login",
        _ => "; any guarded command extends it",
    };
    format!("nightlatch: the session locks in {left}{what_to_do}")
}

/// The message that somebody is signed in; `how` is its beginning.
pub fn signed_in(status: &SessionStatus, how: &str) -> String {
    let name = text::escape(status.username.as_deref().unwrap_or("nobody"));
    let locks = locks_in(status);
    format!("{GOOD}●{GOOD:#} {how} as {STRONG}{name}{STRONG:#}; {locks}")
}

/// When a live session locks, and what prevents that.
pub fn locks_in(status: &SessionStatus) -> String {
    let left = text::span(Duration::from_secs(status.remaining_seconds.unwrap_or(0)));
    let when = match status.limited_by {
        Some(LimitedBy::Max) => "at its absolute limit",
        _ => "unless there is activity",
    };
    format!("locks in {STRONG}{left}{STRONG:#} {when}")
}

/// The status, for people.
pub fn describe(status: &SessionStatus, zone: &Zone) -> String {
    match status.state {
        SessionState::Active => {
            let detail = |label: &str, value: Option<String>| {
                value.map_or(String::new(), |value| {
                    format!("  {FAINT}{label:<14}{FAINT:#}{value}\n")
                })
            };
            let idle = status
                .idle_timeout_seconds
                .map(|s| text::span(Duration::from_secs(s)));
            [
                format!("{}\n", signed_in(status, "signed in")),
                detail("session", status.session_id.map(|id| id.to_string())),
                detail("since", status.created_at.map(|time| zone.second(time))),
                detail("idle limit", idle),
                detail(
                    "ends by",
                    status.max_expires_at.map(|time| zone.second(time)),
                ),
                detail(
                    "key kept by",
                    status.keeper.map(|keeper| keeper.to_string()),
                ),
            ]
            .concat()
        }
        SessionState::Expired => {
            format!("{WARN}○{WARN:#} the session has ended; sign in with: nightlatch login\n")
        }
        SessionState::Revoked => {
            format!("{WARN}○{WARN:#} the session was revoked; sign in with: nightlatch login\n")
        }
        _ if let Some(why) = status.elsewhere => {
            format!("{WARN}○{WARN:#} no live session here: {why}\n")
        }
        _ => "○ not signed in; sign in with: nightlatch login\n".to_owned(),
    }
}

/// `extend`: counts as activity without a command.
pub fn extend(context: &Context) -> Result<End, Failure> {
    let status = context.guard()?.extend()?;
    if context.ui.json {
        context.ui.json(&status)?;
    } else {
        let left = text::span(Duration::from_secs(status.remaining_seconds.unwrap_or(0)));
        context.ui.say(&format!(
            "{GOOD}●{GOOD:#} extended; locks in {left} unless there is activity"
        ));
    }
    Ok(End::Done)
}

/// `whoami`: prints the signed-in email.
pub fn whoami(context: &Context) -> Result<End, Failure> {
    let status = look(&context.guard_to_look()?)?;
    let (SessionState::Active, Some(username)) = (status.state, status.username) else {
        let none = Denied::NoSession { ended: None };
        return Err(status.elsewhere.map_or(none, Denied::Elsewhere).into());
    };
    if context.ui.json {
        context
            .ui
            .json(&serde_json::json!({ "schema": 1, "username": username }))?;
    } else {
        context.ui.data(&format!("{}\n", text::escape(&username)))?;
    }
    Ok(End::Done)
}

/// `agent`: holds session keys in memory until the last one is gone.
pub fn agent(context: &Context) -> Result<End, Failure> {
    Guard::serve_agent(context.config.clone())?;
    Ok(End::Done)
}
