//! Real other users of the machine: what they can do to a home, and a home to them.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use linux_keyutils::{Key, KeyError, KeyRing, KeyRingIdentifier, LinkNode};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::checks::{together, until};
use crate::support::days::{pruned_before, segments};
use crate::support::users::{ALICE, Alices, BOB, acting_as};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run, files_in, tree};

const ROOT: u32 = 0;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The owners of everything in it.
fn owners(path: &Path) -> Vec<u32> {
    let entries = tree(path).into_iter();
    entries
        .map(|entry| fs::symlink_metadata(entry.path).unwrap().uid())
        .collect()
}

#[test]
fn another_users_home_is_refused_to_everyone_root_included_and_left_alone() {
    let Some(alices) = Alices::signed_in("kernel") else {
        return;
    };
    let home = alices.home.path();
    // The ownership of the home must be sufficient; the configuration is another matter.
    fs::remove_file(home.join("config.toml")).unwrap();
    for mode in [0o700, 0o755, 0o777] {
        set_mode(&home, mode);
        let (before, owned) = (tree(&home), owners(&home));
        for (user, why) in [(BOB, mode == 0o700), (ROOT, false)] {
            let why = if why {
                "Permission denied"
            } else {
                "it belongs to user 54321, not to you"
            };
            for arguments in [
                &["register", "bob@example.com", "--password-stdin"][..],
                &["login", EMAIL, "--password-stdin"],
                &["passwd", "--password-stdin"],
                &["recover", EMAIL, "--password-stdin"],
                &["account", "list"],
                &["account", "remove", "--yes", "--password-stdin"],
                &["status"],
                &["whoami"],
                &["extend"],
                &["exec", "--", "true"],
                &["audit"],
                &["logout", "--all"],
            ] {
                alices.run(user, arguments).refuses(1, why);
            }
            assert_eq!(tree(&home), before, "user {user}, mode {mode:o}");
            assert_eq!(owners(&home), owned, "user {user}, mode {mode:o}");
        }
    }
    assert!(owners(&home).iter().all(|&owner| owner == ALICE));
    alices.run(ALICE, &["exec", "--", "true"]).succeeds();
    assert_eq!(tree(&home)[0].mode, 0o700);
}

#[test]
fn the_files_of_a_live_session_are_worth_nothing_in_another_users_hands() {
    for keeper in ["kernel", "agent"] {
        let Some(alices) = Alices::signed_in(keeper) else {
            return;
        };
        // The same files, at the same place.
        alices.give_to(BOB);
        let status = alices.run(BOB, &["status", "--json"]);
        assert!(
            status.code != 0 || status.json()["state"] != "active",
            "{status:#?}"
        );
        alices.give_to(ALICE);
        alices.run(ALICE, &["exec", "--", "true"]).succeeds();
        alices.give_to(BOB);
        let marker = alices.home.outside("ran");
        let run = alices.run(BOB, &["exec", "--", "touch", marker.to_str().unwrap()]);
        assert_ne!(run.code, 0, "{run:#?}");
        assert!(!marker.exists());
        alices.give_to(ALICE);
    }
}

/// The key of the session file `name`, found by a process that may search the user keyring.
fn key_of(name: &str) -> Option<Key> {
    let user = KeyRing::from_special_id(KeyRingIdentifier::User, true).unwrap();
    let thread = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).unwrap();
    thread.link_keyring(user).unwrap();
    let links = user.get_links(1000).unwrap();
    let mut keys = links.iter().filter_map(LinkNode::as_key);
    keys.find(|key| {
        key.metadata()
            .is_ok_and(|data| data.get_description().contains(name))
    })
}

#[test]
fn another_user_cannot_read_change_or_remove_the_key_in_the_kernel() {
    let Some(alices) = Alices::signed_in("kernel") else {
        return;
    };
    let file = alices.home.session_file();
    let account = file.file_stem().unwrap().to_str().unwrap();
    let key = acting_as(ALICE, || {
        let key = key_of(account).unwrap();
        assert!(!key.read_to_vec().unwrap().is_empty());
        key.get_id()
    });
    acting_as(BOB, || {
        assert!(key_of(account).is_none());
        let key = Key::from_id(key);
        let denied = |error: KeyError| assert_eq!(error, KeyError::AccessDenied);
        denied(key.read_to_vec().unwrap_err());
        denied(key.metadata().unwrap_err());
        denied(key.update(&[0; 8]).unwrap_err());
        denied(key.set_timeout(1).unwrap_err());
        denied(key.revoke().unwrap_err());
        denied(key.invalidate().unwrap_err());
        // A process with a link possesses the key.
        let thread = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).unwrap();
        denied(thread.link_key(key).unwrap_err());
    });
    alices.run(ALICE, &["exec", "--", "true"]).succeeds();
}

