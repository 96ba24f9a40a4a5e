//! Secrets on the real program: what is kept, what is refused, and what is left in files and logs.

use serde_json::Value;

use crate::support::checks::can_trace;
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run, contains, tree};

/// A value and a name that occur nowhere else.
const VALUE: &str = "correct-horse-battery-staple";
const NAME: &str = "merger-with-acme/db";

/// Sets a secret to this value.
fn set(home: &Home, name: &str, value: &[u8]) -> Run {
    home.run_with_input(&["secret", "set", name, "--stdin"], value)
}

fn get(home: &Home, name: &str) -> Run {
    home.run(&["secret", "get", name])
}

/// The types of the events about secrets, in order.
fn events(home: &Home) -> Vec<String> {
    let mut events = home.events();
    events.retain(|event| event.starts_with("SECRET_"));
    events
}

#[test]
fn a_secret_is_set_read_listed_renamed_restored_and_removed_and_all_is_on_record() {
    let home = Home::signed_in();
    set(&home, NAME, VALUE.as_bytes()).succeeds();
    assert_eq!(get(&home, NAME).succeeds().stdout, VALUE);
    set(&home, NAME, b"second").succeeds();
    home.run(&["secret", "rename", NAME, "db"]).succeeds();
    let listed = home.run(&["secret", "list", "--json"]).succeeds().json();
    assert_eq!(listed["as_recorded"], true);
    assert_eq!(listed["secrets"][0]["name"], "db");
    assert_eq!(listed["secrets"][0]["version"], 2);
    home.run(&["secret", "restore", "db", "1"]).succeeds();
    assert_eq!(get(&home, "db").succeeds().stdout, VALUE);
    let old = home.run(&["secret", "get", "db", "--version", "2"]);
    assert_eq!(old.succeeds().stdout, "second");
    let history = home.run(&["secret", "history", "db", "--json"]).json();
    assert_eq!(history["versions"].as_array().unwrap().len(), 3);
    home.run(&["secret", "rm", "db", "--yes"]).succeeds();
    get(&home, "db").refuses(3, "there is no secret \"db\"");
    assert_eq!(
        events(&home),
        [
            "SECRET_SET",
            "SECRET_READ",
            "SECRET_SET",
            "SECRET_REMOVED",
            "SECRET_SET",
            "SECRET_SET",
            "SECRET_READ",
            "SECRET_READ",
            "SECRET_REMOVED"
        ]
    );
    home.run(&["audit", "verify"]).succeeds();
}

#[test]
fn a_secret_renamed_to_its_own_name_stays_as_it_is() {
    let home = Home::signed_in();
    home.run(&["secret", "rename", "s", "s"])
        .refuses(3, "no secret");
    set(&home, "s", b"value").succeeds();
    let renamed = home.run(&["secret", "rename", "s", "s"]).succeeds();
    assert!(
        renamed.stderr.contains("has that name already"),
        "{renamed:?}"
    );
    assert_eq!(get(&home, "s").stdout, "value");
    assert_eq!(
        events(&home)
            .iter()
            .filter(|event| *event != "SECRET_READ")
            .count(),
        1
    );
    home.run(&["secret", "rename", "s", "S"]).succeeds();
    assert_eq!(get(&home, "S").stdout, "value");
}

#[test]
fn a_secret_needs_a_live_session_and_its_use_counts_as_activity() {
    let home = Home::registered();
    set(&home, NAME, VALUE.as_bytes()).refuses(4, "no live session");
    home.login(&[]).succeeds();
    set(&home, NAME, VALUE.as_bytes()).succeeds();
    let extended = |home: &Home| {
        let all = home.events();
        all.iter()
            .filter(|event| *event == "SESSION_EXTENDED")
            .count()
    };
    let before = extended(&home);
    get(&home, NAME).succeeds();
    home.run(&["secret", "list"]).succeeds();
    assert_eq!(extended(&home), before + 2);
    home.run(&["lock"]).succeeds();
    for command in [
        &["secret", "get", NAME][..],
        &["secret", "list"],
        &["secret", "show", NAME],
        &["secret", "history", NAME],
        &["secret", "rm", NAME, "--yes"],
        &["secret", "rename", NAME, "x"],
    ] {
        let run = home.run(command).refuses(4, "no live session");
        assert_eq!(run.stdout, "", "{command:?}");
    }
}

