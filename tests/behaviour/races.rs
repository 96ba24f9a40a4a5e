//! Invariants with many processes at once.

use std::fs::File;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::checks::{
    can_trace, leases, log_is_whole, nobody_is_signed_in, nothing_lies_about,
    one_session_at_a_time, together, until, waits_for_lock,
};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run, status_of};

fn many_commands_at_once_all_run(keeper: &'static str) {
    let home = Home::signed_in_with(keeper);
    for run in together(32, |_| home.run(&["exec", "--", "true"])) {
        run.succeeds();
    }
    let ends = ["COMMAND_STARTED", "COMMAND_FINISHED"];
    for end in ends {
        assert_eq!(home.events().iter().filter(|&is| is == end).count(), 32);
    }
    assert!(home.is_active());
    assert!(one_session_at_a_time(&home).is_some());
    log_is_whole(&home);
    nothing_lies_about(&home);
}

#[test]
fn many_commands_at_once_all_run_with_the_kernel() {
    many_commands_at_once_all_run("kernel");
}

#[test]
fn many_commands_at_once_all_run_with_the_agent() {
    many_commands_at_once_all_run("agent");
}

fn a_logout_amid_many_commands_ends_the_session(keeper: &'static str) {
    let home = Home::registered().with_keeper(keeper);
    for round in 0..3 {
        home.login(&[]).succeeds();
        // It is started in the middle of the others.
        for (number, run) in together(33, |number| match number {
            16 => home.run(&["logout"]),
            _ => home.run(&["exec", "--", "true"]),
        })
        .into_iter()
        .enumerate()
        {
            match run.code {
                4 if number != 16 => drop(run.refuses(4, "no live session")),
                _ => drop(run.succeeds()),
            }
        }
        nobody_is_signed_in(&home);
        assert_eq!(one_session_at_a_time(&home), None, "round {round}");
        home.run(&["exec", "--", "true"])
            .refuses(4, "no live session");
    }
    log_is_whole(&home);
    nothing_lies_about(&home);
}

#[test]
fn a_logout_amid_many_commands_ends_the_session_with_the_kernel() {
    a_logout_amid_many_commands_ends_the_session("kernel");
}

#[test]
fn a_logout_amid_many_commands_ends_the_session_with_the_agent() {
    a_logout_amid_many_commands_ends_the_session("agent");
}

fn logins_amid_everything_else_never_make_two_sessions(keeper: &'static str) {
    let home = Home::signed_in_with(keeper);
    let runs = together(28, |number| match number % 7 {
        0 => home.login(&["--json"]).succeeds(),
        1 => home.run(&["logout"]).succeeds(),
        2 | 3 => home.run(&["status", "--json"]),
        4 => home.run(&["extend"]),
        _ => home.run(&["exec", "--", "true"]),
    });
    for (number, run) in runs.into_iter().enumerate() {
        match number % 7 {
            0 => assert_eq!(run.json()["state"], "active"),
            1 => {}
            2 | 3 => is_no_garbage(&home, &status_of(run)),
            _ => assert!([0, 4].contains(&run.code), "{run:#?}"),
        }
    }
    let live = one_session_at_a_time(&home);
    assert_eq!(home.status()["session_id"].as_str(), live.as_deref());
    log_is_whole(&home);
    nothing_lies_about(&home);
}

/// The status describes a session that existed, or none; nothing here runs long enough to expire.
#[track_caller]
fn is_no_garbage(home: &Home, status: &Value) {
    let created: Vec<_> = home
        .audit()
        .into_iter()
        .filter(|event| event["event_type"] == "SESSION_CREATED")
        .map(|event| event["session_id"].clone())
        .collect();
    match status["state"].as_str() {
        Some("active") => {
            assert!(created.contains(&status["session_id"]), "{status}");
            assert_eq!(status["username"], EMAIL, "{status}");
            let left = status["remaining_seconds"].as_u64().unwrap();
            assert!((1..=900).contains(&left), "{status}");
        }
        Some("none") => assert!(status["session_id"].is_null(), "{status}"),
        _ => panic!("{status}"),
    }
}

