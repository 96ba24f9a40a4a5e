//! Documents.

use nightlatch_core::id::{AccountId, ItemId};
use nightlatch_server::store::rows::ItemRow;
use nightlatch_server::store::{Quota, Store};

use crate::fixture::{Fixture, NOW, on_both};
use crate::merges::merge;

on_both!(
    documents_are_created_read_replaced_and_removed,
    no_account_reaches_the_documents_of_another,
    documents_are_listed_by_age,
    any_text_without_nul_is_kept_as_it_is,
    no_document_is_stored_beyond_the_quota,
);

/// Room for any test.
pub const ROOM: Quota = Quota {
    documents: 1_000,
    bytes: 1 << 20,
};

/// Writes a document of the kind `tasks` and returns its id.
pub async fn write(store: &Store, owner: AccountId, body: &str) -> String {
    let item = ItemRow {
        id: ItemId::random().unwrap().to_string(),
        body: body.to_owned(),
        created: NOW,
        updated: NOW,
    };
    let inserted = store.insert_item(owner, "tasks", &item, ROOM).await;
    assert!(inserted.unwrap());
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
        .update_item(owner, "tasks", &id, "2", ROOM, later)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (update.body.as_str(), update.created, update.updated),
        ("2", NOW, later)
    );
    assert!(
        store
            .update_item(owner, "notes", &id, "3", ROOM, later)
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
        let update = store.update_item(other, "tasks", &id, "2", ROOM, NOW).await;
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
        store
            .insert_item(owner, "tasks", &item, ROOM)
            .await
            .unwrap();
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

async fn no_document_is_stored_beyond_the_quota(fixture: Fixture) {
    let store = &fixture.store;
    let owner = fixture.user("alice@example.com").await.account.id;
    let guest = fixture.guest().await.account.id;
    let quota = Quota {
        documents: 3,
        bytes: 20,
    };
    let insert = async |kind: &str, body: &str| {
        let item = ItemRow {
            id: ItemId::random().unwrap().to_string(),
            body: body.to_owned(),
            created: NOW,
            updated: NOW,
        };
        let inserted = store.insert_item(owner, kind, &item, quota).await;
        inserted.unwrap().then_some(item.id)
    };
    // Bytes count, not characters, and those of every kind.
    let first = insert("tasks", "\"\u{e4}\u{e4}\u{e4}\u{e4}\"")
        .await
        .unwrap();
    assert_eq!(insert("notes", "12345678901").await, None);
    let second = insert("notes", "1234567890").await.unwrap();
    let replace = async |id: &str, kind: &str, body: &str| {
        let replaced = store.update_item(owner, kind, id, body, quota, NOW).await;
        replaced.unwrap().is_some()
    };
    assert!(!replace(&second, "notes", "12345678901").await);
    assert!(replace(&second, "notes", "0987654321").await);
    assert!(replace(&second, "notes", "1").await);
    assert!(replace(&first, "tasks", "\"123456789\"").await);
    // The guests that were merged into the account count too.
    write(store, guest, "1").await;
    merge(&fixture, guest, owner).await;
    assert_eq!(insert("tasks", "1").await, None);
    assert!(store.delete_item(owner, "notes", &second).await.unwrap());
    insert("tasks", "1").await.unwrap();
    // What is too much already may become less.
    let full = Quota {
        documents: 0,
        bytes: 0,
    };
    let less = store.update_item(owner, "tasks", &first, "1", full, NOW);
    assert!(less.await.unwrap().is_some());
}
