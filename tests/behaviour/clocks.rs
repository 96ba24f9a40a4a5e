//! Clocks that advance, are changed, or belong to another machine: no session lasts longer as a
//! result.

use std::process::Command;

use crate::support::checks::{log_is_whole, nobody_is_signed_in};
use crate::support::clocks::{Clocks, SECOND};
use crate::support::{EMAIL, Home, PASSWORD, Run};

const IDLE: i64 = 900 * SECOND;
const MAX: i64 = 4 * 3600 * SECOND;
const KEEPERS: [&str; 2] = ["kernel", "agent"];

/// A home with an account that signs in at `start`.
fn signed_in(start: Clocks, keeper: &'static str) -> Home {
    let home = Home::registered().with_keeper(keeper);
    login(&home, start).succeeds();
    home
}

fn login(home: &Home, at: Clocks) -> Run {
    let login = home.command(&["login", "--password-stdin"]);
    at.run(login, PASSWORD.as_bytes())
}

fn run(home: &Home, at: Clocks, arguments: &[&str]) -> Run {
    at.run(home.command(arguments), b"")
}

fn extend(home: &Home, at: Clocks) {
    run(home, at, &["extend"]).succeeds();
}

/// The session's remaining seconds.
#[track_caller]
fn remaining(home: &Home, at: Clocks) -> u64 {
    let status = run(home, at, &["status", "--json"]).succeeds().json();
    assert_eq!(status["state"], "active", "{status}");
    status["remaining_seconds"].as_u64().unwrap()
}

/// With these clocks the session is refused and ended for `reason`, and the real clocks do not
/// revive it.
#[track_caller]
fn is_dead(home: &Home, at: Clocks, reason: &str) {
    run(home, at, &["status", "--check"]).ends_with(4);
    let proof = home.outside("ran");
    let touch = ["exec", "--", "touch", proof.to_str().unwrap()];
    run(home, at, &touch).refuses(4, "no live session: ");
    assert!(!proof.exists());
    ended_for(home, reason);
}

/// The last session ended for `reason`, once, and left nothing behind.
#[track_caller]
fn ended_for(home: &Home, reason: &str) {
    nobody_is_signed_in(home);
    let mut ends = home.audit();
    ends.retain(|event| event["event_type"] == "SESSION_EXPIRED");
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["details"]["reason"], reason);
    assert_eq!(ends[0]["username"], EMAIL);
    log_is_whole(home);
}

#[test]
fn a_session_is_live_at_899_9_seconds_and_refused_at_900() {
    let Some(start) = Clocks::now() else { return };
    for keeper in KEEPERS {
        let home = signed_in(start, keeper);
        let last = start.later(IDLE - SECOND / 10);
        assert_eq!(remaining(&home, start), 900);
        assert_eq!(remaining(&home, last), 1);
        run(&home, start.later(IDLE - 1), &["status", "--check"]).succeeds();
        run(&home, last, &["exec", "--no-extend", "--", "true"]).succeeds();
        // A use restarts the idle timer.
        run(&home, last, &["exec", "--", "true"]).succeeds();
        assert_eq!(remaining(&home, last.later(IDLE - SECOND / 10)), 1);
        is_dead(&home, last.later(IDLE), "idle");
    }
}

#[test]
fn time_asleep_counts_though_the_wall_clock_does_not_tell_of_it() {
    let Some(start) = Clocks::now() else { return };
    let home = signed_in(start, "kernel");
    assert_eq!(remaining(&home, start.moved(SECOND, IDLE - SECOND / 10)), 1);
    is_dead(&home, start.moved(SECOND, IDLE), "idle");
}

#[test]
fn a_wall_clock_set_back_lengthens_nothing_and_beyond_five_seconds_ends_the_session() {
    let Some(start) = Clocks::now() else { return };
    for (keeper, too_far) in [("kernel", 5 * SECOND + 1), ("agent", 3600 * SECOND)] {
        let home = signed_in(start, keeper);
        let before = run(&home, start, &["status", "--json"]).json();
        let corrected = start.moved(-3 * SECOND, 100 * SECOND);
        assert_eq!(remaining(&home, corrected), 800);
        let after = run(&home, corrected, &["status", "--json"]).json();
        assert_eq!(after["max_expires_at"], before["max_expires_at"]);
        assert!(after["expires_at"].as_str() < before["expires_at"].as_str());
        run(&home, start.moved(-5 * SECOND, 0), &["status", "--check"]).succeeds();
        is_dead(&home, start.moved(-too_far, SECOND), "clock");
    }
}

