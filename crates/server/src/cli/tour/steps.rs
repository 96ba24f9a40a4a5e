//! The steps of the tour, from top to bottom.

use std::net::SocketAddr;
use std::path::Path;

use nightlatch_platform::fs::read_user_file;
use serde_json::{Value, json};

use crate::cli::{Failure, ui};
use crate::client::{Browser, Request, Response};

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "a harbour wall, eleven gulls";
/// Longer texts are cut in what is printed.
const SHOWN: usize = 48;
/// Larger than any mail.
const MAIL: usize = 64 * 1024;

/// Goes through all steps on the server at `address`.
#[allow(clippy::too_many_lines)] // a narrative
pub fn all(address: SocketAddr, outbox: &Path, setup: &Path) -> Result<(), Failure> {
    let mut tour = Tour { step: 0 };
    let (mut guest, mut ann) = (Browser::new(address), Browser::new(address));

    tour.about("A guest begins without registration, and keeps a document.")?;
    let begun = tour.send(&mut guest, post("/api/v2/auth/anonymous", &json!({})), 201)?;
    expect(&begun, "/is_new_session", &json!(true))?;
    let guest_id = text(&begun, "/user_id")?;
    let tasks = format!("/api/users/{guest_id}/tasks");
    tour.send(
        &mut guest,
        post(&tasks, &json!({ "title": "buy paint" })),
        201,
    )?;

    tour.about("Another tab of the same browser has the same session.")?;
    let again = tour.send(&mut guest, post("/api/v2/auth/anonymous", &json!({})), 200)?;
    expect(&again, "/user_id", &json!(guest_id))?;

    tour.about("A person registers, once.")?;
    let registration = json!({ "email": EMAIL, "name": "Ann", "password": PASSWORD });
    let request = post("/api/auth/register", &registration);
    let registered = tour.send(&mut ann, request.clone(), 201)?;
    let ann_id = text(&registered, "/user/id")?;
    let again = tour.send(&mut Browser::new(address), request, 409)?;
    expect(&again, "/error", &json!("EMAIL_ALREADY_EXISTS"))?;

    tour.about("She signs out: the session and its token are dead at once.")?;
    let token = text(&registered, "/access_token")?;
    tour.send(&mut ann, Request::new("POST", "/api/auth/logout"), 200)?;
    let bearer = Request::new("GET", "/api/v2/auth/session")
        .header("Authorization", &format!("Bearer {token}"));
    tour.send(&mut Browser::new(address), bearer, 401)?;

    tour.about("She signs in again. A wrong password says no more than it must.")?;
    let wrong = post(
        "/api/auth/login",
        &json!({ "email": EMAIL, "password": "not this one" }),
    );
    tour.send(&mut Browser::new(address), wrong, 401)?;
    let login = post(
        "/api/auth/login",
        &json!({ "email": EMAIL, "password": PASSWORD }),
    );
    tour.send(&mut ann, login.clone(), 200)?;

    tour.about("Her profile.")?;
    let renamed = Request::new("PUT", "/api/auth/profile").json(&json!({ "name": "Ann Lee" }));
    tour.send(&mut ann, renamed, 200)?;
    let profile = tour.send(&mut ann, Request::new("GET", "/api/auth/profile"), 200)?;
    expect(&profile, "/name", &json!("Ann Lee"))?;

    tour.about("Her documents are hers: the guest cannot read them, and she not the guest's.")?;
    let own = format!("/api/users/{ann_id}/tasks");
    tour.send(
        &mut ann,
        post(&own, &json!({ "title": "paint the door" })),
        201,
    )?;
    let foreign = tour.send(&mut guest, Request::new("GET", &own), 403)?;
    expect(&foreign, "/error", &json!("USER_MISMATCH"))?;
    tour.send(&mut ann, Request::new("GET", &tasks), 403)?;

    tour.about("The guest becomes part of her account: nothing is lost, nothing doubled.")?;
    let merge = post("/api/v2/auth/merge", &json!({ "source_user_id": guest_id }));
    let merged = tour.send(&mut ann, merge.clone(), 200)?;
    expect(&merged, "/status", &json!("completed"))?;
    let merged = tour.send(&mut ann, merge, 200)?;
    expect(&merged, "/status", &json!("already_merged"))?;
    let documents = tour.send(&mut ann, Request::new("GET", &own), 200)?;
    expect(&documents, "/count", &json!(2))?;

    tour.about(
        "A sign-in link works once. In the browser that registered, it also proves the email.",
    )?;
    let link = post(
        "/api/v2/auth/magic-link/request",
        &json!({ "email": EMAIL }),
    );
    tour.send(&mut ann, link, 202)?;
    let token = token_in(&newest_mail(outbox)?)?;
    let verify = post("/api/v2/auth/magic-link/verify", &json!({ "token": token }));
    tour.send(&mut ann, verify.clone(), 200)?;
    let used = tour.send(&mut Browser::new(address), verify, 409)?;
    expect(&used, "/error", &json!("TOKEN_ALREADY_USED"))?;

    tour.about("She sees all her sessions, and ends that of her phone.")?;
    let mut phone = Browser::new(address);
    tour.send(&mut phone, login, 200)?;
    let list = tour.send(&mut ann, Request::new("GET", "/api/v2/sessions"), 200)?;
    let other = other_session(&list)?;
    let end = Request::new("DELETE", &format!("/api/v2/sessions/{other}"));
    tour.send(&mut ann, end, 204)?;
    tour.send(&mut phone, Request::new("GET", "/api/v2/auth/session"), 401)?;

    tour.about("The link that the server printed at its first start makes an administrator.")?;
    let mut admin = Browser::new(address);
    let setup = token_in(&read(setup)?)?;
    let body = json!({
        "token": setup, "email": "root@example.com", "name": "Root", "password": PASSWORD,
    });
    tour.send(&mut admin, post("/api/v2/auth/setup", &body), 201)?;
    let lookup = Request::new("GET", "/api/v2/users/lookup?email=ann%40example.com");
    let found = tour.send(&mut admin, lookup.clone(), 200)?;
    expect(&found, "/user_id", &json!(ann_id))?;
    tour.send(&mut ann, lookup, 403)?;

    tour.about("The andon cord ends her sessions; she is told why.")?;
    let body = json!({
        "scope": "specific", "user_ids": [ann_id], "reason": "laptop stolen", "incident_id": "INC-7",
    });
    let revoked = tour.send(
        &mut admin,
        post("/api/v2/admin/sessions/revoke", &body),
        200,
    )?;
    expect(&revoked, "/revoked_count", &json!(2))?;
    let state = tour.send(&mut ann, Request::new("GET", "/api/v2/auth/session"), 403)?;
    expect(&state, "/details/reason", &json!("laptop stolen"))
}

