//! Revocation by epochs.

use std::time::{Duration, Instant};

use nightlatch_core::id::AccountId;
use nightlatch_server::store::rows::{AccountKind, EndKind, SessionClass};
use nightlatch_server::store::{Found, Key};

use crate::fixture::{Fixture, NOW, at_once, on_both, session};

on_both!(
    all_sessions_of_a_kind_are_revoked_with_the_reason,
    sessions_of_some_accounts_are_revoked_and_missing_ones_told,
    a_session_that_begins_afterwards_lives,
    no_session_that_began_before_a_revocation_survives_it,
    a_hundred_thousand_sessions_are_revoked_within_a_second,
);

async fn revoke(fixture: &Fixture, kinds: &'static [AccountKind]) -> i64 {
    let reason = "incident 7".to_owned();
    let revoked = fixture
        .store
        .revoke_kinds(kinds, reason, NOW, |_| Vec::new())
        .await;
    revoked.unwrap()
}

async fn end(fixture: &Fixture, of: &Found) -> Option<String> {
    let found = fixture
        .store
        .session(Key::Id(of.session.id))
        .await
        .unwrap()
        .unwrap();
    let ended = found.session.ended?;
    assert_eq!((ended.how, ended.at), (EndKind::Revoked, NOW));
    Some(ended.reason.unwrap())
}

async fn all_sessions_of_a_kind_are_revoked_with_the_reason(fixture: Fixture) {
    let guest = fixture.guest().await;
    let user = fixture.user("alice@example.com").await;
    assert_eq!(fixture.store.live_sessions(NOW).await.unwrap(), (1, 1));
    assert_eq!(revoke(&fixture, &[AccountKind::Guest]).await, 1);
    assert_eq!(end(&fixture, &guest).await.as_deref(), Some("incident 7"));
    assert_eq!(end(&fixture, &user).await, None);
    assert_eq!(
        revoke(&fixture, &[AccountKind::Guest, AccountKind::User]).await,
        1
    );
    assert_eq!(end(&fixture, &user).await.as_deref(), Some("incident 7"));
    assert_eq!(fixture.store.live_sessions(NOW).await.unwrap(), (0, 0));
}

async fn sessions_of_some_accounts_are_revoked_and_missing_ones_told(fixture: Fixture) {
    let users = [
        fixture.user("alice@example.com").await,
        fixture.user("bob@example.com").await,
        fixture.user("carol@example.com").await,
    ];
    let missing = AccountId::random().unwrap();
    let [alice, bob, _] = &users;
    let some = vec![bob.account.id, missing, alice.account.id, bob.account.id];
    let revoked = fixture
        .store
        .revoke_accounts(some, "stolen".to_owned(), NOW, |_, _| Vec::new());
    assert_eq!(revoked.await.unwrap(), (2, vec![missing]));
    for (user, reason) in users.iter().zip([Some("stolen"), Some("stolen"), None]) {
        assert_eq!(end(&fixture, user).await.as_deref(), reason);
    }
}

async fn a_session_that_begins_afterwards_lives(fixture: Fixture) {
    let user = fixture.user("alice@example.com").await;
    revoke(&fixture, &[AccountKind::User]).await;
    let one = vec![user.account.id];
    let specific = fixture
        .store
        .revoke_accounts(one, "stolen".to_owned(), NOW, |_, _| Vec::new());
    specific.await.unwrap();
    let new = session(SessionClass::Web);
    let begun = fixture
        .store
        .begin_session(user.account.id, new, NOW, Vec::new())
        .await;
    assert_eq!(end(&fixture, &begun.unwrap().unwrap()).await, None);
}

async fn no_session_that_began_before_a_revocation_survives_it(fixture: Fixture) {
    let second = fixture.second();
    let account = fixture.user("alice@example.com").await.account.id;
    for _ in 0..10 {
        let begun = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let before = at_once(20, |at| {
            let store = if at % 2 == 0 {
                fixture.store.clone()
            } else {
                second.clone()
            };
            let begun = begun.clone();
            async move {
                let new = session(SessionClass::Web);
                let id = new.id;
                store
                    .begin_session(account, new, NOW, Vec::new())
                    .await
                    .unwrap()
                    .unwrap();
                begun.lock().unwrap().push(id);
                store.touch(id, NOW.plus(1)).await.unwrap();
            }
        });
        let kill = async {
            // Whatever was answered by now must be dead afterwards.
            let answered = begun.lock().unwrap().clone();
            revoke(&fixture, &[AccountKind::User]).await;
            for id in answered {
                let found = second.session(Key::Id(id)).await.unwrap().unwrap();
                assert!(found.session.ended.is_some());
            }
        };
        tokio::join!(before, kill);
    }
}

async fn a_hundred_thousand_sessions_are_revoked_within_a_second(fixture: Fixture) {
    let guest = fixture.guest().await;
    let account = guest.account.id;
    let insert = |hash: &str, id: &str| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) \
             INSERT INTO session (hash, id, account, kind, class, created, seen, idle, \
             absolute_end, account_epoch, kind_epoch) \
             SELECT {hash}, {id}, '{account}', 'guest', 'guest', {NOW}, {NOW}, 900000, \
             {NOW} + 900000, 0, 0 FROM n",
            NOW = NOW.0
        )
    };
    let sqlite = insert("CAST('x' || i AS BLOB)", "'x' || i");
    let postgres = insert("convert_to('x' || i, 'UTF8')", "'x' || i");
    fixture.script(&sqlite, &postgres).await;
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(revoke(&fixture, &[AccountKind::Guest]).await, 100_000);
        fastest = fastest.min(start.elapsed());
        let live = fixture.store.live_sessions(NOW).await.unwrap();
        assert_eq!(live, (0, 0));
        // As if they had begun since, to be revoked once more.
        let begin = "UPDATE session SET kind_epoch = kind_epoch + 1";
        fixture.script(begin, begin).await;
    }
    assert!(fastest.as_millis() < 1000, "{fastest:?}");
    revoke(&fixture, &[AccountKind::Guest]).await;
    assert_eq!(end(&fixture, &guest).await.as_deref(), Some("incident 7"));
}
