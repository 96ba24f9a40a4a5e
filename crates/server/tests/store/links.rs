//! Links that are redeemed once.

use nightlatch_core::id::AccountId;
use nightlatch_server::clock::Millis;
use nightlatch_server::store::rows::SessionClass;
use nightlatch_server::store::{
    Found, Key, LinkState, NewLink, Redeemed, Redemption, Statement, Store,
};
use nightlatch_server::token::Digest;

use crate::fixture::{Fixture, KEPT, NOW, at_once, digest, on_both, session, user};
use crate::items::ROOM;

on_both!(
    of_ten_redemptions_at_once_exactly_one_succeeds,
    of_a_hundred_redemptions_at_once_exactly_one_succeeds,
    of_a_thousand_redemptions_at_once_exactly_one_succeeds,
    the_same_browser_gets_the_same_session_again_for_a_minute,
    used_expired_and_unknown_links_are_told_apart,
    a_new_link_takes_the_place_of_the_pending_one,
    of_links_requested_at_once_one_is_pending,
    a_link_for_a_new_email_makes_one_account,
    the_setup_link_makes_the_first_administrator_only,
    a_guest_named_by_the_link_is_merged,
    a_password_that_another_browser_set_is_removed_by_the_first_link,
    no_session_begins_with_a_password_that_was_removed_meanwhile,
    a_refused_redemption_is_recorded,
    a_link_is_remembered_for_the_retention_after_it_expired,
);

async fn link(store: &Store, email: &str, guest: Option<AccountId>) -> Digest {
    let hash = digest();
    let link = NewLink {
        hash,
        purpose: "sign-in",
        email: email.to_owned(),
        email_norm: email.to_owned(),
        guest,
        asked_by: None,
        expires: NOW.plus(3_600_000),
    };
    store.put_link(link, NOW, Vec::new()).await.unwrap();
    hash
}

fn redemption(hash: Digest, claim: Digest, now: Millis) -> Redemption {
    Redemption {
        quota: ROOM,
        hash,
        claim,
        guest: None,
        session: session(SessionClass::Web),
        now,
    }
}

async fn redeem(store: &Store, redemption: Redemption) -> Redeemed {
    let account = AccountId::random().unwrap();
    store
        .redeem_link(redemption, account, |_| Vec::new())
        .await
        .unwrap()
}

fn refused(redeemed: &Redeemed) -> &LinkState {
    match redeemed {
        Redeemed::Refused(state) => state,
        _ => panic!("it was redeemed"),
    }
}

async fn exactly_one(fixture: &Fixture, count: usize) {
    let second = fixture.second();
    let hash = link(&fixture.store, "alice@example.com", None).await;
    let results = at_once(count, |at| {
        let store = if at % 2 == 0 {
            fixture.store.clone()
        } else {
            second.clone()
        };
        async move {
            // A full queue is told as unavailable, and the client tries again.
            loop {
                let account = AccountId::random().unwrap();
                let redemption = redemption(hash, digest(), NOW);
                if let Ok(end) = store.redeem_link(redemption, account, |_| Vec::new()).await {
                    return end;
                }
            }
        }
    })
    .await;
    let succeeded = |end: &&Redeemed| matches!(end, Redeemed::Session { .. });
    assert_eq!(results.iter().filter(succeeded).count(), 1);
    let used = |end: &&Redeemed| matches!(end, Redeemed::Refused(LinkState::Used));
    assert_eq!(results.iter().filter(used).count(), count - 1);
    let account = fixture
        .store
        .account_of("alice@example.com")
        .await
        .unwrap()
        .unwrap();
    let sessions = fixture
        .store
        .sessions_of(account.account.id, 100)
        .await
        .unwrap();
    assert_eq!(sessions.len(), 1);
}

async fn of_ten_redemptions_at_once_exactly_one_succeeds(fixture: Fixture) {
    exactly_one(&fixture, 10).await;
}

async fn of_a_hundred_redemptions_at_once_exactly_one_succeeds(fixture: Fixture) {
    exactly_one(&fixture, 100).await;
}

