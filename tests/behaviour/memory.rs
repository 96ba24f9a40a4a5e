//! Searches for secrets in the memory of the real program while it is stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead, aead::Payload};
use fs2::FileExt;
use linux_keyutils::{KeyRing, KeyRingIdentifier};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::agent::agent;
use crate::support::checks::{until, waits_for_lock};
use crate::support::scan::{
    Memory, Secret, drain, full_pipe, locked_kib, locked_mappings, sees_into_processes, traces,
    waits_to_speak,
};
use crate::support::users::{ALICE, Alices, acting_as, program_for_all};
use crate::support::{EMAIL, Home, PASSWORD, Pty, Run, files_in, tree};

/// A password that does not occur in the program, unlike those of its tour.
const NEW_PASSWORD: &str = "Nine copper lanterns on a quay?";

fn password() -> Secret {
    ("password", PASSWORD.into())
}

/// The keys of the live session, as only a process with access to the keyring entry can learn them.
fn keys(home: &Home) -> Vec<Secret> {
    keys_from(home, &payload(home))
}

/// The keys that the payload of the live session leads to.
fn keys_from(home: &Home, payload: &[u8]) -> Vec<Secret> {
    let key = payload[8..40].to_vec();
    let file = std::fs::read(home.session_file()).unwrap();
    let mut file_key = vec![0; 32];
    hkdf::Hkdf::<sha2::Sha256>::new(None, &key)
        .expand_multi_info(
            &[b"nightlatch session file v1", &[0], &file[8..24]],
            &mut file_key,
        )
        .unwrap();
    let sealed = Payload {
        msg: &file[92..],
        aad: &file[..92],
    };
    let claims = Aes256Gcm::new_from_slice(&file_key)
        .unwrap()
        .decrypt(file[80..92].try_into().unwrap(), sealed)
        .unwrap();
    vec![
        ("session key", key),
        ("file key", file_key),
        ("account key", claims[32..64].to_vec()),
    ]
}

/// The keyring's payload for the home's session.
fn payload(home: &Home) -> Vec<u8> {
    let file = home.session_file();
    let account = file.file_stem().unwrap().to_str().unwrap();
    let id = std::fs::read_to_string(home.path().join("home")).unwrap();
    let name = format!("nightlatch:{}:{account}", id.trim_end());
    let ring = KeyRing::from_special_id(KeyRingIdentifier::Process, true).unwrap();
    ring.link_keyring_id(KeyRingIdentifier::User).unwrap();
    let mut payload = vec![0; 192];
    let length = ring.search(&name).unwrap().read(&mut payload).unwrap();
    assert_eq!(length, payload.len());
    payload
}

