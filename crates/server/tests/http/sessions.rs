//! The session of a request and the list of one's sessions (rows 2 to 4 and 16).

use nightlatch_server::client::Request;
use serde_json::json;

use crate::fixture::{PASSWORD, Server, accepted, either_database, on_both, refused};

on_both! {
    a_session_is_shown_refreshed_and_ended
    thirty_refreshes_a_minute_are_taken_from_one_user
    sessions_are_listed_and_ended_one_by_one_or_all_others
    without_a_session_every_protected_route_says_so
}

fn a_session_is_shown_refreshed_and_ended(server: &Server) {
    let mut user = server.user();
    let shown = accepted(&user.visitor.get("/api/v2/auth/session"), 200);
    assert_eq!(
        (&shown["is_valid"], &shown["revoked"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(shown["email"], user.email);
    assert!((890..=900).contains(&shown["remaining_seconds"].as_u64().unwrap()));
    let cookie = user.visitor.browser.cookie_header();
    let refresh = user
        .visitor
        .send(Request::new("POST", "/api/v2/auth/session/refresh"));
    let refreshed = accepted(&refresh, 200);
    assert_eq!(refreshed["refreshed"], true);
    assert!(refreshed["session_expires_at"].as_str() >= shown["session_expires_at"].as_str());
    // The same token: a new one would sign other tabs out.
    assert_eq!(user.visitor.browser.cookie_header(), cookie);
    let cookie = cookie.unwrap();
    for end in [
        Request::new("DELETE", "/api/v2/auth/session"),
        Request::new("POST", "/api/v2/auth/signout"),
    ] {
        let mut user = server.user();
        assert_eq!(user.visitor.send(end).status, 204);
        let with_token = user.with_token(Request::new("GET", "/api/v2/auth/session"));
        refused(&with_token, 401, "UNAUTHORIZED");
        refused(
            &user.visitor.get("/api/v2/auth/session"),
            401,
            "UNAUTHORIZED",
        );
    }
    assert_eq!(user.visitor.delete("/api/v2/auth/session").status, 204);
    let stolen = Request::new("GET", "/api/v2/auth/session").header("Cookie", &cookie);
    refused(&server.visitor().send(stolen), 401, "UNAUTHORIZED");
}

fn thirty_refreshes_a_minute_are_taken_from_one_user(server: &Server) {
    let mut user = server.user();
    let refresh = Request::new("POST", "/api/v2/auth/session/refresh");
    for _ in 0..30 {
        accepted(&user.visitor.send(refresh.clone()), 200);
    }
    let answer = user.visitor.send(refresh);
    refused(&answer, 429, "RATE_LIMITED");
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_refresh_is_recorded_at_most_once_a_minute() {
    for config in either_database() {
        let mut server = Server::start(&config, &[]);
        let mut user = server.user();
        let mut refresh = || {
            let refresh = Request::new("POST", "/api/v2/auth/session/refresh");
            accepted(&user.visitor.send(refresh), 200)
        };
        refresh();
        // As if the last activity had been a minute ago.
        let earlier = "UPDATE session SET seen = seen - 60000";
        server.execute(earlier);
        let refreshed = refresh();
        assert!((890..=900).contains(&refreshed["remaining_seconds"].as_u64().unwrap()));
        refresh();
        assert_eq!(server.stop(), "ended with 0\n");
        let events = server.audit(&["list"]);
        assert_eq!(events.matches("SESSION_REFRESHED").count(), 1, "{events}");
    }
}

fn sessions_are_listed_and_ended_one_by_one_or_all_others(server: &Server) {
    let mut user = server.user();
    let login = json!({ "email": user.email, "password": PASSWORD });
    let mut others: Vec<_> = (0..3)
        .map(|_| {
            let mut other = server.visitor();
            accepted(&other.post("/api/auth/login", &login), 200);
            other
        })
        .collect();
    let list = accepted(&user.visitor.get("/api/v2/sessions"), 200);
    let sessions = list["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 4);
    let current: Vec<_> = sessions
        .iter()
        .filter(|one| one["is_current"] == true)
        .collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["client"]["address"], user.visitor.address);
    let newest = sessions[0]["id"].as_str().unwrap().to_owned();
    let end = format!("/api/v2/sessions/{newest}");
    assert_eq!(user.visitor.delete(&end).status, 204);
    refused(&user.visitor.delete(&end), 404, "NOT_FOUND");
    refused(&others[2].get("/api/v2/auth/session"), 401, "UNAUTHORIZED");
    let ended = accepted(&user.visitor.delete("/api/v2/sessions/others"), 200);
    assert_eq!(ended["ended_count"], 2);
    refused(&others[0].get("/api/v2/auth/session"), 401, "UNAUTHORIZED");
    accepted(&user.visitor.get("/api/v2/auth/session"), 200);
    // Those of others are not there.
    let mut stranger = server.user();
    let foreign = current[0]["id"].as_str().unwrap();
    refused(
        &stranger
            .visitor
            .delete(&format!("/api/v2/sessions/{foreign}")),
        404,
        "NOT_FOUND",
    );
    refused(
        &stranger.visitor.delete("/api/v2/sessions/x"),
        404,
        "NOT_FOUND",
    );
    accepted(&user.visitor.get("/api/v2/auth/session"), 200);
}

fn without_a_session_every_protected_route_says_so(server: &Server) {
    use nightlatch_server::api::{Access, METHODS, ROUTES};
    for route in ROUTES.iter().filter(|route| route.access != Access::Open) {
        let method = METHODS
            .iter()
            .find(|(_, method)| *method == route.method)
            .unwrap()
            .0;
        let answer = server.visitor().send(Request::new(method, route.path));
        refused(&answer, 401, "UNAUTHORIZED");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer realm="nightlatch""#)
        );
    }
}
