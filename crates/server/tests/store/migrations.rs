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
    a_database_of_a_later_version_is_refused
);
