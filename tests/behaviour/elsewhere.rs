//! A home that is used from several places: what is not visible from one is neither gone nor ended.

use std::process::{Command, Stdio};

use crate::support::checks::{log_is_whole, one_session_at_a_time, until};
use crate::support::forbid::{KEYRING, forbid, kill_on};
use crate::support::{Home, PASSWORD, Run};

const EXEC: &[&str] = &["-n", "exec", "--", "true"];

/// It was refused with its own message, and the session remains live with no end on record.
#[track_caller]
fn is_refused_and_left_alone(home: &Home, refused: Run, why: &str) {
    refused.refuses(4, "no live session here").refuses(4, why);
    let ends = ["SESSION_EXPIRED", "SESSION_INVALID", "SESSION_TERMINATED"];
    assert!(!home.events().iter().any(|event| ends.contains(&&event[..])));
    assert!(home.is_active());
    home.run(&["exec", "--", "true"]).succeeds();
    assert!(one_session_at_a_time(home).is_some());
    log_is_whole(home);
}

/// Whether this user may create user namespaces, with its own id mapped to root's.
fn can_make_namespaces() -> bool {
    let made = Command::new("unshare")
        .args(["-r", "true"])
        .stderr(Stdio::null())
        .status();
    let can = made.is_ok_and(|status| status.success());
    if !can {
        println!("skipped: no user namespace can be made here");
    }
    can
}

fn in_namespace(home: &Home, arguments: &[&str]) -> Run {
    Run::of(home.command_under("unshare", &["-r"], arguments))
}

#[test]
fn a_command_in_another_user_namespace_is_refused_and_ends_nothing() {
    if !can_make_namespaces() {
        return;
    }
    let home = Home::signed_in_with("kernel");
    for _ in 0..2 {
        let refused = in_namespace(&home, EXEC);
        is_refused_and_left_alone(&home, refused, "in another user namespace");
    }
    let status = in_namespace(&home, &["status"]);
    assert!(
        status.stdout.contains("in another user namespace"),
        "{status:?}"
    );
    in_namespace(&home, &["extend"]).refuses(4, "in another user namespace");
    in_namespace(&home, &["whoami"]).refuses(4, "in another user namespace");
    assert!(home.is_active());
}

#[test]
fn signing_out_from_another_user_namespace_says_that_the_key_was_out_of_reach() {
    if !can_make_namespaces() {
        return;
    }
    let home = Home::signed_in_with("kernel");
    let run = in_namespace(&home, &["lock"]).succeeds();
    assert!(run.stderr.contains("out of reach"), "{run:?}");
    assert!(!run.stderr.contains("destroyed"), "{run:?}");
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    log_is_whole(&home);
}

#[test]
fn the_agent_is_reached_from_another_user_namespace() {
    if !can_make_namespaces() {
        return;
    }
    let home = Home::signed_in_with("agent");
    in_namespace(&home, EXEC).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
}

#[test]
fn a_session_is_used_where_its_key_is_and_by_nobody_who_chose_the_other_keeper() {
    for (keeper, other, held) in [
        ("kernel", "agent", "in the kernel's keyring"),
        ("agent", "kernel", "with the agent"),
    ] {
        let home = Home::signed_in_with(keeper);
        let with = |choice: &str, arguments: &[&str]| {
            let mut command = home.command(arguments);
            command.env("NIGHTLATCH_KEEPER", choice);
            Run::of(command)
        };
        is_refused_and_left_alone(&home, with(other, EXEC), held);
        // With `auto`, the key stays with its keeper.
        with("auto", &["exec", "--", "true"]).succeeds();
        let status = with("auto", &["status", "--json"]).succeeds().json();
        assert_eq!(status["keeper"], keeper);
        home.run(&["exec", "--", "true"]).succeeds();
    }
}

#[test]
fn the_key_of_a_session_that_was_replaced_from_the_other_keeper_ends_nothing() {
    let home = Home::signed_in_with("kernel");
    let with = |choice: &str, arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("NIGHTLATCH_KEEPER", choice);
        command
    };
    // Where the key is not accessible.
    let mut login = with("agent", &["login", "--password-stdin"]);
    forbid(&mut login, KEYRING, libc::EPERM);
    Run::with_input(login, PASSWORD.as_bytes()).succeeds();
    let with = |choice: &str, arguments: &[&str]| Run::of(with(choice, arguments));
    with("kernel", EXEC).refuses(4, "with the agent");
    with("auto", &["exec", "--", "true"]).succeeds();
    with("agent", &["exec", "--", "true"]).succeeds();
}

#[test]
fn a_sign_in_with_the_agent_destroys_the_key_that_the_kernel_has_of_the_session_before() {
    let home = Home::signed_in_with("kernel");
    let in_kernel = || {
        let keys = std::fs::read_to_string("/proc/keys").unwrap();
        let id = std::fs::read_to_string(home.path().join("home")).unwrap();
        keys.contains(&format!("nightlatch:{}:", id.trim_end()))
    };
    assert!(in_kernel());
    let mut login = home.command(&["login", "--password-stdin"]);
    login.env("NIGHTLATCH_KEEPER", "agent");
    if is_filtered() {
        println!("skipped: under a filter of system calls the keyring is not asked");
        return;
    }
    Run::with_input(login, PASSWORD.as_bytes()).succeeds();
    until("the kernel has come round to it", || !in_kernel());
}

/// Whether a seccomp filter is in force for child processes.
fn is_filtered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    !status.lines().any(|line| line == "Seccomp:\t0")
}

#[test]
fn a_sign_in_with_the_agent_asks_nothing_of_the_keyring_under_a_filter() {
    let home = Home::signed_in_with("kernel");
    let mut login = home.command(&["login", "--password-stdin"]);
    login.env("NIGHTLATCH_KEEPER", "agent");
    kill_on(&mut login, KEYRING);
    Run::with_input(login, PASSWORD.as_bytes()).succeeds();
}

#[test]
fn a_command_that_may_not_use_the_keyring_is_refused_and_ends_nothing() {
    for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
        let home = Home::signed_in();
        assert_eq!(home.status()["keeper"], "kernel");
        let mut command = home.command(EXEC);
        forbid(&mut command, KEYRING, errno);
        is_refused_and_left_alone(&home, Run::of(command), "cannot be used from here");
    }
}

#[test]
fn with_the_agent_chosen_nothing_is_asked_of_the_keyring() {
    let home = Home::registered().with_keeper("agent");
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        kill_on(&mut command, KEYRING);
        Run::with_input(command, PASSWORD.as_bytes())
    };
    run(&["status"]);
    run(&["exec", "--", "true"]).refuses(4, "no live session");
    run(&["login", "--password-stdin"]).succeeds();
    run(&["exec", "--", "true"]).succeeds();
    run(&["extend"]).succeeds();
    run(&["login", "--password-stdin"]).succeeds();
    run(&["logout"]).succeeds();
    // The control: without the filter there are such calls.
    let mut login = home.command(&["login", "--password-stdin"]);
    login.env("NIGHTLATCH_KEEPER", "kernel");
    kill_on(&mut login, KEYRING);
    assert_eq!(
        Run::with_input(login, PASSWORD.as_bytes()).code,
        128 + libc::SIGSYS
    );
}
