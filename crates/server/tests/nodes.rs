//! Two nodes on one PostgreSQL, one of which is killed again and again at random.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

#[path = "nodes/failover.rs"]
mod failover;
#[path = "support/node.rs"]
mod node;
#[allow(dead_code)] // not every cluster is restarted or encrypted here
#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::{Progress, Query, ReadKind, SystemClock};
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_server::node::{Database, Node, Settings};
use nightlatch_server::record::SealedLog;
use nightlatch_server::requester::Client;
use nightlatch_server::service::accounts::Registration;
use nightlatch_server::service::revocation::{Reason, Scope};
use nightlatch_server::service::sessions::{Activity, Identity, SessionError};
use nightlatch_server::token::Claim;
use zeroize::Zeroizing;

const DATA: &str = "NIGHTLATCH_TEST_DATA";
const DATABASE: &str = "NIGHTLATCH_TEST_DATABASE";
const KILLS: usize = 10;

fn settings(data: &Path, database: &str) -> Settings {
    node::settings(data, Database::Postgres(database.to_owned()))
}

fn email() -> String {
    format!("{}@example.com", AccountId::random().unwrap())
}

/// The node that is killed: it makes changes and prints each acknowledged one, until then.
#[test]
#[ignore = "a process of its own, started by the test below"]
fn the_node_that_is_killed() {
    let (data, database) = (
        std::env::var(DATA).unwrap(),
        std::env::var(DATABASE).unwrap(),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = settings(Path::new(&data), &database);
        let node = Node::start(settings, Arc::new(SystemClock)).await.unwrap();
        loop {
            change(&node).await;
        }
    });
}

/// A client at an address of its own, since addresses are throttled.
fn client() -> Client {
    let address = AccountId::random().unwrap().as_bytes()[..4]
        .try_into()
        .unwrap();
    Client::new(Some(<[u8; 4]>::into(address)), None)
}

fn acknowledge(event: &str, session: SessionId) {
    let line = format!("acknowledged {event} {session}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

async fn change(node: &Node) {
    let services = &node.services;
    let client = client();
    let guest = services
        .sessions
        .guest(None, &client)
        .await
        .unwrap()
        .session;
    acknowledge("GUEST_CREATED", guest.id());
    let owner = guest.account().id;
    let task = serde_json::json!({"title": "milk"});
    services
        .items
        .create(&guest, owner, "tasks", &task)
        .await
        .unwrap();
    let email = email().parse().unwrap();
    let claim = Claim::random().unwrap();
    let link = services
        .links
        .request(&email, Some(owner), &claim, &client)
        .await
        .unwrap();
    let redeemed = services
        .links
        .redeem(&link.token, &claim, None, &client)
        .await
        .unwrap();
    assert_eq!(redeemed.merged_items, 1);
    acknowledge("LINK_REDEEMED", redeemed.signed_in.session.id());
    acknowledge("ACCOUNTS_MERGED", redeemed.signed_in.session.id());
}

/// Runs the node, and kills it a random time after its first change. Returns what it acknowledged.
fn run_and_kill(data: &Path, database: &str) -> Vec<(String, SessionId)> {
    let mut node = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "the_node_that_is_killed",
            "--nocapture",
        ])
        .env(DATA, data)
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut random = [0];
    getrandom::fill(&mut random).unwrap();
    for line in lines.map_while(Result::ok) {
        let Some((_, line)) = line.split_once("acknowledged ") else {
            continue;
        };
        let Some((event, session)) = line.split_once(' ') else {
            continue;
        };
        if acknowledged.is_empty() {
            std::thread::sleep(Duration::from_millis(4 * u64::from(random[0])));
            node.kill().unwrap();
        }
        // A line may be cut by the kill.
        if let Ok(session) = session.parse() {
            acknowledged.push((event.to_owned(), session));
        }
    }
    node.wait().unwrap();
    acknowledged
}

/// How often each event of each session is in the log of a node.
fn recorded(log: &SealedLog) -> BTreeMap<(String, SessionId), usize> {
    let mut recorded = BTreeMap::new();
    let (all, done) = (Query::default(), Progress::default());
    let read = log
        .reader()
        .for_each(ReadKind::Export, &all, &done, |line| {
            if let Some(session) = line.session_id {
                *recorded
                    .entry((line.event_type.to_string(), session))
                    .or_default() += 1;
            }
            ControlFlow::Continue(())
        });
    assert!(read.unwrap().recorded.is_ok());
    recorded
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_one_of_two_nodes_is_killed() {
    let Some(cluster) = postgres::shared() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(cluster.database());
    let start = |name: &str| {
        let settings = settings(&scratch.path().join(name), &database);
        Node::start(settings, Arc::new(SystemClock))
    };
    let other = runtime.block_on(start("other")).unwrap();
    let client = Client::default();
    let setup = runtime
        .block_on(other.services.links.setup())
        .unwrap()
        .unwrap();
    let admin = Registration {
        email: email(),
        name: "Admin".to_owned(),
        password: Zeroizing::new("a password 1!".to_owned()),
    };
    let admin = other
        .services
        .links
        .redeem_setup(&setup.token, admin, &client);
    let admin = runtime.block_on(admin).unwrap();
    for _ in 0..KILLS {
        let data = scratch.path().join("killed");
        let acknowledged = run_and_kill(&data, &database);
        assert!(!acknowledged.is_empty());
        // What it began lives on the other node.
        let check = |session| {
            let sessions = &other.services.sessions;
            runtime.block_on(sessions.check(Identity::Session(session), Activity::Passive))
        };
        for (event, session) in &acknowledged {
            let found = check(*session);
            let is_merged = matches!(found, Err(SessionError::Ended)) && event == "GUEST_CREATED";
            assert!(found.is_ok() || is_merged, "{event} {session}: {found:?}");
        }
        let reason = Reason::new("race").unwrap();
        let scope = Scope::AllAnonymous;
        let admin = admin.session.admin().unwrap();
        let revocation = &other.services.revocation;
        let revoke = revocation.revoke(admin, scope, &reason, None, &client);
        runtime.block_on(revoke).unwrap();
        for (event, session) in &acknowledged {
            if event == "GUEST_CREATED" {
                assert!(check(*session).is_err(), "{session} survived");
            }
        }
        // It seals at its next start what it had not sealed.
        let again = runtime.block_on(start("killed")).unwrap();
        let log = again.log.clone();
        runtime.block_on(again.stop());
        let recorded = recorded(&log);
        for (event, session) in acknowledged {
            let times = recorded.get(&(event.clone(), session)).copied();
            assert_eq!(times, Some(1), "{event} {session}");
        }
    }
    runtime.block_on(other.stop());
}
