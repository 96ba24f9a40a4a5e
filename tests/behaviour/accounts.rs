//! Accounts: creating one, signing in and out, changing the password.

use std::process::Command;

use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run, files_in, tree};

const OTHER_EMAIL: &str = "bob@example.com";

fn two_accounts() -> Home {
    let home = Home::registered();
    home.register_another(OTHER_EMAIL, OTHER_PASSWORD)
        .succeeds();
    home
}

fn login_as(home: &Home, email: &str, password: &str) -> Run {
    home.run_with_input(&["login", email, "--password-stdin"], password.as_bytes())
}

fn change_password(home: &Home, old: &str, new: &str) -> Run {
    let input = format!("{old}\n{new}\n");
    home.run_with_input(&["passwd", "--password-stdin"], input.as_bytes())
}

fn session_id(home: &Home) -> String {
    home.status()["session_id"].as_str().unwrap().to_owned()
}

#[test]
fn an_account_is_registered_signed_in_used_and_signed_out() {
    let home = Home::new();
    let registered = home
        .run_with_input(
            &[
                "--json",
                "register",
                "Alice@Example.com",
                "--name",
                "Alice L.",
                "--password-stdin",
            ],
            PASSWORD.as_bytes(),
        )
        .succeeds()
        .json();
    assert_eq!(registered["schema"], 1);
    assert_eq!(registered["email"], "Alice@Example.com");
    assert_eq!(registered["name"], "Alice L.");
    home.run(&["whoami"]).refuses(4, "no live session");
    home.login(&[]).succeeds();
    assert_eq!(
        home.run(&["whoami"]).succeeds().stdout,
        "alice@example.com\n"
    );
    for _ in 0..2 {
        let run = home.run(&["exec", "--", "echo", "used"]).succeeds();
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("used\n", ""));
    }
    assert_eq!(home.run(&["logout"]).succeeds().stdout, "");
    assert!(files_in(&home.path().join("sessions")).is_empty());
    home.run(&["exec", "--", "echo", "used"])
        .refuses(4, "no live session");
}

#[test]
fn one_email_is_one_account_in_whatever_case_it_is_written() {
    let home = Home::registered();
    for email in ["alice@example.com", "ALICE@example.COM"] {
        home.register_another(email, OTHER_PASSWORD)
            .refuses(3, "there is an account with that email already");
    }
    login_as(&home, "ALICE@EXAMPLE.COM", PASSWORD).succeeds();
    assert_eq!(
        home.run(&["whoami"]).succeeds().stdout,
        "alice@example.com\n"
    );
    let last = home.audit();
    let refused = last.iter().filter(|event| {
        event["event_type"] == "ACCOUNT_REGISTERED" && event["details"]["reason"] == "email_taken"
    });
    assert_eq!(refused.count(), 2);
}

#[test]
fn a_password_typed_decomposed_opens_an_account_registered_composed() {
    let home = Home::new();
    let composed = "Caf\u{e9} m\u{fc}de Br\u{fc}cke, 7 na\u{ef}ve Z\u{fc}ge 🔒";
    let decomposed = "Cafe\u{301} mu\u{308}de Bru\u{308}cke, 7 nai\u{308}ve Zu\u{308}ge 🔒";
    home.register(EMAIL, composed).succeeds();
    login_as(&home, EMAIL, decomposed).succeeds();
    login_as(&home, EMAIL, composed).succeeds();
}

#[test]
fn a_password_keeps_its_spaces_at_both_ends() {
    let home = Home::new();
    let spaced = format!("  {PASSWORD}  ");
    home.register(EMAIL, &spaced).succeeds();
    login_as(&home, EMAIL, PASSWORD).refuses(5, "wrong email or password");
    login_as(&home, EMAIL, &spaced).succeeds();
}

#[test]
fn one_trailing_newline_of_a_password_is_stripped_and_a_second_is_not() {
    let home = Home::registered();
    login_as(&home, EMAIL, &format!("{PASSWORD}\n")).succeeds();
    login_as(&home, EMAIL, &format!("{PASSWORD}\n\n")).refuses(5, "line feed, U+000A");
    home.register_another(OTHER_EMAIL, &format!("{OTHER_PASSWORD}\n\n"))
        .refuses(3, "control character");
}

