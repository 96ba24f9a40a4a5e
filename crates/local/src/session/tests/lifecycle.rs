//! A session's life as its callers see it, and its audit events.

use super::*;

#[test]
fn a_new_session_is_live_for_its_idle_time_and_on_record_with_the_sign_in() {
    let (bench, session) = Bench::signed_in();
    let status = bench.status();
    assert_eq!(status.state, SessionState::Active);
    assert_eq!(status.session_id, Some(session));
    assert_eq!(status.username.as_deref(), Some("alice@example.com"));
    assert_eq!(status.remaining_seconds, Some(900));
    assert_eq!(status.limited_by, Some(LimitedBy::Idle));
    assert_eq!(status.created_at, status.last_activity_at);
    assert_eq!(bench.keeper.lifetime(), IDLE);
    assert_eq!(bench.service.current().unwrap(), Some(ALICE));
    assert_eq!(bench.service.accounts().unwrap(), [ALICE]);
    assert_eq!(
        bench.records(),
        [
            ("LOGIN_SUCCESS".to_owned(), None),
            ("SESSION_CREATED".to_owned(), Some(session)),
        ]
    );
}

#[test]
fn a_session_is_live_at_899_999_seconds_and_ended_at_900() {
    let (bench, session) = Bench::signed_in();
    bench.clock.advance(IDLE.checked_sub(MILLISECOND).unwrap());
    let used = bench.touch_as(touch(false)).unwrap();
    assert_eq!(used.remaining(), MILLISECOND);
    assert_eq!(bench.status().remaining_seconds, Some(1));

    bench.clock.advance(MILLISECOND);
    assert_eq!(bench.status().state, SessionState::Expired);
    assert_eq!(bench.status().remaining_seconds, Some(0));
    let refused = bench.touch();
    assert!(matches!(refused, Err(SessionError::Ended(EndReason::Idle))));
    assert_eq!(
        bench.records()[2..],
        [
            ("SESSION_VALIDATED".to_owned(), Some(session)),
            ("SESSION_EXPIRED idle".to_owned(), Some(session)),
        ]
    );
    assert!(bench.keeper.is_empty() && !bench.file().exists());
    assert!(matches!(bench.touch(), Err(SessionError::None)));
    assert_eq!(bench.status(), SessionStatus::none());
}

#[test]
fn every_use_gives_the_session_its_whole_idle_time_again() {
    let (bench, _) = Bench::signed_in();
    for _ in 0..4 {
        bench.clock.advance(Duration::from_secs(899));
        let used = bench.touch().unwrap();
        assert_eq!(used.remaining(), IDLE);
        assert_eq!(bench.keeper.lifetime(), IDLE);
    }
    assert_eq!(
        bench.events_after(2)[..2],
        ["SESSION_VALIDATED", "SESSION_EXTENDED"]
    );
}

#[test]
fn the_absolute_limit_ends_a_session_in_constant_use() {
    let (bench, _) = Bench::signed_in();
    for _ in 0..23 {
        bench.clock.advance(Duration::from_secs(600));
        bench.touch().unwrap();
    }
    bench.clock.advance(Duration::from_secs(599));
    assert_eq!(bench.touch().unwrap().remaining(), Duration::from_secs(1));
    assert_eq!(bench.keeper.lifetime(), Duration::from_secs(1));
    assert_eq!(bench.status().limited_by, Some(LimitedBy::Max));
    bench.clock.advance(Duration::from_secs(1));
    let refused = bench.touch();
    assert!(matches!(refused, Err(SessionError::Ended(EndReason::Max))));
    assert_eq!(bench.events().last().unwrap(), "SESSION_EXPIRED max");
}

#[test]
fn a_use_that_does_not_extend_is_no_activity() {
    let (bench, _) = Bench::signed_in();
    let before = bench.status().last_activity_at;
    bench.clock.advance(Duration::from_secs(600));
    let used = bench.touch_as(touch(false)).unwrap();
    assert_eq!(used.remaining(), Duration::from_secs(300));
    assert_eq!(bench.status().last_activity_at, before);
    assert_eq!(bench.events_after(2), ["SESSION_VALIDATED"]);
    bench.clock.advance(Duration::from_secs(300));
    assert!(!bench.is_active());
}

#[test]
fn looking_at_the_status_changes_and_records_nothing() {
    let (bench, _) = Bench::signed_in();
    for _ in 0..2 {
        bench.clock.advance(Duration::from_secs(450));
        let _ = bench.status();
    }
    assert_eq!(bench.status().state, SessionState::Expired);
    assert_eq!(bench.events().len(), 2);
    assert!(bench.file().exists() && !bench.keeper.is_empty());
}

