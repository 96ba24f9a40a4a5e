//! Everything that ends a session: each with its reason, its event, and nothing left behind.

use std::os::unix::fs::symlink;

use super::super::file::FILE_LENGTH;
use super::*;

/// Breaks a fresh session, and asserts that `status` finds it dead without changing anything, and
/// that the next use ends it, with this reason and this event.
#[track_caller]
fn dies(reason: EndReason, event: &str, owner: Owner, cause: impl FnOnce(&Bench)) {
    let (bench, session) = Bench::signed_in();
    cause(&bench);
    let status = bench.service.status(owner).unwrap();
    assert_eq!(status.state, SessionState::Expired, "{reason:?}");
    assert_eq!(bench.events().len(), 2, "status records nothing");

    let refused = bench.service.use_now(owner, touch(true));
    match refused.err() {
        Some(SessionError::Ended(found)) => assert_eq!(found, reason),
        other => panic!("{reason:?}: {other:?}"),
    }
    let records = bench.records().split_off(2);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].0, event);
    if let Some(named) = records[0].1 {
        assert_eq!(named, session, "{reason:?}");
    }
    assert!(bench.keeper.is_empty(), "{reason:?}: a key is left");
    assert!(
        bench.file().symlink_metadata().is_err(),
        "{reason:?}: a file is left"
    );
    let again = bench.service.use_now(owner, touch(true));
    assert!(matches!(again.err(), Some(SessionError::None)));
    assert_eq!(bench.events().len(), 3, "recorded once");
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_suspend_of_the_idle_time_ends_it() {
    // The boot clock includes suspend, and the wall clock is behind when the machine wakes.
    dies(
        EndReason::Idle,
        "SESSION_EXPIRED idle",
        ALICE.into(),
        |bench| {
            let mut machine = bench.clock.machine();
            machine.boot = machine.boot.plus(seconds(900));
            machine.wall = machine.wall.plus(seconds(1));
        },
    );
}

#[test]
fn a_clock_set_back_beyond_what_a_time_daemon_corrects_ends_it() {
    dies(
        EndReason::Clock,
        "SESSION_EXPIRED clock",
        ALICE.into(),
        |bench| {
            bench.clock.set_wall(-5);
            assert!(bench.is_active());
            bench.clock.set_wall(-1);
        },
    );
}

#[test]
fn a_clock_set_forward_by_the_idle_time_ends_it() {
    dies(
        EndReason::Clock,
        "SESSION_EXPIRED clock",
        ALICE.into(),
        |bench| bench.clock.set_wall(900),
    );
}

#[test]
fn a_reboot_ends_it_though_the_key_is_still_held() {
    dies(
        EndReason::Reboot,
        "SESSION_EXPIRED reboot",
        ALICE.into(),
        |bench| bench.clock.reboot(),
    );
}

#[test]
fn a_reboot_that_took_the_key_with_it_is_told_from_an_expired_key() {
    dies(
        EndReason::Reboot,
        "SESSION_EXPIRED reboot",
        ALICE.into(),
        |bench| {
            bench.clock.reboot();
            bench.keeper.forget();
        },
    );
    dies(
        EndReason::KeyGone,
        "SESSION_EXPIRED key_gone",
        ALICE.into(),
        |bench| bench.keeper.forget(),
    );
}

#[test]
fn a_time_namespace_ends_it_and_lets_none_begin() {
    dies(
        EndReason::TimeNamespace,
        "SESSION_EXPIRED time_namespace",
        ALICE.into(),
        |bench| bench.clock.machine().shifted = true,
    );
    let bench = Bench::new();
    bench.clock.machine().shifted = true;
    let refused = bench.create();
    assert!(matches!(
        refused,
        Err(SessionError::Ended(EndReason::TimeNamespace))
    ));
    assert!(bench.keeper.is_empty() && !bench.file().exists());
}

#[test]
fn another_generation_of_the_account_ends_it() {
    let owner = |generation| Owner {
        account: ALICE,
        generation: Some(generation),
    };
    dies(
        EndReason::Generation,
        "SESSION_INVALID old_generation",
        owner(8),
        |bench| {
            let status = bench.service.status(owner(7)).unwrap();
            assert_eq!(status.state, SessionState::Active);
        },
    );
}

#[test]
fn a_crash_of_a_process_that_held_it_ends_it() {
    dies(
        EndReason::Crash,
        "SESSION_TERMINATED crash",
        ALICE.into(),
        |bench| {
            let session = bench.status().session_id.unwrap();
            bench.crashes.seen.lock().unwrap().push(session);
        },
    );
}

#[test]
fn a_file_that_is_gone_cut_or_changed_ends_it() {
    let file_gone = "SESSION_INVALID file_gone";
    dies(EndReason::FileGone, file_gone, ALICE.into(), |bench| {
        std::fs::remove_file(bench.file()).unwrap();
    });
    let corrupt = "SESSION_INVALID corrupt";
    for length in [0, 1, 67, FILE_LENGTH - 1] {
        dies(EndReason::Corrupt, corrupt, ALICE.into(), |bench| {
            let bytes = std::fs::read(bench.file()).unwrap();
            std::fs::write(bench.file(), &bytes[..length]).unwrap();
        });
    }
    for at in [0, 6, 9, 41, 60, 100, FILE_LENGTH - 1] {
        let stale = (8..24).contains(&at); // the session's id
        let (reason, event) = if stale {
            (EndReason::StaleCopy, "SESSION_INVALID stale_copy")
        } else {
            (EndReason::Corrupt, corrupt)
        };
        dies(reason, event, ALICE.into(), |bench| {
            let mut bytes = std::fs::read(bench.file()).unwrap();
            bytes[at] ^= 1;
            std::fs::write(bench.file(), bytes).unwrap();
        });
    }
}

