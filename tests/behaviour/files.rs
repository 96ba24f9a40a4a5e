//! Changes to the files of a home.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::days::{pruned_before, segments, used_for_days};
use crate::support::users::program_for_all;
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run, files_in, tree};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The recorded reasons why sessions were not accepted.
fn invalid_reasons(home: &Home) -> Vec<String> {
    home.audit()
        .iter()
        .filter(|event| event["event_type"] == "SESSION_INVALID")
        .map(|event| event["details"]["reason"].as_str().unwrap().to_owned())
        .collect()
}

/// Applies `harm` to the file of a live session. The session must then be refused, with `reason` on
/// record, leave nothing behind, and not prevent the next sign-in.
fn refused_for(reason: &str, harm: impl FnOnce(&Home, &Path)) {
    let home = Home::signed_in();
    home.register_another("bob@example.com", OTHER_PASSWORD)
        .succeeds();
    let file = home.session_file();
    harm(&home, &file);
    let marker = home.outside("ran");
    home.run(&["exec", "--", "touch", marker.to_str().unwrap()])
        .refuses(4, ": its file");
    assert!(!marker.exists());
    assert_eq!(invalid_reasons(&home), [reason]);
    let last = home.audit().pop().unwrap();
    assert_eq!(last["event_type"], "COMMAND_REFUSED");
    assert!(
        fs::symlink_metadata(&file).is_err(),
        "{reason}: it was left there"
    );
    // The key is gone as well, so restoring the file does not revive the session.
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    let login = ["login", EMAIL, "--password-stdin"];
    home.run_with_input(&login, PASSWORD.as_bytes()).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
    assert_eq!(invalid_reasons(&home), [reason]);
}

#[test]
fn a_truncated_session_file_is_refused() {
    for length in [0, 1, 67, 403] {
        refused_for("corrupt", |_, file| {
            fs::OpenOptions::new()
                .write(true)
                .open(file)
                .unwrap()
                .set_len(length)
                .unwrap();
        });
    }
}

#[test]
fn a_session_file_with_one_bit_flipped_anywhere_is_refused() {
    // In the magic, the reserved bytes, the session id, the boot id, the nonce, the claims, the
    // tag.
    for (at, reason) in [
        (0, "corrupt"),
        (6, "corrupt"),
        (8, "stale_copy"),
        (40, "corrupt"),
        (56, "corrupt"),
        (100, "corrupt"),
        (403, "corrupt"),
    ] {
        refused_for(reason, |_, file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[at] ^= 0x10;
            fs::write(file, bytes).unwrap();
        });
    }
}

