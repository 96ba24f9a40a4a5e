//! A person at the terminal is notified when the session ends while a command continues.

use std::time::{Duration, Instant};

use crate::support::checks::until;
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run};

const TOLD: &str = "; cat keeps running\r\n";

fn of_idle(idle: &str) -> Home {
    let home = Home::registered();
    home.login(&["--idle", idle]).succeeds();
    home
}

/// A guarded command that runs until its input ends.
fn running(home: &Home, options: &[&str]) -> Pty {
    Pty::spawn(home.command(&[options, &["exec", "--", "cat"]].concat()))
}

fn until_locked(home: &Home) {
    until("the session has ended", || !home.is_active());
}

/// Ends the command, and returns what was printed since.
fn end(mut pty: Pty) -> String {
    pty.send("\x04");
    let (said, status) = pty.finish();
    assert!(status.success(), "{status:?}: {said}");
    said
}

#[test]
fn the_end_of_a_session_is_told_at_once_while_the_command_runs() {
    let home = of_idle("3s");
    let mut pty = running(&home, &[]);
    let said = pty.expect(TOLD);
    assert!(said.starts_with("\r\nnightlatch: locked at "), "{said:?}");
    assert!(said.contains(" after 3s without activity; "), "{said:?}");
    // Once, and again when the command has ended, for a person who returns then.
    std::thread::sleep(Duration::from_millis(1200));
    let said = end(pty);
    assert_eq!(said.matches("locked at").count(), 1, "{said:?}");
    assert!(said.ends_with(", while cat ran\r\n"), "{said:?}");
}

#[test]
fn an_end_from_elsewhere_is_told_with_its_own_reason() {
    let passwords = format!("{PASSWORD}\n{OTHER_PASSWORD}\n");
    for (arguments, input, why) in [
        (&["lock"][..], "", ": signed out"),
        (&["logout"], "", ": signed out"),
        (
            &["passwd", "--password-stdin"],
            &passwords,
            ": the password was changed",
        ),
    ] {
        for keeper in ["kernel", "agent"] {
            let home = Home::signed_in().with_keeper(keeper);
            home.login(&[]).succeeds();
            let mut pty = running(&home, &[]);
            // The watch begins once the command has run for a while.
            std::thread::sleep(Duration::from_millis(1500));
            home.run_with_input(arguments, input.as_bytes()).succeeds();
            let said = pty.expect(TOLD);
            assert!(said.contains(why), "{arguments:?}: {said:?}");
            end(pty);
        }
    }
}

#[test]
fn a_revocation_is_told_with_its_reason_while_a_kept_command_runs_and_after_one_that_it_ended() {
    let home = Home::signed_in();
    let mut pty = running(&home, &[]);
    std::thread::sleep(Duration::from_millis(1500));
    let revoke = ["revoke", "--reason", "lost laptop"];
    home.run(&[&revoke[..], &["--keep-commands"]].concat())
        .succeeds();
    let said = pty.expect(TOLD);
    assert!(said.contains("nightlatch: revoked at "), "{said:?}");
    assert!(said.contains(": lost laptop; "), "{said:?}");
    home.run(&revoke).succeeds();
    let (said, status) = pty.finish();
    assert!(said.contains("revoked at "), "{said:?}");
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15),
        "{said:?}"
    );
}

#[test]
fn what_happened_before_it_watched_is_told_too() {
    let home = Home::signed_in();
    let mut pty = running(&home, &[]);
    pty.send("begun\n");
    pty.expect("begun\r\nbegun\r\n");
    home.run(&["lock"]).succeeds();
    pty.expect(TOLD);
    end(pty);
}

#[test]
fn an_extension_puts_it_off_and_another_sign_in_takes_the_sessions_place() {
    let home = of_idle("8s");
    let mut pty = running(&home, &[]);
    std::thread::sleep(Duration::from_millis(1500));
    let extended = Instant::now();
    home.run(&["extend"]).succeeds();
    pty.expect(TOLD);
    let lived = extended.elapsed();
    assert!(lived > Duration::from_millis(7900), "{lived:?}");
    end(pty);

    home.login(&[]).succeeds();
    let mut pty = running(&home, &[]);
    std::thread::sleep(Duration::from_millis(1500));
    home.login(&["--force", "--idle", "2s"]).succeeds();
    let said = pty.expect(TOLD);
    assert!(said.contains(" after 2s without activity"), "{said:?}");
    end(pty);
}

#[test]
fn the_session_that_let_the_command_start_counts_and_not_the_last_one() {
    let home = Home::signed_in();
    home.register_another("bob@example.com", OTHER_PASSWORD)
        .succeeds();
    let mut pty = running(&home, &[]);
    let login = ["login", "bob@example.com", "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    std::thread::sleep(Duration::from_millis(1500));
    home.run(&["logout"]).succeeds();
    home.run(&["--account", EMAIL, "logout"]).succeeds();
    let said = pty.expect(TOLD);
    assert_eq!(said.matches("locked").count(), 1, "{said:?}");
    end(pty);
}

#[test]
fn it_is_not_told_with_quiet_nor_where_stderr_is_no_terminal() {
    for options in [&["-q"][..], &["--json"]] {
        let home = of_idle("3s");
        let pty = running(&home, options);
        until_locked(&home);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(end(pty), "", "{options:?}");
    }
    let home = of_idle("3s");
    let script = format!("$GUARD cat 2>'{}'", home.outside("err").display());
    let pty = Pty::spawn(home.shell(&script));
    until_locked(&home);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(end(pty), "");
}

#[test]
fn nothing_is_written_into_a_full_screen_program_or_a_prompt_for_a_password() {
    for modes in ["-icanon", "-echo"] {
        let home = of_idle("3s");
        let script =
            format!("stty {modes}; echo ready; head -c 1 >/dev/null; stty sane; echo done");
        let mut pty = Pty::spawn(home.command(&["exec", "--", "sh", "-c", &script]));
        pty.expect("ready\r\n");
        until_locked(&home);
        std::thread::sleep(Duration::from_millis(500));
        pty.send("q\n");
        let said = pty.expect("done\r\n");
        assert!(!said.contains("locked"), "{modes}: {said:?}");
        // It is reported afterwards.
        let (said, _) = pty.finish();
        assert!(said.contains("locked at "), "{modes}: {said:?}");
    }
}

#[test]
fn a_command_in_the_background_is_neither_stopped_nor_told_of() {
    let home = of_idle("3s");
    let mut pty = Pty::spawn(home.shell(
        "set -m; stty tostop; $GUARD sleep 60 & \
         read go; jobs; echo checked; stty -tostop; kill -TERM %1; wait; echo over",
    ));
    until_locked(&home);
    std::thread::sleep(Duration::from_millis(1500));
    pty.send("\n");
    let said = pty.expect("checked\r\n");
    assert!(said.contains("Running"), "{said:?}");
    assert!(!said.contains("locked"), "{said:?}");
    pty.expect("over");
}

#[test]
fn a_stopped_terminal_keeps_no_signal_from_the_command() {
    let home = of_idle("3s");
    let mut pty = running(&home, &[]);
    // Ctrl-S: output to the terminal blocks.
    pty.send("\x13");
    until_locked(&home);
    std::thread::sleep(Duration::from_millis(800));
    let group = pty.foreground().as_raw_nonzero();
    Run::of(home.shell(&format!("kill -TERM {group}"))).succeeds();
    until("the command has ended", || {
        home.events().last().unwrap() == "COMMAND_FINISHED"
    });
    pty.send("\x11");
    let (_, status) = pty.finish();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15)
    );
}
