//! Revoking a session: its reason shows until the next sign-in, and no copy of it lives again.

use super::*;

impl Bench {
    fn revoke(&self, reason: &str) -> Ending {
        self.service.end_one(ALICE, revoked(reason)).record()
    }

    fn note(&self) -> PathBuf {
        self.home()
            .join("sessions")
            .join(format!("{ALICE}.revoked"))
    }

    /// The reason of the refusal.
    fn refusal(&self) -> String {
        match self.touch() {
            Err(SessionError::Revoked(revocation)) => revocation.reason.to_string(),
            Err(other) => panic!("{other}"),
            Ok(session) => panic!("{} is live", session.id()),
        }
    }
}

#[test]
fn a_revoked_session_gives_its_reason_until_the_next_sign_in() {
    let (bench, session) = Bench::signed_in();
    let known = bench.events().len();
    let ending = bench.revoke("lost laptop");
    assert!(ending.failures.is_empty());
    assert!(matches!(&ending.ended[..], [ended] if ended.key_destroyed));
    let status = bench.status();
    assert_eq!(status.state, SessionState::Revoked);
    assert_eq!(status.session_id, Some(session));
    assert_eq!(status.username.as_deref(), Some("alice@example.com"));
    assert_eq!(status.reason.unwrap().as_str(), "lost laptop");
    assert_eq!(status.revoked_at, Some(bench.clock.now().wall));
    assert_eq!(bench.refusal(), "lost laptop");
    assert!(bench.service.peek(ALICE.into()).is_err());
    assert_eq!(
        bench.records()[known..],
        [("SESSION_REVOKED lost laptop".to_owned(), Some(session))]
    );
    let next = bench.create().unwrap().id();
    assert_eq!(bench.touch().unwrap().id(), next);
    bench.terminate().unwrap();
    assert_eq!(bench.status().state, SessionState::None);
    assert!(matches!(bench.touch(), Err(SessionError::None)));
}

#[test]
fn revoking_again_changes_and_records_nothing() {
    let (bench, _) = Bench::signed_in();
    bench.revoke("first").failures.is_empty();
    let (known, note) = (bench.events().len(), std::fs::read(bench.note()).unwrap());
    let again = bench.revoke("second");
    assert!(again.ended.is_empty() && again.failures.is_empty() && again.cleared == 0);
    assert_eq!(bench.events().len(), known);
    assert_eq!(std::fs::read(bench.note()).unwrap(), note);
    assert_eq!(bench.refusal(), "first");
}

#[test]
fn revoking_with_nobody_signed_in_changes_nothing_and_is_recorded() {
    let bench = Bench::new();
    let ending = bench.revoke("nobody");
    assert!(ending.ended.is_empty() && ending.failures.is_empty() && ending.cleared == 0);
    assert!(!bench.note().exists());
    assert_eq!(bench.events(), ["SESSION_REVOKED nobody"]);
}

#[test]
fn the_revocation_of_an_account_without_a_session_precedes_its_next_sign_in() {
    let bench = Bench::new();
    let ending = bench.service.end_one(ALICE, revoked("lost laptop"));
    std::thread::scope(|scope| {
        // Waits for the lock, which is held until the revocation is recorded.
        let signing_in = scope.spawn(|| bench.create().unwrap().id());
        assert!(ending.record().failures.is_empty());
        let session = signing_in.join().unwrap();
        assert_eq!(
            bench.records(),
            [
                ("SESSION_REVOKED lost laptop".to_owned(), None),
                ("LOGIN_SUCCESS".to_owned(), None),
                ("SESSION_CREATED".to_owned(), Some(session)),
            ]
        );
    });
}

#[test]
fn a_session_that_had_expired_is_not_said_to_be_revoked() {
    let (bench, _) = Bench::signed_in();
    bench.clock.advance(IDLE);
    let known = bench.events().len();
    let ending = bench.revoke("too late");
    assert_eq!((ending.ended.len(), ending.cleared), (0, 1));
    assert_eq!(bench.status().state, SessionState::None);
    // But that somebody wanted it is recorded.
    assert_eq!(
        bench.events_after(known),
        ["SESSION_EXPIRED idle", "SESSION_REVOKED too late"]
    );
}

