//! Where the session's key is kept: the same behaviour with every keeper, and never on disk.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::checks::{
    log_is_whole, nobody_is_signed_in, nothing_lies_about, one_session_at_a_time, until,
};
use crate::support::forbid::{KEYRING, KEYRING_AND_SOCKETS, forbid};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run, files_in};

fn a_session_from_login_to_logout(keeper: &'static str) {
    let home = Home::registered().with_keeper(keeper);
    nobody_is_signed_in(&home);
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");

    home.login(&[]).succeeds();
    let status = home.status();
    assert_eq!(status["keeper"], keeper);
    assert_eq!(status["state"], "active");
    assert_eq!(status["username"], EMAIL);
    let file = home.session_file();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let written = std::fs::read(&file).unwrap();
    let run = home.run(&["exec", "--", "echo", "ran"]).succeeds();
    assert_eq!(run.stdout, "ran\n");
    let extended = home.run(&["extend", "--json"]).succeeds().json();
    assert_eq!(extended["session_id"], status["session_id"]);
    let time = |status: &serde_json::Value| status["last_activity_at"].to_string();
    assert!(time(&extended) > time(&status), "{extended} {status}");
    // Activity does not write to the disk.
    assert_eq!(std::fs::read(&file).unwrap(), written);

    home.login(&[]).succeeds();
    let again = home.status();
    assert_ne!(again["session_id"], status["session_id"]);
    assert_eq!(again["state"], "active");

    home.run(&["logout"]).succeeds();
    nobody_is_signed_in(&home);
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    home.run(&["logout"]).succeeds();
    assert_eq!(one_session_at_a_time(&home), None);
    log_is_whole(&home);
    nothing_lies_about(&home);
}

#[test]
fn a_session_goes_from_login_to_logout_with_the_kernel() {
    a_session_from_login_to_logout("kernel");
}

#[test]
fn a_session_goes_from_login_to_logout_with_the_agent() {
    a_session_from_login_to_logout("agent");
}

fn secrets_from_set_to_recovery(keeper: &'static str) {
    const VALUE: &str = "Copper-Heron-17-Above-The-Weir";
    let home = Home::new().with_keeper(keeper);
    home.register(EMAIL, PASSWORD).succeeds();
    let set = ["secret", "set", "s", "--stdin"];
    home.run_with_input(&set, VALUE.as_bytes())
        .refuses(4, "no live session");
    home.login(&[]).succeeds();
    home.run_with_input(&set, VALUE.as_bytes()).succeeds();
    assert_eq!(home.status()["keeper"], keeper);
    let get = || home.run(&["secret", "get", "s"]);
    assert_eq!(get().succeeds().stdout, VALUE);
    let command = ["--", "sh", "-c", "echo $A; cat $B"];
    let exec = |options: &[&str]| {
        let secrets = ["exec", "--secret", "s=A", "--secret-file", "s=B"];
        home.run(&[&secrets[..], options, &command].concat())
            .succeeds()
            .stdout
    };
    assert_eq!(exec(&["--no-mask"]), format!("{VALUE}\n{VALUE}"));
    assert!(!exec(&[]).contains(VALUE));
    let filled = home.run_with_input(&["inject"], b"{{ nightlatch://s }}");
    assert_eq!(filled.succeeds().stdout, VALUE);
    let export = ["secret", "export", "--format", "json", "--password-stdin"];
    let exported = home.run_with_input(&export, PASSWORD.as_bytes()).succeeds();
    assert_eq!(exported.json()["s"], VALUE);
    let import = ["secret", "import", "--format", "env"];
    home.run_with_input(&import, b"T=other\n").succeeds();
    home.run(&["secret", "rename", "T", "U"]).succeeds();
    home.run(&["secret", "rm", "U", "--yes"]).succeeds();

    let both = format!("{PASSWORD}\n{OTHER_PASSWORD}\n");
    home.run_with_input(&["passwd", "--password-stdin"], both.as_bytes())
        .succeeds();
    get().refuses(4, "no live session");
    let login = |password: &str| {
        home.run_with_input(&["login", "--password-stdin"], password.as_bytes())
            .succeeds();
    };
    login(OTHER_PASSWORD);
    assert_eq!(get().succeeds().stdout, VALUE);
    let renew = ["account", "recovery", "--new", "--password-stdin"];
    let code = home.run_with_input(&renew, OTHER_PASSWORD.as_bytes());
    let both = format!("{}\n{PASSWORD}\n", code.succeeds().stdout.trim());
    home.run_with_input(&["recover", "--password-stdin"], both.as_bytes())
        .succeeds();
    login(PASSWORD);
    assert_eq!(get().succeeds().stdout, VALUE);
    home.run(&["lock"]).succeeds();
    get().refuses(4, "no live session");
    home.run(&["secret", "list"]).refuses(4, "no live session");
    log_is_whole(&home);
    nothing_lies_about(&home);
}

