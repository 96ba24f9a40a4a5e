//! When a guard is signalled, it removes its lease and records the end. `leases` tests what happens
//! when it is killed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fs2::FileExt;

use crate::support::checks::{takes_at_most, waits_for_lock};
use crate::support::{Home, Pty, Run, files_in};

/// Longer than anything takes on a busy machine; only a failing test reaches it.
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

/// Every command that started has a recorded end, no lease is left, and the session is live.
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

/// The lock file of the home's `directory`.
fn lock_file(home: &Home, directory: &str) -> std::fs::File {
    std::fs::File::open(home.path().join(directory)).unwrap()
}

/// Locks a directory of the home until the returned file is dropped.
fn hold(home: &Home, directory: &str) -> std::fs::File {
    let file = lock_file(home, directory);
    FileExt::lock_exclusive(&file).unwrap();
    file
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
fn a_signal_ends_a_guard_that_waits_for_a_lock_and_nothing_has_happened() {
    let home = Home::signed_in();
    let before = home.audit_lines();
    for directory in ["sessions", "audit"] {
        for (name, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
            let held = hold(&home, directory);
            let (command, child) = start(&home, "exec sleep 60");
            waits_for_lock(child.id(), &home.path().join(directory));
            signal(child.id(), name);
            let run = Run::finish(&command, child);
            assert_eq!(run.code, code, "{directory}: {run:#?}");
            drop(held);
        }
    }
    assert_eq!(home.audit_lines(), before);
    assert_all_is_well(&home, 0);
}

#[test]
fn ctrl_c_and_ctrl_z_reach_a_command_line_that_waits_for_a_lock() {
    let home = Home::signed_in();
    let held = hold(&home, "sessions");
    let mut pty = Pty::spawn(home.shell(
        "trap : INT; set -m; $GUARD true; echo code=$?; $GUARD echo it ran; echo stopped=$?; \
         read go; fg; echo code=$?",
    ));
    pty.expect("waiting for process ");
    pty.expect("sessions\r\n");
    pty.send("\x03");
    pty.expect("code=130");
    pty.expect("waiting for process ");
    pty.send("\x1a");
    // The key itself stops it, because nothing is caught yet.
    pty.expect("stopped=148");
    drop(held);
    home.run(&["exec", "--", "true"]).succeeds();
    pty.send("\n");
    pty.expect("it ran");
    pty.expect("code=0");
}

#[test]
fn ctrl_z_does_not_stop_whoever_holds_a_lock() {
    let home = Home::signed_in();
    // A process that uses the session holds its lock while it waits for the log's.
    let held = hold(&home, "audit");
    let mut pty = Pty::spawn(
        home.shell("set -m; $GUARD echo it ran; echo stopped=$?; read go; fg; echo code=$?"),
    );
    let waiting = || u32::try_from(pty.foreground().as_raw_nonzero().get()).unwrap();
    wait_until("it is there", || {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", waiting()));
        name.is_ok_and(|name| name.trim() == "nightlatch")
    });
    waits_for_lock(waiting(), &home.path().join("audit"));
    pty.send("\x1a");
    pty.settle();
    assert!(FileExt::try_lock_exclusive(&lock_file(&home, "sessions")).is_err());
    drop(held);
    let said = pty.expect("stopped=147");
    assert!(
        !said.contains("it ran"),
        "it was to be stopped first: {said}"
    );
    // By now nothing is locked.
    home.run(&["exec", "--", "true"]).succeeds();
    pty.send("\n");
    pty.expect("it ran");
    pty.expect("code=0");
}

#[test]
fn looking_waits_for_no_lock() {
    let home = Home::signed_in();
    let _held = ["sessions", "audit", ""].map(|directory| hold(&home, directory));
    takes_at_most(PATIENCE / 4, || {
        assert!(home.is_active());
        home.run(&["status", "--check"]).succeeds();
        home.run(&["status", "--prompt"]).succeeds();
        home.run(&["whoami"]).succeeds();
        // Nor if what it finds might be changing at the moment.
        std::fs::remove_file(home.session_file()).unwrap();
        assert_eq!(home.status()["state"], "expired");
    });
}

#[test]
fn a_signal_after_the_command_ended_does_not_keep_the_end_off_the_record() {
    let home = Home::signed_in();
    for (at, name) in ["TERM", "HUP", "INT"].into_iter().enumerate() {
        let ready = home.outside(name);
        let script = format!("echo $$ >{0}.new; mv {0}.new {0}; read go", ready.display());
        let (command, mut child) = start(&home, &script);
        wait_until("the command runs", || ready.exists());
        let held = hold(&home, "audit");
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
