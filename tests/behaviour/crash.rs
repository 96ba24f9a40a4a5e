//! Kills a process, or makes the system refuse a call, at any step. The next command must work,
//! nothing that was reported is lost, nothing is live that should not be, and no partly written
//! file stays.
//!
//! Each deed is traced once to learn its system calls, and then repeated with one fault at one call
//! each time. State outside the process changes only with certain calls, so being killed before any
//! of the calls between two such calls is equivalent.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use crate::support::checks::{
    can_trace, leases, log_is_whole, log_verifies, nobody_is_signed_in, nothing_lies_about,
};
use crate::support::days::{keep_for_two_days, segments, use_on};
use crate::support::released::{RELEASED, become_released, tables, version};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run};

/// The number of faults per home, so that its log does not get too long to check each time.
const FAULTS_PER_HOME: usize = 25;
const KILLED: i32 = 137;
/// The name of a secret.
const SECRET: &str = "prod/db";
const OTHER_EMAIL: &str = "alice@example.org";
const NAME: &str = "Alice Liddell";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Register,
    FirstLogin,
    Login,
    Extend,
    Exec,
    Passwd,
    /// A secret gets another value.
    Secret,
    Logout,
    Revoke,
    /// A sign-in that migrates the account database of an earlier version.
    Migrate,
    /// The account's name is changed.
    Rename,
    /// The account's email is changed.
    Email,
    /// The account is removed.
    Remove,
    /// A recovery code sets a password.
    Recover,
    /// The account gets a new recovery code.
    NewCode,
    /// The first append of a day, which closes the previous day's segment and opens a new one.
    Rotate,
    /// Old segments are removed.
    Prune,
    /// A legal hold is added while old segments are due for removal.
    Hold,
}

impl Deed {
    /// Whether it needs a home in which it was not done before.
    fn needs_new_home(self) -> bool {
        use Deed::{FirstLogin, Hold, Prune, Register, Rotate};
        matches!(self, Register | FirstLogin | Rotate | Prune | Hold)
    }

    /// Whether it uses the keeper.
    fn uses_a_session(self) -> bool {
        use Deed::{NewCode, Prune, Register, Rotate};
        !matches!(self, Register | NewCode | Rotate | Prune)
    }

    /// Whether it is about the session itself, and not about what the session guards.
    fn is_about_the_session(self) -> bool {
        use Deed::{Exec, Extend, FirstLogin, Login, Logout, Passwd, Revoke};
        matches!(
            self,
            FirstLogin | Login | Extend | Exec | Passwd | Logout | Revoke
        )
    }

    /// Whether it needs an existing account.
    fn needs_account(self) -> bool {
        !matches!(
            self,
            Self::Register | Self::Rotate | Self::Prune | Self::Hold
        )
    }
}

const DEEDS: [Deed; 18] = [
    Deed::Rename,
    Deed::Email,
    Deed::Remove,
    Deed::Recover,
    Deed::NewCode,
    Deed::Secret,
    Deed::Migrate,
    Deed::Hold,
    Deed::Prune,
    Deed::Rotate,
    Deed::Passwd,
    Deed::Login,
    Deed::Exec,
    Deed::Extend,
    Deed::Logout,
    Deed::Revoke,
    Deed::FirstLogin,
    Deed::Register,
];

/// What goes wrong.
#[derive(Clone, Debug)]
enum Fault {
    /// The `nth` call of this name has this effect, in strace's syntax.
    At {
        call: String,
        nth: usize,
        effect: &'static str,
        line: String,
    },
    /// Limits the file size: a write across the limit is truncated, and one beyond it fails.
    FileSize(u64),
    /// Limits the file size to the log's length plus this.
    LogGrowth(u64),
}

impl Fault {
    fn kills(&self) -> bool {
        matches!(self, Self::At { effect, .. } if *effect == KILL)
    }

    /// Whether the error message itself may have failed to be written.
    fn mutes(&self) -> bool {
        matches!(self, Self::At { line, .. } if line.starts_with("write(1,") || line.starts_with("write(2,"))
    }
}

const KILL: &str = "signal=KILL";

/// A home, its expected state, and its state before the deed.
struct Stage {
    home: Home,
    email: &'static str,
    password: &'static str,
    code: String,
    log: Vec<String>,
    session: Option<String>,
    /// The value of the secret before the deed, if there is one.
    secret: Option<String>,
    runs: usize,
}

impl Stage {
    fn new(keeper: &'static str) -> Self {
        Self {
            home: Home::new().with_keeper(keeper),
            email: EMAIL,
            password: PASSWORD,
            code: String::new(),
            log: Vec::new(),
            session: None,
            secret: None,
            runs: 0,
        }
    }

