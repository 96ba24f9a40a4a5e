//! `lock` and `logout`: they end sessions even if other things are broken, and report what they
//! ended.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fs2::FileExt;
use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::agent::agent;
use crate::support::checks::{log_is_whole, takes_at_most};
use crate::support::users::{acting_as, program_for_all};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run, files_in, keys};

const BOB: &str = "bob@example.com";

/// Two accounts, both signed in, Bob last.
fn two_signed_in() -> Home {
    let home = Home::signed_in();
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    sign_in_bob(&home);
    home
}

fn sign_in_bob(home: &Home) {
    let login = ["login", BOB, "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
}

fn sign_in_again(home: &Home) {
    home.login(&[EMAIL]).succeeds();
    sign_in_bob(home);
}

/// Whether the account has a live session, checked with a valid configuration and no forced keeper.
fn is_live(home: &Home, account: &str) -> bool {
    home.run(&["--account", account, "status", "--check"]).code == 0
}

#[track_caller]
fn nobody_is_signed_in(home: &Home, after: &str) {
    for account in [EMAIL, BOB] {
        assert!(!is_live(home, account), "{account} is, after {after}");
    }
    assert!(
        files_in(&home.path().join("sessions")).is_empty(),
        "{after}"
    );
}

fn terminated(home: &Home) -> usize {
    let events = home.events();
    events
        .iter()
        .filter(|event| *event == "SESSION_TERMINATED")
        .count()
}

#[test]
fn lock_ends_the_sessions_of_all_accounts_and_logout_one_and_both_say_whose() {
    let home = two_signed_in();
    let logout = home.run(&["logout"]).succeeds();
    assert_eq!(
        logout.stderr,
        format!("o ended the session of {BOB}; its key is destroyed\n")
    );
    assert!(is_live(&home, EMAIL) && !is_live(&home, BOB));
    sign_in_bob(&home);
    let lock = home.run(&["lock"]).succeeds();
    assert!(
        lock.stderr
            .starts_with("o ended 2 sessions; their keys are destroyed: ")
    );
    assert!(lock.stderr.contains(EMAIL) && lock.stderr.contains(BOB));
    nobody_is_signed_in(&home, "lock");
    assert_eq!(terminated(&home), 3);
    let nobody = home.run(&["lock"]).succeeds();
    assert_eq!(nobody.stderr, "o nobody was signed in\n");
    home.login(&[EMAIL]).succeeds();
    let named = home.run(&["lock", "--json"]).succeeds().json();
    assert_eq!(
        named,
        json!({ "schema": 1, "ended": 1, "accounts": [EMAIL] })
    );
    // A named account does not restrict `lock`.
    sign_in_again(&home);
    home.run(&["lock", "--account", EMAIL]).succeeds();
    nobody_is_signed_in(&home, "lock --account");
    log_is_whole(&home);
}

#[test]
fn lock_reaches_the_sessions_of_both_keepers_whichever_is_chosen() {
    let home = Home::registered();
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    for chosen in ["kernel", "agent"] {
        let sign_in = |keeper: &str, email: &str, password: &str| {
            let mut command = home.command(&["login", email, "--password-stdin"]);
            command.env("NIGHTLATCH_KEEPER", keeper);
            Run::with_input(command, password.as_bytes()).succeeds();
        };
        sign_in("kernel", EMAIL, PASSWORD);
        sign_in("agent", BOB, OTHER_PASSWORD);
        let mut lock = home.command(&["lock", "--json"]);
        lock.env("NIGHTLATCH_KEEPER", chosen);
        let before = terminated(&home);
        assert_eq!(Run::of(lock).succeeds().json()["ended"], 2, "{chosen}");
        nobody_is_signed_in(&home, chosen);
        assert_eq!(terminated(&home), before + 2, "{chosen}");
    }
}

/// The message, the change to the configuration file, and the variables that are set.
type Harm = (
    &'static str,
    fn(&Path),
    &'static [(&'static str, &'static str)],
);

#[test]
fn lock_works_with_any_mistake_in_configuration_and_variables_and_says_what_is_wrong() {
    let home = two_signed_in();
    let config = home.path().join("config.toml");
    let sound = std::fs::read(&config).unwrap();
    let harms: [Harm; 9] = [
        ("idel", |path| put_first(path, "idel = \"5m\""), &[]),
        ("idle", |path| put_first(path, "idle = \"90m\""), &[]),
        ("line 1", |path| put_first(path, "idle = "), &[]),
        (
            "UTF-8",
            |path| std::fs::write(path, b"\xff\xfe").unwrap(),
            &[],
        ),
        ("others may write", |path| set_mode(path, 0o666), &[]),
        (
            "not a regular file",
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            &[],
        ),
        (
            "NIGHTLATCH_KEEPER",
            |_| {},
            &[("NIGHTLATCH_KEEPER", "bogus")],
        ),
        (
            "NIGHTLATCH_ACCOUNT",
            |_| {},
            &[("NIGHTLATCH_ACCOUNT", "no email")],
        ),
        (
            "NIGHTLATCH_KEEPER",
            |path| put_first(path, "keeper = 5"),
            &[("NIGHTLATCH_KEEPER", "bogus"), ("NIGHTLATCH_ACCOUNT", "@")],
        ),
    ];
    for (said, harm, variables) in harms {
        for lock in [&["lock", "--json"][..], &["logout", "--all", "--json"]] {
            harm(&config);
            let mut command = home.command(lock);
            command.envs(variables.iter().copied());
            let run = Run::of(command).succeeds();
            if config.is_dir() {
                std::fs::remove_dir(&config).unwrap();
            }
            std::fs::write(&config, &sound).unwrap();
            set_mode(&config, 0o600);
            assert_eq!(run.json()["ended"], 2, "{said}: {run:#?}");
            assert!(run.stderr.contains(said), "{said}: {run:#?}");
            nobody_is_signed_in(&home, said);
            sign_in_again(&home);
        }
    }
    log_is_whole(&home);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn put_first(path: &Path, text: &str) {
    let content = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, format!("{text}\n{content}")).unwrap();
}

#[test]
fn logout_works_with_a_mistake_in_the_configuration_and_asks_which_account_where_that_is_unclear() {
    let home = two_signed_in();
    let config = home.path().join("config.toml");
    put_first(&config, "idel = \"5m\"");
    let mut command = home.command(&["logout", "--json"]);
    command.env("NIGHTLATCH_KEEPER", "bogus");
    assert_eq!(Run::of(command).succeeds().json()["accounts"], json!([BOB]));
    home.configure("");
    sign_in_bob(&home);
    // The account that an invalid name means cannot be guessed.
    let mut command = home.command(&["logout"]);
    command.env("NIGHTLATCH_ACCOUNT", "no email");
    Run::of(command).refuses(2, "NIGHTLATCH_ACCOUNT");
    std::fs::write(home.path().join("current"), "garbage").unwrap();
    home.run(&["logout"]).refuses(2, "nightlatch lock");
    assert!(is_live(&home, EMAIL) && is_live(&home, BOB));
    home.run(&["logout", "--account", BOB]).succeeds();
    // With a single session, it is unambiguous.
    home.run(&["logout"]).succeeds();
    nobody_is_signed_in(&home, "logout");
}

#[test]
fn whatever_stands_in_place_of_the_note_of_who_signed_in_last_lock_ends_all() {
    let home = two_signed_in();
    let current = home.path().join("current");
    let harms: [fn(&Path); 4] = [
        |path| std::fs::write(path, [0xff; 100]).unwrap(),
        |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        },
        |path| {
            std::fs::remove_file(path).unwrap();
            symlink("/etc/passwd", path).unwrap();
        },
        |path| {
            std::fs::remove_file(path).unwrap();
            let made = Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        harm(&current);
        assert_eq!(home.run(&["lock", "--json"]).succeeds().json()["ended"], 2);
        if current.is_dir() {
            std::fs::remove_dir(&current).unwrap();
        } else {
            std::fs::remove_file(&current).unwrap();
        }
        nobody_is_signed_in(&home, &number.to_string());
        sign_in_again(&home);
    }
}

#[test]
fn an_account_directory_that_is_damaged_keeps_no_session_from_ending() {
    let home = two_signed_in();
    let accounts = home.path().join("accounts.db");
    let kept = std::fs::read(&accounts).unwrap();
    std::fs::write(&accounts, [7; 4096]).unwrap();
    let run = home.run(&["lock", "--json"]).succeeds();
    assert_eq!(run.json()["ended"], 2, "{run:#?}");
    std::fs::write(&accounts, kept).unwrap();
    nobody_is_signed_in(&home, "damage");
}

#[test]
fn while_another_process_holds_a_lock_sessions_end_in_seconds_all_the_same() {
    for (directory, code, said) in [
        ("sessions", 0, "holds the session lock"),
        ("audit", 7, "holds the lock of the audit log"),
    ] {
        let home = two_signed_in();
        let held = File::open(home.path().join(directory)).unwrap();
        FileExt::lock_exclusive(&held).unwrap();
        let limit = Duration::from_secs(10);
        let run = takes_at_most(limit, || home.run(&["lock"])).ends_with(code);
        assert!(run.stderr.contains(said), "{run:#?}");
        assert!(run.stderr.contains("ended 2 sessions"), "{run:#?}");
        drop(held);
        nobody_is_signed_in(&home, directory);
        log_is_whole(&home);
    }
}

#[test]
fn a_revocation_while_another_process_holds_the_session_lock_warns_of_it() {
    let home = two_signed_in();
    let held = File::open(home.path().join("sessions")).unwrap();
    FileExt::lock_exclusive(&held).unwrap();
    let revoke = ["revoke", "--all", "--reason", "lost"];
    let run = home.run(&revoke).succeeds();
    assert!(run.stderr.contains("revoked 2 sessions"), "{run:#?}");
    assert!(run.stderr.contains("holds the session lock"), "{run:#?}");
    drop(held);
    for account in [EMAIL, BOB] {
        assert!(!is_live(&home, account), "{account}");
    }
    log_is_whole(&home);
}

#[test]
fn an_agent_that_does_not_answer_is_ended_with_all_its_sessions_by_lock_and_not_by_logout() {
    let home = Home::signed_in_with("agent");
    let first = agent(&home);
    kill_process(first, Signal::STOP).unwrap();
    home.run(&["logout"]).refuses(1, "does not answer");
    kill_process(first, Signal::CONT).unwrap();
    home.login(&[]).succeeds();
    // Another agent, where the first one read the request and exited.
    let agent = agent(&home);
    kill_process(agent, Signal::STOP).unwrap();
    let limit = Duration::from_secs(5);
    let run = takes_at_most(limit, || home.run(&["lock"])).succeeds();
    assert!(run.stderr.contains(EMAIL), "{run:#?}");
    let seen = std::fs::read_to_string(format!("/proc/{}/stat", agent.as_raw_nonzero()));
    assert!(
        seen.as_ref().map_or(true, |seen| seen.contains(") Z ")),
        "the agent is there: {seen:?}"
    );
    assert!(!home.is_active());
    home.login(&[]).succeeds();
    home.run(&["lock"]).succeeds();
}

#[test]
fn a_stopped_agent_whose_queue_is_full_keeps_nobody_waiting_and_is_ended_by_lock() {
    let home = Home::signed_in_with("agent");
    kill_process(agent(&home), Signal::STOP).unwrap();
    fill_queue(&home.path().join("run/agent.sock"));
    takes_at_most(Duration::from_secs(10), || {
        home.run(&["status", "--prompt"])
            .refuses(4, "does not answer");
        // The lock that it holds shows which home it belongs to.
        let run = home.run(&["exec", "--", "true"]).ends_with(1);
        assert!(
            run.stderr.contains("waiting for the agent (process "),
            "{run:#?}"
        );
        assert!(run.stderr.contains("kill -CONT "), "{run:#?}");
        home.run(&["lock"]).succeeds();
    });
    assert!(!home.is_active());
}

/// Connects to the socket at `path`, on which nobody accepts, until its queue is full.
fn fill_queue(path: &Path) {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let address = SocketAddrUnix::new(path).unwrap();
    loop {
        let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::io::ioctl_fionbio(&socket, true).unwrap();
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn all_sessions_that_end_with_a_stopped_agent_are_named_and_none_is_said_to_have_expired() {
    let home = Home::registered().with_keeper("agent");
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    home.login(&[EMAIL]).succeeds();
    sign_in_bob(&home);
    kill_process(agent(&home), Signal::STOP).unwrap();
    let run = home.run(&["lock", "--json"]).succeeds();
    assert_eq!(run.json()["ended"], 2, "{run:#?}");
    let events = home.events();
    assert!(
        !events.contains(&"SESSION_EXPIRED".to_owned()),
        "{events:?}"
    );
    nobody_is_signed_in(&home, "lock");
    log_is_whole(&home);
}

#[test]
fn with_a_stopped_agent_and_every_lock_held_lock_ends_the_sessions_in_seconds() {
    let home = Home::signed_in_with("agent");
    kill_process(agent(&home), Signal::STOP).unwrap();
    let held = ["sessions", "audit"].map(|directory| {
        let held = File::open(home.path().join(directory)).unwrap();
        FileExt::lock_exclusive(&held).unwrap();
        held
    });
    let limit = Duration::from_secs(8);
    let run = takes_at_most(limit, || home.run(&["lock"])).ends_with(7);
    assert!(
        run.stderr
            .contains(&format!("ended the session of {EMAIL}")),
        "{run:#?}"
    );
    drop(held);
    assert!(!home.is_active());
    assert!(files_in(&home.path().join("sessions")).is_empty());
}

#[test]
fn a_used_up_share_of_kernel_keys_keeps_no_session_from_ending() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can act as another user");
        return;
    }
    for (number, size) in [(0, 1), (1, 5_000)] {
        // A user without any keys: those of a thread that has ended disappear only later.
        let user = 2_000_000 + 2 * std::process::id() + number;
        let home = Home::bare();
        let Some(program) = program_for_all(&home) else {
            return;
        };
        std::os::unix::fs::chown(home.outside(""), Some(user), Some(user)).unwrap();
        let run = |arguments: &[&str]| {
            let ours = home.command(arguments);
            let mut command = Command::new(&program);
            command.args(arguments).env_clear().current_dir("/");
            let variables = ours.get_envs();
            command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, user);
            Run::with_input(command, PASSWORD.as_bytes())
        };
        run(&["register", EMAIL, "--password-stdin"]).succeeds();
        run(&["login", "--password-stdin"]).succeeds();
        assert_eq!(run(&["status", "--json"]).json()["keeper"], "kernel");
        acting_as(user, || {
            keys::use_up(size);
            let locked = run(&["lock", "--json"]).succeeds();
            assert_eq!(locked.json()["ended"], 1, "{locked:#?}");
        });
        assert_eq!(run(&["status", "--json"]).json()["state"], "none");
        assert_eq!(keys::count_of(user), 0, "the key is in the kernel still");
    }
}
