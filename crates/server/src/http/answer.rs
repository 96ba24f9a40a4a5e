//! Answers on their way out: headers that every answer has, cookies, the one form of errors.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};

use super::cookies;
use super::identity::USER_ID;
use crate::api::error::whole_seconds;
use crate::api::{Answer, ApiError, SessionCookie};
use crate::token::Claim;

/// A response of this server.
pub type Reply = Response<Full<Bytes>>;

/// Headers of every answer, whatever it is.
const ALWAYS: [(&str, &str); 7] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // The address of a sign-in link must not reach another site. (`no-referrer` would make browsers
    // send forms of our own pages with the origin `null`.)
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=()",
    ),
    ("cache-control", "no-store"),
];

/// What an answer of the API may load or run in a browser: nothing.
const NO_CONTENT: &str = "default-src 'none'; frame-ancestors 'none'";
/// With TLS: browsers use nothing else for two years.
const HSTS: &str = "max-age=63072000";

/// An answer with a body of this type.
pub fn reply(status: u16, media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    if status != 204 {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    reply
}

/// An answer of the API.
pub fn of_answer(answer: Answer) -> Reply {
    let body = answer
        .text
        .or_else(|| answer.body.map(|body| body.to_string()))
        .unwrap_or_default();
    let mut reply = reply(answer.status, "application/json", body);
    let headers = reply.headers_mut();
    for cookie in cookies_of(answer.cookie, answer.claim.as_ref()) {
        append(headers, SET_COOKIE, &cookie);
    }
    if let Some(id) = answer.user_id {
        append(headers, USER_ID, &id.to_string());
    }
    if let Some(seconds) = answer.cache {
        append(
            headers,
            CACHE_CONTROL,
            &format!("public, max-age={seconds}"),
        );
    }
    reply
}

/// The `Set-Cookie` headers of an answer.
pub fn cookies_of(session: SessionCookie, claim: Option<&Claim>) -> Vec<String> {
    let session = match session {
        SessionCookie::Keep => None,
        SessionCookie::Set { token, max_age } => Some(cookies::session(&token, max_age)),
        SessionCookie::Clear => Some(cookies::no_session()),
    };
    session
        .into_iter()
        .chain(claim.map(cookies::claim))
        .collect()
}

/// The answer that is an error.
pub fn of_error(error: &ApiError) -> Reply {
    let mut reply = reply(error.status, "application/json", error.body().to_string());
    let headers = reply.headers_mut();
    if let Some(time) = error.retry_after {
        append(headers, RETRY_AFTER, &whole_seconds(time).to_string());
    }
    if let Some(challenge) = &error.challenge {
        append(headers, WWW_AUTHENTICATE, challenge);
    }
    reply
}

/// Adds the headers that every answer has, where it does not have its own.
pub fn complete(reply: &mut Reply, has_tls: bool) {
    let headers = reply.headers_mut();
    for (name, value) in ALWAYS {
        let name = HeaderName::from_static(name);
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    let policy = HeaderName::from_static("content-security-policy");
    headers
        .entry(policy)
        .or_insert(HeaderValue::from_static(NO_CONTENT));
    if has_tls {
        let name = HeaderName::from_static("strict-transport-security");
        headers.insert(name, HeaderValue::from_static(HSTS));
    }
}

/// Appends a header. A value that is none is left out: none of ours can be.
pub fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        headers.append(name, value);
    }
}
