//! `account` and `recover`: accounts that one can live with.

use serde_json::Value;

use crate::support::checks::{can_trace, log_is_whole, nobody_is_signed_in, together};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run, contains, files_in};

const BOB: &str = "bob@example.com";
const WRONG: &str = "not at all the password";

/// A home with an account, and its recovery code.
fn with_code() -> (Home, String) {
    let home = Home::new();
    let run = home.register(EMAIL, PASSWORD).succeeds();
    let code = code_in(&run.stderr);
    (home, code)
}

/// The recovery code on the last line.
fn code_in(text: &str) -> String {
    let code = text.lines().last().unwrap().trim().to_owned();
    assert_eq!(code.len(), 35, "{text:?}");
    code
}

fn recover(home: &Home, email: &str, code: &str, new: &str) -> Run {
    let input = format!("{code}\n{new}\n");
    home.run_with_input(&["recover", email, "--password-stdin"], input.as_bytes())
}

fn with_password(home: &Home, arguments: &[&str], password: &str) -> Run {
    let arguments = [arguments, &["--password-stdin"]].concat();
    home.run_with_input(&arguments, password.as_bytes())
}

fn show(home: &Home) -> Value {
    let shown = home.run(&["--account", EMAIL, "account", "show", "--json"]);
    shown.succeeds().json()
}

/// The types of the events since there were `before`.
fn since(home: &Home, before: usize) -> Vec<String> {
    home.events().split_off(before)
}

#[test]
fn register_prints_a_recovery_code_once_on_stderr_and_none_with_quiet() {
    let (home, code) = with_code();
    let events = ["ACCOUNT_REGISTERED", "RECOVERY_CODE_CREATED"];
    assert_eq!(home.events(), events);
    assert!(show(&home)["recovery_code_created_at"].is_string());
    for file in files_in(&home.path()) {
        let content = std::fs::read(file).unwrap_or_default();
        assert!(!contains(&content, &code));
        assert!(!contains(&content, &code.replace('-', "")));
    }
    let quiet = Home::new();
    let run = with_password(&quiet, &["register", EMAIL, "--quiet"], PASSWORD).succeeds();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert!(show(&quiet)["recovery_code_created_at"].is_null());
    let json = Home::new();
    let run = with_password(&json, &["register", EMAIL, "--json"], PASSWORD).succeeds();
    assert_eq!(run.stderr, "");
    assert_eq!(run.json()["recovery_code"].as_str().unwrap().len(), 35);
}

fn a_whole_life(keeper: &'static str) {
    let (home, code) = with_code();
    let home = home.with_keeper(keeper);
    home.login(&[]).succeeds();
    let before = home.events().len();
    home.run(&["account", "rename", "Alice Liddell"]).succeeds();
    assert_eq!(since(&home, before).last().unwrap(), "ACCOUNT_RENAMED");
    let shown = show(&home);
    assert_eq!(shown["name"], "Alice Liddell");
    assert_eq!(
        (&shown["signed_in"], &shown["current"]),
        (&true.into(), &true.into())
    );
    assert_ne!(shown["created_at"], shown["updated_at"]);

    let before = home.events().len();
    with_password(&home, &["account", "email", BOB], PASSWORD).succeeds();
    let events = ["SESSION_TERMINATED", "EMAIL_CHANGED"];
    assert_eq!(since(&home, before), events);
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    with_password(&home, &["login", EMAIL], PASSWORD).ends_with(5);
    with_password(&home, &["login", BOB], PASSWORD).succeeds();

    let before = home.events().len();
    let run = recover(&home, BOB, &code, OTHER_PASSWORD).succeeds();
    let events = [
        "SESSION_TERMINATED",
        "RECOVERY_CODE_USED",
        "RECOVERY_CODE_CREATED",
    ];
    assert_eq!(since(&home, before), events);
    nobody_is_signed_in(&home);
    with_password(&home, &["login", BOB], PASSWORD).ends_with(5);
    with_password(&home, &["login", BOB], OTHER_PASSWORD).succeeds();
    recover(&home, BOB, &code, PASSWORD).refuses(5, "wrong email or recovery code");

    let renewed = code_in(&run.stderr);
    let new = with_password(&home, &["account", "recovery", "--new"], OTHER_PASSWORD);
    let newest = code_in(&new.succeeds().stdout);
    recover(&home, BOB, &renewed, PASSWORD).refuses(5, "wrong email or recovery code");
    recover(&home, BOB, &newest.to_lowercase(), PASSWORD).succeeds();

    with_password(&home, &["login", BOB], PASSWORD).succeeds();
    let before = home.events().len();
    with_password(&home, &["account", "remove", "--yes"], PASSWORD).succeeds();
    let events = ["SESSION_TERMINATED", "ACCOUNT_REMOVED"];
    assert_eq!(since(&home, before), events);
    nobody_is_signed_in(&home);
    let list = home.run(&["account", "list", "--json"]).succeeds().json();
    assert_eq!(list["accounts"].as_array().unwrap().len(), 0);
    log_is_whole(&home);
    // Nobody is left to let others in, so the home is as open as a new one.
    home.register(EMAIL, PASSWORD).succeeds();
}

