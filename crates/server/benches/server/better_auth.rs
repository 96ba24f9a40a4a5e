//! Better Auth, asked for the same.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::Options;
use crate::fixture::PASSWORD;
use crate::load::{self, Until};
use crate::processes::Watched;
use crate::table;

/// How many sessions it has.
const SESSIONS: usize = 1000;

/// Installs it, if it is not, and measures its check and its sign-in.
pub fn run(options: &Options) {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("better-auth");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/better-auth");
    std::fs::create_dir_all(&home).unwrap();
    for file in ["package.json", "server.mjs"] {
        std::fs::copy(source.join(file), home.join(file)).unwrap();
    }
    let install = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
    let installed = Command::new("npm")
        .args(install)
        .current_dir(&home)
        .stdout(Stdio::null())
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        println!("*** SKIPPED: npm could not install it ***");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().display().to_string();
    let mut node = Command::new("node")
        .arg(home.join("server.mjs"))
        .args([directory.clone(), SESSIONS.to_string()])
        .env("NODE_ENV", "production")
        .env("BENCH_PASSWORD", PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = node.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let (_, address) = line.trim().rsplit_once("//").expect("Better Auth starts");
    let address = address.parse().unwrap();
    let cookies = std::fs::read_to_string(scratch.path().join("cookies")).unwrap();
    let cookies: Vec<&str> = cookies.lines().collect();
    let watched = Watched::program_with(&directory, None);
    let check = |number: u64| {
        let cookie = cookies[usize::try_from(number).unwrap() % SESSIONS];
        format!("GET /api/auth/get-session HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n")
    };
    let body = json!({ "email": "u0@example.com", "password": PASSWORD }).to_string();
    let length = body.len();
    let sign_in = |_| {
        format!(
            "POST /api/auth/sign-in/email HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let cases: [(&str, &(dyn Fn(u64) -> String + Sync)); 2] =
        [("check, by cookie", &check), ("sign-in", &sign_in)];
    table::head();
    for (name, request) in cases {
        let clients = options.connections;
        let warm_up = Until::Time(options.duration / 5);
        load::run(address, clients, warm_up, None, &request);
        let before = watched.used();
        let until = Until::Time(options.duration);
        let outcome = load::run(address, clients, until, None, &request);
        table::line(
            &format!("  {name}"),
            &outcome,
            [before, watched.used()],
            watched,
        );
    }
    drop(node.stdin.take());
    node.wait().unwrap();
}