/// Truncates and changes it at positions all over the file, each time in a new session.
#[test]
fn wherever_a_session_file_is_cut_or_changed_the_session_ends_with_that_reason_and_no_panic() {
    let home = Home::signed_in();
    let length = fs::read(home.session_file()).unwrap().len();
    let marker = home.outside("ran");
    let guarded = ["exec", "--", "touch", marker.to_str().unwrap()];
    let refused = |reasons: &[&str], harm: &dyn Fn(&mut Vec<u8>)| {
        let file = home.session_file();
        let mut bytes = fs::read(&file).unwrap();
        harm(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let before = home.audit().len();
        let run = home.run(&guarded).refuses(4, ": its file");
        assert!(!run.stderr.contains("panicked"), "{run:#?}");
        assert!(!marker.exists());
        assert!(!file.exists());
        // It ended once, for this reason: not as a crash or an expiry, and not again on the next
        // query.
        assert_eq!(home.status()["state"], "none");
        home.run(&guarded).refuses(4, "no live session");
        let ends: Vec<_> = home.audit()[before..]
            .iter()
            .filter(|event| {
                event["event_type"]
                    .as_str()
                    .unwrap()
                    .starts_with("SESSION_")
            })
            .map(|event| event["details"]["reason"].as_str().unwrap().to_owned())
            .collect();
        assert!(
            ends.len() == 1 && reasons.contains(&ends[0].as_str()),
            "{ends:?}"
        );
        home.login(&[]).succeeds();
    };
    for cut in (0..length).step_by(67) {
        refused(&["corrupt"], &|bytes| bytes.truncate(cut));
    }
    // The version looks like a newer one, and the session's id like another session's.
    let reasons = ["corrupt", "stale_copy", "unsupported_version"];
    for at in (0..length).step_by(45).chain([4, 5, length - 1]) {
        refused(&reasons, &|bytes| bytes[at] ^= 0xff);
    }
    assert!(!marker.exists());
    home.run(&guarded).succeeds();
    assert!(marker.exists());
}

#[test]
fn a_session_file_of_a_future_version_is_refused() {
    refused_for("unsupported_version", |_, file| {
        let mut bytes = fs::read(file).unwrap();
        bytes[4] = 2;
        bytes.extend_from_slice(b"and more");
        fs::write(file, bytes).unwrap();
    });
}

#[test]
fn a_session_file_far_longer_than_any_is_refused() {
    refused_for("unsafe_file", |_, file| {
        fs::write(file, vec![0; 1 << 20]).unwrap();
    });
}

#[test]
fn the_session_file_of_another_account_is_refused() {
    refused_for("foreign", |home, file| {
        let current = fs::read(home.path().join("current")).unwrap();
        let login = ["login", "bob@example.com", "--password-stdin"];
        home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
            .succeeds();
        let bobs = files_in(&home.path().join("sessions"))
            .into_iter()
            .find(|path| path != file)
            .unwrap();
        fs::copy(&bobs, file).unwrap();
        fs::write(home.path().join("current"), current).unwrap();
    });
}

#[test]
fn an_older_copy_of_the_session_file_put_back_is_refused() {
    refused_for("stale_copy", |home, file| {
        let older = fs::read(file).unwrap();
        let login = ["login", EMAIL, "--password-stdin"];
        home.run_with_input(&login, PASSWORD.as_bytes()).succeeds();
        fs::write(file, older).unwrap();
    });
}

#[test]
fn a_session_file_put_back_after_logout_is_worth_nothing() {
    let home = Home::signed_in();
    let file = home.session_file();
    let copy = fs::read(&file).unwrap();
    home.run(&["logout"]).succeeds();
    assert!(!file.exists());
    fs::write(&file, copy).unwrap();
    set_mode(&file, 0o600);
    assert_eq!(home.status()["state"], "expired");
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    assert!(!file.exists());
}

#[test]
fn a_fifo_in_place_of_the_session_file_is_refused_and_not_waited_for() {
    refused_for("unsafe_file", |_, file| {
        fs::remove_file(file).unwrap();
        assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
    });
}

#[test]
fn a_symlink_in_place_of_the_session_file_is_refused_and_its_target_left_alone() {
    refused_for("unsafe_file", |home, file| {
        let elsewhere = home.outside("elsewhere");
        fs::rename(file, &elsewhere).unwrap();
        symlink(&elsewhere, file).unwrap();
    });
}

#[test]
fn a_session_file_with_a_second_name_is_refused() {
    refused_for("unsafe_file", |home, file| {
        fs::hard_link(file, home.outside("second-name")).unwrap();
    });
}

#[test]
fn a_session_file_that_others_may_write_is_refused() {
    refused_for("unsafe_file", |_, file| set_mode(file, 0o622));
}

#[test]
fn a_session_file_that_is_gone_ends_the_session() {
    refused_for("file_gone", |_, file| fs::remove_file(file).unwrap());
}

#[test]
fn a_session_file_of_another_user_is_refused() {
    if !is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    refused_for("unsafe_file", |_, file| {
        std::os::unix::fs::chown(file, Some(65_534), None).unwrap();
    });
}

#[test]
fn an_empty_directory_in_place_of_the_session_file_ends_the_session_and_goes() {
    let home = Home::signed_in();
    let file = home.session_file();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    home.run(&["exec", "--", "true"])
        .refuses(4, "its file cannot be trusted");
    assert!(!file.exists());
    home.login(&[]).succeeds();
}

#[test]
fn a_directory_with_something_in_it_is_refused_with_a_way_out() {
    let home = Home::signed_in();
    let file = home.session_file();
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("of somebody's")).unwrap();
    home.run(&["exec", "--", "true"]).ends_with(1);
    assert!(!home.is_active());
    home.login(&[]).ends_with(1);
    fs::remove_dir_all(&file).unwrap();
    home.login(&[]).succeeds();
}

