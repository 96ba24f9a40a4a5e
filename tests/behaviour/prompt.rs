//! Passwords are typed without echo, and the terminal is restored on every way out.

use std::path::PathBuf;

use crate::support::checks::until;
use crate::support::{Home, Pty, shell};

/// The prompt as a job of a shell that prints its exit code and then reads a line as the next
/// command. The trap keeps the shell alive when its job is interrupted.
fn job(prompts: &str) -> Pty {
    Pty::spawn(shell(&job_script(prompts)))
}

fn job_script(prompts: &str) -> String {
    format!("trap : INT; set -m; $PROMPT {prompts}; echo code=$?; read rest; echo \"rest=[$rest]\"")
}

/// A password at the first of two prompts, between which `script` has the program work until the
/// returned file is there.
fn working(script: &str) -> (Pty, tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let over = scratch.path().join("over");
    let mut command = shell(script);
    command.env("OVER", &over);
    let mut pty = Pty::spawn(command);
    pty.expect("First: ");
    pty.send("first\n");
    pty.expect("hashing");
    (pty, scratch, over)
}

/// Checks that no earlier input was left for the shell.
fn expect_no_leak(pty: &mut Pty) {
    pty.send("next\n");
    pty.expect("rest=[next]");
}

#[test]
fn a_password_is_read_unseen_and_the_echo_is_back_afterwards() {
    let mut pty = job("\"$ASK\"");
    pty.expect("Password: ");
    assert!(!pty.echoes());
    pty.send("hunter2\n");
    let text = pty.expect("got <hunter2>");
    assert_eq!(text, "\r\ngot <hunter2>", "only the newline was shown");
    pty.expect("code=0");
    assert!(pty.echoes());
    expect_no_leak(&mut pty);
}

#[test]
fn a_line_can_be_edited_and_may_be_empty() {
    let mut pty = job("\"$ASK\"");
    pty.expect("Password: ");
    pty.send("wrong\x15righd\x7ft\n");
    pty.expect("got <right>");
    let mut pty = job("\"$ASK\"");
    pty.expect("Password: ");
    pty.send("\n");
    pty.expect("got <>");
}

#[test]
fn ctrl_c_ends_the_prompt_and_nothing_typed_leaks() {
    for (key, code) in [("\x03", 130), ("\x1c", 131)] {
        let mut pty = job("\"$ASK\"");
        pty.expect("Password: ");
        pty.send("half a pass");
        // The kernel also drops output when it handles these keys, so the program's last output may
        // be lost.
        pty.send(key);
        pty.expect(&format!("code={code}"));
        assert!(pty.echoes());
        expect_no_leak(&mut pty);
    }
}

#[test]
fn a_signal_sets_the_terminal_back_and_nothing_typed_leaks() {
    for (signal, code) in [
        ("INT", 130),
        ("TERM", 143),
        ("HUP", 129),
        ("QUIT", 131),
        ("ALRM", 142),
        ("USR1", 138),
        ("USR2", 140),
        ("ABRT", 134),
        ("TRAP", 133),
        ("SYS", 159),
        ("XCPU", 152),
    ] {
        let mut pty = job("\"$ASK\"");
        pty.expect("Password: ");
        pty.send("half a pass");
        let group = pty.foreground().as_raw_nonzero();
        let mut kill = shell(&format!("kill -{signal} {group}"));
        assert!(kill.status().unwrap().success());
        pty.expect("interrupted");
        pty.expect(&format!("code={code}"));
        assert!(pty.echoes(), "{signal}");
        expect_no_leak(&mut pty);
    }
}

