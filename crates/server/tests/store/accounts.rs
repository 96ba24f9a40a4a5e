//! Accounts.

use std::time::{Duration, Instant};

use nightlatch_server::store::rows::{AccountKind, SessionClass};

use crate::fixture::{Fixture, NOW, at_once, on_both, session, user};

on_both!(
    one_email_makes_one_account_however_many_register_at_once,
    emails_are_found_by_their_normalized_form_only,
    a_name_is_changed_with_the_time_of_the_change,
    an_administrator_is_made_of_a_new_or_an_existing_account_and_removed,
    an_email_is_found_quickly_among_ten_thousand,
);

async fn one_email_makes_one_account_however_many_register_at_once(fixture: Fixture) {
    let results = at_once(100, |_| {
        let store = fixture.store.clone();
        async move {
            let session = session(SessionClass::Web);
            let new = user("alice@example.com");
            store
                .register(new, session, NOW, |_| Vec::new())
                .await
                .unwrap()
        }
    })
    .await;
    let created: Vec<_> = results.into_iter().flatten().collect();
    assert_eq!(created.len(), 1);
    let found = fixture
        .store
        .account_of("alice@example.com")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.account, created[0].account);
}

async fn emails_are_found_by_their_normalized_form_only(fixture: Fixture) {
    let created = fixture.user("Alice@Example.com").await.account;
    assert_eq!(created.kind, AccountKind::User);
    assert_eq!(created.email.as_deref(), Some("Alice@Example.com"));
    let of = async |email| fixture.store.account_of(email).await.unwrap();
    assert_eq!(of("alice@example.com").await.unwrap().account, created);
    assert!(of("Alice@Example.com").await.is_none());
    assert!(of("").await.is_none());
}

async fn a_name_is_changed_with_the_time_of_the_change(fixture: Fixture) {
    let account = fixture.user("alice@example.com").await.account;
    let later = NOW.plus(5);
    let rename = fixture
        .store
        .rename(account.id, "Bob".to_owned(), later, Vec::new());
    let renamed = rename.await.unwrap().unwrap();
    assert_eq!(
        (renamed.name.as_deref(), renamed.updated),
        (Some("Bob"), later)
    );
    assert_eq!(renamed.created, account.created);
}

async fn an_administrator_is_made_of_a_new_or_an_existing_account_and_removed(fixture: Fixture) {
    let store = &fixture.store;
    assert!(!store.has_admin().await.unwrap());
    let existing = fixture.user("alice@example.com").await;
    let mut admin = user("alice@example.com");
    admin.password = Some("hash".to_owned());
    admin.is_admin = true;
    let made = store.put_admin(admin, NOW, |_| Vec::new()).await.unwrap();
    assert_eq!(made, existing.account.id);
    let found = store
        .account_of("alice@example.com")
        .await
        .unwrap()
        .unwrap();
    assert!(found.account.is_admin);
    assert_eq!(found.password.unwrap().as_str(), "hash");
    // A session from before must not gain rights.
    let key = nightlatch_server::store::Key::Id(existing.session.id);
    assert!(
        store
            .session(key)
            .await
            .unwrap()
            .unwrap()
            .session
            .ended
            .is_some()
    );

    let mut other = user("bob@example.com");
    other.is_admin = true;
    let made = store
        .put_admin(other.clone(), NOW, |_| Vec::new())
        .await
        .unwrap();
    assert_eq!(made, other.id);
    for admin in [existing.account.id, other.id] {
        assert!(store.has_admin().await.unwrap());
        assert!(store.remove_admin(admin, NOW, Vec::new()).await.unwrap());
        assert!(!store.remove_admin(admin, NOW, Vec::new()).await.unwrap());
    }
    assert!(!store.has_admin().await.unwrap());
}

async fn an_email_is_found_quickly_among_ten_thousand(fixture: Fixture) {
    let insert = |text: &str| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
             INSERT INTO account (id, kind, email, email_norm, created, updated) \
             SELECT {text}, 'user', 'user' || i || '@example.com', 'user' || i || '@example.com', \
             0, 0 FROM n"
        )
    };
    let id = "'00000000-0000-4000-8000-' || substr('00000000000' || (100000 + i), -12)";
    let postgres = "'00000000-0000-4000-8000-' || lpad(i::text, 12, '0')";
    fixture.script(&insert(id), &insert(postgres)).await;
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        let found = fixture
            .store
            .account_of("user9999@example.com")
            .await
            .unwrap();
        fastest = fastest.min(start.elapsed());
        assert!(found.is_some());
    }
    assert!(fastest.as_millis() < 100, "{fastest:?}");
}
