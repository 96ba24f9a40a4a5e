//! Sessions that cannot be seen from here: refused with their own messages, left alone, and no end
//! of them recorded.

use super::*;

/// Uses Alice's session through `service`, and asserts that it is refused for this reason, that
/// nothing is changed or recorded, and that `status` agrees.
#[track_caller]
fn is_refused(bench: &Bench, service: &SessionService, why: Elsewhere) {
    let (events, file) = (bench.events(), std::fs::read(bench.file()).unwrap());
    let held = |keeper: &FakeKeeper| keeper.held.lock().unwrap().len();
    let keys = (held(&bench.keeper), held(&bench.agent));
    let used = service.use_now(ALICE.into(), touch(true));
    match used.err() {
        Some(SessionError::Elsewhere(found)) => assert_eq!(found, why),
        other => panic!("{why:?}: {other:?}"),
    }
    let status = service.status(ALICE.into()).unwrap();
    assert_eq!(status.state, SessionState::None);
    assert_eq!(status.elsewhere, Some(why));
    assert_eq!(bench.events(), events, "{why:?}");
    assert_eq!(std::fs::read(bench.file()).unwrap(), file);
    assert_eq!((held(&bench.keeper), held(&bench.agent)), keys);
}

/// Keepers that hold nothing: the payload is where this process cannot read it.
fn keepers(choice: KeeperChoice) -> Keepers {
    let empty = || Box::new(Arc::new(FakeKeeper::uneventful()));
    Keepers::of(choice, empty(), empty())
}

#[test]
fn a_session_of_another_user_namespace_is_left_alone() {
    let (bench, _) = Bench::signed_in();
    bench.surroundings.lock().unwrap().user_namespace = 2;
    let inside = bench.service_at(&bench.home(), keepers(KeeperChoice::Auto));
    is_refused(&bench, &inside, Elsewhere::UserNamespace);
    bench.surroundings.lock().unwrap().user_namespace = 1;
    bench.touch().unwrap();
}

#[test]
fn a_keeper_that_fails_in_another_user_namespace_ends_nothing_and_is_no_failure() {
    let (bench, _) = Bench::signed_in();
    bench.surroundings.lock().unwrap().user_namespace = 2;
    let failing = FakeKeeper::uneventful();
    failing.fails_to_read.store(true, Ordering::SeqCst);
    let empty = FakeKeeper::uneventful();
    let keepers = Keepers::of(
        KeeperChoice::Auto,
        Box::new(Arc::new(failing)),
        Box::new(Arc::new(empty)),
    );
    let inside = bench.service_at(&bench.home(), keepers);
    is_refused(&bench, &inside, Elsewhere::UserNamespace);
}

#[test]
fn a_session_of_another_machine_is_left_alone_and_one_from_before_a_reboot_ends() {
    let (bench, session) = Bench::signed_in();
    bench.clock.reboot();
    let there = keepers(KeeperChoice::Auto);
    bench.surroundings.lock().unwrap().machine = [6; 16];
    let other = bench.service_at(&bench.home(), there);
    is_refused(&bench, &other, Elsewhere::Machine);
    bench.surroundings.lock().unwrap().machine = [5; 16];
    let restarted = bench.service_at(&bench.home(), keepers(KeeperChoice::Auto));
    let used = restarted.use_now(ALICE.into(), touch(true));
    assert!(matches!(used, Err(SessionError::Ended(EndReason::Reboot))));
    let last = bench.records().pop().unwrap();
    assert_eq!(last, ("SESSION_EXPIRED reboot".to_owned(), Some(session)));
}

#[test]
fn a_session_in_a_keyring_that_cannot_be_used_is_left_alone() {
    let (bench, _) = Bench::signed_in();
    bench.keeper.is_unusable.store(true, Ordering::SeqCst);
    for choice in [KeeperChoice::Auto, KeeperChoice::Kernel] {
        is_refused(&bench, &bench.service_with(choice), Elsewhere::NoKeyring);
    }
    bench.keeper.is_unusable.store(false, Ordering::SeqCst);
    bench.touch().unwrap();
}

