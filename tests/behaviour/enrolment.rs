//! Who may register and sign in: second accounts, whose session is accepted, and what a person is
//! told.

use std::process::Command;

use serde_json::Value;

use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run};

const EVE: &str = "eve@example.com";
const REFUSED: &str = "has an account already";

fn login_as(home: &Home, email: &str, password: &str) {
    home.run_with_input(&["login", email, "--password-stdin"], password.as_bytes())
        .succeeds();
}

/// Two accounts. Alice signed in first, then Eve, and both sessions are live.
fn eve_after_alice() -> Home {
    let home = Home::signed_in();
    home.register(EVE, OTHER_PASSWORD).succeeds();
    login_as(&home, EVE, OTHER_PASSWORD);
    home
}

fn registrations(home: &Home) -> Vec<Value> {
    let mut events = home.audit();
    events.retain(|event| event["event_type"] == "ACCOUNT_REGISTERED");
    events
}

#[test]
fn at_a_locked_terminal_nobody_makes_an_account_of_their_own() {
    let home = Home::registered();
    home.register(EVE, OTHER_PASSWORD).refuses(4, REFUSED);
    home.login(&[]).succeeds();
    home.run(&["logout"]).succeeds();
    for arguments in [
        &["register", EVE, "--password-stdin"][..],
        &["-n", "register", EVE, "--password-stdin"],
        &["-n", "register", EVE],
        &["-q", "--account", EVE, "register", EVE, "--password-stdin"],
    ] {
        let run = home.run_with_input(arguments, OTHER_PASSWORD.as_bytes());
        run.refuses(4, REFUSED);
    }
    let run = home.run_with_input(
        &["--json", "register", EVE, "--password-stdin"],
        OTHER_PASSWORD.as_bytes(),
    );
    let error: Value = serde_json::from_str(&run.ends_with(4).stderr).unwrap();
    assert_eq!(error["error"], "no_sponsor");
    home.run_with_input(
        &["login", EVE, "--password-stdin"],
        OTHER_PASSWORD.as_bytes(),
    )
    .refuses(5, "wrong email or password");
    home.run(&["-n", "exec", "--", "true"])
        .refuses(4, "no live session");
    let refused = registrations(&home).pop().unwrap();
    assert_eq!(refused["details"]["reason"], "no_sponsor");
    // It is not the email of an account, so it is not recorded.
    assert_eq!(refused["username"], "(unknown)");
}

#[test]
fn an_expired_session_lets_no_account_in() {
    let home = Home::registered();
    home.login(&["--idle", "1s"]).succeeds();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    home.register(EVE, OTHER_PASSWORD).refuses(4, REFUSED);
}

#[test]
fn a_live_session_of_any_account_lets_another_in_and_is_on_record_for_it() {
    let home = eve_after_alice();
    // Alice signs out, so that only Eve's session is left.
    home.run(&["--account", EMAIL, "logout"]).succeeds();
    home.register("bob@example.com", OTHER_PASSWORD).succeeds();
    let [first, second, third] = &registrations(&home)[..] else {
        panic!("{:#?}", home.audit());
    };
    assert_eq!(first["details"], serde_json::json!({}));
    assert_eq!(first["session_id"], Value::Null);
    assert_eq!(second["details"]["by"], EMAIL);
    assert_eq!(third["details"]["by"], EVE);
    assert_eq!(third["session_id"], home.status()["session_id"]);
    // Only someone who may create accounts is told that the email is taken.
    home.register("bob@example.com", OTHER_PASSWORD)
        .refuses(3, "there is an account with that email already");
    home.run(&["logout", "--all"]).succeeds();
    home.register("bob@example.com", OTHER_PASSWORD)
        .refuses(4, REFUSED);
}

