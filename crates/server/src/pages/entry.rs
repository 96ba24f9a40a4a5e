//! The pages before a session: sign-in, registration, links, the beginning of a guest; and its end.

use askama::Template;
use serde_json::{Value, json};

use super::forms::{FormField, Problem, place, registration};
use super::message::message;
use super::reply::PageReply;
use super::viewer::session;
use super::visit::Visit;
use crate::api::{Answer, ApiError, App, Given, Operation, SessionCookie};
use crate::service::links::{Purpose, RedeemError};
use crate::store::rows::AccountKind;
use crate::token::LinkToken;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    told: Option<&'static str>,
    problem: Option<Problem>,
    email: String,
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    problem: Option<Problem>,
    fields: Vec<FormField>,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    is_setup: bool,
    problem: Option<Problem>,
    fields: Vec<FormField>,
}

/// The page for signing in.
pub fn login(visit: &Visit) -> Result<PageReply, ApiError> {
    let told = match visit.query("after") {
        "signout" => Some("You are signed out."),
        "link" => Some("Check your mail for a link to sign in."),
        _ => None,
    };
    let page = LoginPage {
        told,
        problem: None,
        email: String::new(),
    };
    PageReply::page(200, &page)
}

/// The id of the guest who sends a form, if it is one.
async fn guest_of(app: &App, visit: &Visit) -> Option<String> {
    let session = session(app, visit).await.ok()?;
    (session.kind() == AccountKind::Guest).then(|| session.account().id.to_string())
}

/// Leads to the account that was just signed in to, with the documents of the guest who did it.
async fn enter(
    app: &App,
    visit: &Visit,
    mut answer: Answer,
    guest: Option<String>,
) -> Result<PageReply, ApiError> {
    if let (Some(guest), SessionCookie::Set { token, .. }) = (guest, &answer.cookie) {
        let member = Visit {
            given: Given {
                cookie: Some(token.copied()),
                ..Given::default()
            },
            client: visit.client.clone(),
            ..Visit::default()
        };
        let body = json!({ "source_user_id": guest });
        let merged = member
            .perform(app, Operation::Merge, body, Vec::new(), Vec::new())
            .await;
        match merged {
            Ok(merged) => {
                if let SessionCookie::Set { .. } = merged.cookie {
                    answer.cookie = merged.cookie;
                }
            }
            // It was merged in another tab, and has nothing more.
            Err(error) if error.kind == "MERGE_CONFLICT" => {}
            // The person stays the guest, and loses nothing.
            Err(error) => return Err(error),
        }
    }
    Ok(PageReply::see_other("/account").with_cookies(answer))
}

/// Signs in with a password.
pub async fn log_in(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let guest = guest_of(app, visit).await;
    match visit.submit(app, Operation::LogIn).await {
        Ok(answer) => enter(app, visit, answer, guest).await,
        Err(error) => login_problem(visit, &error),
    }
}

/// Mails a link. The documents of the guest who asks for it come along when it is redeemed.
pub async fn mail_link(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let mut form = visit.form.clone();
    form.remove("anonymous_user_id");
    if let Some(guest) = guest_of(app, visit).await {
        form.insert("anonymous_user_id".to_owned(), guest.into());
    }
    let form = Value::Object(form);
    let asked = visit
        .perform(app, Operation::RequestLink, form, Vec::new(), Vec::new())
        .await;
    match asked {
        Ok(answer) => Ok(PageReply::see_other("/login?after=link").with_cookies(answer)),
        Err(error) => login_problem(visit, &error),
    }
}

fn login_problem(visit: &Visit, error: &ApiError) -> Result<PageReply, ApiError> {
    let page = LoginPage {
        told: None,
        problem: Some(Problem::of(error)),
        email: visit.text("email").to_owned(),
    };
    PageReply::page(error.status, &page)
}

/// The page for registering.
pub fn register(visit: &Visit) -> Result<PageReply, ApiError> {
    let page = RegisterPage {
        problem: None,
        fields: registration(visit),
    };
    PageReply::page(200, &page)
}

