//! `doctor`: its findings, that one finding does not hide another, and that it changes nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::AuditLog;
use nightlatch_audit::{DangerUnsynced, Details, Event};
use nightlatch_core::clock::{Boot, Clock, Moment};
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;
use serde_json::Value;

use crate::support::checks::until;
use crate::support::days::used_for_days;
use crate::support::forbid::{KEYRING, KEYRING_AND_SOCKETS, forbid};
use crate::support::users::{acting_as, program_for_all};
use crate::support::{EMAIL, Home, PASSWORD, Run, keys, tree};

/// The result of each check.
struct Told {
    run: Run,
    report: Value,
}

impl Told {
    #[track_caller]
    fn by(command: Command) -> Self {
        let run = Run::of(command);
        let report = run.json();
        let failures = report["failures"].as_u64().unwrap();
        assert_eq!(run.code, i32::from(failures > 0), "{run:#?}");
        assert_eq!(report["ok"], failures == 0, "{run:#?}");
        Self { run, report }
    }

    #[track_caller]
    fn of(home: &Home) -> Self {
        Self::by(home.command(&["doctor", "--json"]))
    }

    /// Runs it, and asserts that every file is unchanged.
    #[track_caller]
    fn changing_nothing(home: &Home) -> Self {
        let before = tree(&home.path());
        let told = Self::of(home);
        assert_eq!(tree(&home.path()), before);
        told
    }