#[test]
fn nothing_of_a_revoked_session_lives_again_without_the_note_of_its_end() {
    let (bench, session) = Bench::signed_in();
    let file = std::fs::read(bench.file()).unwrap();
    let key = bench.keeper.held.lock().unwrap().clone();
    let _ = bench.revoke("lost laptop");
    let come_back = || {
        std::fs::write(bench.file(), &file).unwrap();
        *bench.keeper.held.lock().unwrap() = key.clone();
        // Another machine with this home has no such note, and this one after a reboot neither.
        std::fs::remove_file(bench.home().join("ended")).unwrap();
    };
    come_back();
    assert_eq!(bench.status().state, SessionState::Revoked);
    assert!(matches!(
        bench.touch(),
        Err(SessionError::Ended(EndReason::Revoked))
    ));
    let last = bench.records().pop().unwrap();
    assert_eq!(
        last,
        ("SESSION_INVALID old_generation".to_owned(), Some(session))
    );
    assert_eq!(bench.refusal(), "lost laptop");
    // Nor after the next sign-in, which ends the notice.
    bench.create().unwrap();
    bench.terminate().unwrap();
    come_back();
    assert!(!bench.is_active());
    assert!(matches!(
        bench.touch(),
        Err(SessionError::Ended(EndReason::Revoked))
    ));
}

#[test]
fn a_key_out_of_reach_opens_nothing_once_its_session_is_revoked() {
    let (bench, session) = Bench::signed_in();
    let file = std::fs::read(bench.file()).unwrap();
    bench.keeper.fails_to_destroy.store(true, Ordering::SeqCst);
    let ending = bench.revoke("lost laptop");
    assert!(matches!(&ending.ended[..], [ended] if !ended.key_destroyed));
    assert!(matches!(ending.failures[..], [SessionError::Keeper(_)]));
    let last = bench.records().pop().unwrap();
    assert_eq!(
        last,
        ("SESSION_REVOKED lost laptop".to_owned(), Some(session))
    );
    bench.keeper.fails_to_destroy.store(false, Ordering::SeqCst);
    std::fs::write(bench.file(), file).unwrap();
    assert!(!bench.is_active());
    assert!(bench.touch().is_err() && bench.keeper.is_empty());
}

#[test]
fn a_session_is_revoked_though_that_cannot_be_recorded() {
    let (bench, _) = Bench::signed_in();
    bench.break_audit();
    let ending = bench.revoke("lost laptop");
    assert!(bench.keeper.is_empty() && !bench.file().exists());
    assert_eq!(ending.ended.len(), 1);
    assert!(matches!(ending.failures[..], [SessionError::Audit(_)]));
    assert_eq!(bench.refusal(), "lost laptop");
}

#[test]
fn a_damaged_note_lets_no_session_live_until_the_next_sign_in_replaces_it() {
    for damage in ["", "{", "{\"revocations\":\"1\"}"] {
        let (bench, _) = Bench::signed_in();
        std::fs::write(bench.note(), damage).unwrap();
        std::fs::set_permissions(bench.note(), private()).unwrap();
        assert!(!bench.is_active());
        assert!(matches!(
            bench.touch(),
            Err(SessionError::Ended(EndReason::Revoked))
        ));
        let next = bench.create().unwrap().id();
        assert_eq!(bench.touch().unwrap().id(), next);
    }
    // What is no file of ours counts as damaged.
    let (bench, _) = Bench::signed_in();
    std::os::unix::fs::symlink("/etc/passwd", bench.note()).unwrap();
    assert!(bench.touch().is_err());
    let next = bench.create().unwrap().id();
    assert_eq!(bench.touch().unwrap().id(), next);
}

fn private() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

#[test]
fn a_password_change_after_a_revocation_still_ends_a_session_by_its_generation() {
    let (bench, _) = Bench::signed_in();
    let _ = bench.revoke("lost laptop");
    let session = bench.create().unwrap();
    assert_eq!(session.generation(), 7);
    let owner = |generation| Owner {
        account: ALICE,
        generation: Some(generation),
    };
    let state = |generation| bench.service.status(owner(generation)).unwrap().state;
    assert_eq!(state(7), SessionState::Active);
    assert_eq!(state(8), SessionState::Expired);
}
