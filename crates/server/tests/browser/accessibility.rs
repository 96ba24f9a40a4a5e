//! Every page under the eyes of axe-core, at two widths, by day and by night.

use std::path::Path;

use serde_json::{Value, json};

use crate::chromium::axe;
use crate::driver::{Chromium, LOOKS, Look};
use crate::fixture::{self, PASSWORD};
use crate::person::Person;

const RUN: &str = "axe.run(document, { resultTypes: ['violations'] }).then(found => ({
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
    width: innerWidth,
    scrolls: document.documentElement.scrollWidth > innerWidth,
    passes: found.passes.length,
    violations: found.violations.map(v => [v.impact, v.id, v.nodes[0].html]),
}))";

/// Checks the page that a person has before them.
#[track_caller]
fn is_accessible(person: &mut Person<'_>, name: &str, axe: &str) {
    person.eval(&format!("{axe}; 0"));
    for look in LOOKS {
        let Look { width, scheme } = look;
        let tab = person.tab.clone();
        person.chromium.look(&tab, look);
        person
            .chromium
            .picture(&tab, &format!("{name}-{width}-{scheme}"));
        let found = person.eval(RUN);
        assert_eq!(found["width"], width, "{name}");
        assert_eq!(found["dark"], scheme == "dark", "{name}");
        assert_eq!(found["scrolls"], false, "{name}, {look:?}: sideways");
        assert!(found["passes"].as_u64().unwrap() > 10, "axe did nothing");
        let violations = found["violations"].as_array().unwrap().iter();
        let is_serious = |found: &&Value| found[0] == "serious" || found[0] == "critical";
        let serious: Vec<_> = violations.filter(is_serious).collect();
        assert!(serious.is_empty(), "{name}, {look:?}: {serious:?}");
    }
}

/// Sends the first form of the page with these values.
fn submit(person: &mut Person<'_>, values: &Value) {
    let form = "document.querySelector('main form')";
    for (name, value) in values.as_object().unwrap() {
        person.eval(&format!("void ({form}.elements['{name}'].value = {value})"));
    }
    person.eval(&format!("void {form}.submit()"));
}

#[test]
fn axe_finds_nothing_serious_on_any_page() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Some(axe) = axe(&workspace) else {
        return;
    };
    let server = fixture::sqlite();

    let mut visitor = Person::new(server, &mut chromium, LOOKS[0]);
    // The page for whoever has no script.
    let tab = visitor.tab.clone();
    let no_answer = "window.fetch = () => new Promise(() => {})";
    visitor.chromium.before_each_page(&tab, no_answer);
    visitor.open("/tasks");
    visitor.sees("/tasks", "Begin as a guest");
    is_accessible(&mut visitor, "start", &axe);
    visitor.open("/login");
    is_accessible(&mut visitor, "login", &axe);
    submit(
        &mut visitor,
        &json!({ "email": "nobody@example.com", "password": "no" }),
    );
    visitor.sees("/login", "Invalid email or password");
    is_accessible(&mut visitor, "login-refused", &axe);
    visitor.open("/register");
    is_accessible(&mut visitor, "register", &axe);
    submit(
        &mut visitor,
        &json!({ "email": "nobody", "name": "", "password": "short" }),
    );
    visitor.wait("!!document.querySelector('[aria-invalid=true]')");
    is_accessible(&mut visitor, "register-refused", &axe);
    visitor.open("/l/x");
    is_accessible(&mut visitor, "no-link", &axe);
    let email = fixture::fresh_email();
    let mut other = server.visitor();
    other.post(
        "/api/v2/auth/magic-link/request",
        &json!({ "email": email }),
    );
    visitor.open(&format!("/l/{}", server.mailed_token(&email)));
    is_accessible(&mut visitor, "link", &axe);

    let guest = server.guest();
    let window = chromium.window();
    let mut person = Person::signed_in(server, &mut chromium, &window, &guest, LOOKS[0]);
    person.open("/tasks");
    for task in [
        "paint the door",
        "call Ben about the roof, and ask whether the gutter is his",
    ] {
        submit(&mut person, &json!({ "title": task }));
        person.sees("/tasks", task);
    }
    person.eval("void document.querySelector('[aria-label^=Done]').click()");
    person.wait("!!document.querySelector('.done')");
    is_accessible(&mut person, "tasks", &axe);

    let user = server.user();
    let log_in = json!({ "email": user.email, "password": PASSWORD });
    assert_eq!(
        server.visitor().post("/api/auth/login", &log_in).status,
        200
    );
    let window = chromium.window();
    let mut person = Person::signed_in(server, &mut chromium, &window, &user, LOOKS[0]);
    person.open("/account");
    is_accessible(&mut person, "account", &axe);
    // Anew, because that took a while, and at its end the page asks the server.
    person.open("/account");
    person.later(13 * 60 + 30);
    person.sees("/account", "less than two minutes");
    is_accessible(&mut person, "notice", &axe);

    let admin = server.admin();
    let window = chromium.window();
    let mut person = Person::signed_in(server, &mut chromium, &window, &admin, LOOKS[0]);
    let email = user.email.replace('@', "%40");
    person.open(&format!("/admin?email={email}"));
    person.sees("/admin", &user.id);
    is_accessible(&mut person, "admin", &axe);
    person.open("/audit");
    is_accessible(&mut person, "audit", &axe);

    let mut cord = admin.visitor.clone();
    let revocation =
        json!({ "scope": "specific", "user_ids": [user.id], "reason": "laptop stolen" });
    assert_eq!(
        cord.post("/api/v2/admin/sessions/revoke", &revocation)
            .status,
        200
    );
    let window = chromium.window();
    let mut person = Person::signed_in(server, &mut chromium, &window, &user, LOOKS[0]);
    person.open("/account");
    person.sees("/account", "laptop stolen");
    is_accessible(&mut person, "revoked", &axe);
    chromium.was_quiet(server.address);
}