    /// Asserts that `check` has the result `state` and mentions `part`.
    #[track_caller]
    fn has(&self, check: &str, state: &str, part: &str) -> &Self {
        let found = self.report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|found| {
                let text = found["found"].as_str().unwrap();
                found["check"] == check && found["state"] == state && text.contains(part)
            });
        assert!(found, "no {check} {state} {part:?}: {:#?}", self.run);
        self
    }

    /// Asserts that only these checks failed.
    #[track_caller]
    fn fails_only(&self, checks: &[&str]) -> &Self {
        let checks_there = self.report["checks"].as_array().unwrap();
        let mut failed: Vec<_> = checks_there
            .iter()
            .filter(|found| found["state"] == "fail")
            .map(|found| found["check"].as_str().unwrap())
            .collect();
        failed.dedup();
        assert_eq!(failed, checks, "{:#?}", self.run);
        self
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn without_a_home_nothing_fails_and_nothing_is_made() {
    let home = Home::bare();
    let told = Told::of(&home);
    told.has("home", "ok", "is not there yet").fails_only(&[]);
    assert!(!home.path().exists());
    let run = home.run(&["doctor"]).succeeds();
    assert!(
        run.stdout
            .lines()
            .any(|line| line.starts_with("ok    version")),
        "{run:#?}"
    );
    assert!(run.stderr.starts_with("nothing "), "{run:#?}");
}

/// The system's clock, with the boot id of a previous boot.
struct BootBefore;

impl Clock for BootBefore {
    fn now(&self) -> Moment {
        SystemClock.now()
    }

    fn boot(&self) -> std::io::Result<Boot> {
        let id = [7; 16];
        Ok(Boot {
            id,
            ..SystemClock.boot()?
        })
    }

    fn sleep(&self, _: Duration) {}
}

#[test]
fn lines_that_went_with_the_power_are_no_damage_to_doctor_either() {
    let home = Home::registered();
    let dir = Arc::new(Dir::open_or_create(&home.path()).unwrap());
    let before = AuditLog::new(Arc::clone(&dir), Arc::new(BootBefore));
    let append = |log: &AuditLog| log.append_durable(&[Event::new(Details::LoginAttempt)]);
    append(&before).unwrap();
    append(&before).unwrap();
    let segment = home.path().join("audit/0000000000000001.jsonl");
    let whole = fs::read(&segment).unwrap();
    let cut = || fs::write(&segment, &whole[..whole.len() - 400]).unwrap();
    cut();
    Told::changing_nothing(&home)
        .has("audit", "warn", "1 line went with the power")
        .has("audit", "ok", "; verifies")
        .fails_only(&[]);
    home.run(&["audit", "verify"]).succeeds();
    append(&AuditLog::new(dir, Arc::new(SystemClock))).unwrap();
    assert!(fs::read(&segment).unwrap().starts_with(&whole));
    Told::of(&home).has("audit", "ok", "; verifies");
    // Within this boot nothing explains a missing end.
    cut();
    Told::of(&home).fails_only(&["audit"]);
    home.run(&["audit", "verify"]).ends_with(7);
}

#[test]
fn the_report_has_fixed_keys_and_nothing_is_changed_by_it() {
    for home in [Home::registered(), Home::signed_in().with_keeper("kernel")] {
        let before = tree(&home.path());
        let was_active = home.run(&["status", "--check"]).code;
        let told = Told::of(&home);
        home.run(&["doctor"]).succeeds();
        assert_eq!(tree(&home.path()), before);
        assert_eq!(home.run(&["status", "--check"]).code, was_active);
        let keys = |value: &Value| {
            let keys = value.as_object().unwrap().keys();
            keys.cloned().collect::<Vec<_>>()
        };
        assert_eq!(
            keys(&told.report),
            ["schema", "ok", "warnings", "failures", "checks"]
        );
        assert_eq!(told.report["schema"], 1);
        for check in told.report["checks"].as_array().unwrap() {
            assert_eq!(keys(check), ["check", "state", "found", "advice"]);
        }
        told.fails_only(&[])
            .has("files", "ok", "yours alone")
            .has("accounts", "ok", "1, and the database is whole")
            .has("audit", "ok", "; verifies")
            .has("config", "ok", "nothing is wrong")
            .has("syslog", "ok", "off")
            .has("commands", "ok", "0 running")
            .has("clock", "ok", "not shifted")
            .has("cores", "ok", "nightlatch leaves none");
    }
}

#[test]
fn what_is_open_to_others_is_a_warning_and_what_they_may_have_written_a_failure_and_both_stay() {
    let home = Home::registered();
    set_mode(&home.path(), 0o755);
    set_mode(&home.path().join("seal/state"), 0o644);
    Told::changing_nothing(&home)
        .has("home", "warn", "mode 0755")
        .has("files", "warn", "mode 0644")
        .has("accounts", "ok", "whole")
        .fails_only(&[]);
    set_mode(&home.path().join("accounts.db"), 0o622);
    fs::hard_link(home.path().join("seal/state"), home.outside("seal")).unwrap();
    symlink("/dev/null", home.path().join("current")).unwrap();
    Told::changing_nothing(&home)
        .has("files", "fail", "others may write to it (mode 0622)")
        .has("files", "fail", "2 hard links")
        .has("files", "fail", "symbolic link")
        .has("audit", "ok", "verifies")
        .fails_only(&["files"]);
}

#[test]
fn a_home_that_is_a_link_or_a_file_fails_and_the_rest_is_told_all_the_same() {
    let home = Home::bare();
    for make in [
        (|path| symlink("/tmp", path).unwrap()) as fn(&Path),
        |path| fs::write(path, "mine").unwrap(),
    ] {
        make(&home.path());
        let told = Told::of(&home);
        told.has("home", "fail", "it is ").has("clock", "ok", "");
        assert!(told.report["checks"].as_array().unwrap().len() > 12);
        fs::remove_file(home.path()).unwrap();
    }
}

#[test]
fn what_another_user_owns_fails() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let home = Home::registered();
    chown(home.path().join("audit"), Some(54_321), None).unwrap();
    Told::of(&home).has("files", "fail", "it belongs to user 54321");
    chown(home.path().join("audit"), Some(0), None).unwrap();
    chown(home.path(), Some(54_321), None).unwrap();
    let told = Told::of(&home);
    told.has("home", "fail", "it belongs to user 54321");
    // What was not examined is not reported as good.
    assert!(!told.run.stdout.contains("yours alone"), "{:#?}", told.run);
    chown(home.path(), Some(0), None).unwrap();
}

#[test]
fn a_damaged_account_database_fails_and_stays_as_it_is() {
    let home = Home::registered();
    let path = home.path().join("accounts.db");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    // After the header, where the tables are.
    bad[4096..8192].fill(0x5a);
    for content in [
        bad,
        b"this is no database, whatever its name says".to_vec(),
        Vec::new(),
    ] {
        fs::write(&path, content).unwrap();
        Told::changing_nothing(&home)
            .has("accounts", "fail", "accounts.db")
            .has("audit", "ok", "verifies")
            .fails_only(&["accounts"]);
    }
}

