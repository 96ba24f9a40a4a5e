//! Pages for people. They are clients of the API in the same process: what a form sends goes
//! through the same checks as a request to the API, so that there is one set of rules. Everything
//! works without the script, which only keeps the person informed.

mod account;
mod admin;
mod audit;
mod entry;
mod forms;
mod message;
mod reply;
mod tasks;
mod viewer;
mod visit;

pub use reply::{PageReply, Shown};
pub use visit::Visit;

use crate::api::{ApiError, App};

const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/session.js");

/// Whether there is a page at `path`.
pub fn is_page(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    let pages = [
        "",
        "login",
        "register",
        "l",
        "guest",
        "signout",
        "account",
        "tasks",
        "admin",
        "audit",
        "style.css",
        "session.js",
    ];
    pages.contains(&first)
}

/// The answer to a visit: a page, or where to go next.
///
/// # Errors
/// Only what no page can show, such as an unknown path.
pub async fn answer(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let parts: Vec<&str> = visit.path.split('/').skip(1).collect();
    match (visit.is_post, parts.as_slice()) {
        (false, ["style.css"]) => Ok(PageReply::asset("text/css; charset=utf-8", STYLE)),
        (false, ["session.js"]) => Ok(PageReply::asset("text/javascript; charset=utf-8", SCRIPT)),
        (false, [""]) => Ok(PageReply::see_other("/tasks")),
        (false, ["login"]) => entry::login(visit),
        (true, ["login"]) => entry::log_in(app, visit).await,
        (true, ["login", "link"]) => entry::mail_link(app, visit).await,
        (false, ["register"]) => entry::register(visit),
        (true, ["register"]) => entry::submit_registration(app, visit).await,
        (false, ["l", token]) => entry::link(app, visit, token).await,
        (true, ["l", token]) => entry::redeem(app, visit, token).await,
        (true, ["guest"]) => entry::begin_guest(app, visit).await,
        (true, ["signout"]) => entry::sign_out(app, visit).await,
        (false, ["account"]) => account::show(app, visit).await,
        (true, ["account"]) => account::rename(app, visit).await,
        (true, ["account", "sessions", id, "end"]) => account::end(app, visit, id).await,
        (false, ["tasks"]) => tasks::show(app, visit).await,
        (true, ["tasks"]) => tasks::add(app, visit).await,
        (true, ["tasks", id, change]) => tasks::change(app, visit, id, change).await,
        (false, ["admin"]) => admin::show(app, visit).await,
        (true, ["admin"]) => admin::revoke(app, visit).await,
        (false, ["audit"]) => audit::show(app, visit).await,
        _ => Err(ApiError::not_found("there is no such page")),
    }
}
