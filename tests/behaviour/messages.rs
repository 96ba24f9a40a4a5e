//! Messages: safe on a terminal, limited in length, and safe to paste.

use serde_json::Value;

use crate::support::{EMAIL, Home, PASSWORD, Pty, Run};

/// A right-to-left override, the eight-bit form of `ESC [`, and the beginning of a tag.
const HOSTILE: &str = "no\u{202e}such\u{9b}31m\u{e0041}\u{1b}[31m\u{200b}";

#[test]
fn errors_as_json_and_traces_have_nothing_that_a_terminal_acts_on() {
    let home = Home::signed_in();
    let program = format!("./{HOSTILE}");
    let run = home.run(&["--json", "exec", "--", &program]).ends_with(127);
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert!(
        error["message"].as_str().unwrap().contains(HOSTILE),
        "{run:?}"
    );
    assert!(
        !run.stderr.contains(['\u{202e}', '\u{9b}', '\u{e0041}']),
        "{run:?}"
    );
    let elsewhere = home.outside(HOSTILE);
    let run = home.run(&["-vv", "--home", elsewhere.to_str().unwrap(), "status"]);
    assert!(run.stderr.contains("\\u{202e}such\\u{9b}"), "{run:?}");
    assert!(
        !run.stderr.contains(['\u{202e}', '\u{9b}', '\u{e0041}']),
        "{run:?}"
    );
}

#[test]
fn a_command_in_a_hint_names_the_file_whatever_it_is_called() {
    let home = Home::signed_in();
    for name in ["x'; id; ''", "-x", "$(id)", "a b\\"] {
        let file = home.outside(name);
        std::fs::write(&file, "").unwrap();
        let program = file.to_str().unwrap();
        let run = home.run(&["exec", "--", program]).refuses(126, "chmod u+x");
        let word = run.stderr.split("chmod u+x -- ").nth(1).unwrap();
        let said = Run::of(home.shell(&format!("printf %s {word}"))).succeeds();
        assert_eq!(said.stdout, program);
    }
}

#[test]
fn a_command_in_a_hint_is_never_cut() {
    let home = Home::signed_in();
    let directory = home.outside(&"';exit 9;'/".repeat(200));
    std::fs::create_dir_all(&directory).unwrap();
    // At some of these lengths, the cut would be inside the quotes around a sign in the name.
    for length in 1..10 {
        let file = directory.join("x".repeat(length));
        std::fs::write(&file, "").unwrap();
        let program = file.to_str().unwrap();
        let run = home.run(&["exec", "--", program]).refuses(126, "9;'");
        assert!(!run.stderr.contains("chmod"), "{run:?}");
        let run = home.run(&["--json", "exec", "--", program]).ends_with(126);
        let error: Value = serde_json::from_str(&run.stderr).unwrap();
        assert_eq!(error["hint"], Value::Null);
    }
}

#[test]
fn a_message_is_short_however_long_a_name_is() {
    let home = Home::signed_in();
    let name = "x".repeat(100_000);
    for arguments in [
        &["exec", "--", &name][..],
        &["--json", "exec", "--", &name],
        &[&name],
    ] {
        let run = home.run(arguments);
        assert!(run.stderr.len() < 3000, "{} bytes", run.stderr.len());
        assert!(run.stderr.contains("xxx ... xxx"), "{}", run.stderr);
    }
}

/// Whether `text`, which has no colours, has no characters except line ends that a terminal
/// interprets.
fn is_harmless(text: &str) -> bool {
    let acts = |c: char| {
        c.is_control() && !"\r\n".contains(c)
            || "\u{61c}\u{200b}\u{200e}\u{200f}\u{feff}".contains(c)
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2060}'..='\u{2069}').contains(&c)
            || ('\u{e0000}'..='\u{e007f}').contains(&c)
    };
    !text.contains(acts)
}

