//! The audit log against what else could be used, on the same bytes in the same run, page cache warm.
//!
//! `cargo bench --bench audit -- --events 10000000` prints a table; the default is a million. `--only
//! filter|hour|verify|appends|threads` leaves out all but one part of it. A ratio is worth quoting, an absolute
//! time is not. Programs that are not installed are left out. What was measured and what it means:
//! docs/performance.md.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::similar_names
)] // a bench

mod generator;
mod journal;
mod threads;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nightlatch_audit::AuditLog;
use nightlatch_audit::{Details, Event, EventType, LogReader, Progress, Query, Verifier};
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const NEEDLE: &str = "\"event_type\":\"LOGIN_FAILURE\"";
const WRITERS: u64 = 8;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, home, count, size] = &arguments[..]
        && let Some(writer) = Writer::of(role)
    {
        let count = count.parse().expect("a number");
        return writer.run(Path::new(home), count, size.parse().expect("a number"));
    }
    let measuring = arguments.iter().any(|argument| argument == "--bench");
    let given = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let events = match given("--events") {
        Some(count) => count.parse().expect("a number of events"),
        None if measuring => 1_000_000,
        // `cargo test --benches` runs this too, to see that it works.
        None => 2_000,
    };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let start = Instant::now();
    let home = generator::generate(&scratch.path().join("home"), events, 7);
    let bench = Bench::new(&home, scratch.path().to_owned(), events, measuring);
    println!(
        "{events} events, {} MB, {} bytes a line, generated in {:.1?}",
        bench.bytes / 1_000_000,
        bench.bytes / events,
        start.elapsed()
    );
    let only = given("--only");
    let part = |name: &str, measure: fn(&Bench)| {
        if only.is_none_or(|only| only == name) {
            measure(&bench);
        }
    };
    part("filter", Bench::filter);
    part("hour", Bench::hour);
    part("verify", Bench::verify);
    part("appends", Bench::appends);
    part("threads", |bench| {
        threads::measure(&bench.scratch, bench.measuring);
    });
}

struct Bench {
    /// Read as a copy is, so that nothing is recorded.
    log: LogReader<'static>,
    scratch: PathBuf,
    files: Vec<PathBuf>,
    bytes: u64,
    events: u64,
    measuring: bool,
}

impl Bench {
    fn new(home: &Arc<Dir>, scratch: PathBuf, events: u64, measuring: bool) -> Self {
        let directory = home.path().join("audit");
        Self {
            log: LogReader::copy(&directory).expect("the log that was made"),
            bytes: bytes_in(&directory),
            events,
            files: segments_in(&directory),
            scratch,
            measuring,
        }
    }

    /// The shortest of a few: other programs only ever make it longer.
    fn best(&self, rounds: u32, mut work: impl FnMut()) -> Duration {
        let rounds = if self.measuring { rounds } else { 1 };
        (0..rounds)
            .map(|_| timed(&mut work))
            .min()
            .unwrap_or_default()
    }

    fn line(&self, name: &str, took: Duration) {
        let speed = self.bytes as f64 / took.as_secs_f64() / 1e9;
        println!("  {name:<34} {took:>10.2?} {speed:>7.2} GB/s");
    }

    /// Runs a program over the files of the log; `None` when it is not there or fails.
    fn peer(&self, name: &str, rounds: u32, command: &[&str]) -> Option<Duration> {
        let run = || {
            // Into a pipe: grep stops at the first match when nobody can see how many there are.
            let output = Command::new(command[0])
                .args(&command[1..])
                .args(&self.files)
                .stdin(Stdio::null())
                .output();
            output.is_ok_and(|output| output.status.success())
        };
        let mut worked = true;
        let took = self.best(rounds, || worked &= run());
        if !worked {
            println!("  {name:<34} left out: not installed, or it failed");
            return None;
        }
        self.line(name, took);
        Some(took)
    }

    fn filter(&self) {
        println!("filter by type");
        let query = Query::default().types([EventType::LoginFailure]);
        let ask = || {
            drop(
                self.log
                    .list(&query, &Progress::default())
                    .expect("an answer"),
            );
        };
        let one = one_core(|| self.best(5, ask));
        self.line("nightlatch, one core", one);
        let all = self.best(5, ask);
        self.line("nightlatch, all cores", all);
        let rg = one_core(|| self.peer("rg -c, one core", 5, &["rg", "-c", "-j1", "-F", NEEDLE]));
        one_core(|| self.peer("grep -c, one core", 3, &["grep", "-c", "-F", NEEDLE]));
        let jq = "select(.event_type == \"LOGIN_FAILURE\") | .seq";
        let jq = one_core(|| self.peer("jq, one core", 1, &["jq", "-c", jq]));
        let duck = "import duckdb, sys; print(duckdb.execute(\"select count(*) from read_json(?, \
                    format='newline_delimited', columns={event_type: 'VARCHAR'}) where event_type = \
                    'LOGIN_FAILURE'\", [sys.argv[1:]]).fetchall())";
        let duck = self.peer("DuckDB, all cores", 2, &["python3", "-c", duck]);
        let sqlite = self.sqlite();
        goal("one core, at least rg's speed", rg, one, 1.0);
        goal("all cores, faster than one", Some(one), all, 1.0);
        goal("10 times jq's speed", jq, one, 10.0);
        goal("faster than DuckDB", duck, all, 1.0);
        goal("faster than SQLite", sqlite, one, 1.0);
    }

