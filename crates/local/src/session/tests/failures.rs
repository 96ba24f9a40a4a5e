//! Failures of the keeper, the disk or the log never leave a session that nobody knows of.

use super::*;

fn breaks(what: &AtomicBool) {
    what.store(true, Ordering::SeqCst);
}

fn mends(what: &AtomicBool) {
    what.store(false, Ordering::SeqCst);
}

#[test]
fn a_session_whose_key_cannot_be_placed_leaves_nothing_and_says_so() {
    let bench = Bench::new();
    breaks(&bench.keeper.fails_to_publish);
    assert!(matches!(bench.create(), Err(SessionError::Keeper(_))));
    assert!(bench.keeper.is_empty() && !bench.file().exists());
    assert_eq!(
        bench.events(),
        [
            "LOGIN_SUCCESS",
            "SESSION_CREATED",
            "SESSION_TERMINATED creation_failed"
        ]
    );
    mends(&bench.keeper.fails_to_publish);
    assert_eq!(bench.status(), SessionStatus::none());
}

#[test]
fn a_session_is_not_extended_when_its_key_cannot_be_placed_again() {
    let (bench, _) = Bench::signed_in();
    bench.clock.advance(Duration::from_secs(600));
    breaks(&bench.keeper.fails_to_publish);
    assert!(matches!(bench.touch(), Err(SessionError::Keeper(_))));
    assert_eq!(bench.status().remaining_seconds, Some(300));
    bench.clock.advance(Duration::from_secs(300));
    assert!(!bench.is_active());
}

#[test]
fn a_keeper_that_cannot_be_asked_lets_nobody_through_and_ends_nothing() {
    let (bench, session) = Bench::signed_in();
    breaks(&bench.keeper.fails_to_read);
    assert!(matches!(bench.touch(), Err(SessionError::Keeper(_))));
    assert!(bench.service.status(ALICE.into()).is_err());
    mends(&bench.keeper.fails_to_read);
    assert_eq!(bench.touch().unwrap().id(), session);
}

#[test]
fn a_session_that_cannot_be_judged_can_be_ended() {
    let (bench, _) = Bench::signed_in();
    breaks(&bench.keeper.fails_to_read);
    assert!(bench.terminate().unwrap());
    assert!(bench.keeper.is_empty() && !bench.file().exists());
    assert_eq!(bench.events_after(2), ["SESSION_INVALID unreadable"]);
}

#[test]
fn a_key_that_cannot_be_destroyed_is_told_and_of_no_use_without_its_file() {
    let (bench, session) = Bench::signed_in();
    breaks(&bench.keeper.fails_to_destroy);
    assert!(matches!(bench.terminate(), Err(SessionError::Keeper(_))));
    assert!(!bench.file().exists());
    assert!(!bench.is_active());
    mends(&bench.keeper.fails_to_destroy);
    let refused = bench.touch();
    assert!(matches!(
        refused,
        Err(SessionError::Ended(EndReason::FileGone))
    ));
    let last = bench.records().pop().unwrap();
    assert_eq!(
        last,
        ("SESSION_INVALID file_gone".to_owned(), Some(session))
    );
}

#[test]
fn no_session_begins_that_cannot_be_recorded() {
    let (bench, _) = Bench::signed_in();
    bench.break_audit();
    assert!(matches!(bench.create(), Err(SessionError::Audit(_))));
    assert!(bench.keeper.is_empty() && !bench.file().exists());
    assert_eq!(bench.status(), SessionStatus::none());
}

#[test]
fn no_session_is_used_that_cannot_be_recorded() {
    let (bench, session) = Bench::signed_in();
    bench.clock.advance(Duration::from_secs(600));
    bench.break_audit();
    assert!(matches!(bench.touch(), Err(SessionError::Audit(_))));
    assert_eq!(bench.status().remaining_seconds, Some(300), "not extended");
    bench.mend_audit();
    assert_eq!(bench.touch().unwrap().id(), session);
}

#[test]
fn a_session_ends_even_if_its_end_cannot_be_recorded_which_is_told() {
    let (bench, _) = Bench::signed_in();
    bench.break_audit();
    assert!(matches!(bench.terminate(), Err(SessionError::Audit(_))));
    assert!(bench.keeper.is_empty() && !bench.file().exists());
    assert_eq!(bench.status(), SessionStatus::none());
}

#[test]
fn a_sign_in_that_cannot_settle_earlier_crashes_leaves_the_old_session_as_it_was() {
    let (bench, old) = Bench::signed_in();
    breaks(&bench.crashes.fails_to_forget);
    assert!(matches!(bench.create(), Err(SessionError::File(_))));
    assert_eq!(bench.status().session_id, Some(old));
    assert_eq!(bench.records().len(), 2);
}

#[test]
fn a_crash_is_not_forgotten_when_another_account_signs_in() {
    let (bench, alices) = Bench::signed_in();
    bench.crashes.seen.lock().unwrap().push(alices);
    let _ = bench.create_for(BOB).unwrap();
    assert!(!bench.is_active());
    assert!(bench.touch().is_err());
    let ends: Vec<_> = bench
        .records()
        .into_iter()
        .filter(|(event, _)| event == "SESSION_TERMINATED crash")
        .collect();
    assert_eq!(
        ends,
        [("SESSION_TERMINATED crash".to_owned(), Some(alices))]
    );
}
