//! Merging guests.

use nightlatch_core::id::AccountId;
use nightlatch_server::store::{Key, Merge, Quota};

use crate::fixture::{Fixture, NOW, at_once, on_both};
use crate::items::{ROOM, write};

on_both!(
    a_merge_happens_once_and_its_repetition_is_told,
    of_merges_into_two_accounts_at_once_one_happens,
    what_a_guest_writes_late_is_in_the_account,
    a_merged_guest_gets_no_session,
    only_guests_are_merged_and_only_into_users,
    no_guest_is_merged_into_an_account_without_room,
);

pub async fn merge(fixture: &Fixture, guest: AccountId, target: AccountId) -> Merge {
    let merged = fixture
        .store
        .merge(guest, target, ROOM, None, NOW, |_| Vec::new())
        .await;
    merged.unwrap()
}

async fn a_merge_happens_once_and_its_repetition_is_told(fixture: Fixture) {
    let guest = fixture.guest().await.account.id;
    let target = fixture.user("alice@example.com").await.account.id;
    let other = fixture.user("bob@example.com").await.account.id;
    write(&fixture.store, guest, "one").await;
    assert!(matches!(
        merge(&fixture, guest, target).await,
        Merge::Done(1)
    ));
    for again in [target, other] {
        let Merge::Refused(Some(account), 1) = merge(&fixture, guest, again).await else {
            panic!("it was merged again");
        };
        assert_eq!(account.merged, Some((target, NOW)));
    }
}

async fn of_merges_into_two_accounts_at_once_one_happens(fixture: Fixture) {
    let targets = [
        fixture.user("alice@example.com").await.account.id,
        fixture.user("bob@example.com").await.account.id,
    ];
    for _ in 0..10 {
        let guest = fixture.guest().await.account.id;
        let writer = fixture.store.clone();
        let late = tokio::spawn(async move {
            for _ in 0..5 {
                write(&writer, guest, "late").await;
            }
        });
        let results = at_once(10, |at| {
            let store = fixture.store.clone();
            let target = targets[at % 2];
            async move {
                store
                    .merge(guest, target, ROOM, None, NOW, |_| Vec::new())
                    .await
                    .unwrap()
            }
        })
        .await;
        late.await.unwrap();
        let done = results.iter().filter(|end| matches!(end, Merge::Done(_)));
        assert_eq!(done.count(), 1);
    }
    // Each document is in one of the accounts, and in one only.
    let mut all = 0;
    for target in targets {
        all += fixture.store.items(target, "tasks").await.unwrap().len();
    }
    assert_eq!(all, 50);
}

async fn what_a_guest_writes_late_is_in_the_account(fixture: Fixture) {
    let store = &fixture.store;
    let guest = fixture.guest().await.account.id;
    let target = fixture.user("alice@example.com").await.account.id;
    let early = write(store, guest, "early").await;
    merge(&fixture, guest, target).await;
    let late = write(store, guest, "late").await;
    for id in [&early, &late] {
        assert!(store.item(target, "tasks", id).await.unwrap().is_some());
        let update = store
            .update_item(target, "tasks", id, "changed", ROOM, NOW)
            .await;
        assert_eq!(update.unwrap().unwrap().body, "changed");
    }
    assert!(store.delete_item(target, "tasks", &late).await.unwrap());
    assert_eq!(store.items(target, "tasks").await.unwrap().len(), 1);
}

async fn a_merged_guest_gets_no_session(fixture: Fixture) {
    let guest = fixture.guest().await;
    let target = fixture.user("alice@example.com").await.account.id;
    merge(&fixture, guest.account.id, target).await;
    let new = crate::fixture::session(guest.session.class);
    let begun = fixture
        .store
        .begin_session(guest.account.id, new, NOW, Vec::new())
        .await;
    assert!(begun.unwrap().is_none());
    let found = fixture
        .store
        .session(Key::Id(guest.session.id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.account.merged, Some((target, NOW)));
}

async fn only_guests_are_merged_and_only_into_users(fixture: Fixture) {
    let guest = fixture.guest().await.account.id;
    let other_guest = fixture.guest().await.account.id;
    let user = fixture.user("alice@example.com").await.account.id;
    let other_user = fixture.user("bob@example.com").await.account.id;
    let nobody = AccountId::random().unwrap();
    let pairs = [
        (guest, other_guest),
        (guest, guest),
        (guest, nobody),
        (user, other_user),
        (nobody, user),
    ];
    for (from, to) in pairs {
        assert!(matches!(
            merge(&fixture, from, to).await,
            Merge::Refused(..)
        ));
    }
    assert!(matches!(merge(&fixture, guest, user).await, Merge::Done(0)));
}

async fn no_guest_is_merged_into_an_account_without_room(fixture: Fixture) {
    let store = &fixture.store;
    let [first, second] = [(); 2].map(|()| async { fixture.guest().await.account.id });
    let (first, second) = (first.await, second.await);
    let target = fixture.user("alice@example.com").await.account.id;
    write(store, first, "123456").await;
    write(store, second, "1").await;
    let merge = async |guest, documents, bytes| {
        let quota = Quota { documents, bytes };
        let merge = store.merge(guest, target, quota, None, NOW, |_| Vec::new());
        merge.await.unwrap()
    };
    // What a guest brings may be more than there is room for.
    assert!(matches!(merge(first, 1, 1).await, Merge::Done(1)));
    for (documents, bytes) in [(1, 100), (100, 6)] {
        let Merge::Refused(Some(guest), 1) = merge(second, documents, bytes).await else {
            panic!("it was merged");
        };
        assert_eq!(guest.merged, None);
    }
    assert!(matches!(merge(second, 2, 7).await, Merge::Done(1)));
}
