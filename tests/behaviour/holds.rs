//! Legal holds on the command line: what they prevent, and who may add and remove them.

use serde_json::json;

use crate::support::checks::log_verifies;
use crate::support::days::{keep_for_two_days, segments, use_on, used_for_days};
use crate::support::{EMAIL, Home, PASSWORD};

/// A home with old segments that are due, whose account is signed in.
fn signed_in_with_old_segments() -> Home {
    let home = Home::new();
    use_on(&home, -10..0);
    home.register(EMAIL, PASSWORD).succeeds();
    home.login(&[]).succeeds();
    // Only now: a sign-in removes segments that are due.
    keep_for_two_days(&home);
    home
}

#[test]
fn a_hold_stops_prune_and_sign_in_and_its_removal_lets_them_go_on() {
    let home = signed_in_with_old_segments();
    let before = segments(&home);
    let add = [
        "audit",
        "hold",
        "add",
        "case-7",
        "--reason",
        "Smith lawsuit",
    ];
    let added = home.run(&add).succeeds();
    assert!(
        added.stderr.contains("hold case-7 is in force"),
        "{added:#?}"
    );

    for arguments in [&["audit", "prune"][..], &["audit", "prune", "--dry-run"]] {
        let stopped = home.run(arguments).succeeds();
        assert_eq!(stopped.stdout, "");
        assert!(
            stopped
                .stderr
                .contains("nothing is removed: a legal hold is in force: case-7"),
            "{stopped:#?}"
        );
        let stopped = home
            .run(&[arguments, &["--json"]].concat())
            .succeeds()
            .json();
        assert_eq!(stopped["segments"], json!([]));
        assert_eq!(
            (&stopped["from"], &stopped["to"]),
            (&json!(null), &json!(null))
        );
        assert_eq!(stopped["holds"][0]["hold"], "case-7");
    }
    let login = home.login(&[]).succeeds();
    assert!(!login.stderr.contains("hold"), "{login:#?}");
    assert_eq!(segments(&home), before);

    home.run(&["audit", "hold", "remove", "case-7"]).succeeds();
    home.run(&["audit", "prune"]).succeeds();
    assert_eq!(segments(&home), before[6..]);
    log_verifies(&home);
}

#[test]
fn a_hold_is_listed_with_its_reason_and_recorded_with_the_account() {
    let home = Home::signed_in();
    let none = home.run(&["audit", "hold", "list"]).succeeds();
    assert_eq!(
        (&*none.stdout, none.stderr.contains("no legal hold")),
        ("", true)
    );
    let add = [
        "audit",
        "hold",
        "add",
        "case-7",
        "--reason",
        "Smith\u{202e} \"lawsuit\"",
        "--json",
    ];
    let added = home.run(&add).succeeds().json();
    assert_eq!(
        added,
        json!({ "schema": 1, "hold": "case-7", "in_force": true })
    );
    let listed = home.run(&["audit", "hold", "list"]).succeeds();
    assert!(listed.stdout.starts_with("case-7  since 20"), "{listed:#?}");
    assert!(
        listed.stdout.contains("by alice@example.com: Smith"),
        "{listed:#?}"
    );
    assert!(!listed.stdout.contains('\u{202e}'), "{listed:#?}");

    let event = home.audit().pop().unwrap();
    assert_eq!(event["event_type"], "AUDIT_HOLD_ADDED");
    assert_eq!(event["username"], EMAIL);
    assert_eq!(event["session_id"], home.status()["session_id"]);
    let listed = home
        .run(&["audit", "hold", "list", "--json"])
        .succeeds()
        .json();
    assert_eq!(
        listed,
        json!({ "schema": 1, "holds": [{
            "hold": "case-7",
            "reason": "Smith\u{202e} \"lawsuit\"",
            "added_at": event["timestamp"],
            "added_by": EMAIL,
            "seq": event["seq"],
        }] })
    );
    // Listing is not recorded.
    assert_eq!(home.audit().pop().unwrap(), event);

    let remove = ["audit", "hold", "remove", "case-7", "--json"];
    let removed = home.run(&remove).succeeds().json();
    assert_eq!(
        removed,
        json!({ "schema": 1, "hold": "case-7", "in_force": false })
    );
    let event = home.audit().pop().unwrap();
    assert_eq!(event["event_type"], "AUDIT_HOLD_REMOVED");
    assert_eq!(event["details"], json!({ "hold": "case-7" }));
    assert_eq!(event["username"], EMAIL);
}

#[test]
fn a_hold_is_refused_without_a_session_twice_or_unknown() {
    let home = Home::registered();
    home.run(&["audit", "hold", "add", "a"])
        .refuses(4, "no live session");
    home.run(&["audit", "hold", "remove", "a"])
        .refuses(4, "no live session");
    home.run(&["audit", "hold", "list"]).succeeds();
    home.login(&[]).succeeds();
    home.run(&["audit", "hold", "remove", "a"])
        .refuses(3, "no legal hold a is in force");
    home.run(&["audit", "hold", "add", "a"]).succeeds();
    home.run(&["audit", "hold", "add", "a"])
        .refuses(3, "legal hold a is in force already, since 20");
    let json = home
        .run(&["audit", "hold", "add", "a", "--json"])
        .ends_with(3);
    assert!(
        json.stderr.contains("\"error\":\"hold_in_force\""),
        "{json:#?}"
    );
    let holds = home
        .events()
        .into_iter()
        .filter(|event| event.contains("HOLD"));
    assert_eq!(holds.collect::<Vec<_>>(), ["AUDIT_HOLD_ADDED"]);
}

#[test]
fn a_bad_name_or_reason_of_a_hold_is_wrong_usage_and_records_nothing() {
    let home = Home::signed_in();
    let before = home.audit_lines();
    let long = "x".repeat(65);
    for name in ["", "a b", "../x", "a\nb", &long] {
        home.run(&["audit", "hold", "add", name])
            .refuses(2, "the name of a hold has 1 to 64");
        home.run(&["audit", "hold", "remove", name])
            .refuses(2, "the name of a hold has 1 to 64");
    }
    let long = "x".repeat(201);
    for reason in ["", "a\nb", "\u{1b}[2J", &long] {
        home.run(&["audit", "hold", "add", "a", "--reason", reason])
            .refuses(2, "the reason for a hold has 1 to 200");
    }
    assert_eq!(home.audit_lines(), before);
}

#[test]
fn without_a_home_there_is_no_hold_and_none_is_made() {
    let home = Home::bare();
    let list = home
        .run(&["audit", "hold", "list", "--json"])
        .succeeds()
        .json();
    assert_eq!(list, json!({ "schema": 1, "holds": [] }));
    home.run(&["audit", "hold", "add", "a"])
        .refuses(4, "no live session");
    assert!(!home.path().exists());
}

#[test]
fn prune_needs_no_session_and_says_nothing_of_holds_that_stop_nothing() {
    let home = Home::signed_in();
    home.run(&["audit", "hold", "add", "a"]).succeeds();
    home.run(&["logout"]).succeeds();
    let prune = home.run(&["audit", "prune"]).succeeds();
    assert!(prune.stderr.contains("nothing to remove"), "{prune:#?}");
    let due = used_for_days();
    due.run(&["audit", "prune"]).succeeds();
}