#[test]
fn a_password_is_read_from_an_inherited_descriptor() {
    let home = Home::registered();
    let file = home.outside("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let mut command = Command::new("/bin/sh");
    let program = home.command(&[]);
    command
        .args(["-c", "exec \"$0\" login --password-fd 5 5<\"$1\""])
        .arg(program.get_program())
        .arg(&file)
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    Run::of(command).succeeds();
    assert!(home.is_active());
    home.run(&["login", "--password-fd", "77"])
        .refuses(2, "--password-fd 77");
    let both = home.run(&["login", "--password-fd", "5", "--password-stdin"]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn a_wrong_password_and_an_unknown_email_are_told_in_the_same_words() {
    let home = Home::registered();
    for more in [&[][..], &["--json"], &["-q"]] {
        let run = |email| {
            let arguments = [&["login", email, "--password-stdin"], more].concat();
            home.run_with_input(&arguments, OTHER_PASSWORD.as_bytes())
                .ends_with(5)
        };
        let (known, unknown) = (run(EMAIL), run("mallory@example.org"));
        assert_eq!(known.stdout, unknown.stdout);
        assert_eq!(known.stderr, unknown.stderr);
        assert!(
            known.stderr.contains("wrong email or password"),
            "{known:?}"
        );
    }
}

#[test]
fn the_sixth_sign_in_after_five_wrong_ones_is_locked_even_with_the_right_password() {
    let home = two_accounts();
    let unknown = "mallory@example.org";
    // Both at the same time, because later attempts are delayed.
    let lock = |email: &'static str| {
        let failed: Vec<_> = (0..5)
            .map(|_| login_as(&home, email, "not at all the password").ends_with(5))
            .collect();
        let locked = login_as(&home, email, PASSWORD).refuses(6, "locked after too many failures");
        (failed, locked)
    };
    let (known, other) = std::thread::scope(|scope| {
        let known = scope.spawn(|| lock(EMAIL));
        let other = scope.spawn(|| lock(unknown));
        (known.join().unwrap(), other.join().unwrap())
    });
    for (one, two) in known.0.iter().zip(&other.0) {
        assert_eq!((&one.stdout, &one.stderr), (&two.stdout, &two.stderr));
    }
    // The remaining time is shown, and decreases.
    let words = |run: &Run| run.stderr.split("try again in").next().unwrap().to_owned();
    assert_eq!(known.1.stdout, other.1.stdout);
    assert_eq!(words(&known.1), words(&other.1));
    assert!(!home.is_active());

    let locked: Vec<_> = home
        .audit()
        .into_iter()
        .filter(|event| event["event_type"] == "ACCOUNT_LOCKED")
        .map(|event| event["username"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(locked.len(), 2, "{locked:?}");
    assert!(locked.contains(&EMAIL.to_owned()) && locked.contains(&"(unknown)".to_owned()));
    // Another account is not locked.
    login_as(&home, OTHER_EMAIL, OTHER_PASSWORD).succeeds();
}

#[test]
fn login_without_an_email_means_the_only_account_or_the_last_one_signed_in() {
    let home = Home::new();
    home.login(&[]).refuses(5, "there is no account yet");
    home.register(EMAIL, PASSWORD).succeeds();
    home.login(&[]).succeeds();
    home.register_another(OTHER_EMAIL, OTHER_PASSWORD)
        .succeeds();
    login_as(&home, OTHER_EMAIL, OTHER_PASSWORD).succeeds();
    assert_eq!(home.run(&["whoami"]).succeeds().stdout, "bob@example.com\n");
    let login = ["login", "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    assert_eq!(home.run(&["whoami"]).succeeds().stdout, "bob@example.com\n");
    let home = two_accounts();
    home.login(&[]).refuses(
        2,
        "there are several accounts: alice@example.com, bob@example.com; say which",
    );
}

#[test]
fn the_account_meant_is_the_flags_then_the_environments_then_the_last_to_sign_in() {
    let home = two_accounts();
    login_as(&home, OTHER_EMAIL, OTHER_PASSWORD).succeeds();
    login_as(&home, EMAIL, PASSWORD).succeeds();
    let whoami = |flag: Option<&str>, variable: Option<&str>| {
        let mut command = home.command(&["whoami"]);
        if let Some(email) = flag {
            command.args(["--account", email]);
        }
        if let Some(email) = variable {
            command.env("NIGHTLATCH_ACCOUNT", email);
        }
        Run::of(command).succeeds().stdout
    };
    assert_eq!(whoami(None, None), "alice@example.com\n");
    assert_eq!(whoami(None, Some("Bob@example.com")), "bob@example.com\n");
    assert_eq!(
        whoami(Some(EMAIL), Some(OTHER_EMAIL)),
        "alice@example.com\n"
    );
    assert_eq!(whoami(Some(OTHER_EMAIL), None), "bob@example.com\n");
    assert_eq!(whoami(None, Some("")), "alice@example.com\n");
    home.run(&["--account", "carol@example.com", "exec", "--", "true"])
        .refuses(4, "no live session");
    let mut command = home.command(&["login", "--password-stdin"]);
    command.env("NIGHTLATCH_ACCOUNT", EMAIL);
    Run::with_input(command, PASSWORD.as_bytes()).succeeds();
}

#[test]
fn the_home_is_the_flags_before_the_environments() {
    let home = Home::signed_in();
    let elsewhere = home.outside("elsewhere");
    let run = home.run(&["--home", elsewhere.to_str().unwrap(), "status", "--check"]);
    assert_eq!(run.code, 4);
    assert!(!elsewhere.exists(), "looking created a home");
    let mut command = home.command(&["whoami", "--home", home.path().to_str().unwrap()]);
    command.env("NIGHTLATCH_HOME", &elsewhere);
    assert_eq!(Run::of(command).succeeds().stdout, "alice@example.com\n");
}

#[test]
fn without_a_chosen_home_everything_is_where_the_platform_keeps_it() {
    let home = Home::bare();
    let run = |arguments: &[&str], input: &str| {
        let mut command = home.command(arguments);
        command
            .env_remove("NIGHTLATCH_HOME")
            .env("XDG_DATA_HOME", home.outside("data"))
            .env("XDG_CONFIG_HOME", home.outside("config"));
        Run::with_input(command, input.as_bytes())
    };
    if cfg!(not(target_os = "linux")) {
        eprintln!("skipped: the XDG directories are Linux's");
        return;
    }
    std::fs::create_dir_all(home.outside("config/nightlatch")).unwrap();
    std::fs::write(
        home.outside("config/nightlatch/config.toml"),
        "idle = \"7m\"\n[password]\nmemory_kib = 19456\npasses = 2\n",
    )
    .unwrap();
    run(&["register", EMAIL, "--password-stdin"], PASSWORD).succeeds();
    run(&["login", "--password-stdin"], PASSWORD).succeeds();
    let status = run(&["status", "--json"], "").succeeds().json();
    run(&["logout"], "").succeeds();
    assert_eq!(status["idle_timeout_seconds"], 420);
    assert!(home.outside("data/nightlatch/accounts.db").is_file());
    assert!(!home.outside("config/nightlatch/accounts.db").exists());
}

#[test]
fn a_new_login_replaces_the_session() {
    let home = Home::signed_in();
    let first = session_id(&home);
    home.login(&[]).succeeds();
    let second = session_id(&home);
    assert_ne!(first, second);
    let _ = home.session_file();
    let replaced = home
        .audit()
        .into_iter()
        .find(|event| event["event_type"] == "SESSION_TERMINATED")
        .unwrap();
    assert_eq!(replaced["session_id"], first.as_str());
    assert_eq!(replaced["details"]["reason"], "replaced");
    assert_eq!(home.run(&["exec", "--", "true"]).code, 0);
}

#[test]
fn a_failed_login_leaves_the_live_session_alone() {
    let home = Home::signed_in();
    let before = session_id(&home);
    login_as(&home, EMAIL, OTHER_PASSWORD).refuses(5, "wrong email or password");
    assert_eq!(session_id(&home), before);
    home.run(&["exec", "--", "true"]).succeeds();
}

#[test]
fn a_changed_password_ends_the_session_and_is_the_only_one_that_signs_in() {
    let home = Home::signed_in();
    change_password(&home, PASSWORD, OTHER_PASSWORD).succeeds();
    assert_eq!(home.status()["state"], "none");
    assert!(files_in(&home.path().join("sessions")).is_empty());
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    login_as(&home, EMAIL, PASSWORD).refuses(5, "wrong email or password");
    // This opens the account's data key, which is now sealed with the new password.
    login_as(&home, EMAIL, OTHER_PASSWORD).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
    let events = home.audit();
    let changed = events
        .iter()
        .find(|event| event["event_type"] == "PASSWORD_CHANGED")
        .unwrap();
    assert_eq!(changed["success"], true);
    let ended = events
        .iter()
        .find(|event| event["event_type"] == "SESSION_TERMINATED")
        .unwrap();
    assert_eq!(ended["details"]["reason"], "password_changed");
}

#[test]
fn a_password_change_that_is_refused_changes_nothing() {
    let home = Home::signed_in();
    change_password(&home, OTHER_PASSWORD, OTHER_PASSWORD).refuses(5, "wrong email or password");
    change_password(&home, PASSWORD, "short").refuses(3, "at least 15");
    change_password(&home, PASSWORD, "").refuses(3, "empty");
    change_password(&home, PASSWORD, PASSWORD).refuses(3, "the old one");
    home.run_with_input(&["passwd", "--password-stdin"], PASSWORD.as_bytes())
        .refuses(2, "two lines");
    assert!(home.is_active());
    login_as(&home, EMAIL, PASSWORD).succeeds();
}

#[test]
fn an_idle_limit_is_shortened_by_a_flag_and_never_lengthened() {
    let home = Home::registered();
    home.login(&["--idle", "15m 1ms"])
        .refuses(2, "the idle limit must be from 1s to 15m");
    home.login(&["--idle", "999ms"])
        .refuses(2, "the idle limit");
    home.login(&["--max", "12h 1s"]).refuses(2, "the max limit");
    assert!(!home.is_active());
    home.configure("idle = \"2m\"");
    home.login(&["--idle", "3m"]).refuses(2, "1s to 2m");
    home.login(&["--idle", "1m"]).succeeds();
    assert_eq!(home.status()["idle_timeout_seconds"], 60);
}

#[test]
fn a_session_without_activity_for_its_idle_limit_is_refused_and_recorded_so() {
    let home = Home::registered();
    home.login(&["--idle", "1s"]).succeeds();
    let session = session_id(&home);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let marker = home.outside("ran");
    home.run(&["exec", "--", "touch", marker.to_str().unwrap()])
        .refuses(4, "no live session: locked at ");
    assert!(!marker.exists());
    assert!(files_in(&home.path().join("sessions")).is_empty());
    let events = home.audit();
    let expired = events
        .iter()
        .find(|event| event["event_type"] == "SESSION_EXPIRED")
        .unwrap();
    assert_eq!(expired["session_id"], session.as_str());
    assert_eq!(expired["username"], EMAIL);
    // The keeper drops the key at most a second later, and then that is the reason.
    let reason = expired["details"]["reason"].as_str().unwrap();
    assert!(["idle", "key_gone"].contains(&reason), "{expired}");
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    home.login(&[]).succeeds();
}

#[test]
fn an_absolute_limit_ends_a_session_that_is_in_use() {
    let home = Home::registered();
    let login = home.login(&["--json", "--max", "2s"]).succeeds().json();
    assert_eq!(login["limited_by"], "max");
    let started = std::time::Instant::now();
    while home.run(&["extend", "-q"]).code == 0 {
        assert!(started.elapsed().as_secs() < 60, "it never ended");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    let events = home.audit();
    let expired = events
        .iter()
        .find(|event| event["event_type"] == "SESSION_EXPIRED")
        .unwrap();
    let reason = expired["details"]["reason"].as_str().unwrap();
    assert!(["max", "key_gone"].contains(&reason), "{expired}");
}

#[test]
fn files_are_the_owners_alone_even_without_a_umask() {
    let home = Home::bare();
    let program = home.command(&[]);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "umask 0 && printf %s \"$2\" | \"$0\" register \"$1\" --password-stdin && printf %s \"$2\" | \"$0\" login --password-stdin && \"$0\" exec -- true"])
        .arg(program.get_program())
        .args([EMAIL, PASSWORD])
        .env_clear()
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Run::of(command).succeeds();
    let entries = tree(&home.path());
    assert!(entries.len() > 5, "{entries:#?}");
    for entry in entries {
        let expected = if entry.is_dir { 0o700 } else { 0o600 };
        assert_eq!(entry.mode, expected, "{}", entry.path.display());
    }
}

#[test]
fn logout_ends_the_session_needs_no_password_and_may_be_repeated() {
    let home = two_accounts();
    login_as(&home, OTHER_EMAIL, OTHER_PASSWORD).succeeds();
    login_as(&home, EMAIL, PASSWORD).succeeds();
    let ended = |arguments: &[&str]| home.run(arguments).succeeds().json()["ended"].clone();
    assert_eq!(ended(&["logout", "--json"]), 1);
    assert_eq!(ended(&["logout", "--json"]), 0);
    // The other account's session remains until all are ended.
    home.run(&["--account", OTHER_EMAIL, "exec", "--", "true"])
        .succeeds();
    assert_eq!(ended(&["logout", "--all", "--json"]), 1);
    assert!(files_in(&home.path().join("sessions")).is_empty());
}

#[test]
fn quiet_says_nothing_but_data_and_errors() {
    let home = Home::registered();
    let run = home.login(&["-q"]).succeeds();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = home.run(&["extend", "-q"]).succeeds();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_eq!(
        home.run(&["whoami", "-q"]).succeeds().stdout,
        "alice@example.com\n"
    );
    home.run(&["logout", "-q"]).succeeds();
    home.run(&["-q", "exec", "--", "true"])
        .refuses(4, "no live session");
}

#[test]
fn a_password_on_the_command_line_is_no_option() {
    let home = Home::registered();
    let run = home.run(&["login", "--password", PASSWORD]).ends_with(2);
    assert!(!run.stderr.contains(PASSWORD), "{run:?}");
    // If prompting is impossible, the message names the option for it.
    home.run(&["-n", "login"]).refuses(2, "--password-stdin");
    home.run(&["-n", "passwd"]).refuses(2, "--password-stdin");
    Home::new()
        .run(&["-n", "register", OTHER_EMAIL])
        .refuses(2, "--password-stdin");
    // Standard input is not read without an option.
    home.run_with_input(&["-n", "login"], PASSWORD.as_bytes())
        .refuses(2, "no terminal");
}

#[test]
fn one_email_is_one_account_in_both_spellings_of_its_domain() {
    let home = Home::new();
    let (unicode, ascii) = ("ann@ex\u{e4}mple.com", "ann@xn--exmple-cua.com");
    home.register(unicode, PASSWORD).succeeds();
    for email in [
        ascii,
        unicode,
        "Ann@XN--EXMPLE-CUA.com",
        "ann@exa\u{308}mple.com",
    ] {
        login_as(&home, email, PASSWORD).succeeds();
        assert_eq!(
            home.run(&["whoami"]).succeeds().stdout,
            format!("{ascii}\n")
        );
        home.register(email, OTHER_PASSWORD)
            .refuses(3, "there is an account with that email already");
        home.run(&["--account", email, "exec", "--", "true"])
            .succeeds();
    }
}