#[test]
fn an_account_is_renamed_readdressed_recovered_and_removed_with_the_kernel() {
    a_whole_life("kernel");
}

#[test]
fn an_account_is_renamed_readdressed_recovered_and_removed_with_the_agent() {
    a_whole_life("agent");
}

#[test]
fn the_list_names_every_account_and_the_one_in_use() {
    let home = Home::signed_in();
    home.register(BOB, OTHER_PASSWORD).succeeds();
    let list = || home.run(&["account", "list", "--json"]).succeeds().json();
    let rows = |key: &str| -> Vec<Value> {
        let list = list();
        let rows = list["accounts"].as_array().unwrap();
        rows.iter().map(|row| row[key].clone()).collect()
    };
    assert_eq!(rows("email"), [EMAIL, BOB]);
    assert_eq!(rows("current"), [true, false]);
    assert_eq!(rows("signed_in"), [true, false]);
    let before = home.events().len();
    home.run(&["account", "switch", BOB]).succeeds();
    assert_eq!(since(&home, before), ["ACCOUNT_SWITCHED"]);
    assert_eq!(rows("current"), [false, true]);
    // It authorizes nothing.
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    home.run(&["account", "switch", EMAIL]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
    let status = home.run(&["status"]).succeeds().stdout;
    let notice = format!("{EMAIL} was chosen by account switch; the account before was {BOB}");
    assert!(status.contains(&notice), "{status}");
    home.login(&["--force"]).succeeds();
    let status = home.run(&["status"]).succeeds().stdout;
    assert!(
        status.contains(&format!("{EMAIL} signed in last;")),
        "{status}"
    );
    let text = home.run(&["account", "list"]).succeeds().stdout;
    assert!(text.lines().count() == 3 && text.contains("in use, signed in"));
}

#[test]
fn an_account_switched_to_before_any_sign_in_is_said_to_be_chosen() {
    let home = Home::registered();
    home.register_another(BOB, OTHER_PASSWORD).succeeds();
    home.run(&["account", "switch", BOB]).succeeds();
    home.configure(&format!("[guard]\naccount = \"{EMAIL}\""));
    let status = home.run(&["status"]).ends_with(4).stdout;
    let notice = format!("{BOB} was chosen by account switch, and only");
    assert!(status.contains(&notice), "{status}");
}

#[test]
fn a_rename_does_not_write_back_the_databases_log() {
    let home = Home::signed_in();
    // Closing the database writes nothing back while another process has it open.
    let other = rusqlite::Connection::open(home.path().join("accounts.db")).unwrap();
    let read = other.query_row("SELECT count(*) FROM accounts", [], |_| Ok(()));
    read.unwrap();
    home.run(&["account", "rename", "Alice"]).succeeds();
    let log = home.path().join("accounts.db-wal").metadata().unwrap();
    assert!(log.len() > 0, "it was written back under the session lock");
}

#[test]
fn looking_at_accounts_records_and_extends_nothing() {
    let home = Home::signed_in();
    let (status, events) = (home.status()["last_activity_at"].clone(), home.events());
    for arguments in [
        &["account", "list"][..],
        &["account", "show"],
        &["account", "show", EMAIL],
        &["account", "recovery"],
    ] {
        home.run(arguments).succeeds();
    }
    assert_eq!(home.events(), events);
    assert_eq!(home.status()["last_activity_at"], status);
    let empty = Home::bare();
    assert_eq!(empty.run(&["account", "list"]).succeeds().stdout, "");
    empty.run(&["account", "show"]).refuses(2, "which account");
    empty
        .run(&["account", "show", EMAIL])
        .refuses(2, "no account");
    assert!(!empty.path().exists());
}

#[test]
fn a_name_takes_a_live_session_of_the_account_and_something_to_show() {
    let home = Home::registered();
    home.run(&["account", "rename", "Alice"])
        .refuses(4, "no live session");
    home.login(&[]).succeeds();
    home.register(BOB, OTHER_PASSWORD).succeeds();
    home.run(&["--account", BOB, "account", "rename", "Eve"])
        .refuses(4, "no live session");
    let too_long = "a".repeat(101);
    for bad in ["", "  ", "a\nb", "a\u{202e}b", &too_long] {
        let run = home.run(&["account", "rename", bad]);
        assert_eq!(run.code, 2, "{run:#?}");
    }
    assert!(show(&home)["name"].is_null());
}

#[test]
fn an_email_takes_the_password_and_one_that_nobody_has() {
    let home = Home::signed_in();
    home.register(BOB, OTHER_PASSWORD).succeeds();
    let email = |new: &str, password: &str| {
        let run = with_password(&home, &["account", "email", new], password);
        assert!(home.is_active(), "{run:#?}");
        run
    };
    email("nobody", PASSWORD).refuses(2, "email");
    email("Bob@Example.com", PASSWORD).refuses(3, "with that email already");
    email("new@example.com", WRONG).refuses(5, "wrong email or password");
    home.run(&["account", "email", "new@example.com"])
        .refuses(2, "no terminal");
    assert_eq!(show(&home)["email"], EMAIL);
    let failed: Vec<_> = home
        .happened()
        .into_iter()
        .filter(|event| event["event_type"] == "EMAIL_CHANGED")
        .map(|event| event["details"].clone())
        .collect();
    assert_eq!(failed[0]["reason"], "email_taken");
    assert_eq!(failed[1]["reason"], "wrong_credentials");
    assert_eq!(failed[1]["to"], "(unknown)", "it may be a slip");
}

#[test]
fn a_new_recovery_code_takes_the_password_and_an_earlier_one_stays_without_it() {
    let (home, code) = with_code();
    home.login(&[]).succeeds();
    let new = ["account", "recovery", "--new"];
    let before = home.events().len();
    home.run(&new).refuses(2, "no terminal");
    let refused = with_password(&home, &new, WRONG).refuses(5, "wrong email or password");
    assert_eq!(refused.stdout, "");
    assert!(home.is_active());
    let made = since(&home, before);
    assert!(!made.contains(&"RECOVERY_CODE_CREATED".to_owned()));
    recover(&home, EMAIL, &code, OTHER_PASSWORD).succeeds();
}

#[test]
fn a_removal_asks_and_says_what_goes_and_takes_the_password() {
    let home = Home::signed_in();
    let mut pty = Pty::spawn(home.shell("$NIGHTLATCH account remove; echo code=$?"));
    pty.expect("This removes the account, its recovery code and its session.");
    pty.expect(&format!("Remove {EMAIL}? (y/N) "));
    pty.send("\n");
    pty.expect("nothing was removed");
    pty.expect("code=0");
    let mut pty = Pty::spawn(home.shell("$NIGHTLATCH account remove; echo code=$?"));
    pty.expect("(y/N) ");
    pty.send("y\n");
    pty.expect(&format!("Password for {EMAIL}: "));
    pty.send(&format!("{WRONG}\n"));
    pty.expect("try again");
    pty.expect(&format!("Password for {EMAIL}: "));
    pty.send(&format!("{PASSWORD}\n"));
    pty.expect("removed; the audit log keeps its events");
    pty.expect("code=0");
    home.run(&["account", "show"]).refuses(2, "which account");
    assert!(!home.path().join("current").exists());

    let home = Home::signed_in();
    let remove = ["account", "remove"];
    with_password(&home, &remove, PASSWORD).refuses(2, "confirm with --yes");
    with_password(&home, &["account", "remove", "--yes"], WRONG)
        .refuses(5, "wrong email or password");
    with_password(&home, &["account", "remove", BOB, "--yes"], PASSWORD).refuses(2, "no account");
    assert!(home.is_active());
}

#[test]
fn recover_asks_for_the_code_unseen_and_for_a_new_password_only_after_the_right_one() {
    let (home, code) = with_code();
    let mut pty = Pty::spawn(home.shell(&format!("$NIGHTLATCH recover {EMAIL}; echo code=$?")));
    let prompt = format!("[nightlatch] Recovery code of {EMAIL}: ");
    pty.expect(&prompt);
    assert!(!pty.echoes());
    let mistyped = code.replacen(|at: char| at.is_ascii_digit(), "U", 1);
    pty.send(&format!("{mistyped}\n"));
    pty.expect("is in no recovery code");
    pty.expect(&prompt);
    pty.send(&format!("{code}\n"));
    pty.expect("New password for");
    pty.send(&format!("{OTHER_PASSWORD}\n"));
    pty.expect("New password again: ");
    pty.send(&format!("{OTHER_PASSWORD}\n"));
    let said = pty.expect("code=0");
    assert!(!said.contains(&code) && said.contains("recovery code; keep it on paper"));
    with_password(&home, &["login"], OTHER_PASSWORD).succeeds();
    let used = home.events();
    let used = used.iter().filter(|&is| is == "RECOVERY_CODE_USED");
    assert_eq!(used.count(), 1, "a mistyped code is no attempt");
}

#[test]
fn a_refused_recovery_leaves_the_code_and_the_password() {
    let (home, code) = with_code();
    home.run(&["recover", EMAIL]).refuses(2, "no terminal");
    home.run_with_input(&["recover", EMAIL, "--password-stdin"], code.as_bytes())
        .refuses(2, "two lines are needed");
    recover(&home, EMAIL, "", PASSWORD).refuses(2, "30 letters and digits");
    recover(&home, EMAIL, &"0".repeat(1_000), PASSWORD).refuses(2, "letters and digits");
    recover(&home, EMAIL, &code[1..], PASSWORD).refuses(2, "this has 29");
    recover(&home, EMAIL, "\u{fffd}\0\u{1b}[31m", PASSWORD).refuses(2, "character 1");
    recover(&home, EMAIL, &code, "short").refuses(3, "at least 15");
    recover(&home, EMAIL, &code, PASSWORD).refuses(3, "the old one");
    with_password(&home, &["login"], PASSWORD).succeeds();
    assert!(home.is_active());
    recover(&home, EMAIL, &code, OTHER_PASSWORD).succeeds();
}

#[test]
fn a_recovery_is_refused_in_the_same_words_for_no_account_no_code_and_a_wrong_code() {
    let (home, _) = with_code();
    home.login(&[]).succeeds();
    with_password(&home, &["register", BOB, "--quiet"], OTHER_PASSWORD).succeeds();
    let foreign = with_code().1;
    let said = |email: &str| -> Vec<(i32, String)> {
        (0..6)
            .map(|_| {
                let run = recover(&home, email, &foreign, OTHER_PASSWORD);
                // The minutes that are left may differ by one.
                let said = run
                    .stderr
                    .split("; try again in")
                    .next()
                    .unwrap()
                    .to_owned();
                (run.code, said)
            })
            .collect()
    };
    let (wrong, none, unknown) = (said(EMAIL), said(BOB), said("nobody@example.com"));
    assert_eq!(wrong, none);
    assert_eq!(wrong, unknown);
    assert_eq!((wrong[4].0, wrong[5].0), (5, 6), "{wrong:?}");
    assert!(!home.audit_lines().concat().contains("nobody@example.com"));
    // Sign-in is counted apart.
    with_password(&home, &["login", EMAIL], PASSWORD).succeeds();
}

#[test]
fn a_refused_recovery_makes_the_same_system_calls_for_every_reason() {
    if !can_trace() {
        return;
    }
    let (home, _) = with_code();
    home.login(&[]).succeeds();
    with_password(&home, &["register", BOB, "--quiet"], OTHER_PASSWORD).succeeds();
    home.run(&["logout"]).succeeds();
    let foreign = with_code().1;
    // As long as the others, so that every buffer has the same length.
    let emails = [
        "alice@example.com",
        "bobby@example.com",
        "nobod@example.com",
    ];
    with_password(&home, &["login", BOB], OTHER_PASSWORD).succeeds();
    let bobby = ["account", "email", emails[1]];
    with_password(&home, &bobby, OTHER_PASSWORD).succeeds();
    let database = rusqlite::Connection::open(home.path().join("accounts.db")).unwrap();
    let traced = |email: &str| {
        let trace = home.outside("trace");
        let options = ["-o", trace.to_str().unwrap()];
        let arguments = ["recover", email, "--password-stdin"];
        database
            .execute("UPDATE throttle SET failures = 1", [])
            .unwrap();
        // Every run begins with an empty companion file.
        let emptied = "PRAGMA wal_checkpoint(TRUNCATE)";
        database.query_row(emptied, [], |_| Ok(())).unwrap();
        let command = home.command_under("strace", &options, &arguments);
        let input = format!("{foreign}\n{OTHER_PASSWORD}\n");
        Run::with_input(command, input.as_bytes()).ends_with(5);
        let trace = std::fs::read_to_string(trace).unwrap();
        let calls = trace.lines().filter_map(|line| line.split_once('('));
        let calls: Vec<String> = calls.map(|(name, _)| name.to_owned()).collect();
        assert!(calls.len() > 100 && calls.contains(&"fsync".to_owned()));
        calls
    };
    // The first attempts create directories and rows.
    for email in emails {
        traced(email);
    }
    let [wrong, none, unknown] = emails.map(traced);
    assert_eq!(wrong, none);
    assert_eq!(wrong, unknown);
}

#[test]
fn of_ten_recoveries_at_once_with_one_code_exactly_one_succeeds() {
    let (home, code) = with_code();
    let passwords: Vec<_> = (0..10)
        .map(|number| format!("{OTHER_PASSWORD} {number}"))
        .collect();
    let runs = together(10, |number| {
        recover(&home, EMAIL, &code, &passwords[number])
    });
    let succeeded: Vec<_> = (0..10).filter(|&at| runs[at].code == 0).collect();
    let [winner] = succeeded[..] else {
        panic!("{runs:#?}")
    };
    for run in &runs {
        assert!([0, 1, 5, 6].contains(&run.code), "{run:#?}");
    }
    with_password(&home, &["login", EMAIL], &passwords[winner]).succeeds();
    log_is_whole(&home);
}

fn a_removal_amid_logins_and_commands(keeper: &'static str) {
    let home = Home::signed_in_with(keeper);
    for run in together(17, |number| match number {
        8 => with_password(&home, &["account", "remove", EMAIL, "--yes"], PASSWORD),
        at if at % 2 == 0 => home.login(&["--force", EMAIL]),
        _ => home.run(&["exec", "--", "true"]),
    }) {
        assert!([0, 4, 5, 6].contains(&run.code), "{run:#?}");
    }
    nobody_is_signed_in(&home);
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    let removed = home.events();
    assert_eq!(
        removed.iter().filter(|&is| is == "ACCOUNT_REMOVED").count(),
        1
    );
    let last = removed.iter().rposition(|is| is == "SESSION_CREATED");
    let at = removed.iter().position(|is| is == "ACCOUNT_REMOVED");
    assert!(last < at, "no session began after the removal: {removed:?}");
    log_is_whole(&home);
}

#[test]
fn a_removal_amid_logins_and_commands_leaves_no_session_with_the_kernel() {
    a_removal_amid_logins_and_commands("kernel");
}

#[test]
fn a_removal_amid_logins_and_commands_leaves_no_session_with_the_agent() {
    a_removal_amid_logins_and_commands("agent");
}