#[test]
fn what_others_could_read_is_closed_and_used() {
    let home = Home::signed_in();
    for entry in tree(&home.path()) {
        set_mode(&entry.path, if entry.is_dir { 0o755 } else { 0o644 });
    }
    home.run(&["exec", "--", "true"]).succeeds();
    home.login(&[]).succeeds();
    for entry in tree(&home.path()) {
        // The user may share the configuration, which contains no secret.
        let is_config = entry.path.ends_with("config.toml") || entry.path.ends_with("CACHEDIR.TAG");
        let is_throttle = entry.path.starts_with(home.path().join("sign-in"));
        if !is_config && !is_throttle {
            assert_eq!(entry.mode & 0o077, 0, "{}", entry.path.display());
        }
    }
}

#[test]
fn what_others_could_write_is_refused_and_left_alone() {
    let home = Home::signed_in();
    for (name, code) in [
        ("accounts.db", 1),
        ("current", 1),
        ("audit/0000000000000001.jsonl", 7),
        ("audit/head", 7),
        ("seal/state", 7),
        ("config.toml", 1),
    ] {
        let path = home.path().join(name);
        let (mode, content) = (mode_of(&path), fs::read(&path).unwrap());
        set_mode(&path, 0o666);
        let run = if name == "accounts.db" {
            home.login(&[])
        } else {
            home.run(&["exec", "--", "true"])
        };
        run.refuses(code, "others may write to it");
        assert_eq!(fs::read(&path).unwrap(), content, "{name}");
        set_mode(&path, mode);
        home.run(&["exec", "--", "true"]).succeeds();
    }
}

/// The files that only pruning uses, and those that every append uses.
const OF_PRUNING: [&str; 4] = [
    "audit/removed.jsonl",
    "audit/pruning",
    "audit/head",
    "seal/state",
];

#[test]
fn what_pruning_uses_is_refused_when_others_may_write_it_or_own_it_and_nothing_is_removed() {
    let home = pruned_before();
    let before = segments(&home);
    for name in OF_PRUNING {
        let path = home.path().join(name);
        let content = fs::read(&path).unwrap();
        let refuses = |part: &str| {
            home.run(&["audit", "prune"]).refuses(7, part);
            assert_eq!(fs::read(&path).unwrap(), content, "{name}");
            assert_eq!(segments(&home)[..before.len()], before, "{name}");
        };
        set_mode(&path, 0o666);
        refuses("others may write to it");
        set_mode(&path, 0o600);
        let second = home.outside("second-name");
        fs::hard_link(&path, &second).unwrap();
        refuses("it has 2 hard links");
        fs::remove_file(second).unwrap();
        if is_root() {
            let give_to = |user| std::os::unix::fs::chown(&path, Some(user), None).unwrap();
            give_to(65_534);
            refuses("it belongs to user 65534, not to you");
            give_to(0);
        }
    }
    home.run(&["audit", "prune"]).succeeds();
    assert!(segments(&home).len() < before.len());
}

