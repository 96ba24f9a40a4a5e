//! The account: its profile and its sessions.

use askama::Template;
use nightlatch_core::display_name::NAME_MAX_CHARS;
use serde_json::Value;

use super::forms::{FormField, Problem, place};
use super::reply::PageReply;
use super::viewer::{Viewer, refused, session};
use super::visit::Visit;
use crate::api::{ApiError, App, Operation};
use crate::service::sessions::ActiveSession;
use crate::store::rows::AccountKind;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    viewer: Viewer,
    told: Option<&'static str>,
    problem: Option<Problem>,
    email: String,
    fields: Vec<FormField>,
    sessions: Vec<SessionLine>,
}

struct SessionLine {
    id: String,
    state: String,
    class: String,
    since: String,
    seen: String,
    client: String,
    end: String,
    is_live: bool,
    is_current: bool,
}

/// The page.
pub async fn show(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let told = match visit.query("after") {
        "saved" => Some("The name is saved."),
        "ended" => Some("The session was ended."),
        _ => None,
    };
    match session(app, visit).await {
        Ok(session) if session.kind() == AccountKind::Guest => Ok(PageReply::see_other("/tasks")),
        Ok(session) => page(app, visit, &session, told, None).await,
        Err(error) => refused(error),
    }
}

async fn page(
    app: &App,
    visit: &Visit,
    session: &ActiveSession,
    told: Option<&'static str>,
    error: Option<ApiError>,
) -> Result<PageReply, ApiError> {
    let account = session.account();
    let entered = if error.is_some() {
        Some(visit.text("name"))
    } else {
        account.name.as_deref()
    };
    let mut fields = vec![FormField {
        name: "name",
        label: "Name",
        hint: "",
        kind: "text",
        autocomplete: "name",
        longest: NAME_MAX_CHARS,
        value: entered.unwrap_or_default().to_owned(),
        problem: String::new(),
    }];
    let problem = error.as_ref().and_then(|error| place(error, &mut fields));
    let list = visit
        .perform(
            app,
            Operation::ListSessions,
            Value::Null,
            Vec::new(),
            Vec::new(),
        )
        .await?;
    let list = list.body.unwrap_or_default();
    let sessions = list["sessions"].as_array().into_iter().flatten();
    let page = AccountPage {
        viewer: Viewer::of(session),
        told,
        problem,
        email: account.email.clone().unwrap_or_default(),
        fields,
        sessions: sessions.map(line).collect(),
    };
    PageReply::page(error.map_or(200, |error| error.status), &page)
}

fn line(session: &Value) -> SessionLine {
    let text = |pointer: &str| {
        let found = session.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let state = text("/state");
    let end = match (text("/reason"), text("/end")) {
        (reason, end) if reason.is_empty() => end.replace('_', " "),
        (reason, _) => reason,
    };
    SessionLine {
        id: text("/id"),
        is_live: state == "live",
        is_current: session["is_current"] == true,
        class: text("/class"),
        since: minute(&text("/created_at")),
        seen: minute(&text("/last_seen_at")),
        client: format!("{} {}", text("/client/address"), text("/client/user_agent")),
        end,
        state,
    }
}

/// A time to the minute.
fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// Changes the name.
pub async fn rename(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    match visit.submit(app, Operation::Rename).await {
        Ok(_) => Ok(PageReply::see_other("/account?after=saved")),
        Err(error) if error.status == 400 => match session(app, visit).await {
            Ok(session) => page(app, visit, &session, None, Some(error)).await,
            Err(error) => refused(error),
        },
        Err(error) => refused(error),
    }
}

/// Ends one session, or all others.
pub async fn end(app: &App, visit: &Visit, id: &str) -> Result<PageReply, ApiError> {
    let path = vec![id.to_owned()];
    let ended = visit
        .perform(app, Operation::EndOneSession, Value::Null, path, Vec::new())
        .await;
    match ended {
        Ok(answer) => Ok(PageReply::see_other("/account?after=ended").with_cookies(answer)),
        // It ended meanwhile.
        Err(error) if error.status == 404 => Ok(PageReply::see_other("/account")),
        Err(error) => refused(error),
    }
}
