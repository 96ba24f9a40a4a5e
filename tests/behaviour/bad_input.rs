//! Invalid input, and restricted environments.

use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{EMAIL, Home, PASSWORD, Run};

#[test]
fn a_text_that_is_no_email_is_refused_wherever_one_is_taken() {
    let home = Home::registered();
    let before = home.audit_lines();
    let long = format!("{}@example.com", "a".repeat(250));
    for email in [
        "",
        "alice",
        "@example.com",
        "alice@",
        "alice@@example.com",
        "alice bob@example.com",
        "alice@example.com\n",
        "alice\u{1b}[31m@example.com",
        "alice\u{202e}@example.com",
        "alice\u{7f}@example.com",
        "alice\u{200b}@example.com",
        "alice\u{ad}@example.com",
        "alice@exam\u{200d}ple.com",
        "alice@example.com\u{feff}",
        "alice\u{e0041}@example.com",
        "alice@exam_ple.com",
        "\"alice\"@example.com",
        "<alice@example.com>",
        long.as_str(),
    ] {
        for arguments in [
            &["register", email, "--password-stdin"][..],
            &["login", email, "--password-stdin"],
            &["status", "--account", email],
        ] {
            let run = home.run_with_input(arguments, PASSWORD.as_bytes());
            let run = run.refuses(2, "email");
            assert!(!run.stderr.trim_end().contains(char::is_control), "{run:?}");
        }
    }
    assert_eq!(home.audit_lines(), before);
}

#[test]
fn an_email_that_is_not_text_is_refused() {
    let home = Home::registered();
    let bytes = std::ffi::OsStr::from_bytes(b"al\xffice@example.com");
    let mut command = home.command(&["login"]);
    command.arg(bytes);
    Run::of(command).refuses(2, "UTF-8");
    let mut command = home.command(&["status"]);
    command.env("NIGHTLATCH_ACCOUNT", bytes);
    Run::of(command).refuses(2, "NIGHTLATCH_ACCOUNT");
}

#[test]
fn a_name_that_cannot_be_shown_is_refused() {
    let home = Home::new();
    let long = "n".repeat(101);
    for name in [
        "",
        "   ",
        "a\nb",
        "a\u{1b}[2Jb",
        "a\u{202e}b",
        long.as_str(),
    ] {
        let arguments = ["register", EMAIL, "--name", name, "--password-stdin"];
        home.run_with_input(&arguments, PASSWORD.as_bytes())
            .refuses(2, "the name");
    }
    assert!(!home.path().join("accounts.db").exists());
}

#[test]
fn a_password_that_breaks_a_rule_is_refused_by_that_rules_name() {
    let home = Home::new();
    let long = format!("{PASSWORD}{}", "x".repeat(1025));
    let far_too_long = "x".repeat(1 << 20);
    for (password, rule) in [
        (&b""[..], "empty"),
        (b"\n", "empty"),
        (b"short", "at least 15"),
        (b"aaaaaaaaaaaaaaaaaaaaaaa", "too easy to guess"),
        (b"passwordpasswordpassword", "too easy to guess"),
        (b"Seven brass kettles\0 on a fence!", "control character"),
        (b"Seven brass kettles\t on a fence!", "control character"),
        (b"Seven brass kettles\x1b on a fence!", "control character"),
        (b"Seven brass kettles\n on a fence!", "control character"),
        (b"Seven brass kettles\xff on a fence!", "UTF-8"),
        (b"Seven alice@example.com kettles on", "contains your email"),
        (long.as_bytes(), "longer than 1024 bytes"),
        (far_too_long.as_bytes(), "longer than 1024 bytes"),
    ] {
        let arguments = ["register", EMAIL, "--password-stdin"];
        let run = home.run_with_input(&arguments, password).refuses(3, rule);
        assert!(!run.stderr.contains("brass"), "{run:?}");
    }
    // None of them created an account.
    home.login(&[]).refuses(5, "there is no account yet");
}

#[test]
fn a_password_that_no_account_can_have_fails_to_sign_in_as_a_wrong_one_does() {
    let home = Home::registered();
    let long = "x".repeat(4096);
    let wrong = home
        .run_with_input(&["login", "--password-stdin"], b"wrong")
        .refuses(5, "wrong email or password");
    for password in [&b""[..], long.as_bytes()] {
        // The number of remaining attempts is unchanged.
        home.login(&[]).succeeds();
        let run = home.run_with_input(&["login", "--password-stdin"], password);
        assert_eq!((run.code, run.stderr), (5, wrong.stderr.clone()));
    }
}

