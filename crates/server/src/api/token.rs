//! Access tokens for other services: the public keys, introspection and revocation.

use serde_json::json;

use super::answer::Answer;
use super::app::App;
use super::call::Call;
use super::error::ApiError;
use crate::service::sessions::{Activity, Identity};

/// How long verifiers may cache the public keys, in seconds: shorter than a key is published before
/// it signs.
const KEYS_CACHED: u32 = 3600;

/// The public keys (RFC 7517).
pub fn keys(app: &App) -> Answer {
    Answer {
        cache: Some(KEYS_CACHED),
        ..Answer::json(200, app.tokens.key_set())
    }
}

/// Where everything is (RFC 8414).
pub fn metadata(app: &App) -> Answer {
    let origin = &app.options.origin;
    let body = json!({
        "issuer": app.tokens.issuer(),
        "jwks_uri": format!("{origin}/.well-known/jwks.json"),
        "introspection_endpoint": format!("{origin}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": ["bearer"],
        "revocation_endpoint": format!("{origin}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "grant_types_supported": [],
        "token_signing_alg_values_supported": [app.tokens.algorithm().name()],
        "service_documentation": format!("{origin}/openapi.json"),
    });
    Answer {
        cache: Some(KEYS_CACHED),
        ..Answer::json(200, body)
    }
}

/// Whether a token is valid and its session lives (RFC 7662). Only an administrator may ask about
/// the tokens of others; everybody else learns that they are not active.
pub async fn introspect(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let own = call.session()?;
    let now = app.node.clock.now();
    let inactive = Ok(Answer::json(200, json!({ "active": false })));
    let Ok(claims) = app.tokens.read(call.fields.text("token"), now) else {
        return inactive;
    };
    let is_own = claims.sub == own.account().id.to_string();
    let Some(id) = claims.session().filter(|_| is_own || own.admin().is_some()) else {
        return inactive;
    };
    let sessions = &app.node.services.sessions;
    let checked = sessions
        .check(Identity::Session(id), Activity::Passive)
        .await;
    if let Err(error) = checked {
        let error = ApiError::from(error);
        return if error.status >= 500 {
            Err(error)
        } else {
            inactive
        };
    }
    let mut body = json!({ "active": true, "token_type": "Bearer" });
    if let (Some(body), Ok(serde_json::Value::Object(claims))) =
        (body.as_object_mut(), serde_json::to_value(&claims))
    {
        body.extend(claims);
    }
    Ok(Answer::json(200, body))
}

/// Ends the session of a token (RFC 7009). Whoever has the token may do so; an invalid token is no
/// error.
pub async fn revoke(app: &App, call: &Call) -> Result<Answer, ApiError> {
    let now = app.node.clock.now();
    let done = Ok(Answer::json(200, json!({})));
    let Ok(claims) = app.tokens.read(call.fields.text("token"), now) else {
        return done;
    };
    let Some(id) = claims.session() else {
        return done;
    };
    let sessions = &app.node.services.sessions;
    match sessions
        .check(Identity::Session(id), Activity::Passive)
        .await
    {
        Ok(session) => sessions.end(&session, &call.client).await?,
        Err(error) => {
            let error = ApiError::from(error);
            if error.status >= 500 {
                return Err(error);
            }
        }
    }
    done
}
