//! Attacks on sign-in: guesses, kills, an edited database, other spellings; and that a refusal
//! reveals nothing.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nightlatch::{Guard, GuardConfig, Registration, SecretBuffer};
use rusqlite::{Connection, params};

use crate::support::checks::{can_trace, until, waits_for_lock};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run};

const WRONG: &str = "not at all the password";
/// As long as [`EMAIL`], so that every buffer has the same length.
const UNKNOWN: &str = "nobod@example.com";
/// In seconds.
const HALF_HOUR: i64 = 30 * 60;

fn login(home: &Home, email: &str, password: impl AsRef<[u8]>) -> Run {
    home.run_with_input(&["login", email, "--password-stdin"], password.as_ref())
}

fn passwd(home: &Home, old: &str, new: &str) -> Run {
    let input = format!("{old}\n{new}\n");
    home.run_with_input(&["passwd", "--password-stdin"], input.as_bytes())
}

fn secret(text: &str) -> SecretBuffer {
    let mut secret = SecretBuffer::with_capacity(text.len());
    assert!(secret.push(text.as_bytes()));
    secret
}

/// The account database, opened without the program.
fn database(home: &Home) -> Connection {
    let database = Connection::open(home.path().join("accounts.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database
}

/// Runs SQL that must change this many rows.
#[track_caller]
fn edit(home: &Home, sql: &str, rows: usize) {
    assert_eq!(database(home).execute(sql, []).unwrap(), rows, "{sql}");
}

/// Makes all failures so far older by this many seconds.
fn let_pass(home: &Home, seconds: i64) {
    let sql = "UPDATE throttle SET last_failure_at = last_failure_at - ?1,
               locked_until = locked_until - ?1";
    let changed = database(home).execute(sql, [seconds * 1_000_000_000]);
    assert!(changed.unwrap() > 0);
}

/// The cost parameters of the only account's password hash.
fn cost(home: &Home) -> (i64, i64, i64) {
    let sql = "SELECT memory_kib, passes, lanes FROM accounts";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    database(home).query_row(sql, [], row).unwrap()
}

/// The number of counted failures, if there are any.
fn failures(home: &Home) -> Option<u32> {
    let sql = "SELECT max(failures) FROM throttle";
    database(home).query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_account_that_asks_for_endless_or_no_hashing_is_refused_at_once_and_nothing_is_lost() {
    let home = Home::registered();
    for (change, column) in [
        ("memory_kib = 4294967296", "memory_kib"), // 4 TiB
        ("memory_kib = 4294967295", "cost of its password hash"),
        ("memory_kib = 1048577", "cost of its password hash"),
        ("memory_kib = 8", "cost of its password hash"),
        ("passes = 4294967296", "passes"),
        ("passes = 4294967295", "cost of its password hash"),
        ("passes = 1", "cost of its password hash"),
        ("lanes = 0", "cost of its password hash"),
        ("lanes = 16777215", "cost of its password hash"),
        ("lanes = -1", "lanes"),
    ] {
        let before = cost(&home);
        edit(&home, &format!("UPDATE accounts SET {change}"), 1);
        // With 64 MiB of address space, so that the requested memory would not be available.
        let script =
            format!("ulimit -v 65536; exec \"$NIGHTLATCH\" login {EMAIL} --password-stdin");
        let run = Run::with_input(home.shell(&script), PASSWORD.as_bytes());
        run.refuses(1, &format!("is damaged: an account has a strange {column}"));
        passwd(&home, PASSWORD, OTHER_PASSWORD).refuses(1, "is damaged");
        assert_eq!(failures(&home), None, "{change}");
        let sql = "UPDATE accounts SET memory_kib = ?1, passes = ?2, lanes = ?3";
        let restored = database(&home).execute(sql, params![before.0, before.1, before.2]);
        assert_eq!(restored.unwrap(), 1);
    }
    login(&home, EMAIL, PASSWORD).succeeds();
}

#[test]
fn a_raised_cost_is_paid_from_the_next_sign_in_on_and_the_accounts_key_stays() {
    let home = Home::signed_in();
    let digest = |home: &Home| {
        home.run(&["exec", "--", "true", "the same"]).succeeds();
        let events = home.audit();
        let started = events
            .iter()
            .rfind(|event| event["event_type"] == "COMMAND_STARTED");
        let digest = started.unwrap()["details"]["argv_digest"].clone();
        assert!(digest.is_string(), "{started:?}");
        digest
    };
    let before = digest(&home);
    assert_eq!(cost(&home), (19456, 2, 1));
    let costs = |memory: u32, passes: u32| {
        let text = format!("[password]\nmemory_kib = {memory}\npasses = {passes}\n");
        std::fs::write(home.path().join("config.toml"), text).unwrap();
    };
    costs(20480, 3);
    login(&home, EMAIL, WRONG).ends_with(5);
    assert_eq!(cost(&home), (19456, 2, 1), "only by the right password");
    home.login(&[]).succeeds();
    assert_eq!(cost(&home), (20480, 3, 1));
    // The key of the digest is derived from the account's.
    assert_eq!(digest(&home), before);
    costs(19456, 2);
    home.login(&[]).succeeds();
    assert_eq!(cost(&home), (20480, 3, 1), "never lowered");
}

#[test]
fn a_sign_in_killed_before_its_hash_is_done_has_cost_an_attempt() {
    let home = Home::registered();
    // A hash that takes long enough to kill the process.
    edit(
        &home,
        "UPDATE accounts SET memory_kib = 262144, passes = 16",
        1,
    );
    for attempt in 1..=5 {
        let mut command = home.command(&["login", "--password-stdin"]);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), PASSWORD.as_bytes()).unwrap();
        until("the attempt is counted", || {
            failures(&home) == Some(attempt)
        });
        child.kill().unwrap();
        let run = Run::finish(&command, child);
        assert_eq!((run.code, run.stderr.as_str()), (128 + 9, ""), "{run:?}");
        let_pass(&home, 60);
    }
    edit(
        &home,
        "UPDATE accounts SET memory_kib = 19456, passes = 2",
        1,
    );
    home.login(&[]).refuses(6, "locked");
    let_pass(&home, HALF_HOUR);
    home.login(&[]).succeeds();
}

#[test]
fn the_fourth_attempt_waits_for_a_second_and_the_fifth_for_two() {
    let home = Home::registered();
    let waited = |email: &str| {
        (0..3).for_each(|_| drop(login(&home, email, WRONG).ends_with(5)));
        for millis in [950, 1950] {
            // The time that the machine has taken so far must not count, and what it takes from here on
            // can only lengthen what is measured.
            let start = Instant::now();
            let now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000";
            let sql = format!("UPDATE throttle SET last_failure_at = {now}");
            database(&home).execute(&sql, []).unwrap();
            login(&home, email, WRONG).ends_with(5);
            let least = Duration::from_millis(millis);
            assert!(start.elapsed() >= least, "{email}: {:?}", start.elapsed());
        }
    };
    waited(EMAIL);
    waited(UNKNOWN);
}

#[test]
fn who_waits_at_a_terminal_is_told_so_and_nobody_else() {
    let home = Home::registered();
    (0..3).for_each(|_| drop(login(&home, EMAIL, WRONG).ends_with(5)));
    let mut pty = Pty::spawn(home.command(&["login", EMAIL]));
    pty.expect("Password for");
    pty.send(&format!("{WRONG}\n"));
    pty.expect("waiting 1s, because of failed sign-ins\r\n");
    pty.expect("try again");
    pty.send("\x03");
    pty.finish();
    // Without a terminal, an error stays one line.
    login(&home, EMAIL, WRONG).refuses(5, "wrong email or password");
}

/// Fails to sign in until the next failure locks, and returns the last two messages.
fn fail_four_times(home: &Home, email: &str) -> Vec<String> {
    let said = (0..4).map(|_| {
        let run = login(home, email, WRONG).ends_with(5);
        let_pass(home, 2);
        run.stderr
    });
    said.collect()
}

#[test]
fn the_attempts_that_are_left_are_told_before_the_last_one() {
    let home = Home::registered();
    let said = fail_four_times(&home, EMAIL);
    assert!(!said[1].contains("attempt"), "{said:?}");
    assert!(
        said[2].contains("2 attempts left before sign-in is locked for 30m"),
        "{said:?}"
    );
    assert!(
        said[3].contains("1 attempt left before sign-in is locked for 30m"),
        "{said:?}"
    );
    let mut pty = Pty::spawn(home.command(&["login"]));
    pty.expect("Password for");
    pty.send(&format!("{WRONG}\n"));
    // It would ask twice more, but that was the last attempt.
    let (text, status) = pty.finish();
    assert_eq!(status.code(), Some(5), "{text}");
    assert!(text.contains("sign-in is locked now, for 30m"), "{text}");
    assert_eq!(
        fail_four_times(&home, UNKNOWN),
        said,
        "an email without an account too"
    );
}

#[test]
fn while_sign_in_is_locked_no_password_is_asked_for() {
    let home = Home::registered();
    for email in [EMAIL, UNKNOWN] {
        fail_four_times(&home, email);
        login(&home, email, WRONG).ends_with(5);
        for arguments in [&["login"][..], &["exec", "--", "true"]] {
            let arguments = [&["--account", email], arguments].concat();
            let (text, status) = Pty::spawn(home.command(&arguments)).finish();
            assert_eq!(status.code(), Some(6), "{text}");
            assert!(!text.contains("Password for"), "{text}");
            assert!(text.contains("try again in 29m"), "{text}");
        }
    }
    let (text, status) = Pty::spawn(home.command(&["passwd"])).finish();
    assert_eq!(status.code(), Some(6), "{text}");
    assert!(!text.contains("password for"), "{text}");
    assert_eq!(failures(&home), Some(5), "nobody made an attempt");
}

#[test]
fn status_and_doctor_show_a_lockout_and_when_it_is_over() {
    let home = Home::registered();
    let shown = || {
        let status = home.run(&["status"]).stdout;
        let doctor = home.run(&["doctor"]).succeeds().stdout;
        [status, doctor].map(|text| text.contains("sign-in as alice@example.com is locked for"))
    };
    fail_four_times(&home, EMAIL);
    assert_eq!(shown(), [false, false]);
    login(&home, EMAIL, WRONG).ends_with(5);
    assert_eq!(shown(), [true, true]);
    let_pass(&home, HALF_HOUR);
    assert_eq!(shown(), [false, false]);
}

#[test]
fn a_password_change_takes_both_passwords_from_a_descriptor() {
    let home = Home::registered();
    let file = home.outside("passwords");
    std::fs::write(&file, format!("{PASSWORD}\n{OTHER_PASSWORD}\n")).unwrap();
    let script = format!(
        "\"$NIGHTLATCH\" passwd --password-fd 4 4<{}",
        file.display()
    );
    Run::of(home.shell(&script)).succeeds();
    login(&home, EMAIL, OTHER_PASSWORD).succeeds();
}

#[test]
fn a_lock_lasts_for_half_an_hour_and_no_edited_one_for_longer() {
    let home = Home::registered();
    for _ in 0..5 {
        login(&home, EMAIL, WRONG).ends_with(5);
        let_pass(&home, 2);
    }
    let_pass(&home, HALF_HOUR - (10 + 60));
    login(&home, EMAIL, PASSWORD).refuses(6, "try again in");
    let_pass(&home, 10 + 60);
    login(&home, EMAIL, PASSWORD).succeeds();
    // As after a clock was set back far: at most half an hour from now.
    login(&home, EMAIL, WRONG).ends_with(5);
    edit(
        &home,
        "UPDATE throttle SET locked_until = 9223372036854775807",
        1,
    );
    let run = login(&home, EMAIL, PASSWORD).refuses(6, "locked");
    let told = run.stderr.split("try again in ").nth(1).unwrap();
    assert!(
        told.starts_with("30m") || told.starts_with("29m 5"),
        "{told}"
    );
    let_pass(&home, HALF_HOUR);
    login(&home, EMAIL, PASSWORD).succeeds();
}

#[test]
fn a_count_that_was_edited_locks_rather_than_starts_anew() {
    for count in ["9223372036854775807", "4294967295", "5"] {
        let home = Home::registered();
        login(&home, EMAIL, WRONG).ends_with(5);
        let sql = format!("UPDATE throttle SET last_failure_at = 1, failures = {count}");
        // Not long enough ago to be forgotten.
        edit(
            &home,
            &sql.replace("= 1,", "= last_failure_at - 9000000000,"),
            1,
        );
        login(&home, EMAIL, WRONG).ends_with(5);
        login(&home, EMAIL, PASSWORD).refuses(6, "locked");
    }
}

#[test]
fn a_changed_password_is_one_in_whatever_way_it_is_spelt() {
    let home = Home::new();
    let composed = "Caf\u{e9} m\u{fc}de Br\u{fc}cke, 7 na\u{ef}ve Z\u{fc}ge";
    let decomposed = "Cafe\u{301} mu\u{308}de Bru\u{308}cke, 7 nai\u{308}ve Zu\u{308}ge";
    home.register(EMAIL, PASSWORD).succeeds();
    passwd(&home, PASSWORD, decomposed).succeeds();
    login(&home, EMAIL, composed).succeeds();
    passwd(&home, composed, decomposed).refuses(3, "the old one");
    passwd(&home, composed, PASSWORD).succeeds();
    login(&home, EMAIL, decomposed).ends_with(5);
}

#[test]
fn every_byte_of_the_longest_password_counts() {
    let home = Home::new();
    let words = "Seven brass kettles on a fence! 11 gulls asleep; ";
    let longest: String = words.chars().cycle().take(1023).chain(['!']).collect();
    let (last, longer) = (format!("{}?", &longest[..1023]), format!("{longest}!"));
    home.register(EMAIL, &longer).refuses(3, "1024 bytes");
    home.register(EMAIL, &longest).succeeds();
    for other in [last.as_str(), &longest[..1023], longer.as_str()] {
        login(&home, EMAIL, other).refuses(5, "wrong email or password");
        edit(&home, "DELETE FROM throttle", 1);
    }
    login(&home, EMAIL, &longest).succeeds();
    passwd(&home, &longest, &longer).refuses(3, "1024 bytes");
    passwd(&home, &longest, &last).succeeds();
    login(&home, EMAIL, &longest).ends_with(5);
    login(&home, EMAIL, &last).succeeds();
}

#[test]
fn a_wrong_old_password_is_a_failed_sign_in_and_the_fifth_locks() {
    let home = Home::signed_in();
    for failure in 1..=5 {
        passwd(&home, WRONG, OTHER_PASSWORD).refuses(5, "wrong email or password");
        assert_eq!(failures(&home), Some(failure));
        let_pass(&home, 2);
    }
    passwd(&home, PASSWORD, OTHER_PASSWORD).refuses(6, "locked");
    home.login(&[]).refuses(6, "locked");
    assert!(home.events().contains(&"ACCOUNT_LOCKED".to_owned()));
    assert!(
        home.is_active(),
        "who works is not locked out by who guesses"
    );
    let_pass(&home, HALF_HOUR);
    home.login(&[]).succeeds();
}

#[test]
fn passwd_without_a_terminal_reads_no_password_unasked() {
    let home = Home::registered();
    // A new session has no terminal, even if the tests run on one.
    let script = "setsid -w \"$NIGHTLATCH\" passwd";
    let input = format!("{PASSWORD}\n{OTHER_PASSWORD}\n");
    let run = Run::with_input(home.shell(script), input.as_bytes());
    run.refuses(2, "--password-stdin");
    home.login(&[]).succeeds();
}

#[test]
fn a_password_change_that_waits_for_the_session_keeps_nobody_from_the_database() {
    let home = Home::signed_in();
    let sessions = home.path().join("sessions");
    let lock = std::fs::File::open(&sessions).unwrap();
    lock.lock().unwrap();
    let mut command = home.command(&["passwd", "--password-stdin"]);
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut change = piped.spawn().unwrap();
    let input = format!("{PASSWORD}\n{OTHER_PASSWORD}\n");
    std::io::Write::write_all(&mut change.stdin.take().unwrap(), input.as_bytes()).unwrap();
    waits_for_lock(change.id(), &sessions);
    login(&home, UNKNOWN, WRONG).refuses(5, "wrong email or password");
    // While a live session is being ended, it approves nobody; the password does.
    let guard = Guard::open(GuardConfig::under(home.path())).unwrap();
    let vouched = guard.vouch(&EMAIL.parse().unwrap(), secret(PASSWORD));
    let bob = "bob@example.com".parse().unwrap();
    let vouched = vouched.unwrap();
    let new = Registration::new(&bob, secret(OTHER_PASSWORD)).vouched_by(Some(&vouched));
    guard.register(new).unwrap();
    drop(lock);
    Run::finish(&command, change).succeeds();
    login(&home, EMAIL, OTHER_PASSWORD).succeeds();
}

/// The names of the system calls of a sign-in that fails with `code`, in order.
fn system_calls(home: &Home, email: &str, password: &str, code: i32) -> Vec<String> {
    let program = home.command(&["login", email, "--password-stdin"]);
    let trace = home.outside("trace");
    let mut command = Command::new("strace");
    command
        .arg("-fo")
        .arg(&trace)
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    Run::with_input(command, password.as_bytes()).ends_with(code);
    let text = std::fs::read_to_string(trace).unwrap();
    let name = |line: &str| {
        let call = line.split_whitespace().nth(1)?.split_once('(')?.0;
        Some(call.to_owned())
    };
    text.lines().filter_map(name).collect()
}

#[test]
fn wrong_unknown_and_locked_sign_ins_make_the_same_system_calls() {
    if !can_trace() {
        return;
    }
    let home = Home::registered();
    // The very first attempt creates directories.
    for email in [EMAIL, UNKNOWN] {
        login(&home, email, WRONG).ends_with(5);
    }
    let two = "INSERT INTO throttle SELECT tag, 1, last_failure_at, locked_until FROM was";
    let database = database(&home);
    database
        .execute_batch("CREATE TEMP TABLE was AS SELECT * FROM throttle")
        .unwrap();
    let traced = |email: &str, password: &str, locked: bool| {
        database.execute("DELETE FROM throttle", []).unwrap();
        assert_eq!(database.execute(two, []).unwrap(), 2);
        if locked {
            let until =
                "UPDATE throttle SET failures = 5, locked_until = last_failure_at + 1800000000000";
            assert_eq!(database.execute(until, []).unwrap(), 2);
        }
        system_calls(&home, email, password, if locked { 6 } else { 5 })
    };
    let wrong = traced(EMAIL, WRONG, false);
    assert!(
        wrong.len() > 100 && wrong.contains(&"fsync".to_owned()),
        "{wrong:?}"
    );
    for (email, password, locked) in [
        (UNKNOWN, WRONG, false),
        (EMAIL, WRONG, true),
        (EMAIL, PASSWORD, true),
        (UNKNOWN, WRONG, true),
    ] {
        let other = traced(email, password, locked);
        let end = wrong.len().max(other.len());
        let differ = (0..end).find(|&at| wrong.get(at) != other.get(at));
        let around = |calls: &[String]| {
            let at = differ.unwrap_or_default();
            calls[at.saturating_sub(8)..calls.len().min(at + 8)].join(" ")
        };
        assert!(
            differ.is_none(),
            "{email}, locked: {locked}\n{}\n{}",
            around(&wrong),
            around(&other)
        );
    }
    // The comparison does detect a difference: the correct password.
    database.execute("DELETE FROM throttle", []).unwrap();
    assert_ne!(wrong, system_calls(&home, EMAIL, PASSWORD, 0));
}

#[test]
fn a_sign_in_opens_the_account_database_once() {
    let home = Home::registered();
    let trace = home.outside("trace");
    let options = ["-o", trace.to_str().unwrap(), "-e", "trace=open,openat"];
    let arguments = ["login", EMAIL, "--password-stdin"];
    if !can_trace() {
        return;
    }
    let command = home.command_under("strace", &options, &arguments);
    Run::with_input(command, PASSWORD.as_bytes()).succeeds();
    let trace = std::fs::read_to_string(trace).unwrap();
    let opened = |name: &str| {
        let name = format!("{name}\"");
        trace.lines().filter(|line| line.contains(&name)).count()
    };
    // Only root's strace sees the file names of a process that is not dumpable.
    if rustix::process::geteuid().is_root() {
        assert_eq!(opened("accounts.db"), 1, "{trace}");
    }
}