/// The memory of process `pid`, which contains the home's path, contains nothing of the secrets.
#[track_caller]
fn holds_nothing_of(pid: u32, home: &Home, secrets: &[Secret]) {
    let memory = Memory::of(pid);
    let path = home.path();
    let there = memory.places(path.to_str().unwrap().as_bytes());
    assert!(!there.is_empty(), "the scanner finds nothing at all");
    let mut found = Vec::new();
    for (what, trace) in secrets.iter().flat_map(traces) {
        for place in memory.places(&trace) {
            found.push(format!("{what} at {place}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Starts `command` with `input` on its standard input.
fn start(mut command: Command, input: &str) -> Child {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    child
}

/// Runs the program until it has done its work and prints a message, then examines it.
fn when_done(home: &Home, arguments: &[&str], input: &str, look: impl FnOnce(u32)) {
    let (reader, writer) = full_pipe();
    let mut command = home.command(arguments);
    command.stderr(writer);
    let mut child = start(command, input);
    waits_to_speak(child.id());
    look(child.id());
    drain(&reader);
    assert!(child.wait().unwrap().success());
}

fn lock(home: &Home, directory: &str) -> File {
    let directory = File::open(home.path().join(directory)).unwrap();
    FileExt::lock_exclusive(&directory).unwrap();
    directory
}

#[test]
fn the_password_is_in_one_place_until_it_is_hashed_and_in_none_after_that() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::signed_in();
    // Before the password is hashed, when the attempt is recorded; and after that, when the session
    // begins.
    for (directory, places) in [("audit", 1), ("sessions", 0)] {
        let held = lock(&home, directory);
        let mut child = start(home.command(&["login", "--password-stdin", "-q"]), PASSWORD);
        waits_for_lock(child.id(), &home.path().join(directory));
        let found = Memory::of(child.id()).places(PASSWORD.as_bytes());
        drop(held);
        assert!(child.wait().unwrap().success());
        assert_eq!(found.len(), places, "waiting for {directory}: {found:#?}");
    }
}

#[test]
fn a_login_that_is_done_holds_neither_password_nor_keys() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::registered();
    when_done(&home, &["login", "--password-stdin"], PASSWORD, |pid| {
        let secrets = [keys(&home), vec![password()]].concat();
        holds_nothing_of(pid, &home, &secrets);
    });
}

#[test]
fn a_registration_and_a_password_change_that_are_done_hold_no_password() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::new();
    let secrets = [password(), ("new password", NEW_PASSWORD.into())];
    let register = ["register", EMAIL, "--password-stdin"];
    when_done(&home, &register, PASSWORD, |pid| {
        holds_nothing_of(pid, &home, &secrets);
    });
    let both = format!("{PASSWORD}\n{NEW_PASSWORD}\n");
    when_done(&home, &["passwd", "--password-stdin"], &both, |pid| {
        holds_nothing_of(pid, &home, &secrets);
    });
}

#[test]
fn a_password_that_is_composed_leaves_nothing_of_either_spelling() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::new();
    let typed = "quatre the\u{301}ie\u{300}res \u{e0} cote\u{301} du mur, 17 corbeaux";
    let secrets = [
        ("typed password", typed.into()),
        (
            "composed one",
            "quatre th\u{e9}i\u{e8}res \u{e0} cot\u{e9} du mur, 17 corbeaux".into(),
        ),
    ];
    let register = ["register", EMAIL, "--password-stdin"];
    for arguments in [&register[..], &["login", "--password-stdin"]] {
        when_done(&home, arguments, typed, |pid| {
            holds_nothing_of(pid, &home, &secrets);
        });
    }
}

#[test]
fn while_its_command_runs_the_guard_holds_no_key() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::signed_in();
    let mut child = home
        .command(&["exec", "--", "sh", "-c", "echo; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let secrets = [keys(&home), vec![password()]].concat();
    holds_nothing_of(child.id(), &home, &secrets);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_watch_holds_no_key_between_two_looks() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::signed_in();
    let mut child = home
        .command(&["status", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // After the second check, remains of the first would be there as well.
    for _ in 0..2 {
        stdout.read_line(&mut String::new()).unwrap();
    }
    let secrets = [keys(&home), vec![password()]].concat();
    holds_nothing_of(child.id(), &home, &secrets);
    drop(stdout);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_password_typed_at_the_guards_prompt_is_gone_when_the_command_runs() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::registered();
    let mut pty = Pty::spawn(home.command(&["exec", "--", "sh", "-c", "echo $PPID.; read go"]));
    pty.expect("Password for");
    until("the typing is hidden", || !pty.echoes());
    pty.send(&format!("{PASSWORD}\n"));
    let said = pty.expect(".\r\n");
    let pid = said.trim_end_matches(".\r\n").rsplit('\n').next().unwrap();
    let secrets = [keys(&home), vec![password()]].concat();
    holds_nothing_of(pid.trim().parse().unwrap(), &home, &secrets);
    pty.send("\n");
    assert!(pty.finish().1.success());
}

#[test]
fn a_password_that_was_refused_is_gone_when_the_next_one_is_asked_for() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::new();
    let mut pty = Pty::spawn(home.command(&["exec", "--", "sh", "-c", "exit"]));
    pty.expect("Email: ");
    pty.send(&format!("{EMAIL}\n"));
    pty.expect("New password for");
    until("the typing is hidden", || !pty.echoes());
    let weak = "passwordpasswordpassword";
    pty.send(&format!("{weak}\n"));
    pty.expect("too easy to guess");
    pty.expect("New password for");
    until("the typing is hidden", || !pty.echoes());
    let pid = pty.foreground().as_raw_nonzero().get();
    let refused = ("refused password", weak.into());
    holds_nothing_of(pid.cast_unsigned(), &home, &[refused]);
    pty.hang_up();
}

/// A secret in its textual forms.
fn written(secret: &[u8]) -> [Vec<u8>; 3] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let hex = secret.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = hex.map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    // Whole groups of three bytes, whose encoding does not depend on what follows.
    let base64 = secret.chunks_exact(3).flat_map(|group| {
        let bits = group
            .iter()
            .fold(0, |bits, &byte| bits << 8 | usize::from(byte));
        [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63])
    });
    [secret.to_vec(), hex.collect(), base64.collect()]
}

fn has(content: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(content, part).is_some()
}

#[test]
fn no_secret_is_said_at_any_verbosity_or_in_the_surroundings_of_guard_and_command() {
    let [_, hex, base64] = written(b"light work.");
    assert!(has(&hex, b"6c6967687420776f726b2e") && has(&base64, b"bGlnaHQgd29y"));
    for verbosity in ["-q", "-v", "-vv", "-vvv"] {
        let home = Home::new();
        let mut said = Vec::new();
        let mut run = |arguments: &[&str], input: &str| {
            let arguments = [&[verbosity], arguments].concat();
            let run = home.run_with_input(&arguments, input.as_bytes()).succeeds();
            said.extend_from_slice(run.stdout.as_bytes());
            said.extend_from_slice(run.stderr.as_bytes());
        };
        run(&["register", EMAIL, "--password-stdin"], PASSWORD);
        run(&["login", "--password-stdin"], PASSWORD);
        let secrets = [keys(&home), vec![password()]].concat();
        for arguments in [
            &["status"][..],
            &["status", "--json"],
            &["extend"],
            &["audit"],
        ] {
            run(arguments, "");
        }
        // What other processes can see of the command and of its parent, the guard.
        let script = "for p in $$ $PPID; do cat /proc/$p/environ /proc/$p/cmdline; \
                      ls -l /proc/$p/fd; done 2>&1; true";
        run(&["exec", "--", "sh", "-c", script], "");
        let both = format!("{PASSWORD}\n{NEW_PASSWORD}\n");
        run(&["passwd", "--password-stdin"], &both);
        run(&["logout"], "");
        assert!(has(&said, EMAIL.as_bytes()), "nothing was looked at");
        for (name, secret) in &secrets {
            for form in written(secret) {
                assert!(!has(&said, &form), "the {name} at {verbosity}");
                for entry in tree(&home.path()) {
                    let path = entry.path.display();
                    assert!(!has(&entry.content, &form), "the {name} in {path}");
                }
            }
        }
    }
}

#[test]
fn the_agent_holds_the_session_key_in_locked_memory_and_no_password_or_account_key() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::signed_in_with("agent");
    home.run(&["exec", "--", "true"]).succeeds();
    let agent = agent(&home).as_raw_nonzero().get().cast_unsigned();
    let payload = ask_agent(&home);
    let (key, others) = {
        let mut keys = keys_from(&home, &payload);
        (keys.remove(0), keys)
    };
    // Only at the expected place, and complete there.
    let found = Memory::of(agent).places(&key.1);
    assert_eq!(found.len(), 1, "{found:#?}");
    holds_nothing_of(agent, &home, &[others, vec![password()]].concat());
    assert!(locked_kib(agent) > 0);

    // After the end it holds none: another session keeps it alive for the check.
    home.register_another("bob@example.com", NEW_PASSWORD)
        .succeeds();
    let login = ["login", "bob@example.com", "--password-stdin"];
    home.run_with_input(&login, NEW_PASSWORD.as_bytes())
        .succeeds();
    home.run(&["logout", "--account", EMAIL]).succeeds();
    holds_nothing_of(agent, &home, &[key]);
}

