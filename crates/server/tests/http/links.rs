//! Sign-in links (rows 5 and 6).

use serde_json::json;

use crate::fixture::{Server, accepted, fresh_email, on_both, refused};

on_both! {
    a_sign_in_link_signs_in_once_and_the_same_browser_again
    a_newer_sign_in_link_voids_the_pending_one
    five_sign_in_links_an_hour_are_mailed_to_one_email
    a_sign_in_link_takes_the_guest_along
    a_sign_in_link_that_is_none_is_invalid
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

fn five_sign_in_links_an_hour_are_mailed_to_one_email(server: &Server) {
    let email = fresh_email();
    for spelling in [email.clone(), email.to_uppercase()].iter().cycle().take(5) {
        accepted(
            &server
                .visitor()
                .post(REQUEST, &json!({ "email": spelling })),
            202,
        );
    }
    let sixth = server.visitor().post(REQUEST, &json!({ "email": email }));
    refused(&sixth, 429, "RATE_LIMITED");
    assert!(sixth.header("retry-after").is_some());
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
