//! Documents of an account, by kind.

use serde_json::{Value, json};

use super::answer::{Answer, time};
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use crate::store::rows::ItemRow;

/// All documents of a kind.
pub async fn list(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let items = &app.node.services.items;
    let found = items
        .list(call.session()?, call.owner()?, call.path(1))
        .await?;
    let found: Vec<Value> = found.iter().map(shown).collect();
    Ok(Answer::json(
        200,
        json!({ "count": found.len(), "items": found }),
    ))
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

fn shown(item: &ItemRow) -> Value {
    let body = serde_json::from_str::<Value>(&item.body).unwrap_or_default();
    json!({
        "id": item.id,
        "data": body,
        "created_at": time(item.created),
        "updated_at": time(item.updated),
    })
}