#[test]
fn whatever_the_umask_and_their_modes_pruning_leaves_its_files_the_owners_alone() {
    for umask in ["0", "0777", "0277"] {
        for (prepare, modes) in [
            (used_for_days as fn() -> Home, None),
            (pruned_before, Some(0o644)),
        ] {
            let home = prepare();
            for name in OF_PRUNING {
                modes.inspect(|&mode| set_mode(&home.path().join(name), mode));
            }
            let prune = format!("umask {umask}; exec \"$NIGHTLATCH\" audit prune");
            Run::of(home.shell(&prune)).succeeds();
            for name in OF_PRUNING {
                let mode = mode_of(&home.path().join(name));
                assert_eq!(mode, 0o600, "umask {umask}: {name}");
            }
            for segment in segments(&home) {
                let mode = mode_of(&home.path().join("audit").join(&segment));
                assert_eq!(mode, 0o600, "umask {umask}: {segment}");
            }
        }
    }
}

#[test]
fn files_of_another_user_are_refused_and_left_alone() {
    if !is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let home = Home::signed_in();
    for (name, code) in [
        ("", 1),
        ("accounts.db", 1),
        ("current", 1),
        ("sessions", 1),
        ("audit", 7),
        ("audit/0000000000000001.jsonl", 7),
        ("audit/head", 7),
        ("seal", 7),
        ("seal/state", 7),
        ("config.toml", 1),
    ] {
        let path = home.path().join(name);
        let give_to = |user| std::os::unix::fs::chown(&path, Some(user), None).unwrap();
        give_to(65_534);
        let run = if name == "accounts.db" {
            home.login(&[])
        } else {
            home.run(&["exec", "--", "true"])
        };
        run.refuses(code, "it belongs to user 65534, not to you");
        assert_eq!(fs::metadata(&path).unwrap().uid(), 65_534);
        give_to(0);
        home.run(&["exec", "--", "true"]).succeeds();
    }
}

