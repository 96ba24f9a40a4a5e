//! Counted attempts.

use nightlatch_core::throttle::{FAILURES_TO_LOCK, Gate};
use nightlatch_server::store::forget_sign_ins;

use crate::fixture::{Fixture, KEPT, NOW, at_once, on_both};

on_both!(
    attempts_are_counted_within_their_window,
    no_attempt_is_missed_however_many_come_at_once,
    of_a_hundred_sign_ins_at_once_at_most_five_passwords_are_checked,
    a_success_forgets_the_failures,
    a_lock_is_committed_with_its_record_and_can_be_taken_back,
    two_nodes_count_together,
    attempts_are_forgotten_after_a_day,
);

async fn attempts_are_counted_within_their_window(fixture: Fixture) {
    let count = async |at| {
        let attempts = fixture
            .store
            .count("x", 60_000, NOW.plus(at))
            .await
            .unwrap();
        (attempts.count, attempts.since.0 - NOW.0)
    };
    assert_eq!(count(0).await, (1, 0));
    assert_eq!(count(30_000).await, (2, 0));
    assert_eq!(count(59_999).await, (3, 0));
    assert_eq!(count(60_000).await, (1, 60_000));
    // While the clock was a day ahead; now it is right again.
    let day = 24 * 60 * 60 * 1000;
    assert_eq!(count(day).await, (1, day));
    assert_eq!(count(120_000).await, (1, 120_000));
    let other = fixture.store.count("y", 60_000, NOW).await.unwrap();
    assert_eq!(other.count, 1);
}

async fn no_attempt_is_missed_however_many_come_at_once(fixture: Fixture) {
    let mut counts = at_once(100, |_| {
        let store = fixture.store.clone();
        async move { store.count("x", 60_000, NOW).await.unwrap().count }
    })
    .await;
    counts.sort_unstable();
    assert_eq!(counts, (1..=100).collect::<Vec<_>>());
}

async fn of_a_hundred_sign_ins_at_once_at_most_five_passwords_are_checked(fixture: Fixture) {
    let gates = at_once(100, |_| {
        let store = fixture.store.clone();
        async move { store.count_sign_in("alice", NOW, Vec::new()).await.unwrap() }
    })
    .await;
    let checked = gates.iter().filter(|gate| **gate == Gate::Counted).count();
    assert!(
        (1..=FAILURES_TO_LOCK as usize).contains(&checked),
        "{checked}"
    );
}

async fn a_success_forgets_the_failures(fixture: Fixture) {
    let sign_in = async |at| {
        fixture
            .store
            .count_sign_in("alice", NOW.plus(at), Vec::new())
            .await
            .unwrap()
    };
    let free = Gate::Counted;
    for at in [0, 1000, 2000, 4000, 9000] {
        assert_eq!(sign_in(at).await, free);
    }
    assert!(matches!(sign_in(10_000).await, Gate::Locked { .. }));
    fixture
        .store
        .record(vec![forget_sign_ins("alice")])
        .await
        .unwrap();
    assert_eq!(sign_in(11_000).await, free);
}

async fn a_lock_is_committed_with_its_record_and_can_be_taken_back(fixture: Fixture) {
    let store = &fixture.store;
    let sign_in = async |at| {
        let record = vec![crate::waiting_events::row("node", "locked")];
        let count = store.count_sign_in("alice", NOW.plus(at), record).await;
        count.unwrap()
    };
    let recorded = async || store.outbox("node", 10).await.unwrap().len();
    for at in [0, 1000, 2000, 4000] {
        assert_eq!(sign_in(at).await, Gate::Counted);
        assert_eq!(recorded().await, 0);
    }
    assert_eq!(sign_in(9000).await, Gate::Counted);
    assert_eq!(recorded().await, 1);
    assert!(matches!(sign_in(10_000).await, Gate::Locked { .. }));
    store.uncount_sign_in("alice").await.unwrap();
    assert_eq!(sign_in(20_000).await, Gate::Counted);
    assert!(matches!(sign_in(21_000).await, Gate::Locked { .. }));
}

async fn two_nodes_count_together(fixture: Fixture) {
    let second = fixture.second();
    for (store, expected) in [(&fixture.store, 1), (&second, 2), (&fixture.store, 3)] {
        assert_eq!(store.count("x", 60_000, NOW).await.unwrap().count, expected);
    }
}

async fn attempts_are_forgotten_after_a_day(fixture: Fixture) {
    let store = &fixture.store;
    let day = 24 * 3_600_000;
    store.count("x", 10 * day, NOW).await.unwrap();
    store
        .tidy(NOW.plus(day), KEPT, |_| Vec::new())
        .await
        .unwrap();
    assert_eq!(store.count("x", 10 * day, NOW).await.unwrap().count, 2);
    store
        .tidy(NOW.plus(day + 1), KEPT, |_| Vec::new())
        .await
        .unwrap();
    assert_eq!(store.count("x", 10 * day, NOW).await.unwrap().count, 1);
}
