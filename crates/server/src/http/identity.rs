//! How a request says who sent it, read from its headers.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName};

use super::cookies;
use crate::api::{ApiError, Given};

/// The header that names a guest.
pub const USER_ID: HeaderName = HeaderName::from_static("x-user-id");

/// What the headers say.
///
/// # Errors
/// 400 for a header that is there twice, 401 for one that cannot be read.
pub fn given(headers: &HeaderMap) -> Result<Given, ApiError> {
    let bearer = match single(headers, &AUTHORIZATION)? {
        Some(value) => Some(bearer(value)?.to_owned()),
        None => None,
    };
    let user_id = match single(headers, &USER_ID)? {
        Some(value) => Some(value.parse().map_err(|_| not_readable("X-User-ID"))?),
        None => None,
    };
    Ok(Given {
        bearer,
        cookie: cookies::session_of(headers),
        user_id,
        claim: cookies::claim_of(headers),
    })
}

/// The token of an `Authorization` header (RFC 6750).
fn bearer(value: &str) -> Result<&str, ApiError> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        Ok(token.trim())
    } else {
        Err(ApiError::unauthorized())
    }
}

/// The value of a header that may be there once.
///
/// # Errors
/// 400 when it is there twice, 401 when it is not ASCII.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        let message = format!("the header {name} is there twice");
        return Err(ApiError::new(400, "DUPLICATE_HEADER", message));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| not_readable(name.as_str()))
}

fn not_readable(name: &str) -> ApiError {
    ApiError {
        message: format!("Not authenticated: {name} cannot be read"),
        ..ApiError::unauthorized()
    }
}
