//! Unusual environments: closed streams and low limits.

use crate::support::{Home, PASSWORD, Pty, Run};

#[test]
fn a_descriptor_that_the_program_opened_for_itself_is_no_password() {
    let home = Home::registered();
    for number in 3..10 {
        let script = format!(
            "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; \"$NIGHTLATCH\" login --password-fd {number}"
        );
        Run::of(home.shell(&script)).refuses(2, &format!("--password-fd {number}"));
    }
    assert!(!home.events().contains(&"LOGIN_FAILURE".to_owned()));
}

#[test]
fn where_the_log_may_not_grow_no_command_starts_and_the_error_says_why() {
    let home = Home::signed_in();
    let before = home.audit_lines();
    let mut shell = home.shell("ulimit -f 0; exec $GUARD touch \"$0\"");
    let proof = home.outside("started");
    shell.arg(&proof);
    Run::of(shell).refuses(7, "File too large");
    assert!(!proof.exists());
    assert_eq!(home.audit_lines(), before);
    assert!(home.is_active());
    home.run(&["exec", "--", "true"]).succeeds();
}

#[test]
fn a_line_that_the_limit_cuts_in_two_is_taken_out_of_the_log_again() {
    let home = Home::signed_in();
    let length = || -> usize { home.audit_lines().iter().map(|line| line.len() + 1).sum() };
    // The limit is in blocks of 512 bytes: leave room for the beginning of a line, but not for a
    // whole one.
    while length() % 512 < 256 {
        home.run(&["extend"]).succeeds();
    }
    let (before, length) = (home.audit_lines(), length());
    let script = format!("ulimit -f {}; exec $GUARD true", length / 512 + 1);
    Run::of(home.shell(&script)).refuses(7, "File too large");
    assert_eq!(home.audit_lines(), before);
    home.run(&["exec", "--", "true"]).succeeds();
    assert!(!home.events().contains(&"AUDIT_REPAIRED".to_owned()));
}

#[test]
fn where_no_file_may_grow_nobody_signs_in_or_is_registered() {
    let home = Home::registered();
    let sign_in = "ulimit -f 0; exec \"$NIGHTLATCH\" login --password-stdin";
    Run::with_input(home.shell(sign_in), PASSWORD.as_bytes()).refuses(1, "can be written to");
    assert!(!home.is_active());
    home.login(&[]).succeeds();
    let register = "ulimit -f 0; exec \"$NIGHTLATCH\" register bob@example.com --password-stdin";
    Run::with_input(home.shell(register), PASSWORD.as_bytes()).refuses(1, "can be written to");
    home.register("bob@example.com", PASSWORD).succeeds();
}

#[test]
fn a_command_keeps_the_systems_answer_to_a_file_that_grows_too_large() {
    const SIGXFSZ: i32 = 25;
    let home = Home::signed_in();
    let grow = "ulimit -f 0; echo more >\"$0\"";
    let guarded = |ignore: &str| {
        let script = format!("{ignore} exec $GUARD /bin/sh -c '{grow}' \"$0\"");
        let mut shell = home.shell(&script);
        shell.arg(home.outside("growing"));
        Run::of(shell)
    };
    guarded("").ends_with(128 + SIGXFSZ);
    // If the parent ignored the signal, the command ignores it, too, and gets an error instead.
    let run = guarded("trap '' XFSZ;");
    assert!((1..128).contains(&run.code), "{run:#?}");
}

#[test]
fn closed_standard_streams_are_no_way_into_a_file_of_ours() {
    let home = Home::registered();
    let sign_in = "exec 0</dev/null 1>&- 2>&-; \"$NIGHTLATCH\" login --password-stdin <\"$0\"";
    let password = home.outside("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let mut shell = home.shell(sign_in);
    shell.arg(&password);
    Run::of(shell).succeeds();
    for (command, code) in [
        ("status", 0),
        ("exec -- /bin/echo into-the-void", 0),
        ("audit list", 0),
        ("login --password-stdin", 5),
        ("exec -- no-such-program", 127),
        ("nonsense", 2),
    ] {
        let script = format!("exec <&- >&- 2>&-; \"$NIGHTLATCH\" {command}");
        Run::of(home.shell(&script)).ends_with(code);
    }
    assert!(home.is_active());
    // The messages went nowhere: the log still parses, line by line.
    assert!(home.audit().len() > 5);
}

/// A command line that runs `program` in a new process namespace, with its parents, session and
/// process group outside of it, as `docker exec` and `nsenter` do.
fn entered_from_outside(home: &Home, program: &str) -> Option<std::process::Command> {
    let run = |program: &str| {
        let me = "if [ \"$(id -u)\" = 0 ]; then exec unshare -p -f --mount-proc \"$@\"; else exec unshare -U -r -p -f --mount-proc \"$@\"; fi";
        let mut shell = home.shell(me);
        shell.args(["sh", "/bin/sh", "-c", program]);
        shell
    };
    if Run::of(run("true")).code != 0 {
        eprintln!("skipped: no process namespace may be made here");
        return None;
    }
    Some(run(program))
}

#[test]
fn in_a_container_entered_from_outside_commands_run_and_signals_reach_them() {
    let home = if rustix::process::geteuid().is_root() {
        Home::registered()
    } else {
        // The kernel has separate keyrings in the user namespace that unprivileged users need.
        Home::registered().with_keeper("agent")
    };
    home.login(&[]).succeeds();
    let script = "ends_with() { want=$1; shift; $GUARD sh -c \"$1\"; got=$?; test $got = $want || exit $got; }
        ends_with 7 'exit 7'
        ends_with 143 'kill -TERM $$'
        ends_with 129 '(kill -HUP $PPID); exec sleep 60'
        ends_with 9 '(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 9'
        echo all of it";
    let Some(command) = entered_from_outside(&home, script) else {
        return;
    };
    let run = Run::of(command).succeeds();
    assert_eq!(run.stdout, "all of it\n");
    assert!(home.is_active());
}

#[test]
fn in_a_container_entered_from_outside_a_password_is_asked_for() {
    let home = Home::registered();
    // Everything started in the namespace ends with it, including an agent.
    let script = "\"$NIGHTLATCH\" login && \"$NIGHTLATCH\" status --check";
    let Some(command) = entered_from_outside(&home, script) else {
        return;
    };
    let mut pty = Pty::spawn(command);
    pty.expect("Password");
    assert!(!pty.echoes());
    pty.send(&format!("{PASSWORD}\n"));
    let (rest, status) = pty.finish();
    assert!(status.success(), "{rest}");
}
