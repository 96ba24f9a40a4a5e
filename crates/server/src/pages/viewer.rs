//! Who looks at a page.

use crate::api::{self, ApiError, App};
use crate::service::sessions::{ActiveSession, Activity};
use crate::store::rows::AccountKind;

use super::message::message;
use super::reply::PageReply;
use super::visit::Visit;

/// Who looks at a page, as the templates need it.
pub struct Viewer {
    /// How many seconds the session lives without activity.
    pub left: u64,
    /// The same in minutes.
    pub minutes: u64,
    /// `guest` or `user`.
    pub kind: &'static str,
    /// Whether it is a guest.
    pub is_guest: bool,
    /// Whether it is an administrator.
    pub is_admin: bool,
}

impl Viewer {
    /// The viewer with this session.
    pub fn of(session: &ActiveSession) -> Self {
        let left = session.remaining().as_secs();
        let is_guest = session.kind() == AccountKind::Guest;
        Self {
            left,
            minutes: left.div_ceil(60),
            kind: if is_guest { "guest" } else { "user" },
            is_guest,
            is_admin: session.admin().is_some(),
        }
    }
}

/// The visitor's live session. To open a page is activity.
///
/// # Errors
/// As those of the API.
pub async fn session(app: &App, visit: &Visit) -> Result<ActiveSession, ApiError> {
    api::resolve(app, &visit.given, Activity::Active).await
}

/// The page for a visitor without a live session, or without the rights.
///
/// # Errors
/// An error that is no matter of the session.
pub fn refused(error: ApiError) -> Result<PageReply, ApiError> {
    match (error.status, error.kind) {
        (401, "SESSION_EXPIRED") => message(
            401,
            "Your session has expired",
            "Nobody used it for a while, so it was locked. Sign in to go on.",
            None,
        ),
        (401, _) => Ok(PageReply::see_other("/login")),
        (403, "SESSION_REVOKED") => {
            let reason = error
                .details
                .get("reason")
                .and_then(|reason| reason.as_str());
            message(
                403,
                "Your session was ended",
                "An administrator ended it.",
                reason.map(str::to_owned),
            )
        }
        (403, _) => message(
            403,
            "Not allowed",
            "Your account does not have the rights for this page.",
            None,
        ),
        _ => Err(error),
    }
}