    /// Prepares the home for the deed.
    fn prepare(&mut self, deed: Deed) {
        match deed {
            Deed::Rotate => use_on(&self.home, [-1]),
            Deed::Prune => {
                keep_for_two_days(&self.home);
                use_on(&self.home, -10..0);
            }
            Deed::Hold => {
                use_on(&self.home, -10..0);
                self.home.register(EMAIL, PASSWORD).succeeds();
                self.login().succeeds();
                // Only now: a sign-in removes segments that are due.
                keep_for_two_days(&self.home);
            }
            _ => {}
        }
        if deed.needs_account() && self.home.audit_lines().is_empty() {
            self.home.register(EMAIL, PASSWORD).succeeds();
        }
        if matches!(deed, Deed::Recover | Deed::NewCode) {
            let code = self.new_code().succeeds();
            code.stdout.trim().clone_into(&mut self.code);
        }
        if !deed.needs_new_home() && !self.home.is_active() {
            self.login().succeeds();
        }
        if deed == Deed::Migrate {
            become_released(&self.home, RELEASED[0]);
        }
        if matches!(deed, Deed::Secret | Deed::Passwd) {
            if self.secret.is_none() {
                let set = ["secret", "set", SECRET, "--stdin"];
                self.home.run_with_input(&set, b"first").succeeds();
            }
            self.secret = Some(self.value());
        }
        self.log = self.home.audit_lines();
        self.session = self.live();
        self.runs = self.ran();
    }

    /// The value of the secret.
    fn value(&self) -> String {
        self.home.run(&["secret", "get", SECRET]).succeeds().stdout
    }

    /// The value that [`Deed::Secret`] sets.
    fn new_value(&self) -> String {
        format!("value {}", self.log.len())
    }

    fn live(&self) -> Option<String> {
        let status = self.home.status();
        (status["state"] == "active").then(|| status["session_id"].as_str().unwrap().to_owned())
    }

    fn with_password(&self, arguments: &[&str]) -> Run {
        let arguments = [arguments, &["--password-stdin"]].concat();
        self.home
            .run_with_input(&arguments, self.password.as_bytes())
    }

    fn new_code(&self) -> Run {
        self.with_password(&["account", "recovery", "--new"])
    }

