//! What is removed and when, and the state after a crash in between.

mod records;

use std::collections::BTreeMap;
use std::sync::mpsc;

use super::*;

const DAY: u64 = 24 * 3600;
/// From the start to midnight (UTC), in seconds.
const TO_MIDNIGHT: i64 = 18 * 60 + 53;

fn days(days: u64) -> Retention {
    Retention::new(Duration::from_secs(days * DAY)).unwrap()
}

/// The days (after the start) on which the existing segments were opened.
fn opened_on(home: &Home) -> Vec<i64> {
    let query = Query {
        types: vec![EventType::SegmentOpened.into()],
        limit: Limit::new(1000).unwrap(),
        ..Query::default()
    };
    let found = home.log().query(&query).unwrap();
    let start = Timestamp::from_unix_nanos(START).day();
    let opened = found.events.iter();
    opened.map(|event| event.timestamp.day() - start).collect()
}

/// The recorded removals, with the time of each record.
fn removals(home: &Home) -> Vec<(Timestamp, PrunedDetails)> {
    let query = Query {
        types: vec![EventType::AuditPruned.into()],
        ..Query::default()
    };
    let found = home.log().query(&query).unwrap();
    let read = |record: &Record| {
        let details = PrunedDetails::parse(record.details.get()).unwrap();
        (record.timestamp, details)
    };
    found.events.iter().map(read).collect()
}

/// The recorded number of removed segments, and the last removed event.
fn records(home: &Home) -> Vec<(u64, u64)> {
    let removals = removals(home).into_iter();
    removals
        .map(|(_, removal)| (removal.segments, removal.last_seq))
        .collect()
}

/// Everything that was removed is on record once, in the documented form, and nothing was removed
/// early.
#[track_caller]
fn removed_on_record(home: &Home) {
    home.verifies();
    let kept = std::fs::read_to_string(home.audit().join("removed.jsonl")).unwrap_or_default();
    let present = home
        .names()
        .into_iter()
        .filter(|name| name.starts_with('0'));
    let present: Vec<_> = present
        .map(|name| {
            let text = std::fs::read_to_string(home.audit().join(name)).unwrap();
            text.lines().next().unwrap().to_owned()
        })
        .collect();
    let first_line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let time = Timestamp::parse_rfc3339(value["timestamp"].as_str().unwrap());
        (value["seq"].as_u64().unwrap(), time.unwrap())
    };
    let kept: Vec<_> = kept.lines().map(first_line).collect();
    assert!(kept.is_sorted_by(|one, next| one.0 < next.0), "{kept:?}");
    let opened: BTreeMap<u64, Timestamp> = kept
        .into_iter()
        .chain(present.iter().map(|line| first_line(line)))
        .collect();
    let mut next = 1;
    for (time, removal) in removals(home) {
        assert_eq!(removal.first_seq, next, "{removal:?}");
        next = removal.last_seq + 1;
        let between = opened.range(removal.first_seq..=removal.last_seq);
        assert_eq!(between.count() as u64, removal.segments, "{removal:?}");
        assert_eq!(removal.from, opened[&removal.first_seq], "{removal:?}");
        assert_eq!(removal.to, opened[&next], "{removal:?}");
        assert!(time.since(removal.to) >= removal.retention, "{removal:?}");
    }
    let oldest = first_line(&present[0]).0;
    assert!(
        oldest <= next,
        "{oldest} was removed unrecorded, through {next}"
    );
}

/// The sealing state, relative to the log's directory.
const STATE: &str = "../seal/state";

type Files = BTreeMap<String, Vec<u8>>;

fn files(home: &Home) -> Files {
    let read = |name: String| {
        let content = std::fs::read(home.audit().join(&name)).unwrap();
        (name, content)
    };
    home.names()
        .into_iter()
        .chain([STATE.to_owned()])
        .map(read)
        .collect()
}

