//! Changes of an account's name and email, and its removal.

use super::*;
use crate::account::Account;

fn begin_email(
    scratch: &Scratch,
    email: &Email,
) -> Result<crate::account::service::change::AccountChange, ChangeError> {
    let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let prepared = scratch
        .service
        .prepare_email(proven, secret(PASSWORD), email)?;
    scratch.service.begin_email_change(prepared)
}

#[test]
fn a_changed_name_is_stored_with_the_time_and_nothing_else_changes() {
    let (scratch, before) = Scratch::with_alice();
    scratch.clock.advance(Duration::from_secs(60));
    let name = "Alice Liddell".parse().unwrap();
    let directory = Directory::open_existing(&scratch.home).unwrap().unwrap();
    let change = scratch.service.begin_rename(directory, before.id, &name);
    let change = change.ok().unwrap();
    assert_eq!(
        scratch.service.by_id(before.id).unwrap(),
        Some(before.clone()),
        "not visible before it is committed"
    );
    let after = change.commit().unwrap().close();
    let expected = Account {
        name: Some(name),
        updated_at: START.plus(Duration::from_secs(60)),
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(scratch.service.by_id(after.id).unwrap(), Some(expected));
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
}

#[test]
fn a_changed_email_signs_in_with_the_same_password_and_key_and_the_old_one_no_more() {
    let (scratch, account) = Scratch::with_alice();
    let key = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let changed = begin_email(&scratch, &nobody()).ok().unwrap();
    let changed = changed.commit().unwrap().erase_leftovers();
    assert_eq!((changed.id, changed.generation), (account.id, 1));
    assert!(scratch.sign_in(&alice(), PASSWORD).is_err());
    let again = scratch.sign_in(&nobody(), PASSWORD).ok().unwrap();
    assert_eq!(again.account_key.expose(), key.account_key.expose());
    assert_eq!(again.account, changed);
}

#[test]
fn an_email_that_another_account_has_is_refused_and_ones_own_in_other_letters_is_not() {
    let (scratch, _) = Scratch::with_alice();
    scratch.enrol(&scratch.service, &nobody(), OTHER);
    let taken = "NOBODY@example.com".parse().unwrap();
    let refused = begin_email(&scratch, &taken).err();
    assert!(matches!(refused, Some(ChangeError::EmailTaken)));
    let spelled = "ALICE@example.com".parse().unwrap();
    let change = begin_email(&scratch, &spelled).ok().unwrap();
    let changed = change.commit().unwrap().erase_leftovers();
    assert_eq!(changed.email.as_str(), "ALICE@example.com");
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
}

#[test]
fn an_email_change_that_was_begun_and_not_committed_changes_nothing() {
    let (scratch, account) = Scratch::with_alice();
    drop(begin_email(&scratch, &nobody()).ok().unwrap());
    assert_eq!(scratch.service.find(&alice()).unwrap(), Some(account));
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
}

#[test]
fn a_removed_account_leaves_nothing_of_its_own_in_the_database() {
    let (scratch, account) = Scratch::with_alice();
    scratch.enrol(&scratch.service, &nobody(), OTHER);
    let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let renewal = scratch.service.begin_recovery_code(&proven);
    renewal.ok().unwrap().commit().unwrap().erase_leftovers();
    let text = {
        let directory = Directory::open_existing(&scratch.home).unwrap().unwrap();
        let stored = directory.recovery_code(account.id).unwrap().unwrap();
        stored.sealed.text
    };
    let removal = scratch.service.begin_removal(&proven).ok().unwrap();
    assert_eq!(removal.secrets, 0);
    removal.commit().unwrap().erase_leftovers();
    assert_eq!(scratch.service.find(&alice()).unwrap(), None);
    assert!(scratch.sign_in(&alice(), PASSWORD).is_err());
    assert!(scratch.sign_in(&nobody(), OTHER).is_ok());
    for name in scratch.home.names().unwrap() {
        let Ok(Some(file)) = scratch.home.open_file(&name) else {
            continue;
        };
        let path = scratch.home.path().join(name);
        let content = nightlatch_platform::fs::read_bounded(&file, &path, 1 << 24).unwrap();
        for erased in [&text[..], account.id.as_bytes(), b"Alice@Example.com"] {
            assert!(!content.windows(erased.len()).any(|part| part == erased));
        }
    }
}

#[test]
fn a_removal_proven_before_the_password_changed_is_refused() {
    let (scratch, account) = Scratch::with_alice();
    let old = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    assert!(
        scratch
            .service
            .change_password(proven, secret(OTHER))
            .is_ok()
    );
    let refused = scratch.service.begin_removal(&old).err();
    assert!(matches!(refused, Some(ChangeError::ChangedMeanwhile)));
    let code = scratch.service.begin_recovery_code(&old).err();
    assert!(matches!(code, Some(ChangeError::ChangedMeanwhile)));
    assert!(scratch.service.by_id(account.id).unwrap().is_some());
}
