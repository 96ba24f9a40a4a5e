//! Bringing the tables up to date.

use nightlatch_server::store::StoreError;

use crate::fixture::{Fixture, NOW, at_once};

async fn nodes_that_start_at_once_make_the_tables_once(fixture: Fixture) {
    let results = at_once(8, |_| {
        let store = fixture.second();
        async move { store.migrate(NOW).await }
    })
    .await;
    for result in results {
        result.unwrap();
    }
    fixture.user("alice@example.com").await;
    // A start on a database that is up to date leaves it alone.
    fixture.store.migrate(NOW.plus(1)).await.unwrap();
    assert!(
        fixture
            .store
            .account_of("alice@example.com")
            .await
            .unwrap()
            .is_some()
    );
}

async fn a_database_of_a_later_version_is_refused(fixture: Fixture) {
    fixture.store.migrate(NOW).await.unwrap();
    let later = "INSERT INTO migration (version, applied) VALUES (1000, 0)";
    fixture.script(later, later).await;
    let refused = fixture.store.migrate(NOW).await;
    assert!(matches!(&refused, Err(StoreError::Broken(text)) if text.contains("1000")));
}

async fn in_a_database_of_version_1_only_emails_without_a_password_are_proven(fixture: Fixture) {
    let version_1 = concat!(
        include_str!("../../src/store/migrations/0001.sql"),
        "CREATE TABLE migration (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL);
         INSERT INTO migration VALUES (1, 0);
         INSERT INTO account (id, kind, email, email_norm, password, is_admin, created, updated)
         VALUES ('4f9c2d6e-0000-4000-8000-000000000001', 'user', 'a', 'linked', NULL, 0, 7, 7),
                ('4f9c2d6e-0000-4000-8000-000000000002', 'user', 'b', 'registered', 'x', 0, 7, 7),
                ('4f9c2d6e-0000-4000-8000-000000000003', 'user', 'c', 'operator', 'x', 1, 7, 7)"
    );
    fixture.script(version_1, version_1).await;
    fixture.store.migrate(NOW).await.unwrap();
    for (email, is_proven) in [("linked", true), ("registered", false), ("operator", true)] {
        let account = fixture.store.account_of(email).await.unwrap().unwrap();
        assert_eq!(account.is_proven, is_proven, "{email}");
    }
}

macro_rules! on_both_empty {
    ($($name:ident),+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(crate::fixture::Fixture::empty_sqlite()).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    if let Some(fixture) = crate::fixture::Fixture::empty_postgres().await {
                        super::$name(fixture).await;
                    }
                }
            )+
        }
    };
}

on_both_empty!(
    nodes_that_start_at_once_make_the_tables_once,
    a_database_of_a_later_version_is_refused,
    in_a_database_of_version_1_only_emails_without_a_password_are_proven
);
