//! Errors of the API: one form for everything that a client can get wrong or meet.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::service::ServiceError;
use crate::service::accounts::{RegisterError, SignInError};
use crate::service::items::ItemError;
use crate::service::links::{RedeemError, SetupError};
use crate::service::merge::MergeError;
use crate::service::sessions::SessionError;
use crate::service::tokens::TokenProblem;

/// The kind of [`ApiError::mismatch`].
pub const MISMATCH: &str = "USER_MISMATCH";

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// The HTTP status code.
    pub status: u16,
    /// What kind of error: upper-case words that programs compare.
    pub kind: &'static str,
    /// What happened, for people.
    pub message: String,
    /// More about it, for programs.
    pub details: Box<Map<String, Value>>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The `WWW-Authenticate` header (RFC 6750).
    pub challenge: Option<String>,
}

impl ApiError {
    /// An error without details.
    pub fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            details: Box::default(),
            retry_after: None,
            challenge: None,
        }
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// With `Retry-After`.
    #[must_use]
    fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self.with("retry_after_seconds", whole_seconds(retry_after))
    }

    /// A field that is missing or does not have the expected form.
    pub fn field(name: &str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::new(400, "VALIDATION_ERROR", format!("{name}: {problem}"))
            .with("fields", json!({ name: problem }))
            .with("field", name)
    }

    /// No identity was given.
    pub fn unauthorized() -> Self {
        Self {
            challenge: Some(r#"Bearer realm="nightlatch""#.to_owned()),
            ..Self::new(401, "UNAUTHORIZED", "Not authenticated")
        }
    }

    /// An identity was given and does not hold.
    fn bad_identity(kind: &'static str, message: &str) -> Self {
        let challenge = format!(
            r#"Bearer realm="nightlatch", error="invalid_token", error_description="{message}""#
        );
        Self {
            challenge: Some(challenge),
            ..Self::new(401, kind, message)
        }
    }

    /// The identity does not have the rights.
    pub fn forbidden(message: &str) -> Self {
        let challenge = r#"Bearer realm="nightlatch", error="insufficient_scope""#.to_owned();
        Self {
            challenge: Some(challenge),
            ..Self::new(403, "FORBIDDEN", message)
        }
    }

    /// The request names an account other than its own, or gives two identities.
    pub fn mismatch() -> Self {
        Self::new(403, MISMATCH, "this belongs to another account")
    }

    /// There is nothing at this path.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "NOT_FOUND", what)
    }

    /// The token in the `Authorization` header.
    pub fn token(problem: TokenProblem) -> Self {
        match problem {
            TokenProblem::Expired => Self::bad_identity("TOKEN_EXPIRED", "Token has expired"),
            TokenProblem::Invalid => Self::bad_identity("INVALID_TOKEN", "Invalid token"),
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        json!({
            "error": self.kind,
            "message": self.message,
            "code": self.kind,
            "detail": self.message,
            "details": self.details,
        })
    }
}

/// `Retry-After` counts whole seconds; a fraction must not let the client come too early.
pub fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        let message = error.to_string();
        match error {
            ServiceError::Unavailable => {
                Self::new(503, "UNAVAILABLE", message).after(Duration::from_secs(1))
            }
            ServiceError::Busy { retry_after } => {
                Self::new(503, "BUSY", message).after(retry_after)
            }
            ServiceError::Throttled { retry_after } => {
                Self::new(429, "RATE_LIMITED", message).after(retry_after)
            }
            ServiceError::Internal => Self::new(500, "INTERNAL_ERROR", message),
        }
    }
}

impl From<getrandom::Error> for ApiError {
    fn from(error: getrandom::Error) -> Self {
        ServiceError::from(error).into()
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Unknown => Self::bad_identity("UNAUTHORIZED", "Not authenticated"),
            SessionError::Ended => Self::bad_identity("UNAUTHORIZED", "The session was ended"),
            SessionError::Expired => {
                Self::bad_identity("SESSION_EXPIRED", "The session has expired")
            }
            SessionError::Revoked { reason } => {
                Self::new(403, "SESSION_REVOKED", "The session was revoked").with("reason", reason)
            }
            SessionError::Service(error) => error.into(),
        }
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        let message = error.to_string();
        match error {
            RegisterError::Email(_) => Self::field("email", message),
            RegisterError::Name => Self::field("name", message),
            RegisterError::Password(_) => Self::field("password", message),
            RegisterError::Exists => Self::new(409, "EMAIL_ALREADY_EXISTS", message),
            RegisterError::Service(error) => error.into(),
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        let message = error.to_string();
        match error {
            SignInError::Wrong => Self::bad_identity("INVALID_CREDENTIALS", &message),
            SignInError::Locked { retry_after } => {
                Self::new(423, "ACCOUNT_LOCKED", message).after(retry_after)
            }
            SignInError::Service(error) => error.into(),
        }
    }
}

impl From<RedeemError> for ApiError {
    fn from(error: RedeemError) -> Self {
        let message = error.to_string();
        match error {
            RedeemError::Invalid => Self::new(400, "INVALID_TOKEN", message),
            RedeemError::Used => Self::new(409, "TOKEN_ALREADY_USED", message),
            RedeemError::Expired => Self::new(410, "TOKEN_EXPIRED", message),
            RedeemError::Service(error) => error.into(),
        }
    }
}

impl From<SetupError> for ApiError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Link(error) => error.into(),
            SetupError::Register(error) => error.into(),
        }
    }
}

impl From<MergeError> for ApiError {
    fn from(error: MergeError) -> Self {
        let message = error.to_string();
        match error {
            MergeError::NotFound => Self::new(404, "ANONYMOUS_SESSION_NOT_FOUND", message),
            MergeError::Conflict {
                merged_to,
                merged_at,
            } => Self::new(409, "MERGE_CONFLICT", message)
                .with("merged_to", merged_to.to_string())
                .with("merged_at", merged_at.timestamp().to_rfc3339()),
            MergeError::NoRoom => Self::new(409, "QUOTA_EXCEEDED", message),
            MergeError::NotAnAccount => Self::forbidden(&message),
            MergeError::Service(error) => error.into(),
        }
    }
}

impl From<ItemError> for ApiError {
    fn from(error: ItemError) -> Self {
        let message = error.to_string();
        match error {
            ItemError::Mismatch => Self::mismatch(),
            ItemError::UnknownKind | ItemError::NotFound => Self::not_found(&message),
            ItemError::TooLarge => Self::new(413, "TOO_LARGE", message),
            ItemError::NoRoom(_) => Self::new(409, "QUOTA_EXCEEDED", message),
            ItemError::ControlCharacter => Self::field("body", message),
            ItemError::Service(error) => error.into(),
        }
    }
}
