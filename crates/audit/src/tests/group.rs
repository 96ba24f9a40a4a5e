//! One writer for many threads.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;

use proptest::prelude::*;

use super::*;

/// Waits until `count` events wait behind the caller that writes.
fn until_waiting(writer: &GroupWriter, count: usize) {
    while writer.waiting() < count {
        thread::yield_now();
    }
}

/// Appends `used("0")` while the log's lock is held, then the others, and releases the lock when
/// all wait. Returns what each caller was told.
fn behind_a_lock(
    home: &Home,
    writer: &GroupWriter,
    others: usize,
    meanwhile: impl FnOnce(),
) -> Vec<Result<(), GroupError>> {
    let log = home.log();
    let lock = log.lock().unwrap();
    thread::scope(|threads| {
        let first = threads.spawn(|| writer.append(used("0")));
        while !writer.is_writing() {
            thread::yield_now();
        }
        let others: Vec<_> = (1..=others)
            .map(|number| threads.spawn(move || writer.append(used(&number.to_string()))))
            .collect();
        until_waiting(writer, others.len());
        meanwhile();
        drop(lock);
        [first]
            .into_iter()
            .chain(others)
            .map(|caller| caller.join().unwrap())
            .collect()
    })
}

#[test]
fn events_that_wait_are_sealed_and_flushed_together() {
    let home = Home::new();
    home.log().append_durable(&[used("before")]).unwrap();
    let seals = |home: &Home| {
        let lines = home.all_lines();
        lines
            .iter()
            .filter(|line| line.get("seal").is_some())
            .count()
    };
    let before = seals(&home);
    let told = behind_a_lock(&home, &home.log().into_writer(), 39, || {});
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    // One for the caller that waited for the lock, and three for the 39 behind it.
    assert_eq!(seals(&home) - before, 1 + 3);
    assert_eq!(home.checked_lines().len(), 1 + 40);
    home.verifies();
}

#[test]
fn an_error_reaches_every_caller_whose_event_was_in_the_group_and_the_writer_goes_on() {
    let home = Home::new();
    home.log().append_durable(&[used("before")]).unwrap();
    let good = home.bytes();
    let writer = home.log().into_writer();
    let told = behind_a_lock(&home, &writer, 20, || {
        std::fs::write(home.segment(), &good[..good.len() / 2]).unwrap();
    });
    assert_eq!(told.len(), 21);
    for told in told {
        let GroupError::NotRecorded(error) = told.unwrap_err() else {
            panic!("not written");
        };
        assert!(matches!(*error, AuditError::Damaged { .. }), "{error}");
    }
    std::fs::write(home.segment(), &good).unwrap();
    writer.append(used("after")).unwrap();
    assert_eq!(home.checked_lines().len(), 2);
    home.verifies();
}

#[test]
fn more_events_than_may_wait_are_refused_and_those_that_wait_are_recorded() {
    let home = Home::new();
    let writer = home.log().into_writer().with_capacity(3);
    let told = behind_a_lock(&home, &writer, 3, || {
        let refused = writer.append(used("4")).unwrap_err();
        assert!(
            matches!(refused, GroupError::Full { capacity: 3 }),
            "{refused}"
        );
    });
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    // More than may wait at once, and nobody else waits.
    writer
        .append_all((0..20).map(|_| used("many")).collect())
        .unwrap();
    assert_eq!(home.checked_lines().len(), 4 + 20);
    home.verifies();
}

#[test]
fn a_writer_waits_for_the_lock_of_another_process_no_longer_than_it_was_told_to() {
    let home = Home::new();
    let writer = home
        .log()
        .into_writer()
        .with_lock_limit(Duration::from_millis(1));
    let log = home.log();
    let lock = log.lock().unwrap();
    let GroupError::NotRecorded(error) = writer.append(used("a")).unwrap_err() else {
        panic!("not written");
    };
    assert!(matches!(*error, AuditError::Busy { .. }), "{error}");
    drop(lock);
    writer.append(used("b")).unwrap();
    assert_eq!(home.checked_lines().len(), 1);
}

#[test]
fn a_caller_that_panics_while_it_writes_stops_nobody_else() {
    let home = Home::new();
    let has_panicked = AtomicBool::new(false);
    let log = home.log().created_only_while(move || {
        assert!(
            has_panicked.swap(true, Ordering::Relaxed),
            "the first caller panics"
        );
        true
    });
    let writer = log.into_writer();
    let first = thread::scope(|threads| threads.spawn(|| writer.append(used("a"))).join());
    assert!(first.is_err());
    writer.append(used("b")).unwrap();
    home.verifies();
}

#[test]
fn what_another_process_leaves_at_the_end_is_moved_aside_while_the_writer_is_kept() {
    let home = Home::new();
    let writer = home.log().into_writer();
    writer.append(used("a")).unwrap();
    let mut segment = std::fs::OpenOptions::new()
        .append(true)
        .open(home.segment())
        .unwrap();
    segment.write_all(b"{\"seq\":3,torn").unwrap();
    writer.append(used("b")).unwrap();
    let types: Vec<_> = home
        .checked_lines()
        .iter()
        .map(|line| line["event_type"].clone())
        .collect();
    assert_eq!(
        types,
        ["SESSION_VALIDATED", "AUDIT_REPAIRED", "SESSION_VALIDATED"]
    );
    home.verifies();
}