/// The result of a silent connection within this time: the kind of error, or an end without a byte.
fn silence(socket: &Path, patience: Duration) -> ErrorKind {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => ErrorKind::UnexpectedEof,
        Ok(_) => panic!("it said something"),
        Err(error) => error.kind(),
    }
}

#[test]
fn the_agent_turns_another_user_away_even_from_an_open_socket() {
    let Some(alices) = Alices::signed_in("agent") else {
        return;
    };
    let socket = alices.home.path().join("run/agent.sock");
    let refused = acting_as(BOB, || UnixStream::connect(&socket).unwrap_err().kind());
    assert_eq!(refused, ErrorKind::PermissionDenied);
    set_mode(&socket, 0o666);
    set_mode(&alices.home.path().join("run"), 0o777);
    set_mode(&alices.home.path(), 0o777);
    // It waits for its owner to send something, and for nobody else, not even root.
    let moment = Duration::from_millis(300);
    let hers = acting_as(ALICE, || silence(&socket, moment));
    assert_eq!(hers, ErrorKind::WouldBlock);
    for stranger in [BOB, ROOT] {
        let end = acting_as(stranger, || silence(&socket, Duration::from_secs(20)));
        assert!(
            [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&end),
            "{end}"
        );
    }
    alices.run(ALICE, &["exec", "--", "true"]).succeeds();
}

#[test]
fn an_agent_of_another_user_is_told_nothing() {
    let Some(alices) = Alices::signed_in("agent") else {
        return;
    };
    alices.run(ALICE, &["logout"]).succeeds();
    let run = alices.home.path().join("run");
    let socket = run.join("agent.sock");
    until("the agent has left", || !socket.exists());
    set_mode(&alices.home.path(), 0o777);
    set_mode(&run, 0o777);
    let listener = acting_as(BOB, || UnixListener::bind(&socket).unwrap());
    assert_eq!(fs::metadata(&socket).unwrap().uid(), BOB);
    set_mode(&socket, 0o666);
    listener.set_nonblocking(true).unwrap();
    alices
        .run(ALICE, &["login", "--password-stdin"])
        .refuses(1, "the agent's socket is served by user 54322, not by you");
    let (mut heard, mut asked) = (Vec::new(), 0);
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nonblocking(false).unwrap();
        stream.read_to_end(&mut heard).unwrap();
        asked += 1;
    }
    assert!(asked > 0, "nobody asked");
    assert!(heard.is_empty(), "{} bytes were said", heard.len());
    // Without the impostor everything works again.
    fs::remove_file(&socket).unwrap();
    alices.run(ALICE, &["login", "--password-stdin"]).succeeds();
}

#[test]
fn a_home_that_another_user_planted_in_a_shared_directory_is_refused() {
    let Some(alices) = Alices::new(None) else {
        return;
    };
    let shared = alices.home.outside("shared");
    fs::create_dir(&shared).unwrap();
    set_mode(&shared, 0o1777);
    let planted = shared.join("home");
    let hers = alices.home.outside("hers");
    fs::create_dir(&hers).unwrap();
    chown(&hers, Some(ALICE), Some(ALICE)).unwrap();
    let link_to = |target: &Path| acting_as(BOB, || symlink(target, &planted).unwrap());
    let register = |home: &str, part: &str| {
        let arguments = ["--home", home, "register", EMAIL, "--password-stdin"];
        alices.run(ALICE, &arguments).refuses(1, part);
    };
    for target in [&hers, &shared.join("nowhere")] {
        link_to(target);
        // With a trailing slash, the system would follow the link.
        for slash in ["", "/", "//"] {
            register(&format!("{}{slash}", planted.display()), "symbolic link");
        }
        fs::remove_file(&planted).unwrap();
    }
    assert_eq!(tree(&hers).len(), 1);
    assert_eq!(files_in(&shared).len(), 0);
    acting_as(BOB, || fs::create_dir(&planted).unwrap());
    set_mode(&planted, 0o777);
    register(
        planted.to_str().unwrap(),
        "it belongs to user 54322, not to you",
    );
    assert_eq!(tree(&planted).len(), 1);
    assert_eq!(tree(&planted)[0].mode, 0o777);
}