#[test]
fn a_signal_that_no_handler_passes_on_sets_the_terminal_back() {
    // SIGSTKFLT, SIGIO, SIGPWR, and the first and last real-time signals, of the real program: other
    // threads, as of the tests', would take them.
    for signal in [16, 29, 30, 35, 64] {
        let home = Home::registered();
        let mut pty = Pty::spawn(
            home.shell("set -m; $NIGHTLATCH login; echo code=$?; read rest; echo \"rest=[$rest]\""),
        );
        pty.expect("Password for");
        until("the typing is hidden", || !pty.echoes());
        pty.send("half a pass");
        let group = pty.foreground().as_raw_nonzero();
        let mut kill = shell(&format!("kill -{signal} {group}"));
        assert!(kill.status().unwrap().success());
        pty.expect(&format!("code={}", 128 + signal));
        assert!(pty.echoes(), "{signal}");
        expect_no_leak(&mut pty);
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_asks_anew() {
    let mut pty = Pty::spawn(shell(
        "set -m; $PROMPT \"$ASK\"; echo stopped=$?; read line; echo \"line=[$line]\"; \
         fg; echo code=$?",
    ));
    pty.expect("Password: ");
    pty.send("forget");
    pty.send("\x1a");
    pty.expect("stopped=147");
    assert!(pty.echoes());
    pty.send("seen\n");
    pty.expect("line=[seen]");
    pty.expect("Password: ");
    assert!(!pty.echoes());
    pty.send("fresh\n");
    pty.expect("got <fresh>");
    pty.expect("code=0");
    assert!(pty.echoes());
}

#[test]
fn a_stop_that_cannot_be_caught_is_followed_by_a_new_prompt() {
    let mut pty = Pty::spawn(shell(
        "set -m; $PROMPT \"$ASK\"; echo stopped=$?; stty echo; fg; echo code=$?",
    ));
    pty.expect("Password: ");
    let group = pty.foreground().as_raw_nonzero();
    let mut kill = shell(&format!("kill -STOP {group}"));
    assert!(kill.status().unwrap().success());
    pty.expect("stopped=147");
    pty.expect("\r\nPassword: ");
    assert!(!pty.echoes());
    pty.send("fresh\n");
    pty.expect("got <fresh>");
    pty.expect("code=0");
    assert!(pty.echoes());
}

#[test]
fn in_the_background_it_waits_for_the_foreground_before_it_asks() {
    let mut pty = Pty::spawn(shell(
        "set -m; $PROMPT \"$ASK\" & until grep -q '^State:.T' /proc/$!/status; do sleep 0.05; done; \
         echo waiting; read go; fg; echo code=$?",
    ));
    let text = pty.expect("waiting\r\n");
    assert!(!text.contains("Password: "), "{text}");
    assert!(pty.echoes());
    pty.send("\n");
    pty.expect("Password: ");
    assert!(!pty.echoes());
    pty.send("fresh\n");
    pty.expect("got <fresh>");
    pty.expect("code=0");
    assert!(pty.echoes());
}

#[test]
fn ctrl_d_is_no_answer() {
    let mut pty = job("\"$ASK\"");
    pty.expect("Password: ");
    pty.send("\x04");
    pty.expect("no answer was given");
    pty.expect("code=1");
    assert!(pty.echoes());
}

#[test]
fn the_longest_password_fits_and_one_byte_more_does_not() {
    let mut pty = job("\"$ASK\"");
    pty.expect("Password: ");
    pty.send("0123456789abcdef\n");
    pty.expect("got <0123456789abcdef>");
    for too_long in ["0123456789abcdefX\n", "0123456789abcdefX and much more\n"] {
        let mut pty = job("\"$ASK\"");
        pty.expect("Password: ");
        pty.send(too_long);
        pty.expect("longer than 16 bytes");
        pty.expect("code=1");
        assert!(pty.echoes());
        expect_no_leak(&mut pty);
    }
}

#[test]
fn two_passwords_may_be_pasted_at_once_and_none_is_shown() {
    let mut pty = job("'New: ' 'Again: '");
    pty.expect("New: ");
    pty.send("first\nsecond\n");
    let text = pty.expect("got <first>");
    assert!(!text.contains("second"), "{text}");
    assert_eq!(text.matches("first").count(), 1, "{text}");
    pty.expect("got <second>");
    pty.expect("code=0");
}

#[test]
fn what_is_thought_of_the_first_password_is_said_before_the_second_is_asked_for() {
    let mut pty = job("'New: ' 'Again: '");
    pty.expect("New: ");
    pty.send("first\n");
    assert_eq!(pty.expect("Again: "), "\r\ngood\r\nAgain: ");
    assert!(!pty.echoes());
    pty.send("second\n");
    pty.expect("got <second>");
    pty.expect("code=0");
    assert!(pty.echoes());
}

#[test]
fn what_was_pasted_after_a_refused_password_does_not_leak() {
    let mut pty = job("'New: ' 'Again: '");
    pty.expect("New: ");
    pty.send("weak\nweak\n");
    let text = pty.expect("was not accepted");
    assert!(!text.contains("Again"), "{text}");
    pty.expect("code=1");
    assert!(pty.echoes());
    expect_no_leak(&mut pty);
}

#[test]
fn ctrl_c_at_the_second_prompt_restores_the_terminal_too() {
    let mut pty = job("'New: ' 'Again: '");
    pty.expect("New: ");
    pty.send("first\n");
    pty.expect("Again: ");
    pty.send("half a pass\x03");
    pty.expect("code=130");
    assert!(pty.echoes());
    expect_no_leak(&mut pty);
}

#[test]
fn a_stop_at_the_second_prompt_begins_anew_with_the_first() {
    let mut pty = Pty::spawn(shell(
        "set -m; $PROMPT 'New: ' 'Again: '; echo stopped=$?; fg; echo code=$?",
    ));
    pty.expect("New: ");
    pty.send("forgotten\n");
    pty.expect("Again: ");
    pty.send("\x1a");
    pty.expect("stopped=147");
    // The shell prints the job's command line, including the prompts.
    pty.expect("\r\nNew: ");
    pty.send("first\nsecond\n");
    pty.expect("got <first>");
    pty.expect("got <second>");
    pty.expect("code=0");
}

#[test]
fn a_visible_line_is_read_as_it_is_typed() {
    let mut pty = job("line 'Email: '");
    pty.expect("Email: ");
    assert!(pty.echoes());
    pty.send("alice@example.com\n");
    pty.expect("line: Ok(\"alice@example.com\")");
}

#[test]
fn from_a_refused_password_to_the_next_nothing_typed_is_shown_or_kept() {
    let (mut pty, _scratch, over) = working(&job_script("slowly 'First: ' 'Second: '"));
    assert!(!pty.echoes());
    pty.send("too early\n");
    // The echo of the line end shows that it has arrived.
    pty.expect("\r\n");
    pty.expect("\r\n");
    std::fs::write(over, "").unwrap();
    let text = pty.expect("Second: ");
    assert!(!text.contains("early"), "{text}");
    assert!(!pty.echoes());
    pty.send("second\n");
    pty.expect("got <first>");
    pty.expect("got <second>");
    pty.expect("code=0");
    assert!(pty.echoes());
    expect_no_leak(&mut pty);
}

#[test]
fn ctrl_c_between_two_passwords_ends_it_at_once_with_the_terminal_set_back() {
    let (mut pty, _scratch, _never) = working(&job_script("slowly 'First: ' 'Second: '"));
    pty.send("half\x03");
    let text = pty.expect("code=130");
    assert!(!text.contains("Second"), "{text}");
    assert!(pty.echoes());
    expect_no_leak(&mut pty);
}

#[test]
fn ctrl_z_between_two_passwords_stops_it_where_nothing_is_under_way() {
    let (mut pty, _scratch, over) =
        working("set -m; $PROMPT slowly 'First: ' 'Second: '; echo stopped=$?; fg; echo code=$?");
    pty.send("\x1a");
    pty.settle();
    std::fs::write(over, "").unwrap();
    pty.expect("stopped=147");
    pty.expect("\r\nSecond: ");
    assert!(!pty.echoes());
    pty.send("second\n");
    pty.expect("got <second>");
    pty.expect("code=0");
    assert!(pty.echoes());
}

#[test]
fn two_prompts_on_one_terminal_ask_one_after_the_other() {
    for round in 0..5 {
        let mut pty = job("'A prompt: ' | $PROMPT 'A prompt: '");
        for answer in ["first", "second"] {
            pty.expect("A prompt: ");
            pty.settle();
            assert!(!pty.echoes(), "{round}");
            pty.send(&format!("{answer}\n"));
            let text = pty.expect(&format!("got <{answer}>"));
            assert!(!text.contains("A prompt"), "{round}: {text}");
        }
        pty.expect("code=0");
        assert!(pty.echoes(), "{round}");
        expect_no_leak(&mut pty);
    }
}

#[test]
fn a_prompt_that_was_stopped_by_force_does_not_keep_others_from_asking() {
    let mut pty = Pty::spawn(shell(
        "$PROMPT 'First: ' & first=$!; sleep 1; kill -STOP $first; $PROMPT 'Second: '; \
         echo code=$?; kill -KILL $first",
    ));
    pty.expect("First: ");
    pty.expect("Second: ");
    assert!(!pty.echoes());
    pty.send("second\n");
    pty.expect("got <second>");
    pty.expect("code=0");
    assert!(pty.echoes(), "also what the first had hidden is shown");
}

#[test]
fn settings_that_another_program_made_meanwhile_are_left_to_it() {
    let mut pty = Pty::spawn(shell(
        "{ sleep 1; stty -icanon min 1 </dev/tty; echo changed; } & $PROMPT \"$ASK\"; \
         stty -a | grep -o '.icanon'; echo end",
    ));
    pty.expect("Password: ");
    pty.expect("changed");
    pty.send("fresh\r");
    pty.expect("got <fresh>");
    let text = pty.expect("end");
    assert!(text.contains("-icanon"), "{text}");
}
