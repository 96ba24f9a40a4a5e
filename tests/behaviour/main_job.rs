//! The main job, end to end.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use unicode_width::UnicodeWidthStr;

use crate::support::{EMAIL, Home, PASSWORD};

#[test]
fn register_login_use_and_logout_in_one_flow() {
    let home = Home::new();
    home.register(EMAIL, PASSWORD).succeeds();
    assert_eq!(home.status()["state"], "none");
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");

    home.login(&[]).succeeds();
    assert_eq!(home.status()["state"], "active");
    assert_eq!(
        home.run(&["whoami"]).succeeds().stdout,
        format!("{EMAIL}\n")
    );
    home.run(&["extend"]).succeeds();
    let run = home
        .run(&["exec", "--", "sh", "-c", "echo $NIGHTLATCH_ACCOUNT"])
        .succeeds();
    assert_eq!(run.stdout, format!("{EMAIL}\n"));

    home.run(&["logout"]).succeeds();
    assert_eq!(home.status()["state"], "none");
    home.run(&["whoami"]).refuses(4, "no live session");
    home.run(&["logout"]).succeeds();

    assert_eq!(
        home.events(),
        [
            "ACCOUNT_REGISTERED",
            "RECOVERY_CODE_CREATED",
            "COMMAND_REFUSED",
            "LOGIN_ATTEMPT",
            "LOGIN_SUCCESS",
            "SESSION_CREATED",
            "SESSION_VALIDATED",
            "SESSION_EXTENDED",
            "SESSION_VALIDATED",
            "SESSION_EXTENDED",
            "COMMAND_STARTED",
            "COMMAND_FINISHED",
            "SESSION_TERMINATED",
        ]
    );
}

#[test]
fn the_tour_shows_all_of_it_and_leaves_nothing_behind() {
    let home = Home::bare();
    let scratch = home.outside("tmp");
    std::fs::create_dir(&scratch).unwrap();
    let mut command = home.command(&["tour"]);
    command.env("TMPDIR", &scratch);
    let run = crate::support::Run::of(command).succeeds();
    for shown in [
        "$ nightlatch register",
        "deployed by",
        "$ nightlatch secret set prod/db --generate",
        "32 characters: ",
        "$ nightlatch sessions",
        "$ nightlatch revoke --reason 'lost laptop'",
        "no live session",
        "COMMAND_REFUSED",
        "$ nightlatch audit verify",
        "Verified: no tampering found",
    ] {
        assert!(run.stdout.contains(shown), "{run:#?}");
    }
    for line in run.stdout.lines() {
        assert!(line.width() <= 80, "{line}");
    }
    assert_eq!(
        crate::support::files_in(&scratch),
        [] as [std::path::PathBuf; 0]
    );
    assert!(!home.path().exists());
}

#[test]
fn the_scratch_directory_of_the_tour_is_closed_to_others_whatever_the_umask() {
    let home = Home::bare();
    let scratch = home.outside("tmp");
    std::fs::create_dir(&scratch).unwrap();
    let tour = home.command(&["tour"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 0; exec \"$0\" tour"]);
    command.arg(tour.get_program()).env_clear();
    for (name, value) in tour.get_envs() {
        command.envs(value.map(|value| (name, value)));
    }
    let mut child = command
        .env("TMPDIR", &scratch)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The first output shows that the directory exists.
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let entry = std::fs::read_dir(&scratch).unwrap().next().unwrap();
    let mode = entry.unwrap().metadata().unwrap().permissions().mode();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    child.wait().unwrap();
    assert_eq!(mode & 0o7777, 0o700);
}
