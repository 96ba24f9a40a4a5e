//! What is measured.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nightlatch_core::crypto::kdf::{Argon2Params, argon2id};
use nightlatch_server::client::Request;
use serde_json::json;

use crate::Options;
use crate::database::{self, Database, Kind, MODEL, cookie};
use crate::fixture::{PASSWORD, Server, User};
use crate::load::{self, Outcome, Until};
use crate::processes::Watched;
use crate::table::{self, refusals, short};

/// At how many accounts the cases are run that change something, and how many sessions are revoked.
const MANY: u64 = 100_000;
/// How many people sign in at once.
const AT_ONCE: [u64; 2] = [100, 300];
/// How many others start something each second meanwhile, of each kind.
const MEANWHILE: u32 = 20;

struct Bench<'a> {
    options: &'a Options,
    server: &'a Server,
    watched: Watched,
    /// How many accounts there are.
    size: u64,
    /// The next number of an address or an email that was not used yet.
    fresh: AtomicU64,
}

/// Measures everything on a server with an empty database.
pub fn run(options: &Options, server: &Server, mut database: Database, leader: Option<u32>) {
    let directory = server.data.display().to_string();
    let mut bench = Bench {
        options,
        server,
        watched: Watched::program_with(&directory, leader),
        size: 0,
        fresh: AtomicU64::new(0),
    };
    let at_start = bench.watched.resident();
    let admin = server.admin();
    let body = json!({ "email": MODEL, "name": "Ann", "password": PASSWORD });
    let model = server.visitor().post("/api/auth/register", &body);
    let bearer = model.json()["access_token"].as_str().unwrap().to_owned();
    println!("resident before the first request: {at_start:.1} MiB");
    table::head();
    let sizes = &options.sizes;
    let full = if sizes.contains(&MANY) {
        MANY
    } else {
        sizes.last().copied().unwrap_or_default()
    };
    for &size in sizes {
        database.fill(Kind::User, bench.size..size);
        bench.size = size;
        println!("{size} accounts, each with a live session");
        let wants = |case| crate::wants(options.only.as_ref(), case);
        if wants("check") {
            bench.check(&bearer);
        }
        if wants("lookup") {
            bench.look_up(&admin);
        }
        if size != full {
            continue;
        }
        if wants("activity") {
            bench.activity();
        }
        if wants("guest") {
            bench.guests();
        }
        if wants("sign-in") {
            bench.sign_ins();
        }
        if wants("at-once") {
            for count in AT_ONCE {
                bench.at_once(count);
            }
        }
        if wants("revoke") {
            bench.revoke(&admin, &mut database);
        }
    }
}

