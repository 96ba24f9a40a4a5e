//! What a visit to a page is answered with.

use askama::Template;

use crate::api::{Answer, ApiError, SessionCookie};
use crate::token::Claim;

/// The answer to a visit.
pub struct PageReply {
    /// The HTTP status code.
    pub status: u16,
    /// What is shown.
    pub shown: Shown,
    /// What happens to the session cookie.
    pub cookie: SessionCookie,
    /// A new cookie that identifies this browser.
    pub claim: Option<Claim>,
}

/// What is shown.
pub enum Shown {
    /// A page.
    Html(String),
    /// A file that may be cached.
    Asset {
        /// Its type.
        media_type: &'static str,
        /// Its content.
        content: &'static str,
    },
    /// Another page, by its path.
    SeeOther(String),
}

impl PageReply {
    fn of(status: u16, shown: Shown) -> Self {
        Self {
            status,
            shown,
            cookie: SessionCookie::Keep,
            claim: None,
        }
    }

    /// A page.
    ///
    /// # Errors
    /// Never with our templates; 500 otherwise.
    pub fn page(status: u16, template: &impl Template) -> Result<Self, ApiError> {
        let html = template.render().map_err(|error| {
            tracing::error!("a page cannot be rendered: {error}");
            ApiError::new(500, "INTERNAL_ERROR", "internal error")
        })?;
        Ok(Self::of(status, Shown::Html(html)))
    }

    /// A file that may be cached.
    pub fn asset(media_type: &'static str, content: &'static str) -> Self {
        Self::of(
            200,
            Shown::Asset {
                media_type,
                content,
            },
        )
    }

    /// Leads to another page.
    pub fn see_other(path: impl Into<String>) -> Self {
        Self::of(303, Shown::SeeOther(path.into()))
    }

    /// With the cookies of an answer of the API.
    #[must_use]
    pub fn with_cookies(self, answer: Answer) -> Self {
        Self {
            cookie: answer.cookie,
            claim: answer.claim,
            ..self
        }
    }
}