#[test]
fn a_file_of_a_newer_version_ends_it_and_says_so() {
    dies(
        EndReason::UnsupportedVersion,
        "SESSION_INVALID unsupported_version",
        ALICE.into(),
        |bench| {
            let mut bytes = std::fs::read(bench.file()).unwrap();
            bytes[4] = 2;
            std::fs::write(bench.file(), bytes).unwrap();
        },
    );
}

#[test]
fn another_accounts_file_in_its_place_ends_it_with_and_without_a_key() {
    for key in [true, false] {
        let (bench, _) = Bench::signed_in();
        let bobs = bench.home().join("sessions").join(format!("{BOB}.session"));
        let _ = bench.create_for(BOB).unwrap();
        std::fs::copy(bobs, bench.file()).unwrap();
        if !key {
            bench.keeper.forget();
        }
        let refused = bench.touch();
        assert!(matches!(
            refused,
            Err(SessionError::Ended(EndReason::Foreign))
        ));
        assert_eq!(bench.events().last().unwrap(), "SESSION_INVALID foreign");
        assert!(!bench.file().exists());
    }
}

#[test]
fn an_older_sessions_file_put_back_ends_the_one_there_is() {
    let (bench, _) = Bench::signed_in();
    let old = std::fs::read(bench.file()).unwrap();
    let new = bench.create().unwrap().id();
    std::fs::write(bench.file(), old).unwrap();
    let refused = bench.touch();
    assert!(matches!(
        refused,
        Err(SessionError::Ended(EndReason::StaleCopy))
    ));
    let last = bench.records().pop().unwrap();
    assert_eq!(last, ("SESSION_INVALID stale_copy".to_owned(), Some(new)));
    assert!(bench.keeper.is_empty() && !bench.file().exists());
}

#[test]
fn a_file_put_back_after_the_end_is_of_no_use() {
    let (bench, _) = Bench::signed_in();
    let copy = std::fs::read(bench.file()).unwrap();
    bench.terminate().unwrap();
    std::fs::write(bench.file(), copy).unwrap();
    let refused = bench.touch();
    assert!(matches!(
        refused,
        Err(SessionError::Ended(EndReason::KeyGone))
    ));
    assert!(!bench.file().exists());
}

#[test]
fn a_session_that_was_recorded_as_ended_stays_ended_though_key_and_file_come_back() {
    for key_is_hidden in [true, false] {
        let (bench, session) = Bench::signed_in();
        let (copy, key) = (
            std::fs::read(bench.file()).unwrap(),
            bench.keeper.held.lock().unwrap().clone(),
        );
        bench.clock.advance(MILLISECOND);
        if key_is_hidden {
            bench.keeper.forget();
        }
        assert!(bench.terminate().unwrap());
        let known = bench.events().len();
        std::fs::write(bench.file(), &copy).unwrap();
        *bench.keeper.held.lock().unwrap() = key.clone();
        assert!(!bench.is_active());
        let refused = bench.touch();
        assert!(matches!(
            refused,
            Err(SessionError::Ended(EndReason::StaleCopy))
        ));
        let invalid = "SESSION_INVALID stale_copy".to_owned();
        assert_eq!(bench.records()[known..], [(invalid, Some(session))]);
        // The next session is a new one, and the old one does not come back beside it.
        let next = bench.create().unwrap().id();
        assert_eq!(bench.touch().unwrap().id(), next);
        std::fs::write(bench.file(), &copy).unwrap();
        *bench.keeper.held.lock().unwrap() = key;
        assert!(bench.touch().is_err());
    }
}

#[test]
fn a_generation_that_no_account_has_ends_it() {
    dies(
        EndReason::Corrupt,
        "SESSION_INVALID corrupt",
        ALICE.into(),
        |bench| {
            for held in bench.keeper.held.lock().unwrap().values_mut() {
                held.0[76] = 1; // 2^32 and more
            }
        },
    );
}

#[test]
fn what_is_no_file_of_ours_alone_ends_it_and_is_removed_unread() {
    let unsafe_file = "SESSION_INVALID unsafe_file";
    let replaced = |bench: &Bench| std::fs::remove_file(bench.file()).unwrap();
    dies(EndReason::UnsafeFile, unsafe_file, ALICE.into(), |bench| {
        let aside = bench.home().join("aside");
        std::fs::rename(bench.file(), &aside).unwrap();
        symlink(aside, bench.file()).unwrap();
    });
    dies(EndReason::UnsafeFile, unsafe_file, ALICE.into(), |bench| {
        std::fs::hard_link(bench.file(), bench.home().join("second name")).unwrap();
    });
    // A FIFO without a writer: opening it like a regular file would block for ever.
    dies(EndReason::UnsafeFile, unsafe_file, ALICE.into(), |bench| {
        replaced(bench);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, bench.file(), kind, mode, 0).unwrap();
    });
    dies(EndReason::UnsafeFile, unsafe_file, ALICE.into(), |bench| {
        std::fs::write(bench.file(), vec![0; 1 << 20]).unwrap();
    });
    dies(EndReason::UnsafeFile, unsafe_file, ALICE.into(), |bench| {
        replaced(bench);
        std::fs::create_dir(bench.file()).unwrap();
    });
}

#[test]
fn what_the_keeper_holds_of_another_version_ends_it() {
    dies(
        EndReason::Corrupt,
        "SESSION_INVALID corrupt",
        ALICE.into(),
        |bench| {
            let mut held = bench.keeper.held.lock().unwrap();
            held.values_mut().next().unwrap().0[0] = 9;
        },
    );
}