#[test]
fn secrets_work_from_set_to_recovery_with_the_kernel() {
    secrets_from_set_to_recovery("kernel");
}

#[test]
fn secrets_work_from_set_to_recovery_with_the_agent() {
    secrets_from_set_to_recovery("agent");
}

fn a_session_ends_by_itself(keeper: &'static str) {
    let home = Home::registered().with_keeper(keeper);
    home.login(&["--idle", "1s"]).succeeds();
    until("the session has expired", || !home.is_active());
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    assert!(home.events().contains(&"SESSION_EXPIRED".to_owned()));
    nobody_is_signed_in(&home);
    home.login(&[]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
}

#[test]
fn a_session_ends_by_itself_with_the_kernel() {
    a_session_ends_by_itself("kernel");
}

#[test]
fn a_session_ends_by_itself_with_the_agent() {
    a_session_ends_by_itself("agent");
}

/// Runs the program with `input` where the system refuses `calls`.
fn where_forbidden(
    mut command: Command,
    (calls, errno): (&[libc::c_long], i32),
    input: &str,
) -> Run {
    forbid(&mut command, calls, errno);
    Run::with_input(command, input.as_bytes())
}

#[test]
fn where_the_keyring_is_forbidden_the_agent_is_used_unasked() {
    for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
        let home = Home::registered();
        let run = |arguments: &[&str], input| {
            where_forbidden(home.command(arguments), (KEYRING, errno), input)
        };
        run(&["login", "--password-stdin"], PASSWORD).succeeds();
        let status = run(&["status", "--json"], "").succeeds().json();
        assert_eq!(status["keeper"], "agent");
        assert_eq!(status["state"], "active");
        run(&["exec", "--", "true"], "").succeeds();
        run(&["extend"], "").succeeds();
        run(&["logout"], "").succeeds();
        run(&["exec", "--", "true"], "").refuses(4, "no live session");
        nobody_is_signed_in(&home);
    }
}

#[test]
fn a_command_whose_session_cannot_be_extended_does_not_run_and_the_log_says_so() {
    let home = Home::signed_in_with("kernel");
    let marker = home.outside("marker");
    let exec = home.command(&["exec", "--", "touch", marker.to_str().unwrap()]);
    // Keys can be read, but not created.
    let forbidden: (&[_], _) = (&[libc::SYS_add_key], libc::EPERM);
    where_forbidden(exec, forbidden, "").refuses(1, "keeper");
    assert!(!marker.exists());
    let log = home.audit();
    let [.., started, ended, refused] = log.as_slice() else {
        panic!("{log:?}");
    };
    assert_eq!(started["event_type"], "COMMAND_STARTED");
    assert_eq!(ended["event_type"], "COMMAND_FINISHED");
    assert_eq!(refused["event_type"], "COMMAND_REFUSED");
    assert_eq!(ended["details"]["exec_id"], started["details"]["exec_id"]);
    assert_eq!(ended["success"], false);
    nothing_lies_about(&home);
}

/// Nobody is signed in, and no file on disk could hold a key.
fn nothing_was_kept(home: &Home) {
    nobody_is_signed_in(home);
    nothing_lies_about(home);
    let expected = [
        "accounts.db",
        "accounts.db-shm",
        "accounts.db-wal",
        "audit",
        "config.toml",
        "home",
        "run",
        "seal",
        "sessions",
        "sign-in",
    ];
    for file in files_in(&home.path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(expected.contains(&name), "{name}");
    }
    assert_eq!(one_session_at_a_time(home), None);
    log_is_whole(home);
}

