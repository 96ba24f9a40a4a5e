//! However a guarded command's nightlatch is signalled, it gives its lease back and records the end.
//! What its sudden death does is told in `leases`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fs2::FileExt;

use crate::support::{Home, Run, files_in};

/// Longer than anything takes on a busy machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn leases(home: &Home) -> Vec<PathBuf> {
    files_in(&home.path().join("run"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|is| is == "lease"))
        .collect()
}

fn count(events: &[String], wanted: &str) -> usize {
    events.iter().filter(|event| *event == wanted).count()
}

/// Every command that started has ended, on record; no lease is left; the session lives.
#[track_caller]
fn assert_all_is_well(home: &Home, started: usize) {
    let events = home.events();
    assert_eq!(count(&events, "COMMAND_STARTED"), started, "{events:?}");
    assert_eq!(count(&events, "COMMAND_FINISHED"), started, "{events:?}");
    assert_eq!(leases(home), [] as [PathBuf; 0]);
    assert!(home.is_active());
}

fn start(home: &Home, script: &str) -> (Command, Child) {
    let mut command = home.command(&["exec", "--", "sh", "-c", script]);
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (command, child)
}

fn signal(process: u32, name: &str) {
    // It may have ended already.
    let _ = Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Locks the audit log: nothing can be recorded until the returned file is dropped.
fn hold_the_log(home: &Home) -> std::fs::File {
    let directory = std::fs::File::open(home.path().join("audit")).unwrap();
    FileExt::lock_exclusive(&directory).unwrap();
    directory
}

/// Whether the process collects SIGTERM, as it does from before its command starts until its end.
fn stands_ready(process: u32) -> bool {
    const SIGTERM_BIT: u64 = 1 << 14;
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & SIGTERM_BIT != 0)
}

#[test]
fn a_signal_while_the_command_runs_ends_it_and_not_the_session() {
    let home = Home::signed_in();
    let signals = [("TERM", 143), ("HUP", 129), ("INT", 130)];
    for (at, (name, code)) in signals.into_iter().enumerate() {
        let ready = home.outside(name);
        let script = format!("echo >{}; exec sleep 60", ready.display());
        let (command, child) = start(&home, &script);
        wait_until("the command runs", || ready.exists());
        assert_eq!(leases(&home).len(), 1);
        signal(child.id(), name);
        let run = Run::finish(&command, child);
        assert_eq!(run.code, code, "{run:#?}");
        let last = home.audit().pop().unwrap();
        assert_eq!(last["event_type"], "COMMAND_FINISHED");
        assert_all_is_well(&home, at + 1);
    }
}

#[test]
fn a_signal_before_the_command_starts_is_the_commands() {
    let home = Home::signed_in();
    for (at, (name, code)) in [("TERM", 143), ("HUP", 129), ("INT", 130)]
        .into_iter()
        .enumerate()
    {
        // Nothing can be recorded, and so nothing be started, while somebody else holds this.
        let held = hold_the_log(&home);
        let (command, child) = start(&home, "exec sleep 60");
        wait_until("it stands ready", || stands_ready(child.id()));
        signal(child.id(), name);
        drop(held);
        let run = Run::finish(&command, child);
        assert_eq!(run.code, code, "{run:#?}");
        assert_all_is_well(&home, at + 1);
    }
}

#[test]
fn a_signal_after_the_command_ended_does_not_keep_the_end_off_the_record() {
    let home = Home::signed_in();
    for (at, name) in ["TERM", "HUP", "INT"].into_iter().enumerate() {
        let ready = home.outside(name);
        let script = format!("echo $$ >{0}.new; mv {0}.new {0}; read go", ready.display());
        let (command, mut child) = start(&home, &script);
        wait_until("the command runs", || ready.exists());
        let held = hold_the_log(&home);
        drop(child.stdin.take());
        let pid = std::fs::read_to_string(&ready).unwrap();
        let process = PathBuf::from(format!("/proc/{}", pid.trim()));
        wait_until("the command is gone", || !process.exists());
        signal(child.id(), name);
        drop(held);
        let run = Run::finish(&command, child);
        assert_eq!(run.code, 1, "the command's own: {run:#?}");
        assert_all_is_well(&home, at + 1);
    }
}

#[test]
fn a_signal_at_any_moment_leaves_no_lease_and_no_command_without_an_end() {
    let home = Home::signed_in();
    for step in 0..40 {
        let name = ["TERM", "HUP", "INT"][step % 3];
        let (command, child) = start(&home, "exit 0");
        std::thread::sleep(Duration::from_micros(500 * step as u64));
        signal(child.id(), name);
        drop(Run::finish(&command, child));
    }
    let events = home.events();
    assert_all_is_well(&home, count(&events, "COMMAND_STARTED"));
}
