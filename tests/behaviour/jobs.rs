//! Job control in an interactive shell, and full-screen programs.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use crate::support::{Home, PASSWORD, Pty};

/// An interactive shell on a terminal, at its prompt.
fn interactive(home: &Home) -> Pty {
    let mut pty = Pty::spawn(home.interactive_shell());
    pty.expect("$ ");
    pty
}

/// Whether `program` is installed; prints a message if not, because the test then proves nothing.
#[allow(clippy::print_stderr)]
pub fn has(program: &str) -> bool {
    let script = format!("command -v {program}");
    let found = Command::new("sh").args(["-c", &script]).output().unwrap();
    if !found.status.success() {
        eprintln!("skipped: {program} is not installed");
    }
    found.status.success()
}

/// A shell that runs `$GUARD program`, including stopped jobs, and compares the terminal's settings
/// before and after.
fn full_screen(home: &Home, program: &str) -> Pty {
    Pty::spawn(home.shell(&format!(
        "set -m; before=$(stty -g); $GUARD {program}; code=$?; \
         if [ $code = 147 ]; then echo stopped; read go; fg; code=$?; fi; \
         echo code=$code; [ \"$before\" = \"$(stty -g)\" ] && echo terminal=same"
    )))
}

#[test]
fn an_interactive_shell_stops_lists_and_resumes_a_guarded_command() {
    let home = Home::signed_in();
    let mut pty = interactive(&home);
    pty.send("$GUARD sh -c 'echo rea''dy; read line; echo got=$line; exit 5'\n");
    pty.expect("ready");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("$ ");
    pty.send("jobs\n");
    pty.expect("[1]+");
    pty.expect("Stopped");
    pty.expect("$ ");
    pty.send("fg\n");
    pty.expect("exit 5'\r\n");
    pty.send("hello\n");
    pty.expect("got=hello");
    pty.expect("$ ");
    pty.send("echo co''de=$?\n");
    pty.expect("code=5");
    assert!(home.is_active());
}

#[test]
fn a_prompt_that_was_stopped_runs_the_command_if_somebody_signed_in_meanwhile() {
    let home = Home::registered();
    let mut pty = interactive(&home);
    for resume in ["fg", "bg"] {
        pty.send("$GUARD echo guar''ded\n");
        pty.expect("Password for");
        pty.settle();
        pty.send("\x1a");
        pty.expect("Stopped");
        pty.expect("$ ");
        home.login(&[]).succeeds();
        let session = home.status()["session_id"].clone();
        pty.send(&format!("{resume}\n"));
        let said = pty.expect("guarded\r\n");
        assert!(!said.contains("Password for"), "{resume}: {said}");
        assert_eq!(home.status()["session_id"], session, "{resume}");
        pty.send("wait; echo en''ded\n");
        pty.expect("ended");
        home.run(&["logout"]).succeeds();
    }
    // Without a session, it prompts again.
    pty.send("$GUARD echo guar''ded\n");
    pty.expect("Password for");
    pty.settle();
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("$ ");
    pty.send("fg\n");
    pty.expect("Password for");
    pty.settle();
    assert!(!pty.echoes());
    pty.send(&format!("{PASSWORD}\n"));
    pty.expect("guarded\r\n");
}

#[test]
fn a_login_that_was_stopped_does_not_ask_again_if_somebody_signed_in_meanwhile() {
    let home = Home::registered();
    let mut pty = interactive(&home);
    let stopped = |pty: &mut Pty, login: &str| {
        pty.send(&format!("$NIGHTLATCH {login}\n"));
        pty.expect("Password for");
        pty.settle();
        pty.send("\x1a");
        pty.expect("Stopped");
        pty.expect("$ ");
    };
    stopped(&mut pty, "login");
    home.login(&[]).succeeds();
    let session = home.status()["session_id"].clone();
    pty.send("fg\n");
    let said = pty.expect("already signed in");
    assert!(!said.contains("Password for"), "{said}");
    assert_eq!(home.status()["session_id"], session);
    // With --force, and without a session, it prompts again.
    for login in ["login --force", "login"] {
        stopped(&mut pty, login);
        pty.send("fg\n");
        pty.expect("Password for");
        pty.settle();
        assert!(!pty.echoes());
        pty.send(&format!("{PASSWORD}\n"));
        pty.expect("signed in as");
        home.run(&["logout"]).succeeds();
    }
}