#[test]
fn where_the_keyring_is_forbidden_the_kernel_cannot_be_chosen() {
    for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
        let home = Home::registered().with_keeper("kernel");
        let login = home.command(&["login", "--password-stdin"]);
        where_forbidden(login, (KEYRING, errno), PASSWORD)
            .refuses(1, "the kernel keeper does not work here");
        nothing_was_kept(&home);
    }
}

#[test]
fn where_no_keeper_works_signing_in_fails_and_keeps_nothing() {
    let home = Home::registered();
    let login = home.command(&["login", "--password-stdin"]);
    let forbidden = (KEYRING_AND_SOCKETS, libc::EPERM);
    where_forbidden(login, forbidden, PASSWORD).refuses(1, "no safe place");
    nothing_was_kept(&home);
}

#[test]
fn where_the_agent_has_no_directory_signing_in_fails_and_keeps_nothing() {
    let home = Home::registered();
    std::fs::write(home.path().join("run"), "in its place").unwrap();
    let login = home.command(&["login", "--password-stdin"]);
    where_forbidden(login, (KEYRING, libc::EPERM), PASSWORD).refuses(1, "run");
    std::fs::remove_file(home.path().join("run")).unwrap();
    nothing_was_kept(&home);
}

#[test]
fn a_session_whose_file_cannot_be_written_is_none_and_the_log_has_the_end_of_the_one_before() {
    let home = Home::signed_in();
    let login = home.command(&["login", "--password-stdin"]);
    let renames: &[_] = &[libc::SYS_renameat, libc::SYS_renameat2];
    where_forbidden(login, (renames, libc::ENOSPC), PASSWORD).refuses(1, "cannot write");
    nobody_is_signed_in(&home);
    assert_eq!(one_session_at_a_time(&home), None);
    log_is_whole(&home);
    nothing_lies_about(&home);
}

/// All files under `directory`, recursively.
fn all_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let (directories, mut files): (Vec<_>, Vec<_>) = files_in(directory)
        .into_iter()
        .partition(|file| file.is_dir());
    files.extend(directories.iter().flat_map(|inner| all_files(inner)));
    files
}

#[test]
fn no_file_holds_the_password_while_signed_in() {
    for keeper in ["kernel", "agent"] {
        let home = Home::signed_in_with(keeper);
        home.run(&["exec", "--", "true"]).succeeds();
        home.run_with_input(&["login", "--password-stdin"], OTHER_PASSWORD.as_bytes())
            .refuses(5, "wrong");
        let mut looked_at = 0;
        for file in all_files(&home.path()) {
            let Ok(content) = std::fs::read(&file) else {
                continue; // the agent's socket
            };
            looked_at += 1;
            for secret in [PASSWORD, OTHER_PASSWORD] {
                let found = memchr::memmem::find(&content, secret.as_bytes());
                assert_eq!(found, None, "in {}", file.display());
            }
        }
        assert!(looked_at > 3);
    }
}

#[test]
fn a_guarded_command_is_told_of_its_session_and_of_nothing_else() {
    for keeper in ["kernel", "agent"] {
        let home = Home::signed_in_with(keeper);
        let mut before: Vec<_> = home
            .command(&[])
            .get_envs()
            .map(|(name, _)| name.to_str().unwrap().to_owned())
            .collect();
        before.extend(
            ["SESSION_ID", "ACCOUNT", "SESSION_EXPIRES_AT", "EXEC_ID"]
                .map(|name| format!("NIGHTLATCH_{name}")),
        );
        before.sort();
        let run = home
            .run(&["exec", "--", "cat", "/proc/self/environ"])
            .succeeds();
        let mut after: Vec<_> = run
            .stdout
            .split_terminator('\0')
            .map(|variable| variable.split('=').next().unwrap().to_owned())
            .collect();
        after.sort();
        assert_eq!(after, before);
        assert!(!run.stdout.contains(PASSWORD));
        // It has the same open files as without the guard.
        let list = ["ls", "/proc/self/fd"];
        let mut unguarded = Command::new(list[0]);
        unguarded.arg(list[1]).stdin(Stdio::null());
        let open = home.run(&["exec", "--", list[0], list[1]]).succeeds();
        assert_eq!(open.stdout, Run::of(unguarded).succeeds().stdout);
        let run = home.run(&["exec", "--", "cat", "/proc/self/cmdline"]);
        assert_eq!(run.succeeds().stdout, "cat\0/proc/self/cmdline\0");
    }
}
