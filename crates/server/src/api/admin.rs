//! What administrators do: look accounts up and end sessions.

use nightlatch_audit::IncidentId;
use serde_json::{Value, json};

use super::answer::{Answer, auth_type};
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use super::fields::email;
use crate::service::mail::masked;
use crate::service::revocation::{Reason, Scope};
use crate::service::sessions::Admin;

fn admin(call: &Call) -> Result<Admin<'_>, ApiError> {
    let not_admin = || ApiError::forbidden("only for administrators");
    call.session()?.admin().ok_or_else(not_admin)
}

/// Finds an account by its email.
pub async fn look_up(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let admin = admin(call)?;
    let email = email("email", call.query("email"))?;
    let found = app
        .node
        .services
        .accounts
        .lookup(admin, &email, &call.client)
        .await?;
    let body = match found {
        Some(account) => json!({
            "found": true,
            "user_id": account.id.to_string(),
            "auth_type": auth_type(account.kind),
            "email_masked": account.email.as_deref().map(masked),
        }),
        None => json!({ "found": false }),
    };
    Ok(Answer::json(200, body))
}

/// The andon cord: ends sessions, with a reason that their people are told.
pub async fn revoke(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let admin = admin(call)?;
    let fields = &call.fields;
    let reason = Reason::new(fields.text("reason")).ok_or_else(|| {
        ApiError::field(
            "reason",
            "it must have 1 to 500 characters and no control characters",
        )
    })?;
    let scope = match fields.text("scope") {
        "all" => Scope::All,
        "all_anonymous" => Scope::AllAnonymous,
        "all_authenticated" => Scope::AllAuthenticated,
        _ => {
            let ids = fields.ids("user_ids");
            if ids.is_empty() {
                let problem = "it is required with the scope specific";
                return Err(ApiError::field("user_ids", problem));
            }
            Scope::Specific(ids)
        }
    };
    let incident = fields.optional_text("incident_id");
    let incident: Option<IncidentId> = incident.map(str::parse).transpose().map_err(|_| {
        let most = IncidentId::MAX_CHARS;
        let problem = format!("it must have 1 to {most} characters and no control characters");
        ApiError::field("incident_id", problem)
    })?;
    let revocation = &app.node.services.revocation;
    let revoked = revocation
        .revoke(admin, scope, &reason, incident.as_ref(), &call.client)
        .await?;
    let failed: Vec<Value> = revoked
        .failed
        .iter()
        .map(|id| id.to_string().into())
        .collect();
    let status = if failed.is_empty() {
        "completed"
    } else {
        "partial"
    };
    let body = json!({
        "revoked_count": revoked.count,
        "failed_count": failed.len(),
        "failed_user_ids": failed,
        "status": status,
    });
    Ok(Answer::json(200, body))
}