async fn of_a_thousand_redemptions_at_once_exactly_one_succeeds(fixture: Fixture) {
    exactly_one(&fixture, 1000).await;
}

async fn the_same_browser_gets_the_same_session_again_for_a_minute(fixture: Fixture) {
    let store = &fixture.store;
    let hash = link(store, "alice@example.com", None).await;
    let claim = digest();
    let first = redemption(hash, claim, NOW);
    let token = first.session.hash;
    let Redeemed::Session { found, is_new, .. } = redeem(store, first).await else {
        panic!("it was refused");
    };
    assert!(is_new);
    // The retry derives the same token; each retry leaves the minute where it began.
    for after in [30_000, 59_999] {
        let mut again = redemption(hash, claim, NOW.plus(after));
        again.session.hash = token;
        let Redeemed::Session {
            found: same,
            is_new,
            ..
        } = redeem(store, again).await
        else {
            panic!("it was refused after {after}");
        };
        assert_eq!((same.session.id, is_new), (found.session.id, false));
    }
    let mut late = redemption(hash, claim, NOW.plus(60_000));
    late.session.hash = token;
    assert_eq!(refused(&redeem(store, late).await), &LinkState::Used);
    let other = redemption(hash, digest(), NOW.plus(1));
    assert_eq!(refused(&redeem(store, other).await), &LinkState::Used);
}

async fn used_expired_and_unknown_links_are_told_apart(fixture: Fixture) {
    let store = &fixture.store;
    let hash = link(store, "alice@example.com", None).await;
    let at = async |time| store.link(hash, time).await.unwrap();
    let last = NOW.plus(3_600_000 - 1);
    assert!(matches!(at(last).await, LinkState::Pending(_)));
    assert_eq!(at(NOW.plus(3_600_000)).await, LinkState::Expired);
    let late = redeem(store, redemption(hash, digest(), NOW.plus(3_600_000))).await;
    assert_eq!(refused(&late), &LinkState::Expired);
    let unknown = redeem(store, redemption(digest(), digest(), NOW)).await;
    assert_eq!(refused(&unknown), &LinkState::Unknown);
    let in_time = redeem(store, redemption(hash, digest(), last)).await;
    assert!(matches!(in_time, Redeemed::Session { .. }));
    assert_eq!(at(NOW).await, LinkState::Used);
    // Used is used, however late.
    assert_eq!(at(NOW.plus(3_600_000)).await, LinkState::Used);
}

async fn a_new_link_takes_the_place_of_the_pending_one(fixture: Fixture) {
    let store = &fixture.store;
    let old = link(store, "alice@example.com", None).await;
    let other = link(store, "bob@example.com", None).await;
    let new = link(store, "alice@example.com", None).await;
    let end = redeem(store, redemption(old, digest(), NOW)).await;
    assert_eq!(refused(&end), &LinkState::Unknown);
    for hash in [new, other] {
        let end = redeem(store, redemption(hash, digest(), NOW)).await;
        assert!(matches!(end, Redeemed::Session { .. }));
    }
    // A used link is no pending one.
    link(store, "alice@example.com", None).await;
    assert_eq!(store.link(new, NOW).await.unwrap(), LinkState::Used);
}

async fn of_links_requested_at_once_one_is_pending(fixture: Fixture) {
    let hashes = at_once(20, |_| {
        let store = fixture.store.clone();
        async move { link(&store, "alice@example.com", None).await }
    })
    .await;
    let mut pending = 0;
    for hash in hashes {
        let state = fixture.store.link(hash, NOW).await.unwrap();
        pending += usize::from(state != LinkState::Unknown);
    }
    assert_eq!(pending, 1);
}

