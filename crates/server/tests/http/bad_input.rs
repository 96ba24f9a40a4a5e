//! Whatever a client sends, the answer has the one form of errors: no 500, no panic, no change.

use std::io::{Read, Write};
use std::net::TcpStream;

use nightlatch_server::api::{Body, METHODS, ROUTES};
use nightlatch_server::client::{Request, Response};
use serde_json::json;

use crate::fixture::{Server, accepted, fresh_email, on_both, refused};

on_both! {
    unknown_paths_and_methods_are_told_apart
    bodies_that_are_too_large_or_of_another_type_are_refused
    every_route_refuses_bodies_that_are_not_json
    every_field_refuses_values_of_another_type
    duplicate_headers_are_refused
    half_requests_and_clients_that_leave_do_no_harm
    a_log_line_cannot_be_forged_by_a_client
}

fn unknown_paths_and_methods_are_told_apart(server: &Server) {
    let mut visitor = server.visitor();
    for path in [
        "/nothing",
        "/api",
        "/api/v2/auth/session/",
        "//",
        "/api/users/1",
        "/l",
    ] {
        refused(&visitor.get(path), 404, "NOT_FOUND");
    }
    for method in ["GET", "PUT", "PATCH", "OPTIONS", "TRACE", "FROB"] {
        let answer = visitor.send(Request::new(method, "/api/auth/login"));
        refused(&answer, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    let answer = visitor.send(Request::new("PATCH", "/api/auth/profile"));
    assert_eq!(answer.header("allow"), Some("GET, PUT"));
    let head = visitor.send(Request::new("HEAD", "/.well-known/jwks.json"));
    assert_eq!((head.status, head.body.len()), (200, 0));
}

fn bodies_that_are_too_large_or_of_another_type_are_refused(server: &Server) {
    let mut visitor = server.visitor();
    let large = json!({ "email": "x".repeat(65 * 1024) });
    refused(&visitor.post("/api/auth/login", &large), 413, "TOO_LARGE");
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let request = Request {
            body: b"{}".to_vec(),
            ..Request::new("POST", "/api/auth/login").header("Content-Type", media_type)
        };
        refused(&visitor.send(request), 415, "UNSUPPORTED_MEDIA_TYPE");
    }
}

fn every_route_refuses_bodies_that_are_not_json(server: &Server) {
    let mut user = server.user();
    let deep = "[".repeat(60_000);
    let bad: [&[u8]; 6] = [
        b"{",
        b"\xff\xfe\xfd",
        b"{\"a\":\"\xc0\x80\"}",
        b"{\"a\":1e999}",
        deep.as_bytes(),
        b"\0",
    ];
    for route in ROUTES {
        if matches!(route.body, Body::None) || route.path.starts_with("/api/v2/admin") {
            continue;
        }
        let method = METHODS
            .iter()
            .find(|(_, method)| *method == route.method)
            .unwrap()
            .0;
        let path = route
            .path
            .replace("{user_id}", &user.id)
            .replace("{kind}", "tasks");
        for body in bad {
            let request = Request {
                body: body.to_vec(),
                ..Request::new(method, &path).header("Content-Type", "application/json")
            };
            refused(&user.visitor.send(request), 400, "INVALID_JSON");
        }
        if let Body::Json(_) = route.body {
            for body in [json!([]), json!("x"), json!(null), json!(true)] {
                let request = Request::new(method, &path).json(&body);
                refused(&user.visitor.send(request), 400, "VALIDATION_ERROR");
            }
        }
    }
    assert_eq!(accepted(&user.visitor.get(&user.tasks()), 200)["count"], 0);
}

fn every_field_refuses_values_of_another_type(server: &Server) {
    let mut admin = server.admin();
    for route in ROUTES {
        let Body::Json(fields) = route.body else {
            continue;
        };
        let method = METHODS
            .iter()
            .find(|(_, method)| *method == route.method)
            .unwrap()
            .0;
        for field in fields {
            for value in [
                json!(1),
                json!(true),
                json!({ "a": 1 }),
                json!([[]]),
                json!(1e300),
            ] {
                let body = json!({ field.name: value });
                let answer = admin
                    .visitor
                    .send(Request::new(method, route.path).json(&body));
                let error = refused(&answer, 400, "VALIDATION_ERROR");
                assert!(
                    error["details"]["fields"][field.name].is_string(),
                    "{error}"
                );
            }
            for text in ["\u{0}", "a\u{7}", "\u{1b}[31m", "x\r\ny", &"x".repeat(5000)] {
                let body = json!({ field.name: text });
                let answer = admin
                    .visitor
                    .send(Request::new(method, route.path).json(&body));
                assert_eq!(answer.status, 400, "{method} {} {}", route.path, field.name);
            }
        }
    }
}

fn duplicate_headers_are_refused(server: &Server) {
    let user = server.user();
    let session = Request::new("GET", "/api/v2/auth/session");
    let bearer = format!("Bearer {}", user.token);
    let twice = session
        .clone()
        .header("Authorization", &bearer)
        .header("Authorization", "Bearer x");
    refused(&server.visitor().send(twice), 400, "DUPLICATE_HEADER");
    let twice = session
        .header("X-User-ID", &user.id)
        .header("X-User-ID", &user.id);
    refused(&server.visitor().send(twice), 400, "DUPLICATE_HEADER");
    let host = server.address.to_string();
    let twice = Request::new("GET", "/login")
        .header("Host", &host)
        .header("Host", "evil.example");
    refused(&server.visitor().send(twice), 400, "DUPLICATE_HEADER");
}

/// Sends `bytes` as they are and returns what comes back, if it is an answer.
fn raw(server: &Server, bytes: &[u8]) -> Option<Response> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // The server may close a connection that it cannot read from.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut answer);
    Response::parse(&answer)
}

