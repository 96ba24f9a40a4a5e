//! Guest sessions, begun without registration.

use super::answer::{Answer, session_answer, session_body};
use super::app::App;
use super::call::Call;
use super::error::{ApiError, MISMATCH};
use super::identity::resolve;
use crate::service::sessions::{Activity, Identity};
use crate::store::rows::AccountKind;
use crate::token::SessionToken;

/// Begins a guest session, or goes on with the one that the request identifies.
pub async fn begin(app: &App, call: Call) -> Result<Answer, ApiError> {
    let current = match resolve(app, &call.given, Activity::Active).await {
        Ok(session) => Some(session),
        // Two accounts in one request, or no answer of the database.
        Err(error) if error.kind == MISMATCH || error.status >= 500 => return Err(error),
        // What identifies nobody anymore is replaced.
        Err(_) => None,
    };
    // Whoever is signed in stays signed in.
    if let Some(session) = current.filter(|session| session.kind() == AccountKind::User) {
        let mut body = session_body(&session);
        body.insert(
            "access_token".to_owned(),
            app.tokens.issue(&session)?.into(),
        );
        body.insert("is_new_session".to_owned(), false.into());
        return Ok(Answer {
            user_id: Some(session.account().id),
            ..Answer::json(200, body.into())
        });
    }
    let existing = call.fields.text("existing_session_id");
    let existing_token = existing.parse::<SessionToken>().ok();
    let token = call.given.cookie.as_ref().or(existing_token.as_ref());
    let guest = call.given.user_id.or_else(|| existing.parse().ok());
    let guest = guest.filter(|_| app.options.takes_user_id);
    let bearer = call.given.bearer.as_deref();
    let claims = bearer.and_then(|token| app.tokens.read(token, app.node.clock.now()).ok());
    let identity = match (token, claims.and_then(|claims| claims.session()), guest) {
        (Some(token), _, _) => Some(Identity::Token(token)),
        (None, Some(session), _) => Some(Identity::Session(session)),
        (None, None, Some(guest)) => Some(Identity::Guest(guest)),
        (None, None, None) => None,
    };
    let begun = app
        .node
        .services
        .sessions
        .guest(identity, &call.client)
        .await?;
    let status = if begun.is_new { 201 } else { 200 };
    let (_, claim) = call.given.browser()?;
    Ok(Answer {
        claim,
        ..session_answer(app, status, begun)?
    })
}
