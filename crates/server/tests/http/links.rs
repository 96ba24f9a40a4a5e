//! Sign-in links (rows 5 and 6).

use nightlatch_server::client::Request;
use serde_json::{Value, json};

use crate::fixture::{
    PASSWORD, Server, User, Visitor, accepted, either_database, files, fresh_email, on_both,
    refused,
};

on_both! {
    a_sign_in_link_signs_in_once_and_the_same_browser_again
    a_newer_sign_in_link_voids_the_pending_one
    five_sign_in_links_an_hour_are_mailed_to_one_email_for_one_network
    sixty_sign_in_links_an_hour_are_mailed_for_one_address
    a_strangers_request_voids_no_link_and_brings_no_documents
    a_program_without_cookies_brings_its_guest_along_by_user_id
    the_retry_of_a_link_gets_the_first_answer_until_its_session_ends
    thirty_refused_redemptions_a_minute_are_recorded_for_one_address
    a_sign_in_link_takes_the_guest_along
    a_stranger_who_registered_first_loses_the_account_to_the_owner_of_the_email
    the_browser_that_registered_keeps_its_password_when_it_redeems_a_link
    a_sign_in_link_goes_to_the_mailbox_of_the_account_however_the_email_is_written
    a_sign_in_link_that_is_none_is_invalid
}

/// Registers with an email in one browser, and redeems a link for it in another or the same one.
fn register_and_redeem(server: &Server, redeemer: impl FnOnce(&User) -> Visitor) -> [User; 2] {
    let registered = server.user();
    let mut visitor = redeemer(&registered);
    let request = json!({ "email": registered.email });
    accepted(&visitor.post(REQUEST, &request), 202);
    let verify = json!({ "token": server.mailed_token(&registered.email) });
    let answer = accepted(&visitor.post(VERIFY, &verify), 200);
    assert_eq!(answer["user_id"], registered.id);
    let token = answer["access_token"].as_str().unwrap().to_owned();
    let owner = User {
        visitor,
        token,
        ..registered.clone()
    };
    [registered, owner]
}

fn a_stranger_who_registered_first_loses_the_account_to_the_owner_of_the_email(server: &Server) {
    let [stranger, owner] = register_and_redeem(server, |_| server.visitor());
    let profile = Request::new("GET", "/api/auth/profile");
    accepted(&owner.with_token(profile.clone()), 200);
    // The session and the token of before, and the password, are worth nothing.
    refused(
        &stranger.with_token(profile.clone()),
        403,
        "SESSION_REVOKED",
    );
    let mut browser = stranger.visitor;
    refused(&browser.send(profile), 403, "SESSION_REVOKED");
    let login = json!({ "email": owner.email, "password": PASSWORD });
    refused(
        &browser.post("/api/auth/login", &login),
        401,
        "INVALID_CREDENTIALS",
    );
}

fn the_browser_that_registered_keeps_its_password_when_it_redeems_a_link(server: &Server) {
    let [before, after] = register_and_redeem(server, |user| user.visitor.clone());
    let profile = Request::new("GET", "/api/auth/profile");
    for user in [&before, &after] {
        accepted(&user.with_token(profile.clone()), 200);
    }
    let login = json!({ "email": before.email, "password": PASSWORD });
    let mut elsewhere = server.visitor();
    accepted(&elsewhere.post("/api/auth/login", &login), 200);
    // The email is known to be the person's: a link in another browser removes nothing.
    let request = json!({ "email": before.email });
    accepted(&elsewhere.post(REQUEST, &request), 202);
    let verify = json!({ "token": server.mailed_token(&before.email) });
    accepted(&server.visitor().post(VERIFY, &verify), 200);
    accepted(&server.visitor().post("/api/auth/login", &login), 200);
}

const REQUEST: &str = "/api/v2/auth/magic-link/request";
const VERIFY: &str = "/api/v2/auth/magic-link/verify";

