//! `exec --on-end`: what happens to a running command when its session ends.

use std::time::{Duration, Instant};

use crate::support::checks::until;
use crate::support::{Home, Run};

/// Says that it was hung up, and ends with 7; ends with 9 after a few seconds otherwise.
const WAITS: &str =
    "trap 'echo hung up; exit 7' HUP; for i in $(seq 40); do sleep 0.1; done; exit 9";

/// A home whose session has one idle second.
fn soon_locked(config: &str) -> Home {
    let home = Home::registered();
    home.configure(config);
    home.login(&["--idle", "1s"]).succeeds();
    home
}

fn exec(home: &Home, options: &[&str], script: &str) -> Run {
    home.run(&[&["exec"], options, &["--", "sh", "-c", script]].concat())
}

#[test]
fn a_command_is_hung_up_when_its_session_ends_if_that_is_asked_for_and_only_then() {
    let begun = Instant::now();
    let run = exec(&soon_locked(""), &["--on-end", "hangup"], WAITS).ends_with(7);
    assert_eq!(run.stdout, "hung up\n");
    assert!(begun.elapsed() < Duration::from_secs(20));
    for spared in [&[][..], &["--on-end", "warn"], &["--on-end", "continue"]] {
        exec(&soon_locked(""), spared, WAITS).ends_with(9);
    }
    let config = "guard.on_end = \"hangup\"";
    exec(&soon_locked(config), &[], WAITS).ends_with(7);
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
    let runs = || {
        let listed = home.run(&["sessions", "--json"]).succeeds().json();
        listed["sessions"][0]["commands"][0]["pid"].is_number()
    };
    std::thread::scope(|scope| {
        let running = scope.spawn(|| exec(&home, &["--on-end", "hangup"], WAITS));
        until("it runs", runs);
        home.login(&["--force"]).succeeds();
        running.join().unwrap().ends_with(9);
        let running = scope.spawn(|| exec(&home, &["--on-end", "hangup"], WAITS));
        until("it runs", runs);
        home.run(&["lock"]).succeeds();
        running.join().unwrap().ends_with(7);
    });
}

#[test]
fn a_command_that_ends_before_its_session_is_not_waited_for() {
    let home = Home::signed_in();
    let begun = Instant::now();
    exec(&home, &["--on-end", "hangup"], "exit 3").ends_with(3);
    exec(&home, &["--on-end", "hangup"], "sleep 1.5; exit 3").ends_with(3);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(home.is_active());
}

#[test]
fn what_to_do_at_the_end_is_one_of_three() {
    let home = Home::signed_in();
    exec(&home, &["--on-end", "kill"], "true").refuses(2, "kill");
    home.configure("guard.on_end = \"stop\"");
    exec(&home, &[], "true").refuses(1, "guard.on_end");
}