    /// A table of the lines, loaded beforehand: only the question is timed.
    fn sqlite(&self) -> Option<Duration> {
        let database = self.scratch.join("lines.db");
        let mut script = String::from(
            "create table log(line text);\n.mode ascii\n.separator \"\\037\" \"\\n\"\n",
        );
        for file in &self.files {
            script.extend([".import ", &file.to_string_lossy(), " log\n"]);
        }
        let sqlite = |input: &str| {
            use std::io::Write;
            let mut child = Command::new("sqlite3")
                .arg(&database)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .ok()?;
            child.stdin.take()?.write_all(input.as_bytes()).ok()?;
            child.wait().ok()?.success().then_some(())
        };
        if sqlite(&script).is_none() {
            println!("  sqlite3 left out: not installed, or it failed");
            return None;
        }
        let count =
            "select count(*) from log where json_extract(line, '$.event_type') = 'LOGIN_FAILURE';";
        let took = one_core(|| {
            self.best(1, || {
                let _ = sqlite(count);
            })
        });
        self.line("SQLite over loaded lines, one core", took);
        // A cache of so many bytes beside the log's own would spoil what comes next.
        std::fs::remove_file(database).expect("removed");
        Some(took)
    }

    fn hour(&self) {
        println!("one hour out of ninety days: the library's call, without a process of its own");
        let since = generator::START.plus(Duration::from_secs(
            generator::DAYS / 2 * 86_400 + 3600 * 13,
        ));
        let query = Query::default()
            .since(since)
            .until(since.plus(Duration::from_secs(3600)));
        let mut total = 0;
        let ours = self.best(50, || {
            let answer = self.log.list(&query, &Progress::default());
            total = answer.expect("an answer").answer.total;
        });
        let spawn = || drop(Command::new("/bin/true").status());
        let spawned = self.best(50, spawn);
        println!("  nightlatch, {total} events {ours:>26.2?}\n  a spawn of true {spawned:>35.2?}");
        goal("at most twice a spawn of true", Some(spawned), ours, 0.5);
    }

    fn verify(&self) {
        println!("verification, seals included");
        let directory = self.files[0].parent().expect("a directory").to_owned();
        let mut seals = 0;
        let mut run = |verifier: Verifier| {
            let verified = verifier.run(&Progress::default()).expect("a verification");
            assert!(verified.is_good(), "{:?}", verified.findings);
            seals = seals.max(verified.seals);
        };
        let verifier = |threads| Verifier::new(&directory).threads(threads);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let one = one_core(|| self.best(3, || run(verifier(1))));
        self.line("nightlatch, one core", one);
        let all = self.best(3, || run(verifier(cores)));
        self.line("nightlatch, all cores", all);
        let fast = one_core(|| self.best(3, || run(verifier(1).fast())));
        self.line("nightlatch --fast, one core", fast);
        println!("  {seals} seals");
        let openssl = ["openssl", "dgst", "-sha256"];
        let openssl = one_core(|| self.peer("openssl dgst -sha256, one core", 3, &openssl));
        goal("--fast, half of openssl's speed", openssl, fast, 0.5);
        goal("all cores, faster than one", Some(one), all, 1.0);
        let Some((took, events)) = journal::verification(&self.files, &self.scratch) else {
            return println!("  journalctl --verify left out: not installed, or it failed");
        };
        println!("  journalctl --verify, {events} events {took:>10.2?}");
        let of_all = took.mul_f64(self.events as f64 / events as f64);
        goal("twice journalctl's speed, one core", Some(of_all), one, 2.0);
    }

