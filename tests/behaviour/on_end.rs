//! `exec --on-end`: what happens to a running command when its session ends.

use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::agent::agent;
use crate::support::checks::{takes_at_most, until};
use crate::support::{Home, Run};

/// Says that it was hung up, and ends with 7; ends with 9 after a few seconds otherwise.
const WAITS: &str =
    "trap 'echo hung up; exit 7' HUP; for i in $(seq 60); do sleep 0.1; done; exit 9";

/// The same for twenty seconds, in which a slow machine gets to end the session.
fn waits_longer() -> String {
    WAITS.replace("60", "200")
}

/// A home whose session has three idle seconds, in which a slow machine gets to start a command.
fn soon_locked(config: &str) -> Home {
    let home = Home::registered();
    home.configure(config);
    home.login(&["--idle", "3s"]).succeeds();
    home
}

/// Whether a guarded command runs.
fn runs(home: &Home) -> bool {
    let listed = home.run(&["sessions", "--json"]).succeeds().json();
    listed["sessions"][0]["commands"][0]["pid"].is_number()
}

/// Has whoever watches the sessions look at them.
fn touch_sessions(home: &Home) {
    let file = home.path().join("sessions/touched");
    std::fs::write(&file, "").unwrap();
    std::fs::remove_file(&file).unwrap();
}

fn exec(home: &Home, options: &[&str], script: &str) -> Run {
    home.run(&[&["exec"], options, &["--", "sh", "-c", script]].concat())
}

#[test]
fn a_command_is_hung_up_when_its_session_ends_if_that_is_asked_for_and_only_then() {
    let run = exec(&soon_locked(""), &["--on-end", "hangup"], &waits_longer()).ends_with(7);
    assert_eq!(run.stdout, "hung up\n");
    for spared in [&[][..], &["--on-end", "warn"], &["--on-end", "continue"]] {
        exec(&soon_locked(""), spared, WAITS).ends_with(9);
    }
    let config = "guard.on_end = \"hangup\"";
    exec(&soon_locked(config), &[], &waits_longer()).ends_with(7);
    exec(&soon_locked(config), &["--on-end", "continue"], WAITS).ends_with(9);
}

#[test]
fn a_hangup_reaches_what_the_command_started_and_dies_of_it_as_without_us() {
    let home = soon_locked("");
    let file = home.outside("child");
    let script = format!(
        "setsid sh -c 'echo $$ > {0}; exec sleep 30' & sleep 30",
        file.display()
    );
    exec(&home, &["--on-end", "hangup"], &script).ends_with(129);
    let child = std::fs::read_to_string(&file).unwrap();
    until("the child has ended", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn a_session_that_ends_by_hand_hangs_up_too_and_a_new_sign_in_in_its_place_does_not() {
    let home = Home::signed_in();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| exec(&home, &["--on-end", "hangup"], WAITS));
        until("it runs", || runs(&home));
        home.login(&["--force"]).succeeds();
        running.join().unwrap().ends_with(9);
        let running = scope.spawn(|| exec(&home, &["--on-end", "hangup"], &waits_longer()));
        until("it runs", || runs(&home));
        home.run(&["lock"]).succeeds();
        running.join().unwrap().ends_with(7);
    });
}

#[test]
fn a_session_that_is_unknown_for_three_seconds_hangs_up_and_for_a_moment_does_not() {
    let home = Home::signed_in_with("agent");
    let agent = agent(&home);
    let hang = |script: &str| exec(&home, &["--on-end", "hangup"], script);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| hang(WAITS));
        until("it runs", || runs(&home));
        kill_process(agent, Signal::STOP).unwrap();
        touch_sessions(&home);
        std::thread::sleep(Duration::from_secs(1));
        kill_process(agent, Signal::CONT).unwrap();
        running.join().unwrap().ends_with(9);
        let running = scope.spawn(|| hang(&waits_longer()));
        until("it runs", || runs(&home));
        kill_process(agent, Signal::STOP).unwrap();
        let begun = Instant::now();
        touch_sessions(&home);
        let run = running.join().unwrap();
        kill_process(agent, Signal::CONT).unwrap();
        run.ends_with(7);
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(3), "{took:?}");
    });
}

#[test]
fn an_end_that_nothing_explains_hangs_up_at_once() {
    let home = Home::signed_in();
    let (log, away) = (home.path().join("audit"), home.outside("audit"));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| exec(&home, &["--on-end", "hangup"], &waits_longer()));
        until("it runs", || runs(&home));
        std::fs::rename(&log, &away).unwrap();
        home.run(&["lock"]).ends_with(7);
        running.join().unwrap().ends_with(7);
        std::fs::rename(&away, &log).unwrap();
    });
}

#[test]
fn a_watch_that_cannot_start_is_warned_of() {
    let home = Home::signed_in();
    let mut command = home.command(&["exec", "--on-end", "hangup", "--", "sh", "-c", "exit 3"]);
    // No thread can have a stack of that size.
    command.env("RUST_MIN_STACK", (1_u64 << 47).to_string());
    let run = Run::of(command).ends_with(3);
    let part = "cannot watch the session while sh runs: ";
    assert!(run.stderr.contains(part), "{run:?}");
}

#[test]
fn a_command_that_ends_before_its_session_is_not_waited_for() {
    let home = Home::signed_in();
    takes_at_most(Duration::from_secs(10), || {
        exec(&home, &["--on-end", "hangup"], "exit 3").ends_with(3);
        exec(&home, &["--on-end", "hangup"], "sleep 1.5; exit 3").ends_with(3);
    });
    assert!(home.is_active());
}

#[test]
fn what_to_do_at_the_end_is_one_of_three() {
    let home = Home::signed_in();
    exec(&home, &["--on-end", "kill"], "true").refuses(2, "kill");
    home.configure("guard.on_end = \"stop\"");
    exec(&home, &[], "true").refuses(1, "guard.on_end");
}