#[test]
fn a_stopped_command_goes_on_in_the_background() {
    let home = Home::signed_in();
    let go = home.outside("go");
    let made = Command::new("mkfifo").arg(&go).status().unwrap();
    assert!(made.success());
    let mut pipe = File::options().read(true).write(true).open(&go).unwrap();
    let mut pty = interactive(&home);
    // Not in a loop of sleeps: a Ctrl-Z while a shell is in vfork() stops the child but not the
    // shell.
    pty.send(&format!(
        "$GUARD sh -c 'echo rea''dy; read line; echo got=$line' <{}\n",
        go.display()
    ));
    pty.expect("ready");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("$ ");
    pty.send("bg\n");
    pty.expect("$ ");
    pipe.write_all(b"data\n").unwrap();
    pty.expect("got=data");
    pty.send("wait; echo al''ive\n");
    pty.expect("alive");
}

#[test]
fn a_shell_kills_a_job_by_its_number() {
    let home = Home::signed_in();
    let mut pty = interactive(&home);
    pty.send("$GUARD sh -c 'echo rea''dy; exec sleep 60' &\n");
    pty.expect("ready");
    pty.send("kill %1; wait %1; echo co''de=$?\n");
    pty.expect("code=143");
    let last = home.audit().pop().unwrap();
    assert_eq!(last["event_type"], "COMMAND_FINISHED");
    assert!(home.is_active());
}

#[test]
fn ctrl_c_gives_an_interactive_shell_its_prompt_back() {
    let home = Home::signed_in();
    let mut pty = interactive(&home);
    pty.send("$GUARD sh -c 'echo rea''dy; exec sleep 60'\n");
    pty.expect("ready");
    pty.send("\x03");
    pty.expect("$ ");
    pty.send("echo co''de=$?\n");
    pty.expect("code=130");
    assert!(home.is_active());
}

#[test]
fn an_interactive_shell_runs_under_the_guard_with_job_control_of_its_own() {
    let home = Home::signed_in();
    let mut pty =
        Pty::spawn(home.shell(
            "set -m; PS1='inner ' $GUARD bash --norc --noprofile --noediting -i; echo code=$?",
        ));
    pty.expect("inner ");
    pty.send("sh -c 'echo rea''dy; read line; echo got=$line'\n");
    pty.expect("ready");
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("inner ");
    pty.send("fg\n");
    pty.expect("got=$line'\r\n");
    pty.send("hello\n");
    pty.expect("got=hello");
    pty.expect("inner ");
    pty.send("exit 6\n");
    pty.expect("code=6");
}

#[test]
fn an_editor_edits_stops_resumes_and_leaves_the_terminal_as_it_was() {
    if !has("vim") {
        return;
    }
    let home = Home::signed_in();
    let file = home.outside("note");
    let mut pty = full_screen(&home, &format!("vim -u NONE -i NONE -n {}", file.display()));
    pty.expect("~");
    assert!(!pty.echoes());
    pty.send("ihello from the editor\x1b");
    pty.expect("hello from the editor");
    pty.send("\x1a");
    pty.expect("stopped");
    assert!(pty.echoes(), "the shell has an ordinary terminal");
    pty.send("\n");
    pty.expect("hello from the editor");
    pty.send(":wq\r");
    pty.expect("code=0");
    pty.expect("terminal=same");
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        "hello from the editor\n"
    );
}

#[test]
fn a_pager_pages_and_leaves_the_terminal_as_it_was() {
    if !has("less") {
        return;
    }
    let home = Home::signed_in();
    let file = home.outside("long");
    let lines: Vec<String> = (1..=200).map(|line| format!("line {line}.")).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let mut pty = full_screen(&home, &format!("less {}", file.display()));
    pty.expect("line 1.");
    pty.send("G");
    pty.expect("line 200.");
    pty.send("q");
    pty.expect("code=0");
    pty.expect("terminal=same");
}

#[test]
fn a_full_screen_monitor_redraws_at_a_new_size_and_leaves_the_terminal_as_it_was() {
    if !has("top") {
        return;
    }
    let home = Home::signed_in();
    let mut pty = full_screen(&home, "top -d 60");
    pty.expect("load average");
    // If the resize interrupts a write, top itself fails, with or without the guard.
    pty.settle();
    pty.resize(100, 30);
    pty.expect("load average");
    pty.send("q");
    pty.expect("code=0");
    pty.expect("terminal=same");
}