#[test]
fn neither_name_nor_value_of_a_secret_is_in_a_file_or_in_what_is_logged() {
    let home = Home::signed_in();
    let verbose = ["secret", "set", NAME, "--stdin", "-vvv"];
    let said = home.run_with_input(&verbose, VALUE.as_bytes()).succeeds();
    let got = home.run(&["secret", "get", NAME, "-vvv"]).succeeds();
    for text in [&said.stderr, &got.stderr] {
        assert!(!text.contains(VALUE), "{text}");
    }
    for entry in tree(&home.path()) {
        for part in [VALUE, "horse-battery", "merger", "acme"] {
            assert!(
                !contains(&entry.content, part),
                "{part} in {:?}",
                entry.path
            );
        }
    }
}

#[test]
fn a_name_that_no_secret_can_have_is_refused_without_repeating_it() {
    let home = Home::signed_in();
    let long = "x".repeat(1000);
    for (name, why) in [
        ("", "empty"),
        ("/prod", "slash"),
        ("prod/", "slash"),
        ("a//b", "slash"),
        ("a\u{1b}[2J", "control character"),
        ("a\nb", "white space"),
        ("a=b", "'='"),
        (" a", "space"),
        (&long, "longer than 200"),
    ] {
        let run = set(&home, name, b"value").refuses(2, why);
        assert!(
            !run.stderr.contains("[2J") && !run.stderr.contains("xxx"),
            "{run:?}"
        );
    }
    set(&home, "Prod", b"value").succeeds();
    set(&home, "prod", b"value").refuses(3, "named \"Prod\" already");
    get(&home, "PROD").refuses(3, "one named \"Prod\"");
    assert_eq!(get(&home, "Prod").stdout, "value");
}

#[test]
fn any_bytes_are_kept_and_too_many_or_none_are_refused() {
    let home = Home::signed_in();
    let file = home.outside("value");
    let with = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        home.run(&["secret", "set", "s", "--file", file.to_str().unwrap()])
    };
    let read = || {
        home.command(&["secret", "get", "s"])
            .output()
            .unwrap()
            .stdout
    };
    for value in [
        &b"a\0b"[..],
        b"no newline",
        b"newline\n",
        b"\xff\xfe",
        &vec![7; 65_536],
    ] {
        with(value).succeeds();
        assert_eq!(read(), value);
    }
    with(&vec![7; 65_537]).refuses(3, "longer than 65536 bytes");
    with(b"").refuses(3, "empty");
    assert_eq!(read(), vec![7; 65_536]);
    // A line end that echo adds is not part of the value, and the last one of a key file is.
    set(&home, "s", b"one line\n").succeeds();
    assert_eq!(get(&home, "s").stdout, "one line");
    set(&home, "s", b"two\nlines\n").succeeds();
    assert_eq!(get(&home, "s").stdout, "two\nlines\n");
    let missing = home.run(&["secret", "set", "s", "--file", "/does/not/exist"]);
    missing.refuses(1, "/does/not/exist");
    home.run(&["secret", "set", "g", "--generate"]).succeeds();
    assert_eq!(get(&home, "g").stdout.len(), 32);
    home.run(&["secret", "set", "g", "--generate", "5"])
        .refuses(2, "8 to 1024");
}

#[test]
fn a_value_typed_on_the_terminal_is_not_shown() {
    let home = Home::signed_in();
    let mut pty = Pty::spawn(home.command(&["secret", "set", "typed"]));
    pty.expect("[nightlatch] Value of typed: ");
    pty.send(&format!("{VALUE}\n"));
    pty.expect("[nightlatch] The same value again: ");
    pty.send(&format!("{VALUE}\n"));
    let shown = pty.expect("is set, version 1");
    assert!(!shown.contains("horse"), "{shown:?}");
    assert_eq!(pty.finish().1.code(), Some(0));
    assert_eq!(get(&home, "typed").stdout, VALUE);
    home.run(&["secret", "set", "other"])
        .refuses(2, "no terminal");
}