/// All commands; `look` runs during a guarded command.
const ALL_OF_IT: &str = r#"
    with() { printf '%s\n' "$@"; }
    with "$PASSWORD" | "$NIGHTLATCH" register alice@example.com --password-stdin &&
    with "$PASSWORD" | "$NIGHTLATCH" login --password-stdin &&
    "$NIGHTLATCH" status && "$NIGHTLATCH" extend && "$NIGHTLATCH" whoami &&
    "$NIGHTLATCH" exec -- sh -c 'ls -lR "$HOME" > /dev/null; find "$HOME" -path "$NIGHTLATCH_HOME*" -printf "%m %y %P\n"' &&
    with "$PASSWORD" "$NEW" | "$NIGHTLATCH" passwd --password-stdin &&
    with "$NEW" | "$NIGHTLATCH" login --password-stdin &&
    "$NIGHTLATCH" audit > /dev/null && "$NIGHTLATCH" logout &&
    find "$HOME" -path "$NIGHTLATCH_HOME*" -printf "%m %y %P\n"
"#;

#[test]
fn whatever_the_umask_everything_made_is_the_owners_alone_and_the_owners() {
    for keeper in ["kernel", "agent"] {
        for umask in ["0", "0777", "0277"] {
            let Some(alices) = Alices::new(Some(keeper)) else {
                return;
            };
            fs::remove_dir_all(alices.home.path()).unwrap();
            // Below directories that do not exist yet, with a umask that permits them.
            let base = alices.home.outside("deep");
            if umask != "0" {
                fs::create_dir_all(base.join("er")).unwrap();
                for parent in [base.clone(), base.join("er")] {
                    chown(&parent, Some(ALICE), Some(ALICE)).unwrap();
                    set_mode(&parent, 0o700);
                }
            }
            let home = base.join("er/home");
            let mut command = Command::new("/bin/sh");
            let program = alices.command(ALICE, &[]);
            command
                .arg("-c")
                .arg(format!("umask {umask}; {ALL_OF_IT}"))
                .env_clear();
            command.envs(
                program
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            command
                .env("NIGHTLATCH_HOME", &home)
                .env("PASSWORD", PASSWORD);
            command.env("NEW", OTHER_PASSWORD).uid(ALICE).gid(ALICE);
            let run = Run::of(command).succeeds();
            let mut seen = Vec::new();
            for line in run.stdout.lines() {
                let [mode, kind, path] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                    continue;
                };
                if !["d", "f", "s"].contains(&kind) {
                    continue;
                }
                let expected = if kind == "d" { "700" } else { "600" };
                assert_eq!(mode, expected, "umask {umask}: {kind} {path}");
                seen.push(format!("{kind} {path}"));
            }
            for what in [
                ".lease",
                ".session",
                "accounts.db",
                ".jsonl",
                "audit/head",
                "seal/state",
                "CACHEDIR.TAG",
                "current",
            ] {
                let is_there = seen.iter().any(|line| line.ends_with(what));
                assert!(is_there, "{what}: {seen:#?}");
            }
            assert_eq!(
                keeper == "agent",
                seen.iter().any(|line| line.starts_with("s "))
            );
            for parent in [base.join("er"), base] {
                assert_eq!(fs::metadata(&parent).unwrap().mode() & 0o7777, 0o700);
            }
        }
    }
}

