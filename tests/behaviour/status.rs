//! `status`, `extend` and `logout`: their output, and that read-only commands change nothing.

use serde_json::Value;

use crate::support::{EMAIL, Home, tree};

const KEYS: [&str; 12] = [
    "schema",
    "state",
    "session_id",
    "username",
    "created_at",
    "last_activity_at",
    "expires_at",
    "remaining_seconds",
    "idle_timeout_seconds",
    "max_expires_at",
    "limited_by",
    "keeper",
];

/// The keys of a JSON object, in printed order.
fn keys_in_order(json: &str) -> Vec<String> {
    let mut keys: Vec<(usize, String)> =
        serde_json::from_str::<serde_json::Map<String, Value>>(json)
            .unwrap()
            .keys()
            .map(|key| (json.find(&format!("\"{key}\":")).unwrap(), key.clone()))
            .collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

#[test]
fn status_tells_of_a_live_session_with_fixed_keys() {
    let home = Home::signed_in();
    let run = home.run(&["status", "--json"]).succeeds();
    assert_eq!(run.stderr, "");
    assert_eq!(keys_in_order(&run.stdout), KEYS);
    let status = run.json();
    assert_eq!(status["schema"], 1);
    assert_eq!(status["state"], "active");
    assert_eq!(status["username"], EMAIL);
    assert_eq!(status["idle_timeout_seconds"], 900);
    assert_eq!(status["limited_by"], "idle");
    assert!(["kernel", "agent"].contains(&status["keeper"].as_str().unwrap()));
    let remaining = status["remaining_seconds"].as_u64().unwrap();
    assert!((1..=900).contains(&remaining), "{remaining}");
    for time in [
        "created_at",
        "last_activity_at",
        "expires_at",
        "max_expires_at",
    ] {
        let text = status[time].as_str().unwrap();
        assert!(humantime::parse_rfc3339(text).is_ok(), "{time}: {text}");
        assert!(text.ends_with('Z'));
    }
    let at = |time: &str| humantime::parse_rfc3339(status[time].as_str().unwrap()).unwrap();
    let length = at("max_expires_at")
        .duration_since(at("created_at"))
        .unwrap();
    assert_eq!(length.as_secs(), 4 * 3600);
}

#[test]
fn status_tells_that_there_is_none_with_the_same_keys_and_null_in_them() {
    let home = Home::registered();
    for state in ["never", "signed out"] {
        let run = home.run(&["status", "--json"]).ends_with(4);
        assert_eq!(keys_in_order(&run.stdout), KEYS, "{state}");
        let status = run.json();
        assert_eq!(status["state"], "none");
        assert!(
            KEYS[2..].iter().all(|key| status[key].is_null()),
            "{status}"
        );
        home.login(&[]).succeeds();
        home.run(&["logout"]).succeeds();
    }
}

#[test]
fn status_tells_that_a_session_has_expired_until_the_next_command_clears_it_away() {
    let home = Home::registered();
    home.login(&["--idle", "1s"]).succeeds();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let before = tree(&home.path());
    let run = home.run(&["status", "--json"]).ends_with(4);
    assert_eq!(keys_in_order(&run.stdout), KEYS);
    let status = run.json();
    assert_eq!(status["state"], "expired");
    assert_eq!(status["remaining_seconds"], 0);
    assert!(status["session_id"].is_string());
    assert_eq!(home.run(&["status", "--check"]).code, 4);
    home.run(&["whoami"]).refuses(4, "no live session");
    assert_eq!(tree(&home.path()), before, "looking changed something");
    home.run(&["extend"]).refuses(4, "no live session");
    assert_eq!(home.status()["state"], "none");
}

#[test]
fn looking_extends_nothing_writes_nothing_and_records_nothing() {
    let home = Home::signed_in();
    let before = (
        tree(&home.path()),
        home.status()["last_activity_at"].clone(),
    );
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["status", "--check"],
        &["status", "--prompt"],
        &["whoami"],
        &["whoami", "--json"],
    ] {
        home.run(arguments).succeeds();
    }
    let after = (
        tree(&home.path()),
        home.status()["last_activity_at"].clone(),
    );
    assert_eq!(before, after);
    // Neither does finding an account by its email, which opens the database.
    home.run(&["status", "--account", EMAIL]).succeeds();
    assert_eq!(tree(&home.path()), before.0);
}

#[test]
fn looking_creates_no_home() {
    let home = Home::bare();
    assert_eq!(home.status()["state"], "none");
    assert_eq!(home.run(&["status", "--check"]).code, 4);
    assert_eq!(home.run(&["status", "--prompt"]).ends_with(4).stdout, "");
    home.run(&["whoami"]).refuses(4, "no live session");
    home.run(&["extend"]).refuses(4, "no live session");
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    home.run(&["logout"]).succeeds();
    home.run(&["logout", "--all"]).succeeds();
    let listed = home.run(&["audit", "--json"]).succeeds().json();
    assert_eq!(listed["total"], 0);
    assert!(!home.path().exists());
}

