//! Legal holds: what they prevent, and how they are added and removed.

use std::sync::mpsc;

use super::*;
use nightlatch_core::id::SessionId;

const DAY: u64 = 24 * 3600;
const ALICE: &str = "alice@example.com";
/// Longer than anything takes here; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

fn days(days: u64) -> Retention {
    Retention::new(Duration::from_secs(days * DAY)).unwrap()
}

fn session() -> SessionId {
    SessionId::from_bytes([0x5E; 16])
}

fn add(log: &AuditLog, name: &str) -> Result<(), HoldError> {
    log.add_hold(&name.parse().unwrap(), None, ALICE, session())
}

fn remove(log: &AuditLog, name: &str) -> Result<(), HoldError> {
    log.remove_hold(&name.parse().unwrap(), ALICE, session())
}

fn names(log: &AuditLog) -> Vec<String> {
    let holds = log.holds().unwrap();
    holds.iter().map(|hold| hold.name.to_string()).collect()
}

/// The events about removals and holds, in order.
fn order(home: &Home) -> Vec<EventType> {
    let query = Query {
        types: vec![
            EventType::AuditPruned.into(),
            EventType::AuditHoldAdded.into(),
            EventType::AuditHoldRemoved.into(),
        ],
        ..Query::default()
    };
    let found = home.log().query(&query).unwrap();
    found
        .events
        .iter()
        .filter_map(|event| event.event_type.known())
        .collect()
}

#[test]
fn a_hold_stops_every_removal_until_it_is_removed() {
    let home = Home::new();
    home.use_on(0..=6);
    add(&home.log(), "case-7").unwrap();
    let before = home.files();
    for _ in 0..2 {
        let stopped = home.log().prune(days(2)).unwrap();
        assert_eq!(stopped.segments, []);
        assert_eq!(stopped.holds[0].name.as_str(), "case-7");
        assert_eq!(home.log().prunable(days(2)).unwrap(), stopped);
    }
    let mut after = home.files();
    after.remove("pruning");
    let mut before = before;
    before.remove("pruning");
    assert_eq!(after, before);
    home.use_on(7..=30);
    assert_eq!(home.log().prune(days(2)).unwrap().segments, []);

    remove(&home.log(), "case-7").unwrap();
    let gone = home.log().prune(days(2)).unwrap();
    assert_eq!((gone.segments.len(), gone.holds.len()), (26, 0));
    assert_eq!(
        order(&home),
        [EventType::AuditHoldRemoved, EventType::AuditPruned]
    );
    assert_eq!(home.log().holds().unwrap(), []);
    home.verifies();
}

#[test]
fn the_holds_in_force_say_who_added_them_when_and_why() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&[used("a")]).unwrap();
    let reason = "Smith lawsuit".parse().unwrap();
    log.add_hold(&"b".parse().unwrap(), Some(&reason), ALICE, session())
        .unwrap();
    add(&log, "a").unwrap();
    let holds = log.holds().unwrap();
    assert_eq!(names(&log), ["b", "a"]);
    assert_eq!(holds[0].reason.as_ref(), Some(&reason));
    assert_eq!(holds[1].reason, None);
    assert_eq!(holds[0].added_by.as_deref(), Some(ALICE));
    assert_eq!(holds[0].added_at.unix_nanos(), START);
    let line = &home.all_lines()[usize::try_from(holds[0].seq).unwrap() - 1];
    assert_eq!(line["event_type"], "AUDIT_HOLD_ADDED");
    assert_eq!(line["session_id"], session().to_string());
    assert!(line["seal"].is_object(), "{line}");
    home.verifies();
}

#[test]
fn a_hold_is_added_once_and_removed_once_and_may_be_added_again() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&[used("a")]).unwrap();
    assert_eq!(log.holds().unwrap(), []);
    let unknown = remove(&log, "a").unwrap_err();
    assert!(matches!(unknown, HoldError::Unknown(_)), "{unknown}");
    add(&log, "a").unwrap();
    let twice = add(&log, "a").unwrap_err();
    assert!(matches!(twice, HoldError::InForce(_)), "{twice}");
    assert!(twice.to_string().contains("since 2025-11-20"), "{twice}");
    add(&log, "A").unwrap();
    remove(&log, "a").unwrap();
    assert_eq!(names(&log), ["A"]);
    remove(&log, "a").unwrap_err();
    add(&log, "a").unwrap();
    assert_eq!(names(&log), ["A", "a"]);
    assert_eq!(order(&home).len(), 4, "a refusal is not recorded");
}

