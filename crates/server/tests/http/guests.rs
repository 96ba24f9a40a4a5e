//! Guests and their merge (rows 1 and 7).

use nightlatch_server::client::Request;
use serde_json::json;

use crate::fixture::{Server, User, accepted, on_both, refused};

on_both! {
    a_guest_session_begins_once_and_goes_on_in_every_tab
    a_guest_is_identified_by_cookie_token_or_user_id
    ten_guest_sessions_a_minute_begin_at_one_address
    a_merge_takes_the_documents_along_and_is_idempotent
    a_merge_into_a_second_account_is_a_conflict
    a_merge_replaces_the_token_in_the_cookie_and_nothing_else_does
    who_is_signed_in_stays_signed_in
    contradictory_identities_begin_no_guest_session
}

fn a_guest_session_begins_once_and_goes_on_in_every_tab(server: &Server) {
    let mut visitor = server.visitor();
    let answer = visitor.post(
        "/api/v2/auth/anonymous",
        &json!({ "timezone": "Europe/Berlin" }),
    );
    let begun = accepted(&answer, 201);
    assert_eq!(begun["auth_type"], "anonymous");
    assert_eq!(begun["is_new_session"], true);
    assert_eq!(answer.header("x-user-id"), begun["user_id"].as_str());
    let days = begun["remaining_seconds"].as_u64().unwrap() / 86_400;
    assert!((29..=30).contains(&days), "{begun}");
    // Without a body, as an older client sends it.
    let tab = visitor.send(Request::new("POST", "/api/v2/auth/anonymous"));
    let tab = accepted(&tab, 200);
    assert_eq!(
        (&tab["user_id"], &tab["is_new_session"]),
        (&begun["user_id"], &json!(false))
    );
}

fn a_guest_is_identified_by_cookie_token_or_user_id(server: &Server) {
    let mut guest = server.guest();
    let session = Request::new("GET", "/api/v2/auth/session");
    for answer in [
        guest.visitor.send(session.clone()),
        guest.with_token(session.clone()),
        server
            .visitor()
            .send(session.clone().header("X-User-ID", &guest.id)),
        guest
            .visitor
            .send(session.clone().header("X-User-ID", &guest.id)),
        guest.with_token(session.clone().header("X-User-ID", &guest.id)),
    ] {
        assert_eq!(accepted(&answer, 200)["user_id"], guest.id);
    }
    // Contradictions, and what is no guest.
    let other = server.guest();
    let mixed = session.clone().header("X-User-ID", &other.id);
    refused(&guest.visitor.send(mixed.clone()), 403, "USER_MISMATCH");
    refused(&guest.with_token(mixed), 403, "USER_MISMATCH");
    let cookie = other.visitor.browser.cookie_header().unwrap();
    refused(
        &guest.with_token(session.clone().header("Cookie", &cookie)),
        403,
        "USER_MISMATCH",
    );
    let user = server.user();
    for id in [
        user.id.as_str(),
        "00000000-0000-4000-8000-000000000000",
        "x",
        "",
    ] {
        let answer = server
            .visitor()
            .send(session.clone().header("X-User-ID", id));
        refused(&answer, 401, "UNAUTHORIZED");
    }
}

fn ten_guest_sessions_a_minute_begin_at_one_address(server: &Server) {
    let visitor = server.visitor();
    let begin = || visitor.clone().post("/api/v2/auth/anonymous", &json!({}));
    for _ in 0..10 {
        accepted(&begin(), 201);
    }
    let eleventh = begin();
    refused(&eleventh, 429, "RATE_LIMITED");
    let seconds: u64 = eleventh.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    accepted(
        &server.visitor().post("/api/v2/auth/anonymous", &json!({})),
        201,
    );
}

fn a_merge_takes_the_documents_along_and_is_idempotent(server: &Server) {
    let (mut guest, mut user) = (server.guest(), server.user());
    let kept = accepted(
        &guest
            .visitor
            .post(&guest.tasks(), &json!({ "title": "paint" })),
        201,
    );
    // The name of the field in older documents.
    let merge = json!({ "anonymous_user_id": guest.id, "idempotency_key": "k1" });
    let merged = accepted(&user.visitor.post("/api/v2/auth/merge", &merge), 200);
    assert_eq!(
        (&merged["status"], &merged["items_merged"]),
        (&json!("completed"), &json!(1))
    );
    assert_eq!(merged["source_user_id"], guest.id);
    assert_eq!(merged["target_user_id"], user.id);
    let merge = json!({ "source_user_id": guest.id });
    let again = accepted(&user.visitor.post("/api/v2/auth/merge", &merge), 200);
    assert_eq!(again["status"], "already_merged");
    assert_eq!(again["merged_at"], merged["merged_at"]);
    let tasks = accepted(&user.visitor.get(&user.tasks()), 200);
    assert_eq!(tasks["items"], json!([kept]));
    // The guest's own identity is dead.
    for answer in [
        guest.visitor.get("/api/v2/auth/session"),
        guest.with_token(Request::new("GET", "/api/v2/auth/session")),
        server
            .visitor()
            .send(Request::new("GET", "/api/v2/auth/session").header("X-User-ID", &guest.id)),
    ] {
        refused(&answer, 401, "UNAUTHORIZED");
    }
    let empty = server.guest();
    let merge = json!({ "source_user_id": empty.id });
    let merged = accepted(&user.visitor.post("/api/v2/auth/merge", &merge), 200);
    assert_eq!(merged["status"], "no_data");
}

