//! How a session ends, as the page says it.

use serde_json::json;

use crate::driver::{Chromium, LOOKS};
use crate::fixture::{self, User, accepted};
use crate::person::Person;

const NOTICE_HIDDEN: &str = "document.getElementById('notice').hidden";
/// Just before the end of a session of 15 minutes.
const NEARLY: u32 = 13 * 60 + 30;

fn revoke(user: &User) {
    let mut admin = fixture::sqlite().admin();
    let cord = json!({ "scope": "specific", "user_ids": [user.id], "reason": "laptop stolen" });
    let revoked = admin.visitor.post("/api/v2/admin/sessions/revoke", &cord);
    accepted(&revoked, 200);
}

#[test]
fn a_notice_comes_two_minutes_before_the_end_and_keeps_the_session() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    let (server, user) = (fixture::sqlite(), fixture::sqlite().user());
    let window = chromium.window();
    let mut ann = Person::signed_in(server, &mut chromium, &window, &user, LOOKS[0]);
    ann.open("/account");
    ann.wait(NOTICE_HIDDEN);
    ann.later(NEARLY);
    ann.sees("/account", "Your session ends in less than two minutes.");
    // As assistive technology does it: a key or a mouse would count as activity before.
    ann.eval("void document.querySelector('#notice button').click()");
    ann.wait(NOTICE_HIDDEN);
    ann.sees("/account", "in 15 min");
    ann.later(NEARLY);
    ann.sees("/account", "Your session ends in less than two minutes.");
    ann.next_stop();
    ann.wait(NOTICE_HIDDEN);
    ann.sees("/account", "in 15 min");
    ann.chromium.was_quiet(server.address);
}

#[test]
fn a_page_says_by_itself_that_the_session_ended() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    let (server, mut user) = (fixture::sqlite(), fixture::sqlite().user());
    let window = chromium.window();
    let mut ann = Person::signed_in(server, &mut chromium, &window, &user, LOOKS[0]);
    ann.open("/tasks");
    assert_eq!(
        user.visitor.post("/api/v2/auth/signout", &json!({})).status,
        204
    );
    ann.later(15 * 60);
    ann.sees("/tasks", "You are signed out.");
    ann.follow("Sign in");
    ann.sees("/login", "No account yet?");
    ann.chromium.was_quiet(server.address);
}

#[test]
fn a_revoked_person_is_told_the_reason_on_the_open_page_and_on_the_next() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    let (server, user) = (fixture::sqlite(), fixture::sqlite().user());
    let window = chromium.window();
    let mut ann = Person::signed_in(server, &mut chromium, &window, &user, LOOKS[2]);
    ann.open("/account");
    revoke(&user);
    ann.later(15 * 60);
    ann.sees(
        "/account",
        "ended by an administrator. Reason: laptop stolen",
    );
    ann.follow("Tasks");
    ann.sees("/tasks", "Your session was ended");
    ann.sees("/tasks", "laptop stolen");
    ann.follow("Sign in");
    ann.sees("/login", "No account yet?");
    ann.chromium.was_quiet(server.address);
}

#[test]
fn a_sign_out_shows_in_the_other_tab() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    let (server, user) = (fixture::sqlite(), fixture::sqlite().user());
    let window = chromium.window();
    let mut ann = Person::signed_in(server, &mut chromium, &window, &user, LOOKS[2]);
    ann.open("/account");
    let first = ann.tab.clone();
    ann.tab = ann.chromium.tab(&window, &user.visitor.address, LOOKS[2]);
    ann.open("/tasks");
    ann.follow("Sign out");
    ann.sees("/login", "signed out");
    ann.tab = first;
    ann.sees("/account", "You signed out in another tab.");
    ann.chromium.was_quiet(server.address);
}
