//! Registration, sign-in, profile, documents (rows 10 to 15).

use nightlatch_server::client::Request;
use serde_json::json;

use crate::fixture::{PASSWORD, Server, accepted, either_database, fresh_email, on_both, refused};

on_both! {
    a_person_registers_logs_in_uses_profile_and_logs_out
    each_field_of_a_registration_has_its_own_error
    a_hundred_registrations_a_minute_are_taken_from_one_address
    a_wrong_password_and_an_unknown_email_are_told_alike
    five_wrong_passwords_lock_the_account_with_retry_after
    emails_that_cannot_be_read_share_no_lock
    a_profile_is_shown_and_renamed
    documents_are_created_read_replaced_and_removed
    mass_assignment_changes_nothing_but_the_fields
}

fn a_person_registers_logs_in_uses_profile_and_logs_out(server: &Server) {
    let email = fresh_email();
    let mut ann = server.visitor();
    let body = json!({ "email": email, "name": "Ann", "password": PASSWORD });
    let registered = accepted(&ann.post("/api/auth/register", &body), 201);
    assert_eq!(registered["token_type"], "bearer");
    assert_eq!(registered["token"], registered["access_token"]);
    assert_eq!(registered["user"]["email"], email);
    assert!(!registered.to_string().contains("password"));
    refused(
        &server.visitor().post("/api/auth/register", &body),
        409,
        "EMAIL_ALREADY_EXISTS",
    );
    let login = json!({ "email": email.to_uppercase(), "password": PASSWORD });
    let mut phone = server.visitor();
    let signed_in = accepted(&phone.post("/api/auth/login", &login), 200);
    assert_eq!(signed_in["user"]["id"], registered["user"]["id"]);
    let id = registered["user"]["id"].as_str().unwrap();
    let tasks = format!("/api/users/{id}/tasks");
    accepted(&phone.post(&tasks, &json!({ "title": "paint" })), 201);
    assert_eq!(accepted(&ann.get(&tasks), 200)["count"], 1);
    accepted(&ann.get("/api/auth/profile"), 200);
    let token = signed_in["access_token"].as_str().unwrap();
    accepted(&phone.send(Request::new("POST", "/api/auth/logout")), 200);
    let header = format!("Bearer {token}");
    let with_token = Request::new("GET", "/api/auth/profile").header("Authorization", &header);
    refused(&server.visitor().send(with_token), 401, "UNAUTHORIZED");
    refused(&phone.get("/api/auth/profile"), 401, "UNAUTHORIZED");
    accepted(&ann.get("/api/auth/profile"), 200);
}

fn each_field_of_a_registration_has_its_own_error(server: &Server) {
    let good = json!({ "email": fresh_email(), "name": "Ann", "password": PASSWORD });
    for (field, bad) in [
        ("email", json!("not an email")),
        ("email", json!("")),
        ("email", json!(7)),
        ("name", json!("")),
        ("name", json!("a".repeat(101))),
        ("name", json!("a\u{0}b")),
        ("password", json!("short")),
        ("password", json!("")),
        ("password", json!(null)),
        ("password", json!("a".repeat(1025))),
    ] {
        let mut body = good.clone();
        body[field] = bad.clone();
        let answer = server.visitor().post("/api/auth/register", &body);
        let error = refused(&answer, 400, "VALIDATION_ERROR");
        let fields = error["details"]["fields"].as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), [field], "{bad}: {error}");
    }
    let all = server.visitor().post("/api/auth/register", &json!({}));
    let error = refused(&all, 400, "VALIDATION_ERROR");
    assert_eq!(error["details"]["fields"].as_object().unwrap().len(), 3);
}

fn a_hundred_registrations_a_minute_are_taken_from_one_address(server: &Server) {
    let mut visitor = server.visitor();
    // Refused before the hash, so that the test is quick; counted all the same.
    let bad = json!({ "email": fresh_email(), "name": "Ann", "password": "short" });
    for _ in 0..100 {
        let answer = visitor.post("/api/auth/register", &bad);
        refused(&answer, 400, "VALIDATION_ERROR");
    }
    let good = json!({ "email": fresh_email(), "name": "Ann", "password": PASSWORD });
    let refusal = visitor.post("/api/auth/register", &good);
    refused(&refusal, 429, "RATE_LIMITED");
    assert!(refusal.header("retry-after").is_some());
    let elsewhere = server.visitor().post("/api/auth/register", &good);
    accepted(&elsewhere, 201);
}

fn a_wrong_password_and_an_unknown_email_are_told_alike(server: &Server) {
    let user = server.user();
    let answer = |email: &str| {
        let body = json!({ "email": email, "password": "not the password at all" });
        server.visitor().post("/api/auth/login", &body)
    };
    let (wrong, unknown) = (answer(&user.email), answer(&fresh_email()));
    let error = refused(&wrong, 401, "INVALID_CREDENTIALS");
    assert_eq!(error["message"], "Invalid email or password");
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(
        wrong.header("www-authenticate"),
        unknown.header("www-authenticate")
    );
    assert_eq!(answer("no email").body, wrong.body);
}

