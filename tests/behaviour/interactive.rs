//! Prompts for a person at a terminal, and what happens to the input.

use crate::support::checks::until;
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run};

/// The program on its own terminal, as a job of a shell that prints its exit code and then reads a
/// line as the next command.
fn job(home: &Home, command: &str) -> Pty {
    Pty::spawn(home.shell(&format!(
        "trap : INT; set -m; {command}; echo code=$?; read rest; echo \"rest=[$rest]\""
    )))
}

/// Waits for the program's exit code, and checks that no input was left for the shell. Returns its
/// last output.
fn expect_end(pty: &mut Pty, code: i32) -> String {
    let before = pty.expect(&format!("code={code}\r\n"));
    assert!(pty.echoes(), "the echo is back");
    pty.send("next\n");
    pty.expect("rest=[next]");
    before
}

/// Answers a password prompt, which must not echo.
fn answer(pty: &mut Pty, prompt: &str, password: &str) {
    pty.expect(prompt);
    assert!(!pty.echoes(), "{prompt}");
    pty.send(&format!("{password}\n"));
}

fn password_prompt() -> String {
    format!("[nightlatch] Password for {EMAIL}: ")
}

fn new_password_prompt() -> String {
    format!("[nightlatch] New password for {EMAIL}: ")
}

const AGAIN: &str = "[nightlatch] New password again: ";

#[test]
fn exec_asks_to_sign_in_and_then_runs_the_command_and_says_no_more() {
    let home = Home::registered();
    let mut pty = job(&home, "$GUARD sh -c 'echo \"it ran\"; exit 7'");
    pty.expect("nightlatch: locked. Sign in to continue.\r\n");
    answer(&mut pty, &password_prompt(), PASSWORD);
    let said = expect_end(&mut pty, 7);
    assert_eq!(said, "\r\nit ran\r\ncode=7\r\n");
    assert!(home.is_active());

    let mut pty = job(&home, "$GUARD echo 'it ran'");
    let said = expect_end(&mut pty, 0);
    assert_eq!(said, "it ran\r\ncode=0\r\n", "once is enough");
}

#[test]
fn exec_in_an_empty_home_asks_to_register_and_goes_on_with_that_password() {
    let home = Home::new();
    let mut pty = job(&home, "$GUARD sh -c 'echo for $NIGHTLATCH_ACCOUNT'");
    pty.expect("There is no account yet");
    pty.expect("Email: ");
    assert!(pty.echoes());
    pty.send(&format!("{EMAIL}\n"));
    answer(&mut pty, &new_password_prompt(), PASSWORD);
    answer(&mut pty, AGAIN, PASSWORD);
    let said = expect_end(&mut pty, 0);
    let fingerprint = home.run(&["audit", "fingerprint"]).succeeds().stdout;
    assert!(said.contains(fingerprint.trim()), "{said:?}");
    let ran = format!("\r\nfor {EMAIL}\r\ncode=0\r\n");
    assert!(said.ends_with(&ran), "{said:?}");
    assert_eq!(
        home.events(),
        [
            "ACCOUNT_REGISTERED",
            "RECOVERY_CODE_CREATED",
            "LOGIN_ATTEMPT",
            "LOGIN_SUCCESS",
            "SESSION_CREATED",
            "SESSION_VALIDATED",
            "SESSION_EXTENDED",
            "COMMAND_STARTED",
            "COMMAND_FINISHED",
        ]
    );
}

#[test]
fn exec_where_nothing_is_on_disk_yet_asks_to_register_too() {
    let home = Home::bare();
    let mut pty = job(&home, "$GUARD echo 'it ran'");
    pty.expect("Email: ");
    pty.send(&format!("{EMAIL}\n"));
    answer(&mut pty, &new_password_prompt(), PASSWORD);
    answer(&mut pty, AGAIN, PASSWORD);
    pty.expect("it ran");
    expect_end(&mut pty, 0);
}