#[test]
fn on_a_terminal_the_password_of_an_existing_account_lets_another_in() {
    let home = Home::registered();
    let mut pty = Pty::spawn(home.command(&["register", EVE]));
    pty.expect(&format!("Password for {EMAIL}: "));
    pty.send("not the password\n");
    pty.expect("wrong email or password, try again");
    pty.expect(&format!("Password for {EMAIL}: "));
    pty.send(&format!("{PASSWORD}\n"));
    pty.expect(&format!("New password for {EVE}: "));
    pty.send(&format!("{OTHER_PASSWORD}\n"));
    pty.expect("New password again: ");
    pty.send(&format!("{OTHER_PASSWORD}\n"));
    let (text, status) = pty.finish();
    assert!(status.success(), "{text}");
    // The password approved the new account, which is signed in now, and did not sign Alice in.
    assert_eq!(home.status()["username"], EVE);
    let created = home
        .events()
        .iter()
        .filter(|event| *event == "SESSION_CREATED")
        .count();
    assert_eq!(created, 1);
    assert!(home.events().contains(&"LOGIN_FAILURE".to_owned()));
    assert_eq!(registrations(&home).pop().unwrap()["details"]["by"], EMAIL);
    login_as(&home, EVE, OTHER_PASSWORD);
}

#[test]
fn guessing_at_the_password_that_lets_an_account_in_locks_like_a_sign_in() {
    let home = Home::registered();
    for tries in [3, 2] {
        let mut pty = Pty::spawn(home.command(&["register", EVE]));
        // The fifth attempt is the last, whoever asks.
        for _ in 0..tries {
            pty.expect(&format!("Password for {EMAIL}: "));
            pty.send("not the password\n");
        }
        let (_, status) = pty.finish();
        assert!(!status.success());
    }
    home.login(&[]).refuses(6, "locked");
    assert_eq!(registrations(&home).len(), 1);
}

#[test]
fn of_two_registrations_in_the_same_instant_one_creates_the_first_account() {
    let home = Home::new();
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let home = &home;
        let register = |email| scope.spawn(move || home.register(email, OTHER_PASSWORD).code);
        let threads = [EMAIL, EVE, "bob@example.com"].map(register);
        threads.map(|thread| thread.join().unwrap()).into()
    });
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 4, 4], "{codes:?}");
}

#[test]
fn only_the_session_of_the_pinned_account_counts() {
    let home = eve_after_alice();
    home.configure("guard.account = \"Alice@Example.com\"");
    // Alice's own session is accepted, whoever signed in last.
    let whose = ["exec", "--", "sh", "-c", "echo \"$NIGHTLATCH_ACCOUNT\""];
    assert_eq!(home.run(&whose).succeeds().stdout, format!("{EMAIL}\n"));
    assert_eq!(home.status()["username"], EMAIL);
    home.run(&["--account", EMAIL, "logout"]).succeeds();
    let words = format!("the session of {EVE} does not count here, only that of {EMAIL}");
    home.run(&["-n", "exec", "--", "true"]).refuses(4, &words);
    home.run(&["-n", "exec", "--no-extend", "--", "true"])
        .refuses(4, &words);
    home.run(&["extend"]).refuses(4, &words);
    home.run(&["--account", EVE, "-n", "exec", "--", "true"])
        .refuses(4, &words);
    let refused = home.audit().pop().unwrap();
    assert_eq!(refused["event_type"], "COMMAND_REFUSED");
    assert_eq!(refused["details"]["reason"], "other_account");
    assert_eq!(refused["username"], EVE);
    home.run(&["status", "--check"]).ends_with(4);
    assert_eq!(home.run(&["status", "--prompt"]).ends_with(4).stdout, "");
    let notice = home.run(&["status", "--notice"]).ends_with(4).stdout;
    assert!(
        notice.contains(&format!(
            "{EVE} signed in last, and only the session of {EMAIL} counts here"
        )),
        "{notice}"
    );
    home.run_with_input(&["login", "--password-stdin"], PASSWORD.as_bytes())
        .succeeds();
    assert_eq!(home.run(&whose).succeeds().stdout, format!("{EMAIL}\n"));
}

#[test]
fn where_nobody_is_signed_in_the_pinned_account_is_the_one_that_is_asked() {
    let home = eve_after_alice();
    home.run(&["logout", "--all"]).succeeds();
    home.configure("guard.account = \"alice@example.com\"");
    home.run(&["-n", "exec", "--", "true"])
        .refuses(4, "no live session");
    let mut pty = Pty::spawn(home.command(&["exec", "--", "true"]));
    pty.expect(&format!("{EVE} signed in last"));
    pty.expect(&format!("Password for {EMAIL}: "));
    pty.send(&format!("{PASSWORD}\n"));
    let (text, status) = pty.finish();
    assert!(status.success(), "{text}");
}