#[test]
fn an_ordinary_user_has_all_that_holds_secrets_locked_and_nothing_else() {
    if !sees_into_processes() {
        return;
    }
    // The lowest limit on some systems, and the usual one.
    for limit in ["64", "8192"] {
        let Some(alices) = Alices::new(Some("agent")) else {
            return;
        };
        let limited = |arguments: &[&str]| {
            let theirs = alices.command(ALICE, arguments);
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "ulimit -l \"$0\" && exec \"$@\"", limit]);
            command.arg(theirs.get_program()).args(theirs.get_args());
            command.env_clear().uid(ALICE).gid(ALICE);
            let variables = theirs.get_envs();
            command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
            command
        };
        let register = limited(&["register", EMAIL, "--password-stdin"]);
        Run::with_input(register, PASSWORD.as_bytes()).succeeds();
        // Before the password is hashed, and after that.
        for directory in ["audit", "sessions"] {
            // The directory exists after the first sign-in.
            if !alices.home.path().join(directory).exists() {
                continue;
            }
            let held = lock(&alices.home, directory);
            let mut child = start(limited(&["login", "--password-stdin", "-q"]), PASSWORD);
            waits_for_lock(child.id(), &alices.home.path().join(directory));
            let locked = locked_mappings(child.id());
            let kib = locked_kib(child.id());
            if directory == "audit" {
                let memory = Memory::of(child.id());
                assert_eq!(memory.mappings_with(PASSWORD.as_bytes()), locked);
            }
            assert!((4..=12).contains(&kib), "{kib} KiB waiting for {directory}");
            drop(held);
            assert!(child.wait().unwrap().success());
        }
        let agent = agent(&alices.home).as_raw_nonzero().get().cast_unsigned();
        let key = acting_as(ALICE, || ask_agent(&alices.home))[8..40].to_vec();
        let memory = Memory::of(agent);
        assert_eq!(memory.mappings_with(&key), locked_mappings(agent));
        assert_eq!(locked_kib(agent), 4, "{limit}");
    }
}

