//! Starting, watching, configuring and stopping the server (row 18).

use std::process::Output;

use nightlatch_server::client::Request;
use serde_json::json;

use crate::fixture::{
    PASSWORD, Server, accepted, fresh_email, on_both, program, refused, with_input,
};

on_both! {
    health_readiness_metrics_and_the_description_are_there
    the_setup_link_makes_the_first_administrator_once
}

fn health_readiness_metrics_and_the_description_are_there(server: &Server) {
    let mut visitor = server.visitor();
    accepted(&visitor.get("/healthz"), 200);
    accepted(&visitor.get("/readyz"), 200);
    let described = accepted(&visitor.get("/openapi.json"), 200);
    assert_eq!(described["openapi"], "3.1.0");
    assert!(described["paths"]["/api/auth/login"]["post"].is_object());
    // From another machine, as the proxy says, there are no metrics.
    refused(&visitor.get("/metrics"), 404, "NOT_FOUND");
    let metrics = Request::new("GET", "/metrics");
    for forwarded in ["\u{e9}", "unknown", ""] {
        let hidden = metrics.clone().header("X-Forwarded-For", forwarded);
        refused(&hidden.send(server.address).unwrap(), 404, "NOT_FOUND");
    }
    let text = server.metrics();
    for name in [
        "nightlatch_requests_total{",
        "nightlatch_request_seconds_bucket{",
        "nightlatch_sessions_live{",
        "nightlatch_sealer_lag_seconds ",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

fn the_setup_link_makes_the_first_administrator_once(_: &Server) {
    // Of its own, because the shared ones have administrators.
    let server = Server::start("", &[]);
    let link = std::fs::read_to_string(server.data.join("setup-link")).unwrap();
    let token = link.trim().rsplit_once('/').unwrap().1;
    let body = |password: &str| json!({ "token": token, "email": fresh_email(), "name": "Root", "password": password });
    let mut admin = server.visitor();
    // A mistake does not use the link up.
    refused(
        &admin.post("/api/v2/auth/setup", &body("short")),
        400,
        "VALIDATION_ERROR",
    );
    let made = accepted(&admin.post("/api/v2/auth/setup", &body(PASSWORD)), 201);
    assert_eq!(made["user"]["is_admin"], true);
    let again = server.visitor().post("/api/v2/auth/setup", &body(PASSWORD));
    assert!([400, 409].contains(&again.status), "{}", again.json());
    let found = admin.get("/api/v2/users/lookup?email=nobody@example.com");
    assert_eq!(accepted(&found, 200)["found"], false);
}

#[test]
fn sigterm_drains_and_the_sealed_log_verifies() {
    let mut server = Server::start("", &[]);
    let user = server.user();
    assert_eq!(server.stop(), "ended with 0\n");
    assert!(
        server
            .audit(&["verify"])
            .starts_with("Verified: no tampering found")
    );
    assert_eq!(server.audit(&["fingerprint"]).trim().len(), 64);
    let events = server.audit(&["list"]);
    assert!(events.contains(&user.email), "{events}");
    assert!(!events.contains(PASSWORD) && !events.contains(&user.token));
}

#[test]
fn every_reading_of_the_log_is_recorded_in_it() {
    let server = Server::start("", &[]);
    let (mut admin, user) = (server.admin(), server.user());
    server.wait_for_event(&user.email);
    // By the operator, beside the running server.
    assert!(!server.audit(&["list"]).contains("AUDIT_READ"));
    let again = server.audit(&["list"]);
    assert_eq!(again.matches("AUDIT_READ").count(), 1, "{again}");
    // By an administrator, who is named.
    assert_eq!(admin.visitor.get("/audit").status, 200);
    server.wait_for_event("\"what\":\"log\"");
    let events = server.audit(&["list"]);
    let read = events.lines().find(|line| line.contains("ADMIN_READ"));
    assert!(read.unwrap().contains(&admin.email), "{events}");
    // Nobody else may, and a copy is left as it is.
    let log = server.data.join("audit");
    let copy = ["list", "--dir", log.to_str().unwrap()];
    let before = server.audit(&copy);
    assert_eq!(server.audit(&copy), before);
    assert!(server.audit(&["verify"]).starts_with("Verified"));
}

#[test]
fn no_secret_is_logged_or_kept_in_the_clear() {
    let mut server = Server::start("", &[]);
    let (mut user, guest) = (server.user(), server.guest());
    let email = fresh_email();
    let request = json!({ "email": email });
    accepted(
        &user
            .visitor
            .post("/api/v2/auth/magic-link/request", &request),
        202,
    );
    let link = server.mailed_token(&email);
    let cookie = user.visitor.browser.cookie_header().unwrap();
    let session = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(server.stop(), "ended with 0\n");
    let mut files = vec![server.data.parent().unwrap().join("log")];
    for directory in [
        server.data.clone(),
        server.data.join("audit"),
        server.data.join("seal"),
    ] {
        if directory.is_dir() {
            files.extend(crate::fixture::files(&directory));
        }
    }
    for file in files.iter().filter(|file| file.is_file()) {
        let content = std::fs::read(file).unwrap();
        for secret in [PASSWORD, session, &user.token, &link] {
            let is_there = content
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!is_there, "{secret} in {}", file.display());
        }
    }
    // A guest's id is its secret: no log says it outside of the sealed one.
    assert!(!server.log().contains(&guest.id));
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

#[test]
fn the_configuration_is_checked_and_shown() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("config.toml");
    let config = |content: &str, command: &str| {
        std::fs::write(&file, content).unwrap();
        run(&[
            "--config",
            file.to_str().unwrap(),
            "--data",
            "/nowhere",
            "config",
            command,
        ])
    };
    let good = config(
        "listen = \"127.0.0.1:9\"\n[session]\nidle = \"5m\"\n",
        "show",
    );
    let shown = String::from_utf8(good.stdout).unwrap();
    assert!(
        shown.contains("listen = \"127.0.0.1:9\"") && shown.contains("idle = \"5m\""),
        "{shown}"
    );
    // What is shown is a configuration again.
    let again = config(&shown, "show");
    assert_eq!(String::from_utf8(again.stdout).unwrap(), shown);
    let bad = config("lisen = \"127.0.0.1:9\"\n", "check");
    let told = String::from_utf8(bad.stderr).unwrap();
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        told.contains("line 1: unknown key \"lisen\" (did you mean \"listen\"?)"),
        "{told}"
    );
    let open = config("listen = \"0.0.0.0:80\"\n", "check");
    let told = String::from_utf8(open.stderr).unwrap();
    assert!(told.contains("in the clear"), "{told}");
    let password = run(&[
        "--database",
        "postgres://app:secret@db/app",
        "config",
        "show",
    ]);
    let told = String::from_utf8(password.stderr).unwrap();
    assert!(
        told.contains("without a password") && !told.contains("secret"),
        "{told}"
    );
}