    fn appends(&self) {
        self.append_into_memory();
        println!("durable appends by {WRITERS} processes, round by round");
        let (rounds, each) = if self.measuring { (9, 200) } else { (1, 2) };
        let mut ratios = Vec::new();
        let mut size = 0;
        for round in 0..rounds {
            let home = |writer: Writer| self.scratch.join(format!("{}-{round}", writer.role()));
            let ours = append_with(Writer::Ours, &home(Writer::Ours), each, 0);
            // As many bytes as ours wrote, seals and all.
            size = bytes_in(&home(Writer::Ours).join("home/audit")) / (WRITERS * each);
            let plain = append_with(Writer::Plain, &home(Writer::Plain), each, size);
            println!("  nightlatch {ours:>10.2?}   plain {plain:>10.2?}");
            ratios.push(plain.as_secs_f64() / ours.as_secs_f64());
        }
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[0], ratios[rounds - 1]);
        println!("  {size} bytes an append, from {low:.2} to {high:.2} of plain appends");
        verdict("0.7 of plain appends, the median", ratios[rounds / 2], 0.7);
    }
}

impl Bench {
    /// One writer on a file system in memory, where no disk is waited for.
    fn append_into_memory(&self) {
        let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
            return println!("appends into memory left out: there is no /dev/shm");
        };
        let count: u32 = if self.measuring { 5_000 } else { 2 };
        let one = || Writer::Ours.run(memory.path(), u64::from(count), 0);
        let each = one_core(|| timed(one)) / count;
        println!("an append by one writer into memory, seal and head included: {each:.1?}");
        verdict("at most 80 µs", 80.0 / (each.as_secs_f64() * 1e6), 1.0);
    }
}

/// Has every writer append `each` times at once: how long the last of them took.
fn append_with(writer: Writer, home: &Path, each: u64, size: u64) -> Duration {
    std::fs::create_dir(home).expect("a directory");
    timed(|| {
        let children: Vec<_> = (0..WRITERS)
            .map(|_| {
                Command::new(std::env::current_exe().expect("this program"))
                    .args([writer.role(), home.to_str().expect("UTF-8")])
                    .args([each.to_string(), size.to_string()])
                    .spawn()
                    .expect("a writer")
            })
            .collect();
        for mut child in children {
            assert!(child.wait().expect("its end").success());
        }
    })
}

/// The bytes in the segments in `directory`.
fn bytes_in(directory: &Path) -> u64 {
    segments_in(directory)
        .iter()
        .map(|file| std::fs::metadata(file).expect("a file").len())
        .sum()
}

/// The segments in `directory`, in order.
fn segments_in(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the log")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|is| is == "jsonl"))
        .collect();
    files.sort();
    files
}

/// What a process does that appends.
#[derive(Clone, Copy)]
enum Writer {
    /// As the program records the use of a session, waiting for the disk each time.
    Ours,
    /// Open, lock, write, flush, and no more.
    Plain,
}

impl Writer {
    fn of(role: &str) -> Option<Self> {
        [Self::Ours, Self::Plain]
            .into_iter()
            .find(|writer| writer.role() == role)
    }

    fn role(self) -> &'static str {
        match self {
            Self::Ours => "nightlatch-appends",
            Self::Plain => "plain-appends",
        }
    }

    fn run(self, home: &Path, count: u64, size: usize) {
        use std::io::Write;
        match self {
            Self::Ours => {
                let home = Arc::new(Dir::open_or_create(&home.join("home")).expect("a home"));
                let log = AuditLog::new(home, Arc::new(SystemClock));
                for _ in 0..count {
                    let event = Event::new(Details::SessionExtended);
                    log.append_durable(&[event]).expect("appended");
                }
            }
            Self::Plain => {
                let line = vec![b'x'; size];
                for _ in 0..count {
                    let mut file = std::fs::OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(home.join("plain"))
                        .expect("a file");
                    file.lock().expect("locked");
                    file.write_all(&line).expect("written");
                    file.unlock().expect("unlocked");
                    file.sync_data().expect("flushed");
                }
            }
        }
    }
}

/// Whether `ours` reaches `share` of the speed of what took `theirs`.
fn goal(name: &str, theirs: Option<Duration>, ours: Duration, share: f64) {
    let Some(theirs) = theirs else {
        return println!("  SKIP {name}");
    };
    verdict(name, theirs.as_secs_f64() / ours.as_secs_f64(), share);
}

fn verdict(name: &str, ratio: f64, share: f64) {
    let verdict = if ratio >= share { "PASS" } else { "FAIL" };
    println!("  {verdict} {name}: {ratio:.2}");
}

/// With this process and its children on one core only.
fn one_core<T>(work: impl FnOnce() -> T) -> T {
    let all = sched_getaffinity(None).expect("the cores");
    let mut first = CpuSet::new();
    let core = (0..CpuSet::MAX_CPU).find(|&core| all.is_set(core));
    first.set(core.expect("a core"));
    sched_setaffinity(None, &first).expect("one core");
    let result = work();
    sched_setaffinity(None, &all).expect("all cores");
    result
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
