//! Sessions.

use nightlatch_core::id::AccountId;
use nightlatch_server::clock::Millis;
use nightlatch_server::store::Key;
use nightlatch_server::store::rows::{EndKind, SessionClass};

use crate::fixture::{Fixture, IDLE, MAX, NOW, at_once, on_both, session};

on_both!(
    a_session_is_found_by_its_token_its_id_and_a_guests_by_its_account,
    activity_counts_until_the_idle_timeout_and_not_at_it,
    activity_counts_until_the_absolute_end_and_not_at_it,
    earlier_activity_changes_nothing,
    an_ended_session_takes_no_activity,
    a_session_is_ended_once_and_only_by_its_account,
    all_other_live_sessions_are_ended,
    no_session_begins_for_an_account_that_is_not_there,
    concurrent_activity_leaves_the_latest,
);

async fn seen(fixture: &Fixture, key: Key) -> Millis {
    fixture
        .store
        .session(key)
        .await
        .unwrap()
        .unwrap()
        .session
        .seen
}

async fn a_session_is_found_by_its_token_its_id_and_a_guests_by_its_account(fixture: Fixture) {
    let user = fixture.user("alice@example.com").await;
    let guest = fixture.guest().await;
    let store = &fixture.store;
    let found = store
        .session(Key::Id(user.session.id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&found.session, &found.account),
        (&user.session, &user.account)
    );
    assert_eq!(found.session.class, SessionClass::Web);
    assert_eq!(found.session.absolute_end, NOW.plus(MAX));
    assert_eq!(found.session.address.as_deref(), Some("192.0.2.1"));

    let new = session(SessionClass::Guest);
    let hash = new.hash;
    let later = NOW.plus(1);
    let second = store
        .begin_session(guest.account.id, new, later, Vec::new())
        .await;
    let second = second.unwrap().unwrap();
    let by = async |key| {
        store
            .session(key)
            .await
            .unwrap()
            .map(|found| found.session.id)
    };
    assert_eq!(by(Key::Token(hash)).await, Some(second.session.id));
    assert_eq!(
        by(Key::Guest(guest.account.id)).await,
        Some(second.session.id)
    );
    // A user is not identified by the id alone.
    assert_eq!(by(Key::Guest(user.account.id)).await, None);
    assert_eq!(by(Key::Token(crate::fixture::digest())).await, None);
}

async fn activity_counts_until_the_idle_timeout_and_not_at_it(fixture: Fixture) {
    let id = fixture.user("alice@example.com").await.session.id;
    let last = NOW.plus(IDLE - 1000);
    assert!(fixture.store.touch(id, last).await.unwrap());
    assert!(!fixture.store.touch(id, last.plus(IDLE)).await.unwrap());
    assert_eq!(seen(&fixture, Key::Id(id)).await, last);
    assert!(fixture.store.touch(id, last.plus(IDLE - 1)).await.unwrap());
}

async fn activity_counts_until_the_absolute_end_and_not_at_it(fixture: Fixture) {
    let id = fixture.user("alice@example.com").await.session.id;
    let mut now = NOW;
    while now.plus(IDLE - 1) < NOW.plus(MAX) {
        now = now.plus(IDLE - 1);
        assert!(fixture.store.touch(id, now).await.unwrap());
    }
    assert!(fixture.store.touch(id, NOW.plus(MAX - 1)).await.unwrap());
    assert!(!fixture.store.touch(id, NOW.plus(MAX)).await.unwrap());
}

async fn earlier_activity_changes_nothing(fixture: Fixture) {
    let id = fixture.user("alice@example.com").await.session.id;
    assert!(fixture.store.touch(id, NOW.plus(2000)).await.unwrap());
    for earlier in [2000, 1999, -5000] {
        assert!(!fixture.store.touch(id, NOW.plus(earlier)).await.unwrap());
    }
    assert_eq!(seen(&fixture, Key::Id(id)).await, NOW.plus(2000));
}

async fn an_ended_session_takes_no_activity(fixture: Fixture) {
    let user = fixture.user("alice@example.com").await;
    let (account, id) = (user.account.id, user.session.id);
    let end = fixture
        .store
        .end_session(account, id, EndKind::SignedOut, NOW, Vec::new());
    assert!(end.await.unwrap());
    assert!(!fixture.store.touch(id, NOW.plus(1000)).await.unwrap());
    let found = fixture.store.session(Key::Id(id)).await.unwrap().unwrap();
    assert_eq!(found.session.seen, NOW);
    assert_eq!(found.session.ended.unwrap().how, EndKind::SignedOut);
}

async fn a_session_is_ended_once_and_only_by_its_account(fixture: Fixture) {
    let user = fixture.user("alice@example.com").await;
    let other = fixture.user("bob@example.com").await;
    let id = user.session.id;
    let end = async |account| {
        let how = EndKind::SignedOut;
        fixture
            .store
            .end_session(account, id, how, NOW, Vec::new())
            .await
            .unwrap()
    };
    assert!(!end(other.account.id).await);
    assert!(end(user.account.id).await);
    assert!(!end(user.account.id).await);
}

async fn all_other_live_sessions_are_ended(fixture: Fixture) {
    let user = fixture.user("alice@example.com").await;
    let other = fixture.user("bob@example.com").await;
    let account = user.account.id;
    let later = NOW.plus(IDLE - 1);
    let mut ids = Vec::new();
    for now in [NOW, later, later] {
        let new = session(SessionClass::Web);
        ids.push(new.id);
        fixture
            .store
            .begin_session(account, new, now, Vec::new())
            .await
            .unwrap();
    }
    // The first two have run out by now.
    let now = NOW.plus(IDLE);
    let ended = fixture
        .store
        .end_other_sessions(account, ids[2], now, |_| Vec::new())
        .await;
    assert_eq!(ended.unwrap(), [ids[1]]);
    let listed = fixture.store.sessions_of(account, 100).await.unwrap();
    assert_eq!(listed.len(), 4);
    let is_ended = |at: usize| {
        let found = listed.iter().find(|found| found.session.id == ids[at]);
        found.unwrap().session.ended.is_some()
    };
    assert!(!is_ended(0) && is_ended(1) && !is_ended(2));
    let others = fixture
        .store
        .sessions_of(other.account.id, 100)
        .await
        .unwrap();
    assert!(others[0].session.ended.is_none());
}

async fn no_session_begins_for_an_account_that_is_not_there(fixture: Fixture) {
    let nobody = AccountId::random().unwrap();
    let new = session(SessionClass::Web);
    let begun = fixture
        .store
        .begin_session(nobody, new, NOW, Vec::new())
        .await;
    assert!(begun.unwrap().is_none());
}

async fn concurrent_activity_leaves_the_latest(fixture: Fixture) {
    let id = fixture.user("alice@example.com").await.session.id;
    at_once(50, |at| {
        let store = fixture.store.clone();
        let now = NOW.plus(1 + i64::try_from(at * 37 % 50).unwrap());
        async move { store.touch(id, now).await.unwrap() }
    })
    .await;
    assert_eq!(seen(&fixture, Key::Id(id)).await, NOW.plus(50));
}
