//! The pages, without the script, as a browser sends their forms.

use nightlatch_server::client::{Request, Response};
use serde_json::json;

use crate::fixture::{PASSWORD, Server, Visitor, accepted, fresh_email, on_both};

on_both! {
    a_person_registers_keeps_tasks_and_signs_out_on_pages
    the_page_of_a_link_consumes_nothing_until_its_button
    errors_of_a_form_stand_beside_their_fields
    a_guest_keeps_tasks_on_pages
    a_guest_who_registers_signs_in_or_takes_a_link_keeps_the_tasks
    a_revoked_person_is_shown_the_reason
    an_administrator_looks_up_revokes_and_reads_the_audit_log
    pages_have_no_inline_script_or_style
}

fn submit(visitor: &mut Visitor, path: &str, fields: &[(&str, &str)]) -> Response {
    let encode = |text: &str| {
        let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
        bytes.collect::<Vec<_>>().concat()
    };
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let request = Request {
        body: fields.join("&").into_bytes(),
        ..Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded")
    };
    visitor.send(request.header("Sec-Fetch-Site", "same-origin"))
}

#[track_caller]
fn shows(answer: &Response, status: u16, parts: &[&str]) {
    let html = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{html}");
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    for part in parts {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[track_caller]
fn leads_to(answer: &Response, path: &str) {
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(path))
    );
}

fn registered(server: &Server) -> (Visitor, String) {
    let (mut visitor, email) = (server.visitor(), fresh_email());
    let fields = [
        ("email", email.as_str()),
        ("name", "Ann"),
        ("password", PASSWORD),
    ];
    leads_to(&submit(&mut visitor, "/register", &fields), "/account");
    (visitor, email)
}

fn a_person_registers_keeps_tasks_and_signs_out_on_pages(server: &Server) {
    let (mut ann, email) = registered(server);
    shows(
        &ann.get("/account"),
        200,
        &["Signed in as", &email, "this one"],
    );
    leads_to(
        &submit(&mut ann, "/tasks", &[("title", "<b>paint</b>")]),
        "/tasks",
    );
    let page = ann.get("/tasks");
    shows(&page, 200, &["&#60;b&#62;paint"]);
    let html = String::from_utf8(page.body).unwrap();
    let id = html
        .split_once("/tasks/")
        .unwrap()
        .1
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    leads_to(
        &submit(&mut ann, &format!("/tasks/{id}/done"), &[]),
        "/tasks",
    );
    shows(&ann.get("/tasks"), 200, &["class=\"done\"", "Reopen"]);
    leads_to(
        &submit(&mut ann, &format!("/tasks/{id}/remove"), &[]),
        "/tasks",
    );
    shows(&ann.get("/tasks"), 200, &["There are no tasks yet."]);
    leads_to(
        &submit(&mut ann, "/account", &[("name", "Ann Lee")]),
        "/account?after=saved",
    );
    shows(
        &ann.get("/account?after=saved"),
        200,
        &["The name is saved.", "Ann Lee"],
    );
    leads_to(&submit(&mut ann, "/signout", &[]), "/login?after=signout");
    leads_to(&ann.get("/account"), "/login");
    let login = [("email", email.as_str()), ("password", PASSWORD)];
    leads_to(&submit(&mut ann, "/login", &login), "/account");
}

fn the_page_of_a_link_consumes_nothing_until_its_button(server: &Server) {
    let (mut visitor, email) = (server.visitor(), fresh_email());
    let asked = submit(&mut visitor, "/login/link", &[("email", &email)]);
    leads_to(&asked, "/login?after=link");
    let page = format!("/l/{}", server.mailed_token(&email));
    for _ in 0..3 {
        shows(
            &server.visitor().get(&page),
            200,
            &["This link signs you in, once.", "<button>"],
        );
    }
    leads_to(&submit(&mut visitor, &page, &[]), "/account");
    shows(&visitor.get("/account"), 200, &[&email]);
    shows(
        &server.visitor().get(&page),
        409,
        &["This link was used already"],
    );
    shows(
        &submit(&mut server.visitor(), &page, &[]),
        409,
        &["This link was used already"],
    );
    shows(
        &server.visitor().get("/l/x"),
        400,
        &["This link is not valid"],
    );
}

fn errors_of_a_form_stand_beside_their_fields(server: &Server) {
    let mut visitor = server.visitor();
    let fields = [
        ("email", "\"><script>"),
        ("name", ""),
        ("password", "short"),
    ];
    let page = submit(&mut visitor, "/register", &fields);
    shows(
        &page,
        400,
        &[
            "id=\"email-problem\" role=\"alert\"",
            "aria-invalid=\"true\"",
        ],
    );
    assert!(
        !String::from_utf8(page.body)
            .unwrap()
            .contains("\"><script>")
    );
    let (_, email) = registered(server);
    let fields = [
        ("email", email.as_str()),
        ("name", "Ann"),
        ("password", PASSWORD),
    ];
    shows(
        &submit(&mut visitor, "/register", &fields),
        409,
        &["an account with this email"],
    );
    let wrong = [
        ("email", email.as_str()),
        ("password", "not the password at all"),
    ];
    let page = submit(&mut visitor, "/login", &wrong);
    shows(&page, 401, &["Invalid email or password", &email]);
    assert!(
        !String::from_utf8(page.body)
            .unwrap()
            .contains("not the password at all")
    );
}