/// Replaces the files of the log.
fn put(home: &Home, files: &Files) {
    use std::os::unix::fs::PermissionsExt;
    for name in home.names() {
        std::fs::remove_file(home.audit().join(name)).unwrap();
    }
    for (name, content) in files {
        let path = home.audit().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_retention_is_a_day_at_least() {
    assert!(Retention::new(Duration::from_secs(DAY)).is_ok());
    let error = Retention::new(Duration::from_secs(DAY - 1)).unwrap_err();
    assert!(error.to_string().contains("at least 1day"), "{error}");
    assert_eq!(Retention::DEFAULT, days(90));
}

#[test]
fn a_segment_goes_on_the_first_day_after_its_retention_and_not_a_moment_before() {
    let home = Home::new();
    // The first segment is closed on day 1, so its three days are over on day 4. Day 5 proves that,
    // and one of the days until then may come from a wrong clock.
    home.use_on(0..=5);
    home.set_day(5, TO_MIDNIGHT - 1);
    home.log().append_durable(&[used("b")]).unwrap();
    assert_eq!(home.log().prune(days(3)).unwrap().segments, []);
    // The log has not been used on day 6 yet, so that day is not on record.
    home.set_day(5, TO_MIDNIGHT);
    assert_eq!(home.log().prune(days(3)).unwrap().segments, []);
    home.log().append_durable(&[used("c")]).unwrap();
    let gone = home.log().prune(days(3)).unwrap().segments;
    let names: Vec<_> = gone.iter().map(|gone| gone.name.first()).collect();
    assert_eq!(names, [1]);
    assert_eq!(gone[0].closed_at.unix_nanos(), START + 86_400_000_000_000);
    assert_eq!(opened_on(&home), [1, 2, 3, 4, 5, 6]);
    assert_eq!(records(&home), [(1, gone[0].last_seq)]);
}

#[test]
fn a_begun_day_of_the_retention_counts_as_a_whole_one() {
    let home = Home::new();
    home.use_on(0..=5);
    let two_and_a_moment = Retention::new(Duration::from_secs(2 * DAY + 1)).unwrap();
    assert_eq!(home.log().prunable(two_and_a_moment).unwrap().segments, []);
    assert_eq!(home.log().prunable(days(2)).unwrap().segments.len(), 1);
}

#[test]
fn months_of_use_leave_exactly_what_the_retention_keeps_and_it_verifies_from_the_first_key() {
    let home = Home::new();
    home.use_on([0]);
    let fingerprint = home.verifies().fingerprint.unwrap();
    for day in 1..=70 {
        home.use_on([day]);
        let gone = home.log().prune(days(10)).unwrap().segments;
        assert_eq!(gone.len(), usize::from(day >= 13), "day {day}");
    }
    assert_eq!(opened_on(&home), (58..=70).collect::<Vec<_>>());
    let verifier = Verifier::new(&home.audit()).fingerprint(&fingerprint);
    let found = verifier.unwrap().run(&Progress::default()).unwrap();
    assert!(found.is_good(), "{:?}", found.findings);
    let lines = std::fs::read_to_string(home.audit().join("removed.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 58);
}

#[test]
fn the_first_lines_that_are_kept_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.use_on(0..=5);
    assert_eq!(home.log().prune(days(1)).unwrap().segments.len(), 2);
    for name in ["removed.jsonl", "pruning"] {
        let found = std::fs::metadata(home.audit().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn without_the_record_of_it_a_removal_is_found() {
    let home = Home::new();
    home.use_on(0..=5);
    std::fs::remove_file(home.segment()).unwrap();
    let found = Verifier::new(&home.audit()).run(&Progress::default());
    let problems: Vec<_> = found.unwrap().findings.into_iter().collect();
    assert!(
        problems
            .iter()
            .any(|found| found.problem == Problem::UnrecordedPrune),
        "{problems:?}"
    );
}

#[test]
fn a_log_used_a_few_times_a_month_is_kept_longer() {
    let home = Home::new();
    home.use_on((0..=12).map(|use_| use_ * 10));
    assert_eq!(home.log().prune(days(10)).unwrap().segments, []);
    home.use_on([130]);
    assert_eq!(home.log().prune(days(10)).unwrap().segments.len(), 1);
}

#[test]
fn a_clock_that_jumps_a_year_ahead_and_back_loses_nothing() {
    let home = Home::new();
    home.use_on(0..=5);
    for _ in 0..3 {
        home.set_day(5 + 365, 0);
        for _ in 0..3 {
            home.log().append_durable(&[used("ahead")]).unwrap();
            assert_eq!(home.log().prune(days(5)).unwrap().segments, []);
        }
        home.set_day(5, 60);
        home.log().append_durable(&[used("back")]).unwrap();
        assert_eq!(home.log().prune(days(5)).unwrap().segments, []);
    }
    let opened: Vec<_> = (0..=5).chain([370, 5, 370, 5, 370, 5]).collect();
    assert_eq!(opened_on(&home), opened);
    home.verifies();
}

/// The worst moment: the maximum of days on record, the last of which has just begun.
#[test]
fn a_jump_ahead_after_months_of_use_removes_nothing_that_is_younger_than_the_retention() {
    let home = Home::new();
    for day in 0..=19 {
        home.use_on([day]);
        home.log().prune(days(5)).unwrap();
    }
    home.set_day(19, TO_MIDNIGHT);
    home.log().append_durable(&[used("today")]).unwrap();
    home.log().prune(days(5)).unwrap();
    let real = home.log().now();
    for year in [365, 365, 365] {
        home.set_day(19 + year, TO_MIDNIGHT);
        home.log().append_durable(&[used("ahead")]).unwrap();
        for gone in home.log().prune(days(5)).unwrap().segments {
            assert!(real.since(gone.closed_at) >= days(5).get(), "{gone:?}");
        }
    }
    home.set_day(19, TO_MIDNIGHT + 60);
    home.log().append_durable(&[used("back")]).unwrap();
    assert_eq!(home.log().prune(days(5)).unwrap().segments, []);
    // The one that was closed on day 14 has completed its five days, by minutes.
    assert!(opened_on(&home).starts_with(&[14, 15, 16, 17, 18, 19, 20, 385]));
    home.verifies();
}

#[test]
fn days_on_record_that_lie_in_the_future_count_for_nothing() {
    let home = Home::new();
    home.use_on((0..=2).chain(365..=380).chain([9]));
    assert_eq!(home.log().prune(days(5)).unwrap().segments, []);
    home.use_on(10..=14);
    assert_eq!(home.log().prune(days(5)).unwrap().segments.len(), 1);
}

#[test]
fn a_segment_that_was_closed_in_the_future_stays_until_then_and_its_retention_after() {
    let home = Home::new();
    home.set_day(100, 0);
    home.log().append_durable(&[used("ahead")]).unwrap();
    home.set_day(101, 0);
    home.log().append_durable(&[used("ahead")]).unwrap();
    home.use_on(0..=20);
    assert_eq!(home.log().prunable(days(1)).unwrap().segments, []);
    home.use_on([102]);
    assert!(!home.log().prunable(days(1)).unwrap().segments.is_empty());
}

#[test]
fn the_open_segment_and_a_young_log_stay() {
    let home = Home::new();
    assert_eq!(home.log().prune(days(1)).unwrap().segments, []);
    assert!(!home.audit().exists());
    home.use_on([0]);
    home.set_day(1000, 0);
    let before = files(&home);
    assert_eq!(home.log().prune(days(1)).unwrap().segments, []);
    assert_eq!(files(&home), before);
}

#[test]
fn looking_at_what_would_go_removes_and_records_nothing() {
    let home = Home::new();
    home.use_on(0..=6);
    let mut before = files(&home);
    let would_go = home.log().prunable(days(2)).unwrap().segments;
    assert_eq!(would_go.len(), 2);
    before.insert("pruning".to_owned(), Vec::new());
    assert_eq!(files(&home), before);
    assert_eq!(home.log().prune(days(2)).unwrap().segments, would_go);
}

#[test]
fn a_crash_anywhere_leaves_a_log_that_verifies_and_the_next_pruning_finishes() {
    let home = Home::new();
    home.use_on(0..=8);
    let before = files(&home);
    let gone = home.log().prune(days(2)).unwrap().segments;
    assert_eq!(gone.len(), 4);
    let after = files(&home);
    let names: Vec<_> = gone.iter().map(|gone| gone.name.to_string()).collect();

    // Before the record: the first lines are already saved.
    let mut cut_short = before.clone();
    cut_short.insert("removed.jsonl".to_owned(), after["removed.jsonl"].clone());
    put(&home, &cut_short);
    removed_on_record(&home);
    assert_eq!(home.log().prune(days(2)).unwrap().segments, gone);
    assert_eq!(records(&home), [(4, gone[3].last_seq)]);
    assert_eq!(files(&home)["removed.jsonl"], after["removed.jsonl"]);
    removed_on_record(&home);

    // After the record, with this many segments removed.
    for removed in 0..4 {
        let mut cut_short = after.clone();
        for name in &names[removed..] {
            cut_short.insert(name.clone(), before[name].clone());
        }
        put(&home, &cut_short);
        removed_on_record(&home);
        assert_eq!(home.log().prune(days(2)).unwrap().segments, gone[removed..]);
        assert_eq!(files(&home), after, "{removed} were removed");
        removed_on_record(&home);
    }

    // The same, noticed only when more segments are old enough.
    let mut cut_short = after.clone();
    cut_short.insert(names[3].clone(), before[&names[3]].clone());
    put(&home, &cut_short);
    home.use_on([9]);
    let later = home.log().prune(days(2)).unwrap().segments;
    assert_eq!(later.len(), 2);
    let told = [(4, gone[3].last_seq), (1, later[1].last_seq)];
    assert_eq!(records(&home), told);
    removed_on_record(&home);
}

#[test]
fn a_half_written_file_of_first_lines_is_swept_away() {
    let home = Home::new();
    home.use_on(0..=6);
    std::fs::write(home.audit().join(".tmp-00"), "half").unwrap();
    home.log().prune(days(2)).unwrap();
    assert!(!home.audit().join(".tmp-00").exists());
    home.verifies();
}

#[test]
fn what_is_due_and_damaged_stays_as_evidence_and_so_does_all_after_it() {
    for damaged in ["SEGMENT_OPENED", "SEGMENT_CLOSED"] {
        let home = Home::new();
        home.use_on(0..=7);
        let second = home.audit().join("0000000000000004.jsonl");
        let mut bytes = std::fs::read(&second).unwrap();
        // In the first line, and in the last.
        let at = memchr::memmem::find(&bytes, damaged.as_bytes()).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&second, bytes).unwrap();
        let before = home.names();
        let error = home.log().prune(days(2)).unwrap_err();
        assert!(matches!(error, AuditError::Damaged { .. }), "{error}");
        let mut after = home.names();
        after.retain(|name| name != "pruning");
        assert_eq!(after, before);
    }
}

/// Longer than anything takes here; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn appending_waits_for_no_pruning_and_removing_holds_nobody_up() {
    let home = Home::new();
    home.use_on(0..=6);
    let before = files(&home);
    home.log().prune(days(2)).unwrap();
    let mut cut_short = files(&home);
    cut_short.extend(
        before
            .clone()
            .into_iter()
            .filter(|(name, _)| name == "0000000000000004.jsonl"),
    );
    put(&home, &cut_short);
    let dir = Dir::open(&home.audit()).unwrap().unwrap();

    // During an append, segments whose removal is on record are removed all the same.
    let appending = dir.lock().unwrap();
    let (done, is_done) = mpsc::channel();
    let log = home.log();
    std::thread::spawn(move || done.send(log.prune(days(2)).map(|gone| gone.segments.len())));
    assert_eq!(is_done.recv_timeout(PATIENCE).unwrap().unwrap(), 1);
    drop(appending);

    // During pruning, events are recorded all the same.
    let _pruning = dir.lock_file("pruning").unwrap();
    let (done, is_done) = mpsc::channel();
    let log = home.log();
    std::thread::spawn(move || done.send(log.append_durable(&[used("b")])));
    is_done.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn many_who_prune_and_append_at_once_record_each_segment_once() {
    let home = Home::new();
    home.use_on(0..=8);
    let counted: usize = std::thread::scope(|scope| {
        let work = |_| {
            let log = home.log();
            scope.spawn(move || {
                log.append_durable(&[used("b")]).unwrap();
                let gone = log.prune(days(2)).unwrap().segments.len();
                log.append_durable(&[used("c")]).unwrap();
                gone
            })
        };
        let threads: Vec<_> = (0..6).map(work).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(counted, 4);
    assert_eq!(records(&home).len(), 1);
    home.verifies();
}
