//! PostgreSQL that is killed or restarted under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nightlatch_core::id::SessionId;
use nightlatch_server::store::rows::SessionClass;
use nightlatch_server::store::{Database, Key, Store, StoreError};

use crate::fixture::{NOW, session, user};
use crate::postgres::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_postgresql_is_killed_or_restarted() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::start("on"));
    let Some(cluster) = cluster.await.unwrap() else {
        return;
    };
    let store = Store::open(&Database::Postgres(cluster.database().await)).unwrap();
    store.migrate(NOW).await.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|at| tokio::spawn(write(store.clone(), at, is_over.clone())))
        .collect();
    let cluster = tokio::task::spawn_blocking(move || {
        for command in ["kill", "restart", "kill"] {
            cluster.command(command);
        }
        cluster
    });
    let cluster = cluster.await.unwrap();
    // It goes on by itself afterwards.
    let again = user("after@example.com");
    let registered = store.register(again, session(SessionClass::Web), NOW, |_| Vec::new());
    registered.await.unwrap().unwrap();
    is_over.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for writer in writers {
        let (written, errors) = writer.await.unwrap();
        assert!(!written.is_empty());
        acknowledged.extend(written);
        for error in errors {
            let is_clear = matches!(error, StoreError::Unavailable(_) | StoreError::Uncertain(_));
            assert!(is_clear, "{error:?}");
            refused += 1;
        }
    }
    assert!(refused > 0);
    for id in acknowledged {
        assert!(store.session(Key::Id(id)).await.unwrap().is_some(), "{id}");
    }
    drop(cluster);
}

/// Registers until it is over. Returns the acknowledged sessions and the errors.
async fn write(
    store: Store,
    writer: usize,
    is_over: Arc<AtomicBool>,
) -> (Vec<SessionId>, Vec<StoreError>) {
    let (mut written, mut errors) = (Vec::new(), Vec::new());
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        count += 1;
        let new = user(&format!("user{writer}-{count}@example.com"));
        let session = session(SessionClass::Web);
        let id = session.id;
        match store.register(new, session, NOW, |_| Vec::new()).await {
            Ok(found) => {
                assert!(found.is_some(), "an account was made twice");
                written.push(id);
            }
            Err(error) => {
                errors.push(error);
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
    (written, errors)
}