#[test]
fn links_and_fifos_among_our_files_are_refused() {
    let home = Home::signed_in();
    for (name, code) in [
        ("accounts.db", 1),
        ("current", 1),
        ("audit/0000000000000001.jsonl", 7),
        ("audit/head", 7),
        ("seal/state", 7),
        ("sessions", 1),
        ("audit", 7),
        ("seal", 7),
    ] {
        let path = home.path().join(name);
        let elsewhere = home.outside("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        let run = |part: &str| {
            let run = if name == "accounts.db" {
                home.login(&[])
            } else {
                home.run(&["exec", "--", "true"])
            };
            run.refuses(code, part);
        };
        symlink(&elsewhere, &path).unwrap();
        run("symbolic link");
        fs::remove_file(&path).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        run(if elsewhere.is_dir() {
            "not a directory"
        } else {
            "not a regular file"
        });
        fs::remove_file(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        home.run(&["exec", "--", "true"]).succeeds();
    }
}

#[test]
fn a_home_that_is_a_file_a_link_or_nowhere_is_refused() {
    let home = Home::signed_in();
    let file = home.outside("file");
    fs::write(&file, "mine").unwrap();
    let link = home.outside("link");
    symlink(home.path(), &link).unwrap();
    for (place, part) in [
        (file.clone(), "it is not a directory"),
        (file.join("below"), "Not a directory"),
        (link, "it is a symbolic link"),
    ] {
        let place = place.to_str().unwrap();
        for arguments in [
            &["register", EMAIL, "--password-stdin"][..],
            &["login", EMAIL, "--password-stdin"],
        ] {
            let arguments = [&["--home", place], arguments].concat();
            let run = home.run_with_input(&arguments, PASSWORD.as_bytes());
            let run = run.refuses(1, part);
            assert!(!run.stderr.contains("config.toml"), "{run:?}");
        }
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert!(home.is_active());
}

#[test]
fn a_copy_of_the_whole_home_has_no_live_session() {
    let home = Home::signed_in();
    let copy = home.outside("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .args([&home.path(), &copy])
        .status();
    assert!(copied.unwrap().success());
    let copy = copy.to_str().unwrap();
    let status = home.run(&["--home", copy, "status", "--json"]).ends_with(4);
    assert_ne!(status.json()["state"], "active");
    home.run(&["--home", copy, "exec", "--", "true"])
        .refuses(4, "no live session here: this home is a copy");
    // Refusing it there did not end it here.
    home.run(&["exec", "--", "true"]).succeeds();
    let login = ["--home", copy, "login", "--password-stdin"];
    home.run_with_input(&login, PASSWORD.as_bytes()).succeeds();
    home.run(&["--home", copy, "logout"]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
}

#[test]
fn a_locked_database_is_waited_for_and_then_said_to_be_busy() {
    let home = Home::registered();
    let connection = rusqlite::Connection::open(home.path().join("accounts.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let run = home.login(&[]);
    connection.execute_batch("ROLLBACK").unwrap();
    run.refuses(1, "try again in a moment");
    home.login(&[]).succeeds();
}

#[test]
fn a_database_that_is_not_ours_or_damaged_or_newer_is_refused_and_left_as_it_is() {
    let home = Home::registered();
    let path = home.path().join("accounts.db");
    let whole = fs::read(&path).unwrap();
    let pragma = |pragma: &str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(pragma).unwrap();
    };
    let cases: [(&str, &dyn Fn()); 6] = [
        ("accounts.db", &|| {
            fs::write(&path, "no database at all").unwrap();
        }),
        ("accounts.db", &|| fs::write(&path, b"").unwrap()),
        ("accounts.db", &|| {
            let mut damaged = whole.clone();
            damaged[100..].fill(0xa5);
            fs::write(&path, damaged).unwrap();
        }),
        ("accounts.db", &|| {
            fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        }),
        ("update nightlatch", &|| pragma("PRAGMA user_version = 99")),
        ("accounts.db", &|| pragma("PRAGMA application_id = 7")),
    ];
    for (at, (part, harm)) in cases.into_iter().enumerate() {
        harm();
        let harmed = fs::read(&path).unwrap();
        home.login(&[]).refuses(1, part);
        home.register("bob@example.com", OTHER_PASSWORD)
            .refuses(1, part);
        assert!(
            fs::read(&path).unwrap() == harmed,
            "case {at} was written to"
        );
        fs::write(&path, &whole).unwrap();
        home.login(&[]).succeeds();
        home.run(&["logout"]).succeeds();
    }
}

#[test]
fn a_home_that_is_not_writable_is_refused_with_a_hint() {
    let home = Home::new();
    set_mode(&home.path(), 0o500);
    let mut command = home.command(&["register", EMAIL, "--password-stdin"]);
    if is_root() {
        // Root may write anywhere, so another user runs the program.
        let Some(program) = program_for_all(&home) else {
            eprintln!("skipped: no other user can run the program here");
            return;
        };
        for path in [home.path(), home.path().join("config.toml")] {
            std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
        }
        let mut other = Command::new(program);
        other.args(command.get_args()).env_clear();
        other.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        other.uid(65_534).gid(65_534);
        command = other;
    }
    let before = tree(&home.path());
    Run::with_input(command, PASSWORD.as_bytes()).refuses(1, "Permission denied");
    assert_eq!(tree(&home.path()), before);
    set_mode(&home.path(), 0o700);
}

#[test]
fn without_any_home_directory_it_asks_for_one() {
    let home = Home::new();
    let Some(program) = program_for_all(&home).filter(|_| is_root()) else {
        eprintln!("skipped: only root can act as a user who has no home directory");
        return;
    };
    for arguments in [&["status"][..], &["register", EMAIL, "--password-stdin"]] {
        let mut command = Command::new(&program);
        command.args(arguments).env_clear();
        // A user that is not in the user database.
        command.uid(3_999_999_999).gid(65_534);
        command.current_dir("/");
        Run::of(command).refuses(1, "--home DIR or NIGHTLATCH_HOME");
    }
}

/// Runs `script` as root in a new mount namespace, with the program as `$0` and the home as `$1`;
/// `None` if that is not possible.
fn with_mounts(home: &Home, script: &str) -> Option<Run> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "/bin/sh", "-c"]);
        command
    };
    let mut probe = unshare();
    probe.arg("mount -t tmpfs -o size=64k none /mnt");
    if !is_root() || !probe.output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: nothing can be mounted here");
        return None;
    }
    let program = home.command(&[]);
    let mut command = unshare();
    command
        .arg(script)
        .arg(program.get_program())
        .arg(home.path())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("PASSWORD", PASSWORD)
        .env("MARKER", home.outside("ran"));
    Some(Run::of(command))
}

