//! Many requests at once, on both databases.

use nightlatch_server::client::{Request, Response};
use serde_json::{Value, json};

use crate::fixture::{PASSWORD, Server, accepted, at_once, fresh_email, on_both, refused};

on_both! {
    of_10_100_and_1000_redemptions_of_a_link_exactly_one_succeeds
    of_100_registrations_of_one_email_exactly_one_succeeds
    a_hundred_guests_begin_at_once
    merges_to_two_accounts_with_late_writes_lose_and_double_nothing
    no_refresh_brings_a_revoked_session_back
    a_hundred_sign_ins_at_once_succeed_or_are_told_to_wait
}

/// Sends a request until it is served. The queue of passwords to hash and the wait for a connection
/// to the database are bounded: whoever finds no room is told to come again, and does.
fn served(mut send: impl FnMut() -> Response) -> Response {
    loop {
        let answer = send();
        if answer.status != 503 {
            return answer;
        }
        assert!(answer.header("retry-after").is_some());
    }
}

fn of_10_100_and_1000_redemptions_of_a_link_exactly_one_succeeds(server: &Server) {
    for count in [10, 100, 1000] {
        let email = fresh_email();
        let request = json!({ "email": email });
        accepted(
            &server
                .visitor()
                .post("/api/v2/auth/magic-link/request", &request),
            202,
        );
        let verify = json!({ "token": server.mailed_token(&email) });
        let answers = at_once(count, |_| {
            served(|| {
                server
                    .visitor()
                    .post("/api/v2/auth/magic-link/verify", &verify)
            })
        });
        let succeeded = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(succeeded, 1);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            refused(answer, 409, "TOKEN_ALREADY_USED");
        }
    }
}

fn of_100_registrations_of_one_email_exactly_one_succeeds(server: &Server) {
    let body = json!({ "email": fresh_email(), "name": "Ann", "password": PASSWORD });
    let answers = at_once(100, |_| {
        served(|| server.visitor().post("/api/auth/register", &body))
    });
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        1
    );
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        refused(answer, 409, "EMAIL_ALREADY_EXISTS");
    }
}

fn a_hundred_guests_begin_at_once(server: &Server) {
    let answers = at_once(100, |_| {
        served(|| server.visitor().post("/api/v2/auth/anonymous", &json!({})))
    });
    let mut ids: Vec<String> = answers
        .iter()
        .map(|answer| accepted(answer, 201)["user_id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

fn merges_to_two_accounts_with_late_writes_lose_and_double_nothing(server: &Server) {
    let (guest, mut first, mut second) = (server.guest(), server.user(), server.user());
    let merge = json!({ "source_user_id": guest.id });
    // Threads 0 to 9 merge into the one, 10 to 19 into the other; the rest write as the guest.
    let answers = at_once(40, |at| match at {
        // By their tokens, since the merge replaces the cookie.
        0..10 => first.with_token(Request::new("POST", "/api/v2/auth/merge").json(&merge)),
        10..20 => second.with_token(Request::new("POST", "/api/v2/auth/merge").json(&merge)),
        _ => guest
            .visitor
            .clone()
            .post(&guest.tasks(), &json!({ "title": at })),
    });
    let won = |answers: &[nightlatch_server::client::Response]| {
        answers.iter().filter(|answer| answer.status == 200).count()
    };
    let (to_first, to_second) = (won(&answers[..10]), won(&answers[10..20]));
    assert!((to_first, to_second) == (10, 0) || (to_first, to_second) == (0, 10));
    let winner = if to_first == 10 {
        &mut first
    } else {
        &mut second
    };
    let mut written: Vec<Value> = answers[20..]
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.json()["id"].clone())
        .collect();
    let tasks = accepted(&winner.visitor.get(&winner.tasks()), 200);
    let tasks = tasks["items"].as_array().unwrap().iter();
    let mut found: Vec<Value> = tasks.map(|item| item["id"].clone()).collect();
    written.sort_by_key(Value::to_string);
    found.sort_by_key(Value::to_string);
    assert_eq!(found, written);
}

fn no_refresh_brings_a_revoked_session_back(server: &Server) {
    let (admin, user) = (server.admin(), server.user());
    let cord = json!({ "scope": "specific", "user_ids": [user.id], "reason": "race" });
    let answers = at_once(21, |at| {
        if at == 0 {
            let mut admin = admin.visitor.clone();
            return admin.post("/api/v2/admin/sessions/revoke", &cord);
        }
        let refresh = Request::new("POST", "/api/v2/auth/session/refresh");
        user.visitor.clone().send(refresh)
    });
    accepted(&answers[0], 200);
    for answer in &answers[1..] {
        assert!([200, 403].contains(&answer.status), "{}", answer.json());
    }
    let mut after = user.visitor.clone();
    refused(&after.get("/api/v2/auth/session"), 403, "SESSION_REVOKED");
    refused(
        &user.with_token(Request::new("GET", "/api/auth/profile")),
        403,
        "SESSION_REVOKED",
    );
}

fn a_hundred_sign_ins_at_once_succeed_or_are_told_to_wait(server: &Server) {
    let user = server.user();
    let login = json!({ "email": user.email, "password": PASSWORD });
    let answers = at_once(100, |_| server.visitor().post("/api/auth/login", &login));
    assert!(answers.iter().any(|answer| answer.status == 200));
    for answer in &answers {
        match answer.status {
            200 => assert_eq!(answer.json()["user"]["id"], user.id),
            429 | 503 | 423 => assert!(answer.header("retry-after").is_some()),
            other => panic!("{other}: {}", answer.json()),
        }
    }
}
