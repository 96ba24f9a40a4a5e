//! A guard that is killed ends its own session and no other.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::checks::{
    leases, log_is_whole, nothing_lies_about, process_namespaces, takes_at_most, until,
};
use crate::support::forbid::forbid;
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run};

const OTHER: &str = "bob@example.com";

/// Prints a line when it runs, and ends when its input is closed.
const UP: &str = "echo up; exec cat";

/// A guarded command that runs until its input is closed.
struct Running {
    guard: Child,
    command: Command,
}

impl Running {
    fn start(home: &Home, account: &str) -> Self {
        Self::of(home.command(&["--account", account, "exec", "--", "sh", "-c", UP]))
    }

    /// Starts `command`, a guard that runs [`UP`].
    fn of(mut command: Command) -> Self {
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

    /// Kills the guard without a chance to clean up, and returns the command's input: the command
    /// ends when that is dropped.
    fn crash(mut self) -> ChildStdin {
        // `wait` would close it.
        let input = self.guard.stdin.take().unwrap();
        self.signal(Signal::KILL);
        self.guard.wait().unwrap();
        input
    }

    /// Lets the command end normally.
    fn finish(self) -> Run {
        Run::finish(&self.command, self.guard)
    }

    /// Ends it with `signal` while it runs.
    fn end_by(mut self, signal: Signal) -> Run {
        let _input = self.guard.stdin.take();
        self.signal(signal);
        Run::finish(&self.command, self.guard)
    }
}

fn exec(home: &Home, account: &str) -> Run {
    home.run(&["--account", account, "exec", "--", "true"])
}

/// Signs in to the second account, which [`two_accounts`] created.
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
    home.register_another(OTHER, OTHER_PASSWORD).succeeds();
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
    // The remaining command does not affect the next session, and its lease does not stay.
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
    let running = [EMAIL, OTHER].map(|account| Running::start(&home, account));
    for running in running {
        drop(running.crash());
    }
    exec(&home, EMAIL).refuses(4, "died");
    // It ended together with the first one, and this was recorded.
    exec(&home, OTHER).refuses(4, "no live session");
    login_first(&home);
    exec(&home, EMAIL).succeeds();
    nothing_lies_about(&home);
}

#[test]
fn a_killed_guard_ends_its_session_when_another_account_uses_its_own() {
    let home = two_accounts();
    Running::start(&home, EMAIL).crash();
    exec(&home, OTHER).succeeds();
    nothing_lies_about(&home);
    let ends = home.audit().into_iter();
    let ends: Vec<_> = ends
        .filter(|event| event["details"]["reason"] == "crash")
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["username"], EMAIL);
    exec(&home, EMAIL).refuses(4, "no live session");
    log_is_whole(&home);
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

/// A lease that no process holds, as a killed guard of `session` left it, but with process id
/// `pid`.
fn abandon(home: &Home, name: &str, session: &str, pid: u32) {
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let content = serde_json::json!({
        "exec_id": name, "session_id": session, "pid": pid, "start_time": 1, "command": "true",
    });
    std::fs::write(run.join(format!("{name}.lease")), content.to_string()).unwrap();
}

#[test]
fn a_process_that_got_the_number_of_a_killed_guard_does_not_keep_its_session_alive() {
    let home = Home::signed_in();
    let session = home.status()["session_id"].clone();
    // Not even if the id is that of this process, which runs as the same user.
    abandon(&home, "dead", session.as_str().unwrap(), std::process::id());
    assert!(!home.is_active());
    exec(&home, EMAIL).refuses(4, "died");
    nothing_lies_about(&home);
}

#[test]
fn a_guard_in_another_process_namespace_is_seen_to_run_and_to_die() {
    let home = Home::signed_in();
    let Some(within) = process_namespaces(&home) else {
        return;
    };
    // Checked from outside the namespace, and from another one.
    let check = "exec \"$NIGHTLATCH\" status --check";
    let running = Running::of(within(&format!("exec $GUARD sh -c '{UP}'")));
    assert!(home.is_active());
    Run::of(within(check)).succeeds();
    exec(&home, EMAIL).succeeds();
    // And vice versa.
    let outside = Running::start(&home, EMAIL);
    Run::of(within(check)).succeeds();
    outside.finish().succeeds();
    assert_eq!(leases(&home).len(), 1);

    // Process 1 of the namespace is the guard, which `unshare` kills; its command must not end
    // earlier.
    let _input = running.crash();
    until("the guard is gone", || !home.is_active());
    Run::of(within(check)).ends_with(4);
    exec(&home, EMAIL).refuses(4, "died");
    nothing_lies_about(&home);
}

#[test]
fn many_killed_guards_end_their_session_once_and_one_command_clears_them_away() {
    let home = Home::signed_in();
    let running: Vec<_> = (0..8).map(|_| Running::start(&home, EMAIL)).collect();
    assert_eq!(leases(&home).len(), 8);
    for running in running {
        drop(running.crash());
    }
    assert_eq!(leases(&home).len(), 8);
    exec(&home, EMAIL).refuses(4, "died");
    nothing_lies_about(&home);
    let mut ends = home.events();
    ends.retain(|event| event == "SESSION_TERMINATED");
    assert_eq!(ends.len(), 1);
}

#[test]
fn killed_guards_of_an_older_session_are_cleared_away_by_the_next_command() {
    let home = Home::signed_in();
    let older = [(); 3].map(|()| Running::start(&home, EMAIL));
    home.login(&[]).succeeds();
    let running = Running::start(&home, EMAIL);
    for running in older {
        drop(running.crash());
    }
    assert_eq!(leases(&home).len(), 4);
    exec(&home, EMAIL).succeeds();
    assert_eq!(leases(&home).len(), 1, "the one that runs keeps its own");
    running.finish().succeeds();
    nothing_lies_about(&home);
}

#[test]
fn guards_killed_after_the_logout_are_cleared_away_by_the_next_command() {
    let home = Home::signed_in();
    let running = [(); 3].map(|()| Running::start(&home, EMAIL));
    home.run(&["logout"]).succeeds();
    for running in running {
        drop(running.crash());
    }
    assert_eq!(leases(&home).len(), 3);
    exec(&home, EMAIL).refuses(4, "no live session");
    nothing_lies_about(&home);
}

#[test]
fn a_thousand_leases_of_sessions_unknown_end_none_and_are_cleared_away_at_once() {
    let home = Home::signed_in();
    for number in 0..1000 {
        let session = format!("{number:08x}-0000-4000-8000-000000000000");
        abandon(&home, &format!("{number}"), &session, 1);
    }
    assert!(home.is_active());
    assert_eq!(leases(&home).len(), 1000, "looking clears nothing away");
    // It takes a fraction of a second on an idle machine.
    let limit = Duration::from_secs(10);
    takes_at_most(limit, || exec(&home, EMAIL).succeeds());
    nothing_lies_about(&home);
}

#[test]
fn whatever_stands_in_an_abandoned_lease_it_ends_the_session_and_is_cleared_away() {
    let home = Home::signed_in();
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let unnamed = br#"{"exec_id":"x","session_id":"","pid":1,"start_time":1,"command":"true"}"#;
    for content in [&b""[..], b"\xff\0", unnamed, &[b' '; 5000]] {
        std::fs::write(run.join("torn.lease"), content).unwrap();
        assert!(!home.is_active());
        exec(&home, EMAIL).refuses(4, "died");
        nothing_lies_about(&home);
        home.login(&[]).succeeds();
        exec(&home, EMAIL).succeeds();
    }
}
