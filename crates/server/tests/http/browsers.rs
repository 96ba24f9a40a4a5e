//! What browsers rely on: cookies, the site of a request, the host, the headers of answers.

use nightlatch_server::client::{Request, Response};
use serde_json::json;

use crate::fixture::{PASSWORD, Server, accepted, fresh_email, on_both, refused};

on_both! {
    requests_of_other_sites_change_nothing_csrf
    a_session_cookie_is_new_at_sign_in_and_out_of_reach
    a_session_cookie_lives_as_long_as_its_session_can
    another_host_header_is_refused
    every_answer_has_the_security_headers
}

fn requests_of_other_sites_change_nothing_csrf(server: &Server) {
    let mut user = server.user();
    let end = Request::new("POST", "/api/v2/auth/signout");
    let own = format!("http://{}", server.address);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let answer = user.visitor.send(end.clone().header(name, value));
        refused(&answer, 403, "CROSS_SITE_REQUEST");
        let page = Request::new("POST", "/signout").header(name, value);
        refused(&user.visitor.send(page), 403, "CROSS_SITE_REQUEST");
        // Nor may another site sign a person in.
        let login = json!({ "email": user.email, "password": PASSWORD });
        let login = Request::new("POST", "/api/auth/login")
            .json(&login)
            .header(name, value);
        refused(&server.visitor().send(login), 403, "CROSS_SITE_REQUEST");
    }
    accepted(&user.visitor.get("/api/v2/auth/session"), 200);
    let from_elsewhere = Request::new("GET", "/api/v2/auth/session");
    accepted(
        &user
            .visitor
            .send(from_elsewhere.header("Sec-Fetch-Site", "cross-site")),
        200,
    );
    assert_eq!(user.visitor.send(end.header("Origin", &own)).status, 204);
}

fn a_session_cookie_is_new_at_sign_in_and_out_of_reach(server: &Server) {
    let mut guest = server.guest();
    let before = guest.visitor.browser.cookie_header().unwrap();
    let body = json!({ "email": fresh_email(), "name": "Ann", "password": PASSWORD });
    let answer = guest.visitor.post("/api/auth/register", &body);
    accepted(&answer, 201);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-nightlatch="), "{cookie}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.split("; ").any(|own| own == attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
    assert_ne!(guest.visitor.browser.cookie_header().unwrap(), before);
    let end = guest.visitor.delete("/api/v2/auth/session");
    assert!(end.header("set-cookie").unwrap().contains("Max-Age=0"));
    // The token is no part of any answer's body.
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(!String::from_utf8_lossy(&answer.body).contains(token));
}

fn a_session_cookie_lives_as_long_as_its_session_can(server: &Server) {
    let age = |answer: &Response| -> u64 {
        let cookie = answer.header("set-cookie").unwrap();
        let (_, age) = cookie.split_once("Max-Age=").unwrap();
        age.split(';').next().unwrap().parse().unwrap()
    };
    let mut visitor = server.visitor();
    let body = json!({ "email": fresh_email(), "name": "Ann", "password": PASSWORD });
    let registered = visitor.post("/api/auth/register", &body);
    let refreshed = visitor.send(Request::new("POST", "/api/v2/auth/session/refresh"));
    for answer in [&registered, &refreshed] {
        // Twelve hours, not the fifteen minutes after which an idle session ends.
        assert!((43_100..=43_200).contains(&age(answer)));
    }
    let guest = server.visitor().post("/api/v2/auth/anonymous", &json!({}));
    // Guests slide by thirty days for as long as they are used.
    assert!(age(&guest) > 365 * 86_400);
}

fn another_host_header_is_refused(server: &Server) {
    for host in [
        "evil.example",
        "127.0.0.1",
        "localhost:1",
        "",
        "127.0.0.1:80@evil.example",
    ] {
        for path in ["/login", "/api/v2/auth/session", "/.well-known/jwks.json"] {
            let answer = server
                .visitor()
                .send(Request::new("GET", path).header("Host", host));
            refused(&answer, 421, "UNKNOWN_HOST");
        }
    }
    let metrics = Request::new("GET", "/metrics").header("Host", "evil.example");
    refused(&metrics.send(server.address).unwrap(), 421, "UNKNOWN_HOST");
    let absolute = Request::new("GET", "http://evil.example/login");
    refused(&server.visitor().send(absolute), 421, "UNKNOWN_HOST");
    let forwarded = Request::new("GET", "/login").header("X-Forwarded-Host", "evil.example");
    let page = server.visitor().send(forwarded);
    assert!(
        !String::from_utf8(page.body)
            .unwrap()
            .contains("evil.example")
    );
    accepted(
        &server
            .visitor()
            .send(Request::new("GET", "/healthz").header("Host", "pod")),
        200,
    );
}

fn every_answer_has_the_security_headers(server: &Server) {
    let mut visitor = server.visitor();
    for path in [
        "/login",
        "/nothing",
        "/api/auth/profile",
        "/.well-known/jwks.json",
        "/healthz",
    ] {
        let answer = visitor.get(path);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(answer.header("server").is_none());
    }
    assert_eq!(
        visitor.get("/api/v2/auth/session").header("cache-control"),
        Some("no-store")
    );
}

#[test]
fn with_enumeration_hidden_every_registration_is_answered_alike() {
    let server = Server::start("enumeration = \"hide\"\n", &[]);
    let email = fresh_email();
    let body = json!({ "email": email, "name": "Ann", "password": PASSWORD });
    let mut visitor = server.visitor();
    let new = visitor.post("/api/auth/register", &body);
    accepted(&new, 202);
    let taken = server.visitor().post("/api/auth/register", &body);
    assert_eq!((taken.status, &taken.body), (202, &new.body));
    // Both set the cookie that identifies the browser, and none with a session.
    for answer in [&taken, &new] {
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with("__Host-nightlatch-browser="), "{cookie}");
    }
    refused(&visitor.get("/api/auth/profile"), 401, "UNAUTHORIZED");
    // Nor does signing in tell whose registration made the account.
    let login = |password: &str| {
        let login = json!({ "email": email, "password": password });
        let answer = server.visitor().post("/api/auth/login", &login);
        (answer.status, answer.body)
    };
    let wrong = login("another password for it");
    assert_eq!((wrong.0, &wrong), (401, &login(PASSWORD)));
    let verify = json!({ "token": server.mailed_token(&email) });
    accepted(
        &visitor.post("/api/v2/auth/magic-link/verify", &verify),
        200,
    );
    assert_eq!(
        accepted(&visitor.get("/api/auth/profile"), 200)["name"],
        "Ann"
    );
    // Who registered has the email, and so the password counts.
    assert_eq!(login(PASSWORD).0, 200);
}

#[test]
fn with_the_identity_header_off_a_user_id_identifies_nobody() {
    let server = Server::start("identity_header = \"off\"\n", &[]);
    let mut guest = server.guest();
    let session = Request::new("GET", "/api/v2/auth/session");
    let with_id = session.clone().header("X-User-ID", &guest.id);
    refused(&server.visitor().send(with_id), 401, "UNAUTHORIZED");
    accepted(&guest.visitor.send(session), 200);
    let begin = Request::new("POST", "/api/v2/auth/anonymous").header("X-User-ID", &guest.id);
    let other = accepted(&server.visitor().send(begin), 201);
    assert_ne!(other["user_id"], guest.id);
}
