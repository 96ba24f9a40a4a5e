//! The server under load: the real program as it is released, over HTTP on loopback with connections
//! that stay open, on SQLite and, where it is installed, on PostgreSQL.
//!
//! `cargo bench -p nightlatch-server --bench server` prints a table for each database. Options come
//! after `--`:
//!
//! - `--sizes 1000,10000`: the numbers of accounts, each with a live session (default: 1,000 to
//!   1,000,000)
//! - `--database sqlite` or `postgres`: only this one
//! - `--only check` or `lookup`, `activity`, `guest`, `sign-in`, `at-once`, `revoke`: only these cases
//! - `--seconds 5`: how long each case runs
//! - `--connections 8`: how many clients there are
//! - `--better-auth`: Better Auth in the same run; installs it into the target directory with npm
//!
//! CPU time is that of the server's and the database's processes, so that it means something on a
//! machine that does other work too. Results: docs/server/performance.md.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)] // a bench

mod better_auth;
mod cases;
mod database;
#[path = "../../tests/http/fixture.rs"]
#[allow(dead_code, unused_imports, unused_macros)]
mod fixture;
mod load;
#[path = "../../tests/support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
mod processes;
mod table;

use std::time::Duration;

use database::Database;

/// What to run.
pub struct Options {
    sizes: Vec<u64>,
    database: Option<String>,
    only: Option<String>,
    duration: Duration,
    connections: usize,
    better_auth: bool,
    is_whole: bool,
}

impl Options {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let value = |flag: &str| {
            let mut rest = arguments.iter().skip_while(|argument| *argument != flag);
            rest.nth(1).cloned()
        };
        // `cargo test --benches` runs this too, to see that it works.
        let is_whole = has("--bench");
        let (sizes, seconds) = if is_whole {
            ("1000,10000,100000,1000000", "5")
        } else {
            ("100", "0.1")
        };
        let sizes = value("--sizes").unwrap_or_else(|| sizes.to_owned());
        let seconds = value("--seconds").unwrap_or_else(|| seconds.to_owned());
        let connections = value("--connections").map_or(8, |text| text.parse().unwrap());
        Self {
            sizes: sizes.split(',').map(|size| size.parse().unwrap()).collect(),
            database: value("--database"),
            only: value("--only"),
            duration: Duration::from_secs_f64(seconds.parse().unwrap()),
            connections,
            better_auth: has("--better-auth"),
            is_whole,
        }
    }
}

/// Whether something is wanted, where only `only` may be.
pub fn wants(only: Option<&String>, name: &str) -> bool {
    only.is_none_or(|only| only == name)
}

fn main() {
    let options = Options::read();
    println!("load of the machine before: {}", processes::load_average());
    if wants(options.database.as_ref(), "sqlite") {
        println!("\nSQLite");
        let server = start("");
        let file = server.data.join("server.db");
        cases::run(&options, &server, Database::sqlite(&file), None);
    }
    if options.better_auth {
        println!("\nBetter Auth on SQLite");
        better_auth::run(&options);
    }
    // As it is in production: a commit waits for the disk.
    if wants(options.database.as_ref(), "postgres")
        && let Some(cluster) = postgres::Cluster::start("on")
    {
        println!("\nPostgreSQL");
        let url = fixture::url(&cluster);
        let server = start(&format!("database = \"{url}\"\n"));
        let leader = std::fs::read_to_string(cluster.directory.join("data/postmaster.pid"));
        let leader = leader.unwrap().lines().next().unwrap().parse().unwrap();
        cases::run(&options, &server, Database::postgres(&url), Some(leader));
    }
    println!("\nload of the machine after: {}", processes::load_average());
}

/// A server with the default settings, whose clients say where they are.
fn start(settings: &str) -> fixture::Server {
    let root = tempfile::tempdir().unwrap().keep();
    let settings = format!("trusted_proxies = [\"127.0.0.0/8\"]\n{settings}");
    std::fs::write(root.join("config.toml"), settings).unwrap();
    fixture::Server::run(&root, &[])
}
