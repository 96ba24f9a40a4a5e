//! Answers of the API.

use nightlatch_core::id::AccountId;
use serde_json::{Map, Value, json};

use super::app::App;
use super::error::ApiError;
use crate::clock::Millis;
use crate::service::sessions::{ActiveSession, SignedIn};
use crate::store::rows::{AccountKind, AccountRow};
use crate::token::{Claim, SessionToken};

/// A successful answer.
#[derive(Default)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The JSON body, if there is one.
    pub body: Option<Value>,
    /// The JSON body as text, in place of `body`.
    pub text: Option<String>,
    /// What happens to the session cookie.
    pub cookie: SessionCookie,
    /// A new cookie that identifies this browser when it redeems a link.
    pub claim: Option<Claim>,
    /// The `X-User-ID` header.
    pub user_id: Option<AccountId>,
    /// How long the answer may be cached, in seconds.
    pub cache: Option<u32>,
}

/// What an answer does with the session cookie.
#[derive(Default)]
pub enum SessionCookie {
    /// Nothing.
    #[default]
    Keep,
    /// Sets it.
    Set {
        /// The session's token.
        token: SessionToken,
        /// How long the browser keeps it, in seconds.
        max_age: u64,
    },
    /// Removes it.
    Clear,
}

impl Answer {
    /// An answer with a body.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            ..Self::default()
        }
    }

    /// 204.
    pub fn empty() -> Self {
        Self {
            status: 204,
            ..Self::default()
        }
    }
}

/// A time as it is written in answers.
pub fn time(at: Millis) -> String {
    at.timestamp().to_rfc3339()
}

/// The name of an account's kind in answers.
pub fn auth_type(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::Guest => "anonymous",
        AccountKind::User => "authenticated",
    }
}

/// An account as its owner sees it.
pub fn user(account: &AccountRow) -> Value {
    json!({
        "id": account.id.to_string(),
        "email": account.email,
        "name": account.name,
        "is_admin": account.is_admin,
        "created_at": time(account.created),
        "updated_at": time(account.updated),
    })
}

/// What a client is told about its session when it begins or goes on.
pub fn session_body(session: &ActiveSession) -> Map<String, Value> {
    let account = session.account();
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("user_id", account.id.to_string().into());
    put("auth_type", auth_type(account.kind).into());
    if let Some(email) = &account.email {
        put("email", email.as_str().into());
    }
    put("session_expires_at", time(session.expires_at()).into());
    put("remaining_seconds", session.remaining().as_secs().into());
    body
}

/// The answer to a request that began a session, with its cookie and an access token.
///
/// # Errors
/// When the system provides no random numbers.
pub fn session_answer(app: &App, status: u16, begun: SignedIn) -> Result<Answer, ApiError> {
    let mut body = session_body(&begun.session);
    let access_token = app.tokens.issue(&begun.session)?;
    body.insert("access_token".to_owned(), access_token.into());
    body.insert("is_new_session".to_owned(), begun.is_new.into());
    Ok(Answer {
        user_id: Some(begun.session.account().id),
        cookie: SessionCookie::Set {
            max_age: begun.session.cookie_age().as_secs(),
            token: begun.token,
        },
        ..Answer::json(status, body.into())
    })
}

/// The answer to a registration or a sign-in with a password.
///
/// # Errors
/// As [`session_answer`].
pub fn sign_in_answer(app: &App, status: u16, begun: SignedIn) -> Result<Answer, ApiError> {
    let access_token = app.tokens.issue(&begun.session)?;
    let body = json!({
        "access_token": access_token,
        "token": access_token,
        "token_type": "bearer",
        "user": user(begun.session.account()),
    });
    Ok(Answer {
        body: Some(body),
        ..session_answer(app, status, begun)?
    })
}