#[test]
fn a_directory_of_the_home_swapped_for_a_link_at_any_moment_leads_nothing_astray() {
    for name in ["sessions", "audit", "run"] {
        let home = Home::signed_in().with_keeper("agent");
        home.login(&[]).succeeds();
        let victim = home.outside("victim");
        fs::create_dir(&victim).unwrap();
        let before = tree(&victim);
        let (place, link) = (home.path().join(name), home.outside("link"));
        symlink(&victim, &link).unwrap();
        let over = AtomicBool::new(false);
        let swap = || renameat_with(CWD, &place, CWD, &link, RenameFlags::EXCHANGE).unwrap();
        let codes = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Move it back long enough for somebody to get in, even on a slow machine.
                for pause in [1, 1, 1, 1, 1, 4, 16, 64].into_iter().cycle() {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    for _ in 0..2 {
                        swap();
                        std::thread::yield_now();
                    }
                    std::thread::sleep(pause * Duration::from_micros(500));
                }
            });
            let began = Instant::now();
            let mut codes = Vec::new();
            while began.elapsed() < Duration::from_millis(700)
                || !codes.contains(&0) && began.elapsed() < Duration::from_secs(20)
            {
                codes.push(home.run(&["exec", "--", "true"]).code);
                codes.push(home.login(&[]).code);
            }
            over.store(true, Ordering::Relaxed);
            codes
        });
        assert_eq!(
            tree(&victim),
            before,
            "{name:?}: something was written through the link"
        );
        assert!(
            codes.iter().all(|code| [0, 1, 4, 7].contains(code)),
            "{name:?}: {codes:?}"
        );
        assert!(
            codes.contains(&0),
            "{name:?}: nothing ever got through: {codes:?}"
        );
        home.login(&[]).succeeds();
    }
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Creates a foreign file at `path`; `None` if that is not possible.
fn plant(kind: &str, path: &Path, victim: &Path) -> Option<()> {
    let planted = &victim.with_file_name("planted");
    let made = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(["-m", "600"]).arg(planted).args(arguments);
        command.output().is_ok_and(|output| output.status.success())
    };
    match kind {
        "link" => symlink(victim, planted).unwrap(),
        "hard link" => fs::hard_link(victim, planted).unwrap(),
        "directory" => fs::create_dir_all(planted.join("of somebody's")).unwrap(),
        "socket" => drop(UnixListener::bind(planted).unwrap()),
        "FIFO" => assert!(made("mkfifo", &[])),
        // /dev/full refuses every write, so a write would be noticed.
        _ => made("mknod", &["c", "1", "7"]).then_some(())?,
    }
    // An agent may have recreated its socket by now.
    let is_there = (0..100).any(|_| {
        let _ = fs::remove_file(path);
        fs::rename(planted, path).is_ok()
    });
    assert!(is_there, "no {kind} at {}", path.display());
    Some(())
}

/// Runs the program with a password on its input, and kills it if it waits.
fn run_in_time(home: &Home, arguments: &[&str]) -> Run {
    let mut command = Command::new("timeout");
    let program = home.command(arguments);
    command
        .args(["20"])
        .arg(program.get_program())
        .args(arguments)
        .env_clear();
    command.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    Run::with_input(command, PASSWORD.as_bytes())
}

#[test]
fn nothing_planted_at_the_names_that_pruning_uses_is_followed_written_or_waited_for() {
    let home = pruned_before();
    let before = segments(&home);
    let victim = home.outside("victim");
    fs::write(&victim, "untouched").unwrap();
    set_mode(&victim, 0o604);
    for name in [
        "audit/removed.jsonl",
        "audit/pruning",
        "audit/head",
        "seal/state",
    ] {
        let path = home.path().join(name);
        let away = home.outside("away");
        fs::rename(&path, &away).unwrap();
        for kind in ["link", "hard link", "directory", "socket", "FIFO", "device"] {
            if plant(kind, &path, &victim).is_none() {
                eprintln!("skipped: no {kind} can be made here");
                continue;
            }
            let run = run_in_time(&home, &["audit", "prune"]);
            let what = format!("a {kind} at {name}: {run:#?}");
            assert_eq!(run.code, 7, "{what}");
            assert_eq!(segments(&home)[..before.len()], before, "{what}");
            assert_eq!(fs::read(&victim).unwrap(), b"untouched", "{what}");
            assert_eq!(mode_of(&victim), 0o604, "{what}");
            if path.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
        }
        fs::rename(&away, &path).unwrap();
    }
    home.run(&["audit", "prune"]).succeeds();
    assert!(segments(&home).len() < before.len());
}