#[test]
fn what_no_password_can_have_is_named_and_counts_as_no_failed_sign_in() {
    let home = Home::registered();
    let before = home.audit_lines();
    let utf_16: Vec<u8> = format!("\u{feff}{PASSWORD}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (password, named) in [
        (
            format!("{PASSWORD}\r").into_bytes(),
            "carriage return, U+000D",
        ),
        (
            format!("{PASSWORD}\r\r\n").into_bytes(),
            "carriage return, U+000D",
        ),
        (
            format!("\u{feff}{PASSWORD}").into_bytes(),
            "byte order mark, U+FEFF",
        ),
        (format!("{PASSWORD}\0").into_bytes(), "NUL, U+0000"),
        (format!("{PASSWORD}\x1b[A").into_bytes(), "U+001B"),
        (utf_16, "NUL, U+0000"),
    ] {
        for email in [EMAIL, "nobody@example.com"] {
            for _ in 0..2 {
                let login = ["login", email, "--password-stdin"];
                home.run_with_input(&login, &password).refuses(5, named);
            }
        }
        let change = [&password[..], b"\nA harbour wall, 11 gulls asleep\n"].concat();
        if !password.ends_with(b"\r\n") && !password.ends_with(b"\r") {
            home.run_with_input(&["passwd", "--password-stdin"], &change)
                .refuses(5, named);
        }
        let register = ["register", "--password-stdin", EMAIL];
        let new = Home::new().run_with_input(&register, &password);
        new.refuses(3, named);
    }
    assert_eq!(home.audit_lines(), before);
    home.login(&[]).succeeds();
}

#[test]
fn a_password_file_of_windows_signs_in_and_changes_the_password() {
    let home = Home::registered();
    let line = format!("{PASSWORD}\r\n");
    home.run_with_input(&["login", "--password-stdin"], line.as_bytes())
        .succeeds();
    let both = format!("{PASSWORD}\r\nA harbour wall, 11 gulls asleep\r\n");
    home.run_with_input(&["passwd", "--password-stdin"], both.as_bytes())
        .succeeds();
    home.run_with_input(
        &["login", "--password-stdin"],
        b"A harbour wall, 11 gulls asleep",
    )
    .succeeds();
    let longest = format!("{PASSWORD}{}", " long".repeat(1024))
        .split_at(1024)
        .0
        .to_owned();
    let other = Home::new();
    let file = format!("{longest}\r\n");
    other
        .run_with_input(&["register", EMAIL, "--password-stdin"], file.as_bytes())
        .succeeds();
    other
        .run_with_input(&["login", "--password-stdin"], longest.as_bytes())
        .succeeds();
}

#[test]
fn a_configuration_with_a_mistake_is_refused_by_name_and_line() {
    let home = Home::signed_in();
    for (mistake, part) in [
        ("idel = \"5m\"", "line 1: unknown key \"idel\""),
        (
            "\n[password]\nmax_age = 3",
            "line 3: unknown key \"password.max_age\"",
        ),
        ("idle = \"15m 1s\"", "the idle limit must be from 1s to 15m"),
        ("idle = \"16m\"", "not 16m"),
        ("idle = \"0s\"", "the idle limit"),
        ("max = \"13h\"", "the max limit"),
        ("idle = \"soon\"", "idle = \"soon\""),
        ("idle = 5", "line 1"),
        ("keeper = \"disk\"", "disk"),
        ("this is not TOML", "line 1"),
        ("[password]\nmemory_kib = 1", "from 19456 to 1048576"),
    ] {
        std::fs::write(home.path().join("config.toml"), mistake).unwrap();
        for arguments in [&["status"][..], &["exec", "--", "true"]] {
            let run = home.run(arguments).refuses(1, part);
            assert!(!run.stderr.contains("\\u{"), "{run:?}");
        }
    }
    home.configure("");
    assert!(
        home.is_active(),
        "a mistake in the configuration ended the session"
    );
}

#[test]
fn a_configuration_that_is_not_text_or_far_too_long_is_refused() {
    let home = Home::registered();
    std::fs::write(home.path().join("config.toml"), b"idle = \"\xff\"").unwrap();
    home.run(&["status"]).refuses(1, "not UTF-8 text");
    std::fs::write(home.path().join("config.toml"), "#".repeat(1 << 20)).unwrap();
    home.run(&["status"]).refuses(1, "longer than");
}

#[test]
fn a_keeper_that_is_none_is_refused() {
    let home = Home::new();
    let mut command = home.command(&["status"]);
    command.env("NIGHTLATCH_KEEPER", "disk");
    Run::of(command).refuses(2, "use auto, kernel or agent");
}

