//! Whole processes, as a shell sees them: `status`, `exec -- true` and `login` against a spawn of
//! `true`, turn by turn in one run, so that a machine that slows down slows both.
//!
//! `cargo bench --bench process` prints medians and their ratios to `true`. A ratio is worth
//! quoting, an absolute time is not. Results and what they mean: docs/performance.md.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used
)] // a bench

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EMAIL: &str = "bench@example.com";
const PASSWORD: &[u8] = b"seven brass kettles on a fence";
const ROUNDS: usize = 200;
const LOGIN_ROUNDS: usize = 15;

/// What is timed: its name, its arguments, and whether it takes the password.
struct Subject {
    name: &'static str,
    arguments: &'static [&'static str],
    password: bool,
}

const QUICK: &[Subject] = &[
    Subject {
        name: "status --check",
        arguments: &["status", "--check"],
        password: false,
    },
    Subject {
        name: "status --json",
        arguments: &["status", "--json"],
        password: false,
    },
    Subject {
        name: "extend",
        arguments: &["extend"],
        password: false,
    },
    Subject {
        name: "exec -- true",
        arguments: &["exec", "--", "true"],
        password: false,
    },
];

const LOGIN: Subject = Subject {
    name: "login",
    arguments: &["login", "--password-stdin"],
    password: true,
};

fn main() {
    // `cargo test --benches` runs this too, with one round, to see that it works.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let rounds = |full: usize| if measuring { full } else { 1 };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let bench = Bench {
        home: scratch.path().join("home"),
    };
    bench.run(&["register", EMAIL, "--password-stdin"], true);
    bench.run(LOGIN.arguments, true);

    println!(
        "{:<16} {:>10} {:>10} {:>7}",
        "command", "median", "true", "ratio"
    );
    for subject in QUICK {
        bench.report(subject, rounds(ROUNDS));
    }
    bench.report(&LOGIN, rounds(LOGIN_ROUNDS));
    bench.run(&["logout", "--all"], false);
}

struct Bench {
    home: PathBuf,
}

impl Bench {
    fn report(&self, subject: &Subject, rounds: usize) {
        let (mut ours, mut trues) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            trues.push(timed(|| spawn(Path::new("true"), &[], None)));
            ours.push(timed(|| self.run(subject.arguments, subject.password)));
        }
        let (ours, trues) = (median(ours), median(trues));
        let ratio = ours.as_secs_f64() / trues.as_secs_f64();
        println!(
            "{:<16} {ours:>10.2?} {trues:>10.2?} {ratio:>7.2}",
            subject.name
        );
    }

    fn run(&self, arguments: &[&str], password: bool) {
        let home = self.home.to_str().expect("a UTF-8 path");
        let all = [&["--quiet", "--home", home][..], arguments].concat();
        let input = password.then_some(PASSWORD);
        spawn(Path::new(env!("CARGO_BIN_EXE_nightlatch")), &all, input);
    }
}

fn spawn(program: &Path, arguments: &[&str], input: Option<&[u8]>) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program starts");
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input).expect("the program reads");
    }
    let status = child.wait().expect("the program ends");
    assert!(
        status.success(),
        "{} {arguments:?} ended with {status}",
        program.display()
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
