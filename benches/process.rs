//! Whole processes, as a shell sees them: `status`, `extend`, `exec -- true`, secrets and `login` against a spawn
//! of `true`, turn by turn in one run, so that a machine that slows down slows both.
//!
//! `cargo bench --bench process` prints medians and their ratios to `true`. A ratio is worth
//! quoting, an absolute time is not. `-- --side-by-side` adds other programs, as far as they are
//! installed: it installs nothing, and says what is missing. `-- --program FILE` measures another
//! build. Results and what they mean: docs/performance.md.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used
)] // a bench

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EMAIL: &str = "bench@example.com";
const PASSWORD: &[u8] = b"seven brass kettles on a fence";
/// By its path, as ours: not looked for first.
const TRUE: &str = "/bin/true";
const ROUNDS: usize = 300;
const LOGIN_ROUNDS: usize = 15;

const QUICK: [&[&str]; 8] = [
    &["status", "--check"],
    &["status", "--prompt"],
    &["status", "--json"],
    &["extend"],
    &["exec", "--no-extend", "--", "true"],
    &["exec", "--", "true"],
    &["exec", "--secret", "bench=BENCH", "--", "true"],
    &["secret", "get", "bench"],
];
/// How many secrets there are for the last rows.
const MANY: usize = 10_000;
const IMPORTED: usize = 1_000;
const LOGIN: &[&str] = &["login", "--password-stdin"];

/// What other programs are asked for that is nearest to ours, and how to get them.
const OTHERS: [(&[&str], &str); 7] = [
    (
        &["sudo", "-n", "true"],
        "apt install sudo; sudo -v first, but for root",
    ),
    (
        &["sudo", "-n", "-v"],
        "apt install sudo; sudo -v first, but for root",
    ),
    (
        &["sudo-rs", "-n", "true"],
        "apt install sudo-rs, or build it",
    ),
    (
        &["keyctl", "pipe", "%user:nightlatch-bench"],
        "apt install keyutils",
    ),
    (&["gpg-connect-agent", "/bye"], "apt install gpg-agent"),
    (
        &[
            "gpg",
            "--batch",
            "--passphrase=",
            "--local-user=bench",
            "--output=-",
            "--sign",
            "/dev/null",
        ],
        "apt install gpg gpg-agent",
    ),
    (
        &["rbw", "unlocked"],
        "apt install rbw, or cargo install rbw; rbw unlock first",
    ),
];

fn main() {
    // `cargo test --benches` runs this too, with one round, to see that it works.
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let rounds = |full: usize| if has("--bench") { full } else { 1 };
    let program = arguments
        .iter()
        .skip_while(|argument| *argument != "--program")
        .nth(1);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let bench = Bench {
        home: scratch.path().to_owned(),
        program: program
            .map_or(env!("CARGO_BIN_EXE_nightlatch"), |program| program)
            .to_owned(),
    };
    bench.nightlatch(&["register", EMAIL, "--password-stdin"]);
    bench.nightlatch(LOGIN);
    bench.import(&["bench=correct-horse-battery-staple".to_owned()]);

    println!(
        "{:<40} {:>10} {:>10} {:>7}",
        "command", "median", "true", "ratio"
    );
    for arguments in QUICK {
        bench.report(&arguments.join(" "), rounds(ROUNDS), || {
            bench.nightlatch(arguments)
        });
    }
    bench.report(&LOGIN.join(" "), rounds(LOGIN_ROUNDS), || {
        bench.nightlatch(LOGIN)
    });
    bench.many_secrets(rounds(LOGIN_ROUNDS));
    if has("--side-by-side") {
        bench.side_by_side(rounds(ROUNDS));
    }
    bench.nightlatch(&["logout", "--all"]);
}

struct Bench {
    home: PathBuf,
    program: String,
}

impl Bench {
    /// Times `work` and a spawn of `true`, turn by turn.
    fn report(&self, name: &str, rounds: usize, mut work: impl FnMut() -> bool) {
        let (mut ours, mut trues) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            trues.push(timed(|| self.spawn(&[TRUE], None)));
            ours.push(timed(&mut work));
        }
        let (ours, trues) = (median(ours), median(trues));
        let ratio = ours.as_secs_f64() / trues.as_secs_f64();
        println!("{name:<40} {ours:>10.2?} {trues:>10.2?} {ratio:>7.2}");
    }

    /// An import, and what listing and reading cost with many secrets.
    fn many_secrets(&self, rounds: usize) {
        let lines = |numbers: std::ops::Range<usize>| -> Vec<String> {
            numbers
                .map(|number| format!("MANY_{number}=value-{number}"))
                .collect()
        };
        let first = lines(0..IMPORTED);
        self.report("secret import, 1,000 secrets", 1, || self.import(&first));
        self.import(&lines(IMPORTED..MANY));
        for arguments in [&["secret", "list"][..], &["secret", "get", "bench"]] {
            let name = format!("{}, {MANY} secrets", arguments.join(" "));
            self.report(&name, rounds, || self.nightlatch(arguments));
        }
    }

    fn import(&self, lines: &[String]) -> bool {
        let command = [&*self.program, "secret", "import", "--format", "env"];
        let text = format!("{}\n", lines.join("\n"));
        assert!(self.spawn(&command, Some(text.as_bytes())), "import failed");
        true
    }

    fn side_by_side(&self, rounds: usize) {
        // A key each, that asks for nothing.
        self.spawn(
            &["keyctl", "add", "user", "nightlatch-bench", "x", "@u"],
            None,
        );
        self.spawn(
            &[
                "gpg",
                "--batch",
                "--passphrase=",
                "--quick-generate-key",
                "bench",
            ],
            None,
        );
        for (command, how) in OTHERS {
            let name = command.join(" ");
            if self.spawn(command, None) {
                self.report(&name, rounds, || self.spawn(command, None));
            } else {
                println!("{name:<40} not measured: {how}");
            }
        }
        self.spawn(&["keyctl", "purge", "-s", "user", "nightlatch-bench"], None);
        self.spawn(&["gpgconf", "--kill", "all"], None);
    }

    fn nightlatch(&self, arguments: &[&str]) -> bool {
        let command = [&[&*self.program][..], arguments].concat();
        let input = arguments.contains(&"--password-stdin").then_some(PASSWORD);
        assert!(self.spawn(&command, input), "{command:?} failed");
        true
    }

    /// Whether the command is there, and succeeds.
    fn spawn(&self, command: &[&str], input: Option<&[u8]>) -> bool {
        let stdin = if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let child = Command::new(command[0])
            .args(&command[1..])
            .env("NIGHTLATCH_HOME", self.home.join("home"))
            .env("GNUPGHOME", &self.home)
            // Cargo's own, where every dynamic program would look for its libraries first.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else { return false };
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(input).expect("the program reads");
        }
        child.wait().expect("the program ends").success()
    }
}

fn timed(work: impl FnOnce() -> bool) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