#[test]
fn every_error_under_json_is_one_object_on_standard_error() {
    let home = Home::registered();
    for (arguments, code, kind) in [
        (&["--json", "exec", "--", "true"][..], 4, "no_session"),
        (&["--json", "extend"], 4, "no_session"),
        (&["whoami", "--json"], 4, "no_session"),
        (&["--json", "-n", "login"], 2, "no_terminal"),
        (
            &["--json", "register", "nobody", "--password-stdin"],
            2,
            "bad_email",
        ),
        (
            &["--json", "register", EMAIL, "--password-stdin"],
            4,
            "no_sponsor",
        ),
        (
            &[
                "--json",
                "register",
                "b@example.com",
                "--password-stdin",
                "--name",
                " ",
            ],
            2,
            "bad_name",
        ),
        (
            &["--json", "login", "--password-stdin", "--idle", "1h"],
            2,
            "usage",
        ),
        (
            &["--json", "login", "b@example.com", "--password-stdin"],
            5,
            "sign_in_failed",
        ),
        (&["--json", "audit", "--event", "NOPE"], 2, "usage"),
        (&["--json", "audit", "--limit", "0"], 2, "usage"),
        (&["--json", "login", "--idel"], 2, "usage"),
        (&["--json", "login", "--idle", "soon"], 2, "usage"),
        (&["--json", "frob"], 2, "usage"),
        (&["--json", "register"], 2, "usage"),
        (&["--json", "exec"], 2, "usage"),
        (
            &["--json", "login", "--password-stdin", "--password-fd", "3"],
            2,
            "usage",
        ),
        (&["--json"], 2, "usage"),
        (&["--json", "-q", "exec", "--", "true"], 4, "no_session"),
    ] {
        let run = home.run_with_input(arguments, PASSWORD.as_bytes());
        let run = run.ends_with(code);
        assert_eq!(run.stdout, "", "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        let error: Value = serde_json::from_str(&run.stderr).unwrap();
        let object = error.as_object().unwrap();
        assert_eq!(object.len(), 3, "{run:?}");
        assert_eq!(error["error"], kind, "{run:?}");
        let message = error["message"].as_str().unwrap();
        assert!(
            !message.is_empty() && !message.contains('\n') && !message.ends_with(':'),
            "{run:?}"
        );
        assert!(
            error["hint"].is_string() || error["hint"].is_null(),
            "{run:?}"
        );
    }
    let run = home.run(&["--json", "register"]);
    assert!(
        run.stderr.contains("no email was given"),
        "what is missing is not named: {run:?}"
    );
}

#[test]
fn a_mistyped_command_line_is_told_in_one_line() {
    let home = Home::new();
    for (arguments, part) in [
        (&["frob"][..], "frob"),
        (&["statsu"], "did you mean: nightlatch status"),
        (&["login", "--idel", "5m"], "did you mean --idle?"),
        (&["login", "--idle", "soon"], "90s"),
        (&["register"], "register EMAIL"),
        (&["exec"], "nightlatch exec -- COMMAND"),
        (&["audit", "--limit", "0"], "--limit"),
        (&["audit", "--format", "xml"], "jsonl"),
        (&["fr\u{1b}[31mob"], "fr\\u{1b}[31mob"),
    ] {
        let run = home.run(arguments).refuses(2, part);
        assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
    }
    // Without a command, the help is printed.
    let run = home.run(&[]).ends_with(2);
    assert!(run.stderr.contains("Usage: nightlatch"), "{run:?}");
    let help = home.run(&["--help"]).succeeds();
    assert!(help.stdout.contains("--exit-codes") && help.stderr.is_empty());
}

/// Runs with a closed standard output.
fn unread(mut command: Command) -> Run {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    Run::finish(&command, child)
}

#[test]
fn a_reader_who_had_enough_is_no_error() {
    let home = Home::signed_in();
    for arguments in [
        &["audit"][..],
        &["audit", "--format", "jsonl"],
        &["audit", "--format", "csv"],
        &["audit", "--json"],
        &["status"],
        &["status", "--json"],
        &["whoami"],
        &["extend", "--json"],
        &["--help"],
        &["--version"],
    ] {
        let run = unread(home.command(arguments));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_standard_output_that_cannot_be_written_is_an_error() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: there is no /dev/full here");
        return;
    };
    let home = Home::signed_in();
    for arguments in [&["whoami"][..], &["status"], &["audit"]] {
        let mut command = home.command(arguments);
        let child = command
            .stdout(full.try_clone().unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Run::finish(&command, child).refuses(1, "cannot write to standard output");
    }
    assert!(home.is_active());
}

#[test]
fn a_command_that_cannot_be_found_or_executed_is_told_as_a_shell_does() {
    let home = Home::signed_in();
    let plain = home.outside("plain");
    std::fs::write(&plain, "just text").unwrap();
    let directory = home.outside("directory");
    std::fs::create_dir(&directory).unwrap();
    for (program, code, error) in [
        ("/nonexistent/program", 127, "not_found"),
        ("no-such-program-anywhere", 127, "not_found"),
        ("", 127, "not_found"),
        (plain.to_str().unwrap(), 126, "not_executable"),
        (directory.to_str().unwrap(), 126, "not_executable"),
    ] {
        home.run(&["exec", "--", program]).refuses(code, "");
        let last = home.audit().pop().unwrap();
        assert_eq!(last["event_type"], "COMMAND_FINISHED", "{program:?}");
        assert_eq!(last["details"]["error"], error, "{program:?}");
    }
    assert!(home.is_active());
    assert_eq!(home.run(&["exec", "--", "sh", "-c", "exit 7"]).code, 7);
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_waited_for() {
    let home = Home::registered();
    if !Command::new("setsid")
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: no setsid here");
        return;
    }
    for (arguments, code, part) in [
        (&["login"][..], 2, "there is no terminal"),
        (&["register", "b@example.com"], 4, "has an account already"),
        (&["passwd"], 2, "there is no terminal"),
        (&["exec", "--", "true"], 4, "no live session"),
    ] {
        let program = home.command(arguments);
        let mut command = Command::new("setsid");
        command
            .arg("--wait")
            .arg(program.get_program())
            .args(arguments)
            .env_clear()
            .envs(
                program
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null());
        Run::of(command).refuses(code, part);
    }
}

#[test]
fn too_little_time_left_is_refused_by_its_own_code() {
    let home = Home::registered();
    home.login(&["--max", "10m"]).succeeds();
    let marker = home.outside("ran");
    let touch = ["touch", marker.to_str().unwrap()];
    home.run(&[&["exec", "--min-remaining", "11m", "--"], &touch[..]].concat())
        .refuses(3, "the session ends in");
    assert!(!marker.exists());
    home.run(&[&["exec", "--min-remaining", "5m", "--"], &touch[..]].concat())
        .succeeds();
    assert!(marker.exists());
    let events = home.audit();
    let refused = events.iter().find(|e| e["event_type"] == "COMMAND_REFUSED");
    assert_eq!(refused.unwrap()["details"]["reason"], "too_little_time");
}

#[test]
fn verbose_talk_goes_to_standard_error_and_tells_no_secret() {
    let home = Home::registered();
    let login = home.login(&["-vvv"]).succeeds();
    let exec = home
        .run(&["-vvv", "exec", "--", "echo", "an argument"])
        .succeeds();
    assert_eq!(exec.stdout, "an argument\n");
    assert!(exec.stderr.contains("the session is live"), "{exec:#?}");
    for said in [&login.stderr, &exec.stderr] {
        assert!(
            !said.contains(PASSWORD) && !said.contains("an argument"),
            "{said}"
        );
        assert!(
            !said.contains('\u{1b}'),
            "colour where no terminal is: {said:?}"
        );
    }
    assert_eq!(home.run(&["exec", "--", "true"]).succeeds().stderr, "");
}

#[test]
fn json_keeps_the_order_of_its_keys() {
    let home = Home::registered();
    let refused = home.run(&["--json", "exec", "--", "true"]).ends_with(4);
    let keys = r#"{"error":"no_session","message":"no live session","hint":""#;
    assert!(refused.stderr.starts_with(keys), "{refused:#?}");
    let password = PASSWORD.as_bytes();
    let bob = ["--json", "register", "bob@example.com", "--password-stdin"];
    home.login(&[]).succeeds();
    let registered = home.run_with_input(&bob, password).succeeds();
    assert!(
        registered
            .stdout
            .starts_with(r#"{"schema":1,"account_id":""#),
        "{registered:#?}"
    );
}

#[test]
fn what_people_type_for_a_command_leads_to_it() {
    let home = Home::registered();
    for (typed, leads_to) in [
        ("verify", "nightlatch audit verify"),
        ("report", "nightlatch audit report"),
        ("accounts", "nightlatch config show"),
        ("signup", "nightlatch register"),
        ("log", "nightlatch audit list"),
    ] {
        home.run(&[typed]).refuses(2, leads_to);
    }
    for (typed, options) in [
        ("unlock", "--password-stdin"),
        ("signin", "--password-stdin"),
    ] {
        home.run_with_input(&[typed, options], PASSWORD.as_bytes())
            .succeeds();
    }
    home.run(&["signout"]).succeeds();
    assert!(!home.is_active());
}
