//! A guard that dies ends its session, and no other one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::checks::{leases, log_is_whole, nothing_lies_about};
use crate::support::forbid::forbid;
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run};

const OTHER: &str = "bob@example.com";

/// A guarded command that runs until its input is closed.
struct Running {
    guard: Child,
    command: Command,
}

impl Running {
    fn start(home: &Home, account: &str) -> Self {
        let script = "echo up; exec cat";
        let mut command = home.command(&["--account", account, "exec", "--", "sh", "-c", script]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = piped.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "up\n");
        Self { guard, command }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.guard.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills the guard without a chance to clean up. The command ends with its input.
    fn crash(mut self) {
        self.signal(Signal::KILL);
        self.guard.wait().unwrap();
    }

    /// Lets the command come to its own end.
    fn finish(self) -> Run {
        Run::finish(&self.command, self.guard)
    }

    /// Ends it by `signal`, before its own end.
    fn end_by(mut self, signal: Signal) -> Run {
        let _input = self.guard.stdin.take();
        self.signal(signal);
        Run::finish(&self.command, self.guard)
    }
}

fn exec(home: &Home, account: &str) -> Run {
    home.run(&["--account", account, "exec", "--", "true"])
}

/// Signs in the second account, which [`two_accounts`] made.
fn login_other(home: &Home) {
    home.run_with_input(
        &["login", OTHER, "--password-stdin"],
        OTHER_PASSWORD.as_bytes(),
    )
    .succeeds();
}

fn login_first(home: &Home) {
    let login = ["login", EMAIL, "--password-stdin"];
    home.run_with_input(&login, PASSWORD.as_bytes()).succeeds();
}

/// A home with two accounts, both signed in.
fn two_accounts() -> Home {
    let home = Home::registered();
    home.register(OTHER, OTHER_PASSWORD).succeeds();
    login_first(&home);
    login_other(&home);
    home
}

#[test]
fn a_killed_guard_ends_its_session() {
    let home = Home::signed_in();
    let session = home.status()["session_id"].clone();
    let running = Running::start(&home, EMAIL);
    assert_eq!(leases(&home).len(), 1);
    assert!(home.is_active());
    running.crash();
    assert!(!home.is_active());
    home.run(&["exec", "--", "true"]).refuses(4, "died");
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    let ends: Vec<_> = home
        .audit()
        .into_iter()
        .filter(|event| event["event_type"] == "SESSION_TERMINATED")
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["details"]["reason"], "crash");
    assert_eq!(ends[0]["session_id"], session);
    log_is_whole(&home);
    // What is left of it does not touch the next session, nor stay.
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
    nothing_lies_about(&home);
}

#[test]
fn a_killed_guard_is_not_taken_for_a_running_one_where_the_system_does_not_tell() {
    let home = Home::signed_in();
    Running::start(&home, EMAIL).crash();
    let mut status = home.command(&["status", "--json"]);
    forbid(&mut status, &[libc::SYS_flock], libc::ENOLCK);
    let status = Run::of(status).ends_with(1);
    assert_eq!(status.stdout, "");
    assert!(status.stderr.contains("cannot lock"), "{status:?}");
}

#[test]
fn a_command_that_ends_fails_or_is_killed_leaves_the_session_live() {
    let home = Home::signed_in();
    Running::start(&home, EMAIL).finish().succeeds();
    home.run(&["exec", "--", "false"]).ends_with(1);
    home.run(&["exec", "--", "sh", "-c", "kill -9 $$"])
        .ends_with(137);
    home.run(&["exec", "--", "/no/such/program"])
        .refuses(127, "not found");
    assert!(home.is_active());
    nothing_lies_about(&home);
}

#[test]
fn a_guard_that_is_asked_to_end_leaves_the_session_live() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::USR1, 138)] {
        let home = Home::signed_in();
        let running = Running::start(&home, EMAIL);
        running.end_by(signal).ends_with(code);
        assert!(home.is_active());
        home.run(&["exec", "--", "true"]).succeeds();
        nothing_lies_about(&home);
    }
}

#[test]
fn a_guard_of_an_older_session_that_is_killed_does_not_end_the_current_one() {
    let home = Home::signed_in();
    let old = Running::start(&home, EMAIL);
    home.login(&[]).succeeds();
    old.crash();
    assert_eq!(leases(&home).len(), 1);
    assert!(home.is_active());
    home.run(&["exec", "--", "true"]).succeeds();
    home.login(&[]).succeeds();
    nothing_lies_about(&home);
}

#[test]
fn a_killed_guard_ends_its_session_though_another_account_signs_in_first() {
    let home = two_accounts();
    Running::start(&home, EMAIL).crash();
    login_other(&home);
    exec(&home, EMAIL).refuses(4, "no live session");
    exec(&home, OTHER).succeeds();
    let crash = |event: &serde_json::Value| event["details"]["reason"] == "crash";
    let ends: Vec<_> = home.audit().into_iter().filter(crash).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["username"], EMAIL);
    nothing_lies_about(&home);
}

#[test]
fn killed_guards_of_two_accounts_end_the_sessions_of_both() {
    let home = two_accounts();
    Running::start(&home, EMAIL).crash();
    Running::start(&home, OTHER).crash();
    exec(&home, EMAIL).refuses(4, "died");
    // Ended together with the first, and recorded.
    exec(&home, OTHER).refuses(4, "no live session");
    login_first(&home);
    exec(&home, EMAIL).succeeds();
    nothing_lies_about(&home);
}

#[test]
fn a_lease_that_cannot_be_read_ends_every_session_and_no_later_one() {
    let home = two_accounts();
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("torn.lease"), "{").unwrap();
    login_first(&home);
    exec(&home, EMAIL).succeeds();
    exec(&home, OTHER).refuses(4, "no live session");
    nothing_lies_about(&home);
}