impl Bench<'_> {
    fn fresh(&self) -> u64 {
        self.fresh.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs a case for as long as is asked, after a fifth of that to warm up, and prints it.
    fn measure(&self, name: &str, clients: usize, request: &(impl Fn(u64) -> String + Sync)) {
        let address = self.server.address;
        let warm_up = Until::Time(self.options.duration / 5);
        load::run(address, clients, warm_up, None, request);
        let before = self.watched.used();
        let until = Until::Time(self.options.duration);
        let outcome = load::run(address, clients, until, None, request);
        let used = [before, self.watched.used()];
        table::line(&format!("  {name}"), &outcome, used, self.watched);
    }

    /// A request with one of the sessions, each in its turn, in an order that jumps about.
    fn with_session(&self, line: &str) -> impl Fn(u64) -> String {
        let (line, size) = (line.to_owned(), self.size);
        let (address, turn) = (self.server.address, AtomicU64::new(0));
        move |_| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            let cookie = cookie(Kind::User, turn.wrapping_mul(7919) % size);
            format!("{line} HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n")
        }
    }

    /// A request with a body, from an address that was not used before, in another network than the
    /// one before it.
    fn post(&self, path: &str, body: &str) -> String {
        let [_, b, c, d] = u32::try_from(self.fresh()).unwrap().to_be_bytes();
        let (address, length) = (self.server.address, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-For: 10.{d}.{c}.{b}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    fn check(&self, bearer: &str) {
        let clients = self.options.connections;
        let request = self.with_session("GET /api/v2/auth/session");
        self.measure("check, by cookie", clients, &request);
        let address = self.server.address;
        let text = format!(
            "GET /api/v2/auth/session HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: Bearer {bearer}\r\n\r\n"
        );
        self.measure("check, by access token", clients, &|_| text.clone());
    }

    fn look_up(&self, admin: &User) {
        let cookies = admin.visitor.browser.cookie_header().unwrap();
        let (address, size) = (self.server.address, self.size);
        let request = |number: u64| {
            let email = database::email(number.wrapping_mul(7919) % size);
            format!(
                "GET /api/v2/users/lookup?email={email} HTTP/1.1\r\nHost: {address}\r\n\
                 Cookie: {cookies}\r\n\r\n"
            )
        };
        self.measure("lookup, one client", 1, &request);
    }

    fn activity(&self) {
        let clients = self.options.connections;
        let request = self.with_session("GET /api/auth/profile");
        self.measure("check and touch, by cookie", clients, &request);
        let request = self.with_session("POST /api/v2/auth/session/refresh");
        self.measure("refresh", clients, &request);
    }

    fn guests(&self) {
        let request = |_| self.post("/api/v2/auth/anonymous", "{}");
        self.measure("guest begins", self.options.connections, &request);
    }

    /// The sign-in of a person who did not sign in before.
    fn sign_in(&self) -> String {
        let email = database::email(self.fresh() % self.size);
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        self.post("/api/auth/login", &body)
    }

    fn sign_ins(&self) {
        let request = |_| self.sign_in();
        self.measure("sign-in", self.options.connections, &request);
        // One by one, in turn with a hash of the same cost here.
        let rounds = if self.options.is_whole { 40 } else { 1 };
        let (mut hashes, mut sign_ins) = (Vec::new(), Vec::new());
        let here = Watched::this();
        let mut cost = [Duration::ZERO; 2];
        let before = self.watched.used();
        for _ in 0..rounds {
            let (start, spent) = (Instant::now(), here.used());
            argon2id(PASSWORD.as_bytes(), &[7; 16], Argon2Params::DEFAULT).unwrap();
            hashes.push(start.elapsed());
            cost[0] += here.used().server.saturating_sub(spent.server);
            let once = load::run(self.server.address, 1, Until::Count(1), None, &request);
            assert_eq!(once.statuses.get(&200), Some(&1), "{:?}", once.statuses);
            sign_ins.extend(once.latencies);
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            times[times.len() / 2]
        };
        cost[1] = self.watched.used().server.saturating_sub(before.server);
        let [hash_cost, cost] = cost.map(|cost| cost / rounds);
        let (hash, sign_in) = (median(&mut hashes), median(&mut sign_ins));
        let row = |what, whole: Duration, hash| {
            let (all, rest) = (short(whole), short(whole.saturating_sub(hash)));
            println!("  {what}: {all}, its hash {}, the rest {rest}", short(hash));
        };
        row("one sign-in at a time, median", sign_in, hash);
        row("the same in processor time", cost, hash_cost);
    }

    /// So many people sign in at once, while others ask for links, begin as guests and refresh.
    fn at_once(&self, count: u64) {
        let over: &'static AtomicBool = Box::leak(Box::default());
        let (address, size) = (self.server.address, self.size);
        let link = |_| {
            let email = format!("link{}@example.com", self.fresh());
            let body = json!({ "email": email }).to_string();
            self.post("/api/v2/auth/magic-link/request", &body)
        };
        let guest = |_| self.post("/api/v2/auth/anonymous", "{}");
        let refresh = |_| {
            let cookie = cookie(Kind::User, self.fresh() % size);
            format!("POST /api/v2/auth/session/refresh HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n")
        };
        let others: [(&str, &(dyn Fn(u64) -> String + Sync)); 3] =
            [("link", &link), ("guest", &guest), ("refresh", &refresh)];
        let clients = 10;
        let pace = Some(Duration::from_secs(1) * clients / MEANWHILE);
        let (sign_ins, others) = std::thread::scope(|scope| {
            let running = others.map(|(name, request)| {
                let load = move || load::run(address, 10, Until::Set(over), pace, &request);
                (name, scope.spawn(load))
            });
            let clients = usize::try_from(count).unwrap();
            let request = |_| self.sign_in();
            let sign_ins = load::run(address, clients, Until::Count(count), None, &request);
            over.store(true, Ordering::Relaxed);
            let others = running.map(|(name, thread)| (name, thread.join().unwrap()));
            (sign_ins, others)
        });
        println!(
            "  {count} sign-ins at once: {} accepted{}; all answered within {}",
            sign_ins.statuses.get(&200).unwrap_or(&0),
            refusals(&sign_ins),
            short(sign_ins.elapsed)
        );
        let show = |name: &str, outcome: &Outcome| {
            println!(
                "    {name:<8} {:>5} answers, p50 {}, p90 {}, p99 {}{}",
                outcome.count(),
                short(outcome.percentile(50)),
                short(outcome.percentile(90)),
                short(outcome.percentile(99)),
                refusals(outcome)
            );
        };
        show("sign-in", &sign_ins);
        for (name, outcome) in others {
            show(name, &outcome);
        }
    }

    /// The andon cord for guests, beside the sessions of users.
    fn revoke(&self, admin: &User, database: &mut Database) {
        let count = self.size.min(MANY);
        database.fill(Kind::Guest, 0..count);
        let body = json!({ "scope": "all_anonymous", "reason": "a bench" });
        let request = Request::new("POST", "/api/v2/admin/sessions/revoke").json(&body);
        let (start, before) = (Instant::now(), self.watched.used());
        let answer = admin.visitor.clone().send(request);
        let (elapsed, after) = (start.elapsed(), self.watched.used());
        let [server, database] = [
            after.server.saturating_sub(before.server),
            after.database.saturating_sub(before.database),
        ];
        let revoked = answer.json()["revoked_count"].as_u64().unwrap();
        let until = Until::Count(1);
        let check = |_| {
            let (address, cookie) = (self.server.address, cookie(Kind::Guest, count / 2));
            format!("GET /api/v2/auth/session HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n")
        };
        let refused = load::run(self.server.address, 1, until, None, &check);
        assert_eq!(refused.statuses.get(&403), Some(&1));
        println!(
            "  revocation of {revoked} sessions: {}, processor time {} and {} of the database",
            short(elapsed),
            short(server),
            short(database)
        );
    }
}
