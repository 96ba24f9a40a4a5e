//! The session of the request: its state, its refresh and its end.

use serde_json::json;

use super::answer::{Answer, SessionCookie, session_body};
use super::app::App;
use super::call::Call;
use super::error::ApiError;

/// How long the session lives.
pub fn show(call: &Call) -> Result<Answer, ApiError> {
    let mut body = session_body(call.session()?);
    body.insert("is_valid".to_owned(), true.into());
    body.insert("revoked".to_owned(), false.into());
    Ok(Answer::json(200, body.into()))
}

/// Restarts the idle timer. The cookie stays the same, so that no tab is signed out.
pub async fn refresh(app: &App, call: Call) -> Result<Answer, ApiError> {
    let sessions = &app.node.services.sessions;
    let session = sessions.refresh(call.session()?, &call.client).await?;
    let mut body = session_body(&session);
    body.insert(
        "access_token".to_owned(),
        app.tokens.issue(&session)?.into(),
    );
    body.insert("refreshed".to_owned(), true.into());
    let cookie = match call.given.cookie {
        // Browsers keep a cookie for at most 400 days, and a guest's session can live longer.
        Some(token) => SessionCookie::Set {
            token,
            max_age: session.cookie_age().as_secs(),
        },
        None => SessionCookie::Keep,
    };
    Ok(Answer {
        cookie,
        ..Answer::json(200, body.into())
    })
}

/// Ends the session and its tokens, at once.
pub async fn end(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let sessions = &app.node.services.sessions;
    sessions.end(call.session()?, &call.client).await?;
    Ok(Answer {
        cookie: SessionCookie::Clear,
        ..Answer::empty()
    })
}

/// As [`end`], with the answer that older clients expect.
pub async fn log_out(app: &App, call: &Call) -> Result<Answer, ApiError> {
    Ok(Answer {
        status: 200,
        body: Some(json!({ "message": "Logged out" })),
        ..end(app, call).await?
    })
}