    fn new_email(&self) -> &'static str {
        if self.email == EMAIL {
            OTHER_EMAIL
        } else {
            EMAIL
        }
    }

    /// `recover` with the code of the stage and the new password.
    fn recover(&self, new: &str) -> Run {
        let input = format!("{}\n{new}\n", self.code);
        let recover = ["recover", self.email, "--password-stdin"];
        self.home.run_with_input(&recover, input.as_bytes())
    }

    /// What `account list --json` has about the first account.
    fn account(&self) -> Value {
        let list = self.home.run(&["account", "list", "--json"]);
        list.succeeds().json()["accounts"][0].clone()
    }

    /// How many times the guarded command has run.
    fn ran(&self) -> usize {
        std::fs::read_to_string(self.home.outside("ran")).map_or(0, |text| text.lines().count())
    }

    fn login(&self) -> Run {
        self.login_with(self.password)
    }

    fn login_with(&self, password: &str) -> Run {
        let login = ["login", "--password-stdin"];
        self.home.run_with_input(&login, password.as_bytes())
    }

    fn new_password(&self) -> &'static str {
        if self.password == PASSWORD {
            OTHER_PASSWORD
        } else {
            PASSWORD
        }
    }

    /// The deed's arguments and input.
    fn script(&self, deed: Deed) -> (Vec<String>, String) {
        let (arguments, input): (&[&str], String) = match deed {
            Deed::Register => (
                &["register", EMAIL, "--password-stdin"],
                self.password.to_owned(),
            ),
            Deed::FirstLogin | Deed::Login | Deed::Migrate => {
                (&["login", "--password-stdin"], self.password.to_owned())
            }
            Deed::Extend => (&["extend"], String::new()),
            Deed::Exec => (
                &["exec", "--", "sh", "-c", "echo ran >> \"$0\""],
                String::new(),
            ),
            Deed::Passwd => (
                &["passwd", "--password-stdin"],
                format!("{}\n{}\n", self.password, self.new_password()),
            ),
            Deed::Secret => (&["secret", "set", SECRET, "--stdin"], self.new_value()),
            Deed::Logout => (&["logout"], String::new()),
            Deed::Revoke => (&["revoke", "--reason", "lost laptop"], String::new()),
            Deed::Rename => (&["account", "rename", NAME], String::new()),
            Deed::Email => (
                &["account", "email", self.new_email(), "--password-stdin"],
                self.password.to_owned(),
            ),
            Deed::Remove => (
                &["account", "remove", "--yes", "--password-stdin"],
                self.password.to_owned(),
            ),
            Deed::Recover => (
                &["recover", "--password-stdin"],
                format!("{}\n{}\n", self.code, self.new_password()),
            ),
            Deed::NewCode => (
                &["account", "recovery", "--new", "--password-stdin"],
                self.password.to_owned(),
            ),
            Deed::Rotate => (&["audit"], String::new()),
            Deed::Prune => (&["audit", "prune"], String::new()),
            Deed::Hold => (&["audit", "hold", "add", "case-7"], String::new()),
        };
        let mut arguments: Vec<_> = arguments.iter().map(|&text| text.to_owned()).collect();
        if deed == Deed::Exec {
            arguments.push(self.home.outside("ran").to_str().unwrap().to_owned());
        }
        (arguments, input)
    }

    fn strace(&self, deed: Deed, options: &[&str]) -> Run {
        let (arguments, input) = self.script(deed);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let command = self.home.command_under("strace", options, &arguments);
        Run::with_input(command, input.as_bytes())
    }

    fn suffer(&self, deed: Deed, fault: &Fault) -> Run {
        match fault {
            Fault::At {
                call, nth, effect, ..
            } => {
                let trace = format!("trace={call}");
                let inject = format!("inject={call}:{effect}:when={nth}");
                self.strace(deed, &["-o", "/dev/null", "-e", &trace, "-e", &inject])
            }
            Fault::FileSize(most) => self.confined(deed, *most),
            Fault::LogGrowth(more) => {
                let length: usize = self.log.iter().map(|line| line.len() + 1).sum();
                self.confined(deed, u64::try_from(length).unwrap() + more)
            }
        }
    }

    fn confined(&self, deed: Deed, most: u64) -> Run {
        let (arguments, input) = self.script(deed);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut command = self.home.command(&arguments);
        limit_file_size(&mut command, most);
        Run::with_input(command, input.as_bytes())
    }

    /// The deed's calls, from the first one that concerns the home, or from slightly earlier.
    fn calls(&self, deed: Deed) -> Vec<Call> {
        let trace = self.home.outside("trace");
        self.strace(deed, &["-o", trace.to_str().unwrap()])
            .succeeds();
        let trace = std::fs::read_to_string(trace).unwrap();
        let home = self.home.path();
        let home = home.to_str().unwrap();
        let is_about_home = |line: &str| !line.starts_with("execve") && line.contains(home);
        // Only root's strace can read the file names of a process that is not dumpable. For other
        // users, all calls from there on count.
        let shows_names = trace.lines().any(is_about_home);
        let is_closed = |line: &str| line.starts_with("prctl(PR_SET_DUMPABLE");
        let mut counts = std::collections::HashMap::<&str, usize>::new();
        let mut calls = Vec::new();
        let mut begun = false;
        for line in trace.lines() {
            let Some((name, _)) = line.split_once('(') else {
                continue;
            };
            if !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                continue;
            }
            let count = counts.entry(name).or_default();
            *count += 1;
            begun |= if shows_names {
                is_about_home(line)
            } else {
                is_closed(line)
            };
            if begun {
                calls.push(Call {
                    name: name.to_owned(),
                    nth: *count,
                    line: line.to_owned(),
                });
            }
        }
        assert!(calls.len() > 40, "{deed:?}: {trace}");
        calls
    }

    /// Checks what must hold after the deed, whatever its result.
    fn judge(&mut self, deed: Deed, fault: &Fault, run: &Run) {
        assert!(!run.stderr.contains("panicked"), "{run:#?}");
        if run.code != 0 && !fault.kills() {
            assert!(run.code < 126, "{run:#?}");
            let clear = run.stderr.starts_with("nightlatch: ") && run.stderr.lines().count() == 1;
            assert!(clear || fault.mutes(), "{run:#?}");
        }
        // Before any command repairs it.
        log_verifies(&self.home);
        let live = self.live();
        let log = self.home.audit_lines();
        if deed != Deed::Prune {
            assert!(log.starts_with(&self.log), "an event was lost: {run:#?}");
        }
        self.live_is_on_record(live.as_ref(), run);
        if !leases(&self.home).is_empty() {
            assert_eq!(live, None, "a crash ends the session: {run:#?}");
        }
        match deed {
            Deed::Register => {
                let code = self.home.register(EMAIL, PASSWORD).code;
                // There is an account, and nobody is signed in to approve another one.
                assert!(code == 4 || code == 0 && run.code != 0, "{code} {run:#?}");
            }
            Deed::Rename => {
                let name = &self.account()["name"];
                assert!(name.is_null() && run.code != 0 || name == NAME, "{run:#?}");
                self.home
                    .run(&["account", "rename", NAME])
                    .ends_with(if live.is_some() { 0 } else { 4 });
            }
            Deed::Email => self.judge_email(live.as_ref(), run),
            Deed::Remove => self.judge_removal(live.as_ref(), run),
            Deed::Recover => self.judge_recovery(live.as_ref(), run),
            Deed::NewCode => self.judge_new_code(fault, run),
            Deed::Migrate => {
                let version = version(&self.home);
                assert!(run.code != 0 || version > RELEASED[0].0, "{run:#?}");
                let tables = tables(&self.home);
                assert_eq!(
                    version > RELEASED[0].0,
                    tables.len() > RELEASED[0].1.len(),
                    "{run:#?}"
                );
            }
            Deed::FirstLogin | Deed::Login => match run.code {
                0 => assert!(live.is_some() && live != self.session, "{run:#?}"),
                KILLED => {}
                // It was reported as failed, so there is no new session.
                _ => assert!(
                    live.is_none() || live == self.session || fault.mutes(),
                    "{live:?} {run:#?}"
                ),
            },
            Deed::Extend => {
                assert_eq!(live, self.session, "{run:#?}");
                self.home.run(&["extend"]).succeeds();
            }
            Deed::Exec => self.judge_exec(live.as_ref(), &log[self.log.len()..], run),
            Deed::Passwd => self.judge_passwd(live.as_ref(), run),
            // Below, where somebody is signed in.
            Deed::Secret => {}
            Deed::Revoke => {
                assert!(run.code != 0 || live.is_none(), "{run:#?}");
                let state = self.home.status()["state"].clone();
                assert!(run.code != 0 || state == "revoked", "{state} {run:#?}");
                self.home.run(&["revoke", "--reason", "again"]).succeeds();
                assert_eq!(self.live(), None);
                self.home
                    .run(&["exec", "--", "true"])
                    .refuses(4, "no live session");
            }
            Deed::Logout => {
                assert!(run.code != 0 || live.is_none(), "{run:#?}");
                self.home.run(&["logout"]).succeeds();
                nobody_is_signed_in(&self.home);
            }
            Deed::Rotate => {
                let is_read = log.last().is_some_and(|line| line.contains("AUDIT_READ"));
                assert!(run.code != 0 || is_read, "unrecorded: {run:#?}");
                self.home.register(EMAIL, PASSWORD).succeeds();
                assert_eq!(segments(&self.home).len(), 2, "{run:#?}");
            }
            Deed::Prune => self.judge_prune(&log, run),
            Deed::Hold => self.judge_hold(run),
        }
        // Everything works as if nothing had happened, and no trace is left.
        self.login().succeeds();
        assert!(self.live().is_some());
        if matches!(deed, Deed::Secret | Deed::Passwd) {
            self.judge_secret(deed, run);
        }
        log_is_whole(&self.home);
        nothing_lies_about(&self.home);
    }

    /// A live session's creation is on record, and its end is not.
    fn live_is_on_record(&self, live: Option<&String>, run: &Run) {
        let Some(live) = live else { return };
        let mut last = None;
        // An incomplete line has not been moved aside yet.
        let lines = self.home.audit_lines();
        let events = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for event in events {
            match event["event_type"].as_str().unwrap() {
                "SESSION_CREATED" => last = event["session_id"].as_str().map(str::to_owned),
                "SESSION_TERMINATED" | "SESSION_EXPIRED" | "SESSION_INVALID"
                | "SESSION_REVOKED" => {
                    last = None;
                }
                _ => {}
            }
        }
        assert_eq!(last.as_ref(), Some(live), "{run:#?}");
    }

    fn judge_exec(&self, live: Option<&String>, events: &[String], run: &Run) {
        let has = |name: &str| events.iter().any(|line| line.contains(name));
        let runs = self.ran() - self.runs;
        assert!(runs <= 1, "{run:#?}");
        assert!(
            runs == 0 || has("COMMAND_STARTED"),
            "unrecorded: {events:?} {run:#?}"
        );
        assert!(run.code != 0 || runs == 1, "{run:#?}");
        if run.code == KILLED {
            if runs == 1 && !has("COMMAND_FINISHED") {
                assert_eq!(live, None, "{run:#?}");
            }
            if live.is_none() {
                self.home.run(&["exec", "--", "true"]).refuses(4, "died");
                let end = self.home.audit();
                let crash = |event: &Value| event["details"]["reason"] == "crash";
                assert!(end[self.log.len()..].iter().any(crash), "{end:?}");
            }
        } else if leases(&self.home).is_empty() {
            assert_eq!(live, self.session.as_ref(), "{run:#?}");
        }
        if live.is_some() {
            self.home.run(&["exec", "--", "true"]).succeeds();
        }
    }

    /// Removed events are missing only from the beginning and are on record once; the rest is
    /// removed next time.
    fn judge_prune(&self, log: &[String], run: &Run) {
        let is_of_before = |line: &&String| self.log.contains(line);
        let left: Vec<_> = log.iter().filter(is_of_before).collect();
        let kept: Vec<_> = self.log.iter().skip(self.log.len() - left.len()).collect();
        assert_eq!(left, kept, "an event was lost: {run:#?}");
        let recorded = || -> u64 {
            let events = self.home.audit().into_iter();
            let prunes = events.filter(|event| event["event_type"] == "AUDIT_PRUNED");
            prunes
                .map(|prune| prune["details"]["segments"].as_u64().unwrap())
                .sum()
        };
        if run.code == 0 {
            assert_eq!(
                (recorded(), left.len()),
                (5, self.log.len() - 15),
                "{run:#?}"
            );
        }
        // Now today is on record, so one more of the old days is old enough.
        self.home.register(EMAIL, PASSWORD).succeeds();
        self.home.run(&["audit", "prune"]).succeeds();
        assert_eq!(recorded(), 6, "{run:#?}");
        assert_eq!(segments(&self.home).len(), 4 + 1, "{run:#?}");
    }

    /// The hold is either in force and prevents removal, or it is not and does not.
    fn judge_hold(&self, run: &Run) {
        let holds = self.home.run(&["audit", "hold", "list", "--json"]);
        let holds = holds.succeeds().json()["holds"].as_array().unwrap().len();
        assert!(run.code != 0 || holds == 1, "{run:#?}");
        let before = segments(&self.home);
        self.home.run(&["audit", "prune"]).succeeds();
        assert_eq!(segments(&self.home) == before, holds == 1, "{run:#?}");
        if holds == 1 {
            self.login().succeeds();
            assert_eq!(segments(&self.home), before, "{run:#?}");
            self.home
                .run(&["audit", "hold", "remove", "case-7"])
                .succeeds();
            self.home.run(&["audit", "prune"]).succeeds();
        }
        assert_eq!(segments(&self.home), before[6..], "{run:#?}");
    }

    /// The secret has the old value or the new one, whichever password is valid now; and what the
    /// log says of it is true, except for a last change that was killed or failed.
    fn judge_secret(&self, deed: Deed, run: &Run) {
        let value = self.value();
        let is_old = self.secret.as_ref() == Some(&value);
        let is_new = deed == Deed::Secret && value == self.new_value();
        let must_be_new = deed == Deed::Secret && run.code == 0;
        assert!(is_new || is_old && !must_be_new, "{value:?} {run:#?}");
        let listed = self.home.run(&["secret", "list", "--json"]).succeeds();
        let is_good = listed.json()["as_recorded"] == true;
        let is_behind = listed.stderr.contains("the last recorded change is not");
        let may_be_behind = deed == Deed::Secret && run.code != 0 && is_old;
        assert!(
            is_good || is_behind && may_be_behind,
            "{listed:#?} {run:#?}"
        );
    }

    /// The account has one of the two emails, whole.
    fn judge_email(&mut self, live: Option<&String>, run: &Run) {
        // Not by signing in with the other email: five failures would lock it.
        if self.account()["email"] == self.email {
            assert_ne!(run.code, 0, "{run:#?}");
        } else {
            assert_eq!(self.account()["email"], self.new_email());
            assert_eq!(live, None, "a session of the old email: {run:#?}");
            assert!(run.code == 0 || run.code == KILLED, "{run:#?}");
            self.with_password(&["login", self.email]).ends_with(5);
            self.email = self.new_email();
        }
        self.with_password(&["login", self.email]).succeeds();
    }

    /// The account is there, whole, or gone, and then others can follow.
    fn judge_removal(&mut self, live: Option<&String>, run: &Run) {
        if self.account().is_null() {
            assert_eq!(live, None, "a session without an account: {run:#?}");
            assert!(run.code == 0 || run.code == KILLED, "{run:#?}");
            self.login().ends_with(5);
            self.home.register(EMAIL, self.password).succeeds();
        } else {
            assert_ne!(run.code, 0, "{run:#?}");
        }
    }

    /// The code set a password and is used up, or neither.
    fn judge_recovery(&mut self, live: Option<&String>, run: &Run) {
        let password = self.password;
        self.judge_passwd(live, run);
        let code = self.recover(self.new_password()).code;
        if self.password == password {
            assert_eq!(code, 0, "the code was lost: {run:#?}");
            self.password = self.new_password();
        } else {
            assert_eq!(code, 5, "the code was not used up: {run:#?}");
        }
    }

    /// The old code stays until the new one has taken its place.
    fn judge_new_code(&mut self, fault: &Fault, run: &Run) {
        let new = run.stdout.trim().to_owned();
        if run.code == 0 {
            self.code = new;
        }
        let works = self.recover(self.new_password()).code == 0;
        if works {
            self.password = self.new_password();
        }
        // A kill or a closed output may come between the new code and its display.
        assert!(works || fault.kills() || fault.mutes(), "{run:#?}");
    }

    fn judge_passwd(&mut self, live: Option<&String>, run: &Run) {
        let (old, new) = (self.password, self.new_password());
        let by_new = self.login_with(new).code;
        let by_old = self.login_with(old).code;
        match (by_old, by_new) {
            (0, 5) => assert_ne!(run.code, 0, "{run:#?}"),
            (5, 0) => {
                assert_eq!(live, None, "a session of the old password: {run:#?}");
                assert!(run.code == 0 || run.code == KILLED, "{run:#?}");
                self.password = new;
            }
            both => panic!("{both:?} {run:#?}"),
        }
    }
}

