//! A list of tasks, for guests and accounts.

use askama::Template;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::forms::Problem;
use super::reply::PageReply;
use super::viewer::{Viewer, refused, session};
use super::visit::Visit;
use crate::api::{Answer, ApiError, App, Operation};
use crate::service::sessions::ActiveSession;

/// The longest title, in characters.
const TITLE: usize = 200;

#[derive(Template)]
#[template(path = "tasks.html")]
struct TasksPage {
    viewer: Viewer,
    problem: Option<Problem>,
    tasks: Vec<Task>,
}

/// For whoever has no session yet.
#[derive(Template)]
#[template(path = "start.html")]
struct StartPage;

struct Task {
    id: String,
    title: String,
    is_done: bool,
}

/// The documents, as the API lists them.
#[derive(Default, Deserialize)]
struct Listed {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    data: Box<RawValue>,
}

/// What the page shows of a document.
#[derive(Deserialize)]
struct TaskData {
    title: String,
    #[serde(default)]
    done: bool,
}

/// The page.
pub async fn show(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    match session(app, visit).await {
        Ok(session) => page(app, visit, &session, None).await,
        Err(error) if error.kind == "UNAUTHORIZED" => PageReply::page(200, &StartPage),
        Err(error) => refused(error),
    }
}

async fn page(
    app: &App,
    visit: &Visit,
    session: &ActiveSession,
    error: Option<ApiError>,
) -> Result<PageReply, ApiError> {
    let listed = on_tasks(app, visit, session, Operation::ListItems, None, Value::Null).await?;
    let text = listed.text.unwrap_or_default();
    let listed: Listed = serde_json::from_str(&text).unwrap_or_default();
    let page = TasksPage {
        viewer: Viewer::of(session),
        problem: error.as_ref().map(Problem::of),
        tasks: listed.items.into_iter().filter_map(task).collect(),
    };
    PageReply::page(error.map_or(200, |error| error.status), &page)
}

/// A document as a task. Other programs may keep documents of another form among them.
fn task(item: Item) -> Option<Task> {
    let data: TaskData = serde_json::from_str(item.data.get()).ok()?;
    Some(Task {
        id: item.id,
        title: data.title,
        is_done: data.done,
    })
}

/// An operation on the tasks of the session's account.
async fn on_tasks(
    app: &App,
    visit: &Visit,
    session: &ActiveSession,
    operation: Operation,
    id: Option<&str>,
    document: Value,
) -> Result<Answer, ApiError> {
    let mut path = vec![session.account().id.to_string(), "tasks".to_owned()];
    path.extend(id.map(str::to_owned));
    visit
        .perform(app, operation, document, path, Vec::new())
        .await
}

/// Adds a task.
pub async fn add(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let session = match session(app, visit).await {
        Ok(session) => session,
        Err(error) => return refused(error),
    };
    let title = visit.text("title").trim();
    let result = if title.is_empty() || title.chars().count() > TITLE {
        Err(ApiError::field(
            "title",
            format!("it must have 1 to {TITLE} characters"),
        ))
    } else {
        let document = json!({ "title": title, "done": false });
        on_tasks(app, visit, &session, Operation::CreateItem, None, document).await
    };
    match result {
        Ok(_) => Ok(PageReply::see_other("/tasks")),
        Err(error) if matches!(error.status, 400 | 409) => {
            page(app, visit, &session, Some(error)).await
        }
        Err(error) => refused(error),
    }
}

/// Marks a task as done or not, or removes it.
pub async fn change(
    app: &App,
    visit: &Visit,
    id: &str,
    change: &str,
) -> Result<PageReply, ApiError> {
    let session = match session(app, visit).await {
        Ok(session) => session,
        Err(error) => return refused(error),
    };
    let done = match change {
        "done" => Some(true),
        "reopen" => Some(false),
        "remove" => None,
        _ => return Err(ApiError::not_found("there is no such page")),
    };
    let result = match done {
        None => {
            on_tasks(
                app,
                visit,
                &session,
                Operation::RemoveItem,
                Some(id),
                Value::Null,
            )
            .await
        }
        Some(done) => mark(app, visit, &session, id, done).await,
    };
    match result {
        Ok(_) => Ok(PageReply::see_other("/tasks")),
        // It was removed in another tab.
        Err(error) if error.status == 404 => Ok(PageReply::see_other("/tasks")),
        Err(error) => refused(error),
    }
}

async fn mark(
    app: &App,
    visit: &Visit,
    session: &ActiveSession,
    id: &str,
    done: bool,
) -> Result<Answer, ApiError> {
    let found = on_tasks(
        app,
        visit,
        session,
        Operation::ShowItem,
        Some(id),
        Value::Null,
    )
    .await?;
    let mut document = found.body.unwrap_or_default()["data"].take();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("done".to_owned(), done.into());
    }
    on_tasks(
        app,
        visit,
        session,
        Operation::ReplaceItem,
        Some(id),
        document,
    )
    .await
}