#[test]
fn a_removal_that_a_crash_cut_short_waits_for_the_hold() {
    let home = Home::new();
    home.use_on(0..=6);
    let before = home.files();
    let gone = home.log().prune(days(2)).unwrap().segments;
    let mut cut_short = home.files();
    let name = gone[1].name.to_string();
    cut_short.insert(name.clone(), before[&name].clone());
    home.put(&cut_short);
    add(&home.log(), "a").unwrap();
    assert_eq!(home.log().prune(days(2)).unwrap().segments, []);
    assert!(home.names().contains(&name));
    home.verifies();
    remove(&home.log(), "a").unwrap();
    assert_eq!(home.log().prune(days(2)).unwrap().segments, gone[1..]);
    assert_eq!(
        order(&home),
        [
            EventType::AuditPruned,
            EventType::AuditHoldAdded,
            EventType::AuditHoldRemoved
        ]
    );
    home.verifies();
}

#[test]
fn a_hold_waits_for_a_removal_under_way() {
    let home = Home::new();
    home.use_on(0..=1);
    let dir = Dir::open(&home.audit()).unwrap().unwrap();
    let pruning = dir.lock_file("pruning").unwrap();
    let (done, is_done) = mpsc::channel();
    let log = home.log();
    std::thread::spawn(move || done.send(add(&log, "a").is_ok()));
    let early = is_done.recv_timeout(Duration::from_millis(200));
    assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
    assert_eq!(home.log().holds().unwrap(), []);
    drop(pruning);
    assert!(is_done.recv_timeout(PATIENCE).unwrap());
    assert_eq!(names(&home.log()), ["a"]);
}

#[test]
fn whoever_comes_first_nothing_is_removed_after_a_hold() {
    for _ in 0..10 {
        let home = Home::new();
        home.use_on(0..=6);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| home.log().prune(days(2)).unwrap());
            }
            scope.spawn(|| {
                add(&home.log(), "a").unwrap();
                let left = home.names();
                home.log().prune(days(2)).unwrap();
                assert_eq!(home.names(), left);
            });
        });
        let order = order(&home);
        let expected: [&[_]; 2] = [
            &[EventType::AuditHoldAdded],
            &[EventType::AuditPruned, EventType::AuditHoldAdded],
        ];
        assert!(expected.contains(&&*order), "{order:?}");
        home.verifies();
    }
}

#[test]
fn a_damaged_line_that_adds_a_hold_stops_removal() {
    for (from, to) in [("\"hold\":", "\"hole\":"), ("\"uid\":", "\"uid\";")] {
        let home = Home::new();
        home.use_on(0..=1);
        add(&home.log(), "a").unwrap();
        home.use_on(2..=6);
        let mut files = home.files();
        let damaged = files.values_mut().filter_map(|bytes| {
            let text = String::from_utf8(bytes.clone()).ok()?;
            let at = text.find("AUDIT_HOLD_ADDED")?;
            let (before, after) = text.split_at(at);
            *bytes = (before.to_owned() + &after.replacen(from, to, 1)).into_bytes();
            Some(())
        });
        assert_eq!(damaged.count(), 1);
        home.put(&files);
        let error = home.log().prune(days(2)).unwrap_err();
        assert!(
            matches!(error, AuditError::HoldUnreadable { lines: 1 }),
            "{error}"
        );
        let mut after = home.files();
        after.remove("pruning");
        files.remove("pruning");
        assert_eq!(after, files);
    }
}

#[test]
fn how_far_back_the_log_reaches_is_told_by_its_first_line() {
    let home = Home::new();
    assert_eq!(home.log().coverage().unwrap(), None);
    home.use_on(0..=6);
    let whole = home.log().coverage().unwrap().unwrap();
    assert_eq!((whole.since.unix_nanos(), whole.is_complete), (START, true));
    home.log().prune(days(2)).unwrap();
    let pruned = home.log().coverage().unwrap().unwrap();
    let second_day = START + 2 * 86_400_000_000_000;
    assert_eq!(
        (pruned.since.unix_nanos(), pruned.is_complete),
        (second_day, false)
    );
}
