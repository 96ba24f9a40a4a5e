//! Secrets and recovery codes in the memory of the real program: in locked memory while it works
//! with them, and nowhere when it ends.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::checks::until;
use crate::support::scan::{Memory, locked_mappings, sees_into_processes, traces};
use crate::support::trace::{Call, Tracer};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty};

/// A value that is in no program and no file of the tests but this one.
const VALUE: &str = "Amber-Weasel-41-Under-The-Viaduct";
const NEW_VALUE: &str = "Cobalt-Heron-86-Above-The-Aqueduct";

/// A home in which the secret `s` has a value that was replaced since, by [`VALUE`].
fn with_secret(keeper: &'static str) -> Home {
    let home = Home::signed_in_with(keeper);
    for value in ["first", VALUE] {
        home.run_with_input(&["secret", "set", "s", "--stdin"], value.as_bytes())
            .succeeds();
    }
    home
}

/// The program, which waits for a line of standard input and may leave as large a core as it likes.
fn waiting(home: &Home, arguments: &[&str]) -> Command {
    let script = "ulimit -S -c $(ulimit -H -c); read go; exec \"$0\" \"$@\"";
    home.command_under("/bin/sh", &["-c", script], arguments)
}

/// Where a process holds a trace of any of `secrets`.
fn traced_in(memory: &Memory, secrets: &[&str]) -> Vec<String> {
    let named = secrets
        .iter()
        .map(|secret| ("secret", secret.as_bytes().to_vec()));
    let traces = named.flat_map(|secret| traces(&secret));
    let places = |(what, trace): (String, Vec<u8>)| {
        let places = memory.places(&trace).into_iter();
        places.map(move |place| format!("{what} at {place}"))
    };
    traces.flat_map(places).collect()
}

/// Whether the program hands something out or stores it.
fn writes(call: Call) -> bool {
    [libc::SYS_write, libc::SYS_pwrite64].contains(&call.number)
}

/// What a program is seen to hold of secrets.
#[derive(Debug, Default)]
struct Seen {
    /// At some write it held one, in locked memory.
    locked: bool,
    /// At a write or at the end it held one elsewhere.
    elsewhere: Vec<String>,
    /// The end was seen.
    end: bool,
}

/// Follows process `pid` to its end. `also` gives more secrets to look for there.
fn follow(pid: u32, mut tracer: Tracer, secrets: &[&str], also: impl Fn() -> Vec<String>) -> Seen {
    let mut seen = Seen::default();
    while let Some(call) = tracer.next() {
        if call.number == libc::SYS_exit_group {
            let also = also();
            let all = [
                secrets,
                &also.iter().map(String::as_str).collect::<Vec<_>>(),
            ]
            .concat();
            let memory = Memory::writable_of_stopped(pid);
            seen.elsewhere.extend(traced_in(&memory, &all));
            let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let core = limits.lines().find(|line| line.contains("core file"));
            assert!(core.unwrap().contains(" 0 "), "{limits}");
            seen.end = true;
        } else if writes(call) || !seen.locked {
            let memory = Memory::writable_of_stopped(pid);
            let locked = locked_mappings(pid);
            for secret in secrets {
                // All of it: a search for every trace at every call would take minutes.
                let found = memory.mappings_with(secret.as_bytes());
                let is_locked = |mapping: &&str| locked.iter().any(|other| other == mapping);
                seen.locked |= found.iter().any(is_locked);
                let open = found.iter().filter(|mapping| !is_locked(mapping));
                seen.elsewhere
                    .extend(open.map(|open| format!("{open} before {call:?}")));
            }
        }
    }
    seen
}

/// Checks that the secrets were there to be found, and are gone.
#[track_caller]
fn was_clean(what: &str, seen: &Seen) {
    assert!(seen.end, "{what}: its end was not seen");
    assert!(seen.locked, "{what}: nothing was found at all");
    assert!(seen.elsewhere.is_empty(), "{what}: {:#?}", seen.elsewhere);
}

/// Starts `command`, which waits for a line, and follows it with `input` after that.
fn traced(mut command: Command, input: &str) -> (Child, Tracer) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let tracer = Tracer::attach(child.id());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("go\n{input}").as_bytes()).unwrap();
    (child, tracer)
}

/// Runs the program to its end with `input`, and checks that it succeeds and is clean.
#[track_caller]
fn is_clean(home: &Home, arguments: &[&str], input: &str, secrets: &[&str]) {
    let mut command = waiting(home, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut child, tracer) = traced(command, input);
    let seen = follow(child.id(), tracer, secrets, Vec::new);
    let what = arguments.join(" ");
    assert!(child.wait().unwrap().success(), "{what}");
    was_clean(&what, &seen);
}