#[test]
fn a_database_in_use_or_left_by_a_crash_is_read_and_not_touched() {
    let home = Home::registered();
    let path = home.path().join("accounts.db");
    let user = rusqlite::Connection::open(&path).unwrap();
    user.execute_batch("UPDATE throttle SET failures = 0; CREATE TABLE more (a); DROP TABLE more;")
        .unwrap();
    let companions = ["accounts.db-wal", "accounts.db-shm"].map(|name| home.path().join(name));
    assert!(companions.iter().all(|path| path.exists()));
    let names = [&path, &companions[0], &companions[1]];
    let left = names.map(|path| fs::read(path).unwrap());
    for path in &companions {
        set_mode(path, 0o600);
    }
    Told::changing_nothing(&home)
        .has("accounts", "ok", "1, and the database is whole")
        .fails_only(&[]);
    // The state that a killed process leaves.
    drop(user);
    for (path, content) in names.iter().zip(&left) {
        fs::write(path, content).unwrap();
        set_mode(path, 0o600);
    }
    Told::changing_nothing(&home)
        .has("accounts", "ok", "1, and the database is whole")
        .fails_only(&[]);
    fs::remove_file(&companions[1]).unwrap();
    Told::changing_nothing(&home)
        .has("accounts", "ok", "not looked into")
        .fails_only(&[]);
}

#[test]
fn a_log_that_was_edited_cut_or_taken_away_fails() {
    let home = Home::registered();
    let segment = home.path().join("audit/0000000000000001.jsonl");
    let good = fs::read_to_string(&segment).unwrap();
    let seal = home.path().join("seal/state");
    let state = fs::read(&seal).unwrap();
    let lines: Vec<_> = good.split_inclusive('\n').collect();
    for content in [
        good.replacen("alice", "mallo", 1),
        lines[..lines.len() - 1].concat(),
        String::new(),
    ] {
        fs::write(&segment, content).unwrap();
        Told::of(&home)
            .fails_only(&["audit"])
            .has("accounts", "ok", "whole");
    }
    fs::write(&segment, &good).unwrap();
    fs::write(&seal, vec![7; state.len()]).unwrap();
    Told::of(&home)
        .has("audit", "fail", "state to seal")
        .fails_only(&["audit"]);
    fs::write(&seal, &state).unwrap();
    fs::write(&segment, good + "{\"seq\":").unwrap();
    Told::of(&home).has("audit", "warn", "bytes after the last seal");
    fs::rename(home.path().join("audit"), home.outside("audit")).unwrap();
    Told::of(&home)
        .has("audit", "fail", "is gone")
        .fails_only(&["audit"]);
    assert!(!home.path().join("audit").exists());
}

#[test]
fn of_a_large_log_the_end_is_looked_at_and_the_rest_is_told_to_be_unread() {
    let home = Home::bare();
    let dir = Arc::new(Dir::open_or_create(&home.path()).unwrap());
    let clock = Arc::new(SystemClock);
    let mut log = DangerUnsynced::new(&dir, AuditLog::new(dir.clone(), clock)).unwrap();
    for _ in 0..3000 {
        let event = Event::new(Details::LoginAttempt);
        log.append(SystemClock.now().wall, &[event]).unwrap();
    }
    log.finish().unwrap();
    Told::of(&home).has("audit", "ok", "its end is good, and the rest was not read");
    let segment = home.path().join("audit/0000000000000001.jsonl");
    let lines = fs::read_to_string(&segment).unwrap();
    let lines: Vec<_> = lines.split_inclusive('\n').collect();
    fs::write(&segment, lines[..lines.len() - 1].concat()).unwrap();
    Told::of(&home).fails_only(&["audit"]);
}

#[test]
fn a_bad_configuration_and_bad_variables_hide_nothing_else() {
    let home = Home::registered();
    home.configure("idel = \"5m\"");
    let mut command = home.command(&["doctor", "--json"]);
    command.env("NIGHTLATCH_KEEPER", "disk");
    command.env("NIGHTLATCH_ACCOUNT", "alice");
    Told::by(command)
        .has("config", "fail", "line 1: unknown key \"idel\"")
        .has("config", "fail", "NIGHTLATCH_KEEPER")
        .has("config", "fail", "NIGHTLATCH_ACCOUNT")
        .has("accounts", "ok", "whole")
        .has("audit", "ok", "verifies")
        .fails_only(&["config"]);
    home.run(&["doctor"]).refuses(1, "1 check failed");
}

