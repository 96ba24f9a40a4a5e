//! `sessions` and `revoke`: what is seen, and that nothing runs on and nothing comes back.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use crate::support::checks::{
    leases, log_is_whole, process_namespaces, takes_at_most, together, until,
};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run};

const BOB: &str = "bob@example.com";
const WHY: &str = "lost laptop";

/// Within this, everything has ended.
const LIMIT: Duration = Duration::from_secs(6);

/// A guarded shell that runs a script, which prints the shell's process id when it is ready.
struct Guarded {
    guard: Child,
    pid: i32,
}

impl Guarded {
    fn start(home: &Home, script: &str) -> Self {
        Self::start_as(home, &[], script)
    }

    fn start_as(home: &Home, options: &[&str], script: &str) -> Self {
        let arguments = [options, &["exec", "--", "sh", "-c", script]].concat();
        let mut command = home.command(&arguments);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut guard = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let pid = line.trim().parse().unwrap();
        // A guard that is stopped now must not hold the lock.
        let sessions = std::fs::File::open(home.path().join("sessions")).unwrap();
        until("the guard has given back the session lock", || {
            let is_free = sessions.try_lock().is_ok();
            let _ = sessions.unlock();
            is_free
        });
        Self { guard, pid }
    }

    fn send(&self, signal: Signal) {
        let guard = i32::try_from(self.guard.id()).unwrap();
        kill_process(Pid::from_raw(guard).unwrap(), signal).unwrap();
    }

    /// The exit code of a guard that has ended.
    fn code(mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = self.guard.wait().unwrap();
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}

/// Whether the process runs. A zombie does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default().chars().next();
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && state != Some('Z')
}

fn pid_in(path: &std::path::Path) -> i32 {
    let read = || std::fs::read_to_string(path).ok()?.trim().parse().ok();
    let mut pid = None;
    until("it has written its process id", || {
        pid = read();
        pid.is_some()
    });
    pid.unwrap()
}

fn revoke(home: &Home) -> Run {
    takes_at_most(LIMIT, || home.run(&["revoke", "--reason", WHY]))
}

#[track_caller]
fn is_revoked(home: &Home) {
    let status = home.status();
    assert_eq!(status["state"], "revoked", "{status}");
    assert_eq!(status["reason"], WHY);
    let refused = home.run(&["exec", "--", "true"]);
    refused.refuses(4, WHY);
    assert!(leases(home).is_empty());
}

fn recorded(home: &Home, event: &str) -> Vec<Value> {
    let mut events = home.audit();
    events.retain(|one| one["event_type"] == event);
    events
}

#[test]
fn a_revoked_session_tells_its_reason_in_every_terminal_and_to_the_next_command() {
    let home = Home::signed_in();
    let session = home.status()["session_id"].clone();
    let run = revoke(&home).succeeds();
    assert_eq!(
        run.stderr,
        format!("o revoked the session of {EMAIL}; its key is destroyed\n")
    );
    let status = home.run(&["status"]).ends_with(4);
    assert!(status.stdout.contains("revoked at "), "{status:#?}");
    assert!(status.stdout.contains(WHY), "{status:#?}");
    let json = home.status();
    assert_eq!(json["session_id"], session);
    assert_eq!(json["username"], EMAIL);
    for refused in [&["exec", "--", "true"][..], &["extend"], &["run", "true"]] {
        home.run(refused).refuses(4, WHY);
    }
    let events = recorded(&home, "SESSION_REVOKED");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["details"], json!({ "reason": WHY }));
    assert_eq!(events[0]["session_id"], session);
    assert_eq!(events[0]["username"], EMAIL);
    let refusals = recorded(&home, "COMMAND_REFUSED");
    assert_eq!(refusals[0]["details"]["reason"], "session_revoked");
    log_is_whole(&home);
    // The next sign-in ends that.
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
    home.run(&["lock"]).succeeds();
    assert_eq!(home.status()["state"], "none");
}

