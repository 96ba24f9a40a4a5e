//! Documents.

use nightlatch_core::id::{AccountId, ItemId};
use nightlatch_server::store::Store;
use nightlatch_server::store::rows::ItemRow;

use crate::fixture::{Fixture, NOW, on_both};

on_both!(
    documents_are_created_read_replaced_and_removed,
    no_account_reaches_the_documents_of_another,
    documents_are_listed_by_age,
    any_text_without_nul_is_kept_as_it_is,
);

/// Writes a document of the kind `tasks` and returns its id.
pub async fn write(store: &Store, owner: AccountId, body: &str) -> String {
    let item = ItemRow {
        id: ItemId::random().unwrap().to_string(),
        body: body.to_owned(),
        created: NOW,
        updated: NOW,
    };
    store.insert_item(owner, "tasks", &item).await.unwrap();
    item.id
}

async fn documents_are_created_read_replaced_and_removed(fixture: Fixture) {
    let store = &fixture.store;
    let owner = fixture.user("alice@example.com").await.account.id;
    let id = write(store, owner, "1").await;
    let found = store.item(owner, "tasks", &id).await.unwrap().unwrap();
    assert_eq!((found.body.as_str(), found.updated), ("1", NOW));
    assert!(
        store
            .item(owner, "configurations", &id)
            .await
            .unwrap()
            .is_none()
    );
    let later = NOW.plus(1);
    let update = store
        .update_item(owner, "tasks", &id, "2", later)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (update.body.as_str(), update.created, update.updated),
        ("2", NOW, later)
    );
    assert!(
        store
            .update_item(owner, "notes", &id, "3", later)
            .await
            .unwrap()
            .is_none()
    );
    assert!(!store.delete_item(owner, "notes", &id).await.unwrap());
    assert!(store.delete_item(owner, "tasks", &id).await.unwrap());
    assert!(!store.delete_item(owner, "tasks", &id).await.unwrap());
    assert!(store.items(owner, "tasks").await.unwrap().is_empty());
}

async fn no_account_reaches_the_documents_of_another(fixture: Fixture) {
    let store = &fixture.store;
    let owner = fixture.user("alice@example.com").await.account.id;
    let guest = fixture.guest().await.account.id;
    let other = fixture.user("bob@example.com").await.account.id;
    let id = write(store, owner, "1").await;
    for other in [other, guest] {
        assert!(store.items(other, "tasks").await.unwrap().is_empty());
        assert!(store.item(other, "tasks", &id).await.unwrap().is_none());
        let update = store.update_item(other, "tasks", &id, "2", NOW).await;
        assert!(update.unwrap().is_none());
        assert!(!store.delete_item(other, "tasks", &id).await.unwrap());
    }
    assert_eq!(
        store.item(owner, "tasks", &id).await.unwrap().unwrap().body,
        "1"
    );
}

async fn documents_are_listed_by_age(fixture: Fixture) {
    let store = &fixture.store;
    let owner = fixture.user("alice@example.com").await.account.id;
    for (body, at) in [("b", 2), ("a", 1), ("c", 3)] {
        let item = ItemRow {
            id: ItemId::random().unwrap().to_string(),
            body: body.to_owned(),
            created: NOW.plus(at),
            updated: NOW,
        };
        store.insert_item(owner, "tasks", &item).await.unwrap();
    }
    let listed = store.items(owner, "tasks").await.unwrap();
    let bodies: Vec<_> = listed.iter().map(|item| item.body.as_str()).collect();
    assert_eq!(bodies, ["a", "b", "c"]);
}

async fn any_text_without_nul_is_kept_as_it_is(fixture: Fixture) {
    let store = &fixture.store;
    let owner = fixture.user("alice@example.com").await.account.id;
    for body in [
        "",
        "'; DROP TABLE item; --",
        "$1 ?1 :a \\ \u{1}\u{feff}😀\r\n",
        "1e400",
    ] {
        let id = write(store, owner, body).await;
        assert_eq!(
            store.item(owner, "tasks", &id).await.unwrap().unwrap().body,
            body
        );
    }
}
