//! Everything a person does, without a mouse.

use crate::driver::{Chromium, LOOKS, Look};
use crate::fixture::{self, PASSWORD, Server, fresh_email};
use crate::person::Person;

fn registers_keeps_tasks_and_signs_out(
    server: &'static Server,
    chromium: &mut Chromium,
    look: Look,
) {
    let mut ann = Person::new(server, chromium, look);
    let email = fresh_email();
    // The script begins a guest session.
    ann.open("/tasks");
    ann.sees("/tasks", "You are a guest");
    ann.fill("New task", "paint the door");
    ann.enter();
    ann.sees("/tasks", "paint the door");
    ann.follow("Register");
    ann.sees("/register", "Already have an account?");

    ann.stops_are(&["Skip to the content", "Email", "Name", "Password"]);
    ann.stops_are(&["Register", "Sign in"]);
    ann.open("/register");
    ann.fill("Email", &email);
    ann.fill("Name", "Ann");
    ann.fill("Password", "short");
    ann.enter();
    ann.sees("/register", "at least 15 are needed");
    ann.is_wrong("password", "at least 15 are needed");
    let value = |field| format!("document.getElementById('{field}').value");
    assert_eq!(ann.eval(&value("email")), email);
    assert_eq!(ann.eval(&value("password")), "");
    ann.fill("Password", PASSWORD);
    ann.enter();
    ann.sees("/account", &format!("Signed in as {email}"));

    // The guest's task came along.
    ann.follow("Tasks");
    ann.sees("/tasks", "paint the door");
    ann.follow("Done: paint the door");
    ann.wait("document.querySelector('.done')?.innerText === 'paint the door'");
    ann.follow("Remove: paint the door");
    ann.sees("/tasks", "There are no tasks yet.");
    ann.follow("Sign out");
    ann.sees("/login", "signed out");

    ann.fill("Email", "nobody@example.com");
    ann.fill("Password", PASSWORD);
    ann.enter();
    ann.sees("/login", "Invalid email or password");
    ann.open("/login");
    ann.fill("Email", &email);
    ann.fill("Password", PASSWORD);
    ann.enter();
    ann.sees("/account", &format!("Signed in as {email}"));
    ann.chromium.was_quiet(server.address);
}

#[test]
fn a_person_registers_keeps_tasks_and_signs_out_by_keyboard_alone() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    for look in [LOOKS[0], LOOKS[3]] {
        registers_keeps_tasks_and_signs_out(fixture::sqlite(), &mut chromium, look);
    }
}

#[test]
fn a_link_signs_in_by_keyboard_alone() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    let server = fixture::sqlite();
    let mut ann = Person::new(server, &mut chromium, LOOKS[0]);
    let email = fresh_email();
    ann.open("/login");
    // The second field of this name.
    ann.go_to("Sign in");
    ann.fill("Email", &email);
    ann.enter();
    ann.sees("/login", "link");
    ann.wait("location.search === '?after=link'");
    let page = format!("/l/{}", server.mailed_token(&email));
    ann.open(&page);
    ann.stops_are(&["Skip to the content", "Sign in"]);
    ann.enter();
    ann.sees("/account", &format!("Signed in as {email}"));
    ann.open(&page);
    ann.sees(&page, "This link was used already");
    ann.chromium.was_quiet(server.address);
}

#[test]
fn an_administrator_finds_ends_and_reads_by_keyboard_alone() {
    let Some(mut chromium) = Chromium::start() else {
        return;
    };
    let server = fixture::sqlite();
    let (admin, mut user) = (server.admin(), server.user());
    let window = chromium.window();
    let mut admin = Person::signed_in(server, &mut chromium, &window, &admin, LOOKS[2]);
    admin.open("/account");
    admin.follow("Administration");
    admin.sees("/admin", "Find an account");
    admin.fill("Email", &user.email);
    admin.enter();
    admin.sees("/admin", &format!("User id {}", user.id));
    // The id is filled in already.
    admin.fill("Reason (shown to the people signed out)", "laptop stolen");
    admin.fill("Incident (optional)", "INC-7");
    admin.follow("End the sessions");
    admin.sees("/admin", "1 sessions ended");
    assert_eq!(user.visitor.get("/account").status, 403);
    server.wait_for_event(&user.email);
    admin.follow("Audit");
    admin.sees("/audit", "Verified: no tampering found");
    admin.fill("Email", &user.email);
    admin.enter();
    admin.wait("location.search.startsWith('?user=')");
    admin.sees("/audit", "SESSION_CREATED");
    admin.chromium.was_quiet(server.address);
}
