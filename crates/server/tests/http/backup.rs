//! Backup of a running server, and its restore.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use nightlatch_server::client::Request;
use serde_json::json;

use crate::fixture::{PASSWORD, Server, User, accepted, files, fresh_email, program, refused};
use crate::postgres;

pub fn run(arguments: &[&str], data: &Path) -> Output {
    program()
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap()
}

#[track_caller]
pub fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub fn fails(output: &Output, problem: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(problem), "{problem}: {error}");
}

/// A directory with an empty place for data, and the settings of tests.
pub fn root() -> std::path::PathBuf {
    let root = tempfile::tempdir().unwrap().keep();
    let text = "trusted_proxies = [\"127.0.0.0/8\"]\n[password]\nmemory_kib = 19456\npasses = 2\n";
    std::fs::write(root.join("config.toml"), text).unwrap();
    root
}

pub fn sign_in(server: &Server, user: &User) -> User {
    let mut visitor = server.visitor();
    let body = json!({ "email": user.email, "password": PASSWORD });
    let answer = visitor.post("/api/auth/login", &body);
    accepted(&answer, 200);
    User {
        token: answer.json()["access_token"].as_str().unwrap().to_owned(),
        visitor,
        ..user.clone()
    }
}

pub fn events(data: &Path) -> String {
    let log = data.join("audit");
    let arguments = [
        "audit",
        "list",
        "--limit",
        "1000",
        "--dir",
        log.to_str().unwrap(),
    ];
    succeeds(&run(&arguments, data))
}

#[test]
fn a_backup_under_load_is_restored_with_everything_that_was_acknowledged() {
    let server = Server::start("", &[]);
    let scratch = tempfile::tempdir().unwrap();
    let before = server.user();
    let body = json!({ "title": "milk" });
    let post = Request::new("POST", &before.tasks()).json(&body);
    accepted(&before.with_token(post), 201);
    let link = fresh_email();
    let body = json!({ "email": link });
    accepted(
        &server
            .visitor()
            .post("/api/v2/auth/magic-link/request", &body),
        202,
    );
    server.wait_for_event("LINK_REQUESTED");
    // Others work meanwhile.
    let (busy, directory) = (AtomicBool::new(true), scratch.path().join("backup"));
    let printed = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    server.guest();
                }
            });
        }
        let directory = directory.to_str().unwrap();
        let printed = succeeds(&run(&["backup", directory], &server.data));
        // A second backup does not go over the first.
        fails(&run(&["backup", directory], &server.data), "not empty");
        busy.store(false, Ordering::Relaxed);
        printed
    });
    assert!(printed.starts_with("Backup made in "), "{printed}");
    let names: Vec<_> = files(&directory);
    assert_eq!(names.len(), 2, "{names:?}");
    for name in &names {
        let mode = std::os::unix::fs::PermissionsExt::mode(&name.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{name:?}");
    }
    // Each event is in the copy of the log or waits in that of the database, and not in both.
    let copy = rusqlite::Connection::open(directory.join("server.db")).unwrap();
    let guests: i64 = copy
        .query_row(
            "SELECT count(*) FROM account WHERE kind = 'guest'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let waiting = "SELECT count(*) FROM outbox WHERE event LIKE '%GUEST_CREATED%'";
    let waiting: i64 = copy.query_row(waiting, [], |row| row.get(0)).unwrap();
    drop(copy);
    let sealed = events(&directory).matches("GUEST_CREATED").count();
    assert_eq!(i64::try_from(sealed).unwrap() + waiting, guests);

    // The restore, on another machine as it were.
    let root = root();
    let data = root.join("data");
    let from = directory.to_str().unwrap();
    let printed = succeeds(&run(&["restore", from], &data));
    assert!(printed.contains("1 sessions ended"), "{printed}");
    fails(
        &run(&["restore", from], &data),
        "a restore replaces nothing",
    );
    let verified = succeeds(
        &program()
            .args(["audit", "verify", "--data"])
            .arg(&directory)
            .output()
            .unwrap(),
    );
    assert!(verified.starts_with("Verified"), "{verified}");
    let restored = Server::run(&root, &[]);
    // The session of the backup is over, for a reason that is told; the account and its documents are back.
    let cookie = before.visitor.browser.cookie_header().unwrap();
    let over = Request::new("GET", "/api/v2/auth/session").header("Cookie", &cookie);
    let over = over.send(restored.address).unwrap();
    let body = refused(&over, 403, "SESSION_REVOKED");
    assert_eq!(
        body["details"]["reason"],
        "the server was restored from a backup"
    );
    let again = sign_in(&restored, &before);
    let list = again.with_token(Request::new("GET", &again.tasks()));
    assert!(accepted(&list, 200).to_string().contains("milk"));
    // A link that was pending then may have been redeemed since.
    let body = json!({ "token": server.mailed_token(&link) });
    refused(
        &restored
            .visitor()
            .post("/api/v2/auth/magic-link/verify", &body),
        400,
        "INVALID_TOKEN",
    );
    let mut restored = restored;
    restored.stop();
    assert!(events(&data).contains("restored from a backup"));
    assert!(succeeds(&run(&["audit", "verify"], &data)).starts_with("Verified"));
}

#[test]
fn pg_dump_and_psql_back_up_and_restore_postgresql() {
    let Some(url) = crate::fixture::database() else {
        return;
    };
    let mut server = Server::start(&format!("database = \"{url}\"\n"), &[]);
    let user = server.user();
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("backup");
    let config = server.data.parent().unwrap().join("config.toml");
    let refused = program()
        .arg("--config")
        .arg(config)
        .arg("backup")
        .arg(directory)
        .arg("--data")
        .arg(&server.data)
        .output()
        .unwrap();
    fails(&refused, "pg_dump");
    // The commands of the guide.
    let bin = postgres::programs().unwrap();
    let dump = Command::new(bin.join("pg_dump"))
        .arg("--no-owner")
        .arg(&url)
        .output()
        .unwrap();
    assert!(dump.status.success(), "{dump:?}");
    assert_eq!(server.stop(), "ended with 0\n");
    let new = crate::fixture::database().unwrap();
    let file = scratch.path().join("dump.sql");
    std::fs::write(&file, dump.stdout).unwrap();
    let restore = Command::new(bin.join("psql"))
        .args([
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--file",
        ])
        .arg(&file)
        .arg(&new)
        .output()
        .unwrap();
    assert!(restore.status.success(), "{restore:?}");
    let restored = Server::start(&format!("database = \"{new}\"\n"), &[]);
    sign_in(&restored, &user);
}