fn a_sign_in_link_signs_in_once_and_the_same_browser_again(server: &Server) {
    let email = fresh_email();
    let mut visitor = server.visitor();
    let asked = accepted(&visitor.post(REQUEST, &json!({ "email": email })), 202);
    assert_eq!(asked["expires_in_seconds"], 3600);
    assert_eq!(asked["email_masked"], "p***@example.com");
    let verify = json!({ "token": server.mailed_token(&email) });
    let signed_in = accepted(&visitor.post(VERIFY, &verify), 200);
    assert_eq!(signed_in["email"], email);
    assert_eq!(signed_in["auth_type"], "authenticated");
    assert_eq!(signed_in["merged_items_count"], 0);
    let again = accepted(&visitor.post(VERIFY, &verify), 200);
    assert_eq!(again["user_id"], signed_in["user_id"]);
    refused(
        &server.visitor().post(VERIFY, &verify),
        409,
        "TOKEN_ALREADY_USED",
    );
    assert_eq!(
        accepted(&visitor.get("/api/auth/profile"), 200)["email"],
        email
    );
}

fn a_newer_sign_in_link_voids_the_pending_one(server: &Server) {
    let email = fresh_email();
    let mut visitor = server.visitor();
    accepted(&visitor.post(REQUEST, &json!({ "email": email })), 202);
    let first = server.mailed_token(&email);
    // The path of older clients.
    accepted(
        &visitor.post("/api/v2/auth/magic-link", &json!({ "email": email })),
        202,
    );
    refused(
        &visitor.post(VERIFY, &json!({ "token": first })),
        400,
        "INVALID_TOKEN",
    );
    let second = json!({ "token": server.mailed_token(&email), "signature": "of an older client" });
    accepted(&visitor.post(VERIFY, &second), 200);
}

fn five_sign_in_links_an_hour_are_mailed_to_one_email_for_one_network(server: &Server) {
    let email = fresh_email();
    let mut visitor = server.visitor();
    for spelling in [email.clone(), email.to_uppercase()].iter().cycle().take(5) {
        accepted(&visitor.post(REQUEST, &json!({ "email": spelling })), 202);
    }
    let sixth = visitor.post(REQUEST, &json!({ "email": email }));
    refused(&sixth, 429, "RATE_LIMITED");
    assert!(sixth.header("retry-after").is_some());
    // Nor does another address of the network get one, but other networks do, up to 20 links.
    visitor.address = visitor.address.rsplit_once('.').unwrap().0.to_owned() + ".99";
    refused(
        &visitor.post(REQUEST, &json!({ "email": email })),
        429,
        "RATE_LIMITED",
    );
    let ask = || {
        let request = json!({ "email": email });
        server.visitor().post(REQUEST, &request)
    };
    for _ in 5..20 {
        accepted(&ask(), 202);
    }
    refused(&ask(), 429, "RATE_LIMITED");
}

fn sixty_sign_in_links_an_hour_are_mailed_for_one_address(server: &Server) {
    let mut visitor = server.visitor();
    for _ in 0..60 {
        let request = json!({ "email": fresh_email() });
        accepted(&visitor.post(REQUEST, &request), 202);
    }
    let request = json!({ "email": fresh_email() });
    refused(&visitor.post(REQUEST, &request), 429, "RATE_LIMITED");
}

/// A guest with one document.
fn guest_with_a_task(server: &Server) -> User {
    let mut guest = server.guest();
    let tasks = guest.tasks();
    let task = json!({ "title": "paint" });
    accepted(&guest.visitor.post(&tasks, &task), 201);
    guest
}

/// Asks for a link that brings the guest along, and returns its token.
fn ask_as(server: &Server, guest: &mut User, email: &str) -> Value {
    let request = json!({ "email": email, "anonymous_user_id": guest.id });
    accepted(&guest.visitor.post(REQUEST, &request), 202);
    json!({ "token": server.mailed_token(email) })
}