fn half_requests_and_clients_that_leave_do_no_harm(server: &Server) {
    let host = server.address;
    let email = fresh_email();
    for bytes in [
        String::new(),
        "GET".to_owned(),
        "GET / HTTP/1.1\r\n".to_owned(),
        "\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
        format!("POST /api/auth/login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n{{"),
        format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        ),
        format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\
             Content-Length: 3\r\n\r\n{{}}}}"
        ),
        "GET /login HTTP/1.1\r\n\r\n".to_owned(),
        format!(
            "GET /login HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n",
            "x".repeat(70_000)
        ),
        format!(
            "GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "x".repeat(70_000)
        ),
    ] {
        if let Some(answer) = raw(server, bytes.as_bytes()) {
            assert!(
                (400..500).contains(&answer.status),
                "{} for {bytes:.60}",
                answer.status
            );
        }
    }
    // A client that leaves after it has sent everything: the change is made, or it is not.
    let body = json!({ "email": email }).to_string();
    let request = format!(
        "POST /api/v2/auth/magic-link/request HTTP/1.1\r\nHost: {host}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    drop(
        TcpStream::connect(host)
            .unwrap()
            .write_all(request.as_bytes()),
    );
    accepted(&server.visitor().get("/healthz"), 200);
}

fn a_log_line_cannot_be_forged_by_a_client(server: &Server) {
    let mut visitor = server.visitor();
    let name = "Eve\u{2028}2026-01-01 ERROR forged";
    let body =
        json!({ "email": fresh_email(), "name": name, "password": crate::fixture::PASSWORD });
    let request = Request::new("POST", "/api/auth/register").json(&body);
    visitor.send(request.header("User-Agent", "agent \u{9b}31m forged-agent"));
    let request = Request::new("GET", "/%0a2026-01-01%20ERROR%20forged-path");
    refused(&visitor.send(request), 404, "NOT_FOUND");
    let log = server.log();
    assert!(!log.contains("forged"), "{log}");
}
