//! Whether the time that the server takes to refuse a sign-in tells why: unknown email, wrong
//! password, locked or not, measured in random order and compared two by two with a rank test and a
//! t-test.
//!
//! `cargo bench -p nightlatch-server --bench timing` runs the program itself on SQLite and sends
//! requests over loopback. What the numbers mean: docs/timing.md.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used
)] // a bench

#[path = "../../../benches/timing/classes.rs"]
mod classes;
#[path = "../../../benches/timing/statistics.rs"]
mod statistics;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime};

use classes::{CLASSES, Class, EMAILS, RIGHT, ROUNDS, WRONG};
use nightlatch_server::client::{Request, Response};
use rusqlite::{Connection, params};
use serde_json::json;
use statistics::{Random, compare, summarize};

/// Pairs with one answer, which must not be told apart, and last the one that must be.
const PAIRS: [(usize, usize); 5] = [(0, 1), (2, 3), (2, 4), (3, 4), (0, 5)];

fn main() {
    // `cargo test --benches` runs this too, with one round, to see that it works.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let rounds = if measuring { ROUNDS } else { 1 };
    println!("{rounds} of each, Argon2id at its cheapest, so that it hides least");
    let bench = Bench::new();
    let mut times: [Vec<f64>; CLASSES.len()] = Default::default();
    let mut random = Random::new();
    for _ in 0..rounds {
        for at in random.order::<{ CLASSES.len() }>() {
            let class = CLASSES[at];
            let emails = &bench.emails[usize::from(class.known)];
            let (email, _) = &emails[random.below(emails.len())];
            bench.prepare(class);
            let start = Instant::now();
            if class.control {
                bench.send(&Request::new("GET", "/api/v2/auth/session"));
            }
            let answer = bench.sign_in(email, class.password);
            times[at].push(start.elapsed().as_secs_f64() * 1000.0);
            let expected = if class.locked { 423 } else { 401 };
            assert_eq!(answer.status, expected, "{}", class.name);
        }
    }
    let names = CLASSES.map(|class| class.name);
    summarize("server", &names, &times);
    compare(&names, &times, &PAIRS);
}

struct Bench {
    _scratch: tempfile::TempDir,
    server: Child,
    address: SocketAddr,
    database: Connection,
    /// Without and with an account, and under what their failures are counted.
    emails: [Vec<(String, String)>; 2],
}

impl Bench {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let config = scratch.path().join("config.toml");
        let cheap = "[password]\nmemory_kib = 19456\npasses = 2\n";
        std::fs::write(&config, cheap).expect("a configuration");
        let data = scratch.path().join("data");
        let mut server = Command::new(env!("CARGO_BIN_EXE_nightlatch-server"))
            .arg("--config")
            .arg(&config)
            .arg("--data")
            .arg(&data)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let output = server.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().rsplit_once("://").expect("an address").1;
        let database = Connection::open(data.join("server.db")).expect("the database");
        let patience = std::time::Duration::from_secs(10);
        database.busy_timeout(patience).expect("a setting");
        let mut bench = Self {
            _scratch: scratch,
            server,
            address: address.parse().expect("an address"),
            database,
            emails: Default::default(),
        };
        for (known, name) in [(false, "nobody"), (true, "person")] {
            for number in 0..EMAILS {
                let email = format!("{name}{number}@example.com");
                if known {
                    let body = json!({ "email": email, "name": name, "password": RIGHT });
                    let request = Request::new("POST", "/api/auth/register").json(&body);
                    assert_eq!(bench.send(&request).status, 201);
                }
                bench.prepare(CLASSES[0]);
                assert_eq!(bench.sign_in(&email, WRONG).status, 401);
                let counted = "SELECT name FROM throttle WHERE name NOT LIKE 'sign-in:%'";
                let row = bench.database.query_row(counted, [], |row| row.get(0));
                bench.emails[usize::from(known)].push((email, row.expect("a failure")));
            }
        }
        bench
    }

    fn send(&self, request: &Request) -> Response {
        request.send(self.address).expect("an answer")
    }

    fn sign_in(&self, email: &str, password: &str) -> Response {
        let body = json!({ "email": email, "password": password });
        self.send(&Request::new("POST", "/api/auth/login").json(&body))
    }

    /// As many failures for every email as the class has had, and none for the address.
    fn prepare(&self, class: Class) {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        let now = i64::try_from(now.as_millis()).expect("before 2262");
        let all = self.database.unchecked_transaction();
        let all = all.expect("a transaction");
        all.execute("DELETE FROM throttle", []).expect("none");
        for (_, name) in self.emails.iter().flatten().filter(|_| class.locked) {
            let sql = "INSERT INTO throttle (name, attempts, since, locked_until) \
                       VALUES (?1, 5, ?2, ?3)";
            all.execute(sql, params![name, now, now + 900_000])
                .expect("failures");
        }
        all.commit().expect("failures");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.server.kill().expect("it runs");
        self.server.wait().expect("it ends");
    }
}