#[test]
fn where_the_keyring_is_forbidden_it_says_why_and_which_keeper_is_used() {
    let told = |home: &Home, calls: &[libc::c_long], errno| {
        let mut command = home.command(&["doctor", "--json"]);
        forbid(&mut command, calls, errno);
        Told::by(command)
    };
    for (errno, why) in [
        (libc::EPERM, "Operation not permitted"),
        (libc::ENOSYS, "Function not implemented"),
    ] {
        let home = Home::registered();
        told(&home, KEYRING, errno)
            .has(
                "keeper",
                "ok",
                "agent, because the kernel keeper does not work here",
            )
            .has("keeper", "ok", why)
            .has("keeper", "ok", "seccomp")
            .fails_only(&[]);
        // Keys can be read, but not created.
        told(&home, &[libc::SYS_add_key], errno).has("keeper", "ok", why);
        told(&home, KEYRING_AND_SOCKETS, errno)
            .has("keeper", "fail", "no safe place")
            .fails_only(&["keeper"]);
        let home = home.with_keeper("kernel");
        told(&home, KEYRING, errno)
            .has("keeper", "fail", "kernel, as NIGHTLATCH_KEEPER says, but")
            .fails_only(&["keeper"]);
    }
}

#[test]
fn a_used_up_share_of_kernel_keys_is_told_and_leaves_the_agent() {
    // A user without any keys: those of a thread that has ended disappear only later.
    let user = 1_000_000 + std::process::id();
    let home = Home::bare();
    let Some(program) = program_for_all(&home) else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can act as another user");
        return;
    }
    chown(home.outside(""), Some(user), Some(user)).unwrap();
    let command = |arguments: &[&str]| {
        let ours = home.command(arguments);
        let mut command = Command::new(&program);
        command.args(arguments).env_clear().current_dir("/");
        command.envs(
            ours.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command.uid(user).gid(user);
        command
    };
    let run = |arguments: &[&str]| Run::with_input(command(arguments), PASSWORD.as_bytes());
    run(&["register", EMAIL, "--password-stdin"]).succeeds();
    acting_as(user, || {
        keys::use_up(1);
        Told::by(command(&["doctor", "--json"]))
            .has("quota", "warn", "kernel keys")
            .has("keeper", "ok", "agent, because")
            .fails_only(&[]);
        // The sign-in confirms it.
        run(&["login", "--password-stdin"]).succeeds();
        assert_eq!(run(&["status", "--json"]).json()["keeper"], "agent");
        run(&["exec", "--", "true"]).succeeds();
        run(&["logout"]).succeeds();
    });
}

#[test]
fn an_agent_is_found_running_and_found_killed() {
    let home = Home::registered().with_keeper("agent");
    Told::of(&home).has("agent", "ok", "not running").has(
        "keeper",
        "ok",
        "agent, as NIGHTLATCH_KEEPER",
    );
    home.login(&[]).succeeds();
    Told::changing_nothing(&home)
        .has("agent", "ok", "running")
        .fails_only(&[]);
    assert!(home.is_active());
    home.run(&["logout"]).succeeds();
    until("the agent has left", || {
        let told = Told::of(&home);
        told.run.stdout.contains("\"not running")
    });
}

#[test]
fn what_a_killed_guard_left_is_a_warning() {
    let home = Home::registered();
    let run = home.path().join("run");
    fs::create_dir(&run).unwrap();
    set_mode(&run, 0o700);
    fs::write(run.join("0.lease"), "{}").unwrap();
    set_mode(&run.join("0.lease"), 0o600);
    Told::changing_nothing(&home)
        .has("commands", "warn", "1 whose nightlatch was killed")
        .fails_only(&[]);
}

#[test]
fn another_nightlatch_in_the_path_is_a_warning() {
    let home = Home::bare();
    let directory = home.outside("bin");
    fs::create_dir(&directory).unwrap();
    let told = || {
        let mut command = home.command(&["doctor", "--json"]);
        command.env("PATH", &directory);
        Told::by(command)
    };
    told().has("program", "warn", "is not in PATH");
    let there = directory.join("nightlatch");
    symlink(home.command(&[]).get_program(), &there).unwrap();
    told().has("program", "ok", "bin/nightlatch");
    fs::remove_file(&there).unwrap();
    fs::write(&there, "#!/bin/sh\n").unwrap();
    told().has("program", "warn", "is not in PATH");
    set_mode(&there, 0o755);
    told().has("program", "warn", "the shell runs another nightlatch");
}

#[test]
fn a_time_namespace_that_shifts_the_clock_fails() {
    let home = Home::bare();
    let options = ["--time", "--boottime", "100", "--"];
    let probe = Command::new("unshare").args(options).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no time namespace can be made here");
        return;
    }
    let command = home.command_under("unshare", &options, &["doctor", "--json"]);
    Told::by(command)
        .has("clock", "fail", "time namespace")
        .fails_only(&["clock"]);
}