/// Registers. A guest's documents come along.
pub async fn submit_registration(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let guest = guest_of(app, visit).await;
    match visit.submit(app, Operation::Register).await {
        Ok(answer) if answer.status == 202 => {
            Ok(PageReply::see_other("/login?after=link").with_cookies(answer))
        }
        Ok(answer) => enter(app, visit, answer, guest).await,
        Err(error) => {
            let mut fields = registration(visit);
            let problem = place(&error, &mut fields);
            PageReply::page(error.status, &RegisterPage { problem, fields })
        }
    }
}

/// The page of a link, with a button. A mail scanner that opens it consumes nothing.
pub async fn link(app: &App, visit: &Visit, token: &str) -> Result<PageReply, ApiError> {
    // With it, this browser gets its answer again should the first one be lost.
    let (_, claim) = visit.given.browser()?;
    let look = match token.parse::<LinkToken>() {
        Ok(token) => app.node.services.links.look(&token).await,
        Err(_) => Err(RedeemError::Invalid),
    };
    match look {
        Ok(Purpose::SignIn) => Ok(PageReply {
            claim,
            ..link_page(200, false, None, Vec::new())?
        }),
        Ok(Purpose::Setup) => link_page(200, true, None, setup_fields(None)),
        Err(error) => link_refused(error.into()),
    }
}

/// Redeems a link.
pub async fn redeem(app: &App, visit: &Visit, token: &str) -> Result<PageReply, ApiError> {
    let mut form = visit.form.clone();
    form.insert("token".to_owned(), token.into());
    let is_setup = form.contains_key("password");
    let operation = if is_setup {
        Operation::SetUp
    } else {
        Operation::VerifyLink
    };
    let redeemed = visit
        .perform(app, operation, Value::Object(form), Vec::new(), Vec::new())
        .await;
    match redeemed {
        Ok(answer) => Ok(PageReply::see_other("/account").with_cookies(answer)),
        Err(error) if is_setup && error.details.contains_key("fields") => {
            let mut fields = setup_fields(Some(visit));
            let problem = place(&error, &mut fields);
            link_page(error.status, true, problem, fields)
        }
        Err(error) => link_refused(error),
    }
}

fn setup_fields(visit: Option<&Visit>) -> Vec<FormField> {
    visit.map_or_else(|| registration(&Visit::default()), registration)
}

fn link_page(
    status: u16,
    is_setup: bool,
    problem: Option<Problem>,
    fields: Vec<FormField>,
) -> Result<PageReply, ApiError> {
    let page = LinkPage {
        is_setup,
        problem,
        fields,
    };
    PageReply::page(status, &page)
}

/// The page of a link that cannot be redeemed.
fn link_refused(error: ApiError) -> Result<PageReply, ApiError> {
    match error.status {
        400 | 409 | 410 => {
            let title = match error.status {
                409 => "This link was used already",
                410 => "This link has expired",
                _ => "This link is not valid",
            };
            message(
                error.status,
                title,
                "Ask for a new one where you sign in.",
                None,
            )
        }
        _ => Err(error),
    }
}

/// Begins a guest session.
pub async fn begin_guest(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let begun = visit
        .perform(
            app,
            Operation::BeginGuest,
            json!({}),
            Vec::new(),
            Vec::new(),
        )
        .await;
    match begun {
        Ok(answer) => Ok(PageReply::see_other("/tasks").with_cookies(answer)),
        Err(error) => message(error.status, "Not now", Problem::of(&error).message, None),
    }
}

/// Signs out. Whoever has no session is signed out already.
pub async fn sign_out(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let reply = PageReply::see_other("/login?after=signout");
    match visit.submit(app, Operation::EndSession).await {
        Ok(answer) => Ok(reply.with_cookies(answer)),
        Err(error) if error.status < 500 => Ok(reply),
        Err(error) => Err(error),
    }
}
