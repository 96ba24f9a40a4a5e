//! Platforms that lack a feature, and how the others are tested.

use std::sync::Arc;

use nightlatch::clock::{Boot, Clock, Moment, SystemClock};
use nightlatch::{Denied, Guard, GuardConfig, SecretBuffer, SessionState};

use crate::support::{EMAIL, Home, PASSWORD};

/// The clock of a system without a boot id, such as macOS for now.
struct NoBoot;

impl Clock for NoBoot {
    fn now(&self) -> Moment {
        SystemClock.now()
    }

    fn boot(&self) -> std::io::Result<Boot> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: std::time::Duration) {
        SystemClock.sleep(duration);
    }
}

#[test]
fn where_the_boot_is_not_told_nobody_is_signed_in_and_the_log_verifies() {
    let home = Home::registered();
    let config = GuardConfig::under(home.path()).with_danger_clock(Arc::new(NoBoot));
    let guard = Guard::open(config).unwrap();
    let mut password = SecretBuffer::with_capacity(PASSWORD.len());
    assert!(password.push(PASSWORD.as_bytes()));
    let email = EMAIL.parse().unwrap();
    let refused = guard.sign_in(&email, password, guard.limits());
    let refused = refused.err().unwrap().to_string();
    assert!(
        refused.starts_with("cannot tell which boot this is"),
        "{refused}"
    );

    assert_eq!(guard.status().unwrap().state, SessionState::None);
    assert!(matches!(
        guard.require("deploy"),
        Err(Denied::NoSession { .. })
    ));
    let sessions = std::fs::read_dir(home.path().join("sessions"));
    assert_eq!(sessions.map_or(0, Iterator::count), 0);
    home.run(&["audit", "verify"]).succeeds();
}

#[test]
fn a_session_of_another_system_lets_nobody_through_where_the_boot_is_not_told() {
    let home = Home::signed_in();
    let config = GuardConfig::under(home.path()).with_danger_clock(Arc::new(NoBoot));
    let guard = Guard::open(config).unwrap();
    assert!(guard.status().is_err());
    assert!(matches!(guard.require("deploy"), Err(Denied::Failed(_))));
}

#[test]
fn the_platforms_that_are_said_to_be_checked_are() {
    let read = |path: &str| {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let (script, document) = (read(".ci/ports"), read("docs/platforms.md"));
    assert!(read(".ci/run").contains("step .ci/ports\n"));
    for target in [
        "x86_64-pc-windows-gnu",
        "aarch64-apple-darwin",
        "x86_64-unknown-linux-musl",
    ] {
        assert!(document.contains(&format!("`{target}`")), "{target}");
        let (name, _) = script
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(_, value)| *value == target)
            .unwrap();
        let used = format!("--target \"${name}\"");
        let steps = script.lines().filter(|line| line.starts_with("step cargo"));
        assert!(
            steps.into_iter().any(|step| step.contains(&used)),
            "{target}"
        );
    }
}