/// A home with a session, in a directory with a hostile name.
fn hostile_home() -> Home {
    let home = Home::signed_in();
    let there = home.outside(HOSTILE);
    std::fs::create_dir(&there).unwrap();
    let config = "[password]\nmemory_kib = 19456\npasses = 2\n[audit]\nsyslog = false\n";
    std::fs::write(there.join("config.toml"), config).unwrap();
    let there = there.to_str().unwrap();
    for arguments in [
        &["--home", there, "register", EMAIL, "--password-stdin"][..],
        &["--home", there, "login", "--password-stdin"],
    ] {
        home.run_with_input(arguments, PASSWORD.as_bytes())
            .succeeds();
    }
    home
}

#[test]
fn no_command_says_what_a_terminal_acts_on_or_more_than_fits_whatever_it_is_given() {
    let home = hostile_home();
    let there = home.outside(HOSTILE);
    let there = there.to_str().unwrap();
    let missing = format!("{there}/{HOSTILE}");
    let inside = format!("{there}/config.toml/{HOSTILE}");
    let long = "y".repeat(50_000);
    let mut ways = [&[][..], &["--json"], &["-vv"]].into_iter().cycle();
    for value in [HOSTILE, &missing, &inside, &long] {
        for arguments in [
            &["audit", "hold", "add", value][..],
            &["audit", "hold", "remove", value],
            &["audit", "hold", "add", "case-7", "--reason", value],
            &["audit", "list", "--dir", value],
            &["audit", "list", "--program", value],
            &["audit", "list", "--since", value],
            &["audit", "list", "--event", value],
            &["audit", "list", "--argv-of", value],
            &["audit", "list", "--format", value],
            &["audit", "stats", "--dir", value],
            &["audit", "export", "--dir", value],
            &["audit", "export", "--after", value],
            &["audit", "report", "--html", value],
            &["audit", "report", "--html", "-", "--anchors", value],
            &["audit", "verify", value],
            &["audit", "verify", "--anchor", value],
            &["audit", "verify", "--fingerprint", value],
            &["config", "check", value],
            &["config", value],
            &["exec", "--", value],
            &["exec", "--min-remaining", value, "--", "true"],
            &["login", "--idle", value],
            &["login", value, "--password-stdin"],
            &[
                "register",
                "bob@example.com",
                "--name",
                value,
                "--password-stdin",
            ],
            &["--account", value, "status"],
            &["--home", value, "status"],
            &["--home", value, "exec", "--", "true"],
            &["--home", value, "doctor"],
            &["man", "--dir", value],
            &["hook", value],
            &["hook", "bash", value],
            &["completions", value],
            &[value],
        ] {
            let way = ways.next().unwrap();
            let line = [&["--home", there][..], way, arguments].concat();
            let mut command = home.command(&line);
            command.current_dir(home.outside(""));
            let run = Run::of(command);
            assert!(is_harmless(&run.stderr), "{run:?}");
            for said in run.stderr.lines() {
                assert!(said.chars().count() < 7000, "{line:?}: {said}");
                assert!(
                    way != ["--json"] || serde_json::from_str::<Value>(said).is_ok(),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn what_is_shown_of_a_home_of_any_name_is_harmless_on_a_terminal() {
    let home = hostile_home();
    let there = home.outside(HOSTILE);
    let there = there.to_str().unwrap();
    let refused = home.run(&["--home", there, "exec", "--", HOSTILE]);
    refused.refuses(127, "not found");
    for arguments in [
        &["doctor"][..],
        &["config", "show"],
        &["config", "path"],
        &["config", "check"],
        &["config", "show", "--json"],
        &["audit", "list"],
        &["audit", "list", "--wide"],
        &["audit", "verify"],
        &["audit", "verify", "--json"],
        &["audit", "stats"],
        &["audit", "export", "--format", "ecs"],
        &["audit", "hold", "add", "case-7", "--reason", HOSTILE],
        &["audit", "hold", "list"],
        &["hook", "fish"],
        &["lock"],
        &["status"],
    ] {
        let line = [&["--home", there][..], arguments].concat();
        let mut command = home.command(&line);
        command.env("NO_COLOR", "1");
        let (text, _) = Pty::spawn(command).finish();
        assert!(is_harmless(&text) && !text.is_empty(), "{line:?}: {text:?}");
    }
}
