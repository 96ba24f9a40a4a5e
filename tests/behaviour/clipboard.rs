//! `secret get --copy`: a secret in the clipboard, and out of it again.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::checks::until;
use crate::support::{Home, Pty, Run};

const VALUE: &str = "correct-horse-battery-staple";
/// `VALUE` in base64.
const ENCODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ==";
/// Sets the terminal's clipboard to a space, then to nothing.
const CLEARED: &str = "\x1b]52;c;IA==\x07\x1b]52;c;\x07";

fn with_secret() -> Home {
    let home = Home::signed_in();
    let set = ["secret", "set", "db", "--stdin"];
    home.run_with_input(&set, VALUE.as_bytes()).succeeds();
    home
}

fn copy(home: &Home, more: &[&str]) -> Command {
    home.command(&[&["secret", "get", "db", "--copy"], more].concat())
}

#[test]
fn a_copied_secret_is_cleared_from_the_terminals_clipboard_after_a_time() {
    let home = with_secret();
    let mut pty = Pty::spawn(copy(&home, &["--clear-after", "1s"]));
    pty.expect(&format!("\x1b]52;c;{ENCODED}\x07"));
    let told = pty.expect(CLEARED);
    assert!(
        told.contains("asked to put db into the clipboard"),
        "{told}"
    );
    let (rest, status) = pty.finish();
    assert_eq!(status.code(), Some(0));
    assert!(rest.contains("cleared"), "{rest}");
    assert!(!told.contains(VALUE) && !rest.contains(VALUE));
}

#[test]
fn a_signal_clears_the_clipboard_at_once() {
    let home = with_secret();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut pty = Pty::spawn(copy(&home, &["--clear-after", "10m"]));
        pty.expect("Ctrl-C");
        match signal {
            Signal::INT => pty.send("\x03"),
            _ => kill_process(Pid::from_raw(pty.id().cast_signed()).unwrap(), signal).unwrap(),
        }
        pty.expect(CLEARED);
        assert_eq!(pty.finish().1.code(), Some(0));
    }
}

#[test]
fn the_clipboard_of_the_desktop_has_a_secret_until_the_command_ends() {
    let home = with_secret();
    for (variable, name) in [("WAYLAND_DISPLAY", "wl-copy"), ("DISPLAY", "xclip")] {
        let place: PathBuf = home.outside(name);
        let shown = place.display();
        let script = format!(
            "cat >{shown}.got; echo \"$*\" >{shown}.args; echo $$ >{shown}.pid; exec sleep 600"
        );
        home.script(name, &script);
        let mut command = copy(&home, &["--clear-after", "3s"]);
        command.env("PATH", home.search_path()).env(variable, ":9");
        let run = Run::of(command).succeeds();
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("db is in the clipboard"), "{run:?}");
        let read = |what: &str| std::fs::read_to_string(format!("{shown}.{what}")).unwrap();
        assert_eq!(read("got"), VALUE);
        assert!(!read("args").contains(VALUE));
        let process = PathBuf::from(format!("/proc/{}", read("pid").trim()));
        until("the clipboard's program has ended", || !process.exists());
    }
}

#[test]
fn without_a_clipboard_or_text_nothing_is_copied_and_that_is_said() {
    let home = with_secret();
    Run::of(copy(&home, &[])).refuses(1, "no clipboard to copy to");
    let mut dumb = copy(&home, &[]);
    dumb.env("TERM", "dumb");
    let (told, status) = Pty::spawn(dumb).finish();
    assert_eq!(status.code(), Some(1));
    assert!(
        told.contains("no clipboard") && !told.contains('\x1b'),
        "{told:?}"
    );
    assert!(!home.events().contains(&"SECRET_READ".to_owned()));

    home.script("wl-copy", "cat >/dev/null; exit 3");
    let mut failing = copy(&home, &[]);
    failing
        .env("PATH", home.search_path())
        .env("WAYLAND_DISPLAY", "none");
    let run = Run::of(failing).ends_with(1);
    assert!(run.stderr.contains("wl-copy: exit status: 3"), "{run:?}");

    let set = ["secret", "set", "db", "--stdin"];
    home.run_with_input(&set, b"a\x1bb").succeeds();
    let (told, status) = Pty::spawn(copy(&home, &[])).finish();
    assert_eq!(status.code(), Some(1));
    assert!(told.contains("not text that can be pasted"), "{told:?}");
    assert!(!told.contains("]52;"), "{told:?}");
    Run::of(copy(&home, &["--clear-after", "11m"])).refuses(2, "not from 1s to 10m");
    home.run(&["secret", "get", "db", "--clear-after", "5s"])
        .refuses(2, "--copy");
}
