//! A password is gone once it is hashed: searched for in the real program's memory at every system
//! call from then on.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::checks::until;
use crate::support::scan::{Memory, sees_into_processes};
use crate::support::trace::{Call, Tracer};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty};

/// The minimum memory of a hash: as much as the tests' configuration sets.
const WORK: u64 = 19 * 1024 * 1024;

/// A password, and the number of hashes after which nothing of it is left.
type Hashed = (&'static str, usize);

/// Whether this call ends a hash by releasing its memory.
fn ends_a_hash(call: Call) -> bool {
    call.number == libc::SYS_munmap && call.arguments[1] >= WORK
}

/// Whether the program waits indefinitely for input or for its command.
fn waits_for_ever(call: Call) -> bool {
    let [_, _, timeout, ..] = call.arguments;
    #[cfg(target_arch = "x86_64")] // other architectures have only one such call
    if call.number == libc::SYS_poll && timeout & 0xffff_ffff == 0xffff_ffff {
        return true;
    }
    call.number == libc::SYS_ppoll && timeout == 0
}

/// Eight characters from the middle of the password, as UTF-8 and as `char`s. The tests of memory
/// search for all of it when a command has finished.
fn pieces(password: &str) -> [Vec<u8>; 2] {
    let chars: Vec<char> = password.chars().skip(12).take(8).collect();
    let wide = chars.iter().flat_map(|&c| u32::from(c).to_ne_bytes());
    [
        chars.iter().collect::<String>().into_bytes(),
        wide.collect(),
    ]
}

/// Follows process `pid` from one system call to the next until it waits or ends, and checks at
/// each call that the expected passwords are gone.
#[track_caller]
fn is_gone_once_hashed(pid: u32, mut tracer: Tracer, passwords: &[Hashed]) {
    let all = passwords.iter().map(|&(_, hashes)| hashes).max().unwrap();
    let (mut hashes, mut looks, mut were_there) = (0, 0, 0);
    let mut is_done = false;
    while let Some(call) = tracer.next() {
        if hashes == all && waits_for_ever(call) {
            tracer.detach();
            break;
        }
        // At the call that ends a hash, the password may still be there; it must be gone before the
        // next call.
        let ends = ends_a_hash(call);
        if hashes > 0 || ends {
            let memory = Memory::writable_of_stopped(pid);
            for (password, gone_after) in passwords {
                let found: Vec<_> = pieces(password)
                    .iter()
                    .flat_map(|piece| memory.places(piece))
                    .collect();
                if *gone_after <= hashes {
                    assert!(
                        found.is_empty(),
                        "{password:?} before {call:?}, after {hashes} hashes: {found:#?}"
                    );
                    looks += 1;
                } else {
                    were_there += usize::from(!found.is_empty());
                }
            }
        }
        hashes += usize::from(ends);
        is_done = hashes == all;
    }
    assert!(is_done, "only {hashes} of {all} hashes");
    assert!(were_there > 0, "the search finds nothing at all");
    assert!(looks > 20, "only {looks} looks");
}

/// Maps each hash's memory separately and unmaps it afterwards, so that its end is visible.
fn mapping_its_work(command: &mut Command) {
    command.env(
        "GLIBC_TUNABLES",
        "glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=1048576",
    );
}

/// Runs the program with `input`.
#[track_caller]
fn when_run(mut command: Command, input: &str, passwords: &[Hashed]) {
    mapping_its_work(&mut command);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let tracer = Tracer::attach(child.id());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    is_gone_once_hashed(child.id(), tracer, passwords);
    child.wait().unwrap();
}

#[test]
fn a_password_is_gone_once_it_is_hashed_at_sign_in_and_registration() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::new();
    let register = home.command(&["register", EMAIL, "--password-stdin", "-q"]);
    when_run(register, PASSWORD, &[(PASSWORD, 1)]);
    for keeper in ["kernel", "agent"] {
        let mut login = home.command(&["login", "--password-stdin", "-q"]);
        login.env("NIGHTLATCH_KEEPER", keeper);
        when_run(login, PASSWORD, &[(PASSWORD, 1)]);
    }
    assert!(home.is_active());
}

#[test]
fn a_wrong_password_is_gone_once_it_is_hashed() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::registered();
    for email in [EMAIL, "nobody@example.com"] {
        let mut login = home.command(&["login", email, "--password-stdin", "-q"]);
        login.stderr(Stdio::null());
        when_run(login, OTHER_PASSWORD, &[(OTHER_PASSWORD, 1)]);
    }
}

#[test]
fn a_password_that_is_hashed_at_a_raised_cost_is_gone_then() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::registered();
    let config = home.path().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("passes = 2", "passes = 3")).unwrap();
    let login = home.command(&["login", "--password-stdin", "-q"]);
    when_run(login, PASSWORD, &[(PASSWORD, 2)]);
}

#[test]
fn of_a_password_change_each_password_is_gone_once_it_is_hashed() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::signed_in();
    let passwd = home.command(&["passwd", "--password-stdin", "-q"]);
    let both = format!("{PASSWORD}\n{OTHER_PASSWORD}\n");
    when_run(passwd, &both, &[(PASSWORD, 1), (OTHER_PASSWORD, 3)]);
    // The same password is refused without being kept.
    let mut passwd = home.command(&["passwd", "--password-stdin", "-q"]);
    passwd.stderr(Stdio::null());
    let both = format!("{OTHER_PASSWORD}\n{OTHER_PASSWORD}\n");
    when_run(passwd, &both, &[(OTHER_PASSWORD, 2)]);
}

/// Types the answers to the first prompts, the last of which is a password, on a terminal.
#[track_caller]
fn when_typed(mut command: Command, answers: &[(&str, &str)], passwords: &[Hashed]) {
    mapping_its_work(&mut command);
    let mut pty = Pty::spawn(command);
    let mut tracer = None;
    for (at, (prompt, answer)) in answers.iter().enumerate() {
        pty.expect(prompt);
        until("the typing is hidden", || !pty.echoes());
        if at + 1 == answers.len() {
            tracer = Some(Tracer::attach(pty.id()));
        }
        pty.send(&format!("{answer}\n"));
    }
    is_gone_once_hashed(pty.id(), tracer.unwrap(), passwords);
    pty.hang_up();
}

#[test]
fn a_typed_password_is_gone_once_it_is_hashed_whoever_asked_for_it() {
    const BOB: &str = "bob@example.com";
    if !sees_into_processes() {
        return;
    }
    let home = Home::registered();
    let exec = home.command(&["exec", "--", "sleep", "60"]);
    let asked = [("Password for", PASSWORD)];
    when_typed(exec, &asked, &[(PASSWORD, 1)]);
    home.run(&["lock"]).succeeds();
    // The question which account approves the new one; the next prompt asks for its password.
    let register = home.command(&["register", BOB]);
    when_typed(register, &asked, &[(PASSWORD, 1)]);
    let first = Home::new();
    let register = first.command(&["register", EMAIL]);
    let twice = [
        ("New password for", PASSWORD),
        ("New password again", PASSWORD),
    ];
    when_typed(register, &twice, &[(PASSWORD, 1)]);
    assert!(first.is_active(), "one hash is enough to sign in as well");
}
