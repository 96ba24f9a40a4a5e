//! Values of secrets typed or pasted at a prompt: nothing is cut, and nothing reaches the shell.

use crate::support::{EMAIL, Home, Pty};

const FIRST: &str = "Value of s: ";
const AGAIN: &str = "The same value again: ";

/// `secret set s` as a job of a shell that then prints its exit code and reads a line as the next
/// command.
fn job(home: &Home) -> Pty {
    Pty::spawn(
        home.shell(
            "set -m; $NIGHTLATCH secret set s; echo code=$?; read rest; echo \"rest=[$rest]\"",
        ),
    )
}

/// Checks that nothing was set, and that no input is left for the shell.
fn expect_refused(mut pty: Pty, home: &Home, message: &str) {
    pty.expect(message);
    pty.expect("code=3");
    assert!(pty.echoes());
    pty.send("next\n");
    pty.expect("rest=[next]");
    home.run(&["secret", "get", "s"]).refuses(3, "no secret");
}

#[test]
fn a_typed_value_that_the_terminal_may_have_cut_is_refused() {
    let home = Home::signed_in();
    for length in [4095, 4096, 6000] {
        let mut pty = job(&home);
        pty.expect(FIRST);
        pty.send(&format!("{}\n", "v".repeat(length)));
        expect_refused(pty, &home, "longer than 4094 bytes");
    }
    let longest = "v".repeat(4094);
    let mut pty = job(&home);
    for question in [FIRST, AGAIN] {
        pty.expect(question);
        pty.send(&format!("{longest}\n"));
    }
    pty.expect("code=0");
    assert_eq!(home.run(&["secret", "get", "s"]).stdout, longest);
}

#[test]
fn a_pasted_value_of_several_lines_is_refused_and_does_not_reach_the_shell() {
    let home = Home::signed_in();
    let key = "-----BEGIN KEY-----\nb25l\ndHdv\n-----END KEY-----\n";
    let mut pty = job(&home);
    pty.expect(FIRST);
    pty.send(key);
    expect_refused(pty, &home, "several lines were pasted");
    // Two equal lines are no value typed twice.
    let mut pty = job(&home);
    pty.expect(FIRST);
    pty.send("line\nline\n");
    expect_refused(pty, &home, "--stdin or --file");
    // Its first line arrived alone.
    let mut pty = job(&home);
    pty.expect(FIRST);
    pty.send("-----BEGIN KEY-----\n");
    pty.expect(AGAIN);
    pty.send("b25l\ndHdv\n-----END KEY-----\n");
    expect_refused(pty, &home, "--stdin or --file");
}

#[test]
fn a_typed_value_is_asked_for_twice_and_has_to_be_the_same() {
    let home = Home::signed_in();
    let mut pty = job(&home);
    pty.expect(FIRST);
    pty.send("value\n");
    pty.expect(AGAIN);
    pty.send("other\n");
    expect_refused(pty, &home, "the two values are not the same");
    let mut pty = job(&home);
    pty.expect(FIRST);
    pty.send("\n");
    expect_refused(pty, &home, "the value is empty");
}

#[test]
fn a_typed_password_that_the_terminal_cut_is_refused() {
    let home = Home::signed_in();
    home.run(&["logout"]).succeeds();
    for length in [1028, 4095, 6000] {
        let mut pty = Pty::spawn(home.command(&["login", EMAIL]));
        pty.expect("Password for ");
        pty.send(&format!("{}\n", "p".repeat(length)));
        pty.expect("longer than 102");
        assert_eq!(pty.finish().1.code(), Some(1));
    }
}
