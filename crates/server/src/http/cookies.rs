//! The two cookies. `__Host-` makes browsers refuse them from other hosts, for other paths and
//! without TLS (which they do not demand on loopback).

use hyper::HeaderMap;
use hyper::header::COOKIE;

use crate::token::{Claim, SessionToken};

/// The session's token.
const SESSION: &str = "__Host-nightlatch";
/// What identifies this browser when it redeems a link.
const CLAIM: &str = "__Host-nightlatch-browser";
/// How long the browser keeps [`CLAIM`], in seconds: a year.
const CLAIM_AGE: u64 = 365 * 24 * 60 * 60;

/// The `Set-Cookie` header with the session's token.
pub fn session(token: &SessionToken, max_age: u64) -> String {
    set(SESSION, &token.to_text(), max_age)
}

/// The `Set-Cookie` header that removes the session's token.
pub fn no_session() -> String {
    set(SESSION, "", 0)
}

/// The `Set-Cookie` header that identifies this browser.
pub fn claim(claim: &Claim) -> String {
    set(CLAIM, &claim.to_text(), CLAIM_AGE)
}

fn set(name: &str, value: &str, max_age: u64) -> String {
    format!("{name}={value}; Path=/; Max-Age={max_age}; Secure; HttpOnly; SameSite=Lax")
}

/// The session's token of a request. A cookie that is none of ours counts as none.
pub fn session_of(headers: &HeaderMap) -> Option<SessionToken> {
    value(headers, SESSION)?.parse().ok()
}

/// What identifies the browser of a request.
pub fn claim_of(headers: &HeaderMap) -> Option<Claim> {
    value(headers, CLAIM)?.parse().ok()
}

/// The value of a cookie. Two cookies of one name are none: one of them may have been planted.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter();
    let texts = all.filter_map(|value| value.to_str().ok());
    let cookies = texts.flat_map(|text| text.split(';'));
    let mut own = cookies.filter_map(|cookie| {
        let (own, value) = cookie.split_once('=')?;
        (own.trim() == name).then(|| value.trim())
    });
    let first = own.next()?;
    own.next().is_none().then_some(first)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, cookie.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_session_cookie_is_host_only_secure_and_out_of_scripts_reach() {
        let token = SessionToken::random().unwrap();
        let cookie = session(&token, 900);
        assert!(cookie.starts_with("__Host-nightlatch="));
        assert!(cookie.ends_with("; Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Lax"));
        assert!(no_session().starts_with("__Host-nightlatch=; Path=/; Max-Age=0;"));
    }

    #[test]
    fn the_own_cookie_is_found_among_others_and_two_of_them_are_none() {
        let token = SessionToken::random().unwrap();
        let text = format!("{SESSION}={}", token.to_text().as_str());
        let among = format!("a=b; {text}; c");
        let found = session_of(&headers(&[&among])).unwrap();
        assert_eq!(found.digest(), token.digest());
        assert!(session_of(&headers(&["x=y", &text])).is_some());
        assert!(session_of(&headers(&[&text, &text])).is_none());
        assert!(session_of(&headers(&[&format!("{text}x")])).is_none());
        assert!(session_of(&headers(&["__Host-nightlatch-browser=x"])).is_none());
        assert!(session_of(&headers(&[])).is_none());
    }
}
