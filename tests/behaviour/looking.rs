//! Read-only commands change nothing, and a directory that is not our home is left alone.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::support::checks::takes_at_most;
use crate::support::{EMAIL, Home, PASSWORD, Run, tree};

/// Read-only commands, with their exit codes in a home with a live session and without a home.
const LOOKS: [(&[&str], i32, i32); 21] = [
    (&["status"], 0, 4),
    (&["status", "--json"], 0, 4),
    (&["status", "--check"], 0, 4),
    (&["status", "--prompt"], 0, 4),
    (&["status", "--notice"], 0, 4),
    (&["--account", EMAIL, "status"], 0, 4),
    (&["--account", "nobody@example.com", "status"], 4, 4),
    (&["whoami"], 0, 4),
    (&["doctor"], 0, 0),
    (&["doctor", "--json"], 0, 0),
    (&["config", "show"], 0, 0),
    (&["config", "check"], 0, 0),
    (&["hook", "bash"], 0, 0),
    (&["hook", "fish"], 0, 0),
    (&["completions", "bash"], 0, 0),
    (&["man"], 0, 0),
    (&["audit", "fingerprint"], 0, 7),
    (&["audit", "anchor"], 0, 7),
    (&["audit", "verify"], 0, 7),
    (&["--exit-codes"], 0, 0),
    (&["--version"], 0, 0),
];

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Completes `nightlatch --account `, which reads the home.
fn complete(home: &Home, words: &[&str]) -> Run {
    let mut command = home.command(&[&["--", "nightlatch"], words].concat());
    command.env("NIGHTLATCH_COMPLETE", "fish");
    Run::of(command)
}

#[test]
fn looking_changes_no_mode_file_or_directory_of_a_home_however_open_it_is() {
    let home = Home::signed_in();
    for entry in tree(&home.path()) {
        set_mode(&entry.path, if entry.is_dir { 0o755 } else { 0o644 });
    }
    let before = tree(&home.path());
    for (arguments, code, _) in LOOKS {
        let run = home.run(arguments);
        // `doctor` warns of a directory that is open to others.
        assert_eq!(run.code, code, "{run:#?}");
        assert_eq!(tree(&home.path()), before, "{arguments:?}");
    }
    let completed = complete(&home, &["--account", ""]).succeeds();
    assert!(completed.stdout.contains(EMAIL), "{completed:#?}");
    assert_eq!(tree(&home.path()), before, "completing");
    // A command that uses the home restricts its permissions.
    home.run(&["exec", "--", "true"]).succeeds();
    assert_eq!(tree(&home.path())[0].mode, 0o700);
}

#[test]
fn looking_finds_an_account_while_others_have_the_account_directory_open() {
    let home = Home::signed_in();
    let database = rusqlite::Connection::open(home.path().join("accounts.db")).unwrap();
    database
        .execute_batch("BEGIN IMMEDIATE; UPDATE accounts SET updated_at = updated_at + 1; COMMIT")
        .unwrap();
    let names = |home: &Home| -> Vec<_> {
        tree(&home.path())
            .into_iter()
            .map(|entry| entry.path)
            .collect()
    };
    let before = names(&home);
    assert!(before.iter().any(|path| path.ends_with("accounts.db-wal")));
    home.run(&["--account", EMAIL, "status", "--check"])
        .succeeds();
    home.run(&["--account", "nobody@example.com", "status", "--check"])
        .ends_with(4);
    assert_eq!(names(&home), before);
}

#[test]
fn doctor_says_of_a_directory_that_it_is_no_home_and_nothing_of_what_is_in_it() {
    let home = project("src");
    let report = home.run(&["doctor", "--json"]).succeeds().json();
    let checks = report["checks"].as_array().unwrap();
    let of = |name: &str| checks.iter().find(|check| check["check"] == name);
    let found = of("home").unwrap();
    assert_eq!(found["state"], "warn");
    assert!(
        found["found"]
            .as_str()
            .unwrap()
            .contains("no home of Nightlatch"),
        "{found}"
    );
    assert!(of("files").is_none(), "{report}");
}

/// A directory with other contents, such as a project, in place of the home.
fn project(with: &str) -> Home {
    let home = Home::bare();
    let path = home.path();
    std::fs::create_dir_all(path.join(with)).unwrap();
    std::fs::write(path.join("data"), "data").unwrap();
    set_mode(&path.join("data"), 0o664);
    set_mode(&path, 0o775);
    home
}