#[test]
fn check_prints_nothing_and_answers_with_its_exit_code() {
    let home = Home::registered();
    for (more, code) in [(&["--check"][..], 4), (&["--check", "--json"], 4)] {
        let run = home.run(&[&["status"], more].concat()).ends_with(code);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    }
    home.login(&[]).succeeds();
    let run = home.run(&["status", "--check"]).succeeds();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn the_prompt_shows_when_the_session_ends_and_nothing_when_signed_out() {
    let home = Home::registered();
    let shown = |arguments: &[&str]| {
        let run = home.run(arguments);
        assert_eq!(run.stderr, "");
        assert_eq!(run.code, if run.stdout.is_empty() { 4 } else { 0 });
        run.stdout
    };
    assert_eq!(shown(&["status", "--prompt"]), "");
    home.login(&[]).succeeds();
    // The tests run in UTC.
    let ends = |from: usize, to: usize| {
        let ends = home.status()["expires_at"].as_str().unwrap().to_owned();
        format!("until {}\n", &ends[from..to])
    };
    assert_eq!(shown(&["status", "--prompt"]), ends(11, 16));
    assert_eq!(shown(&["--json", "status", "--prompt", "-q"]), ends(11, 16));
    home.login(&["--idle", "59s"]).succeeds();
    assert_eq!(
        shown(&["status", "--prompt"]),
        ends(11, 19),
        "to the second"
    );
    home.login(&["--idle", "1s"]).succeeds();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(shown(&["status", "--prompt"]), "", "of an expired one");
    home.run(&["logout"]).succeeds();
    assert_eq!(shown(&["status", "--prompt"]), "");
}

#[test]
fn a_prompt_that_cannot_tell_shows_nothing_and_fails_with_the_reason() {
    let home = Home::signed_in();
    std::fs::write(home.path().join("config.toml"), "idle = 7").unwrap();
    let run = home.run(&["status", "--prompt"]).ends_with(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("config.toml"), "{run:#?}");
    home.run(&["status", "--prompt", "--check"])
        .refuses(2, "--prompt");
}

#[test]
fn extending_starts_the_idle_time_anew_and_is_recorded() {
    let home = Home::signed_in();
    let before = home.status();
    let extended = home.run(&["extend", "--json"]).succeeds();
    assert_eq!(keys_in_order(&extended.stdout), KEYS);
    let extended = extended.json();
    assert_eq!(extended["session_id"], before["session_id"]);
    assert_eq!(extended["remaining_seconds"], 900);
    assert!(extended["last_activity_at"].as_str() > before["last_activity_at"].as_str());
    assert!(extended["expires_at"].as_str() > before["expires_at"].as_str());
    assert_eq!(extended["max_expires_at"], before["max_expires_at"]);
    let events = home.events();
    assert_eq!(
        events[events.len() - 2..],
        ["SESSION_VALIDATED", "SESSION_EXTENDED"]
    );
    home.run(&["exec", "--no-extend", "--", "true"]).succeeds();
    assert_eq!(
        home.status()["last_activity_at"],
        extended["last_activity_at"]
    );
    home.run(&["exec", "--", "true"]).succeeds();
    assert!(home.status()["last_activity_at"].as_str() > extended["last_activity_at"].as_str());
}

#[test]
fn login_and_status_tell_the_same_of_a_session() {
    let home = Home::registered();
    let login = home
        .login(&["--json", "--idle", "5m", "--max", "1h"])
        .succeeds();
    assert_eq!(keys_in_order(&login.stdout), KEYS);
    let (login, status) = (login.json(), home.status());
    for key in KEYS {
        if key != "remaining_seconds" {
            assert_eq!(login[key], status[key], "{key}");
        }
    }
    assert_eq!(login["idle_timeout_seconds"], 300);
}

#[test]
fn a_session_kept_by_the_agent_is_used_extended_ended_and_runs_out_as_any() {
    let home = Home::signed_in_with("agent");
    assert_eq!(home.status()["keeper"], "agent");
    home.run(&["exec", "--", "true"]).succeeds();
    home.run(&["extend"]).succeeds();
    assert!(home.is_active());
    home.run(&["logout"]).succeeds();
    assert_eq!(home.status()["state"], "none");
    home.login(&["--idle", "1s"]).succeeds();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(home.status()["state"], "expired");
    home.run(&["exec", "--", "true"])
        .refuses(4, "no live session");
    assert!(home.events().contains(&"SESSION_EXPIRED".to_owned()));
}

#[test]
fn naming_the_account_that_is_signed_in_needs_no_account_directory() {
    let home = Home::signed_in();
    std::fs::rename(home.path().join("accounts.db"), home.outside("elsewhere")).unwrap();
    let named = home.run(&["status", "--json", "--account", "Alice@Example.com"]);
    assert_eq!(named.succeeds().json()["state"], "active");
    home.run(&["exec", "--account", EMAIL, "--", "true"])
        .succeeds();
    let other = home.run(&["status", "--json", "--account", "bob@example.com"]);
    assert_eq!(other.ends_with(4).json()["state"], "none");
}

#[test]
fn in_every_form_status_ends_with_0_while_a_session_is_live_and_with_4_without_one() {
    let home = Home::registered();
    let forms: [&[&str]; 8] = [
        &["status"],
        &["status", "-q"],
        &["status", "--json"],
        &["status", "--check"],
        &["status", "--prompt"],
        &["status", "--notice"],
        &["--json", "status", "--prompt"],
        &["status", "--account", EMAIL],
    ];
    let each_ends_with = |code| {
        for form in forms {
            home.run(form).ends_with(code);
        }
    };
    each_ends_with(4);
    home.run(&["status", "--watch"]).ends_with(4);
    home.login(&["--idle", "4s"]).succeeds();
    let run = home.run(&["status", "--watch"]).ends_with(4);
    assert!(run.stderr.contains("after 4s without activity"), "{run:#?}");
    each_ends_with(4); // of an expired one
    home.login(&[]).succeeds();
    each_ends_with(0);
    home.run(&["lock"]).succeeds();
    each_ends_with(4);
}
