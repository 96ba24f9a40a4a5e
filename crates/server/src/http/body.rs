//! Bodies of requests.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::path::pairs;
use crate::api::ApiError;

/// The largest body, in bytes.
const LARGEST: usize = 64 * 1024;
/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// JSON or a form.
    JsonOrForm,
    /// A form of one of our pages.
    Form,
}

/// Reads the whole body.
///
/// # Errors
/// 413 when it is too large, 408 when it comes too slowly, 400 when it breaks off.
pub async fn read(body: Incoming) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let limited = Limited::new(body, LARGEST).collect();
    let collected = timeout(PATIENCE, limited)
        .await
        .map_err(|_| ApiError::new(408, "REQUEST_TIMEOUT", "the body did not arrive in time"))?;
    match collected {
        Ok(collected) => Ok(Zeroizing::new(collected.to_bytes().to_vec())),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the body is larger than {LARGEST} bytes");
            Err(ApiError::new(413, "TOO_LARGE", message))
        }
        Err(_) => Err(ApiError::new(400, "INVALID_BODY", "the body broke off")),
    }
}

/// The value of a body in the format that its `Content-Type` says. An empty body is an empty
/// object.
///
/// # Errors
/// 415 for another format, 400 for a body that is not what it says.
pub fn parse(headers: &HeaderMap, body: &[u8], format: Format) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let media_type = media_type.map(|value| {
        let end = value.iter().position(|&byte| byte == b';');
        value[..end.unwrap_or(value.len())].trim_ascii()
    });
    let is =
        |name: &str| media_type.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
    if format != Format::Json && is("application/x-www-form-urlencoded") {
        return form(body);
    }
    if format != Format::Form && (is("application/json") || media_type.is_none()) {
        return json(body);
    }
    let expected = match format {
        Format::Form => "application/x-www-form-urlencoded",
        Format::Json | Format::JsonOrForm => "application/json",
    };
    let message = format!("the Content-Type must be {expected}");
    Err(ApiError::new(415, "UNSUPPORTED_MEDIA_TYPE", message))
}

fn json(body: &[u8]) -> Result<Value, ApiError> {
    // serde_json refuses more than 128 levels.
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not JSON: {error}");
        ApiError::new(400, "INVALID_JSON", message)
    })
}

fn form(body: &[u8]) -> Result<Value, ApiError> {
    let pairs = std::str::from_utf8(body)
        .ok()
        .and_then(pairs)
        .ok_or_else(|| ApiError::new(400, "INVALID_BODY", "the body is not a form in UTF-8"))?;
    let mut fields = Map::new();
    for (name, value) in pairs {
        if fields.insert(name.clone(), value.into()).is_some() {
            return Err(ApiError::field(&name, "it is there twice"));
        }
    }
    Ok(fields.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(media_type: &str, body: &[u8], format: Format) -> Result<Value, (u16, &'static str)> {
        let mut headers = HeaderMap::new();
        if !media_type.is_empty() {
            headers.insert(CONTENT_TYPE, media_type.parse().unwrap());
        }
        parse(&headers, body, format).map_err(|error| (error.status, error.kind))
    }

    #[test]
    fn a_body_is_json_or_a_form_where_one_is_taken() {
        let object = serde_json::json!({ "a": "b" });
        for media_type in ["application/json", "Application/JSON; charset=utf-8", ""] {
            let body = parsed(media_type, b"{\"a\":\"b\"}", Format::Json);
            assert_eq!(body, Ok(object.clone()));
        }
        let form = "application/x-www-form-urlencoded";
        assert_eq!(parsed(form, b"a=b", Format::JsonOrForm), Ok(object));
        let refused = Err((415, "UNSUPPORTED_MEDIA_TYPE"));
        assert_eq!(parsed(form, b"a=b", Format::Json), refused);
        assert_eq!(parsed("text/plain", b"{}", Format::Json), refused);
        assert_eq!(parsed("application/json", b"{}", Format::Form), refused);
        assert_eq!(
            parsed(form, b"a=1&a=2", Format::Form),
            Err((400, "VALIDATION_ERROR"))
        );
        assert_eq!(
            parsed(form, b"a=%ff", Format::Form),
            Err((400, "INVALID_BODY"))
        );
    }

    #[test]
    fn deep_cut_and_badly_encoded_json_is_refused() {
        let deep = "[".repeat(10_000);
        let bad: [&[u8]; 6] = [
            deep.as_bytes(),
            b"{\"a\":",
            b"\xff\xfe",
            b"{\"a\":\"\xff\"}",
            b"{} {}",
            b"1e999",
        ];
        for body in bad {
            let refused = Err((400, "INVALID_JSON"));
            assert_eq!(parsed("application/json", body, Format::Json), refused);
        }
    }
}
