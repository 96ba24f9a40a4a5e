//! Documents of an account, by kind.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, time};
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use crate::service::ServiceError;
use crate::store::rows::ItemRow;

/// The documents of a kind.
#[derive(Serialize)]
struct List<'a> {
    count: usize,
    items: Vec<Listed<'a>>,
}

/// A document in a list. Its text is copied as it is: as values, a list would take many times the
/// memory.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    data: Option<&'a RawValue>,
    created_at: String,
    updated_at: String,
}

/// All documents of a kind.
pub async fn list(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let items = &app.node.services.items;
    let found = items
        .list(call.session()?, call.owner()?, call.path(1))
        .await?;
    let found: Vec<Listed> = found.iter().map(listed).collect();
    let list = List {
        count: found.len(),
        items: found,
    };
    let text = serde_json::to_string(&list).map_err(|_| ServiceError::Internal)?;
    Ok(Answer {
        status: 200,
        text: Some(text),
        ..Answer::default()
    })
}

/// Creates a document.
pub async fn create(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let items = &app.node.services.items;
    let (owner, kind) = (call.owner()?, call.path(1));
    let document = &call.document;
    let item = items.create(call.session()?, owner, kind, document).await?;
    Ok(Answer::json(201, shown(&item)))
}

/// One document.
pub async fn show(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let items = &app.node.services.items;
    let (owner, kind, id) = (call.owner()?, call.path(1), call.path(2));
    let item = items.get(call.session()?, owner, kind, id).await?;
    Ok(Answer::json(200, shown(&item)))
}

/// Replaces a document.
pub async fn replace(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let items = &app.node.services.items;
    let (owner, kind, id) = (call.owner()?, call.path(1), call.path(2));
    let (session, document) = (call.session()?, &call.document);
    let item = items.put(session, owner, kind, id, document).await?;
    Ok(Answer::json(200, shown(&item)))
}

/// Removes a document.
pub async fn remove(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let items = &app.node.services.items;
    let (owner, kind, id) = (call.owner()?, call.path(1), call.path(2));
    items.delete(call.session()?, owner, kind, id).await?;
    Ok(Answer::empty())
}

fn listed(item: &ItemRow) -> Listed<'_> {
    Listed {
        id: &item.id,
        data: serde_json::from_str(&item.body).ok(),
        created_at: time(item.created),
        updated_at: time(item.updated),
    }
}

fn shown(item: &ItemRow) -> Value {
    let body = serde_json::from_str::<Value>(&item.body).unwrap_or_default();
    json!({
        "id": item.id,
        "data": body,
        "created_at": time(item.created),
        "updated_at": time(item.updated),
    })
}