#[test]
fn an_administrator_is_created_and_disabled_by_the_operator() {
    let server = Server::start("", &[]);
    let mut admin = server.admin();
    let lookup = "/api/v2/users/lookup?email=nobody@example.com";
    accepted(&admin.visitor.get(lookup), 200);
    let data = server.data.to_str().unwrap();
    let disabled = run(&["--data", data, "admin", "disable", &admin.email]);
    assert!(disabled.status.success(), "{disabled:?}");
    assert!([401, 403].contains(&admin.visitor.get(lookup).status));
    let again = run(&["--data", data, "admin", "disable", &admin.email]);
    assert_eq!(again.status.code(), Some(1));
    let weak = with_input(
        program().args([
            "--data",
            data,
            "admin",
            "create",
            "a@example.com",
            "--password-stdin",
        ]),
        "short",
    );
    assert_eq!(weak.status.code(), Some(1));
    let longest = format!("{PASSWORD}{}", "x1!Q".repeat(256));
    for (password, is_taken) in [
        (&longest[..1024], true),
        (&longest[..1025], false),
        // One line ending is no part of the password; another one is.
        (&*format!("{PASSWORD}\n"), false),
    ] {
        let email = fresh_email();
        let arguments = ["admin", "create", &email, "--password-stdin"];
        let made = with_input(program().args(["--data", data]).args(arguments), password);
        assert_eq!(made.status.success(), is_taken, "{made:?}");
    }
    assert!(run(&["--data", data, "migrate"]).status.success());
}

#[test]
fn with_tls_the_server_prints_its_fingerprint_and_takes_no_plain_request() {
    let config = "[tls]\nself_signed = true\n";
    let server = Server::start(config, &[]);
    let log = server.log();
    let (_, fingerprint) = log
        .split_once("certificate fingerprint (SHA-256): ")
        .unwrap();
    assert_eq!(fingerprint.lines().next().unwrap().split(':').count(), 32);
    assert!(
        Request::new("GET", "/healthz")
            .send(server.address)
            .is_err()
    );
}

#[test]
fn a_second_server_on_the_same_data_does_not_start() {
    let server = Server::start("", &[]);
    let data = server.data.to_str().unwrap();
    let second = run(&["--data", data, "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(
        told.contains("in use by another nightlatch-server"),
        "{told}"
    );
    accepted(&server.visitor().get("/readyz"), 200);
}