/// A file beside the home with `text`.
fn file(home: &Home, name: &str, text: &str) -> String {
    let path = home.outside(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_secret_that_is_set_or_read_is_in_locked_memory_and_gone_at_the_end() {
    if !sees_into_processes() {
        return;
    }
    for keeper in ["kernel", "agent"] {
        let home = with_secret(keeper);
        is_clean(&home, &["secret", "get", "s"], "", &[VALUE]);
        let set = ["secret", "set", "s", "--stdin"];
        is_clean(&home, &set, NEW_VALUE, &[NEW_VALUE]);
        let from = file(&home, "value", VALUE);
        is_clean(
            &home,
            &["secret", "set", "s", "--file", &from],
            "",
            &[VALUE],
        );
        let [get, older] = [&["get", "s"][..], &["get", "s", "--version", "3"]];
        assert_eq!(home.run(&[&["secret"], get].concat()).stdout, VALUE);
        assert_eq!(home.run(&[&["secret"], older].concat()).stdout, NEW_VALUE);
    }
}

#[test]
fn a_generated_secret_is_gone_at_the_end() {
    if !sees_into_processes() {
        return;
    }
    let home = with_secret("kernel");
    let mut command = waiting(&home, &["secret", "set", "new", "--generate", "32"]);
    command.stderr(Stdio::null());
    let (mut child, tracer) = traced(command, "");
    // Only then is it known.
    let value = || vec![home.run(&["secret", "get", "new"]).succeeds().stdout];
    let seen = follow(child.id(), tracer, &[], value);
    assert!(child.wait().unwrap().success());
    assert!(seen.end && seen.elsewhere.is_empty(), "{seen:#?}");
}

#[test]
fn a_secret_typed_on_the_terminal_or_shown_there_is_gone_at_the_end() {
    if !sees_into_processes() {
        return;
    }
    let home = with_secret("kernel");
    let mut pty = Pty::spawn(home.command(&["secret", "set", "s"]));
    for (question, last) in [("Value of s: ", false), ("The same value again: ", true)] {
        pty.expect(question);
        until("the typing is hidden", || !pty.echoes());
        if last {
            let tracer = Tracer::attach(pty.id());
            pty.send(&format!("{NEW_VALUE}\n"));
            was_clean("set", &follow(pty.id(), tracer, &[NEW_VALUE], Vec::new));
        } else {
            pty.send(&format!("{NEW_VALUE}\n"));
        }
    }
    assert!(pty.finish().1.success());
    let mut pty = Pty::spawn(waiting(&home, &["secret", "get", "s"]));
    let tracer = Tracer::attach(pty.id());
    pty.send("go\n");
    was_clean("get", &follow(pty.id(), tracer, &[NEW_VALUE], Vec::new));
    assert!(pty.finish().0.contains(NEW_VALUE));
}

#[test]
fn secrets_that_are_filled_in_moved_or_sealed_again_are_gone_at_the_end() {
    if !sees_into_processes() {
        return;
    }
    let home = with_secret("kernel");
    let template = "a: {{ nightlatch://s }}\n";
    is_clean(&home, &["inject"], template, &[VALUE]);
    let (from, to) = (file(&home, "in", template), file(&home, "out", ""));
    is_clean(&home, &["inject", "-i", &from, "-o", &to], "", &[VALUE]);
    let export = ["secret", "export", "--format", "json", "--password-stdin"];
    is_clean(&home, &export, PASSWORD, &[VALUE, PASSWORD]);
    let env = format!("A={NEW_VALUE}\nB='{NEW_VALUE}'\n");
    let import = ["secret", "import", "--format", "env"];
    is_clean(&home, &import, &env, &[NEW_VALUE]);
    let json = format!("{{\"A\": \"{VALUE}\", \"B\": \"{VALUE}\\n\"}}");
    let import = ["secret", "import", "--format", "json", "--replace"];
    is_clean(&home, &import, &json, &[VALUE]);
    is_clean(&home, &["secret", "rename", "s", "t"], "", &[VALUE]);
    let both = format!("{PASSWORD}\n{OTHER_PASSWORD}\n");
    let passwd = ["passwd", "--password-stdin"];
    is_clean(&home, &passwd, &both, &[VALUE, PASSWORD, OTHER_PASSWORD]);
}

#[test]
fn a_secret_that_was_masked_is_gone_when_its_command_has_ended() {
    if !sees_into_processes() {
        return;
    }
    let home = with_secret("kernel");
    let exec = ["exec", "--secret", "s=X", "--", "sh", "-c", "echo \"$X\""];
    is_clean(&home, &exec, "", &[VALUE]);
}

/// The recovery code on the last line of a file, with its dashes and without.
fn codes(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.lines().last().unwrap().trim().to_owned();
    assert_eq!(code.len(), 35, "{text:?}");
    vec![code.replace('-', ""), code]
}

#[test]
fn a_recovery_code_is_gone_when_it_was_shown_or_used() {
    if !sees_into_processes() {
        return;
    }
    let home = Home::new();
    let shown = home.outside("shown");
    let run = |arguments: &[&str], input: &str, secrets: &[&str]| {
        let mut command = waiting(&home, arguments);
        // The code is on one of the two.
        let output = File::create(&shown).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let (mut child, tracer) = traced(command, input);
        let seen = follow(child.id(), tracer, secrets, || codes(&shown));
        assert!(child.wait().unwrap().success(), "{arguments:?}");
        was_clean(&arguments.join(" "), &seen);
        codes(&shown).remove(1)
    };
    let register = ["register", EMAIL, "--password-stdin"];
    run(&register, PASSWORD, &[PASSWORD]);
    home.login(&[]).succeeds();
    let renew = ["account", "recovery", "--new", "--password-stdin"];
    let code = run(&renew, PASSWORD, &[PASSWORD]);
    let recover = ["recover", "--password-stdin"];
    let bare = code.replace('-', "");
    let used = [&code, &bare[..], OTHER_PASSWORD];
    let next = run(&recover, &format!("{code}\n{OTHER_PASSWORD}\n"), &used);
    assert_ne!(code, next);
}