#[test]
fn nothing_planted_at_any_of_our_names_is_followed_written_or_waited_for() {
    let kinds = ["link", "hard link", "directory", "socket", "FIFO", "device"];
    let planted: usize = together(kinds.len(), |at| {
        let kind = kinds[at];
        let home = Home::signed_in().with_keeper("agent");
        home.login(&[]).succeeds();
        let held = home
            .path()
            .join("run/00000000-0000-7000-8000-000000000000.lease");
        fs::write(&held, "").unwrap();
        set_mode(&held, 0o600);
        let mut names: Vec<_> = tree(&home.path())
            .into_iter()
            .map(|entry| entry.path)
            .collect();
        for companion in ["-wal", "-shm", "-journal"] {
            names.push(home.path().join(format!("accounts.db{companion}")));
        }
        names.push(home.path().join(".tmp-accounts.db"));
        // The home itself has its own test, and links to the configuration are followed.
        names.retain(|name| name != &home.path() && !name.ends_with("config.toml"));
        names.sort();
        names.dedup();
        assert!(names.len() >= 12, "{names:#?}");
        let victim = home.outside("victim");
        fs::write(&victim, "untouched").unwrap();
        set_mode(&victim, 0o604);
        for name in &names {
            let away = home.outside("away");
            let was_there = name.symlink_metadata().is_ok();
            if was_there {
                fs::rename(name, &away).unwrap();
            }
            if plant(kind, name, &victim).is_none() {
                eprintln!("skipped: no {kind} can be made here");
                return 0;
            }
            for arguments in [&["login", "--password-stdin"][..], &["exec", "--", "true"]] {
                let run = run_in_time(&home, arguments);
                let what = format!("a {kind} at {}: {run:#?}", name.display());
                assert!([0, 1, 4, 7].contains(&run.code), "{what}");
                assert_eq!(fs::read(&victim).unwrap(), b"untouched", "{what}");
                assert_eq!(mode_of(&victim), 0o604, "{what}");
            }
            if let Ok(left) = name.symlink_metadata() {
                if left.is_dir() {
                    // An agent may be recreating its socket there.
                    let emptied = (0..100).any(|_| fs::remove_dir_all(name).is_ok());
                    assert!(emptied, "a {kind} at {} stays", name.display());
                } else {
                    fs::remove_file(name).unwrap();
                }
            }
            if was_there {
                fs::rename(&away, name).unwrap();
            }
        }
        names.len()
    })
    .into_iter()
    .sum();
    assert!(planted >= 5 * 12, "only {planted} were planted");
}

#[test]
fn root_with_the_home_directory_of_another_user_is_refused_and_makes_nothing_there() {
    let home = Home::bare();
    let (hers, own) = (home.outside("hers"), home.outside("own"));
    for directory in [&hers, &own] {
        fs::create_dir(directory).unwrap();
    }
    if chown(&hers, Some(ALICE), None).is_err() {
        eprintln!("skipped: needs root");
        return;
    }
    for (name, value) in [
        ("HOME", &hers),
        ("XDG_DATA_HOME", &hers),
        ("XDG_CONFIG_HOME", &hers),
    ] {
        for arguments in [
            &["register", EMAIL, "--password-stdin"][..],
            &["login", EMAIL, "--password-stdin"],
            &["status"],
            &["-n", "exec", "--", "true"],
            &["lock"],
            &["audit"],
            &["config", "show"],
            &["hook", "bash"],
            &["doctor"],
        ] {
            let mut command = home.command(arguments);
            command
                .env_remove("NIGHTLATCH_HOME")
                .env("HOME", &own)
                .env(name, value);
            let run = Run::with_input(command, PASSWORD.as_bytes()).ends_with(1);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains("which belongs to user 54321"), "{run:#?}");
        }
    }
    for directory in [&hers, &own] {
        assert_eq!(tree(directory).len(), 1, "{directory:?}");
    }
}

#[test]
fn the_prompts_of_two_users_on_one_terminal_ask_one_after_the_other() {
    let Some(alices) = Alices::new(None) else {
        return;
    };
    // As after `su`: neither may open the terminal's device.
    let theirs = alices.home.outside("theirs");
    let config = alices.home.path().join("config.toml");
    fs::create_dir(&theirs).unwrap();
    fs::copy(config, theirs.join("config.toml")).unwrap();
    for path in [&theirs, &theirs.join("config.toml")] {
        chown(path, Some(BOB), Some(BOB)).unwrap();
    }
    let call = |uid: u32, home: &Path| {
        let program = alices.command(ROOT, &[]);
        let (program, home) = (Path::new(program.get_program()), home.display());
        format!(
            "setpriv --reuid {uid} --regid {uid} --clear-groups {} --home {home} \
             register user-{uid}@example.com --name Somebody",
            program.display()
        )
    };
    let (first, second) = (call(ALICE, &alices.home.path()), call(BOB, &theirs));
    let mut pty = Pty::spawn(
        alices
            .home
            .shell(&format!("{first} & {second}; wait; echo both ended")),
    );
    for _ in 0..2 {
        pty.expect("New password for user-");
        pty.settle();
        assert!(!pty.echoes());
        pty.send(&format!("{PASSWORD}\n{PASSWORD}\n"));
        let said = pty.expect("created");
        assert!(!said.contains("New password for"), "{said}");
    }
    // Nothing shorter: "over" is in "recovery code", which comes before the echo is back.
    let said = pty.expect("both ended\r\n");
    assert!(!said.contains(PASSWORD), "{said}");
    assert!(pty.echoes());
}
