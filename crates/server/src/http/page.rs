//! Requests to pages, and the answers with their policy.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION, SET_COOKIE, USER_AGENT};
use serde_json::{Map, Value};

use super::answer::{Reply, append, cookies_of, reply};
use super::body::{self, Format};
use super::{cookies, path};
use crate::api::{ApiError, App, Given};
use crate::pages::{self, PageReply, Shown, Visit};
use crate::service::Client;

/// What a page may load: its own style and script, nothing inline, and no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The style and the script change with the program only.
const CACHED: &str = "public, max-age=3600";

/// Answers a request to a page. `body` is that of a form; none was sent otherwise.
///
/// # Errors
/// What no page can show.
pub async fn answer(
    app: &App,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    client: std::net::IpAddr,
    body: Option<&[u8]>,
) -> Result<Reply, ApiError> {
    let form = match body {
        Some(body) => match body::parse(headers, body, Format::Form)? {
            Value::Object(form) => form,
            _ => Map::new(),
        },
        None => Map::new(),
    };
    let query = path::pairs(query)
        .ok_or_else(|| ApiError::new(400, "INVALID_QUERY", "the query cannot be read"))?;
    let user_agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let visit = Visit {
        is_post: body.is_some(),
        path: path.to_owned(),
        query,
        form,
        given: Given {
            cookie: cookies::session_of(headers),
            claim: cookies::claim_of(headers),
            ..Given::default()
        },
        client: Client::new(Some(client), user_agent),
    };
    Ok(of_page(pages::answer(app, &visit).await?))
}

fn of_page(page: PageReply) -> Reply {
    let html = "text/html; charset=utf-8";
    let mut reply = match page.shown {
        Shown::Html(content) => reply(page.status, html, content),
        Shown::Asset {
            media_type,
            content,
        } => {
            let mut reply = reply(200, media_type, Bytes::from_static(content.as_bytes()));
            append(reply.headers_mut(), CACHE_CONTROL, CACHED);
            reply
        }
        Shown::SeeOther(path) => {
            let mut reply = reply(303, html, "");
            append(reply.headers_mut(), LOCATION, &path);
            reply
        }
    };
    let headers = reply.headers_mut();
    for cookie in cookies_of(page.cookie, page.claim.as_ref()) {
        append(headers, SET_COOKIE, &cookie);
    }
    let policy = HeaderName::from_static("content-security-policy");
    headers.insert(policy, HeaderValue::from_static(POLICY));
    reply
}