#[test]
fn a_session_whose_keeper_was_not_chosen_is_left_alone() {
    for (chosen, other, kind) in [
        (
            KeeperChoice::Kernel,
            KeeperChoice::Agent,
            KeeperKind::Kernel,
        ),
        (KeeperChoice::Agent, KeeperChoice::Kernel, KeeperKind::Agent),
    ] {
        let bench = Bench::with_choice(chosen);
        bench.create().unwrap();
        is_refused(
            &bench,
            &bench.service_with(other),
            Elsewhere::NotChosen(kind),
        );
        bench.touch().unwrap();
        // Where both keepers are allowed, the session uses the one that has its key.
        let either = bench.service_with(KeeperChoice::Auto);
        let used = either.use_now(ALICE.into(), touch(true));
        assert_eq!(used.unwrap().session.status().keeper, Some(kind));
        bench.touch().unwrap();
    }
}

#[test]
fn a_keyring_that_works_again_does_not_take_the_key_from_the_agent() {
    let bench = Bench::with_choice(KeeperChoice::Auto);
    bench.keeper.is_unusable.store(true, Ordering::SeqCst);
    bench.create().unwrap();
    assert!(bench.keeper.is_empty() && !bench.agent.is_empty());
    bench.keeper.is_unusable.store(false, Ordering::SeqCst);
    bench.touch().unwrap();
    assert!(bench.keeper.is_empty() && !bench.agent.is_empty());
    bench.create().unwrap();
    assert!(!bench.keeper.is_empty() && bench.agent.is_empty());
}

#[test]
fn signing_out_where_the_key_cannot_be_reached_makes_it_useless() {
    let (bench, session) = Bench::signed_in();
    bench.keeper.is_unusable.store(true, Ordering::SeqCst);
    let ending = bench.service.end_one(ALICE, TerminationReason::Logout);
    let ending = ending.record();
    assert!(ending.failures.is_empty());
    assert!(matches!(&ending.ended[..], [ended] if !ended.key_destroyed));
    bench.keeper.is_unusable.store(false, Ordering::SeqCst);
    assert!(!bench.file().exists() && !bench.keeper.is_empty());
    let last = bench.records().pop().unwrap();
    assert_eq!(
        last,
        ("SESSION_TERMINATED logout".to_owned(), Some(session))
    );
    assert!(bench.touch().is_err());
    assert!(bench.keeper.is_empty());
}

#[test]
fn signing_out_reaches_a_key_whose_keeper_was_not_chosen_and_signing_in_does_not_under_a_filter() {
    let (bench, _) = Bench::signed_in();
    bench.is_filtered.store(true, Ordering::SeqCst);
    let agent = bench.service_with(KeeperChoice::Agent);
    create_with(&agent, new_session(ALICE), Vec::new()).unwrap();
    assert!(!bench.keeper.is_empty() && !bench.agent.is_empty());
    // The unreachable key of the earlier session hides nothing and ends nothing.
    let chosen = KeeperKind::Agent;
    is_refused(&bench, &bench.service, Elsewhere::NotChosen(chosen));
    let either = bench.service_with(KeeperChoice::Auto);
    let used = either.use_now(ALICE.into(), touch(true));
    assert_eq!(used.unwrap().session.status().keeper, Some(chosen));
    let (bench, _) = Bench::signed_in();
    let agent = bench.service_with(KeeperChoice::Agent);
    let ending = agent.end_one(ALICE, TerminationReason::Logout).record();
    assert!(matches!(&ending.ended[..], [ended] if ended.key_destroyed));
    assert!(bench.keeper.is_empty());
}

#[test]
fn signing_in_with_the_agent_destroys_the_key_that_the_kernel_has_of_the_session_before_if_it_can()
{
    let (bench, _) = Bench::signed_in();
    let agent = bench.service_with(KeeperChoice::Agent);
    let sign_in = || create_with(&agent, new_session(ALICE), Vec::new());
    sign_in().unwrap();
    assert!(bench.keeper.is_empty() && !bench.agent.is_empty());
    let (bench, _) = Bench::signed_in();
    bench.keeper.fails_to_destroy.store(true, Ordering::SeqCst);
    let agent = bench.service_with(KeeperChoice::Agent);
    let created = create_with(&agent, new_session(ALICE), Vec::new());
    assert!(created.is_ok(), "what cannot be destroyed keeps nobody out");
    assert!(!bench.keeper.is_empty() && !bench.agent.is_empty());
}

