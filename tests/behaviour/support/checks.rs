//! Invariants that hold after any sequence of commands, and helpers for concurrency.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use nightlatch_audit::{Finding, Problem, Progress, Verifier};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Home, Run, files_in};

/// Longer than anything takes on a busy machine; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `act` with each number from 0 to `count`, all at the same time.
pub fn together<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (start, act) = (&start, &act);
                scope.spawn(move || {
                    start.wait();
                    act(number)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Waits until `is_so` returns `true`.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `act`, which takes at most `limit` on a machine that has nothing else to do. The time in
/// which something had to wait for a processor, a disk or memory meanwhile is allowed on top.
#[track_caller]
pub fn takes_at_most<T>(limit: Duration, act: impl FnOnce() -> T) -> T {
    let (begun, before) = (Instant::now(), stalled());
    let result = act();
    let took = begun.elapsed();
    let more = match (before, stalled()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        // The system does not tell: allow for a slow one.
        _ => limit * 4,
    };
    assert!(took <= limit + more, "{took:?}, of which {more:?} idle");
    result
}

/// For how long something has had to wait since the machine started, if the system counts it.
fn stalled() -> Option<Duration> {
    let of = |kind: &str| {
        let text = std::fs::read_to_string(format!("/proc/pressure/{kind}")).ok()?;
        // some avg10=0.00 avg60=0.00 avg300=0.00 total=1234
        let some = text.lines().find(|line| line.starts_with("some "))?;
        some.rsplit_once("total=")?.1.parse::<u64>().ok()
    };
    let [cpu, io, memory] = ["cpu", "io", "memory"].map(of);
    Some(Duration::from_micros(cpu? + io? + memory?))
}

/// Checks that verification finds nothing wrong with the log, which need not exist yet.
#[track_caller]
pub fn log_verifies(home: &Home) {
    let directory = home.path().join("audit");
    if files_in(&directory).is_empty() {
        return;
    }
    let verifier = Verifier::new(&directory);
    let mut result = verifier.run(&Progress::default()).unwrap();
    // A state alone is a log without any append.
    let is_nothing = |finding: &Finding| finding.problem == Problem::NoLog;
    result.findings.retain(|finding| !is_nothing(finding));
    assert!(result.is_good(), "{result:#?}");
}

/// Checks that the log's numbers have no gap, that each line has the hash of the previous one, that
/// its own hash matches its bytes, and that its seals are genuine. By verification, whatever was
/// removed from its beginning is on record.
#[track_caller]
pub fn log_is_whole(home: &Home) {
    let mut previous: Option<(u64, String)> = None;
    for line in &home.audit_lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let seq = event["seq"].as_u64().unwrap();
        match &previous {
            Some((last, hash)) => assert_eq!((seq, &event["prev"]), (last + 1, &hash[..].into())),
            None => assert!(seq > 1 || event["prev"] == *"0".repeat(64), "{line}"),
        }
        let hashed = &line[..line.rfind(",\"hash\":").unwrap()];
        let mut hash = String::new();
        for byte in Sha256::digest(hashed) {
            write!(hash, "{byte:02x}").unwrap();
        }
        assert_eq!(event["hash"], *hash, "{line}");
        previous = Some((seq, hash));
    }
    log_verifies(home);
}

/// Checks that, according to the log, an account has one live session at a time, and that nothing
/// is done under another. Returns the session that is live at the log's end.
#[track_caller]
pub fn one_session_at_a_time(home: &Home) -> Option<String> {
    let mut live: Option<String> = None;
    for event in home.audit() {
        let session = event["session_id"].as_str().map(str::to_owned);
        match event["event_type"].as_str().unwrap() {
            "SESSION_CREATED" => {
                assert_eq!(live, None, "a second session: {event}");
                live = session;
            }
            "SESSION_VALIDATED" | "SESSION_EXTENDED" | "COMMAND_STARTED" => {
                assert_eq!(live, session, "used while it was not live: {event}");
            }
            "SESSION_TERMINATED" | "SESSION_EXPIRED" | "SESSION_INVALID" => {
                assert_eq!(live, session, "ended while it was not live: {event}");
                live = None;
            }
            _ => {}
        }
    }
    live
}

/// Checks that no lease and no partly written file was left behind.
#[track_caller]
pub fn nothing_lies_about(home: &Home) {
    for directory in ["", "run", "sessions", "audit"] {
        for file in files_in(&home.path().join(directory)) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(
                !name.starts_with(".tmp-") && !is_lease(&file),
                "{} is left",
                file.display()
            );
        }
    }
}

/// The leases of the home.
pub fn leases(home: &Home) -> Vec<std::path::PathBuf> {
    let mut files = files_in(&home.path().join("run"));
    files.retain(|file| is_lease(file));
    files
}

fn is_lease(file: &Path) -> bool {
    file.extension().is_some_and(|is| is == "lease")
}

/// Checks that nobody is signed in: no state, no file, no key.
#[track_caller]
pub fn nobody_is_signed_in(home: &Home) {
    // A key without its file would show as an ended session.
    assert_eq!(home.status()["state"], "none");
    let sessions = files_in(&home.path().join("sessions"));
    assert!(sessions.is_empty(), "{sessions:?}");
}

/// Waits until process `pid` is waiting for the lock on `directory`, which another process holds.
///
/// It retries every few milliseconds, which it does nowhere else. Any user can see that it sleeps
/// and wakes repeatedly.
#[track_caller]
pub fn waits_for_lock(pid: u32, directory: &Path) {
    let inode = std::fs::metadata(directory).unwrap().ino();
    let is_held_by_another = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| {
            // 3: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(1) == Some(&"FLOCK")
                && fields.get(4) != Some(&pid.to_string().as_str())
                && fields
                    .get(5)
                    .is_some_and(|file| file.ends_with(&format!(":{inode}")))
        })
    };
    until("the process waits for the lock", || {
        is_held_by_another() && (0..3).all(|_| sleeps_again_and_again(pid))
    });
}

/// Whether the process slept several times within a twentieth of a second.
fn sleeps_again_and_again(pid: u32) -> bool {
    let sleeps = || -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse().ok()
    };
    let before = sleeps();
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (Some(before), Some(after)) = (before, sleeps()) else {
        return false;
    };
    after >= before + 3
}

/// Whether strace exists and is permitted to trace.
pub fn can_trace() -> bool {
    let traced = std::process::Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    let can = traced.is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: strace is missing or may not trace");
    }
    can
}

/// Makes shells that run a program in a process namespace of their own; `None` where none may be
/// made.
pub fn process_namespaces(home: &Home) -> Option<impl Fn(&str) -> std::process::Command> {
    let within = |program: &str| {
        let script = "exec unshare -p -f --kill-child --mount-proc sh -c \"$0\"";
        let mut shell = home.shell(script);
        shell.arg(program);
        shell
    };
    if Run::of(within("true")).code != 0 {
        eprintln!("skipped: no process namespace may be made here");
        return None;
    }
    Some(within)
}