#[test]
fn a_session_that_would_end_too_soon_is_neither_used_nor_extended() {
    let (bench, _) = Bench::signed_in();
    bench.clock.advance(Duration::from_secs(600));
    let at_least = |extend, seconds| Use {
        min_remaining: Duration::from_secs(seconds),
        ..touch(extend)
    };
    let refused = bench.touch_as(at_least(false, 301));
    let Err(SessionError::TooLittleTime { remaining, wanted }) = refused else {
        panic!("not refused");
    };
    assert_eq!((remaining.as_secs(), wanted.as_secs()), (300, 301));
    assert!(bench.touch_as(at_least(true, 901)).is_err());
    assert_eq!(bench.status().remaining_seconds, Some(300));
    assert_eq!(bench.events().len(), 2);
    // Extended first, it has enough time left.
    assert!(bench.touch_as(at_least(true, 900)).is_ok());
}

#[test]
fn what_is_recorded_with_a_use_is_recorded_in_the_same_step() {
    let (bench, session) = Bench::signed_in();
    let lock = bench.service.lock_to_use(ALICE).unwrap();
    let judged = lock.judge(ALICE.into(), touch(true)).unwrap();
    let recording = judged.await_log().unwrap();
    assert_eq!(recording.session().id(), session);
    let also = Event::new(Details::LoginAttempt);
    let used = recording.record(Some(also)).unwrap().publish();
    assert_eq!(used.unwrap().session.id(), session);
    assert_eq!(
        bench.events_after(2),
        ["SESSION_VALIDATED", "SESSION_EXTENDED", "LOGIN_ATTEMPT"]
    );
}

#[test]
fn a_use_whose_last_step_fails_extends_nothing() {
    let (bench, _) = Bench::signed_in();
    let before = bench.status();
    bench.clock.advance(Duration::from_secs(10));
    let judge = || {
        let lock = bench.service.lock_to_use(ALICE).unwrap();
        lock.judge(ALICE.into(), touch(true)).unwrap()
    };
    drop(judge());
    drop(judge().await_log().unwrap());
    assert_eq!(bench.events().len(), 2);
    drop(judge().await_log().unwrap().record(None).unwrap());
    assert_eq!(bench.status().last_activity_at, before.last_activity_at);
    // Each of them has given back the lock.
    bench.touch().unwrap();
}

#[test]
fn a_new_session_replaces_the_old_one_and_both_are_told() {
    let (bench, old) = Bench::signed_in();
    let new = bench.create().unwrap().id();
    assert_ne!(old, new);
    assert_eq!(bench.status().session_id, Some(new));
    assert_eq!(
        bench.records()[2..],
        [
            ("LOGIN_SUCCESS".to_owned(), None),
            ("SESSION_TERMINATED replaced".to_owned(), Some(old)),
            ("SESSION_CREATED".to_owned(), Some(new)),
        ]
    );
    assert_eq!(bench.keeper.held.lock().unwrap().len(), 1);
}

#[test]
fn ending_a_session_destroys_its_key_and_file_once() {
    let (bench, session) = Bench::signed_in();
    assert!(bench.terminate().unwrap());
    assert!(bench.keeper.is_empty() && !bench.file().exists());
    assert!(!bench.terminate().unwrap());
    assert_eq!(
        bench.records()[2..],
        [("SESSION_TERMINATED logout".to_owned(), Some(session))]
    );
    assert!(matches!(bench.touch(), Err(SessionError::None)));
}

#[test]
fn an_account_that_changed_during_sign_in_gets_no_session_and_keeps_its_old_one() {
    let (bench, session) = Bench::signed_in();
    for generation in [None, Some(8)] {
        let lock = bench.service.lock_to_use(ALICE).unwrap();
        let refused = lock.create(new_session(ALICE), generation, Vec::new());
        assert!(matches!(refused, Err(SessionError::AccountChanged)));
    }
    assert_eq!(bench.events().len(), 2);
    assert_eq!(bench.status().session_id, Some(session));
}

#[test]
fn sessions_of_two_accounts_do_not_touch_each_other() {
    let (bench, alices) = Bench::signed_in();
    let bobs = bench.create_for(BOB).unwrap().id();
    assert_eq!(bench.service.current().unwrap(), Some(BOB));
    assert!(bench.terminate().unwrap());
    assert!(!bench.is_active());
    let status = bench.service.status(BOB.into()).unwrap();
    assert_eq!(status.session_id, Some(bobs));
    assert_ne!(alices, bobs);
}