#[test]
fn a_directory_that_is_no_home_is_left_alone_by_whatever_looks() {
    for with in ["src", "audit", "sessions", "run"] {
        let home = project(with);
        let before = tree(&home.path());
        for (arguments, _, code) in LOOKS {
            let run = home.run(arguments);
            assert_eq!(run.code, code, "{run:#?}");
            assert_eq!(tree(&home.path()), before, "{arguments:?} with {with}");
        }
        complete(&home, &["--account", ""]).succeeds();
        assert_eq!(tree(&home.path()), before, "completing with {with}");
    }
}

#[test]
fn a_directory_that_is_no_home_is_left_alone_by_what_would_change_it_and_register_says_why() {
    let home = project("audit");
    let before = tree(&home.path());
    for (arguments, code) in [
        (&["exec", "-n", "--", "true"][..], 4),
        (&["extend"], 4),
        (&["lock"], 0),
        (&["logout"], 0),
        (&["logout", "--all"], 0),
        (&["audit", "list"], 0),
        (&["audit", "--json"], 0),
        (&["audit", "stats"], 0),
        (&["audit", "prune"], 0),
        (&["audit", "hold", "list"], 0),
        (&["passwd", "--password-stdin"], 2),
        (&["login", EMAIL, "--password-stdin"], 5),
        (&["register", EMAIL, "--password-stdin"], 1),
    ] {
        let run = home.run_with_input(arguments, PASSWORD.as_bytes());
        assert_eq!(run.code, code, "{run:#?}");
        assert_eq!(tree(&home.path()), before, "{arguments:?}");
    }
    let run = home.register(EMAIL, PASSWORD);
    let run = run.refuses(1, "is no home of Nightlatch");
    assert!(run.stderr.contains("--home DIR"), "{run:#?}");
}

#[test]
fn register_makes_a_home_of_a_directory_that_is_empty_or_was_begun_and_closes_it() {
    for begun in [&[][..], &["config.toml"], &["audit/", ".tmp-0123", "run/"]] {
        let home = Home::bare();
        std::fs::create_dir(home.path()).unwrap();
        set_mode(&home.path(), 0o755);
        for name in begun {
            let path = home.path().join(name);
            if name.ends_with('/') {
                std::fs::create_dir(path).unwrap();
            } else {
                std::fs::write(path, "").unwrap();
            }
        }
        home.register(EMAIL, PASSWORD).succeeds();
        assert_eq!(tree(&home.path())[0].mode, 0o700, "{begun:?}");
    }
}

#[test]
fn a_home_that_lost_its_accounts_is_a_home_all_the_same() {
    let home = Home::signed_in();
    std::fs::rename(home.path().join("accounts.db"), home.outside("kept")).unwrap();
    home.run(&["lock", "--json"]).succeeds();
    assert!(!home.path().join("accounts.db").exists());
    std::fs::rename(home.outside("kept"), home.path().join("accounts.db")).unwrap();
    assert!(!home.is_active());
}

#[test]
fn lock_ends_the_session_of_a_home_that_lost_its_accounts_and_its_log() {
    for lost in [
        &["accounts.db", "audit"][..],
        &["accounts.db", "audit", "seal"],
    ] {
        let home = Home::signed_in();
        let place = |name: &&str| {
            (
                home.path().join(name),
                home.outside(&format!("kept-{name}")),
            )
        };
        for (here, kept) in lost.iter().map(place) {
            std::fs::rename(here, kept).unwrap();
        }
        let run = home.run(&["lock", "--json"]);
        assert_eq!(run.json()["ended"], 1, "{lost:?}: {run:#?}");
        for (here, kept) in lost.iter().map(place) {
            let _ = std::fs::remove_dir_all(&here);
            std::fs::rename(kept, here).unwrap();
        }
        assert!(!home.is_active(), "{lost:?}");
    }
}

#[test]
fn a_directory_with_sessions_and_another_file_called_home_is_no_home() {
    let home = project("sessions");
    std::fs::write(home.path().join("home"), "page\n").unwrap();
    let before = tree(&home.path());
    home.run(&["lock"]).succeeds();
    assert_eq!(tree(&home.path()), before);
}

/// SQLite itself tries for ten seconds, and then fails, where it may only read.
#[test]
fn a_database_whose_writer_was_killed_after_the_header_of_its_wal_is_read_at_once() {
    let home = Home::registered();
    let place = |suffix: &str, content: &[u8]| {
        let path = home.path().join(format!("accounts.db-{suffix}"));
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };
    place("wal", &[7; 32]);
    place("shm", &vec![0; 32768]);
    let limit = Duration::from_secs(5);
    let list = takes_at_most(limit, || {
        home.run(&["account", "list", "--json"]).succeeds()
    });
    assert_eq!(list.json()["accounts"][0]["email"], EMAIL);
}