/// A system call, its index among those of the same name, and strace's line about it.
#[derive(Clone, Debug)]
struct Call {
    name: String,
    nth: usize,
    line: String,
}

impl Call {
    fn with(&self, effect: &'static str) -> Fault {
        Fault::At {
            call: self.name.clone(),
            nth: self.nth,
            effect,
            line: self.line.clone(),
        }
    }

    /// Whether it changes nothing that outlives the process.
    fn is_inert(&self) -> bool {
        const INERT: &[&str] = &[
            "access",
            "brk",
            "close",
            "fcntl",
            "flock",
            "fstat",
            "fstatfs",
            "getdents64",
            "geteuid",
            "getpid",
            "getrandom",
            "getsid",
            "getsockopt",
            "gettid",
            "getuid",
            "lseek",
            "madvise",
            "mlock",
            "mmap",
            "mprotect",
            "munlock",
            "munmap",
            "newfstatat",
            "poll",
            "ppoll",
            "pread64",
            "prlimit64",
            "read",
            "readlink",
            "rt_sigaction",
            "rt_sigprocmask",
            "sched_getaffinity",
            "setsockopt",
            "sigaltstack",
            "socket",
            "statx",
            "uname",
        ];
        match self.name.as_str() {
            "open" | "openat" | "openat2" => !self.line.contains("O_CREAT"),
            "ioctl" => {
                let looks = ["TCGETS", "TIOCGWINSZ", "FIONBIO"];
                looks.iter().any(|name| self.line.contains(name))
            }
            "keyctl" => {
                let looks = ["KEYCTL_READ", "KEYCTL_SEARCH"];
                looks.iter().any(|name| self.line.contains(name))
            }
            name => INERT.contains(&name),
        }
    }

