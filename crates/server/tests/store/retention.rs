//! What is removed in time, and what is not.

use nightlatch_server::store::rows::EndKind;
use nightlatch_server::store::{Key, Merge, Removed};

use crate::fixture::{Fixture, IDLE, KEPT, NOW, on_both};
use crate::items::{ROOM, write};

on_both!(
    sessions_are_removed_after_their_retention_and_live_ones_are_kept,
    guests_go_with_their_last_session_and_their_documents_with_them,
    documents_of_a_merged_guest_stay,
    many_rows_are_removed_in_steps,
    what_was_removed_is_recorded_once_also_after_a_round_that_was_stopped,
);

async fn sessions_are_removed_after_their_retention_and_live_ones_are_kept(fixture: Fixture) {
    let store = &fixture.store;
    let expired = fixture.user("alice@example.com").await.session.id;
    let bob = fixture.user("bob@example.com").await;
    let ended = bob.session.id;
    let touched = fixture.user("carol@example.com").await.session.id;
    let end = store.end_session(
        bob.account.id,
        ended,
        EndKind::SignedOut,
        NOW.plus(1),
        Vec::new(),
    );
    assert!(end.await.unwrap());
    // The one that ended early is removed first, and the one that was used last, last.
    store.touch(touched, NOW.plus(IDLE - 1)).await.unwrap();
    let kept = KEPT.sessions;
    let there = async |at: i64| {
        store
            .tidy(NOW.plus(at), KEPT, |_| Vec::new())
            .await
            .unwrap();
        let mut found = Vec::new();
        for id in [ended, expired, touched] {
            found.push(store.session(Key::Id(id)).await.unwrap().is_some());
        }
        found
    };
    assert_eq!(there(kept + 1).await, [true, true, true]);
    assert_eq!(there(kept + 2).await, [false, true, true]);
    assert_eq!(there(kept + IDLE).await, [false, true, true]);
    assert_eq!(there(kept + IDLE + 1).await, [false, false, true]);
    assert_eq!(there(kept + 2 * IDLE - 1).await, [false, false, true]);
    assert_eq!(there(kept + 2 * IDLE).await, [false, false, false]);
    // Accounts stay.
    assert!(
        store
            .account_of("alice@example.com")
            .await
            .unwrap()
            .is_some()
    );
}

async fn guests_go_with_their_last_session_and_their_documents_with_them(fixture: Fixture) {
    let store = &fixture.store;
    let (gone, live) = (fixture.guest().await, fixture.guest().await);
    let document = write(store, gone.account.id, "lost").await;
    let other = write(store, live.account.id, "kept").await;
    let later = NOW.plus(KEPT.sessions + IDLE + 1);
    let session = crate::fixture::session(live.session.class);
    let again = store.begin_session(live.account.id, session, later, Vec::new());
    assert!(again.await.unwrap().is_some());
    let removed = store.tidy(later, KEPT, |_| Vec::new()).await.unwrap();
    let expected = Removed {
        sessions: 2,
        guests: 1,
        ..Removed::default()
    };
    assert_eq!(removed, expected);
    assert!(
        store
            .session(Key::Guest(gone.account.id))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .item(gone.account.id, "tasks", &document)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .item(live.account.id, "tasks", &other)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        store.tidy(later, KEPT, |_| Vec::new()).await.unwrap(),
        Removed::default()
    );
}

async fn documents_of_a_merged_guest_stay(fixture: Fixture) {
    let store = &fixture.store;
    let guest = fixture.guest().await.account.id;
    let target = fixture.user("alice@example.com").await.account.id;
    let document = write(store, guest, "kept").await;
    let merged = store
        .merge(guest, target, ROOM, None, NOW, |_| Vec::new())
        .await
        .unwrap();
    assert!(matches!(merged, Merge::Done(1)));
    let removed = store
        .tidy(NOW.plus(10 * KEPT.sessions), KEPT, |_| Vec::new())
        .await
        .unwrap();
    assert_eq!((removed.sessions, removed.guests), (2, 0));
    assert!(
        store
            .item(target, "tasks", &document)
            .await
            .unwrap()
            .is_some()
    );
}

async fn many_rows_are_removed_in_steps(fixture: Fixture) {
    let script = "INSERT INTO throttle (name, attempts, since) SELECT 'x' || n, 1, 0 FROM ";
    fixture
        .script(
            &format!(
                "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 1234) \
                 {script} many"
            ),
            &format!("{script} generate_series(1, 1234) AS many(n)"),
        )
        .await;
    let removed = fixture.store.tidy(NOW, KEPT, |_| Vec::new()).await.unwrap();
    assert_eq!(removed.attempts, 1234);
}

async fn what_was_removed_is_recorded_once_also_after_a_round_that_was_stopped(fixture: Fixture) {
    let store = &fixture.store;
    // As a round leaves it that was stopped after its first step.
    let stopped = "INSERT INTO retention_count (kind, removed) VALUES ('sessions', 500)";
    fixture.script(stopped, stopped).await;
    fixture.user("alice@example.com").await;
    let later = NOW.plus(KEPT.sessions + IDLE + 1);
    for recorded in [vec!["501 0 0 0"], vec!["501 0 0 0"]] {
        let record = |removed: &Removed| {
            let Removed {
                sessions,
                guests,
                links,
                attempts,
            } = removed;
            let counts = format!("{sessions} {guests} {links} {attempts}");
            vec![crate::waiting_events::row("node", &counts)]
        };
        store.tidy(later, KEPT, record).await.unwrap();
        let rows = store.outbox("node", 10).await.unwrap();
        let events: Vec<_> = rows.iter().map(|row| row.event.as_str()).collect();
        assert_eq!(events, recorded);
    }
}