fn a_strangers_request_voids_no_link_and_brings_no_documents(server: &Server) {
    let (email, mut owner) = (fresh_email(), guest_with_a_task(server));
    let mut stranger = guest_with_a_task(server);
    let own = ask_as(server, &mut owner, &email);
    let strange = ask_as(server, &mut stranger, &email);
    // The link of the stranger first: it is mailed to the owner, too.
    let mut phone = server.visitor();
    let signed_in = accepted(&phone.post(VERIFY, &strange), 200);
    assert_eq!(signed_in["merged_items_count"], 0);
    let id = signed_in["user_id"].as_str().unwrap();
    let tasks = format!("/api/users/{id}/tasks");
    assert_eq!(accepted(&phone.get(&tasks), 200)["count"], 0);
    accepted(&stranger.visitor.get(&stranger.tasks()), 200);
    // The other pending links are void; the owner's next one takes the documents along.
    refused(&owner.visitor.post(VERIFY, &own), 400, "INVALID_TOKEN");
    let own = ask_as(server, &mut owner, &email);
    let strange = ask_as(server, &mut stranger, &email);
    let signed_in = accepted(&owner.visitor.post(VERIFY, &own), 200);
    assert_eq!(signed_in["merged_items_count"], 1);
    assert_eq!(accepted(&owner.visitor.get(&tasks), 200)["count"], 1);
    refused(&owner.visitor.post(VERIFY, &strange), 400, "INVALID_TOKEN");
}

fn a_program_without_cookies_brings_its_guest_along_by_user_id(server: &Server) {
    let (email, mut guest) = (fresh_email(), guest_with_a_task(server));
    let id = guest.id.clone();
    guest.visitor = server.visitor();
    let verify = ask_as(server, &mut guest, &email);
    let verify = Request::new("POST", VERIFY).json(&verify);
    let answer = server.visitor().send(verify.header("X-User-ID", &id));
    assert_eq!(accepted(&answer, 200)["merged_items_count"], 1);
}

fn the_retry_of_a_link_gets_the_first_answer_until_its_session_ends(server: &Server) {
    let (email, mut guest) = (fresh_email(), guest_with_a_task(server));
    let verify = ask_as(server, &mut guest, &email);
    for _ in 0..2 {
        let signed_in = accepted(&guest.visitor.post(VERIFY, &verify), 200);
        assert_eq!(signed_in["merged_items_count"], 1);
    }
    // A merge replaces the token in the cookie; the link begins no other session all the same.
    let merge = json!({ "source_user_id": server.guest().id });
    accepted(&guest.visitor.post("/api/v2/auth/merge", &merge), 200);
    let end = guest.visitor.delete("/api/v2/auth/session");
    assert_eq!(end.status, 204);
    let answer = guest.visitor.post(VERIFY, &verify);
    refused(&answer, 409, "TOKEN_ALREADY_USED");
}

fn thirty_refused_redemptions_a_minute_are_recorded_for_one_address(server: &Server) {
    let mut visitor = server.visitor();
    let [used, pending] = [(), ()].map(|()| {
        let email = fresh_email();
        let request = json!({ "email": email });
        accepted(&server.visitor().post(REQUEST, &request), 202);
        json!({ "token": server.mailed_token(&email) })
    });
    accepted(&server.visitor().post(VERIFY, &used), 200);
    let unknown = json!({ "token": "A".repeat(43) });
    refused(&visitor.post(VERIFY, &unknown), 400, "INVALID_TOKEN");
    // As after 28 more of them, in a minute that lasts.
    let name = format!("refusal:{}", visitor.address);
    let set = "UPDATE throttle SET attempts = 29, since = since + 50000 WHERE name";
    server.execute(&format!("{set} = '{name}'"));
    refused(&visitor.post(VERIFY, &unknown), 400, "INVALID_TOKEN");
    let refusal = visitor.post(VERIFY, &unknown);
    refused(&refusal, 429, "RATE_LIMITED");
    assert!(refusal.header("retry-after").is_some());
    // Whoever has a link is told what became of it, and can redeem it.
    let answer = visitor.post(VERIFY, &used);
    refused(&answer, 409, "TOKEN_ALREADY_USED");
    for _ in 0..2 {
        accepted(&visitor.post(VERIFY, &pending), 200);
    }
    let elsewhere = server.visitor().post(VERIFY, &unknown);
    refused(&elsewhere, 400, "INVALID_TOKEN");
}