    /// Whether the agent takes part in it.
    fn is_exchange(&self) -> bool {
        matches!(
            self.name.as_str(),
            "connect" | "sendto" | "shutdown" | "recvfrom"
        )
    }

    /// Where a write at an offset begins, and its length.
    fn extent(&self) -> Option<(u64, u64)> {
        let (arguments, _) = self.line.strip_prefix("pwrite64(")?.rsplit_once(") = ")?;
        let mut last = arguments.rsplit(", ").map(str::parse);
        Some((last.next()?.ok()?, last.next()?.ok()?))
    }

    /// The ways in which the system can refuse it.
    fn refusals(&self) -> &'static [&'static str] {
        match self.name.as_str() {
            "write" | "pwrite64" => &["error=ENOSPC", "error=EIO"],
            "fsync" | "fdatasync" => &["error=EIO", "error=ENOSPC"],
            "open" | "openat" if self.line.contains("O_CREAT") => {
                &["error=ENOSPC", "error=EROFS", "error=EIO"]
            }
            "open" | "openat" => &["error=EIO", "error=EACCES"],
            "mkdir" | "mkdirat" => &["error=ENOSPC", "error=EROFS"],
            "rename" | "renameat" | "renameat2" => &["error=ENOSPC", "error=EIO", "error=EROFS"],
            "unlink" | "unlinkat" => &["error=EIO", "error=EROFS"],
            "ftruncate" => &["error=EIO"],
            "add_key" => &["error=EDQUOT"],
            _ => &[],
        }
    }
}

