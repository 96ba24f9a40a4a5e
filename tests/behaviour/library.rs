//! The library as another program uses it: a guard over a home, with clocks set by the test.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nightlatch::clock::{Boot, BootTime, Clock, Moment, SystemClock, Timestamp};
use nightlatch::{
    AgentLauncher, CommandError, Denied, Email, EndReason, Ended, Guard, GuardConfig, GuardError,
    PasswordChangeError, RegisterError, Registration, RunOptions, SecretBuffer, SessionState,
    SignInError,
};

use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run};

const BOB: &str = "bob@example.com";

/// The machine's clocks, moved ahead by the test.
#[derive(Default)]
pub struct Ahead(Mutex<Duration>);

impl Ahead {
    fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Moment {
        let (now, by) = (SystemClock.now(), *self.0.lock().unwrap());
        Moment {
            wall: Timestamp::plus(now.wall, by),
            boot: BootTime::plus(now.boot, by),
        }
    }

    fn boot(&self) -> std::io::Result<Boot> {
        SystemClock.boot()
    }

    fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }
}

/// A program that uses the library, and its user's home.
struct Program {
    home: Home,
    clock: Arc<Ahead>,
    guard: Guard,
}

impl Program {
    fn new() -> Self {
        let home = Home::new();
        let clock = Arc::new(Ahead::default());
        let guard = Guard::open_or_create(config(&home, &clock)).unwrap();
        guard
            .register(Registration::new(&email(EMAIL), secret(PASSWORD)))
            .unwrap();
        Self { home, clock, guard }
    }

    fn signed_in() -> Self {
        let program = Self::new();
        program.sign_in(EMAIL, PASSWORD).unwrap();
        program
    }

    /// Signs in, and returns the new session's id.
    fn sign_in(&self, who: &str, password: &str) -> Result<String, SignInError> {
        self.guard
            .sign_in(&email(who), secret(password), self.guard.limits())
            .map(|session| session.session_id().to_string())
    }

    fn is_active(&self) -> bool {
        self.guard.status().unwrap().state == SessionState::Active
    }

    /// The events after the first `known` ones.
    fn events_after(&self, known: usize) -> Vec<String> {
        self.home.events().split_off(known)
    }

    /// From now on nothing can be recorded.
    fn break_audit(&self) {
        let audit = self.home.path().join("audit");
        std::fs::rename(&audit, self.home.outside("audit")).unwrap();
        std::fs::write(&audit, "").unwrap();
    }

    /// From now on events can be recorded again.
    fn mend_audit(&self) {
        let audit = self.home.path().join("audit");
        std::fs::remove_file(&audit).unwrap();
        std::fs::rename(self.home.outside("audit"), &audit).unwrap();
    }
}

pub fn config(home: &Home, clock: &Arc<Ahead>) -> GuardConfig {
    GuardConfig::under(home.path())
        .with_danger_clock(Arc::clone(clock) as Arc<dyn Clock>)
        .launcher(AgentLauncher::new(
            env!("CARGO_BIN_EXE_nightlatch"),
            [
                "--home".into(),
                home.path().into_os_string(),
                "agent".into(),
            ],
        ))
}

/// A second account.
fn bob(email: &Email) -> Registration<'_> {
    Registration::new(email, secret(OTHER_PASSWORD))
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

