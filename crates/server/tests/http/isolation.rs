//! Nobody reads or changes another's data (C3): every route of the table, with another user's id,
//! for everybody who might try.

use nightlatch_server::api::{Access, METHODS, ROUTES};
use nightlatch_server::client::{Request, Response};
use serde_json::json;

use crate::fixture::{Server, accepted, on_both};

on_both! { no_route_gives_or_changes_the_data_of_another_user }

fn no_route_gives_or_changes_the_data_of_another_user(server: &Server) {
    let mut victim = server.user();
    let item = accepted(
        &victim
            .visitor
            .post(&victim.tasks(), &json!({ "title": "hers" })),
        201,
    );
    let item_id = item["id"].as_str().unwrap();
    let mut revoked = server.user();
    let mut admin = server.admin();
    let cord = json!({ "scope": "specific", "user_ids": [revoked.id], "reason": "test" });
    accepted(
        &admin.visitor.post("/api/v2/admin/sessions/revoke", &cord),
        200,
    );
    let mut ended = server.user();
    let cookie = ended.visitor.browser.cookie_header().unwrap();
    assert_eq!(ended.visitor.delete("/api/v2/auth/session").status, 204);
    let mut expired = server.user();
    let long_ago = "UPDATE session SET seen = seen - idle WHERE account = ";
    server.execute(&format!("{long_ago}'{}'", expired.id));
    let (mut guest, mut user) = (server.guest(), server.user());
    let unknown = "00000000-0000-4000-8000-000000000000";
    for route in ROUTES.iter().filter(|route| route.access == Access::Owner) {
        let method = METHODS
            .iter()
            .find(|(_, method)| *method == route.method)
            .unwrap()
            .0;
        let request = |owner: &str| {
            let path = route
                .path
                .replace("{user_id}", owner)
                .replace("{kind}", "tasks");
            Request::new(method, &path.replace("{id}", item_id)).json(&json!({ "title": "mine" }))
        };
        let check = |who: &str, send: &mut dyn FnMut(Request) -> Response, status: u16| {
            // That she exists makes no difference.
            let (hers, nobodys) = (send(request(&victim.id)), send(request(unknown)));
            assert_eq!(hers.status, status, "{who}: {method} {}", route.path);
            assert_eq!(hers.body, nobodys.body, "{who}: {method} {}", route.path);
            assert_eq!(
                send(request("x")).status,
                status,
                "{who}: {method} {}",
                route.path
            );
            let shown = String::from_utf8(hers.body).unwrap();
            assert!(!shown.contains("hers"), "{who}: {shown}");
        };
        check("nobody", &mut |request| server.visitor().send(request), 401);
        check("guest", &mut |request| guest.visitor.send(request), 403);
        check("user", &mut |request| user.visitor.send(request), 403);
        check("admin", &mut |request| admin.visitor.send(request), 403);
        check("revoked", &mut |request| revoked.visitor.send(request), 403);
        check("expired", &mut |request| expired.visitor.send(request), 401);
        check(
            "expired, by token",
            &mut |request| expired.with_token(request),
            401,
        );
        let mut with_old_cookie =
            |request: Request| server.visitor().send(request.header("Cookie", &cookie));
        check("ended", &mut with_old_cookie, 401);
        // Her id beside one's own session, and her id alone.
        let id = victim.id.clone();
        let mut pretended = |request: Request| user.visitor.send(request.header("X-User-ID", &id));
        check("user with her id", &mut pretended, 403);
        let mut alone = |request: Request| server.visitor().send(request.header("X-User-ID", &id));
        check("her id alone", &mut alone, 401);
    }
    let kept = accepted(&victim.visitor.get(&victim.tasks()), 200);
    assert_eq!(kept["items"], json!([item]));
    // The same through the pages.
    let page = format!("/tasks/{item_id}/remove");
    for intruder in [&mut guest, &mut user, &mut admin] {
        intruder.visitor.send(Request::new("POST", &page));
    }
    assert_eq!(
        accepted(&victim.visitor.get(&victim.tasks()), 200)["count"],
        1
    );
}
