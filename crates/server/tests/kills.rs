//! Kills a node at each write, sync and truncation of its database and its log, on SQLite. What it
//! acknowledged is there afterwards and in its log exactly once, and the log verifies.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

#[path = "support/node.rs"]
mod node;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nightlatch_audit::{Limit, Progress, Query, SystemClock, Verifier};
use nightlatch_core::id::SessionId;
use nightlatch_server::node::{Database, Node, Settings};
use nightlatch_server::requester::Client;
use nightlatch_server::service::accounts::{Registration, Unproven};
use nightlatch_server::service::links::RedeemError;
use nightlatch_server::service::revocation::{Reason, Scope};
use nightlatch_server::service::sessions::{Activity, Identity, SessionError, SignedIn};
use nightlatch_server::token::{Claim, LinkToken};
use zeroize::Zeroizing;

/// The directory of the node that is to be killed.
const DATA: &str = "NIGHTLATCH_TEST_DATA";
const PASSWORD: &str = "four unrelated words make it";
/// The calls that change the database, the log, or what was acknowledged.
const CALLS: [&str; 6] = [
    "pwrite64",
    "fdatasync",
    "fsync",
    "write",
    "ftruncate",
    "unlink",
];
/// How many kills for each call at most: spread over all of them.
const KILLS: usize = 12;

fn settings(data: &Path) -> Settings {
    node::settings(data, Database::Sqlite(data.join("server.sqlite")))
}

fn registration(email: &str) -> Registration {
    Registration {
        email: email.to_owned(),
        name: "Alice".to_owned(),
        password: Zeroizing::new(format!("{PASSWORD} 1!")),
    }
}

/// Tells the parent that something was acknowledged.
fn acknowledge(what: &str, session: SessionId) {
    let line = format!("{what} {session}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// The node that is killed: one change of each kind.
#[test]
#[ignore = "a process of its own, started by the test below"]
fn the_node_that_is_killed() {
    let data = std::env::var_os(DATA).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(changes(Path::new(&data)));
}

async fn changes(data: &Path) {
    let node = Node::start(settings(data), Arc::new(SystemClock))
        .await
        .unwrap();
    let services = &node.services;
    let client = Client::new(Some([192, 0, 2, 1].into()), Some("test"));

    let claim = Claim::random().unwrap();

    let guest = services.sessions.guest(None, &client).await.unwrap();
    acknowledge("GUEST_CREATED", guest.session.id());
    let owner = guest.session.account().id;
    let task = serde_json::json!({"title": "milk"});
    services
        .items
        .create(&guest.session, owner, "tasks", &task)
        .await
        .unwrap();
    acknowledge("item", guest.session.id());

    let user = services
        .accounts
        .register(registration("alice@example.com"), &claim, &client)
        .await;
    let user: SignedIn = user.unwrap();
    acknowledge("SESSION_CREATED", user.session.id());
    let merged = services
        .merge
        .merge(&user.session, owner, Some(&user.token), &client)
        .await
        .unwrap();
    assert_eq!(merged.items, 1);
    acknowledge("ACCOUNTS_MERGED", user.session.id());
    services
        .accounts
        .rename(&user.session, "Bob", &client)
        .await
        .unwrap();
    acknowledge("PROFILE_CHANGED", user.session.id());

    let password = Zeroizing::new(format!("{PASSWORD} 1!"));
    let second = services
        .accounts
        .sign_in("alice@example.com", password, Unproven::Accepted, &client)
        .await
        .unwrap();
    acknowledge("LOGIN_SUCCESS", second.session.id());
    let ended = services
        .sessions
        .end_one(&user.session, second.session.id(), &client)
        .await;
    assert!(ended.unwrap());
    acknowledge("SESSION_TERMINATED", second.session.id());

    let setup = services.links.setup().await.unwrap().unwrap();
    let admin = registration("admin@example.com");
    let admin = services
        .links
        .redeem_setup(&setup.token, admin, &client)
        .await
        .unwrap();
    acknowledge("LINK_REDEEMED", admin.session.id());
    let email = "carol@example.com".parse().unwrap();
    let link = services
        .links
        .request(&email, None, &claim, &client)
        .await
        .unwrap();
    std::fs::write(data.join("link"), link.token.to_text().as_bytes()).unwrap();
    let carol = services
        .links
        .redeem(&link.token, &claim, None, &client)
        .await
        .unwrap();
    acknowledge("LINK_REDEEMED", carol.signed_in.session.id());

    let reason = Reason::new("incident 7").unwrap();
    let scope = Scope::Specific(vec![user.session.account().id]);
    let admin = admin.session.admin().unwrap();
    services
        .revocation
        .revoke(admin, scope, &reason, None, &client)
        .await
        .unwrap();
    acknowledge("SESSION_REVOKED", admin.session().id());
    acknowledge("revoked", user.session.id());
    node.stop().await;
}

/// Runs the node until it is killed at the `nth` of these calls in one of its threads. Returns what
/// it acknowledged, and whether it was killed.
fn run_and_kill(data: &Path, call: &str, nth: usize) -> (Vec<(String, SessionId)>, bool) {
    let output = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={call}"),
            "-e",
        ])
        .arg(format!("inject={call}:signal=KILL:when={nth}"))
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "the_node_that_is_killed",
            "--nocapture",
        ])
        .env(DATA, data)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let acknowledged = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let (what, session) = line.rsplit_once(' ')?;
            let what = what.rsplit(' ').next()?;
            Some((what.to_owned(), session.parse().ok()?))
        })
        .collect();
    let is_killed = !output.status.success();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{call} {nth}: {errors}");
    (acknowledged, is_killed)
}