#[test]
fn revoking_takes_no_password_and_a_second_time_changes_nothing() {
    let home = Home::signed_in();
    let session = home.status()["session_id"].as_str().unwrap().to_owned();
    home.run(&["revoke", &session, "--reason", WHY]).succeeds();
    let events = home.events().len();
    home.run(&["revoke", &session, "--reason", "again"])
        .succeeds();
    let again = home
        .run(&["revoke", "--reason", "again", "--json"])
        .succeeds();
    assert_eq!(
        again.json(),
        json!({ "schema": 1, "revoked": 0, "accounts": [], "commands": [] })
    );
    home.run(&["revoke", EMAIL, "--reason", "again"]).succeeds();
    assert_eq!(home.events().len(), events);
    is_revoked(&home);
}

#[test]
fn revoking_an_account_that_is_not_signed_in_is_recorded() {
    let home = Home::signed_in();
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    home.run(&["lock"]).succeeds();
    let run = revoke_of(&home, EMAIL);
    assert_eq!(run.stderr, "o nobody was signed in\n");
    // Nothing was revoked that it could tell of.
    assert_eq!(home.status()["state"], "none");
    let recorded = recorded(&home, "SESSION_REVOKED");
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0]["username"], EMAIL);
    assert_eq!(recorded[0]["session_id"], Value::Null);
    let details = json!({ "reason": WHY, "scope": "account", "sessions": 0 });
    assert_eq!(recorded[0]["details"], details);
    log_is_whole(&home);
    home.login(&[EMAIL]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
}

/// A session that locked by itself: its end and the revocation are both on record.
#[test]
fn revoking_an_account_whose_session_has_locked_is_recorded_beside_the_end() {
    let home = Home::registered();
    home.login(&["--idle", "1s"]).succeeds();
    until("the session has locked", || !home.is_active());
    let before = home.events().len();
    revoke_of(&home, EMAIL);
    let mut since = home.events().split_off(before);
    since.truncate(2);
    since.sort();
    assert_eq!(since, ["SESSION_EXPIRED", "SESSION_REVOKED"]);
    log_is_whole(&home);
}

fn revoke_of(home: &Home, email: &str) -> Run {
    home.run(&["revoke", email, "--reason", WHY]).succeeds()
}

#[test]
fn what_to_revoke_and_why_must_be_clear() {
    let home = Home::signed_in();
    let long = "x".repeat(501);
    for reason in ["", "  ", "a\nb", "\u{1b}[2J", &long] {
        home.run(&["revoke", "--reason", reason])
            .refuses(2, "500 characters");
    }
    home.run(&["revoke", "--reason"]).refuses(2, "--reason");
    home.run(&["revoke"]).refuses(2, "--reason");
    home.run(&["revoke", "alice", "--reason", WHY])
        .refuses(2, "neither an email nor");
    home.run(&["revoke", EMAIL, "--all", "--reason", WHY])
        .refuses(2, "--all");
    home.run(&["revoke", BOB, "--reason", WHY]).refuses(1, BOB);
    let nobodys = "00000000-0000-4000-8000-000000000000";
    home.run(&["revoke", nobodys, "--reason", WHY])
        .refuses(1, nobodys);
    assert!(home.is_active());
    home.run(&["revoke", "--reason", &"x".repeat(500)])
        .succeeds();
    assert!(!home.is_active());
}