#[test]
fn a_full_disk_is_said_to_be_full_and_nothing_is_lost() {
    let home = Home::registered();
    let script = r#"
        cp -a "$1" "$1.copy" && mount -t tmpfs -o size=256k,mode=700 none "$1" || exit 99
        cp -a "$1.copy/." "$1"
        cat /dev/zero > "$1/fill" 2> /dev/null
        printf %s "$PASSWORD" | "$0" login --password-stdin; echo "login $?"
        printf %s "$PASSWORD" | "$0" register carol@example.com --password-stdin; echo "register $?"
        "$0" status --check; echo "status $?"
        rm "$1/fill"
        printf %s "$PASSWORD" | "$0" login -q --password-stdin; echo "login $?"
        "$0" exec -- true; echo "exec $?"
        cat /dev/zero > "$1/fill" 2> /dev/null
        n=0; while "$0" exec -- touch "$MARKER" 2> "$1.error"; do
            rm "$MARKER"; n=$((n+1)); [ $n -lt 500 ] || break
        done
        cat "$1.error" >&2
        rm "$1/fill"; "$0" exec -- true; echo "exec $?"
        "$0" logout -q; echo "logout $?"
    "#;
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    let ends: Vec<&str> = run.stdout.lines().collect();
    assert!(ends[0] == "login 7" || ends[0] == "login 1", "{run:#?}");
    assert!(
        ends[1] == "register 7" || ends[1] == "register 1",
        "{run:#?}"
    );
    assert_eq!(
        ends[2..],
        ["status 4", "login 0", "exec 0", "exec 0", "logout 0"],
        "{run:#?}"
    );
    assert!(
        run.stderr
            .lines()
            .all(|line| line.starts_with("nightlatch: ")),
        "{run:#?}"
    );
    assert!(run.stderr.contains("free some disk space"), "{run:#?}");
    assert!(!home.outside("ran").exists(), "it ran unrecorded");
}

#[test]
fn on_a_read_only_disk_it_looks_but_runs_nothing_and_still_locks() {
    let home = Home::signed_in();
    let script = r#"
        mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
        "$0" whoami; echo "whoami $?"
        "$0" exec -- touch "$MARKER"; echo "exec $?"
        printf %s "$PASSWORD" | "$0" login --password-stdin; echo "login $?"
    "#;
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    let ends: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(ends, [EMAIL, "whoami 0", "exec 7", "login 1"], "{run:#?}");
    assert!(
        run.stderr
            .lines()
            .all(|line| line.starts_with("nightlatch: ")),
        "{run:#?}"
    );
    assert!(
        run.stderr
            .lines()
            .all(|line| line.contains("mounted read-only")),
        "{run:#?}"
    );
    assert!(!home.outside("ran").exists());
    // Nothing was lost.
    home.run(&["exec", "--", "true"]).succeeds();

    let script = r#"
        mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
        "$0" logout; echo "logout $?"
        "$0" status --check; echo "status $?"
    "#;
    let run = with_mounts(&home, script).unwrap();
    assert!(run.stdout.ends_with("status 4\n"), "{run:#?}");
    assert!(!run.stdout.contains("logout 0"), "{run:#?}");
    assert!(!home.is_active());
}