async fn a_link_for_a_new_email_makes_one_account(fixture: Fixture) {
    let existing = fixture.user("alice@example.com").await;
    for (email, is_existing) in [("alice@example.com", true), ("bob@example.com", false)] {
        let hash = link(&fixture.store, email, None).await;
        let end = redeem(&fixture.store, redemption(hash, digest(), NOW)).await;
        let Redeemed::Session { found, merged, .. } = end else {
            panic!("it was refused");
        };
        assert_eq!(found.account.id == existing.account.id, is_existing);
        assert_eq!(found.account.email.as_deref(), Some(email));
        assert_eq!(merged, None);
    }
}

async fn the_setup_link_makes_the_first_administrator_only(fixture: Fixture) {
    let store = &fixture.store;
    let setup = async || {
        let hash = digest();
        let link = NewLink {
            hash,
            purpose: "setup",
            email: String::new(),
            email_norm: String::new(),
            guest: None,
            asked_by: None,
            expires: NOW.plus(3_600_000),
        };
        store.put_link(link, NOW, Vec::new()).await.unwrap();
        hash
    };
    let redeem_setup = async |hash, email| {
        let mut admin = user(email);
        admin.is_admin = true;
        let redemption = redemption(hash, digest(), NOW);
        store
            .redeem_setup(redemption, admin, |_| Vec::new())
            .await
            .unwrap()
    };
    let hash = setup().await;
    // It is no sign-in link, and no sign-in link is one.
    let end = redeem(store, redemption(hash, digest(), NOW)).await;
    assert_eq!(refused(&end), &LinkState::Unknown);
    let sign_in = link(store, "mallory@example.com", None).await;
    let end = redeem_setup(sign_in, "mallory@example.com").await;
    assert_eq!(refused(&end), &LinkState::Unknown);
    // An account that somebody registered before is not given rights, and the link is still good.
    fixture.user("alice@example.com").await;
    let end = redeem_setup(hash, "alice@example.com").await;
    assert!(matches!(end, Redeemed::Exists));
    assert!(!store.has_admin().await.unwrap());
    let end = redeem_setup(hash, "admin@example.com").await;
    let Redeemed::Session { found, .. } = end else {
        panic!("it was refused");
    };
    assert!(found.account.is_admin);
    assert_eq!(
        refused(&redeem_setup(hash, "eve@example.com").await),
        &LinkState::Unknown
    );
    let late = setup().await;
    assert_eq!(
        refused(&redeem_setup(late, "eve@example.com").await),
        &LinkState::Unknown
    );
}

async fn a_guest_named_by_the_link_is_merged(fixture: Fixture) {
    let store = &fixture.store;
    let guest = fixture.guest().await.account.id;
    crate::items::write(store, guest, "one").await;
    crate::items::write(store, guest, "two").await;
    let by_guest = |hash| Redemption {
        guest: Some(guest),
        ..redemption(hash, digest(), NOW)
    };
    // Not by whoever has the link alone.
    let hash = link(store, "carol@example.com", Some(guest)).await;
    let end = redeem(store, redemption(hash, digest(), NOW)).await;
    assert!(matches!(end, Redeemed::Session { merged: None, .. }));
    let hash = link(store, "alice@example.com", Some(guest)).await;
    let end = redeem(store, by_guest(hash)).await;
    let Redeemed::Session { found, merged, .. } = end else {
        panic!("it was refused");
    };
    assert_eq!(merged, Some((guest, 2)));
    assert_eq!(
        store.items(found.account.id, "tasks").await.unwrap().len(),
        2
    );
    // A guest that is merged already is left where it is.
    let hash = link(store, "bob@example.com", Some(guest)).await;
    let end = redeem(store, by_guest(hash)).await;
    let Redeemed::Session { found, merged, .. } = end else {
        panic!("it was refused");
    };
    assert_eq!(merged, None);
    assert!(
        store
            .items(found.account.id, "tasks")
            .await
            .unwrap()
            .is_empty()
    );
}

/// A user whose email nobody has proven, registered by a browser.
async fn registered(store: &Store, email: &str, claim: Digest) -> Found {
    let mut stranger = user(email);
    stranger.password = Some("hash".to_owned());
    stranger.claim = Some(claim);
    let session = session(SessionClass::Web);
    let registered = store.register(stranger, session, NOW, |_| Vec::new()).await;
    registered.unwrap().unwrap()
}