#[test]
fn revoking_all_ends_everybodys_session_and_naming_one_only_that() {
    let home = Home::signed_in();
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    let login = ["login", BOB, "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    let is_live = |email| home.run(&["--account", email, "status", "--check"]).code == 0;
    home.run(&["revoke", EMAIL, "--reason", WHY]).succeeds();
    assert!(!is_live(EMAIL) && is_live(BOB));
    home.login(&[EMAIL]).succeeds();
    let run = home
        .run(&["revoke", "--all", "--reason", WHY, "--json"])
        .succeeds();
    assert_eq!(run.json()["revoked"], 2);
    assert!(!is_live(EMAIL) && !is_live(BOB));
    log_is_whole(&home);
}

#[test]
fn sessions_lists_every_live_session_and_its_commands_and_changes_nothing() {
    let home = Home::signed_in();
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    let nobody = home.run(&["sessions", "--account", BOB]).succeeds();
    assert!(nobody.stdout.contains(EMAIL), "{nobody:#?}");
    let running = Guarded::start_as(&home, &["--account", EMAIL], "echo $$; exec sleep 30");
    let before = (home.status(), home.audit_lines());
    let listed = home.run(&["sessions", "--json"]).succeeds().json();
    let text = home.run(&["sessions"]).succeeds().stdout;
    assert_eq!((home.status(), home.audit_lines()), before);
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{listed}");
    assert_eq!(sessions[0]["username"], EMAIL);
    assert_eq!(sessions[0]["session_id"], before.0["session_id"]);
    assert_eq!(sessions[0]["state"], "active");
    let commands = sessions[0]["commands"].as_array().unwrap();
    assert_eq!(commands.len(), 1, "{listed}");
    assert_eq!(commands[0]["program"], "sh");
    assert_eq!(commands[0]["pid"], running.pid);
    assert_eq!(commands[0]["guard_pid"], running.guard.id());
    assert!(commands[0]["running_seconds"].as_u64().unwrap() < 30);
    for shown in [EMAIL, "sh", &running.pid.to_string()] {
        assert!(text.contains(shown), "{text}");
    }
    home.run(&["lock"]).succeeds();
    // It runs on, so it is still shown.
    let listed = home.run(&["sessions", "--json"]).succeeds().json();
    assert_eq!(listed["sessions"][0]["state"], "expired");
    assert_eq!(listed["sessions"][0]["commands"][0]["pid"], running.pid);
    home.run(&["revoke", "--all", "--reason", WHY]).succeeds();
    assert!(!runs(running.pid));
    assert_eq!(running.code(), 143);
    let none = home.run(&["sessions"]).succeeds();
    assert_eq!(none.stderr, "o nobody is signed in\n");
}

#[test]
fn commands_under_a_revoked_session_end_at_once_and_that_is_recorded() {
    for keeper in ["kernel", "agent"] {
        let home = Home::new().with_keeper(keeper);
        home.register(EMAIL, PASSWORD).succeeds();
        home.login(&[]).succeeds();
        let first = Guarded::start(&home, "echo $$; exec sleep 30");
        let second = Guarded::start(&home, "echo $$; sleep 30; echo left");
        let run = takes_at_most(Duration::from_secs(3), || revoke(&home)).succeeds();
        assert!(run.stderr.contains("ended 2 commands"), "{run:#?}");
        for command in [first, second] {
            assert!(!runs(command.pid), "{keeper}");
            assert_eq!(command.code(), 143, "{keeper}");
        }
        is_revoked(&home);
        let ends = recorded(&home, "COMMAND_FINISHED");
        assert_eq!(ends.len(), 2);
        assert!(
            ends.iter().all(|end| end["details"]["signal"] == 15),
            "{ends:?}"
        );
        log_is_whole(&home);
    }
}

#[test]
fn what_ignores_the_request_is_killed_in_groups_sessions_and_without_a_parent_within_6_seconds() {
    let home = Home::signed_in();
    let at = |name: &str| home.outside(name);
    let script = format!(
        "trap '' TERM HUP INT; echo $$; \
         setsid sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' & \
         (setsid sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' &) ; \
         while :; do sleep 1; done",
        at("session").display(),
        at("orphan").display()
    );
    let stubborn = Guarded::start(&home, &script);
    let (session, orphan) = (pid_in(&at("session")), pid_in(&at("orphan")));
    // A neighbour that was not started by the guard.
    let mut neighbour = home.shell("exec sleep 60").spawn().unwrap();
    let run = revoke(&home).succeeds();
    assert!(run.stderr.contains("killed"), "{run:#?}");
    for pid in [stubborn.pid, session, orphan] {
        assert!(!runs(pid));
    }
    assert!(neighbour.try_wait().unwrap().is_none());
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
    assert_eq!(stubborn.code(), 137);
    is_revoked(&home);
    log_is_whole(&home);
}

#[test]
fn neither_a_stopped_guard_nor_a_killed_one_keeps_its_command_from_ending() {
    let home = Home::signed_in();
    let stopped = Guarded::start(&home, "trap '' TERM; echo $$; while :; do sleep 1; done");
    stopped.send(Signal::STOP);
    let killed = Guarded::start(&home, "trap '' TERM; echo $$; while :; do sleep 1; done");
    killed.send(Signal::KILL);
    until("both run", || leases(&home).len() == 2);
    let command = killed.pid;
    assert_eq!(killed.code(), 137);
    assert!(runs(command));
    revoke(&home).succeeds();
    assert!(!runs(command) && !runs(stopped.pid));
    assert_eq!(stopped.code(), 137);
    // Each end is recorded once, by the guard or by whoever revoked.
    assert_eq!(recorded(&home, "COMMAND_FINISHED").len(), 2);
    log_is_whole(&home);
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
}

/// Kills the guard of a command, which runs on. Returns the command's process id.
fn bereave(guarded: Guarded) -> i32 {
    let command = guarded.pid;
    guarded.send(Signal::KILL);
    assert_eq!(guarded.code(), 137);
    assert!(runs(command));
    command
}

#[test]
fn a_killed_guards_command_that_had_ended_by_itself_is_not_revoked() {
    let home = Home::signed_in();
    let command = bereave(Guarded::start(&home, "echo $$; exec sleep 30"));
    kill_process(Pid::from_raw(command).unwrap(), Signal::KILL).unwrap();
    until("the command has ended", || !runs(command));
    assert_eq!(leases(&home).len(), 1);
    let run = home.run(&["revoke", "--reason", WHY, "--json"]).succeeds();
    assert_eq!(run.json()["commands"], json!([]));
    assert!(recorded(&home, "COMMAND_FINISHED").is_empty());
    let ends = recorded(&home, "SESSION_TERMINATED");
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["details"], json!({ "reason": "crash" }));
    assert!(leases(&home).is_empty());
    log_is_whole(&home);
}