fn a_sign_in_link_takes_the_guest_along(server: &Server) {
    let mut guest = server.guest();
    accepted(
        &guest
            .visitor
            .post(&guest.tasks(), &json!({ "title": "paint" })),
        201,
    );
    let email = fresh_email();
    let request = json!({ "email": email, "anonymous_user_id": guest.id });
    accepted(&guest.visitor.post(REQUEST, &request), 202);
    let verify = json!({ "token": server.mailed_token(&email) });
    let signed_in = accepted(&guest.visitor.post(VERIFY, &verify), 200);
    assert_eq!(signed_in["merged_items_count"], 1);
    let tasks = format!(
        "/api/users/{}/tasks",
        signed_in["user_id"].as_str().unwrap()
    );
    assert_eq!(accepted(&guest.visitor.get(&tasks), 200)["count"], 1);
}

/// Sends `body`, in answer to which one mail goes to `mailbox`.
#[track_caller]
fn is_mailed(server: &Server, path: &str, body: &Value, mailbox: &str) {
    let to = format!("\r\nTo: {mailbox}\r\n");
    let mails = || {
        let mails = files(&server.data.join("outbox")).into_iter();
        // Not those that another test is having written.
        let mails = mails.filter(|mail| mail.extension().is_some_and(|end| end == "eml"));
        let mails = mails.map(|mail| std::fs::read_to_string(mail).unwrap());
        mails.filter(|mail| mail.contains(&to)).count()
    };
    let before = mails();
    accepted(&server.visitor().post(path, body), 202);
    assert_eq!(mails(), before + 1, "{body}");
}

fn a_sign_in_link_goes_to_the_mailbox_of_the_account_however_the_email_is_written(server: &Server) {
    // U+212A, the Kelvin sign, is another letter that has k as its lower case.
    let spellings = [
        ("mike", "mi\u{212a}e"),
        ("kim", "KIM"),
        ("caf\u{e9}", "cafe\u{301}"),
    ];
    for (own, strange) in spellings {
        let rest = fresh_email();
        let [own, strange] = [own, strange].map(|name| format!("{name}.{rest}"));
        let body = json!({ "email": own, "name": "Ann", "password": PASSWORD });
        accepted(&server.visitor().post("/api/auth/register", &body), 201);
        is_mailed(server, REQUEST, &json!({ "email": strange }), &own);
        // Nor does a stranger choose how the email of a new account is written.
        let [own, strange] = [own, strange].map(|email| format!("new.{email}"));
        is_mailed(server, REQUEST, &json!({ "email": strange }), &own);
        let verify = json!({ "token": server.mailed_token(&own) });
        let answer = server.visitor().post(VERIFY, &verify);
        assert_eq!(accepted(&answer, 200)["email"], own);
    }
}

#[test]
fn a_hidden_registration_is_mailed_to_the_mailbox_of_the_account_alone() {
    for database in either_database() {
        let server = Server::start(&format!("enumeration = \"hide\"\n{database}"), &[]);
        for email in ["mike@example.com", "mi\u{212a}e@example.com"] {
            let body = json!({ "email": email, "name": "Ann", "password": PASSWORD });
            is_mailed(&server, "/api/auth/register", &body, "mike@example.com");
        }
    }
}

fn a_sign_in_link_that_is_none_is_invalid(server: &Server) {
    let mut visitor = server.visitor();
    for token in ["", "x", &"A".repeat(43), "../../etc/passwd"] {
        refused(
            &visitor.post(VERIFY, &json!({ "token": token })),
            400,
            "INVALID_TOKEN",
        );
    }
    refused(&visitor.post(VERIFY, &json!({})), 400, "VALIDATION_ERROR");
    refused(
        &visitor.post(VERIFY, &json!({ "token": "A".repeat(44) })),
        400,
        "VALIDATION_ERROR",
    );
    refused(
        &visitor.post(REQUEST, &json!({ "email": "nobody" })),
        400,
        "INVALID_EMAIL",
    );
    let bad_guest = json!({ "email": fresh_email(), "anonymous_user_id": "x" });
    refused(&visitor.post(REQUEST, &bad_guest), 400, "VALIDATION_ERROR");
}