#[test]
fn logins_amid_everything_else_never_make_two_sessions_with_the_kernel() {
    logins_amid_everything_else_never_make_two_sessions("kernel");
}

#[test]
fn logins_amid_everything_else_never_make_two_sessions_with_the_agent() {
    logins_amid_everything_else_never_make_two_sessions("agent");
}

#[test]
fn ten_logins_at_once_all_succeed_and_leave_one_session() {
    let home = Home::registered();
    let ids: Vec<_> = together(10, |_| home.login(&["--json"]).succeeds().json())
        .into_iter()
        .map(|status| status["session_id"].as_str().unwrap().to_owned())
        .collect();
    let live = one_session_at_a_time(&home).unwrap();
    assert!(ids.contains(&live));
    assert_eq!(home.status()["session_id"], live);
    log_is_whole(&home);
    // No attempt was counted as a failure: the next wrong one is the first.
    let wrong = home.run_with_input(&["login", "--password-stdin"], b"not the password at all");
    wrong.refuses(5, "wrong");
    home.login(&[]).succeeds();
}

fn exactly_one_registers(count: usize) {
    const CAROL: &str = "carol@example.com";
    // Its session approves all of them.
    let home = Home::signed_in();
    let mut runs = together(count, |_| home.register(CAROL, PASSWORD));
    runs.sort_by_key(|run| run.code);
    let taken = runs.split_off(1);
    runs.remove(0).succeeds();
    for run in taken {
        assert_eq!(run.code, 3, "{run:#?}");
        // A line about waiting may precede it.
        let last = run.stderr.lines().last().unwrap_or_default();
        assert!(last.contains("already"), "{run:#?}");
    }
    let done = home
        .audit()
        .iter()
        .filter(|event| event["event_type"] == "ACCOUNT_REGISTERED")
        .filter(|event| event["success"] == true && event["username"] == CAROL)
        .count();
    assert_eq!(done, 1);
    log_is_whole(&home);
    nothing_lies_about(&home);
    home.login(&[CAROL]).succeeds();
}

#[test]
fn of_ten_registrations_of_one_email_at_once_exactly_one_succeeds() {
    exactly_one_registers(10);
}

#[test]
fn of_a_hundred_registrations_of_one_email_at_once_exactly_one_succeeds() {
    exactly_one_registers(100);
}

/// `passwd`, from the first password to the other one.
fn passwd(home: &Home) -> Run {
    home.run_with_input(
        &["passwd", "--password-stdin"],
        format!("{PASSWORD}\n{OTHER_PASSWORD}\n").as_bytes(),
    )
}

#[test]
fn no_session_of_the_old_password_is_live_after_it_was_changed_amid_logins() {
    let home = Home::registered();
    let runs = together(4, |number| match number {
        1 => passwd(&home).succeeds(),
        _ => home.login(&[]),
    });
    for run in runs {
        assert!([0, 5].contains(&run.code), "{run:#?}");
    }
    nobody_is_signed_in(&home);
    assert_eq!(one_session_at_a_time(&home), None);
    log_is_whole(&home);
}

/// A program that was started and is blocked by a lock or a signal.
struct Held {
    child: Child,
    command: std::process::Command,
}

impl Held {
    fn start(home: &Home, arguments: &[&str], input: &str) -> Self {
        use std::io::Write;
        let mut command = home.command(arguments);
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        Self { child, command }
    }

    fn waits_for(&self, lock: &std::path::Path) {
        waits_for_lock(self.child.id(), lock);
    }

    /// Stops it while it waits for a lock, so that it does not take a lock that is released later.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.child.id());
        until("the process is stopped", || {
            std::fs::read_to_string(&stat).unwrap().contains(") T ")
        });
    }

    fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn finish(self) -> Run {
        Run::finish(&self.command, self.child)
    }
}

