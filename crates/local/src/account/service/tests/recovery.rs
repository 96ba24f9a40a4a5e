//! Recovery codes: what they open, when they stop to, and what a refusal reveals.

use super::*;
use crate::account::service::recovery::Recovered;
use nightlatch_core::recovery_code::RecoveryCode;

impl Scratch {
    /// A new code of Alice's, whose password is `password`.
    fn new_code(&self, password: &str) -> RecoveryCode {
        let proven = self.sign_in(&alice(), password).ok().unwrap();
        let renewal = self.service.begin_recovery_code(&proven).ok().unwrap();
        renewal.commit().unwrap().erase_leftovers()
    }

    fn prove(&self, email: &Email, code: &RecoveryCode) -> Result<Recovered, SignInError> {
        self.service.attempt(email)?.check_code(code)
    }

    fn recover(&self, recovered: Recovered, new: &str) -> Result<RecoveryCode, ChangeError> {
        let (proven, public) = recovered.into_parts();
        let prepared = self.service.prepare_password(proven, secret(new))?;
        let (change, code) = self.service.begin_recovery(prepared, public)?;
        change.commit()?.erase_leftovers();
        Ok(code)
    }

    fn is_refused(&self, code: &RecoveryCode) -> bool {
        let refused = self.prove(&alice(), code).err();
        matches!(refused, Some(SignInError::Wrong { .. }))
    }
}

#[test]
fn a_code_opens_the_account_key_and_sets_a_password_once() {
    let (scratch, account) = Scratch::with_alice();
    let code = scratch.new_code(PASSWORD);
    let key = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    let recovered = scratch.prove(&alice(), &code).ok().unwrap();
    assert_eq!(
        recovered.proven.account_key.expose(),
        key.account_key.expose()
    );
    let next = scratch.recover(recovered, OTHER).ok().unwrap();
    assert!(scratch.sign_in(&alice(), PASSWORD).is_err());
    let again = scratch.sign_in(&alice(), OTHER).ok().unwrap();
    assert_ne!(again.account_key.expose(), key.account_key.expose());
    assert_eq!(
        scratch.service.generation(account.id).unwrap(),
        Some(account.generation + 1)
    );
    assert!(scratch.is_refused(&code), "it is used up");
    let recovered = scratch.prove(&alice(), &next).ok().unwrap();
    assert_eq!(
        recovered.proven.account_key.expose(),
        again.account_key.expose()
    );
}

#[test]
fn a_code_outlives_a_password_change_and_an_email_change_and_opens_the_new_key() {
    let (scratch, _) = Scratch::with_alice();
    let code = scratch.new_code(PASSWORD);
    let proven = scratch.sign_in(&alice(), PASSWORD).ok().unwrap();
    assert!(
        scratch
            .service
            .change_password(proven, secret(OTHER))
            .is_ok()
    );
    let proven = scratch.sign_in(&alice(), OTHER).ok().unwrap();
    let prepared = scratch
        .service
        .prepare_email(proven, secret(OTHER), &nobody());
    let change = scratch.service.begin_email_change(prepared.ok().unwrap());
    change.ok().unwrap().commit().unwrap().erase_leftovers();
    assert!(scratch.is_refused(&code), "there is no such account now");
    let recovered = scratch.prove(&nobody(), &code).ok().unwrap();
    let signed_in = scratch.sign_in(&nobody(), OTHER).ok().unwrap();
    assert_eq!(
        recovered.proven.account_key.expose(),
        signed_in.account_key.expose()
    );
}

#[test]
fn a_new_code_takes_the_place_of_the_old_one() {
    let (scratch, _) = Scratch::with_alice();
    let old = scratch.new_code(PASSWORD);
    let proven_before = scratch.prove(&alice(), &old).ok().unwrap();
    let new = scratch.new_code(PASSWORD);
    assert!(scratch.is_refused(&old));
    let refused = scratch.recover(proven_before, OTHER).err();
    assert!(
        matches!(refused, Some(ChangeError::ChangedMeanwhile)),
        "proven before it was replaced"
    );
    assert!(scratch.prove(&alice(), &new).is_ok());
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
}