/// Starts the node again, which seals what was left, and compares with what it acknowledged.
async fn check(data: &Path, acknowledged: &[(String, SessionId)], at: &str) {
    let node = Node::start(settings(data), Arc::new(SystemClock))
        .await
        .expect(at);
    let (services, log) = (node.services.clone(), node.log.clone());
    let is_acknowledged = |what: &str, session| {
        acknowledged
            .iter()
            .any(|(known, of)| known == what && *of == session)
    };
    for (what, session) in acknowledged {
        let ended = is_acknowledged("SESSION_TERMINATED", *session);
        let found = services
            .sessions
            .check(Identity::Session(*session), Activity::Passive)
            .await;
        let is_guest = is_acknowledged("GUEST_CREATED", *session);
        match found {
            Ok(found) => {
                assert!(
                    !ended && !is_acknowledged("revoked", *session),
                    "{at}: {session} lives"
                );
                if what == "ACCOUNTS_MERGED" {
                    let owner = found.account().id;
                    let items = services.items.list(&found, owner, "tasks").await.unwrap();
                    assert_eq!(items.len(), 1, "{at}");
                }
            }
            Err(SessionError::Ended) => {
                // A guest whose merge was made and not acknowledged any more.
                let merging = acknowledged
                    .iter()
                    .any(|(what, _)| what == "SESSION_CREATED");
                let ending = acknowledged.iter().any(|(what, _)| what == "LOGIN_SUCCESS");
                assert!(
                    ended || is_guest && merging || ending,
                    "{at}: {what} {session}"
                );
            }
            Err(SessionError::Revoked { reason }) => assert_eq!(reason, "incident 7", "{at}"),
            Err(error) => panic!("{at}: {what} {session}: {error}"),
        }
    }
    if let Ok(text) = std::fs::read_to_string(data.join("link"))
        && let Ok(token) = text.parse::<LinkToken>()
        && acknowledged
            .iter()
            .filter(|(what, _)| what == "LINK_REDEEMED")
            .count()
            == 2
    {
        let claim = Claim::random().unwrap();
        let again = services
            .links
            .redeem(&token, &claim, None, &Client::default())
            .await;
        assert!(matches!(again, Err(RedeemError::Used)), "{at}");
    }
    node.stop().await;

    let all = Query::default().limit(Limit::MAX);
    let lines = log
        .reader()
        .list(&all, &Progress::default())
        .unwrap()
        .answer
        .events;
    let ids: BTreeSet<&str> = lines.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(ids.len(), lines.len(), "{at}: an event is in the log twice");
    for (what, session) in acknowledged {
        let is_event = what.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let recorded = lines
            .iter()
            .filter(|line| line.event_type.as_str() == what && line.session_id == Some(*session));
        assert!(
            !is_event || recorded.count() == 1,
            "{at}: {what} {session} is not in the log"
        );
    }
    if lines.is_empty() {
        assert!(acknowledged.is_empty(), "{at}");
        return;
    }
    let verifier = Verifier::new(&data.join("audit")).in_home();
    let findings = verifier.run(&Progress::default()).unwrap().findings;
    assert!(findings.is_empty(), "{at}: {findings:?}");
    let waiting = rusqlite::Connection::open(data.join("server.sqlite")).unwrap();
    let waiting: i64 = waiting
        .query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))
        .unwrap();
    assert_eq!(waiting, 0, "{at}");
}

fn node_data(scratch: &tempfile::TempDir, name: &str) -> std::path::PathBuf {
    let data = scratch.path().join(name);
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    data
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_wherever_the_node_is_killed() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("\n*** SKIPPED: strace is not installed, so no node is killed here ***\n");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    for call in CALLS {
        let (mut nth, mut step, mut kills) = (1, 1, 0);
        loop {
            let at = format!("{call} {nth}");
            let data = node_data(&scratch, &at.replace(' ', "-"));
            let (acknowledged, is_killed) = run_and_kill(&data, call, nth);
            runtime.block_on(check(&data, &acknowledged, &at));
            std::fs::remove_dir_all(&data).unwrap();
            if !is_killed {
                break;
            }
            kills += 1;
            // Each of the first ones, and then ever fewer.
            if kills % KILLS == 0 {
                step *= 4;
            }
            nth += step;
        }
        eprintln!("{call}: killed {kills} times");
    }
}
