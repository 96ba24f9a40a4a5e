//! Secrets, and the other users of the machine.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::checks::until;
use crate::support::users::{ALICE, Alices, BOB, acting_as};
use crate::support::{Run, contains, tree};

const VALUE: &str = "Slate-Otter-53-Behind-The-Mill";
/// `VALUE` in base64, whole groups only.
const ENCODED: &str = "QW1iZXItV2Vhc2VsLTQxLVVuZGVyLVRoZS1WaWFkdWN0";

/// Alice with a session and a secret `s`; `None`, with a message, without root.
fn with_secret() -> Option<Alices> {
    let alices = Alices::signed_in("kernel")?;
    let set = alices.command(ALICE, &["secret", "set", "s", "--stdin"]);
    Run::with_input(set, VALUE.as_bytes()).succeeds();
    Some(alices)
}

fn get(alices: &Alices) -> String {
    alices.run(ALICE, &["secret", "get", "s"]).succeeds().stdout
}

#[test]
fn another_user_can_neither_use_nor_change_secrets_with_the_program() {
    let Some(alices) = with_secret() else {
        return;
    };
    for arguments in [
        &["secret", "get", "s"][..],
        &["secret", "list"],
        &["secret", "set", "s", "--stdin"],
        &["secret", "rm", "s", "--yes"],
        &["exec", "--secret", "s=X", "--", "env"],
        &["inject"],
    ] {
        let run = Run::with_input(alices.command(BOB, arguments), b"{{ nightlatch://s }}");
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    }
    assert_eq!(get(&alices), VALUE);
}

#[test]
fn another_user_can_neither_read_copy_nor_replace_a_file_with_secrets() {
    let Some(alices) = with_secret() else {
        return;
    };
    let home = alices.home.path();
    let entries = tree(&home);
    assert!(
        entries
            .iter()
            .any(|entry| entry.path.ends_with("accounts.db"))
    );
    acting_as(BOB, || {
        let denied = |result: std::io::Result<()>, path: &Path| {
            let kind = result.map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::PermissionDenied), "{}", path.display());
        };
        for entry in &entries {
            let path = &entry.path;
            denied(File::open(path).map(drop), path);
            if !entry.is_dir {
                let write = fs::OpenOptions::new().append(true).open(path);
                denied(write.map(drop), path);
            }
            denied(fs::hard_link(path, "/tmp/never"), path);
            if *path != home {
                denied(fs::rename(path, home.join("moved")), path);
                denied(fs::remove_file(path), path);
            }
        }
        denied(fs::write(home.join("new"), "text"), &home);
    });
    assert_eq!(get(&alices), VALUE);
}

#[test]
fn a_copy_of_the_files_with_secrets_is_worth_nothing_to_another_user() {
    let Some(alices) = with_secret() else {
        return;
    };
    // As from a backup: readable, and a home of Bob's own.
    let copy = alices.home.outside("copy");
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(alices.home.path()).arg(&copy);
    Run::of(cp).succeeds();
    for entry in tree(&copy) {
        assert!(!contains(&entry.content, VALUE), "{:?}", entry.path);
        chown(entry.path, Some(BOB), Some(BOB)).unwrap();
    }
    for arguments in [&["secret", "get", "s"][..], &["secret", "list"]] {
        let mut command = alices.command(BOB, arguments);
        command.env("NIGHTLATCH_HOME", &copy);
        let run = Run::of(command).ends_with(4);
        assert_eq!(run.stdout, "");
    }
}

/// A command of Alice's that waits for its standard input to end, and the first line of its output.
fn waiting(mut command: Command) -> (Child, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    (child, line.trim().to_owned())
}

/// The content of a file of process `pid` in `/proc`, as `uid` sees it.
fn of_process(uid: u32, pid: &str, name: &str) -> std::io::Result<Vec<u8>> {
    let path = format!("/proc/{pid}/{name}");
    match uid {
        0 => fs::read(path),
        uid => acting_as(uid, || fs::read(path)),
    }
}

/// Checks that no process on the machine shows the value to Bob as an argument, as `ps` would.
fn no_argument_shows_it() {
    let mut seen = 0;
    for process in fs::read_dir("/proc").unwrap() {
        let name = process.unwrap().file_name();
        let name = name.to_str().unwrap();
        // It may have ended meanwhile.
        let Ok(arguments) = of_process(BOB, name, "cmdline") else {
            continue;
        };
        seen += 1;
        assert!(
            !contains(&arguments, VALUE) && !contains(&arguments, ENCODED),
            "{name}"
        );
    }
    assert!(seen > 1);
}

#[test]
fn the_secrets_of_a_running_command_show_to_no_other_user() {
    let Some(alices) = with_secret() else {
        return;
    };
    let script = "echo $PPID $$ ${F##*/}; read -r line; true";
    for mask in [&[][..], &["--no-mask"]] {
        let exec = ["exec", "--secret", "s=X", "--secret-file", "s=F"];
        let command = ["--", "sh", "-c", script];
        let command = alices.command(ALICE, &[&exec, mask, &command].concat());
        let (mut child, line) = waiting(command);
        let mut words = line.split(' ');
        let [guard, command, file] = [(); 3].map(|()| words.next().unwrap());
        no_argument_shows_it();
        // What the command has, root sees: so it would be found.
        let of_command = of_process(0, command, "environ").unwrap();
        assert!(contains(&of_command, VALUE));
        let of_guard = of_process(0, guard, "environ").unwrap();
        assert!(contains(&of_guard, "NIGHTLATCH_HOME") && !contains(&of_guard, VALUE));
        let open = format!("fd/{file}");
        assert_eq!(of_process(ALICE, command, &open).unwrap(), VALUE.as_bytes());
        for (pid, name) in [(command, "environ"), (command, &open), (guard, "environ")] {
            let error = of_process(BOB, pid, name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{pid} {name}");
        }
        // Not even she can look into the guard.
        let error = of_process(ALICE, guard, "environ").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn the_arguments_and_environment_of_the_clipboards_program_have_no_secret() {
    let Some(alices) = with_secret() else {
        return;
    };
    let script = "cat >/dev/null; echo $$ >\"$PLACE\"; exec sleep 600";
    for (variable, name) in [("WAYLAND_DISPLAY", "wl-copy"), ("DISPLAY", "xclip")] {
        alices.home.script(name, script);
        let place = alices.home.outside(name);
        let copy = ["secret", "get", "s", "--copy", "--clear-after", "10m", "-q"];
        let mut command = alices.command(ALICE, &copy);
        command.env("PATH", alices.home.search_path());
        command.env("PLACE", &place).env(variable, ":9");
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut pid = String::new();
        until("the clipboard's program has the value", || {
            pid = fs::read_to_string(&place).unwrap_or_default();
            pid.ends_with('\n')
        });
        let pid = pid.trim();
        no_argument_shows_it();
        for file in ["cmdline", "environ"] {
            let content = of_process(0, pid, file).unwrap();
            assert!(
                !content.is_empty() && !contains(&content, VALUE) && !contains(&content, ENCODED)
            );
        }
        assert!(of_process(BOB, pid, "environ").is_err());
        let process = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success());
    }
}