pub fn secret(text: &str) -> SecretBuffer {
    let mut secret = SecretBuffer::with_capacity(text.len());
    assert!(secret.push(text.as_bytes()));
    secret
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_guard_asks_for_a_session_and_its_proof_tells_whose_it_is() {
    let program = Program::new();
    let Err(Denied::NoSession { ended: None }) = program.guard.require("deploy") else {
        panic!("let through without a session");
    };
    let id = program.sign_in(EMAIL, PASSWORD).unwrap();
    let proof = program.guard.require("deploy").unwrap();
    assert_eq!(proof.username(), EMAIL);
    assert_eq!(proof.session_id().to_string(), id);
    assert_eq!(Some(proof.expires_at()), proof.status().expires_at);
    assert_eq!(proof.status().remaining_seconds, Some(900));
    let used = program.home.happened().split_off(4);
    assert_eq!(used[0]["event_type"], "SESSION_VALIDATED");
    assert_eq!(used[0]["details"]["action"], "deploy");
    assert_eq!(used[1]["event_type"], "SESSION_EXTENDED");
}

#[test]
fn a_guard_lets_through_within_the_idle_time_and_not_after_it() {
    let program = Program::signed_in();
    program.clock.advance(840); // the test itself takes some time; other tests check the exact limit
    let proof = program.guard.require("deploy").unwrap();
    program.clock.advance(900);
    assert!(!program.is_active());
    let Err(Denied::NoSession { ended }) = proof.recheck("deploy again") else {
        panic!("let through after the idle time");
    };
    assert!(
        matches!(ended, Some(EndReason::Idle | EndReason::KeyGone)),
        "{ended:?}"
    );
    assert_eq!(program.home.events().last().unwrap(), "SESSION_EXPIRED");
}

#[test]
fn a_proof_is_rechecked_for_its_own_account_whoever_signed_in_meanwhile() {
    let program = Program::signed_in();
    let guard = &program.guard;
    guard.register(bob(&email(BOB))).unwrap();
    let proof = guard.require("first step").unwrap();
    program.sign_in(BOB, OTHER_PASSWORD).unwrap();
    assert_eq!(guard.require("another").unwrap().username(), BOB);
    let proof = proof.recheck("second step").unwrap();
    assert_eq!(proof.username(), EMAIL);
    assert_eq!(guard.lock().ended.len(), 2);
    assert!(proof.recheck("third step").is_err());
    assert!(!program.is_active());
    assert!(guard.lock().ended.is_empty());
}

#[test]
fn the_library_lets_no_second_account_in_without_a_session_or_a_password() {
    let program = Program::new();
    let guard = &program.guard;
    let register = || guard.register(bob(&email(BOB)));
    assert!(matches!(register(), Err(RegisterError::NoSponsor)));
    // The layers below the guard are closed; an example of `AccountService` shows it.
    let wrong = guard.vouch(&email(EMAIL), secret(OTHER_PASSWORD));
    assert!(matches!(wrong, Err(SignInError::Wrong { .. })));
    let vouched = guard.vouch(&email(EMAIL), secret(PASSWORD)).unwrap();
    assert!(!program.is_active());
    program.clock.advance(900);
    let late = guard.register(bob(&email(BOB)).vouched_by(Some(&vouched)));
    assert!(matches!(late, Err(RegisterError::NoSponsor)));
    let vouched = guard.vouch(&email(EMAIL), secret(PASSWORD)).unwrap();
    guard
        .register(bob(&email(BOB)).vouched_by(Some(&vouched)))
        .unwrap();
    program.sign_in(BOB, OTHER_PASSWORD).unwrap();
    program.clock.advance(900);
    assert!(matches!(register(), Err(RegisterError::NoSponsor)));
}

#[test]
fn a_program_names_the_accounts_whose_sessions_count() {
    let program = Program::signed_in();
    let guard = &program.guard;
    guard.register(bob(&email(BOB))).unwrap();
    let only = |emails: &[&str]| {
        let emails: Vec<_> = emails.iter().map(|text| email(text)).collect();
        Guard::open(config(&program.home, &program.clock).accounts(emails)).unwrap()
    };
    let denied = |guard: &Guard| match guard.require("deploy") {
        Err(Denied::OtherAccount { account, accepted }) => (account, accepted),
        other => panic!("{:?}", other.map(|proof| proof.username().to_owned())),
    };
    let bobs = only(&[BOB]);
    assert_eq!(denied(&bobs), (EMAIL.to_owned(), BOB.to_owned()));
    assert_eq!(bobs.status().unwrap().state, SessionState::None);
    let nobodys = only(&[]);
    assert_eq!(denied(&nobodys).1, "no account");
    let either = only(&[BOB, EMAIL]);
    assert_eq!(either.require("deploy").unwrap().username(), EMAIL);
    // Signing in as another account gives no proof.
    let signed_in = program.sign_in(BOB, OTHER_PASSWORD).unwrap();
    let proof = bobs.require("deploy").unwrap();
    assert_eq!(proof.session_id().to_string(), signed_in);
    assert_eq!(only(&[EMAIL]).require("deploy").unwrap().username(), EMAIL);
    // The configuration restricts it.
    program
        .home
        .configure("guard.account = \"bob@example.com\"");
    assert_eq!(
        denied(&only(&[EMAIL])),
        (BOB.to_owned(), "no account".to_owned())
    );
    assert_eq!(
        only(&[EMAIL, BOB]).require("deploy").unwrap().username(),
        BOB
    );
}

#[test]
fn a_command_finds_its_own_start_on_record() {
    let program = Program::signed_in();
    let seen = program.home.outside("seen");
    let mut command = sh(r#"cat "$1"/*.jsonl > "$2"; echo "$NIGHTLATCH_EXEC_ID" >> "$2""#);
    command.arg("sh");
    command.arg(program.home.path().join("audit")).arg(&seen);
    let finished = program.guard.run(&mut command, &RunOptions::default());
    assert!(matches!(finished.unwrap().ended, Ended::Code(0)));
    let seen = std::fs::read_to_string(seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let [.., start, exec] = lines[..] else {
        panic!("{seen}");
    };
    assert!(start.contains("\"COMMAND_STARTED\""), "{start}");
    assert!(start.contains(exec), "{start}");
    assert_eq!(program.home.events().last().unwrap(), "COMMAND_FINISHED");
}

#[test]
fn a_command_whose_start_cannot_be_recorded_does_not_start() {
    let program = Program::signed_in();
    let marker = program.home.outside("marker");
    let mut command = Command::new("touch");
    command.arg(&marker);
    let proof = program.guard.require("deploy").unwrap();
    program.break_audit();
    let refused = program.guard.run(&mut command, &RunOptions::default());
    let refused_by_proof = proof.run(&mut command);
    program.mend_audit();
    for refused in [refused, refused_by_proof] {
        assert!(matches!(
            refused,
            Err(CommandError::Denied(Denied::Failed(GuardError::Audit(_))))
        ));
    }
    assert!(!marker.exists());
    assert!(proof.run(&mut command).is_ok());
    assert!(marker.exists());
}

#[test]
fn a_refused_command_is_on_record_with_the_reason() {
    let program = Program::new();
    let refused = program
        .guard
        .run(&mut sh("exit 0"), &RunOptions::default())
        .unwrap_err();
    assert!(matches!(refused, CommandError::Denied(_)));
    program.sign_in(EMAIL, PASSWORD).unwrap();
    let too_long = RunOptions::default().min_remaining(Duration::from_secs(1000));
    assert!(program.guard.run(&mut sh("exit 0"), &too_long).is_err());
    program.clock.advance(900);
    let denied = program.guard.require("deploy").err().unwrap();
    program
        .guard
        .record_refusal(OsStr::new("/opt/bin/deploy"), &denied);
    let refusals: Vec<_> = program
        .home
        .audit()
        .into_iter()
        .filter(|event| event["event_type"] == "COMMAND_REFUSED")
        .map(|event| {
            let details = &event["details"];
            format!("{} {}", details["program"], details["reason"])
        })
        .collect();
    assert_eq!(
        refusals,
        [
            r#""sh" "no_session""#,
            r#""sh" "too_little_time""#,
            r#""deploy" "session_expired""#,
        ]
    );
}

#[test]
fn five_wrong_passwords_lock_the_account_and_each_is_on_record() {
    let program = Program::new();
    for left in (0..5).rev() {
        let Err(SignInError::Wrong { remaining_attempts }) = program.sign_in(EMAIL, "wrong") else {
            panic!("not refused");
        };
        assert_eq!(remaining_attempts, left);
    }
    assert!(matches!(
        program.sign_in(EMAIL, PASSWORD),
        Err(SignInError::Locked { .. })
    ));
    let mut expected = ["LOGIN_ATTEMPT", "LOGIN_FAILURE"].repeat(5);
    expected.extend(["ACCOUNT_LOCKED", "LOGIN_ATTEMPT", "LOGIN_FAILURE"]);
    assert_eq!(program.events_after(1), expected);
    program.clock.advance(30 * 60);
    program.sign_in(EMAIL, PASSWORD).unwrap();
}

#[test]
fn an_unknown_name_is_refused_like_a_known_one_and_never_written_down() {
    let program = Program::new();
    let typed = "my-secret-passphrase@example.com";
    for left in (0..5).rev() {
        let Err(SignInError::Wrong { remaining_attempts }) = program.sign_in(typed, "x") else {
            panic!("not refused");
        };
        assert_eq!(remaining_attempts, left);
    }
    assert!(matches!(
        program.sign_in(typed, "x"),
        Err(SignInError::Locked { .. })
    ));
    let events = program.home.happened().split_off(1);
    assert!(events.iter().all(|event| event["username"] == "(unknown)"));
    assert!(
        events
            .iter()
            .any(|event| event["event_type"] == "ACCOUNT_LOCKED")
    );
    let log = program.home.audit_lines().join("\n");
    assert!(!log.contains("passphrase"), "{log}");
}

#[test]
fn a_password_change_ends_the_session_before_it_holds() {
    let program = Program::signed_in();
    let account = program.guard.account_meant().unwrap().unwrap();
    let change = |old, new| {
        program
            .guard
            .change_password(&account, secret(old), secret(new))
    };
    let wrong = change(OTHER_PASSWORD, PASSWORD);
    assert!(matches!(wrong, Err(PasswordChangeError::SignIn(_))));
    assert!(program.is_active(), "a wrong old password changes nothing");

    let known = program.home.events().len();
    assert!(change(PASSWORD, OTHER_PASSWORD).unwrap());
    assert_eq!(
        program.events_after(known),
        ["SESSION_TERMINATED", "PASSWORD_CHANGED"]
    );
    assert!(!program.is_active());
    assert!(program.sign_in(EMAIL, PASSWORD).is_err());
    program.sign_in(EMAIL, OTHER_PASSWORD).unwrap();
}

#[test]
fn a_password_change_that_cannot_be_recorded_does_not_hold() {
    let program = Program::signed_in();
    let account = program.guard.account_meant().unwrap().unwrap();
    program.break_audit();
    let refused = program
        .guard
        .change_password(&account, secret(PASSWORD), secret(OTHER_PASSWORD));
    program.mend_audit();
    assert!(matches!(
        refused,
        Err(PasswordChangeError::Failed(GuardError::Audit(_)))
    ));
    assert!(!program.is_active(), "the session ended before the commit");
    program.sign_in(EMAIL, PASSWORD).unwrap();
}

#[test]
fn opening_a_guard_creates_nothing() {
    let home = Home::bare();
    let guard = Guard::open(GuardConfig::under(home.path())).unwrap();
    assert_eq!(guard.status().unwrap().state, SessionState::None);
    assert!(matches!(
        guard.require("deploy"),
        Err(Denied::NoSession { ended: None })
    ));
    assert!(guard.sign_out().unwrap().ended.is_empty());
    assert!(guard.audit().is_none());
    assert!(!home.path().exists());
}

#[test]
fn the_example_program_deploys_for_who_signed_in_and_for_nobody_else() {
    let home = Home::registered();
    let example = |arguments: &[&str]| {
        // Cargo builds examples together with the tests, in a neighbouring directory.
        let tests = std::env::current_exe().unwrap();
        let built = tests.ancestors().nth(2).unwrap().join("examples/deploy");
        assert!(built.exists(), "first: cargo build --examples");
        let mut command = Command::new(built);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NIGHTLATCH_HOME", home.path());
        Run::of(command)
    };
    assert_eq!(example(&["status"]).succeeds().stdout, "all systems up\n");
    let refused = example(&["deploy", "production"]).ends_with(4);
    assert!(refused.stderr.contains("nightlatch login"), "{refused:?}");
    assert_eq!(refused.stdout, "");
    home.login(&[]).succeeds();
    let deployed = example(&["deploy", "production"]).succeeds();
    assert!(
        deployed
            .stdout
            .starts_with("deploying to production as alice@example.com\nuploading\nCode(0)"),
        "{deployed:?}"
    );
    assert_eq!(home.events().last().unwrap(), "COMMAND_FINISHED");
}
