//! Ending sessions despite obstacles: a lock, the log, the record of who signed in last.

use super::*;
use crate::session::EndedSession;

impl Bench {
    fn end_all(&self) -> Ending {
        let ending = self.service.end_all(TerminationReason::Logout);
        ending.and_of(&[ALICE, BOB]).record()
    }

    /// Whether no session of anybody has left anything.
    fn is_empty(&self) -> bool {
        self.keeper.is_empty() && self.service.accounts().unwrap().is_empty()
    }
}

fn accounts(ending: &Ending) -> Vec<AccountId> {
    ending.ended.iter().map(|ended| ended.account).collect()
}

#[test]
fn ending_all_ends_the_session_of_every_account_and_says_whose() {
    let (bench, _) = Bench::signed_in();
    bench.create_for(BOB).unwrap();
    let known = bench.events().len();
    let ending = bench.end_all();
    let mut ended = ending.ended;
    ended.sort_by_key(|ended| ended.account);
    let of = |account| EndedSession {
        account,
        username: Some("alice@example.com".to_owned()),
        key_destroyed: true,
    };
    let mut expected = [of(ALICE), of(BOB)];
    expected.sort_by_key(|ended| ended.account);
    assert_eq!(ended, expected);
    assert!(ending.failures.is_empty() && !ending.without_lock);
    assert!(bench.is_empty());
    assert_eq!(bench.events_after(known), ["SESSION_TERMINATED logout"; 2]);
    let again = bench.end_all();
    assert!(again.ended.is_empty() && again.failures.is_empty());
    assert_eq!(bench.events().len(), known + 2);
}

#[test]
fn ending_one_leaves_the_sessions_of_others() {
    let (bench, _) = Bench::signed_in();
    bench.create_for(BOB).unwrap();
    let ending = bench.service.end_one(ALICE, TerminationReason::Logout);
    let ending = ending.record();
    assert_eq!(accounts(&ending), [ALICE]);
    assert!(!bench.is_active());
    assert_eq!(bench.service.accounts().unwrap(), [BOB]);
}

#[test]
fn a_session_that_had_ended_by_itself_is_cleared_away_and_not_said_to_be_ended() {
    let (bench, _) = Bench::signed_in();
    bench.clock.advance(Duration::from_secs(900));
    let known = bench.events().len();
    let ending = bench.end_all();
    assert_eq!((ending.ended.len(), ending.cleared), (0, 1));
    assert!(bench.is_empty());
    assert_eq!(bench.events_after(known), ["SESSION_EXPIRED idle"]);
}

#[test]
fn a_key_whose_session_file_was_taken_away_is_destroyed_as_well() {
    let (bench, _) = Bench::signed_in();
    std::fs::remove_file(bench.file()).unwrap();
    std::fs::remove_file(bench.home().join("current")).unwrap();
    let ending = bench.end_all();
    assert_eq!(ending.cleared, 1);
    assert!(bench.keeper.is_empty());
}

#[test]
fn sessions_end_though_nothing_can_be_recorded_and_that_is_told_last() {
    let (bench, _) = Bench::signed_in();
    bench.break_audit();
    let ending = bench.end_all();
    assert!(bench.is_empty());
    assert_eq!(accounts(&ending), [ALICE]);
    assert!(matches!(ending.failures[..], [SessionError::Audit(_)]));
}

#[test]
fn a_key_that_cannot_be_destroyed_is_told_first_and_its_session_is_not_said_to_be_ended() {
    let (bench, _) = Bench::signed_in();
    bench.keeper.fails_to_destroy.store(true, Ordering::SeqCst);
    let ending = bench.end_all();
    assert!(ending.ended.is_empty());
    assert!(matches!(ending.failures[0], SessionError::Keeper(_)));
    assert!(!bench.is_active(), "its file is gone");
}

#[test]
fn a_session_lock_that_is_not_given_up_is_done_without_and_its_holder_revives_nothing() {
    let (bench, _) = Bench::signed_in();
    let kept = bench.keeper.held.lock().unwrap().clone();
    let held = bench.service.lock().unwrap();
    let start = std::time::Instant::now();
    let ending = bench.end_all();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(ending.without_lock);
    assert_eq!(accounts(&ending), [ALICE]);
    assert!(bench.is_empty());
    // What the lock's holder was about to do: publish the payload that it had read.
    *bench.keeper.held.lock().unwrap() = kept;
    drop(held);
    assert!(!bench.is_active());
    assert!(matches!(
        bench.touch(),
        Err(SessionError::Ended(EndReason::FileGone))
    ));
}

#[test]
fn the_lock_of_the_log_is_waited_for_a_while_and_not_for_ever() {
    let (bench, _) = Bench::signed_in();
    let home = Dir::open_or_create(&bench.home()).unwrap();
    let held = home.subdir("audit").unwrap().unwrap().lock().unwrap();
    let ending = bench.end_all();
    drop(held);
    assert!(bench.is_empty());
    assert!(matches!(
        ending.failures[..],
        [SessionError::Audit(AuditError::Busy { .. })]
    ));
}

#[test]
fn a_note_of_the_last_account_that_is_no_file_keeps_nothing_from_ending() {
    let (bench, _) = Bench::signed_in();
    let current = bench.home().join("current");
    std::fs::remove_file(&current).unwrap();
    std::fs::create_dir(&current).unwrap();
    let ending = bench.end_all();
    assert_eq!(accounts(&ending), [ALICE]);
    assert!(ending.failures.is_empty() && bench.is_empty());
}