struct Tour {
    step: u32,
}

impl Tour {
    /// Prints what the next requests show.
    fn about(&mut self, text: &str) -> Result<(), Failure> {
        self.step += 1;
        Ok(ui::print(&format!("\n{}. {text}", self.step))?)
    }

    /// Sends a request, prints it and its answer, and checks the status.
    #[allow(clippy::unused_self)] // the steps read as what the tour does
    fn send(
        &self,
        browser: &mut Browser,
        request: Request,
        status: u16,
    ) -> Result<Response, Failure> {
        let body = serde_json::from_slice(&request.body).map_or(String::new(), shown);
        ui::print(&format!("   {} {} {body}", request.method, request.path))?;
        let step = format!("{} {}", request.method, request.path);
        let response = browser.send(request)?;
        ui::print(&format!(
            "   {} {}",
            response.status,
            shown(response.json())
        ))?;
        if response.status == status {
            Ok(response)
        } else {
            let found = response.status;
            Err(format!("{step}: expected {status}, found {found}").into())
        }
    }
}

fn post(path: &str, body: &Value) -> Request {
    Request::new("POST", path).json(body)
}

/// A body as it is printed: without passwords, long texts cut.
fn shown(mut body: Value) -> String {
    fn cut(value: &mut Value) {
        match value {
            Value::String(text) if text.chars().count() > SHOWN => {
                let start: String = text.chars().take(SHOWN / 2).collect();
                *text = format!("{start}...");
            }
            Value::Array(values) => values.iter_mut().for_each(cut),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if name == "password" {
                        *value = json!("***");
                    }
                    cut(value);
                }
            }
            _ => {}
        }
    }
    if body.is_null() {
        return String::new();
    }
    cut(&mut body);
    body.to_string()
}

fn text(response: &Response, pointer: &str) -> Result<String, Failure> {
    let json = response.json();
    let found = json.pointer(pointer).and_then(Value::as_str);
    Ok(found
        .ok_or_else(|| format!("the answer has no {pointer}"))?
        .to_owned())
}

fn expect(response: &Response, pointer: &str, expected: &Value) -> Result<(), Failure> {
    let json = response.json();
    let found = json.pointer(pointer).unwrap_or(&Value::Null);
    if found == expected {
        Ok(())
    } else {
        Err(format!("{pointer}: expected {expected}, found {found}").into())
    }
}

/// The id of the newest live session in the list that is not the one that asks.
fn other_session(list: &Response) -> Result<String, Failure> {
    let list = list.json();
    let sessions = list["sessions"].as_array().into_iter().flatten();
    let mut live = sessions.filter(|session| session["state"] == "live");
    let other = live.find(|session| session["is_current"] == false);
    let id = other.and_then(|session| session["id"].as_str());
    Ok(id.ok_or("there is no other session")?.to_owned())
}

/// The newest mail: names sort by time.
fn newest_mail(outbox: &Path) -> Result<String, Failure> {
    let names = std::fs::read_dir(outbox)?.map(|entry| entry.map(|entry| entry.path()));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    read(names.iter().max().ok_or("there is no mail")?)
}

fn read(path: &Path) -> Result<String, Failure> {
    let content = read_user_file(path, MAIL)?;
    let content = content.ok_or_else(|| format!("there is no {}", path.display()))?;
    Ok(String::from_utf8(content)?)
}

/// The token of the link in a mail.
fn token_in(mail: &str) -> Result<String, Failure> {
    let (_, link) = mail
        .split_once("/l/")
        .ok_or("there is no link in the mail")?;
    Ok(link
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}