#[test]
fn a_secret_is_removed_only_after_a_yes() {
    let home = Home::signed_in();
    set(&home, "s", b"value").succeeds();
    let mut pty = Pty::spawn(home.command(&["secret", "rm", "s"]));
    pty.expect("Remove s and all of its versions? (y/N) ");
    pty.send("\n");
    pty.expect("nothing was removed");
    assert_eq!(pty.finish().1.code(), Some(1));
    home.run(&["secret", "rm", "s"]).refuses(2, "--yes");
    get(&home, "s").succeeds();
    let mut pty = Pty::spawn(home.command(&["secret", "rm", "s"]));
    pty.expect("(y/N) ");
    pty.send("yes\n");
    pty.expect("is removed");
    assert_eq!(pty.finish().1.code(), Some(0));
    get(&home, "s").refuses(3, "no secret");
}

#[test]
fn secrets_outlive_a_password_change_and_the_old_password_opens_none() {
    let home = Home::signed_in();
    set(&home, NAME, VALUE.as_bytes()).succeeds();
    set(&home, NAME, b"second").succeeds();
    let old = std::fs::read(home.path().join("accounts.db")).unwrap();
    let both = format!("{PASSWORD}\n{OTHER_PASSWORD}\n");
    let passwd = ["passwd", "--password-stdin"];
    home.run_with_input(&passwd, both.as_bytes()).succeeds();
    get(&home, NAME).refuses(4, "no live session");
    let login = ["login", "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    assert_eq!(get(&home, NAME).stdout, "second");
    let first = home.run(&["secret", "get", NAME, "--version", "1"]);
    assert_eq!(first.stdout, VALUE);
    assert_eq!(
        home.run(&["secret", "list", "--json"]).json()["as_recorded"],
        true
    );
    // Nothing of the old seals is left in the new database.
    let new = std::fs::read(home.path().join("accounts.db")).unwrap();
    let sealed = |database: &[u8]| -> Vec<Vec<u8>> {
        let path = home.outside("copy.db");
        std::fs::write(&path, database).unwrap();
        let connection = rusqlite::Connection::open(path).unwrap();
        let sql = "SELECT tag FROM secret_versions UNION ALL SELECT tag FROM secrets";
        let mut statement = connection.prepare(sql).unwrap();
        let tags = statement.query_map([], |row| row.get(0)).unwrap();
        tags.map(Result::unwrap).collect()
    };
    let has = |bytes: &[u8], tag: &[u8]| bytes.windows(tag.len()).any(|window| window == tag);
    assert_eq!(sealed(&old).len(), 3);
    for tag in sealed(&old) {
        assert!(has(&old, &tag) && !has(&new, &tag));
    }
}

#[test]
fn a_database_that_was_removed_or_put_back_is_noticed() {
    let home = Home::signed_in();
    let database = home.path().join("accounts.db");
    set(&home, "a", b"first").succeeds();
    let one = std::fs::read(&database).unwrap();
    set(&home, "b", b"second").succeeds();
    let two = std::fs::read(&database).unwrap();
    set(&home, "c", b"third").succeeds();
    let told = |expected: &str| {
        let listed = home.run(&["secret", "list", "--json"]).succeeds();
        let is_good = expected.is_empty();
        assert_eq!(listed.json()["as_recorded"], is_good, "{listed:?}");
        assert!(listed.stderr.contains(expected), "{listed:?}");
        let doctor = home.run(&["doctor", "--json"]).json();
        let checks = doctor["checks"].as_array().unwrap();
        let found = checks
            .iter()
            .find(|check| check["check"] == "secrets")
            .unwrap();
        assert_eq!(found["state"], if is_good { "ok" } else { "warn" });
        assert!(
            found["found"].as_str().unwrap().contains(expected),
            "{found}"
        );
    };
    told("");
    std::fs::write(&database, &two).unwrap();
    told("the last recorded change is not in the database");
    std::fs::write(&database, &one).unwrap();
    told("removed, changed or put back: it has 1 secrets, 3 are recorded");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute_batch("DELETE FROM secrets").unwrap();
    drop(connection);
    told("it has 0 secrets, 3 are recorded");
    // The next change is on record with what there is.
    set(&home, "a", b"again").succeeds();
    told("");
}

#[test]
fn two_killed_changes_in_a_row_are_no_database_that_was_put_back() {
    if !can_trace() {
        return;
    }
    let home = Home::signed_in();
    set(&home, "a", b"first").succeeds();
    for _ in 0..2 {
        // The change is recorded, and not made.
        let killed = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"];
        let killed = [&killed[..], &["-e", "inject=fdatasync:signal=KILL:when=1"]].concat();
        let set = ["secret", "set", "b", "--generate"];
        assert_ne!(Run::of(home.command_under("strace", &killed, &set)).code, 0);
    }
    assert_eq!(events(&home), ["SECRET_SET"; 3]);
    let listed = home.run(&["secret", "list"]).succeeds();
    let one = "the last recorded change is not in the database";
    assert!(listed.stderr.contains(one), "{listed:?}");
    set(&home, "b", b"second").succeeds();
    let listed = home.run(&["secret", "list", "--json"]).succeeds();
    assert_eq!(listed.json()["as_recorded"], true, "{listed:?}");
}

#[test]
fn a_change_that_the_disk_refused_is_no_database_that_was_put_back() {
    if !can_trace() {
        return;
    }
    let home = Home::signed_in();
    set(&home, "a", b"first").succeeds();
    let full = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"];
    let full = [&full[..], &["-e", "inject=fdatasync:error=ENOSPC:when=1"]].concat();
    for _ in 0..2 {
        let set = ["secret", "set", "b", "--generate"];
        assert_eq!(Run::of(home.command_under("strace", &full, &set)).code, 7);
    }
    let listed = home.run(&["secret", "list"]).succeeds();
    let one = "the last recorded change is not in the database: it has 1 secrets, 2 are recorded; \
               a command was killed or could not write it";
    assert!(listed.stderr.contains(one), "{listed:?}");
    set(&home, "b", b"second").succeeds();
    let listed = home.run(&["secret", "list", "--json"]).succeeds();
    assert_eq!(listed.json()["as_recorded"], true, "{listed:?}");
}

#[test]
fn a_secret_whose_reading_cannot_be_recorded_is_not_handed_out() {
    let home = Home::signed_in();
    set(&home, NAME, VALUE.as_bytes()).succeeds();
    let audit = home.path().join("audit");
    std::fs::rename(&audit, home.outside("audit")).unwrap();
    let refused = get(&home, NAME).refuses(7, "audit");
    assert_eq!(refused.stdout, "");
    set(&home, NAME, b"new").refuses(7, "audit");
    std::fs::rename(home.outside("audit"), &audit).unwrap();
    assert_eq!(get(&home, NAME).stdout, VALUE);
}

#[test]
fn the_secrets_of_two_accounts_do_not_touch_each_other() {
    let home = Home::signed_in();
    set(&home, "s", b"alices").succeeds();
    let bob = "bob@example.com";
    home.register_another(bob, OTHER_PASSWORD).succeeds();
    let login = ["login", bob, "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    get(&home, "s").refuses(3, "no secret");
    set(&home, "s", b"bobs").succeeds();
    let alices = home.run(&["--account", EMAIL, "secret", "get", "s"]);
    assert_eq!(alices.succeeds().stdout, "alices");
    assert_eq!(get(&home, "s").stdout, "bobs");
    let doctor = home.run(&["doctor", "--json"]).json();
    let checks: Vec<&Value> = doctor["checks"].as_array().unwrap().iter().collect();
    let found = checks
        .iter()
        .find(|check| check["check"] == "secrets")
        .unwrap();
    assert_eq!(found["state"], "ok");
}
