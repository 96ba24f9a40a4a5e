//! Sign-in links by mail.

use nightlatch_core::id::AccountId;
use serde_json::json;

use super::answer::{Answer, session_answer};
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use super::identity::resolve;
use crate::service::mail::masked;
use crate::service::sessions::Activity;
use crate::store::rows::AccountKind;

/// Mails a sign-in link. A guest's documents come along when it is redeemed.
pub async fn request(app: &App, call: Call) -> Result<Answer, ApiError> {
    let email = call.fields.email("email")?;
    let guest = match call.fields.optional_text("anonymous_user_id") {
        Some(id) => {
            let problem = |_| ApiError::field("anonymous_user_id", "it must be a user id");
            Some(id.parse().map_err(problem)?)
        }
        None => None,
    };
    let (claim, fresh) = call.given.browser()?;
    let link = app
        .node
        .services
        .links
        .request(&email, guest, &claim, &call.client)
        .await?;
    app.send_link(&email, "Sign in", &link.token)?;
    let body = json!({
        "message": "Check your mail for a link to sign in.",
        "expires_in_seconds": link.life.as_secs(),
        "email_masked": masked(email.normalized()),
    });
    Ok(Answer {
        claim: fresh,
        ..Answer::json(202, body)
    })
}

/// The guest that a request proves to come from, if it is one.
async fn guest_of(app: &App, call: &Call) -> Result<Option<AccountId>, ApiError> {
    match resolve(app, &call.given, Activity::Passive).await {
        Ok(session) if session.kind() == AccountKind::Guest => Ok(Some(session.account().id)),
        Err(error) if error.status >= 500 => Err(error),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Redeems a link: of any number of requests at once, exactly one succeeds.
pub async fn verify(app: &App, call: Call) -> Result<Answer, ApiError> {
    let token = call.link_token()?;
    // Without a cookie of its own, a client cannot be told from another, and gets no second answer.
    let (claim, fresh) = call.given.browser()?;
    let redeemed = app
        .node
        .services
        .links
        .redeem(&token, &claim, guest_of(app, &call).await?, &call.client)
        .await?;
    let mut answer = session_answer(app, 200, redeemed.signed_in)?;
    if let Some(body) = answer.body.as_mut().and_then(|body| body.as_object_mut()) {
        body.insert(
            "merged_items_count".to_owned(),
            redeemed.merged_items.into(),
        );
    }
    answer.claim = fresh;
    Ok(answer)
}