#[test]
fn a_killed_guards_command_that_ends_when_asked_is_recorded_as_terminated() {
    let home = Home::signed_in();
    let command = bereave(Guarded::start(&home, "echo $$; exec sleep 30"));
    let run = home.run(&["revoke", "--reason", WHY, "--json"]).succeeds();
    let commands = &run.json()["commands"];
    assert_eq!(commands[0]["killed"], false, "{commands}");
    assert_eq!(commands[0]["left"], false, "{commands}");
    assert!(!runs(command));
    let ends = recorded(&home, "COMMAND_FINISHED");
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["details"]["signal"], 15, "{ends:?}");
    log_is_whole(&home);
}

#[test]
fn a_command_in_another_process_namespace_is_ended_or_reported_as_left() {
    let home = Home::signed_in();
    let Some(within) = process_namespaces(&home) else {
        return;
    };
    // Out of sight of whoever revokes.
    let outside = Guarded::start(&home, "echo $$; exec sleep 30");
    let revoke_within = format!("exec \"$NIGHTLATCH\" revoke --reason '{WHY}'");
    let run = takes_at_most(LIMIT, || Run::of(within(&revoke_within))).ends_with(1);
    let left = "sh could not be ended: its processes cannot be seen from here";
    assert!(run.stderr.contains(left), "{run:#?}");
    assert!(!run.stderr.contains("ended sh"), "{run:#?}");
    assert!(runs(outside.pid));
    assert_eq!(home.status()["state"], "revoked");
    let run = home.run(&["revoke", EMAIL, "--reason", WHY]).succeeds();
    assert!(run.stderr.contains("ended sh"), "{run:#?}");
    assert_eq!(outside.code(), 143);
    is_revoked(&home);

    // The guard is out of sight, and its command is found by its variable.
    home.login(&[]).succeeds();
    let up = home.outside("up");
    let script = format!("echo $$ > {}; exec sleep 30", up.display());
    let mut inside = within(&format!(
        "\"$NIGHTLATCH\" exec -- sh -c '{script}'; exit $?"
    ));
    let mut inside = inside.stderr(Stdio::null()).spawn().unwrap();
    pid_in(&up);
    let run = revoke(&home).succeeds();
    assert!(run.stderr.contains("ended sh"), "{run:#?}");
    assert_eq!(inside.wait().unwrap().code(), Some(143));
    is_revoked(&home);
    let ends = recorded(&home, "COMMAND_FINISHED");
    let signals: Vec<_> = ends.iter().map(|end| &end["details"]["signal"]).collect();
    assert_eq!(signals, [15, 15]);
    log_is_whole(&home);
}

