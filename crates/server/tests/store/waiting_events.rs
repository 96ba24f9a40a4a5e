//! The outbox and shared secrets.

use nightlatch_core::id::AccountId;
use nightlatch_server::store::rows::{EndKind, SessionClass};
use nightlatch_server::store::{OutboxRow, Statement};

use crate::fixture::{Fixture, NOW, at_once, on_both, session, user};

on_both!(
    an_event_is_there_exactly_if_its_change_is,
    events_wait_in_order_until_they_are_removed,
    events_of_a_silent_node_are_adopted,
    an_event_that_was_set_aside_waits_for_nobody_until_it_is_returned,
    all_events_that_were_set_aside_are_listed_in_steps,
    an_event_that_cannot_be_written_prevents_its_change,
    all_nodes_get_the_secret_that_was_stored_first,
);

/// A row for the outbox of a node.
pub fn row(node: &str, event: &str) -> Statement {
    row_at(node, event, 0)
}

fn row_at(node: &str, event: &str, at: i64) -> Statement {
    let row = OutboxRow {
        id: AccountId::random().unwrap().to_string(),
        at: NOW.plus(at),
        event: event.to_owned(),
    };
    row.insert(node)
}

async fn waiting(fixture: &Fixture, node: &str) -> Vec<String> {
    let rows = fixture.store.outbox(node, 100).await.unwrap();
    rows.into_iter().map(|row| row.event).collect()
}

async fn an_event_is_there_exactly_if_its_change_is(fixture: Fixture) {
    let store = &fixture.store;
    let user = fixture.user("alice@example.com").await;
    let (account, id) = (user.account.id, user.session.id);
    for _ in 0..2 {
        let record = vec![row("node", "ended")];
        store
            .end_session(account, id, EndKind::SignedOut, NOW, record)
            .await
            .unwrap();
    }
    assert_eq!(waiting(&fixture, "node").await, ["ended"]);
    let nobody = AccountId::random().unwrap();
    let record = vec![row("node", "begun")];
    store
        .begin_session(nobody, session(SessionClass::Web), NOW, record)
        .await
        .unwrap();
    assert_eq!(waiting(&fixture, "node").await, ["ended"]);
}

async fn events_wait_in_order_until_they_are_removed(fixture: Fixture) {
    let store = &fixture.store;
    let rows = (0..40)
        .map(|at| row_at("node", &at.to_string(), at))
        .collect();
    store.record(rows).await.unwrap();
    store.record(vec![row("other", "x")]).await.unwrap();
    let first = store.outbox("node", 25).await.unwrap();
    assert_eq!(first[0].at, NOW);
    let events: Vec<i64> = first.iter().map(|row| row.event.parse().unwrap()).collect();
    assert_eq!(events, (0..25).collect::<Vec<_>>());
    let ids: Vec<String> = first.into_iter().map(|row| row.id).collect();
    store.remove_from_outbox(&ids).await.unwrap();
    store.remove_from_outbox(&ids).await.unwrap();
    assert_eq!(waiting(&fixture, "node").await.len(), 15);
    assert_eq!(waiting(&fixture, "other").await.len(), 1);
}

async fn events_of_a_silent_node_are_adopted(fixture: Fixture) {
    let store = &fixture.store;
    let rows = vec![
        row_at("dead", "old", 0),
        row_at("dead", "new", 10),
        row_at("me", "own", 0),
    ];
    store.record(rows).await.unwrap();
    assert_eq!(store.adopt_outbox("me", NOW.plus(10)).await.unwrap(), 1);
    let mut mine = waiting(&fixture, "me").await;
    mine.sort();
    assert_eq!(mine, ["old", "own"]);
    assert_eq!(waiting(&fixture, "dead").await, ["new"]);
}

async fn an_event_that_was_set_aside_waits_for_nobody_until_it_is_returned(fixture: Fixture) {
    let store = &fixture.store;
    let rows = vec![row_at("me", "bad", 0), row_at("me", "good", 1)];
    store.record(rows).await.unwrap();
    let bad = store.outbox("me", 1).await.unwrap().remove(0);
    store
        .set_aside(std::slice::from_ref(&bad.id), NOW)
        .await
        .unwrap();
    assert_eq!(waiting(&fixture, "me").await, ["good"]);
    assert_eq!(store.adopt_outbox("other", NOW.plus(1)).await.unwrap(), 0);
    assert_eq!(store.count_set_aside().await.unwrap(), 1);
    assert_eq!(
        store.set_aside_events("", 10).await.unwrap(),
        std::slice::from_ref(&bad)
    );
    for _ in 0..2 {
        store.return_to_outbox(&bad.id, "other").await.unwrap();
        assert_eq!(waiting(&fixture, "other").await, ["bad"]);
    }
    assert_eq!(store.count_set_aside().await.unwrap(), 0);
}

async fn all_events_that_were_set_aside_are_listed_in_steps(fixture: Fixture) {
    let store = &fixture.store;
    let rows = (0..7).map(|at| row_at("me", "bad", at)).collect();
    store.record(rows).await.unwrap();
    let rows = store.outbox("me", 10).await.unwrap();
    let mut ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    store.set_aside(&ids, NOW).await.unwrap();
    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let rows = store.set_aside_events(&after, 3).await.unwrap();
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        // Those that are returned are left out of no later step.
        store.return_to_outbox(&last.id, "me").await.unwrap();
        listed.extend(rows.into_iter().map(|row| row.id));
    }
    ids.sort();
    assert_eq!(listed, ids);
}

async fn an_event_that_cannot_be_written_prevents_its_change(fixture: Fixture) {
    let broken = Statement::new("this event cannot be written", []);
    let change = fixture.store.register(
        user("alice@example.com"),
        session(SessionClass::Web),
        NOW,
        move |_| vec![broken.clone()],
    );
    assert!(change.await.is_err());
    assert!(
        fixture
            .store
            .account_of("alice@example.com")
            .await
            .unwrap()
            .is_none()
    );
    // The connection is as good as before.
    fixture.user("alice@example.com").await;
}

async fn all_nodes_get_the_secret_that_was_stored_first(fixture: Fixture) {
    let second = fixture.second();
    let values = at_once(20, |at| {
        let store = if at % 2 == 0 {
            fixture.store.clone()
        } else {
            second.clone()
        };
        let fresh = [u8::try_from(at).unwrap(); 32];
        async move {
            store
                .shared_secret("key", &fresh, NOW)
                .await
                .unwrap()
                .to_vec()
        }
    })
    .await;
    assert!(values.iter().all(|value| *value == values[0]));
    let listed = fixture.store.secrets("ke").await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].value.as_slice()),
        (1, values[0].as_slice())
    );
    assert!(fixture.store.secrets("x").await.unwrap().is_empty());
    fixture.store.remove_secret("key").await.unwrap();
    assert!(fixture.store.secrets("").await.unwrap().is_empty());
}
