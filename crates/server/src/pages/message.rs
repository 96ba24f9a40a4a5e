//! A page that says what happened.

use askama::Template;

use super::reply::PageReply;
use crate::api::ApiError;

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    title: &'static str,
    text: String,
    reason: Option<String>,
}

/// A page that says what happened.
///
/// # Errors
/// As [`PageReply::page`].
pub fn message(
    status: u16,
    title: &'static str,
    text: impl Into<String>,
    reason: Option<String>,
) -> Result<PageReply, ApiError> {
    let text = text.into();
    PageReply::page(
        status,
        &MessagePage {
            title,
            text,
            reason,
        },
    )
}