fn a_guest_keeps_tasks_on_pages(server: &Server) {
    let mut guest = server.visitor();
    shows(
        &guest.get("/tasks"),
        200,
        &["Begin as a guest", "data-start=\"guest\""],
    );
    leads_to(&submit(&mut guest, "/guest", &[]), "/tasks");
    leads_to(
        &submit(&mut guest, "/tasks", &[("title", "paint")]),
        "/tasks",
    );
    shows(&guest.get("/tasks"), 200, &["You are a guest.", "paint"]);
    shows(
        &submit(&mut guest, "/tasks", &[("title", " ")]),
        400,
        &["1 to 200 characters"],
    );
    leads_to(&guest.get("/account"), "/tasks");
    shows(&guest.get("/admin"), 403, &["Not allowed"]);
}

fn a_guest_who_registers_signs_in_or_takes_a_link_keeps_the_tasks(server: &Server) {
    let guest = || {
        let mut guest = server.visitor();
        leads_to(&submit(&mut guest, "/guest", &[]), "/tasks");
        leads_to(
            &submit(&mut guest, "/tasks", &[("title", "of a guest")]),
            "/tasks",
        );
        guest
    };
    let tasks = |visitor: &mut Visitor| {
        let html = String::from_utf8(visitor.get("/tasks").body).unwrap();
        assert!(!html.contains("You are a guest"), "{html}");
        html.matches("<span>of a guest</span>").count()
    };
    let email = fresh_email();
    let fields = [
        ("email", email.as_str()),
        ("name", "Ann"),
        ("password", PASSWORD),
    ];
    let mut first = guest();
    leads_to(&submit(&mut first, "/register", &fields), "/account");
    assert_eq!(tasks(&mut first), 1);
    let mut second = guest();
    leads_to(
        &submit(&mut second, "/login", &[fields[0], fields[2]]),
        "/account",
    );
    assert_eq!(tasks(&mut second), 2);
    let mut third = guest();
    leads_to(
        &submit(&mut third, "/login/link", &fields[..1]),
        "/login?after=link",
    );
    let page = format!("/l/{}", server.mailed_token(&email));
    leads_to(&submit(&mut third, &page, &[]), "/account");
    assert_eq!(tasks(&mut third), 3);
}

fn a_revoked_person_is_shown_the_reason(server: &Server) {
    let (mut user, mut admin) = (server.user(), server.admin());
    let cord = json!({ "scope": "specific", "user_ids": [user.id], "reason": "<laptop> stolen" });
    accepted(
        &admin.visitor.post("/api/v2/admin/sessions/revoke", &cord),
        200,
    );
    for page in ["/account", "/tasks"] {
        let parts = [
            "Your session was ended",
            "&#60;laptop&#62; stolen",
            "href=\"/login\"",
        ];
        shows(&user.visitor.get(page), 403, &parts);
    }
}

fn an_administrator_looks_up_revokes_and_reads_the_audit_log(server: &Server) {
    let (mut admin, mut user) = (server.admin(), server.user());
    let page = format!("/admin?email={}", user.email.replace('@', "%40"));
    shows(
        &admin.visitor.get(&page),
        200,
        &[
            &format!("User id {}", user.id),
            "name=\"incident_id\" maxlength=\"64\"",
        ],
    );
    let fields = [
        ("scope", "specific"),
        ("user_id", user.id.as_str()),
        ("reason", "drill"),
    ];
    shows(
        &submit(&mut admin.visitor, "/admin", &fields),
        200,
        &["1 sessions ended"],
    );
    shows(&user.visitor.get("/account"), 403, &["drill"]);
    let fields = [
        ("scope", "specific"),
        ("user_id", user.id.as_str()),
        ("reason", ""),
    ];
    shows(
        &submit(&mut admin.visitor, "/admin", &fields),
        400,
        &["reason"],
    );
    server.wait_for_event(&admin.email);
    shows(
        &admin.visitor.get("/audit"),
        200,
        &["Verified: no tampering found", "Fingerprint"],
    );
    shows(&server.user().visitor.get("/audit"), 403, &["Not allowed"]);
    leads_to(&server.visitor().get("/admin"), "/login");
}

fn pages_have_no_inline_script_or_style(server: &Server) {
    let mut admin = server.admin();
    server.wait_for_event(&admin.email);
    for page in [
        "/login",
        "/register",
        "/tasks",
        "/account",
        "/admin",
        "/audit",
        "/l/x",
    ] {
        let answer = admin.visitor.get(page);
        let html = String::from_utf8(answer.body.clone()).unwrap();
        assert!(
            html.contains("<html lang=\"en\">") && html.contains("<h1>"),
            "{page}"
        );
        assert_eq!(html.matches("<script").count(), 1, "{page}");
        assert!(
            !html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick=")
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"));
    }
    for (asset, media_type) in [
        ("/style.css", "text/css"),
        ("/session.js", "text/javascript"),
    ] {
        let answer = admin.visitor.get(asset);
        assert!(
            answer
                .header("content-type")
                .unwrap()
                .starts_with(media_type)
        );
        assert_eq!(answer.status, 200);
    }
}