#[test]
fn a_login_whose_password_is_changed_before_its_session_is_made_is_refused() {
    let home = Home::signed_in();
    let sessions = home.path().join("sessions");
    let lock = File::open(&sessions).unwrap();
    lock.lock().unwrap();
    let login = Held::start(&home, &["login", "--password-stdin"], PASSWORD);
    login.waits_for(&sessions);
    // It has checked the correct password, and is stopped until that is the old one.
    login.stop();
    drop(lock);
    passwd(&home).succeeds();
    login.resume();
    login.finish().refuses(5, "wrong");
    nobody_is_signed_in(&home);
    assert_eq!(one_session_at_a_time(&home), None);
}

#[test]
fn a_login_does_not_come_between_the_end_of_the_sessions_and_the_new_password() {
    let home = Home::signed_in();
    let (sessions, audit) = (home.path().join("sessions"), home.path().join("audit"));
    let lock = File::open(&sessions).unwrap();
    lock.lock().unwrap();
    let login = Held::start(&home, &["login", "--password-stdin"], PASSWORD);
    login.waits_for(&sessions);
    login.stop();
    // The change proceeds up to its record: the session has ended, but nothing is committed.
    let log = File::open(&audit).unwrap();
    log.lock().unwrap();
    drop(lock);
    let change = Held::start(
        &home,
        &["passwd", "--password-stdin"],
        &format!("{PASSWORD}\n{OTHER_PASSWORD}\n"),
    );
    change.waits_for(&audit);
    login.resume();
    login.waits_for(&sessions);
    drop(log);
    change.finish().succeeds();
    login.finish().refuses(5, "wrong");
    nobody_is_signed_in(&home);
    assert_eq!(one_session_at_a_time(&home), None);
}

/// A guarded command whose start is recorded on a slow disk: it is stopped while it waits for the
/// record to be durable. `None` if tracing is not possible.
fn waits_for_its_disk(home: &Home, marker: &std::path::Path) -> Option<(Held, Pid)> {
    if !can_trace() {
        return None;
    }
    let options = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"];
    let stopped = ["-e", "inject=fdatasync:signal=STOP:when=1"];
    let exec = ["exec", "--", "touch", marker.to_str().unwrap()];
    let mut command = home.command_under("strace", &[&options[..], &stopped].concat(), &exec);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = piped.spawn().unwrap();
    until("the command holds a lease", || leases(home).len() == 1);
    let lease = std::fs::read(&leases(home)[0]).unwrap();
    let lease: Value = serde_json::from_slice(&lease).unwrap();
    let pid = i32::try_from(lease["pid"].as_i64().unwrap()).unwrap();
    until("its guard is stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") T ") || stat.contains(") t ")
    });
    assert!(home.events().contains(&"COMMAND_STARTED".to_owned()));
    Some((Held { child, command }, Pid::from_raw(pid).unwrap()))
}

fn no_command_starts_after(what: &str, login: &[&str], end: impl FnOnce(&Home)) {
    let home = Home::registered();
    home.login(login).succeeds();
    let marker = home.outside("marker");
    let Some((held, guard)) = waits_for_its_disk(&home, &marker) else {
        return;
    };
    end(&home);
    kill_process(guard, Signal::CONT).unwrap();
    held.finish().refuses(4, "no live session");
    assert!(!marker.exists(), "it started after {what}");
    let log = home.happened();
    let [.., finished, refused] = log.as_slice() else {
        panic!("{log:?}");
    };
    assert_eq!(finished["event_type"], "COMMAND_FINISHED", "{what}");
    assert_eq!(finished["success"], false, "{what}");
    assert_eq!(refused["event_type"], "COMMAND_REFUSED", "{what}");
    one_session_at_a_time(&home);
    log_is_whole(&home);
    nothing_lies_about(&home);
}

