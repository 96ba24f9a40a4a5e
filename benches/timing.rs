//! Whether the time that a refused sign-in takes tells why: unknown email, wrong password, locked or
//! not, measured in random order and compared two by two with a rank test and a t-test.
//!
//! `cargo bench --bench timing` runs the program itself, and the library without the start of a
//! process. What the numbers mean: docs/timing.md.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used
)] // a bench

#[path = "timing/classes.rs"]
mod classes;
#[path = "timing/statistics.rs"]
mod statistics;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use classes::{CLASSES, Class, EMAILS, RIGHT, ROUNDS, WRONG, class};
use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::account::Email;
use nightlatch_local::guard::{Guard, GuardConfig, Registration, SignInError};
use rusqlite::{Connection, params};
use statistics::{Random, compare, summarize};

/// Pairs that must not be told apart, and last the one that must be.
const PAIRS: [(usize, usize); 6] = [(0, 1), (2, 3), (2, 4), (3, 4), (0, 2), (0, 5)];

fn main() {
    // `cargo test --benches` runs this too, with one round, to see that it works.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let rounds = if measuring { ROUNDS } else { 1 };
    let bench = Bench::new();
    println!("{rounds} of each, Argon2id at its cheapest, so that it hides least");
    let guard = Guard::open(GuardConfig::under(&bench.home)).expect("a guard");
    bench.report("library", rounds, |email, class| {
        in_the_library(&guard, email, class);
    });
    bench.report("program", rounds, |email, class| {
        bench.program(email, class);
    });
}

struct Bench {
    _scratch: tempfile::TempDir,
    home: PathBuf,
    /// With and without an account, and under what their failures are counted.
    emails: [Vec<(String, Vec<u8>)>; 2],
}

impl Bench {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let home = scratch.path().join("home");
        std::fs::create_dir(&home).expect("a home");
        let cheap = "[password]\nmemory_kib = 19456\npasses = 2\n";
        std::fs::write(home.join("config.toml"), cheap).expect("a configuration");
        let mut bench = Self {
            _scratch: scratch,
            home,
            emails: Default::default(),
        };
        let guard = Guard::open_or_create(GuardConfig::under(&bench.home)).expect("a guard");
        for (known, name) in [(false, "nobody"), (true, "person")] {
            for number in 0..EMAILS {
                let email = format!("{name}{number}@example.com");
                let parsed: Email = email.parse().expect("an email");
                if known {
                    // The first account vouches for the others.
                    let first = format!("{name}0@example.com").parse().expect("an email");
                    let vouched = (number > 0).then(|| guard.vouch(&first, secret(RIGHT)));
                    let vouched = vouched.transpose().expect("a proof");
                    let new = Registration::new(&parsed, secret(RIGHT));
                    let new = new.vouched_by(vouched.as_ref());
                    guard.register(new).expect("an account");
                }
                // Its first attempt makes directories, and tells its tag.
                in_the_library(&guard, &email, class("", known, WRONG, false));
                let database = bench.database();
                let tag = database.query_row("SELECT tag FROM throttle", [], |row| row.get(0));
                bench.emails[usize::from(known)].push((email, tag.expect("a tag")));
                database.execute("DELETE FROM throttle", []).expect("none");
            }
        }
        bench
    }

    fn database(&self) -> Connection {
        Connection::open(self.home.join("accounts.db")).expect("the database")
    }

    /// As many failures for every email as the class has had.
    fn prepare(&self, class: Class) {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        let now = i64::try_from(now.as_nanos()).expect("before 2262");
        let until = class.locked.then_some(now + 1_500_000_000_000);
        let count = if class.locked { 5 } else { 1 };
        let mut database = self.database();
        let all = database.transaction().expect("a transaction");
        for (_, tag) in self.emails.iter().flatten() {
            let sql = "INSERT OR REPLACE INTO throttle VALUES (?1, ?2, ?3, ?4)";
            all.execute(sql, params![tag, count, now, until])
                .expect("failures");
        }
        all.commit().expect("failures");
    }

    fn program(&self, email: &str, class: Class) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nightlatch"))
            .arg("--home")
            .arg(&self.home)
            .args(["login", email, "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin
            .write_all(class.password.as_bytes())
            .expect("it reads");
        drop(stdin);
        let code = child.wait().expect("it ends").code();
        assert_eq!(
            code,
            Some(if class.locked { 6 } else { 5 }),
            "{}",
            class.name
        );
    }

    fn report(&self, what: &str, rounds: usize, try_once: impl Fn(&str, Class)) {
        let mut times: [Vec<f64>; CLASSES.len()] = Default::default();
        let mut random = Random::new();
        for _ in 0..rounds {
            for at in random.order::<{ CLASSES.len() }>() {
                let class = CLASSES[at];
                let emails = &self.emails[usize::from(class.known)];
                let (email, _) = &emails[random.below(emails.len())];
                self.prepare(class);
                let start = Instant::now();
                if class.control {
                    // What a second look into the account directory costs.
                    let parsed: Email = email.parse().expect("an email");
                    let guard = Guard::open(GuardConfig::under(&self.home)).expect("a guard");
                    let accounts = guard.accounts().expect("a home");
                    let _ = accounts.find(&parsed).expect("a directory");
                }
                try_once(email, class);
                times[at].push(start.elapsed().as_secs_f64() * 1000.0);
            }
        }
        let names = CLASSES.map(|class| class.name);
        summarize(what, &names, &times);
        compare(&names, &times, &PAIRS);
    }
}

fn in_the_library(guard: &Guard, email: &str, class: Class) {
    let email = email.parse().expect("an email");
    let refused = guard.sign_in(&email, secret(class.password), guard.limits());
    let as_expected = match refused {
        Err(SignInError::Wrong { .. }) => !class.locked,
        Err(SignInError::Locked { .. }) => class.locked,
        _ => false,
    };
    assert!(as_expected, "{}", class.name);
}

fn secret(text: &str) -> SecretBuffer {
    let mut secret = SecretBuffer::with_capacity(text.len());
    assert!(secret.push(text.as_bytes()), "there is room");
    secret
}
