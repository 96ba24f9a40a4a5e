//! The recipes in docs/recipes.md and the units of the package, with other people's programs
//! replaced by scripts.

use std::path::Path;
use std::process::Command;

use crate::support::{EMAIL, Home, Run};

const RECIPES: &str = include_str!("../../docs/recipes.md");

/// What gdbus 2.74 prints of logind's signals.
const SESSION: &str = "/org/freedesktop/login1/session/_32: org.freedesktop";

/// The only block of the recipes in this language.
fn block(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    assert_eq!(RECIPES.matches(&start).count(), 1, "{language}");
    let (_, rest) = RECIPES.split_once(&start).unwrap();
    rest.split_once("```").unwrap().0
}

/// The command of a unit of the package, as systemd reads it, with the program at its place here.
fn command_of(unit: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    let text = std::fs::read_to_string(path.join(unit)).unwrap();
    let mut commands = text
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart="));
    let command = commands.next().unwrap().replace("$$", "$");
    assert_eq!(commands.next(), None);
    assert!(command.contains("/usr/bin/nightlatch "), "{command}");
    command.replace("/usr/bin/nightlatch", env!("CARGO_BIN_EXE_nightlatch"))
}

/// A shell that runs `command` where these programs are replaced by scripts, and `nightlatch` is in
/// the search path.
fn shell(home: &Home, command: &str, programs: &[(&str, &str)]) -> Command {
    let ours = ("nightlatch", "exec \"$NIGHTLATCH\" \"$@\"");
    for (name, script) in programs.iter().chain([&ours]) {
        home.script(name, script);
    }
    let mut shell = home.shell(command);
    shell.env("PATH", home.search_path());
    shell
}

#[test]
fn the_unit_locks_at_a_locked_screen_and_at_sleep_and_at_nothing_else() {
    let properties =
        format!("{SESSION}.DBus.Properties.PropertiesChanged ('org.freedesktop.login1.Session', ");
    let manager = "/org/freedesktop/login1: org.freedesktop.login1.Manager.";
    for (signal, locks) in [
        (format!("{SESSION}.login1.Session.Lock ()"), true),
        (format!("{SESSION}.login1.Session.Unlock ()"), false),
        (
            format!("{properties}{{'LockedHint': <true>}}, @as [])"),
            true,
        ),
        (
            format!("{properties}{{'LockedHint': <false>, 'IdleHint': <true>}}, @as [])"),
            false,
        ),
        (format!("{manager}PrepareForSleep (true,)"), true),
        (format!("{manager}PrepareForSleep (false,)"), false),
        ("Monitoring signals from all objects".to_owned(), false),
    ] {
        let home = Home::signed_in();
        let gdbus = format!(
            "test \"$*\" = 'monitor --system --dest org.freedesktop.login1' && cat <<'END'\n\
             {signal}\nEND"
        );
        let command = command_of("nightlatch-lock.service");
        let run = Run::of(shell(&home, &command, &[("gdbus", &gdbus)])).succeeds();
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
        assert_eq!(home.is_active(), !locks, "{signal}");
    }
}

#[test]
fn the_units_of_the_package_run_what_the_program_has() {
    let home = Home::signed_in();
    Run::of(shell(&home, &command_of("nightlatch-lock@.service"), &[])).succeeds();
    assert!(!home.is_active());
    Run::of(shell(&home, &command_of("nightlatch-verify.service"), &[])).succeeds();
}

#[test]
fn swayidle_and_xss_lock_end_the_session_and_then_lock_the_screen() {
    let screen = "\"$NIGHTLATCH\" status --check; echo locked with $?";
    let programs = [("swaylock", screen), ("i3lock", screen)];
    let events = block("swayidle");
    for event in ["lock", "before-sleep"] {
        let home = Home::signed_in();
        let prefix = format!("{event} '");
        let line = events.lines().find_map(|line| line.strip_prefix(&prefix));
        let command = line.unwrap().strip_suffix('\'').unwrap();
        let run = Run::of(shell(&home, command, &programs)).succeeds();
        assert_eq!(run.stdout, "locked with 4\n", "{event}");
    }
    let home = Home::signed_in();
    let xss_lock = [("xss-lock", "shift; exec \"$@\"")];
    let programs = [&programs[..], &xss_lock].concat();
    let run = Run::of(shell(&home, block("xss-lock"), &programs)).succeeds();
    assert_eq!(run.stdout, "locked with 4\n");
}

#[test]
fn starship_shows_when_the_session_locks_and_nothing_without_one() {
    let settings: toml::Table = block("toml").parse().unwrap();
    let module = &settings["custom"]["nightlatch"];
    assert_eq!(module["shell"].as_array().unwrap().len(), 2);
    let command = module["command"].as_str().unwrap();
    let home = Home::signed_in();
    let shown = Run::of(shell(&home, command, &[])).succeeds();
    assert!(shown.stdout.starts_with("until "), "{shown:?}");
    let events = home.audit_lines();
    home.run(&["lock"]).succeeds();
    let shown = Run::of(shell(&home, command, &[]));
    assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), ("", ""));
    assert_eq!(home.audit_lines().len(), events.len() + 1, "only the lock");
}

#[test]
fn powerlevel10k_gets_a_segment_with_the_time_and_none_without_a_session() {
    let home = Home::signed_in();
    // bash reads this part of zsh's language alike.
    let script = format!(
        "p10k() {{ printf '<%s>' \"$@\"; }}\nPOWERLEVEL9K_RIGHT_PROMPT_ELEMENTS=(time)\n{}\n\
         prompt_nightlatch; echo \" $?\"; echo \"${{POWERLEVEL9K_RIGHT_PROMPT_ELEMENTS[*]}}\"",
        block("zsh")
    );
    let segment = || {
        let mut bash = shell(&home, "exec bash -c \"$SCRIPT\"", &[]);
        bash.env("SCRIPT", &script);
        Run::of(bash).succeeds().stdout
    };
    let shown = segment();
    let before = "<segment><-f><yellow><-i><●><-t><until ";
    assert!(shown.starts_with(before), "{shown}");
    assert!(shown.ends_with("> 0\ntime nightlatch\n"), "{shown}");
    home.run(&["logout", "--account", EMAIL]).succeeds();
    assert_eq!(segment(), " 0\ntime nightlatch\n");
}