async fn a_password_that_another_browser_set_is_removed_by_the_first_link(fixture: Fixture) {
    let store = &fixture.store;
    let browser = digest();
    for (email, claim, is_removed) in [
        ("alice@example.com", digest(), true),
        ("bob@example.com", browser, false),
    ] {
        let before = registered(store, email, browser).await;
        assert!(!store.account_of(email).await.unwrap().unwrap().is_proven);
        let hash = link(store, email, None).await;
        let first = redemption(hash, claim, NOW);
        let token = first.session.hash;
        let end = redeem(store, first).await;
        let Redeemed::Session {
            found,
            is_reclaimed,
            ..
        } = end
        else {
            panic!("it was refused");
        };
        assert_eq!(found.account.id, before.account.id);
        assert_eq!(is_reclaimed, is_removed);
        assert_eq!(found.session.ended, None);
        let account = store.account_of(email).await.unwrap().unwrap();
        assert!(account.is_proven);
        assert_eq!(account.password.is_none(), is_removed);
        let of_before = async || {
            let session = store.session(Key::Id(before.session.id)).await;
            session.unwrap().unwrap().session.ended
        };
        assert_eq!(of_before().await.is_some(), is_removed);
        // Neither the retry nor a later link removes anything.
        let mut again = redemption(hash, claim, NOW.plus(1000));
        again.session.hash = token;
        let later = redemption(link(store, email, None).await, digest(), NOW.plus(1000));
        for next in [again, later] {
            let Redeemed::Session { is_reclaimed, .. } = redeem(store, next).await else {
                panic!("it was refused");
            };
            assert!(!is_reclaimed);
        }
        let session = store.session(Key::Token(token)).await.unwrap().unwrap();
        assert_eq!(session.session.ended, None);
        assert_eq!(of_before().await.is_some(), is_removed);
    }
}

async fn no_session_begins_with_a_password_that_was_removed_meanwhile(fixture: Fixture) {
    let store = &fixture.store;
    let email = "alice@example.com";
    let account = registered(store, email, digest()).await.account.id;
    let sign_in = async || {
        let mut session = session(SessionClass::Web);
        session.password = Some("hash".to_owned());
        store.begin_session(account, session, NOW, Vec::new()).await
    };
    assert!(sign_in().await.unwrap().is_some());
    let hash = link(store, email, None).await;
    redeem(store, redemption(hash, digest(), NOW)).await;
    assert!(sign_in().await.unwrap().is_none());
}

async fn a_refused_redemption_is_recorded(fixture: Fixture) {
    let record = |end: &Redeemed| -> Vec<Statement> {
        let event = match end {
            Redeemed::Refused(_) => "refused",
            _ => "redeemed",
        };
        vec![crate::waiting_events::row("node", event)]
    };
    let hash = link(&fixture.store, "alice@example.com", None).await;
    for expected in ["redeemed", "refused"] {
        let account = AccountId::random().unwrap();
        let redemption = redemption(hash, digest(), NOW);
        fixture
            .store
            .redeem_link(redemption, account, record)
            .await
            .unwrap();
        let waiting = fixture.store.outbox("node", 10).await.unwrap();
        assert!(
            waiting.iter().any(|row| row.event == expected),
            "{expected}"
        );
    }
}

async fn a_link_is_remembered_for_the_retention_after_it_expired(fixture: Fixture) {
    let store = &fixture.store;
    let hash = link(store, "alice@example.com", None).await;
    let last = NOW.plus(3_600_000 + 90 * 24 * 3_600_000);
    for (now, state) in [
        (last, LinkState::Expired),
        (last.plus(1), LinkState::Unknown),
    ] {
        store.tidy(now, KEPT, |_| Vec::new()).await.unwrap();
        assert_eq!(store.link(hash, now).await.unwrap(), state);
    }
}