#[test]
fn no_command_starts_after_a_logout_however_slow_the_disk() {
    no_command_starts_after("logout", &[], |home| {
        home.run(&["logout"]).succeeds();
    });
}

#[test]
fn no_command_starts_after_a_revocation_however_slow_the_disk() {
    no_command_starts_after("the revocation", &[], |home| {
        let keep = ["revoke", "--reason", "lost laptop", "--keep-commands"];
        home.run(&keep).succeeds();
    });
}

#[test]
fn no_command_starts_after_a_password_change_however_slow_the_disk() {
    no_command_starts_after("passwd", &[], |home| drop(passwd(home).succeeds()));
}

#[test]
fn no_command_starts_after_an_expiry_however_slow_the_disk() {
    no_command_starts_after("the expiry", &["--idle", "5s"], |home| {
        until("the session has expired", || !home.is_active());
    });
}

#[test]
fn no_command_starts_after_another_login_however_slow_the_disk() {
    no_command_starts_after("another login", &[], |home| {
        drop(home.login(&[]).succeeds());
    });
}

#[test]
fn a_command_whose_disk_is_slow_starts_all_the_same() {
    let home = Home::signed_in();
    let marker = home.outside("marker");
    if let Some((held, guard)) = waits_for_its_disk(&home, &marker) {
        // It does not block other commands.
        home.run(&["exec", "--", "true"]).succeeds();
        kill_process(guard, Signal::CONT).unwrap();
        held.finish().succeeds();
        assert!(marker.exists());
    }
}

/// A command that changes something under the session, stopped while it waits for the record of that,
/// `event`, to be durable. `None` if tracing is not possible.
fn change_waits_for_its_disk(home: &Home, arguments: &[&str], event: &str) -> Option<Held> {
    if !can_trace() {
        return None;
    }
    // The child is the command itself, and strace is a process apart.
    let options = ["-D", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"];
    let stopped = ["-e", "inject=fdatasync:signal=STOP:when=1"];
    let mut command = home.command_under("strace", &[&options[..], &stopped].concat(), arguments);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = piped.spawn().unwrap();
    until("the change is recorded", || {
        home.events().iter().any(|recorded| recorded == event)
    });
    let stat = format!("/proc/{}/stat", child.id());
    until("it is stopped", || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        stat.contains(") T ") || stat.contains(") t ")
    });
    Some(Held { child, command })
}

const SET: [&str; 4] = ["secret", "set", "prod/db", "--generate"];

#[test]
fn no_secret_or_name_changes_after_a_lock_however_slow_the_disk() {
    let rename = ["account", "rename", "Alice Liddell"];
    for (change, event) in [(&SET[..], "SECRET_SET"), (&rename, "ACCOUNT_RENAMED")] {
        let home = Home::signed_in();
        let Some(held) = change_waits_for_its_disk(&home, change, event) else {
            return;
        };
        // It waits two seconds for the lock that the change holds, and no longer.
        home.run(&["lock"]).succeeds();
        held.resume();
        held.finish().refuses(4, "no live session");
        home.login(&[]).succeeds();
        let show = home.run(&["account", "show"]).succeeds();
        assert!(!show.stdout.contains("Liddell"), "{show:#?}");
        home.run(&["secret", "get", "prod/db"])
            .refuses(3, "there is no secret");
        log_is_whole(&home);
    }
}

#[test]
fn a_session_is_not_used_or_ended_while_a_secret_is_changed_under_it() {
    let home = Home::signed_in();
    let sessions = home.path().join("sessions");
    let Some(held) = change_waits_for_its_disk(&home, &SET, "SECRET_SET") else {
        return;
    };
    let extend = Held::start(&home, &["extend"], "");
    extend.waits_for(&sessions);
    held.resume();
    held.finish().succeeds();
    extend.finish().succeeds();
    home.run(&["secret", "get", "prod/db"]).succeeds();
    log_is_whole(&home);
}