/// A copy of the bench's home, with all its times.
fn copy_of(bench: &Bench) -> PathBuf {
    let copy = bench.temp.path().join("copy");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&bench.home(), &copy])
        .status();
    assert!(copied.unwrap().success());
    copy
}

#[test]
fn a_copied_home_has_no_live_session_and_takes_none_from_the_home_it_was_copied_from() {
    let (bench, session) = Bench::signed_in();
    let keepers = || {
        Keepers::of(
            KeeperChoice::Kernel,
            Box::new(bench.keeper.clone()),
            Box::new(bench.agent.clone()),
        )
    };
    let copied = bench.service_at(&copy_of(&bench), keepers());
    is_refused(&bench, &copied, Elsewhere::Copy);
    // Neither signing out nor signing in there ends anything here.
    copied
        .terminate(ALICE.into(), TerminationReason::Logout)
        .unwrap();
    assert_eq!(bench.touch().unwrap().id(), session);
    let there = create_with(&copied, new_session(ALICE), Vec::new())
        .unwrap()
        .id();
    assert_eq!(bench.touch().unwrap().id(), session);
    assert_eq!(copied.status(ALICE.into()).unwrap().session_id, Some(there));
    bench.terminate().unwrap();
    assert_eq!(copied.status(ALICE.into()).unwrap().session_id, Some(there));
}

#[test]
fn a_copy_that_signs_in_first_keeps_its_session_when_the_other_signs_in() {
    let (bench, _) = Bench::signed_in();
    bench.terminate().unwrap();
    let keepers = Keepers::of(
        KeeperChoice::Kernel,
        Box::new(bench.keeper.clone()),
        Box::new(bench.agent.clone()),
    );
    let copied = bench.service_at(&copy_of(&bench), keepers);
    let there = create_with(&copied, new_session(ALICE), Vec::new())
        .unwrap()
        .id();
    // A key without a file; it is not ours to destroy.
    assert!(matches!(bench.touch(), Err(SessionError::None)));
    let here = bench.create().unwrap().id();
    assert_eq!(copied.status(ALICE.into()).unwrap().session_id, Some(there));
    assert_eq!(bench.status().session_id, Some(here));
}

#[test]
fn a_session_survives_another_inode_number_of_the_home() {
    let (bench, session) = Bench::signed_in();
    // Some file systems make up inode numbers, so the keeper's payload has another one.
    for held in bench.keeper.held.lock().unwrap().values_mut() {
        held.0[152] ^= 1;
    }
    assert_eq!(bench.touch().unwrap().id(), session);
    // The file may also be changed without becoming another file.
    for held in bench.keeper.held.lock().unwrap().values_mut() {
        held.0[152] ^= 1;
        held.0[160] ^= 1;
    }
    assert_eq!(bench.touch().unwrap().id(), session);
    // A copy has both at once.
    for held in bench.keeper.held.lock().unwrap().values_mut() {
        held.0[152] ^= 1;
    }
    is_refused(&bench, &bench.service, Elsewhere::Copy);
}

#[test]
fn a_home_that_was_renamed_keeps_its_session() {
    let (bench, session) = Bench::signed_in();
    let moved = bench.temp.path().join("moved");
    std::fs::rename(bench.home(), &moved).unwrap();
    let keepers = Keepers::of(
        KeeperChoice::Kernel,
        Box::new(bench.keeper.clone()),
        Box::new(bench.agent.clone()),
    );
    let service = bench.service_at(&moved, keepers);
    let status = service.status(ALICE.into()).unwrap();
    assert_eq!(status.session_id, Some(session));
    assert_eq!(status.state, SessionState::Active);
}