#[test]
fn exec_asks_for_the_email_when_there_are_several_accounts() {
    let home = Home::registered();
    home.register_another("bob@example.com", OTHER_PASSWORD)
        .succeeds();
    let mut pty = job(&home, "$GUARD sh -c 'echo for $NIGHTLATCH_ACCOUNT'");
    pty.expect("Email: ");
    pty.send("bob@example.com\n");
    answer(&mut pty, "Password for bob@example.com: ", OTHER_PASSWORD);
    pty.expect("for bob@example.com");
    expect_end(&mut pty, 0);
}

#[test]
fn exec_asks_an_unknown_account_for_its_password_as_it_does_a_known_one() {
    let home = Home::registered();
    let mut pty = job(
        &home,
        "$NIGHTLATCH --account nobody@example.com exec -- touch never",
    );
    for _ in 0..3 {
        answer(&mut pty, "Password for nobody@example.com: ", PASSWORD);
    }
    let said = expect_end(&mut pty, 5);
    assert!(said.contains("wrong email or password"), "{said}");
}

#[test]
fn told_not_to_ask_exec_refuses_in_one_line() {
    for arguments in ["-n", "--non-interactive"] {
        let home = Home::registered();
        let mut pty = job(
            &home,
            &format!("$NIGHTLATCH {arguments} exec -- echo 'it ran'"),
        );
        let said = expect_end(&mut pty, 4);
        assert_eq!(
            said,
            "nightlatch: no live session; sign in with: nightlatch login\r\ncode=4\r\n"
        );
    }
}

