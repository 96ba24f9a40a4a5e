//! The sessions of one's account.

use serde_json::{Value, json};

use super::answer::{Answer, SessionCookie, time};
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use crate::service::sessions::{Listed, SessionState};
use crate::store::rows::{EndKind, SessionClass};

/// Lists them, the newest first.
pub async fn list(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let sessions = app.node.services.sessions.list(call.session()?).await?;
    let sessions: Vec<Value> = sessions.iter().map(shown).collect();
    Ok(Answer::json(200, json!({ "sessions": sessions })))
}

/// Ends one of them, or all others.
pub async fn end(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let sessions = &app.node.services.sessions;
    let own = call.session()?;
    if call.path(0) == "others" {
        let count = sessions.end_others(own, &call.client).await?;
        return Ok(Answer::json(200, json!({ "ended_count": count })));
    }
    let absent = || ApiError::not_found("there is no such session");
    let id = call.path(0).parse().map_err(|_| absent())?;
    if !sessions.end_one(own, id, &call.client).await? {
        return Err(absent());
    }
    let cookie = if id == own.id() {
        SessionCookie::Clear
    } else {
        SessionCookie::Keep
    };
    Ok(Answer {
        cookie,
        ..Answer::empty()
    })
}

/// A session in the list.
fn shown(listed: &Listed) -> Value {
    let session = &listed.session;
    let expires = session.seen.plus(session.idle).min(session.absolute_end);
    let end = session.ended.as_ref();
    json!({
        "id": session.id.to_string(),
        "class": class(session.class),
        "state": state(listed.state),
        "is_current": listed.is_current,
        "created_at": time(session.created),
        "last_seen_at": time(session.seen),
        "session_expires_at": time(expires),
        "client": { "address": session.address, "user_agent": session.user_agent },
        "ended_at": end.map(|end| time(end.at)),
        "end": end.map(|end| end_kind(end.how)),
        "reason": end.and_then(|end| end.reason.clone()),
    })
}

/// The name of a session's class.
fn class(class: SessionClass) -> &'static str {
    match class {
        SessionClass::Web => "web",
        SessionClass::Guest => "guest",
        SessionClass::Cli => "cli",
    }
}

/// The name of a session's state.
fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Live => "live",
        SessionState::Expired => "expired",
        SessionState::Ended => "ended",
        SessionState::Revoked => "revoked",
    }
}

/// How a session ended.
fn end_kind(how: EndKind) -> &'static str {
    match how {
        EndKind::SignedOut => "signed_out",
        EndKind::Revoked => "revoked",
    }
}
