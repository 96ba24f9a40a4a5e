//! Ways in which a sealed key is replaced: a more expensive hash, a new password, editing the
//! database.

use super::*;

#[test]
fn a_cheaper_hash_is_raised_at_the_next_sign_in_and_a_dearer_one_is_kept() {
    let (scratch, _) = Scratch::with_alice();
    let key = scratch
        .sign_in(&alice(), PASSWORD)
        .ok()
        .unwrap()
        .account_key;
    let dearer = Argon2Params::new(20 * 1024, 3, 1).unwrap();
    let raising = service(&scratch.home, &scratch.clock, dearer);
    let before = scratch.record(&alice());
    assert!(raising.sign_in(&alice(), secret(OTHER)).is_err());
    assert_eq!(scratch.record(&alice()).sealed.params, Argon2Params::FLOOR);
    assert!(raising.sign_in(&alice(), secret(PASSWORD)).is_ok());
    let after = scratch.record(&alice());
    assert_eq!(after.sealed.params, dearer);
    assert_ne!(after.sealed.salt, before.sealed.salt);
    assert_eq!(after.account, before.account);
    let again = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    assert_eq!(again.account_key.expose(), key.expose());
    assert_eq!(scratch.record(&alice()).sealed.params, dearer);
}

#[test]
fn a_changed_password_makes_a_new_key_and_starts_a_new_generation() {
    let (scratch, account) = Scratch::with_alice();
    let key = scratch
        .sign_in(&alice(), PASSWORD)
        .ok()
        .unwrap()
        .account_key;
    scratch.clock.advance(Duration::from_secs(60));
    let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let changed = scratch.service.change_password(proven, secret(OTHER));
    let changed = changed.unwrap();
    assert_eq!((changed.generation, changed.id), (1, account.id));
    assert_eq!(changed.updated_at, START.plus(Duration::from_secs(60)));
    assert_eq!(scratch.service.generation(account.id).unwrap(), Some(1));
    assert!(scratch.sign_in(&alice(), PASSWORD).is_err());
    let again = scratch.sign_in(&alice(), OTHER).ok().unwrap();
    assert_ne!(again.account_key.expose(), key.expose());
    assert_eq!(again.account, changed);
}

#[test]
fn a_password_is_not_changed_to_a_weak_one_or_the_same_one() {
    let (scratch, account) = Scratch::with_alice();
    let change = |new: &str| {
        let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
        let refused = scratch.service.prepare_password(proven, secret(new));
        refused.err().unwrap()
    };
    assert!(matches!(change("short"), ChangeError::Policy(_)));
    assert!(matches!(change(PASSWORD), ChangeError::SameAsOld));
    assert_eq!(scratch.service.generation(account.id).unwrap(), Some(0));
}

#[test]
fn a_password_whose_change_was_begun_and_not_committed_stays() {
    let (scratch, account) = Scratch::with_alice();
    let service = &scratch.service;
    let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let prepared = service
        .prepare_password(proven, secret(OTHER))
        .ok()
        .unwrap();
    let begun = service.begin_password_change(prepared).ok().unwrap();
    assert_eq!(begun.account().generation, 1);
    drop(begun);
    assert_eq!(service.generation(account.id).unwrap(), Some(0));
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
}

#[test]
fn of_two_password_changes_prepared_at_once_the_second_is_refused() {
    let (scratch, _) = Scratch::with_alice();
    let service = &scratch.service;
    let prepare = |new: &str| {
        let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
        service.prepare_password(proven, secret(new)).ok().unwrap()
    };
    let (first, second) = (prepare(OTHER), prepare("another plain tractor hums"));
    let begun = service.begin_password_change(first).ok().unwrap();
    begun.commit().unwrap().erase_leftovers();
    let refused = service.begin_password_change(second).err();
    assert!(matches!(refused, Some(ChangeError::ChangedMeanwhile)));
    assert!(scratch.sign_in(&alice(), OTHER).is_ok());
}

#[test]
fn a_password_changed_while_the_old_one_is_hashed_signs_nobody_in() {
    let (mut scratch, account) = Scratch::with_alice();
    let home = Arc::clone(&scratch.home);
    scratch.service.hasher = Box::new(move |password, salt, params| {
        let directory = Directory::open_existing(&home).unwrap().unwrap();
        let mut record = directory.by_email(&alice()).unwrap().unwrap();
        record.account.generation = 1;
        let writing = directory.begin().unwrap();
        writing.reseal(&record, 0).unwrap();
        writing.commit().unwrap();
        argon2id(password, salt, params)
    });
    let error = scratch.refusal(&alice(), PASSWORD);
    assert_eq!(wrong_of(&error), (Some(account.id), 4, false, 1));
}

