//! Accounts: registration, sign-in with a password, the profile.

use serde_json::json;

use super::answer::{Answer, sign_in_answer, user};
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use crate::service::accounts::{RegisterError, Registration, Unproven};
use crate::service::links::NewLink;
use crate::store::rows::AccountKind;
use crate::token::Claim;

/// Creates an account and signs the person in.
pub async fn register(app: &App, call: Call) -> Result<Answer, ApiError> {
    let services = &app.node.services;
    let (claim, fresh) = call.given.browser()?;
    let result = services
        .accounts
        .register(registration(&call), &claim, &call.client)
        .await;
    let answer = if app.options.hides_accounts {
        hidden(app, &call, &claim, result.map(|begun| begun.session)).await?
    } else {
        sign_in_answer(app, 201, result?)?
    };
    Ok(Answer {
        claim: fresh,
        ..answer
    })
}

/// The answer that does not say whether the account is new: it is mailed.
async fn hidden(
    app: &App,
    call: &Call,
    claim: &Claim,
    result: Result<crate::service::sessions::ActiveSession, RegisterError>,
) -> Result<Answer, ApiError> {
    let services = &app.node.services;
    let email = call.fields.email("email")?;
    let subject = match result {
        Ok(session) => {
            // The mail proves that the email is the person's; until then there is no session.
            services.sessions.end(&session, &call.client).await?;
            "Welcome"
        }
        Err(RegisterError::Exists) => "You already have an account",
        Err(error) => return Err(error.into()),
    };
    let links = &services.links;
    let NewLink { token, .. } = links.request(&email, None, claim, &call.client).await?;
    app.send_link(&email, subject, &token)?;
    Ok(Answer::json(
        202,
        json!({ "message": "Check your mail to sign in." }),
    ))
}

fn registration(call: &Call) -> Registration {
    Registration {
        email: call.fields.text("email").to_owned(),
        name: call.fields.text("name").to_owned(),
        password: call.fields.password("password"),
    }
}

/// Creates the first administrator, with the setup link that the server printed at its first start.
pub async fn set_up(app: &App, call: Call) -> Result<Answer, ApiError> {
    let token = call.link_token()?;
    let links = &app.node.services.links;
    let begun = links
        .redeem_setup(&token, registration(&call), &call.client)
        .await?;
    sign_in_answer(app, 201, begun)
}

/// Signs a person in.
pub async fn log_in(app: &App, call: Call) -> Result<Answer, ApiError> {
    let accounts = &app.node.services.accounts;
    let (email, password) = (call.fields.text("email"), call.fields.password("password"));
    let unproven = if app.options.hides_accounts {
        Unproven::Refused
    } else {
        Unproven::Accepted
    };
    let begun = accounts
        .sign_in(email, password, unproven, &call.client)
        .await?;
    sign_in_answer(app, 200, begun)
}

/// The profile of the account.
pub fn profile(call: &Call) -> Result<Answer, ApiError> {
    let account = call.session()?.account();
    if account.kind == AccountKind::Guest {
        return Err(ApiError::not_found("a guest has no profile"));
    }
    Ok(Answer::json(200, user(account)))
}

/// Changes the name of the account.
pub async fn rename(app: &App, call: &Call) -> Result<Answer, ApiError> {
    profile(call)?;
    let accounts = &app.node.services.accounts;
    let name = call.fields.text("name");
    let account = accounts.rename(call.session()?, name, &call.client).await?;
    Ok(Answer::json(200, user(&account)))
}