#[test]
fn a_command_and_a_guard_stopped_by_ctrl_z_end_without_being_killed() {
    let home = Home::signed_in();
    let script = format!(
        "trap 'echo asked > {}; exit 3' TERM; echo $$; while :; do sleep 0.1; done",
        home.outside("asked").display()
    );
    let stopped = Guarded::start(&home, &script);
    kill_process(Pid::from_raw(stopped.pid).unwrap(), Signal::STOP).unwrap();
    stopped.send(Signal::STOP);
    takes_at_most(Duration::from_secs(4), || revoke(&home)).succeeds();
    assert!(home.outside("asked").exists());
    assert_eq!(stopped.code(), 3);
}

#[test]
fn kept_commands_run_on_under_a_revoked_session() {
    let home = Home::signed_in();
    let kept = Guarded::start(&home, "echo $$; exec sleep 30");
    home.run(&["revoke", "--reason", WHY, "--keep-commands"])
        .succeeds();
    assert_eq!(home.status()["state"], "revoked");
    assert!(runs(kept.pid));
    // A second revocation ends them, though the session is over.
    let run = home.run(&["revoke", EMAIL, "--reason", WHY]).succeeds();
    assert!(run.stderr.contains("ended sh"), "{run:#?}");
    assert!(!runs(kept.pid));
    kept.code();
}

#[test]
fn revoking_one_account_leaves_the_commands_of_another() {
    let home = Home::signed_in();
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    let login = ["login", BOB, "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    let alices = Guarded::start_as(&home, &["--account", EMAIL], "echo $$; exec sleep 30");
    let bobs = Guarded::start_as(&home, &["--account", BOB], "echo $$; exec sleep 30");
    home.run(&["revoke", BOB, "--reason", WHY]).succeeds();
    assert!(runs(alices.pid) && !runs(bobs.pid));
    assert_eq!(bobs.code(), 143);
    home.run(&["revoke", "--all", "--reason", WHY]).succeeds();
    assert_eq!(alices.code(), 143);
}

#[test]
fn revoking_works_with_a_broken_configuration_a_full_disk_and_without_the_database() {
    use std::os::unix::process::CommandExt;
    let home = Home::signed_in();
    let running = Guarded::start(&home, "echo $$; exec sleep 30");
    let config = home.path().join("config.toml");
    let sound = std::fs::read(&config).unwrap();
    std::fs::write(&config, "idel = 1\nkeeper = 5").unwrap();
    let mut command = home.command(&["revoke", "--all", "--reason", WHY]);
    command
        .env("NIGHTLATCH_KEEPER", "bogus")
        .env("NIGHTLATCH_ACCOUNT", "@");
    let run = Run::of(command).succeeds();
    assert!(run.stderr.contains("idel") && run.stderr.contains("NIGHTLATCH_KEEPER"));
    std::fs::write(&config, &sound).unwrap();
    assert_eq!(running.code(), 143);
    is_revoked(&home);
    // Nothing can be written: the session ends all the same, and that is reported afterwards.
    home.login(&[]).succeeds();
    let running = Guarded::start(&home, "echo $$; exec sleep 30");
    let mut command = home.command(&["revoke", "--reason", WHY]);
    // SAFETY: only a system call.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(|| {
            let none = rustix::process::Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            Ok(rustix::process::setrlimit(
                rustix::process::Resource::Fsize,
                none,
            )?)
        });
    }
    let run = Run::of(command);
    assert!([1, 7].contains(&run.code), "{run:#?}");
    assert!(run.stderr.contains("revoked the session"), "{run:#?}");
    assert_eq!(running.code(), 143);
    assert!(!home.is_active());
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    // Without the account database, the live session still names its account.
    home.login(&[]).succeeds();
    for name in ["accounts.db", "accounts.db-wal", "accounts.db-shm"] {
        let _ = std::fs::write(home.path().join(name), "damaged");
    }
    home.run(&["revoke", EMAIL, "--reason", WHY]).succeeds();
    assert!(!home.is_active());
}

