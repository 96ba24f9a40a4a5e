//! Who may use a route. Nothing else decides about access.

use super::app::App;
use super::call::Given;
use super::error::ApiError;
use super::identity::resolve;
use super::routes::{Access, Route};
use crate::service::sessions::ActiveSession;
use crate::store::rows::AccountKind;

/// The live session of a request, if the route needs one and may be used with it. `owner` is the
/// first variable of the path.
///
/// # Errors
/// As [`resolve`]; 403 when the session does not have the rights.
pub async fn admit(
    app: &App,
    route: &Route,
    given: &Given,
    owner: Option<&str>,
) -> Result<Option<ActiveSession>, ApiError> {
    if route.access == Access::Open {
        return Ok(None);
    }
    let session = resolve(app, given, route.operation.activity()).await?;
    let account = session.account();
    match route.access {
        Access::Open | Access::Session => {}
        Access::Account if account.kind == AccountKind::User => {}
        Access::Account => return Err(ApiError::forbidden("only for registered accounts")),
        Access::Admin if session.admin().is_some() => {}
        Access::Admin => return Err(ApiError::forbidden("only for administrators")),
        Access::Owner if owner.is_some_and(|owner| owner == account.id.to_string()) => {}
        Access::Owner => return Err(ApiError::mismatch()),
    }
    Ok(Some(session))
}