#[test]
fn without_a_terminal_exec_refuses_in_one_line() {
    // A new session has no terminal, even if the tests run on one.
    for home in [Home::bare(), Home::new(), Home::registered()] {
        let command = home.shell("setsid -w $GUARD echo 'it ran'");
        let run = Run::of(command).refuses(4, "no live session");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_wrong_password_is_asked_for_again() {
    let home = Home::registered();
    let mut pty = job(&home, "$GUARD echo 'it ran'");
    answer(&mut pty, &password_prompt(), OTHER_PASSWORD);
    pty.expect("wrong email or password, try again");
    answer(&mut pty, &password_prompt(), PASSWORD);
    pty.expect("it ran");
    expect_end(&mut pty, 0);
}

#[test]
fn three_wrong_passwords_are_enough() {
    for command in ["$GUARD echo 'it ran'", "$NIGHTLATCH login"] {
        let home = Home::registered();
        let mut pty = job(&home, command);
        for _ in 0..3 {
            answer(&mut pty, &password_prompt(), OTHER_PASSWORD);
        }
        let said = expect_end(&mut pty, 5);
        assert!(said.contains("sign-in failed"), "{said}");
        assert!(!said.contains("it ran"), "{said}");
        let failures = home
            .events()
            .iter()
            .filter(|event| *event == "LOGIN_FAILURE")
            .count();
        assert_eq!(failures, 3);
        assert!(!home.is_active());
    }
}

#[test]
fn ctrl_c_at_a_prompt_dies_of_it_with_the_echo_on_and_nothing_leaked() {
    for (command, prompt) in [
        ("$GUARD echo 'it ran'", password_prompt()),
        ("$NIGHTLATCH login", password_prompt()),
        ("$NIGHTLATCH register bob@example.com", password_prompt()),
        (
            "$NIGHTLATCH passwd",
            format!("Current password for {EMAIL}: "),
        ),
    ] {
        let home = Home::registered();
        let mut pty = job(&home, command);
        pty.expect(&prompt);
        pty.send("half a pass\x03");
        let said = expect_end(&mut pty, 130);
        assert!(!said.contains("it ran"), "{said}");
        assert!(!said.contains("half"), "{said}");
        assert!(!home.is_active());
    }
}

#[test]
fn ctrl_c_at_a_prompt_is_death_by_signal_and_not_an_exit_code() {
    use std::os::unix::process::ExitStatusExt;

    let home = Home::registered();
    let mut pty = Pty::spawn(home.command(&["exec", "--", "true"]));
    pty.expect(&password_prompt());
    pty.send("\x03");
    let (_, status) = pty.finish();
    assert_eq!(status.signal(), Some(2), "{status:?}");
    assert_eq!(home.events().last().unwrap(), "COMMAND_REFUSED");
}

#[test]
fn a_command_that_a_sign_in_let_through_is_not_recorded_as_refused() {
    let home = Home::registered();
    let mut pty = job(&home, "$GUARD echo 'it ran'");
    pty.expect(&password_prompt());
    pty.send(&format!("{PASSWORD}\n"));
    expect_end(&mut pty, 0);
    let events = home.events();
    assert!(
        !events.contains(&"COMMAND_REFUSED".to_owned()),
        "{events:?}"
    );
    assert_eq!(events.last().unwrap(), "COMMAND_FINISHED");
}

#[test]
fn a_command_whose_sign_in_failed_is_recorded_as_refused_once() {
    let home = Home::registered();
    let mut pty = job(&home, "$GUARD echo 'it ran'");
    pty.expect(&password_prompt());
    pty.send("wrong\n");
    pty.expect(&password_prompt());
    pty.send("\x03");
    expect_end(&mut pty, 130);
    let refused = home
        .events()
        .into_iter()
        .filter(|event| event == "COMMAND_REFUSED");
    assert_eq!(refused.count(), 1);
}

#[test]
fn what_is_typed_after_the_password_is_not_left_for_the_shell() {
    let home = Home::registered();
    let mut pty = job(&home, "$NIGHTLATCH login");
    pty.expect(&password_prompt());
    pty.send(&format!("{PASSWORD}\nand more"));
    expect_end(&mut pty, 0);
}

#[test]
fn after_expiry_exec_says_so_and_asks_again() {
    let home = Home::registered();
    home.login(&["--idle", "1s"]).succeeds();
    let expired = std::time::Instant::now();
    while home.is_active() {
        assert!(expired.elapsed().as_secs() < 20);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut pty = job(&home, "$GUARD echo 'it ran'");
    // Regardless of whether the kernel dropped the key before the check.
    let said = pty.expect(". Sign in to continue.\r\n");
    assert!(said.contains("nightlatch: locked at "), "{said}");
    assert!(said.contains(" after 1s without activity"), "{said}");
    answer(&mut pty, &password_prompt(), PASSWORD);
    pty.expect("it ran");
    expect_end(&mut pty, 0);
}

#[test]
fn in_a_pipeline_exec_asks_on_the_terminal_and_the_data_still_arrives() {
    let home = Home::registered();
    let mut pty = job(&home, "printf 'b\\na\\n' | $GUARD sort | sed 's/^/data: /'");
    answer(&mut pty, &password_prompt(), PASSWORD);
    let said = expect_end(&mut pty, 0);
    assert!(said.contains("data: a\r\ndata: b\r\n"), "{said}");
}

#[test]
fn login_asks_for_the_password_and_says_how_long_it_holds() {
    let home = Home::registered();
    let mut pty = job(&home, "$NIGHTLATCH login");
    answer(&mut pty, &password_prompt(), PASSWORD);
    let said = expect_end(&mut pty, 0);
    assert!(said.contains(EMAIL), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    assert!(home.is_active());
}

#[test]
fn register_shows_the_strength_asks_twice_and_creates_the_account() {
    let home = Home::new();
    let mut pty = job(&home, &format!("$NIGHTLATCH register {EMAIL}"));
    answer(&mut pty, &new_password_prompt(), PASSWORD);
    let meter = pty.expect(AGAIN);
    assert!(meter.contains("strength"), "{meter}");
    assert!(meter.contains("strong"), "{meter}");
    assert!(!pty.echoes());
    pty.send(&format!("{PASSWORD}\n"));
    let said = expect_end(&mut pty, 0);
    assert!(said.contains("created"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    home.login(&[]).succeeds();
}

#[test]
fn register_asks_for_what_is_missing_says_the_rule_first_and_signs_in() {
    let home = Home::new();
    let mut pty = job(&home, "$NIGHTLATCH register");
    pty.expect("[nightlatch] Email: ");
    pty.send("alice\n");
    pty.expect("nightlatch: ");
    pty.expect("[nightlatch] Email: ");
    pty.send(&format!("{EMAIL}\n"));
    pty.expect("[nightlatch] Your name (may be left empty): ");
    pty.send("Alice Liddell\n");
    let rule = pty.expect(&new_password_prompt());
    assert!(rule.contains("at least 15 characters"), "{rule}");
    pty.send(&format!("{PASSWORD}\n"));
    answer(&mut pty, AGAIN, PASSWORD);
    let said = expect_end(&mut pty, 0);
    let lines: Vec<_> = said.trim().lines().collect();
    let [.., created, label, hash, about_code, code, signed_in, _] = lines.as_slice() else {
        panic!("{said}")
    };
    assert!(about_code.contains("recovery code"), "{said}");
    assert_eq!(code.trim().split('-').count(), 6, "{said}");
    assert!(created.contains("created"), "{said}");
    assert!(label.contains("fingerprint"), "{said}");
    let fingerprint = home.run(&["audit", "fingerprint"]).succeeds().stdout;
    assert!(hash.contains(fingerprint.trim()), "{said}");
    assert!(signed_in.contains("signed in as"), "{said}");
    assert_eq!(home.status()["username"], EMAIL);
}

#[test]
fn a_name_may_stay_empty_and_ctrl_d_at_the_email_makes_no_home() {
    let home = Home::bare();
    let mut pty = job(&home, "$NIGHTLATCH register");
    pty.expect("Email: ");
    pty.send("\x04");
    expect_end(&mut pty, 1);
    assert!(!home.path().exists());

    let home = Home::new();
    let mut pty = job(&home, "$NIGHTLATCH register --json");
    pty.expect("Email: ");
    pty.send(&format!("{EMAIL}\n"));
    pty.expect("Your name");
    pty.send("\n");
    answer(&mut pty, &new_password_prompt(), PASSWORD);
    answer(&mut pty, AGAIN, PASSWORD);
    let said = expect_end(&mut pty, 0);
    assert!(said.contains("\"name\":null"), "{said}");
}

#[test]
fn the_rule_that_is_said_is_the_one_in_force() {
    let home = Home::new();
    std::fs::write(
        home.path().join("config.toml"),
        "[password]\npolicy = \"pci\"\n",
    )
    .unwrap();
    let mut pty = job(&home, &format!("$NIGHTLATCH register {EMAIL}"));
    let rule = pty.expect(&new_password_prompt());
    assert!(
        rule.contains("at least 12 characters, with a letter, a digit"),
        "{rule}"
    );
    pty.send("\x03");
    expect_end(&mut pty, 130);
}

#[test]
fn login_while_signed_in_says_so_and_asks_only_when_forced() {
    let home = Home::signed_in();
    let session = home.status()["session_id"].clone();
    for arguments in [
        &["login"][..],
        &["-n", "login"],
        &["login", "Alice@EXAMPLE.com"],
    ] {
        let run = home.run(arguments).succeeds();
        assert!(
            run.stderr
                .contains("already signed in as alice@example.com"),
            "{run:#?}"
        );
        assert_eq!(home.status()["session_id"], session);
    }
    let told = home.run(&["login", "--json"]).succeeds().json();
    assert_eq!(told["session_id"], session);
    for option in ["--force", "--idle 5m", "--max 1h"] {
        let mut pty = job(&home, &format!("$NIGHTLATCH login {option}"));
        answer(&mut pty, &password_prompt(), PASSWORD);
        expect_end(&mut pty, 0);
    }
    let last = home.status();
    assert_ne!(last["session_id"], session);
    assert_eq!(last["idle_timeout_seconds"], 900);
    // A given password is checked even if there is a live session.
    home.run_with_input(&["login", "--password-stdin"], OTHER_PASSWORD.as_bytes())
        .refuses(5, "wrong email or password");
}

#[test]
fn login_of_another_account_asks_although_somebody_is_signed_in() {
    let home = Home::signed_in();
    home.register_another("bob@example.com", OTHER_PASSWORD)
        .succeeds();
    let mut pty = job(&home, "$NIGHTLATCH login bob@example.com");
    answer(
        &mut pty,
        "[nightlatch] Password for bob@example.com: ",
        OTHER_PASSWORD,
    );
    expect_end(&mut pty, 0);
    assert_eq!(home.status()["username"], "bob@example.com");
    // Alice is still signed in, but commands use Bob's session.
    let mut pty = job(&home, &format!("$NIGHTLATCH login {EMAIL}"));
    answer(&mut pty, &password_prompt(), PASSWORD);
    expect_end(&mut pty, 0);
    assert_eq!(home.status()["username"], EMAIL);
}

#[test]
fn login_and_exec_mean_the_last_one_signed_in_or_list_the_accounts() {
    let home = Home::registered();
    home.register_another("bob@example.com", OTHER_PASSWORD)
        .succeeds();
    for command in ["$NIGHTLATCH login", "$GUARD true"] {
        let mut pty = job(&home, command);
        pty.expect("There are several accounts: alice@example.com, bob@example.com\r\n");
        pty.expect("[nightlatch] Email: ");
        pty.send("\x04");
        expect_end(&mut pty, 1);
    }
    home.run(&["-n", "login"]).refuses(
        2,
        "several accounts: alice@example.com, bob@example.com; say which",
    );
    home.run_with_input(
        &["login", "bob@example.com", "--password-stdin"],
        OTHER_PASSWORD.as_bytes(),
    )
    .succeeds();
    home.run(&["logout"]).succeeds();
    for command in ["$NIGHTLATCH login", "$GUARD true"] {
        let mut pty = job(&home, command);
        pty.expect("[nightlatch] Password for bob@example.com: ");
        pty.send("\x03");
        expect_end(&mut pty, 130);
    }
}

#[test]
fn passwd_asks_for_the_new_password_only_when_the_current_one_was_right() {
    let home = Home::signed_in();
    let current = format!("[nightlatch] Current password for {EMAIL}: ");
    let mut pty = job(&home, "$NIGHTLATCH passwd");
    answer(&mut pty, &current, OTHER_PASSWORD);
    let wrong = pty.expect(&current);
    assert!(
        wrong.contains("wrong email or password, try again"),
        "{wrong}"
    );
    assert!(!wrong.contains("New password"), "{wrong}");
    pty.send(&format!("{PASSWORD}\n"));
    let rule = pty.expect(&new_password_prompt());
    assert!(rule.contains("at least 15"), "{rule}");
    pty.send("\x03");
    expect_end(&mut pty, 130);
    assert!(home.is_active(), "nothing was changed");
    home.login(&[]).succeeds();
}

#[test]
fn a_password_is_not_read_from_a_terminal_that_would_show_it() {
    let home = Home::registered();
    for command in [
        "login --password-stdin",
        "login --password-fd 0",
        "register bob@example.com --password-stdin",
        "passwd --password-stdin",
    ] {
        let mut pty = job(&home, &format!("$NIGHTLATCH {command}"));
        let said = expect_end(&mut pty, 2);
        assert!(said.contains("it is a terminal"), "{said}");
    }
}

#[test]
fn both_lines_of_a_new_password_may_be_pasted_at_once() {
    let home = Home::new();
    let mut pty = job(&home, &format!("$NIGHTLATCH register {EMAIL}"));
    answer(
        &mut pty,
        &new_password_prompt(),
        &format!("{PASSWORD}\n{PASSWORD}"),
    );
    let said = expect_end(&mut pty, 0);
    assert!(!said.contains(PASSWORD), "{said}");
    home.login(&[]).succeeds();
}

#[test]
fn register_asks_again_when_the_two_passwords_differ() {
    let home = Home::new();
    let mut pty = job(&home, &format!("$NIGHTLATCH register {EMAIL}"));
    answer(&mut pty, &new_password_prompt(), PASSWORD);
    answer(&mut pty, AGAIN, OTHER_PASSWORD);
    pty.expect("not the same");
    answer(&mut pty, &new_password_prompt(), PASSWORD);
    answer(&mut pty, AGAIN, PASSWORD);
    pty.expect("created");
    expect_end(&mut pty, 0);
    home.login(&[]).succeeds();
}

#[test]
fn register_says_why_a_password_is_weak_and_asks_again() {
    let home = Home::new();
    let mut pty = job(&home, &format!("$NIGHTLATCH register {EMAIL}"));
    // Pasted twice, as for a good password: the second line must not answer another prompt.
    answer(&mut pty, &new_password_prompt(), "too short\ntoo short");
    let why = pty.expect(&new_password_prompt());
    assert!(why.contains("15"), "{why}");
    assert!(!why.contains(AGAIN), "{why}");
    assert!(!pty.echoes());
    pty.send(&format!("{PASSWORD}\n"));
    answer(&mut pty, AGAIN, PASSWORD);
    expect_end(&mut pty, 0);
    home.login(&[]).succeeds();
}

#[test]
fn register_gives_up_on_weak_passwords_and_creates_nothing() {
    let home = Home::new();
    let mut pty = job(&home, &format!("$NIGHTLATCH register {EMAIL}"));
    for _ in 0..5 {
        answer(&mut pty, &new_password_prompt(), "too short");
    }
    let said = expect_end(&mut pty, 3);
    assert_eq!(said.matches("15").count(), 1, "said once: {said}");
    home.login(&[]).ends_with(5);
}

#[test]
fn passwd_asks_for_the_old_and_twice_for_the_new_password_and_ends_the_session() {
    let home = Home::signed_in();
    let mut pty = job(&home, "$NIGHTLATCH passwd");
    answer(
        &mut pty,
        &format!("Current password for {EMAIL}: "),
        PASSWORD,
    );
    answer(&mut pty, &new_password_prompt(), OTHER_PASSWORD);
    answer(&mut pty, AGAIN, OTHER_PASSWORD);
    pty.expect("password changed");
    expect_end(&mut pty, 0);
    assert!(!home.is_active());
    home.login(&[]).ends_with(5);
    home.run_with_input(&["login", "--password-stdin"], OTHER_PASSWORD.as_bytes())
        .succeeds();
}

/// The number of events of this type in the log.
fn count(home: &Home, event_type: &str) -> usize {
    let events = home.events();
    events.iter().filter(|event| *event == event_type).count()
}

#[test]
fn one_sign_in_serves_all_commands_of_a_pipeline() {
    let home = Home::registered();
    for round in 1..=4 {
        let mut pty = job(&home, "$GUARD echo first | $GUARD cat | $GUARD tr a-z A-Z");
        pty.expect(&password_prompt());
        pty.settle();
        assert!(!pty.echoes());
        pty.send(&format!("{PASSWORD}\n"));
        let said = expect_end(&mut pty, 0);
        assert!(said.contains("FIRST\r\n"), "{said}");
        assert!(!said.contains("Password for"), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        assert_eq!(count(&home, "LOGIN_SUCCESS"), round);
        home.run(&["logout"]).succeeds();
    }
}

#[test]
fn commands_of_two_homes_on_one_terminal_ask_one_after_the_other() {
    let (home, other) = (Home::registered(), Home::registered());
    let script = format!(
        "$GUARD echo first | $NIGHTLATCH --home {} exec -- cat",
        other.path().display()
    );
    let mut pty = job(&home, &script);
    for _ in 0..2 {
        pty.expect(&password_prompt());
        pty.settle();
        assert!(!pty.echoes());
        pty.send(&format!("{PASSWORD}\n"));
    }
    let said = expect_end(&mut pty, 0);
    assert!(said.contains("first\r\n"), "{said}");
    assert!(home.is_active() && other.is_active());
}

#[test]
fn with_all_streams_led_elsewhere_exec_asks_on_the_terminal_it_is_at() {
    let home = Home::registered();
    let err = home.outside("err");
    let script = format!("echo data | $GUARD cat 2>{} | cat", err.display());
    let mut pty = job(&home, &script);
    answer(&mut pty, &password_prompt(), PASSWORD);
    let said = expect_end(&mut pty, 0);
    assert!(said.contains("data\r\n"), "{said}");
    // A job in the background cannot prompt.
    home.run(&["logout"]).succeeds();
    let script = format!(
        "{{ echo data | $GUARD cat; echo code=$? >&2; }} >/dev/null 2>{} & wait; cat {0}",
        err.display()
    );
    let mut pty = Pty::spawn(home.shell(&format!("set -m; {script}")));
    pty.expect("code=4");
}

#[test]
fn a_pasted_password_comes_without_the_marks_of_a_paste() {
    let home = Home::registered();
    for (kind, expected) in [("xterm-256color", true), ("dumb", false), ("", false)] {
        let mut command = home.command(&["login"]);
        let mut pty = Pty::spawn({
            command.env("TERM", kind);
            command
        });
        let said = pty.expect("Password");
        assert_eq!(said.contains("\x1b[?2004l"), expected, "{kind}: {said:?}");
        pty.send("\x03");
        pty.finish();
    }
}

#[test]
fn a_pager_that_was_started_meanwhile_keeps_its_keys() {
    let found = Run::of(Home::bare().shell("command -v less"));
    if found.code != 0 {
        eprintln!("skipped: less is not installed");
        return;
    }
    let home = Home::registered();
    let mut pty = job(&home, "$GUARD seq 1000 | (sleep 0.5; exec less)");
    pty.expect(&password_prompt());
    until("the other program has the terminal", || {
        pty.gives_single_keys()
    });
    pty.send(&format!("{PASSWORD}\r"));
    pty.expect("17\r\n");
    pty.settle();
    pty.send("q");
    pty.expect("code=0");
}

#[test]
fn a_pager_that_was_started_meanwhile_leaves_the_echo_on() {
    let found = Run::of(Home::bare().shell("command -v less"));
    if found.code != 0 {
        eprintln!("skipped: less is not installed");
        return;
    }
    let home = Home::registered();
    for keys in [&*format!("{PASSWORD}\r"), "\x03"] {
        let mut pty = job(&home, "$GUARD seq 1000 | (sleep 0.5; exec less -X)");
        pty.expect(&password_prompt());
        until("the other program has the terminal", || {
            pty.gives_single_keys()
        });
        pty.send(keys);
        pty.settle();
        pty.send("q");
        expect_end(&mut pty, 0);
        home.run(&["logout"]).succeeds();
    }
}

#[test]
fn a_reader_that_took_the_terminal_sees_the_end_of_its_input_and_is_waited_for() {
    let home = Home::registered();
    let taker = "(sleep 0.5; old=$(stty -g </dev/tty); stty -icanon </dev/tty; cat; stty \"$old\" </dev/tty; sleep 0.2)";
    for redirected in ["", "2>&1", "3>&1"] {
        let mut pty = job(&home, &format!("$GUARD echo data {redirected} | {taker}"));
        pty.expect(&password_prompt());
        until("the other program has the terminal", || {
            pty.gives_single_keys()
        });
        pty.send(&format!("{PASSWORD}\r"));
        let said = pty.expect("code=0\r\n");
        assert!(said.contains("data\r\n"), "{said}");
        // A pipe whose end the reader waits for must not be kept open.
        assert_eq!(pty.echoes(), redirected.is_empty(), "{redirected}");
        home.run(&["logout"]).succeeds();
    }
}
