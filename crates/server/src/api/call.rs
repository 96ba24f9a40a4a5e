//! A request to the API, already checked as far as HTTP goes.

use nightlatch_core::id::AccountId;
use serde_json::Value;

use super::error::ApiError;
use super::fields::Fields;
use crate::service::Client;
use crate::service::sessions::ActiveSession;
use crate::token::{Claim, LinkToken, SessionToken};

/// How a request identifies itself, before it is known whether that holds.
#[derive(Default)]
pub struct Given {
    /// The access token of the `Authorization` header.
    pub bearer: Option<String>,
    /// The session token of the cookie.
    pub cookie: Option<SessionToken>,
    /// The account of `X-User-ID`.
    pub user_id: Option<AccountId>,
    /// What identifies a browser that redeems a link, from its own cookie.
    pub claim: Option<Claim>,
}

impl Given {
    /// What identifies this browser, and the cookie to set if it has none of its own yet.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn browser(&self) -> Result<(Claim, Option<Claim>), ApiError> {
        if let Some(claim) = &self.claim {
            return Ok((claim.copied(), None));
        }
        let claim = Claim::random()?;
        Ok((claim.copied(), Some(claim)))
    }
}

/// A request to one operation.
pub struct Call {
    /// Who sent it.
    pub client: Client,
    /// How it identified itself.
    pub given: Given,
    /// The live session, on routes that need one.
    pub session: Option<ActiveSession>,
    /// The checked fields of the body.
    pub fields: Fields,
    /// The whole body, on routes that take a document.
    pub document: Value,
    /// The values of the path's variables, in their order.
    pub path: Vec<String>,
    /// The query of the address.
    pub query: Vec<(String, String)>,
}

impl Call {
    /// The session of a route that needs one.
    ///
    /// # Errors
    /// Never on such a route.
    pub fn session(&self) -> Result<&ActiveSession, ApiError> {
        self.session.as_ref().ok_or_else(ApiError::unauthorized)
    }

    /// The value of the path's variable at `at`.
    pub fn path(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }

    /// The token of a link, from the body.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when it has not the form of one.
    pub fn link_token(&self) -> Result<LinkToken, ApiError> {
        let invalid = |_| ApiError::new(400, "INVALID_TOKEN", "this link is not valid");
        self.fields.text("token").parse().map_err(invalid)
    }

    /// The account that the path names.
    ///
    /// # Errors
    /// `USER_MISMATCH` when it names none, so that a bad id and another's id are told alike.
    pub fn owner(&self) -> Result<AccountId, ApiError> {
        self.path(0).parse().map_err(|_| ApiError::mismatch())
    }

    /// A value of the query, empty if it is absent.
    pub fn query(&self, name: &str) -> &str {
        let found = self.query.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }
}