#[test]
fn on_a_read_only_disk_lock_ends_every_session_and_says_what_it_could_not_do() {
    let home = Home::signed_in();
    let bob = "bob@example.com";
    home.register_another(bob, OTHER_PASSWORD).succeeds();
    let login = ["login", bob, "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    let script = r#"
        chmod 755 "$1/sessions" "$1/audit" "$1"
        mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
        "$0" lock; echo "lock $?"
        "$0" lock; echo "lock $?"
    "#;
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    assert_eq!(run.stdout, "lock 1\nlock 1\n", "{run:#?}");
    assert!(run.stderr.contains("ended 2 sessions"), "{run:#?}");
    assert!(run.stderr.contains("mounted read-only"), "{run:#?}");
    for account in [EMAIL, bob] {
        assert_eq!(
            home.run(&["--account", account, "status", "--check"]).code,
            4
        );
    }
}

#[test]
fn where_neither_key_nor_file_can_be_reached_no_end_is_claimed() {
    let home = Home::signed_in_with("kernel");
    let script = r#"
        mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
        unshare --map-root-user "$0" lock; echo "lock $?"
        unshare --map-root-user "$0" --json lock
    "#;
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    let expected = "lock 1\n{\"schema\":1,\"ended\":0,\"accounts\":[]}\n";
    assert_eq!(run.stdout, expected, "{run:#?}");
    assert!(run.stderr.contains("mounted read-only"), "{run:#?}");
    assert!(!run.stderr.contains("ended the session"), "{run:#?}");
    assert!(home.is_active());
}

#[test]
fn without_proc_lock_says_so_of_the_agent_and_does_not_say_to_resume_it() {
    let home = Home::signed_in_with("agent");
    let script = r#"mount -t tmpfs none /proc || exit 99; "$0" lock; echo "lock $?""#;
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    assert!(run.stdout.starts_with("lock "), "{run:#?}");
    assert!(run.stderr.contains("/proc/self/fd"), "{run:#?}");
    assert!(!run.stderr.contains("resume"), "{run:#?}");
    assert!(!home.is_active());
}

#[test]
fn on_a_full_disk_lock_ends_every_session() {
    let home = Home::registered();
    let script = r#"
        cp -a "$1" "$1.copy" && mount -t tmpfs -o size=256k,mode=700 none "$1" || exit 99
        cp -a "$1.copy/." "$1"
        printf %s "$PASSWORD" | "$0" login -q --password-stdin || exit 98
        cat /dev/zero > "$1/fill" 2> /dev/null
        n=0; while "$0" exec -- true 2> /dev/null; do n=$((n+1)); [ $n -lt 500 ] || break; done
        "$0" lock; echo "lock $?"
        "$0" status --check; echo "status $?"
    "#;
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    assert_eq!(run.stdout, "lock 7\nstatus 4\n", "{run:#?}");
    assert!(run.stderr.contains(EMAIL), "{run:#?}");
}

#[test]
fn a_configuration_that_only_a_group_of_ones_own_may_write_is_read() {
    let home = Home::registered();
    let script = r#"
        echo root:x:0:0:root:/root:/bin/sh > "$1.users"
        for members in "" root joe; do
            echo "root:x:0:$members" > "$1.groups"
            mount --bind "$1.users" /etc/passwd && mount --bind "$1.groups" /etc/group || exit 99
            for mode in 664 620 666; do
                chmod $mode "$1/config.toml"
                "$0" config show > /dev/null 2> "$1.error"; echo "$members $mode $?"
            done
            umount /etc/passwd /etc/group
        done
        cat "$1.error" >&2
    "#;
    let Some(run) = with_mounts(&home, script) else {
        return;
    };
    let expected = [
        " 664 0",
        " 620 0",
        " 666 1",
        "root 664 0",
        "root 620 0",
        "root 666 1",
        "joe 664 1",
        "joe 620 1",
        "joe 666 1",
    ];
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), expected, "{run:#?}");
    assert!(run.stderr.contains("others may write to it"), "{run:#?}");
}
