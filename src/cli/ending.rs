//! Describes in a few words how a session ended: when it was locked, and why.

use std::time::Duration;

use nightlatch_audit::{Details, EventType, Limit, LogReader, Progress, Query, Record};
use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_core::id::SessionId;
use nightlatch_local::session::{EndReason, SessionStatus};
use nightlatch_platform::clock::SystemClock;

use super::context::Context;
use super::text::{escape, span};

/// At least twice as long as any session.
const LOOKED_BACK: Duration = Duration::from_secs(24 * 3600);
/// The last activity is recorded shortly after it is counted.
const SLACK: Duration = Duration::from_secs(2);
/// The events that end a session.
const ENDS: [EventType; 4] = [
    EventType::SessionExpired,
    EventType::SessionTerminated,
    EventType::SessionInvalid,
    EventType::SessionRevoked,
];

/// How the session that `status` found locked has ended: `locked at 12:41 after 15 idle minutes`;
/// `None` if nothing records it.
pub fn of_status(context: &Context, status: &SessionStatus) -> Option<String> {
    if let (Some(reason), Some(at)) = (&status.reason, status.revoked_at) {
        return Some(by_revocation(context, at, reason.as_str()));
    }
    match status.ended {
        Some(EndReason::Idle) => {
            let idle = Duration::from_secs(status.idle_timeout_seconds?);
            Some(by_idling(context, status.expires_at?, idle))
        }
        Some(EndReason::Max) => {
            let (begun, end) = (status.created_at?, status.max_expires_at?);
            Some(by_limit(context, end, end.since(begun)))
        }
        // The time of the last activity was stored with the key, which is gone. The log has it,
        // too.
        None | Some(EndReason::KeyGone) => {
            of_log(context, status.session_id, status.username.as_deref())
        }
        Some(other) => Some(format!("locked: {other}")),
    }
}

/// How `session` of `username`, which `status` found locked, has ended.
pub fn of_session(
    context: &Context,
    status: &SessionStatus,
    session: SessionId,
    username: &str,
) -> Option<String> {
    match status.ended {
        None => of_log(context, Some(session), Some(username)),
        Some(_) => of_status(context, status),
    }
}

/// How the last session of `username` ended, or the last of all accounts.
pub fn of_last(context: &Context, username: Option<&str>) -> Option<String> {
    of_log(context, None, username)
}

fn of_log(context: &Context, session: Option<SessionId>, username: Option<&str>) -> Option<String> {
    let now = SystemClock.now().wall;
    // Read without a record, because no event is shown to anybody.
    let log = LogReader::copy(&context.config.home().join("audit")).ok()?;
    let newest = |types: &[EventType], session: Option<SessionId>| {
        let query = Query::default()
            .types(types.iter().copied())
            .session(session)
            .user(username.map(str::to_owned))
            .since(now.minus(LOOKED_BACK))
            .limit(Limit::MIN);
        let read = log.list(&query, &Progress::default()).ok()?;
        read.answer.events.into_iter().next_back()
    };
    let end = newest(&ENDS, session);
    let session = match session {
        Some(session) => session,
        None => end.as_ref()?.session_id?,
    };
    let reason = end.as_ref().and_then(Record::reason);
    if let (Some(end), Some(reason)) = (&end, reason)
        && !["idle", "max", "key_gone"].contains(&&*reason)
    {
        if end.event_type.known() == Some(EventType::SessionRevoked) {
            return Some(by_revocation(context, end.timestamp, &reason));
        }
        let at = context.zone.recently(end.timestamp, now);
        return Some(format!("locked at {at}: {}", in_words(&reason)));
    }
    let begun = newest(&[EventType::SessionCreated], Some(session))?;
    let used = newest(
        &[EventType::SessionCreated, EventType::SessionExtended],
        Some(session),
    )?;
    let Some(Details::SessionCreated { idle, max }) = begun.read_details() else {
        return None;
    };
    let (idled, limit) = (used.timestamp.plus(idle), begun.timestamp.plus(max));
    let noticed = end.map_or(now, |end| end.timestamp);
    Some(if idled.min(limit) > noticed.plus(SLACK) {
        "locked before its time: its key is gone from memory".to_owned()
    } else if idled <= limit {
        by_idling(context, idled, idle)
    } else {
        by_limit(context, limit, max)
    })
}

/// How a session ended that was revoked `at` this time.
pub fn by_revocation(context: &Context, at: Timestamp, reason: &str) -> String {
    let at = context.zone.recently(at, SystemClock.now().wall);
    format!("revoked at {at}: {}", escape(reason))
}

fn by_idling(context: &Context, at: Timestamp, idle: Duration) -> String {
    let at = context.zone.recently(at, SystemClock.now().wall);
    let idle = match (idle.as_secs() / 60, idle.as_secs() % 60) {
        (1, 0) => "1 idle minute".to_owned(),
        (minutes, 0) => format!("{minutes} idle minutes"),
        _ => format!("{} without activity", span(idle)),
    };
    format!("locked at {at} after {idle}")
}

fn by_limit(context: &Context, at: Timestamp, max: Duration) -> String {
    let at = context.zone.recently(at, SystemClock.now().wall);
    format!("locked at {at}, its absolute limit of {}", span(max))
}

/// The reasons in the log that do not depend on the time.
fn in_words(reason: &str) -> String {
    match reason {
        "logout" => "signed out".to_owned(),
        "replaced" => "a new sign-in took its place".to_owned(),
        "crash" => EndReason::Crash.to_string(),
        "password_changed" => "the password was changed".to_owned(),
        "email_changed" => "the email was changed".to_owned(),
        "account_removed" => "the account was removed".to_owned(),
        "clock" => EndReason::Clock.to_string(),
        "reboot" => EndReason::Reboot.to_string(),
        "time_namespace" => EndReason::TimeNamespace.to_string(),
        "file_gone" => EndReason::FileGone.to_string(),
        "old_generation" => EndReason::Generation.to_string(),
        "stale_copy" => EndReason::StaleCopy.to_string(),
        "foreign" => EndReason::Foreign.to_string(),
        "corrupt" => EndReason::Corrupt.to_string(),
        "unsupported_version" => EndReason::UnsupportedVersion.to_string(),
        "unsafe_file" => EndReason::UnsafeFile.to_string(),
        other => escape(other).replace('_', " "),
    }
}