#[test]
fn signing_in_helps_where_another_accounts_session_does_not_count() {
    let home = eve_after_alice();
    home.run(&["--account", EMAIL, "logout"]).succeeds();
    home.configure("guard.account = \"alice@example.com\"");
    let mut pty = Pty::spawn(home.command(&["exec", "--", "echo", "it ran"]));
    pty.expect("does not count here");
    pty.expect(&format!("Password for {EMAIL}: "));
    pty.send(&format!("{PASSWORD}\n"));
    let (text, status) = pty.finish();
    assert!(status.success() && text.contains("it ran"), "{text}");
    // The named account is the one that is not accepted, so there is nothing to ask for.
    let named = ["--account", EVE, "exec", "--", "true"];
    let (text, status) = Pty::spawn(home.command(&named)).finish();
    assert_eq!(status.code(), Some(4), "{text}");
    assert!(!text.contains("Password"), "{text}");
}

#[test]
fn another_accounts_session_than_before_is_said_on_a_terminal_and_in_the_prompt() {
    let home = eve_after_alice();
    let told = format!("{EVE} signed in last; the account before was {EMAIL}");
    let on_terminal = |arguments: &[&str]| {
        let (text, status) = Pty::spawn(home.command(arguments)).finish();
        assert!(status.success(), "{text}");
        text
    };
    assert!(on_terminal(&["exec", "--", "true"]).contains(&told));
    assert!(!on_terminal(&["-q", "exec", "--", "true"]).contains(EVE));
    assert!(on_terminal(&["status"]).contains(&told));
    let prompt = || home.run(&["status", "--prompt"]).succeeds().stdout;
    assert!(
        prompt().starts_with(&format!("{EVE} until ")),
        "{}",
        prompt()
    );
    // A second sign-in does not hide the warning; naming the account does.
    login_as(&home, EVE, OTHER_PASSWORD);
    assert!(
        prompt().starts_with(&format!("{EVE} until ")),
        "{}",
        prompt()
    );
    assert!(!on_terminal(&["--account", EVE, "exec", "--", "true"]).contains(&told));
    // Without a terminal, nothing is printed.
    assert_eq!(home.run(&["exec", "--", "true"]).succeeds().stderr, "");
    let alone = Home::signed_in();
    let prompt = alone.run(&["status", "--prompt"]).succeeds().stdout;
    assert!(prompt.starts_with("until "), "{prompt}");
}

#[test]
fn the_pinned_account_may_be_written_in_the_configuration_as_an_email_only() {
    let home = Home::registered();
    home.configure("guard.account = \"alice\"");
    home.run(&["-n", "exec", "--", "true"])
        .refuses(1, "guard.account = \"alice\"");
    home.configure(&format!("guard.account = \"{EMAIL}\""));
    let shown = home.run(&["config", "show"]).succeeds().stdout;
    assert!(shown.contains("guard.account"), "{shown}");
}

/// A program with the library, in an environment that names another home.
#[test]
fn a_program_that_guards_itself_is_not_led_to_another_home_by_the_environment() {
    let home = Home::bare();
    let elsewhere = home.outside("data");
    let config = nightlatch::GuardConfig::of_user().unwrap();
    let entry = Run::of({
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "grep \"^[^:]*:[^:]*:$(id -u):\" /etc/passwd | head -n 1 | cut -d: -f6",
        ]);
        command
    });
    let expected = std::path::Path::new(entry.stdout.trim()).join(".local/share/nightlatch");
    assert_eq!(config.home(), expected);
    let mut command = home.command(&["config", "show", "--json"]);
    command
        .env_remove("NIGHTLATCH_HOME")
        .env("XDG_DATA_HOME", &elsewhere);
    let shown = Run::of(command).succeeds().json();
    let shown = shown["settings"][0]["value"].as_str().unwrap().to_owned();
    assert_eq!(shown, elsewhere.join("nightlatch").to_str().unwrap());
}
