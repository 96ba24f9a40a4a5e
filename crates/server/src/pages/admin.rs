//! Administration: lookup and the andon cord.

use askama::Template;
use serde_json::{Value, json};

use super::forms::Problem;
use super::reply::PageReply;
use super::viewer::{Viewer, refused, session};
use super::visit::Visit;
use crate::api::{ApiError, App, Operation};

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    viewer: Viewer,
    told: Option<String>,
    problem: Option<Problem>,
    email: String,
    found: Option<String>,
    user_id: String,
}

/// The page, with the account that was looked for.
pub async fn show(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let (email, mut page) = (visit.query("email"), empty(app, visit).await);
    if let (Ok(page), false) = (&mut page, email.is_empty()) {
        let query = vec![("email".to_owned(), email.to_owned())];
        let looked_up = visit
            .perform(app, Operation::LookUp, Value::Null, Vec::new(), query)
            .await;
        email.clone_into(&mut page.email);
        match looked_up {
            Ok(answer) => {
                let body = answer.body.unwrap_or_default();
                let id = body["user_id"].as_str().unwrap_or_default();
                id.clone_into(&mut page.user_id);
                page.found = Some(if body["found"] == true {
                    format!("User id {id}")
                } else {
                    "There is no account with this email.".to_owned()
                });
            }
            Err(error) => page.problem = Some(Problem::of(&error)),
        }
    }
    finish(page)
}

/// The page for an administrator.
async fn empty(app: &App, visit: &Visit) -> Result<AdminPage, ApiError> {
    let session = session(app, visit).await?;
    if session.admin().is_none() {
        return Err(ApiError::forbidden("only for administrators"));
    }
    Ok(AdminPage {
        viewer: Viewer::of(&session),
        told: None,
        problem: None,
        email: String::new(),
        found: None,
        user_id: String::new(),
    })
}

fn finish(page: Result<AdminPage, ApiError>) -> Result<PageReply, ApiError> {
    match page {
        Ok(page) => {
            let status = if page.problem.is_some() { 400 } else { 200 };
            PageReply::page(status, &page)
        }
        Err(error) => refused(error),
    }
}

/// Ends sessions.
pub async fn revoke(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let mut body = json!({ "scope": visit.text("scope"), "reason": visit.text("reason") });
    let user_id = visit.text("user_id").trim();
    if !user_id.is_empty() {
        body["user_ids"] = json!([user_id]);
    }
    if !visit.text("incident_id").is_empty() {
        body["incident_id"] = visit.text("incident_id").into();
    }
    let revoked = visit
        .perform(app, Operation::Revoke, body, Vec::new(), Vec::new())
        .await;
    let mut page = empty(app, visit).await;
    if let Ok(page) = &mut page {
        match revoked {
            Ok(answer) => {
                let body = answer.body.unwrap_or_default();
                let (ended, failed) = (&body["revoked_count"], &body["failed_count"]);
                page.told = Some(format!(
                    "{ended} sessions ended, {failed} accounts not found."
                ));
            }
            Err(error) => page.problem = Some(Problem::of(&error)),
        }
    }
    finish(page)
}
