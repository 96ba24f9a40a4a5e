//! Requests whose body is held back while their session ends.

use std::io::{Read, Write};
use std::net::TcpStream;

use nightlatch_server::client::{Request, Response};
use serde_json::{Value, json};

use crate::fixture::{Server, User, accepted, on_both, program, refused};

on_both! {
    a_request_whose_body_came_after_sign_out_changes_nothing
    a_request_whose_body_came_after_a_revocation_changes_nothing
    an_administrator_who_was_disabled_while_the_body_was_held_back_revokes_nothing
}

/// A request that the server has begun to read, without its body.
struct Held {
    stream: TcpStream,
    body: String,
}

impl Held {
    fn begin(server: &Server, user: &User, method: &str, path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\
             Expect: 100-continue\r\n\r\n",
            server.address,
            user.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server asks for the body once it waits for nothing else.
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).unwrap();
        assert_eq!(asked.as_slice(), b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    fn finish(mut self) -> Response {
        self.stream.write_all(self.body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).unwrap();
        Response::parse(&answer).unwrap()
    }
}

fn a_request_whose_body_came_after_sign_out_changes_nothing(server: &Server) {
    let user = server.user();
    let (tasks, rename) = (user.tasks(), json!({ "name": "Eve" }));
    let task = Held::begin(server, &user, "POST", &tasks, &json!({ "title": "late" }));
    let rename = Held::begin(server, &user, "PUT", "/api/auth/profile", &rename);
    accepted(
        &user.with_token(Request::new("POST", "/api/auth/logout")),
        200,
    );
    for held in [task, rename] {
        refused(&held.finish(), 401, "UNAUTHORIZED");
    }
}

fn a_request_whose_body_came_after_a_revocation_changes_nothing(server: &Server) {
    let (mut admin, user) = (server.admin(), server.user());
    let task = json!({ "title": "late" });
    let held = Held::begin(server, &user, "POST", &user.tasks(), &task);
    let cord = json!({ "scope": "specific", "user_ids": [user.id], "reason": "stolen" });
    let revoke = "/api/v2/admin/sessions/revoke";
    accepted(&admin.visitor.post(revoke, &cord), 200);
    refused(&held.finish(), 403, "SESSION_REVOKED");
}

fn an_administrator_who_was_disabled_while_the_body_was_held_back_revokes_nothing(server: &Server) {
    let (admin, mut user) = (server.admin(), server.user());
    let cord = json!({ "scope": "specific", "user_ids": [user.id], "reason": "late" });
    let revoke = "/api/v2/admin/sessions/revoke";
    let held = Held::begin(server, &admin, "POST", revoke, &cord);
    let config = server.data.parent().unwrap().join("config.toml");
    let mut disable = program();
    let disable = disable.arg("--config").arg(config).arg("--data");
    let disable = disable.arg(&server.data);
    let output = disable.args(["admin", "disable", &admin.email]).output();
    assert!(output.unwrap().status.success());
    assert!([401, 403].contains(&held.finish().status));
    accepted(&user.visitor.get("/api/v2/auth/session"), 200);
}
