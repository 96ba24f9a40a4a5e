//! Merging a guest into the account that is signed in.

use serde_json::json;

use super::answer::{Answer, SessionCookie, time};
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use crate::service::merge::MergeStatus;

/// Merges. A repetition gives the same answer, with or without an idempotency key.
pub async fn merge(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let fields = &call.fields;
    let source = fields.optional_text("source_user_id");
    let source = source.or(fields.optional_text("anonymous_user_id"));
    let source = source.ok_or_else(|| ApiError::field("source_user_id", "it is required"))?;
    let problem = |_| ApiError::field("source_user_id", "it must be a user id");
    let source = source.parse().map_err(problem)?;
    let service = &app.node.services.merge;
    let (session, cookie) = (call.session()?, call.given.cookie.as_ref());
    let merged = service.merge(session, source, cookie, &call.client).await?;
    let status = match merged.status {
        MergeStatus::Completed => "completed",
        MergeStatus::AlreadyMerged => "already_merged",
        MergeStatus::NoData => "no_data",
    };
    let body = json!({
        "status": status,
        "items_merged": merged.items,
        "items_skipped": 0,
        "merged_at": time(merged.at),
        "source_user_id": merged.source.to_string(),
        "target_user_id": merged.target.to_string(),
    });
    let max_age = session.cookie_age().as_secs();
    let cookie = merged
        .token
        .map_or(SessionCookie::Keep, |token| SessionCookie::Set {
            token,
            max_age,
        });
    Ok(Answer {
        cookie,
        ..Answer::json(200, body)
    })
}