/// Another connection keeps SQLite from doing it when the last one is closed.
#[test]
#[allow(clippy::disallowed_methods)] // the files that another program would see
fn a_sealed_key_or_recovery_code_that_is_replaced_remains_in_no_file() {
    let (scratch, _) = Scratch::with_alice();
    let service = &scratch.service;
    let open = || Directory::open_existing(&scratch.home).unwrap().unwrap();
    let other = open();
    let proven = || scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let renew = || {
        let renewal = service.begin_recovery_code(&proven()).ok().unwrap();
        renewal.commit().unwrap().erase_leftovers();
    };
    let dearer = Argon2Params::new(20 * 1024, 3, 1).unwrap();
    let raise = || {
        let raising = super::service(&scratch.home, &scratch.clock, dearer);
        assert!(raising.sign_in(&alice(), secret(PASSWORD)).is_ok());
    };
    let readdress = || {
        let prepared = service.prepare_email(proven(), secret(PASSWORD), &nobody());
        let change = service.begin_email_change(prepared.ok().unwrap());
        change.ok().unwrap().commit().unwrap().erase_leftovers();
    };
    renew();
    let id = scratch.record(&alice()).account.id;
    let sealed = || {
        let (directory, key) = (open(), open().by_id(id).unwrap().unwrap().sealed);
        [
            key.text,
            directory.recovery_code(id).unwrap().unwrap().sealed.text,
        ]
    };
    let replacements: [(&str, &dyn Fn()); 3] = [
        ("recovery code", &renew),
        ("cost", &raise),
        ("email", &readdress),
    ];
    for (what, replace) in replacements {
        let before = sealed();
        replace();
        let after = sealed();
        assert_ne!(before, after, "{what}");
        for name in scratch.home.names().unwrap() {
            let path = scratch.home.path().join(&name);
            if !path.is_file() {
                continue;
            }
            let content = std::fs::read(path).unwrap();
            for old in before.iter().filter(|old| !after.contains(old)) {
                let is_there = content.windows(old.len()).any(|part| part == old);
                assert!(!is_there, "{what}: in {name}");
            }
        }
    }
    drop(other);
}

#[test]
fn a_sealed_key_moved_to_another_account_does_not_open() {
    let (scratch, _) = Scratch::with_alice();
    let stolen = scratch.record(&alice()).sealed;
    scratch.enrol(&scratch.service, &nobody(), OTHER);
    let mut record = scratch.record(&nobody());
    record.sealed = stolen;
    let directory = Directory::open_existing(&scratch.home).unwrap().unwrap();
    let writing = directory.begin().unwrap();
    assert!(writing.reseal(&record, 0).unwrap());
    writing.commit().unwrap();
    assert!(scratch.sign_in(&nobody(), PASSWORD).is_err());
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
}

#[test]
fn two_emails_swapped_in_the_database_let_neither_password_sign_in() {
    let (scratch, _) = Scratch::with_alice();
    scratch.enrol(&scratch.service, &nobody(), OTHER);
    let database = scratch.home.path().join("accounts.db");
    let swap = |sql: &str| {
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    let every_way = |wanted: bool| {
        for email in [alice(), nobody()] {
            for password in [PASSWORD, OTHER] {
                let right = (email == alice()) == (password == PASSWORD);
                let signed_in = scratch.sign_in(&email, password).is_ok();
                assert_eq!(signed_in, right && wanted, "{email} {password}");
            }
        }
    };
    every_way(true);
    let both =
        "UPDATE accounts SET email = 'x' || email, email_normalized = 'x' || email_normalized;
        UPDATE accounts SET email = CASE email WHEN 'xAlice@Example.com' THEN 'nobody@example.com'
            ELSE 'Alice@Example.com' END;
        UPDATE accounts SET email_normalized = lower(email);";
    swap(both);
    every_way(false);
    let lookup = "UPDATE accounts SET email_normalized = 'x' || email_normalized;
        UPDATE accounts SET email_normalized = CASE lower(email) WHEN 'alice@example.com'
            THEN 'nobody@example.com' ELSE 'alice@example.com' END;";
    let (other, _) = Scratch::with_alice();
    other.enrol(&other.service, &nobody(), OTHER);
    let connection = rusqlite::Connection::open(other.home.path().join("accounts.db")).unwrap();
    connection.execute_batch(lookup).unwrap();
    for (email, password) in [(alice(), OTHER), (nobody(), PASSWORD)] {
        let refused = other.sign_in(&email, password).err();
        assert!(
            matches!(refused, Some(SignInError::Directory(_))),
            "{refused:?}"
        );
    }
}