#[test]
fn segments_are_closed_and_removed_while_the_writer_is_kept() {
    let home = Home::new();
    let writer = home.log().into_writer();
    for day in 0..8 {
        home.set_day(day, 0);
        writer.append(used(&day.to_string())).unwrap();
    }
    let retention = Retention::new(Duration::from_hours(24)).unwrap();
    let pruned = home.log().prune(retention).unwrap();
    assert!(!pruned.segments.is_empty());
    writer.append(used("after")).unwrap();
    home.verifies();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn whatever_threads_append_at_once_is_there_once_in_order_and_groups_stay_together(
        threads in proptest::collection::vec(proptest::collection::vec(1..20_usize, 1..6), 1..6),
        size in 2_000..20_000_u64,
    ) {
        let home = Home::new();
        let writer = home.log().with_segment_size(size).into_writer();
        let other = home.log().with_segment_size(size);
        thread::scope(|scope| {
            for (thread, groups) in threads.iter().enumerate() {
                let writer = &writer;
                scope.spawn(move || {
                    for (number, &length) in groups.iter().enumerate() {
                        let event = |at| used(&format!("{thread}/{number}/{at}"));
                        writer.append_all((0..length).map(event).collect()).unwrap();
                    }
                });
            }
            scope.spawn(|| other.append_durable(&[used("another process")]).unwrap());
        });
        let lines = home.checked_lines();
        let said: Vec<&str> = lines.iter().filter_map(|line| line["details"]["action"].as_str()).collect();
        for (thread, groups) in threads.iter().enumerate() {
            let prefix = format!("{thread}/");
            let of_thread: Vec<_> = said.iter().filter(|one| one.starts_with(&prefix)).collect();
            let expected: Vec<String> = groups.iter().enumerate().flat_map(|(number, &length)| {
                (0..length).map(move |at| format!("{thread}/{number}/{at}"))
            }).collect();
            prop_assert_eq!(of_thread, expected.iter().collect::<Vec<_>>());
            for (number, _) in groups.iter().enumerate().filter(|(_, length)| **length <= 16) {
                let group = format!("{thread}/{number}/");
                let mut of_group = lines.iter().filter(|line| {
                    line["details"]["action"].as_str().is_some_and(|one| one.starts_with(&group))
                }).collect::<Vec<_>>();
                of_group.pop();
                prop_assert!(of_group.iter().all(|line| line.get("seal").is_none()), "split by a seal");
            }
        }
        let count: usize = threads.iter().flatten().sum();
        prop_assert_eq!(said.len(), count + 1);
        home.verifies();
    }
}

/// Tells [`endless_writer`] where the home is.
const HOME: &str = "NIGHTLATCH_TEST_GROUP_HOME";

#[test]
#[ignore = "a process of its own, which the next test starts and kills"]
fn endless_writer() {
    let Some(path) = std::env::var_os(HOME) else {
        return;
    };
    let home = Arc::new(Dir::open_or_create(path.as_ref()).unwrap());
    let log = AuditLog::new(home, Arc::new(SystemClock)).with_segment_size(50_000);
    let writer = log.into_writer();
    thread::scope(|threads| {
        for thread in 0..8 {
            let writer = &writer;
            threads.spawn(move || {
                for number in 0_u64.. {
                    let name = format!("{}/{thread}/{number}", std::process::id());
                    writer.append(used(&name)).unwrap();
                    writeln!(std::io::stdout(), "acknowledged {name}").unwrap();
                }
            });
        }
    });
}

#[test]
fn a_writer_killed_at_any_moment_has_lost_nothing_that_it_acknowledged() {
    let home = Home::new();
    let mut acknowledged = HashSet::new();
    for round in 0..12_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "tests::group::endless_writer",
                "--nocapture",
            ])
            .env(HOME, home.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = 0;
        for line in lines {
            // The harness begins a line of its own before the first one.
            if let Some((_, name)) = line.unwrap().split_once("acknowledged ") {
                acknowledged.insert(name.to_owned());
                count += 1;
            }
            if count == 1 + round * 7 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(count > round * 7, "it wrote until it was killed");
        // Continues the log, as the next process would.
        let next = AuditLog::new(home.dir.clone(), Arc::new(SystemClock));
        next.append_durable(&[used("next")]).unwrap();
        home.verifies();
    }
    let lines = home.all_lines();
    let recorded: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["details"]["action"].as_str())
        .collect();
    let distinct: HashSet<&str> = recorded
        .iter()
        .copied()
        .filter(|one| *one != "next")
        .collect();
    assert_eq!(distinct.len() + 12, recorded.len(), "nothing twice");
    for name in &acknowledged {
        assert!(
            distinct.contains(name.as_str()),
            "{name} was acknowledged and is not there"
        );
    }
}