#[test]
fn names_from_the_disk_are_harmless_on_a_terminal() {
    let home = Home::registered();
    symlink("x", home.path().join("\u{1b}[31m")).unwrap();
    let run = home.run(&["doctor"]).ends_with(1);
    assert!(run.stdout.contains("\\u{1b}[31m"), "{run:#?}");
}

#[test]
fn legal_holds_and_the_reach_of_the_log_are_told() {
    let home = Home::signed_in();
    Told::changing_nothing(&home)
        .has("holds", "ok", "no legal hold is in force")
        .has(
            "retention",
            "ok",
            "kept for 90 days; it reaches back less than a day, to its first event",
        );
    home.run(&["audit", "hold", "add", "case-7"]).succeeds();
    Told::changing_nothing(&home).has("holds", "ok", "legal hold case-7, for");
}

#[test]
fn under_the_pci_policy_a_pruned_log_warns_of_what_is_missing() {
    let home = used_for_days();
    home.run(&["audit", "prune"]).succeeds();
    home.configure_audit("", "syslog = false");
    let config = home.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("[password]\n", "[password]\npolicy = \"pci\"\n");
    fs::write(&config, text).unwrap();
    Told::changing_nothing(&home)
        .has(
            "retention",
            "warn",
            "kept for 400 days; it reaches back 5 days: 360 days are missing of the 12 months",
        )
        .fails_only(&[]);
}

#[test]
fn the_file_system_under_the_sealing_keys_is_named() {
    let home = Home::registered();
    let there = nightlatch_platform::fs::storage(&home.path()).unwrap();
    let told = Told::changing_nothing(&home);
    let checks = told.report["checks"].as_array().unwrap();
    let seal = checks
        .iter()
        .find(|found| found["check"] == "seal")
        .unwrap();
    let found = seal["found"].as_str().unwrap();
    assert!(found.starts_with(&there.file_system), "{found}");
}

/// Needs root, and permission to mount.
#[test]
fn a_data_journal_under_the_sealing_keys_is_warned_of() {
    let home = Home::registered();
    let image = home.outside("image");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let seal = home.path().join("seal");
    let script = "mkfs.ext4 -q \"$0\" && mount -o loop,data=journal \"$0\" \"$1\"";
    let mounted = Command::new("sh")
        .args(["-c", script])
        .args([&image, &seal])
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: cannot make and mount a file system");
        return;
    }
    let run = home.run(&["doctor", "--json"]);
    Command::new("umount").arg(&seal).status().unwrap();
    let report = run.json();
    let checks = report["checks"].as_array().unwrap();
    let seal = checks
        .iter()
        .find(|found| found["check"] == "seal")
        .unwrap();
    assert_eq!(seal["state"], "warn");
    let found = seal["found"].as_str().unwrap();
    assert!(
        found.contains("data=journal keeps overwritten keys"),
        "{found}"
    );
    assert!(
        seal["advice"].as_str().unwrap().contains("data=ordered"),
        "{seal}"
    );
}

#[test]
fn guarded_names_that_are_no_programs_and_a_hook_that_no_shell_takes_are_told() {
    let home = Home::signed_in();
    Told::of(&home).fails_only(&[]);
    home.configure("[guard]\ncommands = [\"ls\", \"no-such-program\"]");
    Told::of(&home)
        .has("guard", "warn", "no-such-program")
        .has("hook", "warn", "no shell of yours")
        .fails_only(&[]);
    home.configure("[guard]\ncommands = [\"ls\"]");
    fs::write(home.outside(".zshrc"), "eval \"$(nightlatch hook zsh)\"\n").unwrap();
    Told::of(&home)
        .has("guard", "ok", "1 command")
        .has("hook", "ok", "~/.zshrc");
}

#[test]
fn a_command_with_secrets_that_the_hook_does_not_guard_is_a_warning() {
    let home = Home::signed_in();
    let secrets = "[guard.ls]\nsecrets = { A = \"a\" }\n";
    home.configure(secrets);
    Told::of(&home).has("guard", "warn", "not under guard.commands: ls");
    home.configure(&format!("[guard]\ncommands = [\"ls\"]\n{secrets}"));
    Told::of(&home).has("guard", "ok", "with secrets: ls");
}

#[test]
fn a_home_that_cannot_be_made_fails() {
    let home = Home::bare();
    let file = home.outside("file");
    fs::write(&file, "").unwrap();
    let below = file.join("home");
    let told = Told::by(home.command(&["--home", below.to_str().unwrap(), "doctor", "--json"]));
    told.has("home", "fail", "file");
}
