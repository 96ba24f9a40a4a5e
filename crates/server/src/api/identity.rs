//! Who sent a request: the one place where an access token, a cookie and `X-User-ID` are resolved
//! to a live session.

use super::app::App;
use super::call::Given;
use super::error::ApiError;
use crate::service::sessions::{ActiveSession, Activity, Identity, SessionError};

/// The live session of a request.
///
/// An access token decides, else the cookie, else `X-User-ID`, which alone identifies guests only.
/// Whatever is given besides must belong to the same account.
///
/// # Errors
/// 401 when nothing is given or it does not hold, 403 when the session was revoked or two of them
/// contradict each other.
pub async fn resolve(
    app: &App,
    given: &Given,
    activity: Activity,
) -> Result<ActiveSession, ApiError> {
    let sessions = &app.node.services.sessions;
    if given.user_id.is_some() && !app.options.takes_user_id {
        return Err(ApiError::new(
            401,
            "UNAUTHORIZED",
            "X-User-ID is not accepted here",
        ));
    }
    let session = if let Some(bearer) = &given.bearer {
        let claims = app.tokens.read(bearer, app.node.clock.now());
        let claims = claims.map_err(ApiError::token)?;
        let id = claims.session().ok_or_else(ApiError::unauthorized)?;
        let session = sessions.check(Identity::Session(id), activity).await?;
        if session.account().id.to_string() != claims.sub {
            return Err(ApiError::mismatch());
        }
        if let Some(token) = &given.cookie {
            let beside = sessions
                .check(Identity::Token(token), Activity::Passive)
                .await;
            match beside {
                Ok(beside) if beside.account().id != session.account().id => {
                    return Err(ApiError::mismatch());
                }
                Err(SessionError::Service(error)) => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        session
    } else if let Some(token) = &given.cookie {
        sessions.check(Identity::Token(token), activity).await?
    } else if let Some(guest) = given.user_id {
        sessions.check(Identity::Guest(guest), activity).await?
    } else {
        return Err(ApiError::unauthorized());
    };
    match given.user_id {
        Some(id) if id != session.account().id => Err(ApiError::mismatch()),
        _ => Ok(session),
    }
}