#[test]
fn a_wall_clock_set_forward_shortens_the_session_or_ends_it() {
    let Some(start) = Clocks::now() else { return };
    for keeper in KEEPERS {
        let home = signed_in(start, keeper);
        assert_eq!(remaining(&home, start.moved(600 * SECOND, 0)), 300);
        is_dead(&home, start.moved(1200 * SECOND, SECOND), "clock");
    }
    // A session used while the clock was ahead does not outlive the clock's return.
    let home = signed_in(start, "kernel");
    let ahead = start.moved(600 * SECOND, 0);
    extend(&home, ahead);
    assert_eq!(remaining(&home, ahead), 900);
    is_dead(&home, start.later(SECOND), "clock");
}

#[test]
fn a_session_begun_on_a_clock_that_was_set_does_not_outlive_the_true_one() {
    let Some(start) = Clocks::now() else { return };
    let hour = 3600 * SECOND;
    for (wall, boot, reason) in [
        (hour, 0, "clock"),
        (-hour, 0, "clock"),
        (0, hour, "clock"),
        (0, -hour, "idle"),
    ] {
        let set = start.moved(wall, boot);
        if !set.may_be() {
            continue; // the machine was started less than an hour ago
        }
        let home = signed_in(set, "kernel");
        assert_eq!(remaining(&home, set), 900);
        is_dead(&home, start, reason);
    }
}

#[test]
fn the_absolute_limit_ends_a_session_in_constant_use_whatever_the_wall_clock_does() {
    let Some(start) = Clocks::now() else { return };
    let step = 890 * SECOND;
    // Once in step with the boot clock, and once repeatedly set back by as much as a time daemon
    // may correct.
    for (keeper, creep) in [("kernel", step), ("agent", -5 * SECOND)] {
        let home = signed_in(start, keeper);
        let mut uses = 0;
        while (uses + 1) * step < MAX {
            uses += 1;
            extend(&home, start.moved(uses * creep, uses * step));
        }
        // A minute before the end, because the keeper drops the key by the real clock.
        let last = start.moved(uses * creep, MAX - 60 * SECOND);
        let status = run(&home, last, &["extend", "--json"]).succeeds().json();
        assert_eq!(status["limited_by"], "max", "{status}");
        assert_eq!(status["remaining_seconds"], 60, "{status}");
        let still = start.moved(uses * creep, MAX - SECOND / 10);
        assert_eq!(remaining(&home, still), 1);
        is_dead(&home, start.moved(uses * creep, MAX), "max");
    }
}

#[test]
fn the_absolute_limit_holds_on_the_wall_clock_too() {
    let Some(start) = Clocks::now() else { return };
    let home = signed_in(start, "kernel");
    // At every use, set forward by slightly less than the idle timeout, although almost no time
    // passes.
    let mut wall = 0;
    while wall + 890 * SECOND < MAX {
        wall += 890 * SECOND;
        extend(&home, start.moved(wall, SECOND));
    }
    assert_eq!(remaining(&home, start.moved(MAX - 1, 2 * SECOND)), 1);
    is_dead(&home, start.moved(MAX, 2 * SECOND), "max");
}

/// The program in a time namespace made with `options`.
fn in_time_namespace(home: &Home, options: &str, arguments: &[&str]) -> Command {
    let script = format!("exec unshare -T {options} \"$NIGHTLATCH\" \"$@\"");
    let mut shell = home.shell(&script);
    shell.arg("sh").args(arguments);
    shell
}

fn time_namespaces_can_be_made() -> bool {
    let unshare = Command::new("unshare")
        .args(["-T", "--boottime", "1", "true"])
        .output();
    let can = unshare.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("skipped: no time namespace may be made here");
    }
    can
}