#[test]
fn of_two_recoveries_with_one_code_exactly_one_succeeds() {
    let (scratch, _) = Scratch::with_alice();
    let code = scratch.new_code(PASSWORD);
    let proven: Vec<_> = (0..2)
        .map(|_| scratch.prove(&alice(), &code).ok().unwrap())
        .collect();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = proven
            .into_iter()
            .zip([OTHER, "another plain tractor hums"])
            .map(|(recovered, new)| {
                let scratch = &scratch;
                scope.spawn(move || scratch.recover(recovered, new).is_ok())
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|&&succeeded| succeeded).count(), 1);
}

#[test]
fn a_recovery_that_was_begun_and_not_committed_changes_nothing() {
    let (scratch, _) = Scratch::with_alice();
    let code = scratch.new_code(PASSWORD);
    let (proven, public) = scratch.prove(&alice(), &code).ok().unwrap().into_parts();
    let prepared = scratch.service.prepare_password(proven, secret(OTHER));
    let begun = scratch
        .service
        .begin_recovery(prepared.ok().unwrap(), public);
    drop(begun.ok().unwrap());
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
    assert!(scratch.prove(&alice(), &code).is_ok());
}

#[test]
fn five_wrong_codes_lock_recovery_and_not_sign_in_for_known_and_unknown_emails_alike() {
    let (scratch, _) = Scratch::with_alice();
    let right = scratch.new_code(PASSWORD);
    let wrong = RecoveryCode::random().unwrap();
    let said = |email: &Email| {
        let said: Vec<String> = (0..6)
            .map(|_| scratch.prove(email, &wrong).err().unwrap().to_string())
            .collect();
        let slept = std::mem::take(&mut *scratch.clock.slept.lock().unwrap());
        *scratch.clock.now.lock().unwrap() = START;
        (said, slept)
    };
    let bob: Email = "bob@example.com".parse().unwrap();
    scratch.enrol(&scratch.service, &bob, PASSWORD);
    // Alice has a code, Bob has none, and nobody has no account.
    let first = said(&alice());
    assert_eq!(first, said(&bob));
    assert_eq!(first, said(&nobody()));
    assert!(first.0[5].contains("locked"), "{first:?}");
    let locked = scratch.prove(&alice(), &right).err();
    assert!(matches!(locked, Some(SignInError::Locked { .. })));
    assert!(scratch.sign_in(&alice(), PASSWORD).is_ok());
    scratch.clock.advance(2 * LOCK);
    assert!(scratch.prove(&alice(), &right).is_ok());
}

#[test]
fn a_recovery_lifts_the_lock_of_the_forgotten_password() {
    let (scratch, _) = Scratch::with_alice();
    let code = scratch.new_code(PASSWORD);
    for _ in 0..5 {
        scratch.refusal(&alice(), OTHER);
    }
    let recovered = scratch.prove(&alice(), &code).ok().unwrap();
    assert!(scratch.recover(recovered, OTHER).is_ok());
    assert!(scratch.sign_in(&alice(), OTHER).is_ok());
}

#[test]
fn a_recovery_code_moved_to_another_account_does_not_open() {
    let (scratch, account) = Scratch::with_alice();
    let code = scratch.new_code(PASSWORD);
    scratch.enrol(&scratch.service, &nobody(), OTHER);
    let other = scratch.service.find(&nobody()).unwrap().unwrap();
    let directory = Directory::open_existing(&scratch.home).unwrap().unwrap();
    let stolen = directory.recovery_code(account.id).unwrap().unwrap();
    let writing = directory.begin().unwrap();
    writing.set_recovery_code(other.id, &stolen).unwrap();
    writing.commit().unwrap();
    assert!(scratch.prove(&nobody(), &code).is_err());
    assert!(scratch.prove(&alice(), &code).is_ok());
}