/// The agent's answer to a request for the home's session.
fn ask_agent(home: &Home) -> Vec<u8> {
    let account = std::fs::read(home.session_file()).unwrap()[24..40].to_vec();
    let id = std::fs::read_to_string(home.path().join("home")).unwrap();
    let id: uuid::Uuid = id.trim_end().parse().unwrap();
    let mut request = [&[1, 2, 0, 0][..], id.as_bytes(), &account].concat();
    request.resize(request.len() + 8 + 192, 0);
    let mut agent = UnixStream::connect(home.path().join("run/agent.sock")).unwrap();
    agent.write_all(&request).unwrap();
    agent.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    agent.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[..4], [1, 2, 0, 0], "it was found");
    answer.split_off(4)
}

/// Whether a process of `uid` can open `/proc/PID/mem`, and trace the process `pid`.
fn can_be_read_by(uid: u32, pid: u32) -> [bool; 2] {
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "head -c 0 <\"$0\" && echo opened",
        &format!("/proc/{pid}/mem"),
    ]);
    command.uid(uid).gid(uid);
    let opened = Run::of(command).stdout.contains("opened");
    let mut command = Command::new("true");
    command.uid(uid).gid(uid);
    // SAFETY: only two system calls run between fork and exec; PTRACE_SEIZE only attaches, and the
    // exit of this process detaches.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || {
            let pid = libc::pid_t::try_from(pid).unwrap_or(0);
            let (none, none_too) = (std::ptr::null_mut::<u8>(), std::ptr::null_mut::<u8>());
            match libc::ptrace(libc::PTRACE_SEIZE, pid, none, none_too) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let traced = command.status().is_ok();
    [opened, traced]
}