#[test]
fn revoking_does_not_wait_for_a_session_lock_that_is_not_given_back() {
    use fs2::FileExt;
    let home = Home::signed_in();
    let running = Guarded::start(&home, "trap '' TERM; echo $$; while :; do sleep 1; done");
    let held = std::fs::File::open(home.path().join("sessions")).unwrap();
    held.lock_exclusive().unwrap();
    let run = revoke(&home).succeeds();
    assert!(run.stderr.contains("killed"), "{run:#?}");
    assert!(!runs(running.pid));
    drop(held);
    assert_eq!(running.code(), 137);
    is_revoked(&home);
}

#[test]
fn a_session_revoked_in_the_middle_of_everything_never_comes_back() {
    for keeper in ["kernel", "agent"] {
        let home = Home::new().with_keeper(keeper);
        home.register(EMAIL, PASSWORD).succeeds();
        for round in 0..3 {
            home.login(&[]).succeeds();
            let session = home.status()["session_id"].clone();
            let runs = together(12, |number| match number % 4 {
                0 => home.run(&["extend"]),
                1 => home.run(&["revoke", "--reason", WHY]),
                2 => home.run(&["exec", "--", "sleep", "30"]),
                _ => home.run(&["exec", "--", "true"]),
            });
            for (number, run) in runs.iter().enumerate() {
                let codes: &[i32] = match number % 4 {
                    1 => &[0],
                    2 => &[4, 143],
                    _ => &[0, 4, 143],
                };
                assert!(codes.contains(&run.code), "{keeper} {round}: {run:#?}");
            }
            assert_ne!(home.status()["state"], "active");
            is_revoked(&home);
            let lines = home.audit();
            let end = lines
                .iter()
                .position(|event| {
                    event["event_type"] == "SESSION_REVOKED" && event["session_id"] == session
                })
                .unwrap();
            for later in &lines[end + 1..] {
                let event = later["event_type"].as_str().unwrap();
                let is_use = [
                    "SESSION_VALIDATED",
                    "SESSION_EXTENDED",
                    "COMMAND_STARTED",
                    "SESSION_REVOKED",
                ];
                assert!(
                    later["session_id"] != session || !is_use.contains(&event),
                    "{later}"
                );
            }
        }
        log_is_whole(&home);
    }
}

#[test]
fn a_revocation_that_is_killed_at_any_moment_is_finished_by_the_next_one() {
    for keeper in ["kernel", "agent"] {
        let home = Home::new().with_keeper(keeper);
        home.register(EMAIL, PASSWORD).succeeds();
        for millis in (0..60).step_by(6) {
            home.login(&[]).succeeds();
            let stubborn = Guarded::start(&home, "trap '' HUP; echo $$; exec sleep 60");
            let mut first = home.command(&["revoke", "--reason", WHY]);
            let mut first = first.stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(millis));
            let _ = first.kill();
            first.wait().unwrap();
            let second = home.run(&["revoke", "--reason", WHY]).succeeds();
            assert!(!runs(stubborn.pid), "{keeper} {millis}: {second:#?}");
            assert_eq!(stubborn.code(), 143);
            assert_ne!(home.status()["state"], "active");
            home.run(&["exec", "--", "true"])
                .refuses(4, "no live session");
        }
        log_is_whole(&home);
    }
}

#[test]
fn a_lease_that_names_another_process_ends_nothing() {
    let home = Home::signed_in();
    let mut innocent = home.shell("exec sleep 60").spawn().unwrap();
    let run = home.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let session = home.status()["session_id"].as_str().unwrap().to_owned();
    let exec = "0b260623-3df2-47f6-9fb5-a49991a01463";
    for (pid, start) in [(innocent.id(), "null"), (innocent.id(), "1"), (1, "null")] {
        let lease = format!(
            "{{\"exec_id\":\"{exec}\",\"session_id\":\"{session}\",\"pid\":{pid},\"start_time\":{start},\"command\":\"x\"}}\n\
             {{\"command_pid\":{pid},\"command_start_time\":{start}}}\n"
        );
        let path = run.join(format!("{exec}.lease"));
        std::fs::write(&path, lease).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        home.run(&["revoke", "--all", "--reason", WHY]).succeeds();
        assert!(innocent.try_wait().unwrap().is_none(), "{pid} {start}");
        let _ = std::fs::remove_file(path);
    }
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}
