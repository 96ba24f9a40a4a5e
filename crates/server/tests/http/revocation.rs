//! Lookup and the andon cord (rows 8 and 9).

use serde_json::json;

use crate::fixture::{Server, accepted, on_both, refused};

on_both! {
    a_lookup_finds_accounts_for_administrators_only
    a_revocation_of_one_account_is_in_force_at_once_with_its_reason
    a_revocation_without_a_reason_or_scope_is_refused
}

const REVOKE: &str = "/api/v2/admin/sessions/revoke";

fn a_lookup_finds_accounts_for_administrators_only(server: &Server) {
    let (mut admin, mut user) = (server.admin(), server.user());
    let path = format!(
        "/api/v2/users/lookup?email={}",
        user.email.replace('@', "%40")
    );
    let found = accepted(&admin.visitor.get(&path), 200);
    let expected = json!({
        "found": true, "user_id": user.id, "auth_type": "authenticated",
        "email_masked": "p***@example.com",
    });
    assert_eq!(found, expected);
    let none = admin
        .visitor
        .get("/api/v2/users/lookup?email=nobody@example.com");
    assert_eq!(accepted(&none, 200), json!({ "found": false }));
    for bad in [
        "?email=nobody",
        "?email=",
        "",
        "?email=a%00@example.com",
        "?mail=a@example.com",
    ] {
        let answer = admin.visitor.get(&format!("/api/v2/users/lookup{bad}"));
        refused(&answer, 400, "INVALID_EMAIL");
    }
    refused(&user.visitor.get(&path), 403, "FORBIDDEN");
    refused(&server.guest().visitor.get(&path), 403, "FORBIDDEN");
    refused(&server.visitor().get(&path), 401, "UNAUTHORIZED");
}

fn a_revocation_of_one_account_is_in_force_at_once_with_its_reason(server: &Server) {
    let (mut admin, mut user, mut other) = (server.admin(), server.user(), server.user());
    let unknown = "00000000-0000-4000-8000-000000000000";
    let body = json!({
        "scope": "specific", "user_ids": [user.id, unknown], "reason": "stolen \u{1f4bb}",
        "incident_id": "INC-1",
    });
    let revoked = accepted(&admin.visitor.post(REVOKE, &body), 200);
    let expected = json!({
        "revoked_count": 1, "failed_count": 1, "failed_user_ids": [unknown], "status": "partial",
    });
    assert_eq!(revoked, expected);
    let cookie = user.visitor.browser.cookie_header().unwrap();
    for path in ["/api/v2/auth/session", "/api/auth/profile", &user.tasks()] {
        let request = nightlatch_server::client::Request::new("GET", path);
        let answers = [
            user.visitor.send(request.clone()),
            user.with_token(request.clone()),
            server.visitor().send(request.header("Cookie", &cookie)),
        ];
        for answer in answers {
            let error = refused(&answer, 403, "SESSION_REVOKED");
            assert_eq!(error["details"]["reason"], "stolen \u{1f4bb}");
        }
    }
    accepted(&other.visitor.get("/api/v2/auth/session"), 200);
    // They may sign in again, unless the account is disabled.
    let login = json!({ "email": user.email, "password": crate::fixture::PASSWORD });
    accepted(&server.visitor().post("/api/auth/login", &login), 200);
}

fn a_revocation_without_a_reason_or_scope_is_refused(server: &Server) {
    let (mut admin, mut user) = (server.admin(), server.user());
    let good = json!({ "scope": "specific", "user_ids": [user.id], "reason": "r" });
    for (field, bad) in [
        ("reason", json!("")),
        ("reason", json!(" ")),
        ("reason", json!("a\nb")),
        ("reason", json!("x".repeat(501))),
        ("scope", json!("everybody")),
        ("user_ids", json!([])),
        ("user_ids", json!(["x"])),
        ("user_ids", json!(user.id)),
        ("incident_id", json!("x".repeat(101))),
    ] {
        let mut body = good.clone();
        body[field] = bad;
        let error = refused(&admin.visitor.post(REVOKE, &body), 400, "VALIDATION_ERROR");
        assert_eq!(error["details"]["field"], field);
    }
    refused(&user.visitor.post(REVOKE, &good), 403, "FORBIDDEN");
    accepted(&user.visitor.get("/api/v2/auth/session"), 200);
}

#[test]
fn every_scope_of_a_revocation_ends_its_sessions_and_no_others() {
    for config in crate::fixture::either_database() {
        let server = Server::start(&config, &[]);
        for (scope, ended) in [
            ("all_anonymous", [true, false, false]),
            ("all_authenticated", [false, true, true]),
            ("all", [true, true, true]),
        ] {
            let (mut guest, mut user, mut admin) = (server.guest(), server.user(), server.admin());
            let body = json!({ "scope": scope, "reason": "drill" });
            accepted(&admin.visitor.post(REVOKE, &body), 200);
            for (who, is_ended) in [&mut guest, &mut user, &mut admin].into_iter().zip(ended) {
                let answer = who.visitor.get("/api/v2/auth/session");
                assert_eq!(answer.status, if is_ended { 403 } else { 200 }, "{scope}");
            }
        }
    }
}