#[test]
fn a_time_namespace_that_shifts_a_clock_ends_the_session_and_lets_none_begin() {
    if !time_namespaces_can_be_made() {
        return;
    }
    for (keeper, shift) in KEEPERS
        .into_iter()
        .flat_map(|keeper| [(keeper, "--boottime 3600"), (keeper, "--monotonic 1")])
    {
        let home = Home::registered().with_keeper(keeper);
        let within = |arguments: &[&str]| in_time_namespace(&home, shift, arguments);
        let login = ["login", "--password-stdin"];
        let refused = Run::with_input(within(&login), PASSWORD.as_bytes());
        refused.refuses(1, "time namespace");
        nobody_is_signed_in(&home);

        home.login(&[]).succeeds();
        // A sign-in that fails does not end the existing session, and neither does looking.
        let refused = Run::with_input(within(&login), PASSWORD.as_bytes());
        refused.refuses(1, "time namespace");
        Run::of(within(&["status", "--check"])).ends_with(4);
        assert!(home.is_active());
        let proof = home.outside("ran");
        let touch = ["exec", "--", "touch", proof.to_str().unwrap()];
        Run::of(within(&touch)).refuses(4, "time namespace");
        assert!(!proof.exists());
        ended_for(&home, "time_namespace");
    }
}

#[test]
fn a_time_namespace_that_shifts_nothing_changes_nothing() {
    if !time_namespaces_can_be_made() {
        return;
    }
    let home = Home::signed_in();
    Run::of(in_time_namespace(&home, "", &["exec", "--", "true"])).succeeds();
    assert!(home.is_active());
}

#[test]
fn where_the_system_does_not_tell_whether_the_clocks_are_shifted_no_session_is_judged() {
    let home = Home::signed_in();
    // The processes of a namespace that is gone: ours is not among them.
    let script = |program: &str| {
        let inner = format!(
            "unshare -p -f mount -t proc proc /proc && ! test -e /proc/self && exec {program}"
        );
        let mut shell = home.shell("exec unshare -m -T --boottime 60 sh -c \"$0\"");
        shell.arg(inner);
        shell
    };
    if Run::of(script("true")).code != 0 {
        eprintln!("skipped: no other process file system may be mounted here");
        return;
    }
    let status = Run::of(script("\"$NIGHTLATCH\" status --check"));
    status.refuses(1, "does not show this process");
    assert!(home.is_active());
}

#[test]
fn what_is_mounted_over_the_kernels_own_files_is_not_believed() {
    let home = Home::signed_in();
    let made_up = home.outside("made_up");
    std::fs::write(&made_up, "12345678-1234-1234-1234-123456789abc\n").unwrap();
    let zeros = home.outside("zeros");
    std::fs::write(&zeros, "monotonic           0         0\n").unwrap();
    let within = |script: &str| {
        let mut shell = home.shell("exec unshare -m sh -c \"$0\" sh \"$1\" \"$2\"");
        shell.arg(script).arg(&made_up).arg(&zeros);
        Run::of(shell)
    };
    if within("mount --bind \"$1\" /proc/version").code != 0 {
        eprintln!("skipped: nothing may be mounted here");
        return;
    }
    let other_process = "mount --bind /proc/1/timens_offsets /proc/$$/timens_offsets";
    for (mount, part) in [
        (
            "mount --bind \"$1\" /proc/sys/kernel/random/boot_id",
            "/proc is not the kernel's",
        ),
        (
            "mount --bind \"$2\" /proc/$$/timens_offsets",
            "something is mounted over /proc/self/timens_offsets",
        ),
        (
            other_process,
            "something is mounted over /proc/self/timens_offsets",
        ),
        (
            "mount -t tmpfs none /proc && mkdir -p /proc/sys/kernel/random && cp \"$1\" /proc/sys/kernel/random/boot_id",
            "/proc is not the kernel's",
        ),
    ] {
        within(&format!("{mount} && exec \"$NIGHTLATCH\" -n exec -- true")).refuses(1, part);
    }
    // Containers mount this over itself, to make it read-only.
    within("mount --bind /proc/sys /proc/sys && exec \"$NIGHTLATCH\" exec -- true").succeeds();
    assert!(home.is_active());
}