fn a_merge_into_a_second_account_is_a_conflict(server: &Server) {
    let (guest, mut first, mut second) = (server.guest(), server.user(), server.user());
    let merge = json!({ "source_user_id": guest.id });
    accepted(&first.visitor.post("/api/v2/auth/merge", &merge), 200);
    let answer = second.visitor.post("/api/v2/auth/merge", &merge);
    let error = refused(&answer, 409, "MERGE_CONFLICT");
    assert_eq!(error["details"]["merged_to"], first.id);
    assert!(error["details"]["merged_at"].is_string());
    for unknown in [first.id.as_str(), "00000000-0000-4000-8000-000000000000"] {
        let merge = json!({ "source_user_id": unknown });
        let answer = second.visitor.post("/api/v2/auth/merge", &merge);
        refused(&answer, 404, "ANONYMOUS_SESSION_NOT_FOUND");
    }
    refused(
        &second.visitor.post("/api/v2/auth/merge", &json!({})),
        400,
        "VALIDATION_ERROR",
    );
    let merge = json!({ "source_user_id": server.guest().id });
    refused(
        &server.guest().visitor.post("/api/v2/auth/merge", &merge),
        403,
        "FORBIDDEN",
    );
}

fn a_merge_replaces_the_token_in_the_cookie_and_nothing_else_does(server: &Server) {
    let mut user = server.user();
    let cookie = |user: &User| user.visitor.browser.cookie_header().unwrap();
    let before = cookie(&user);
    let session = Request::new("GET", "/api/v2/auth/session");
    let merge = |guest: &User| {
        let body = json!({ "source_user_id": guest.id });
        Request::new("POST", "/api/v2/auth/merge").json(&body)
    };
    let guest = server.guest();
    let answer = user.visitor.send(merge(&guest));
    accepted(&answer, 200);
    let after = cookie(&user);
    assert_ne!(after, before);
    // Whoever planted or saw the old one has nothing by it.
    let old = session.clone().header("Cookie", &before);
    refused(&server.visitor().send(old), 401, "UNAUTHORIZED");
    // The session is the same: its tabs, its tokens and its end.
    accepted(&user.visitor.send(session.clone()), 200);
    accepted(&user.with_token(session.clone()), 200);
    let list = accepted(&user.visitor.get("/api/v2/sessions"), 200);
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    // A repetition, a refusal, and a merge without the cookie leave it.
    let foreign = server.guest();
    accepted(&server.user().with_token(merge(&foreign)), 200);
    let kept = [
        user.visitor.send(merge(&guest)),
        user.visitor.send(merge(&foreign)),
        user.with_token(merge(&server.guest())),
    ];
    assert_eq!(kept.each_ref().map(|answer| answer.status), [200, 409, 200]);
    for answer in kept {
        assert!(answer.header("set-cookie").is_none());
    }
    assert_eq!(cookie(&user), after);
    accepted(&user.visitor.send(session), 200);
}

fn who_is_signed_in_stays_signed_in(server: &Server) {
    let mut user = server.user();
    let answer = accepted(
        &user.visitor.post("/api/v2/auth/anonymous", &json!({})),
        200,
    );
    assert_eq!(
        (&answer["user_id"], &answer["auth_type"]),
        (&json!(user.id), &json!("authenticated"))
    );
    accepted(&user.visitor.get("/api/auth/profile"), 200);
}

fn contradictory_identities_begin_no_guest_session(server: &Server) {
    let (mut guest, other, user) = (server.guest(), server.guest(), server.user());
    let begin = Request::new("POST", "/api/v2/auth/anonymous");
    let mixed = begin.clone().header("X-User-ID", &other.id);
    refused(&guest.visitor.send(mixed), 403, "USER_MISMATCH");
    let cookie = guest.visitor.browser.cookie_header().unwrap();
    let mixed = begin.header("Cookie", &cookie);
    refused(&user.with_token(mixed), 403, "USER_MISMATCH");
}