/// Makes every write of `command` fail that would extend a file beyond this size.
#[allow(unsafe_code)]
fn limit_file_size(command: &mut Command, most: u64) {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: between fork and exec, only one system call runs, on a value that was made before.
    unsafe {
        command.pre_exec(move || {
            if libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
}

fn calls_of(deed: Deed, keeper: &'static str) -> Vec<Call> {
    let mut stage = Stage::new(keeper);
    stage.prepare(deed);
    // Trace the second time, because some files are created only once.
    if !deed.needs_new_home() {
        stage.strace(deed, &["-o", "/dev/null"]).succeeds();
        match deed {
            Deed::Passwd | Deed::Recover => stage.password = stage.new_password(),
            Deed::Email => stage.email = stage.new_email(),
            Deed::Remove => drop(stage.home.register(EMAIL, PASSWORD).succeeds()),
            _ => {}
        }
        stage.prepare(deed);
    }
    stage.calls(deed)
}

/// A kill before each call.
fn kills(calls: &[Call]) -> Vec<Fault> {
    calls.iter().map(|call| call.with(KILL)).collect()
}

/// One kill for each distinct state.
fn distinct_kills(calls: &[Call]) -> Vec<Fault> {
    let distinct = calls.windows(2).filter(|pair| !pair[0].is_inert());
    distinct.map(|pair| pair[1].with(KILL)).collect()
}

/// Every call that can be refused, in each way.
fn refusals(calls: &[Call]) -> Vec<Fault> {
    let each = |call: &Call| -> Vec<Fault> {
        let effects = call.refusals().iter();
        effects.map(|effect| call.with(effect)).collect()
    };
    calls.iter().flat_map(each).collect()
}

/// Every call that can be refused, in one way each; calls of the same name take turns.
fn refusals_in_turn(calls: &[Call]) -> Vec<Fault> {
    let mut turns = std::collections::HashMap::<&str, usize>::new();
    let mut faults = Vec::new();
    for call in calls {
        let ways = call.refusals();
        if ways.is_empty() {
            continue;
        }
        let turn = turns.entry(&call.name).or_default();
        faults.push(call.with(ways[*turn % ways.len()]));
        *turn += 1;
    }
    faults
}

/// The distinct kills around what the agent is told and answers.
fn kills_around_exchanges(calls: &[Call]) -> Vec<Fault> {
    let changing: Vec<_> = (0..calls.len().saturating_sub(1))
        .filter(|&index| !calls[index].is_inert())
        .collect();
    let beside = |pair: &&[usize]| pair.iter().any(|&index| calls[index].is_exchange());
    let pairs = changing.windows(2).filter(beside);
    pairs.map(|pair| calls[pair[0] + 1].with(KILL)).collect()
}

/// Truncated writes, at lengths that the log or the database reaches.
fn short_writes(deed: Deed, calls: &[Call]) -> Vec<Fault> {
    match deed {
        Deed::Extend | Deed::Exec | Deed::Logout | Deed::Revoke => {
            (0..2_000).step_by(37).map(Fault::LogGrowth).collect()
        }
        // With a log of so few days, no file is longer.
        Deed::Rotate | Deed::Prune | Deed::Hold => {
            (0..8_000).step_by(83).map(Fault::FileSize).collect()
        }
        // Each write at an offset, refused and cut in the middle.
        _ => {
            let writes: BTreeSet<_> = calls.iter().filter_map(Call::extent).collect();
            let cuts = writes
                .into_iter()
                .flat_map(|(begin, length)| [begin, begin + length / 2]);
            let cuts: BTreeSet<_> = cuts.collect();
            let log = (0..2_000).step_by(137).map(Fault::LogGrowth);
            cuts.into_iter().map(Fault::FileSize).chain(log).collect()
        }
    }
}

/// Runs the deed once with each fault. Returns how many faults took effect.
fn sweep(deed: Deed, keeper: &'static str, faults: &[Fault], threads: usize) {
    let failures = Mutex::new(Vec::new());
    let met = std::sync::atomic::AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (failures, met) = (&failures, &met);
            scope.spawn(move || {
                let mut stage = Stage::new(keeper);
                let mine = faults.iter().skip(thread).step_by(threads);
                for (number, fault) in mine.enumerate() {
                    if deed.needs_new_home() || number % FAULTS_PER_HOME == 0 {
                        stage = Stage::new(keeper);
                    }
                    let judged = catch_unwind(AssertUnwindSafe(|| {
                        stage.prepare(deed);
                        let run = stage.suffer(deed, fault);
                        if run.code != 0 {
                            met.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                        stage.judge(deed, fault, &run);
                    }));
                    if judged.is_err() {
                        failures.lock().unwrap().push(format!("{fault:?}"));
                        stage = Stage::new(keeper);
                    }
                }
            });
        }
    });
    let (failures, met) = (failures.into_inner().unwrap(), met.into_inner());
    println!(
        "{deed:?} with the {keeper}: {} points, {met} of them ended it early, {:.1} s",
        faults.len(),
        begun.elapsed().as_secs_f32()
    );
    assert!(failures.is_empty(), "{deed:?}: {failures:#?}");
    assert!(met > 0, "no fault came about");
}

/// A selection, evenly spaced, that fits into a test of a few seconds.
fn some(faults: Vec<Fault>, count: usize) -> Vec<Fault> {
    let step = faults.len().div_ceil(count).max(1);
    // From the end: the last fault is after the deed, before it is reported.
    faults.into_iter().rev().step_by(step).collect()
}

fn sweep_some_kills(deed: Deed) {
    if can_trace() {
        let kills = distinct_kills(&calls_of(deed, "kernel"));
        sweep(deed, "kernel", &some(kills, 8), 2);
    }
}

fn sweep_some_refusals(deeds: &[Deed]) {
    if can_trace() {
        for &deed in deeds {
            let refusals = refusals(&calls_of(deed, "kernel"));
            sweep(deed, "kernel", &some(refusals, 5), 2);
        }
    }
}

fn sweep_all(faults_of: impl Fn(Deed, &[Call], &str) -> Vec<Fault>) {
    assert!(can_trace());
    let threads = std::thread::available_parallelism().map_or(2, |cores| 2 * usize::from(cores));
    let begun = Instant::now();
    let mut points = 0;
    for keeper in ["kernel", "agent"] {
        for deed in DEEDS {
            // A deed that uses no session is the same with either keeper.
            if keeper == "agent" && !deed.uses_a_session() {
                continue;
            }
            let faults = faults_of(deed, &calls_of(deed, keeper), keeper);
            points += faults.len();
            sweep(deed, keeper, &faults, threads);
        }
    }
    let seconds = begun.elapsed().as_secs();
    println!("{points} points tried in {seconds} s, {threads} at a time");
}

#[test]
fn a_kill_while_registering_loses_no_account_and_leaves_nothing() {
    sweep_some_kills(Deed::Register);
}

#[test]
fn a_kill_while_signing_in_leaves_no_session_that_is_not_on_record() {
    sweep_some_kills(Deed::FirstLogin);
    sweep_some_kills(Deed::Login);
}

#[test]
fn a_kill_while_extending_leaves_the_session_live() {
    sweep_some_kills(Deed::Extend);
}

#[test]
fn a_kill_while_running_a_command_ends_the_session_or_leaves_it_as_it_was() {
    sweep_some_kills(Deed::Exec);
}

#[test]
fn a_kill_while_setting_a_secret_leaves_the_old_value_or_the_new_one() {
    sweep_some_kills(Deed::Secret);
}

#[test]
fn a_kill_while_changing_the_password_leaves_exactly_one_that_signs_in() {
    sweep_some_kills(Deed::Passwd);
}

#[test]
fn a_kill_while_changing_an_account_leaves_the_old_one_or_the_new_one() {
    sweep_some_kills(Deed::Rename);
    sweep_some_kills(Deed::Email);
}

#[test]
fn a_kill_while_removing_an_account_leaves_it_whole_or_gone() {
    sweep_some_kills(Deed::Remove);
}

#[test]
fn a_kill_while_recovering_leaves_the_code_unused_or_the_new_password_set() {
    sweep_some_kills(Deed::Recover);
    sweep_some_kills(Deed::NewCode);
}

#[test]
fn a_kill_while_migrating_leaves_the_old_tables_or_the_new_ones_and_every_account() {
    sweep_some_kills(Deed::Migrate);
}

#[test]
fn a_kill_while_signing_out_leaves_nothing_that_a_second_time_does_not_end() {
    sweep_some_kills(Deed::Logout);
}

#[test]
fn a_kill_while_revoking_leaves_nothing_that_a_second_time_does_not_end() {
    sweep_some_kills(Deed::Revoke);
}

#[test]
fn a_kill_while_a_segment_follows_another_leaves_a_log_that_verifies_and_goes_on() {
    sweep_some_kills(Deed::Rotate);
}

#[test]
fn a_kill_while_pruning_leaves_a_log_that_verifies_and_the_next_pruning_ends_it() {
    sweep_some_kills(Deed::Prune);
}

#[test]
fn a_kill_while_a_hold_is_added_leaves_one_that_stops_removal_or_none() {
    sweep_some_kills(Deed::Hold);
}

#[test]
fn a_refused_call_is_told_and_the_next_command_works() {
    sweep_some_refusals(&DEEDS);
}

#[test]
fn a_write_cut_short_is_told_and_loses_no_event() {
    use Deed::{Exec, Extend, Hold, Logout, Prune, Register, Revoke, Rotate};
    for deed in [Register, Extend, Exec, Logout, Revoke, Rotate, Prune, Hold] {
        let calls = if can_trace() {
            calls_of(deed, "kernel")
        } else {
            Vec::new()
        };
        sweep(deed, "kernel", &some(short_writes(deed, &calls), 6), 2);
    }
}

#[test]
#[ignore = "takes minutes: tests/crash-sweep runs it"]
fn every_state_every_refused_call_and_every_short_write() {
    sweep_all(|deed, calls, keeper| match keeper {
        // Refusals by the disk are the same with either keeper, and so is what follows them.
        "agent" if deed.is_about_the_session() => distinct_kills(calls),
        "agent" => kills_around_exchanges(calls),
        _ => [
            distinct_kills(calls),
            refusals_in_turn(calls),
            short_writes(deed, calls),
        ]
        .concat(),
    });
}

#[test]
#[ignore = "takes many minutes: tests/crash-sweep --every-call runs it"]
fn a_kill_at_every_call_and_every_refusal_in_every_way() {
    sweep_all(|_, calls, _| [kills(calls), refusals(calls)].concat());
}
