//! `on_tamper`: runs when the log does not verify and on lockout, and does not affect the caller.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::support::{EMAIL, Home, Run, files_in};

/// A command that writes its input to a file beside the home.
fn noting(home: &Home) -> String {
    format!(
        "printf '%s\\\\n' \\\"$NIGHTLATCH_ALERT\\\" \\\"$NIGHTLATCH_ALERT_MESSAGE\\\" \\\"$NIGHTLATCH_HOME\\\" >>'{}'",
        home.outside("alerts").display()
    )
}

fn configure(home: &Home, command: &str) {
    home.configure_audit("", &format!("syslog = false\non_tamper = \"{command}\""));
}

fn alerts(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.outside("alerts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Changes a line in the middle of the log.
fn tamper(home: &Home) {
    let mut segments = files_in(&home.path().join("audit"));
    segments.retain(|path| path.extension().is_some_and(|is| is == "jsonl"));
    let text = std::fs::read_to_string(&segments[0]).unwrap();
    let changed = text.replacen("LOGIN_ATTEMPT", "LOGIN_SUCCESS", 1);
    assert_ne!(changed, text);
    let mut file = std::fs::File::create(&segments[0]).unwrap();
    file.write_all(changed.as_bytes()).unwrap();
}

fn verify(home: &Home) -> Run {
    home.run(&["audit", "verify", "--alert", "--quiet"])
}

#[test]
fn a_log_that_does_not_verify_raises_the_alert() {
    let home = Home::signed_in();
    configure(&home, &noting(&home));
    verify(&home).succeeds();
    assert!(alerts(&home).is_empty());
    tamper(&home);
    home.run(&["audit", "verify"]).ends_with(7);
    assert!(alerts(&home).is_empty(), "only when asked");
    verify(&home).ends_with(7);
    let told = alerts(&home);
    assert_eq!(told[0], "tamper");
    assert!(told[1].contains("does not verify"), "{told:?}");
    assert_eq!(told[2], home.path().display().to_string());
    std::fs::remove_dir_all(home.path().join("audit")).unwrap();
    verify(&home).ends_with(7);
    assert_eq!(alerts(&home).len(), 6, "a log that is gone is one too");
}

#[test]
fn a_command_that_fails_or_is_missing_is_a_warning_and_changes_no_exit_code() {
    let home = Home::signed_in();
    tamper(&home);
    let warned = |told: &str| {
        let run = verify(&home).ends_with(7);
        assert!(run.stderr.contains(told), "{run:?}");
    };
    warned("on_tamper under [audit] is not set");
    configure(&home, "exit 3");
    warned("failed with exit code 3");
    configure(&home, "/no/such/program");
    warned("failed with exit code 127");
    configure(&home, "kill -9 $$");
    warned("ended by signal 9");
    home.run(&["audit", "verify", "--alert", "/tmp"])
        .ends_with(2);
}

#[test]
fn a_command_that_hangs_is_stopped_after_ten_seconds() {
    let home = Home::signed_in();
    tamper(&home);
    configure(&home, "trap '' TERM; sleep 600");
    let begun = Instant::now();
    let run = verify(&home).ends_with(7);
    assert!(
        run.stderr.contains("did not end within 10 seconds"),
        "{run:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_lockout_raises_the_alert_without_the_name_that_was_tried() {
    let home = Home::registered();
    configure(&home, &noting(&home));
    let mut codes = Vec::new();
    while alerts(&home).is_empty() && codes.len() < 10 {
        let wrong = home.run_with_input(
            &["login", EMAIL, "--password-stdin"],
            b"Wrong guess number 12345!",
        );
        codes.push(wrong.code);
    }
    let told = alerts(&home);
    assert_eq!(told.len(), 3, "{codes:?}");
    assert_eq!(told[0], "lockout");
    assert!(
        told[1].contains("locked") && !told[1].contains("alice"),
        "{told:?}"
    );
    assert_eq!(home.events().last().unwrap(), "ACCOUNT_LOCKED");
    home.login(&[]).ends_with(6);
    assert_eq!(alerts(&home).len(), 3, "once for each lockout");
}

#[test]
fn systemd_accepts_the_units_that_run_verification_every_day() {
    let is_there = std::process::Command::new("systemd-analyze")
        .arg("--version")
        .output();
    if is_there.is_err() {
        return;
    }
    let home = Home::bare();
    let units = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    let mut command = home.shell("systemd-analyze --user verify --man=no *.service *.timer");
    let scratch = home.outside("units");
    std::fs::create_dir(&scratch).unwrap();
    for unit in files_in(&units) {
        let text = std::fs::read_to_string(&unit).unwrap();
        let name = unit.file_name().unwrap().to_str().unwrap();
        let is_of_verification = name == "nightlatch-verify.service";
        assert_eq!(text.contains("audit verify --alert"), is_of_verification);
        // The program is elsewhere here.
        let text = text.replace("/usr/bin/nightlatch", env!("CARGO_BIN_EXE_nightlatch"));
        std::fs::write(scratch.join(name), text).unwrap();
    }
    command
        .current_dir(&scratch)
        .env("XDG_RUNTIME_DIR", &scratch);
    let run = Run::of(command).succeeds();
    assert_eq!(run.stderr, "");
}