fn five_wrong_passwords_lock_the_account_with_retry_after(server: &Server) {
    for email in [server.user().email, fresh_email()] {
        let wrong = json!({ "email": email, "password": "not the password at all" });
        // From the third failure on, each must wait a little longer; those are not counted.
        let answers: Vec<_> = (0..4)
            .map(|_| server.visitor().post("/api/auth/login", &wrong))
            .collect();
        refused(&answers[0], 401, "INVALID_CREDENTIALS");
        let last = answers.last().unwrap();
        assert!([423, 429].contains(&last.status), "{}", last.json());
        let seconds: u64 = last.header("retry-after").unwrap().parse().unwrap();
        assert!(seconds >= 1);
    }
}

fn emails_that_cannot_be_read_share_no_lock(server: &Server) {
    for number in 0..6 {
        let wrong = json!({ "email": format!("{number} no email"), "password": PASSWORD });
        let answer = server.visitor().post("/api/auth/login", &wrong);
        refused(&answer, 401, "INVALID_CREDENTIALS");
    }
}

#[test]
fn an_account_has_one_name_in_the_log_however_its_email_was_written() {
    for database in either_database() {
        let mut server = Server::start(&database, &[]);
        let mut visitor = server.visitor();
        let body = json!({ "email": "ANN@example.com", "name": "Ann", "password": PASSWORD });
        accepted(&visitor.post("/api/auth/register", &body), 201);
        accepted(&visitor.send(Request::new("POST", "/api/auth/logout")), 200);
        server.stop();
        let events = server.audit(&["list"]);
        assert!(events.contains("ann@example.com"), "{events}");
        assert!(!events.contains("ANN@"), "{events}");
    }
}

fn a_profile_is_shown_and_renamed(server: &Server) {
    let mut user = server.user();
    let before = accepted(&user.visitor.get("/api/auth/profile"), 200);
    assert_eq!(before["name"], "Ann");
    let put = |name: &str| Request::new("PUT", "/api/auth/profile").json(&json!({ "name": name }));
    let after = accepted(&user.visitor.send(put("Ann Lee")), 200);
    assert_eq!(after["name"], "Ann Lee");
    assert!(after["updated_at"].as_str() >= before["updated_at"].as_str());
    assert_eq!(accepted(&user.visitor.get("/api/auth/profile"), 200), after);
    for bad in ["", " ", "a\nb", &"x".repeat(101)] {
        refused(&user.visitor.send(put(bad)), 400, "VALIDATION_ERROR");
    }
    refused(
        &server.visitor().get("/api/auth/profile"),
        401,
        "UNAUTHORIZED",
    );
    refused(
        &server.guest().visitor.get("/api/auth/profile"),
        404,
        "NOT_FOUND",
    );
}

fn documents_are_created_read_replaced_and_removed(server: &Server) {
    let mut user = server.user();
    let tasks = user.tasks();
    let document = json!({ "title": "paint\nthe door", "tags": ["a", "\u{1f600}"], "n": 1.5 });
    let made = accepted(&user.visitor.post(&tasks, &document), 201);
    assert_eq!(made["data"], document);
    let path = format!("{tasks}/{}", made["id"].as_str().unwrap());
    assert_eq!(accepted(&user.visitor.get(&path), 200), made);
    let other = json!({ "title": "done" });
    let put = Request::new("PUT", &path).json(&other);
    assert_eq!(accepted(&user.visitor.send(put), 200)["data"], other);
    assert_eq!(user.visitor.delete(&path).status, 204);
    refused(&user.visitor.delete(&path), 404, "NOT_FOUND");
    refused(&user.visitor.get(&path), 404, "NOT_FOUND");
    refused(
        &user.visitor.get(&format!("/api/users/{}/secrets", user.id)),
        404,
        "NOT_FOUND",
    );
    let configurations = format!("/api/users/{}/configurations", user.id);
    assert_eq!(
        accepted(&user.visitor.get(&configurations), 200)["count"],
        0
    );
    let large = json!({ "title": "x".repeat(33 * 1024) });
    refused(&user.visitor.post(&tasks, &large), 413, "TOO_LARGE");
    for bad in [
        json!({ "a": "b\u{0}" }),
        json!({ "a\u{7}": 1 }),
        json!([["\u{1b}[2J"]]),
    ] {
        refused(&user.visitor.post(&tasks, &bad), 400, "VALIDATION_ERROR");
    }
    assert_eq!(accepted(&user.visitor.get(&tasks), 200)["count"], 0);
}

fn mass_assignment_changes_nothing_but_the_fields(server: &Server) {
    let mut visitor = server.visitor();
    let body = json!({
        "email": fresh_email(), "name": "Eve", "password": PASSWORD, "is_admin": true,
        "id": "00000000-0000-4000-8000-000000000000", "kind": "admin", "created_at": "1970-01-01",
    });
    let registered = accepted(&visitor.post("/api/auth/register", &body), 201);
    assert_eq!(registered["user"]["is_admin"], false);
    assert_ne!(registered["user"]["id"], body["id"]);
    let body = json!({ "name": "Eve", "email": "other@example.com", "is_admin": true });
    let renamed = accepted(
        &visitor.send(Request::new("PUT", "/api/auth/profile").json(&body)),
        200,
    );
    assert_eq!(renamed["email"], registered["user"]["email"]);
    assert_eq!(renamed["is_admin"], false);
    refused(
        &visitor.get("/api/v2/users/lookup?email=a@example.com"),
        403,
        "FORBIDDEN",
    );
}