#[test]
fn other_processes_of_the_same_user_can_neither_read_nor_trace_it_nor_have_its_core() {
    const NOBODY: u32 = 65_534;
    if !sees_into_processes() {
        return;
    }
    let home = Home::new();
    let Some(program) = program_for_all(&home) else {
        eprintln!("skipped: no other user can run the program here");
        return;
    };
    let place = home.outside("place");
    std::fs::create_dir(&place).unwrap();
    std::os::unix::fs::chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
    // A readable program, to see that both methods would succeed.
    for (program, arguments, is_readable) in [
        (Path::new("/bin/cat"), &[][..], true),
        (
            &program,
            &["--home", "home", "register", EMAIL, "--password-stdin"],
            false,
        ),
    ] {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -S -c $(ulimit -H -c) && exec \"$0\" \"$@\""]);
        command
            .arg(program)
            .args(arguments)
            .env_clear()
            .current_dir(&place);
        command.uid(NOBODY).gid(NOBODY);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let pid = child.id();
        let call = format!("{} 0x0 ", libc::SYS_read);
        until("it reads", || {
            std::fs::read_to_string(format!("/proc/{pid}/syscall"))
                .is_ok_and(|current| current.starts_with(&call))
        });
        assert_eq!(
            can_be_read_by(NOBODY, pid),
            [is_readable; 2],
            "{}",
            program.display()
        );
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.contains("core file"))
            .unwrap();
        let core: Vec<&str> = core.split_whitespace().collect();
        assert_eq!(core[4], if is_readable { core[5] } else { "0" });
        // To the system, its owner is another user: a process that is not dumpable belongs to root.
        let owner = std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
        assert_eq!(owner == NOBODY, is_readable);
        if is_readable {
            child.kill().unwrap();
            child.wait().unwrap();
            continue;
        }
        kill_process(Pid::from_child(&child), Signal::ABORT).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGABRT));
        assert!(!status.core_dumped());
    }
    for file in files_in(&place) {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(!name.contains("core"), "{name}");
    }
}

/// Whether a process of `uid` that starts `program` under trace can read its memory where it stops,
/// before its first instruction.
#[allow(unsafe_code)]
fn can_be_read_at_its_start(uid: u32, program: &Path) -> bool {
    acting_as(uid, || {
        let mut command = Command::new(program);
        command.arg("--version").env_clear().stdout(Stdio::null());
        // SAFETY: only one system call runs between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let (none, none_too) = (std::ptr::null_mut::<u8>(), std::ptr::null_mut::<u8>());
                match libc::ptrace(libc::PTRACE_TRACEME, 0, none, none_too) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        assert!(
            stopped.is_some_and(|(_, status)| status.stopped()),
            "it runs on"
        );
        let read = File::open(format!("/proc/{}/mem", pid.as_raw_nonzero())).is_ok();
        child.kill().unwrap();
        child.wait().unwrap();
        read
    })
}

#[test]
fn a_program_that_its_user_may_not_read_is_closed_to_a_tracer_from_the_start() {
    const NOBODY: u32 = 65_534;
    if !sees_into_processes() || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can act as another user");
        return;
    }
    let home = Home::new();
    let Some(program) = program_for_all(&home) else {
        return;
    };
    for (mode, is_read) in [(0o755, true), (0o711, false)] {
        std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(
            can_be_read_at_its_start(NOBODY, &program),
            is_read,
            "{mode:o}"
        );
        // And it runs.
        let mut command = Command::new(&program);
        command
            .args(["status", "--check"])
            .env_clear()
            .uid(NOBODY)
            .gid(NOBODY);
        command.env("NIGHTLATCH_HOME", home.outside("none"));
        Run::of(command).ends_with(4);
    }
}
