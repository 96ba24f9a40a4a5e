//! A primary with a synchronous standby: the primary is killed under load, and the standby promoted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nightlatch_audit::SystemClock;
use nightlatch_core::id::SessionId;
use nightlatch_server::node::Node;
use nightlatch_server::service::links::RedeemError;
use nightlatch_server::service::sessions::{Activity, Identity};
use nightlatch_server::token::Claim;

use super::{client, email, postgres, recorded, settings};

/// How many links each node has to have redeemed before the primary is killed, and again after the
/// standby was promoted.
const ENOUGH: usize = 20;

/// Requests links and redeems each on both nodes at once, until it is over. Returns the session of
/// each acknowledged redemption.
async fn work(
    nodes: [Arc<Node>; 2],
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> Vec<SessionId> {
    let mut acknowledged = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let email = email().parse().unwrap();
        let [one, other] = &nodes;
        let (first, second) = (Claim::random().unwrap(), Claim::random().unwrap());
        let (from, to) = (client(), client());
        let request = one.services.links.request(&email, None, &first, &from);
        let Ok(link) = request.await else {
            // The database is away; clear errors, and no waiting beyond that of the pool.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let redeemed = tokio::join!(
            one.services.links.redeem(&link.token, &first, None, &from),
            other.services.links.redeem(&link.token, &second, None, &to),
        );
        let mut sessions = Vec::new();
        for result in [redeemed.0, redeemed.1] {
            match result {
                Ok(redeemed) => sessions.push(redeemed.signed_in.session.id()),
                Err(error) => {
                    let is_clear = matches!(error, RedeemError::Used | RedeemError::Service(_));
                    assert!(is_clear, "{error}");
                }
            }
        }
        assert!(sessions.len() <= 1, "a link was redeemed twice");
        done.fetch_add(sessions.len(), Ordering::Relaxed);
        acknowledged.extend(sessions);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_follow_a_promoted_standby_and_nothing_acknowledged_is_lost() {
    let cluster = tokio::task::spawn_blocking(postgres::Cluster::with_standby);
    let Some(cluster) = cluster.await.unwrap() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let database = cluster.database_on_both().await;
    let start = async |name: &str| {
        let settings = settings(&scratch.path().join(name), &database);
        Node::start(settings, Arc::new(SystemClock)).await.unwrap()
    };
    let nodes = [Arc::new(start("one").await), Arc::new(start("other").await)];
    let is_over = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4)
        .map(|at| {
            let mut nodes = nodes.clone();
            nodes.rotate_left(at % 2);
            tokio::spawn(work(nodes, is_over.clone(), done.clone()))
        })
        .collect();
    let wait_for = async |count: usize| {
        while done.load(Ordering::Relaxed) < count {
            assert!(workers.iter().all(|worker| !worker.is_finished()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    wait_for(ENOUGH).await;
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.command("fail over");
        cluster
    });
    let cluster = cluster.await.unwrap();
    wait_for(done.load(Ordering::Relaxed) + ENOUGH).await;
    is_over.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for worker in workers {
        acknowledged.extend(worker.await.unwrap());
    }
    // Each of them lives, on both nodes.
    for node in &nodes {
        for session in &acknowledged {
            let identity = Identity::Session(*session);
            let found = node
                .services
                .sessions
                .check(identity, Activity::Passive)
                .await;
            assert!(found.is_ok(), "{session} was lost");
        }
    }
    // And each is in exactly one of the logs, once.
    let logs: Vec<_> = nodes.iter().map(|node| node.log.clone()).collect();
    for node in nodes {
        Arc::into_inner(node).unwrap().stop().await;
    }
    let mut all = BTreeMap::new();
    for log in logs {
        for (event, times) in recorded(&log) {
            *all.entry(event).or_insert(0) += times;
        }
    }
    for session in acknowledged {
        let event = ("LINK_REDEEMED".to_owned(), session);
        assert_eq!(all.get(&event), Some(&1), "{session}");
    }
    drop(cluster);
}
