//! When and with which keys lines are sealed, and the state after a crash.

use super::line::LINE_LIMIT;
use super::state_file::StateFile;
use super::*;
use crate::sealer::Sealer;
use nightlatch_core::crypto::kdf::derive;
use nightlatch_core::crypto::{Key, labels};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
pub(super) const FIRST: &str = "0000000000000001.jsonl";

pub(super) fn append(home: &Home, event: Event) {
    home.log().append_durable(&[event]).unwrap();
}

fn segments(home: &Home) -> usize {
    home.names()
        .iter()
        .filter(|name| name.starts_with('0'))
        .count()
}

/// The two seeds in the state: of the next segment, and of the next seal.
fn seeds(bytes: &[u8]) -> (Key, Key) {
    let key = |at: usize| Key::init_with(|into| into.copy_from_slice(&bytes[at..at + 32]));
    (key(48), key(80))
}

pub(super) fn state(home: &Home) -> Vec<u8> {
    std::fs::read(home.path_of(STATE)).unwrap()
}

/// Creates the state of a log without lines.
pub(super) fn begin(home: &Home) {
    drop(home.dir.subdir_or_create("audit").unwrap());
    let mut sealer = Sealer::generate().unwrap();
    StateFile::create(&home.dir, &mut sealer).unwrap();
}

fn are_sealed(home: &Home) -> Vec<bool> {
    let lines = home.all_lines().into_iter();
    lines.map(|line| line.get("seal").is_some()).collect()
}

#[test]
fn the_last_line_of_every_append_is_sealed_and_no_other() {
    let home = Home::new();
    append(&home, used("a"));
    home.log().append_durable(&vec![used("b"); 3]).unwrap();
    home.log().append_durable(&vec![used("c"); 16]).unwrap();
    let mut expected = vec![true, true, false, false, true];
    expected.extend(vec![false; 15]);
    expected.push(true);
    assert_eq!(are_sealed(&home), expected);
    for (details, _) in super::catalogue::catalogue() {
        if !details.event_type().as_str().starts_with("SEGMENT_") {
            append(&home, Event::new(details));
            assert_eq!(are_sealed(&home).last(), Some(&true));
        }
    }
    // The removal in the catalogue did not really happen.
    assert!(
        verified(&home)
            .findings
            .iter()
            .all(|found| found.problem.rule() == 10)
    );
}

#[test]
fn more_events_than_an_append_has_are_sealed_sixteen_at_a_time() {
    let home = Home::new();
    home.log().append_durable(&vec![used("a"); 40]).unwrap();
    let sealed = are_sealed(&home);
    let at: Vec<_> = (0..sealed.len()).filter(|&at| sealed[at]).collect();
    assert_eq!(at, [0, 16, 32, 40]);
    assert_eq!(verified(&home).findings, []);
}

#[test]
fn the_head_is_the_end_after_every_append() {
    let home = Home::new();
    for day in 0..3 {
        home.set_day(day, 0);
        for count in 1..4 {
            home.log().append_durable(&vec![used("a"); count]).unwrap();
            let head = String::from_utf8(home.files()["head"].clone()).unwrap();
            assert_eq!((head.len(), &head[511..]), (512, "\n"));
            let head: serde_json::Value = serde_json::from_str(&head).unwrap();
            let last = home.all_lines().pop().unwrap();
            assert_eq!((&head["seq"], &head["hash"]), (&last["seq"], &last["hash"]));
        }
    }
}

#[test]
fn the_state_lies_beside_the_log_closed_to_others_and_marked_for_backups() {
    let home = Home::new();
    append(&home, used("a"));
    assert_eq!(home.names(), [FIRST, "head"]);
    let seal = home.dir.path().join("seal");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&seal), mode(&home.path_of(STATE))), (0o700, 0o600));
    let tag = std::fs::read_to_string(seal.join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
    assert_eq!(std::fs::read_dir(&seal).unwrap().count(), 2);
    assert_eq!(state(&home).len(), 135_168);
}

#[test]
fn a_clock_that_was_set_back_opens_a_segment() {
    let home = Home::new();
    append(&home, used("a"));
    home.shift(-1000);
    append(&home, used("b"));
    let log = home.log().query(&Query::default()).unwrap();
    let types = log.events.iter().map(|event| event.event_type.known());
    let types: Vec<_> = types.collect();
    assert_eq!(
        types,
        [
            Some(EventType::SegmentOpened),
            Some(EventType::SessionValidated),
            Some(EventType::SegmentClosed),
            Some(EventType::SegmentOpened),
            Some(EventType::SessionValidated),
        ]
    );
}

/// Uses only the labels in docs/formats.md.
#[test]
fn each_seed_is_derived_one_way_from_the_one_before_and_the_old_ones_are_erased() {
    let home = Home::new();
    begin(&home);
    let (mut segment, _) = seeds(&state(&home));
    let mut used_up: Vec<Key> = Vec::new();
    let next_of = |seed: &Key, label| derive(seed, label, &[]);
    for _ in 0..2 {
        append(
            &home,
            used("opens the segment, and is the append after that"),
        );
        let first = next_of(&segment, labels::AUDIT_FIRST_SEAL);
        let mut seal = next_of(&first, labels::AUDIT_NEXT_SEAL);
        let next = next_of(&segment, labels::AUDIT_NEXT_SEGMENT);
        used_up.push(first);
        used_up.push(std::mem::replace(&mut segment, next));
        for _ in 0..3 {
            let bytes = state(&home);
            let found = seeds(&bytes);
            assert_eq!(found.0.expose(), segment.expose());
            assert_eq!(found.1.expose(), seal.expose());
            let keys = used_up.iter().flat_map(|seed| {
                [labels::AUDIT_SEGMENT_KEY, labels::AUDIT_SEAL_KEY]
                    .map(|label| next_of(seed, label))
            });
            for gone in keys.chain(
                used_up
                    .iter()
                    .map(|seed| Key::init_with(|into| into.copy_from_slice(seed.expose()))),
            ) {
                assert!(memchr::memmem::find(&bytes, gone.expose()).is_none());
            }
            append(&home, used("a"));
            let next = next_of(&seal, labels::AUDIT_NEXT_SEAL);
            used_up.push(std::mem::replace(&mut seal, next));
        }
        // The seed that closes the segment is used up as well.
        used_up.push(seal);
        home.shift(DAY);
    }
    assert_eq!(verified(&home).findings, []);
}

#[test]
fn a_segment_ends_with_its_day_in_utc() {
    let home = Home::new();
    append(&home, used("a"));
    home.shift(DAY - START % DAY - 1);
    append(&home, used("the last nanosecond of the day"));
    assert_eq!(segments(&home), 1);
    home.shift(1);
    append(&home, used("midnight"));
    assert_eq!(segments(&home), 2);
    let types: Vec<_> = home
        .all_lines()
        .iter()
        .map(|line| line["event_type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(types[3..5], ["SEGMENT_CLOSED", "SEGMENT_OPENED"]);
    let lines = home.all_lines();
    assert_eq!(lines[3]["timestamp"], lines[2]["timestamp"]);
    assert_eq!(lines[4]["details"]["reason"], "day");
    home.shift(-1);
    append(&home, used("back before midnight"));
    assert_eq!(home.all_lines()[7]["details"]["reason"], "clock");
    home.shift(1);
    append(&home, used("and again"));
    home.shift(-400 * DAY);
    append(&home, used("far back"));
    home.shift(800 * DAY);
    append(&home, used("far ahead"));
    assert_eq!(segments(&home), 6);
    assert_eq!(home.checked_lines().len(), 7);
    assert_eq!(verified(&home).findings, []);
}

#[test]
fn a_segment_that_is_large_enough_is_closed_before_the_next_line() {
    let home = Home::new();
    append(&home, used("a"));
    let length = home.bytes().len() as u64;
    home.log()
        .with_segment_size(length + 1)
        .append_durable(&[used("b")])
        .unwrap();
    assert_eq!(segments(&home), 1);
    let length = home.bytes().len() as u64;
    home.log()
        .with_segment_size(length)
        .append_durable(&[used("c")])
        .unwrap();
    assert_eq!(segments(&home), 2);
    assert_eq!(home.checked_lines().len(), 3);
    assert_eq!(verified(&home).findings, []);
}

/// A log with appends and rotations, and the state after each of them.
fn with_states() -> (Home, Vec<Vec<u8>>) {
    let home = Home::new();
    begin(&home);
    let mut states = vec![state(&home)];
    for step in 0..12 {
        match step % 4 {
            0 => append(&home, used("a")),
            1 => home.log().append_durable(&vec![used("b"); 3]).unwrap(),
            2 => append(&home, used("c")),
            _ => home.shift(DAY),
        }
        states.push(state(&home));
    }
    (home, states)
}

#[test]
fn whatever_earlier_state_a_crash_leaves_the_log_goes_on_and_verifies() {
    let (home, states) = with_states();
    let files = home.files();
    for (at, old) in states.iter().enumerate() {
        let mut files = files.clone();
        files.insert(STATE.to_owned(), old.clone());
        home.put(&files);
        let before = home.all_lines().len();
        assert_eq!(
            verified(&home).findings,
            [],
            "state {at}, before it is brought up to date"
        );
        append(&home, used("on"));
        append(&home, used("and on"));
        assert_eq!(verified(&home).findings, [], "state {at}");
        assert_eq!(
            home.all_lines().len(),
            before + 4,
            "and the line that closes, and the one that opens"
        );
    }
}

#[test]
fn a_crash_anywhere_in_a_rotation_is_recovered_from() {
    let home = Home::new();
    append(&home, used("a"));
    let before = home.files();
    home.shift(DAY);
    append(&home, used("b"));
    let after = home.files();
    let new = "0000000000000004.jsonl";
    // The closing line, then the new segment, truncated at various bytes, all before the state is
    // saved.
    for length in (0..=after[new].len()).step_by(11).chain([after[new].len()]) {
        let mut files = after.clone();
        for name in [STATE, "head"] {
            files.insert(name.to_owned(), before[name].clone());
        }
        files.insert(new.to_owned(), after[new][..length].to_vec());
        home.put(&files);
        append(&home, used("on"));
        assert_eq!(verified(&home).findings, [], "{length}");
        assert_eq!(segments(&home), 2);
    }
    for length in before[FIRST].len()..=after[FIRST].len() {
        let mut files = before.clone();
        files.insert(FIRST.to_owned(), after[FIRST][..length].to_vec());
        home.put(&files);
        append(&home, used("on"));
        assert_eq!(verified(&home).findings, [], "{length}");
        assert_eq!(segments(&home), 2);
    }
}

pub(super) fn refused(home: &Home) -> Damage {
    let before = home.files();
    let error = home.log().append(&[used("x")]).unwrap_err();
    let AuditError::Damaged { damage, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(home.files(), before, "left as it was");
    damage
}

#[test]
fn a_log_without_its_state_or_with_a_damaged_one_is_refused() {
    let (home, _) = with_states();
    let files = home.files();
    let mut without = files.clone();
    without.remove(STATE);
    home.put(&without);
    assert_eq!(refused(&home), Damage::NoSealState);
    assert_eq!(verified(&home).findings, [], "what there is, is sound");
    for damaged in [
        vec![],
        vec![0; 1024],
        files[STATE].iter().map(|byte| byte ^ 1).collect(),
    ] {
        let mut files = files.clone();
        files.insert(STATE.to_owned(), damaged);
        home.put(&files);
        assert_eq!(refused(&home), Damage::NoSealState);
        assert_eq!(verified(&home).findings[0].problem, Problem::BadState);
    }
}

#[test]
fn a_damaged_state_is_not_replaced_by_that_of_a_new_log() {
    let (home, _) = with_states();
    let mut files = home.files();
    files.retain(|name, _| name == STATE);
    for byte in files.get_mut(STATE).unwrap() {
        *byte ^= 1;
    }
    home.put(&files);
    assert_eq!(refused(&home), Damage::NoSealState);
}

#[test]
fn a_log_that_was_cut_anywhere_is_refused() {
    let (home, _) = with_states();
    append(&home, used("a"));
    let files = home.files();
    let (last, bytes) = files
        .iter()
        .rfind(|(name, _)| name.starts_with('0'))
        .unwrap();
    for lines in 0..memchr::memchr_iter(b'\n', bytes).count() {
        let mut files = files.clone();
        files.insert(last.clone(), bytes[..end_of(bytes, lines)].to_vec());
        home.put(&files);
        assert_eq!(refused(&home), Damage::CutShort, "{lines}");
        assert!(!verified(&home).is_good(), "{lines}");
    }
}

#[test]
fn a_state_that_is_behind_by_more_than_the_end_that_is_read_catches_up() {
    let home = Home::new();
    append(&home, used("a"));
    let behind = state(&home);
    let from = home.bytes().len();
    for _ in 0..5 {
        home.log().append_durable(&vec![used("b"); 128]).unwrap();
    }
    assert!(home.bytes().len() - from > 2 * LINE_LIMIT);
    let mut files = home.files();
    files.insert(STATE.to_owned(), behind);
    home.put(&files);
    append(&home, used("c"));
    assert_eq!(verified(&home).findings, []);
    assert_eq!(home.checked_lines().len(), 1 + 5 * 128 + 1);
}

#[test]
fn a_state_of_another_log_is_refused() {
    let (home, _) = with_states();
    let (other, states) = with_states();
    let mut files = home.files();
    let before_any_line = &states[0];
    for foreign in [&state(&other), &states[2]] {
        files.insert(STATE.to_owned(), foreign.clone());
        home.put(&files);
        assert!(matches!(
            refused(&home),
            Damage::ForeignState | Damage::CutShort | Damage::WrongHash | Damage::NotAnEvent
        ));
    }
    files.insert(STATE.to_owned(), before_any_line.clone());
    home.put(&files);
    assert_eq!(refused(&home), Damage::ForeignSeal);
}

#[test]
fn a_log_put_back_with_its_state_under_a_newer_head_is_refused() {
    let home = Home::new();
    append(&home, used("a"));
    let before = home.files();
    append(&home, used("b"));
    let mut files = before.clone();
    files.insert("head".to_owned(), home.files()["head"].clone());
    home.put(&files);
    assert!(!verified(&home).is_good());
    assert_eq!(refused(&home), Damage::CutShort);
    // All of it, including the head: only an anchor reveals this.
    home.put(&before);
    append(&home, used("c"));
}

#[test]
fn where_only_the_head_of_a_log_is_left_no_other_begins() {
    let home = Home::new();
    append(&home, used("a"));
    let mut files = home.files();
    files.retain(|name, _| name == "head");
    home.put(&files);
    assert_eq!(refused(&home), Damage::CutShort);
    files.insert("head".to_owned(), Vec::new());
    home.put(&files);
    append(&home, used("b"));
    assert_eq!(verified(&home).findings, []);
}

#[test]
fn nothing_is_appended_when_the_state_or_the_head_is_not_a_file_of_ours() {
    let (home, _) = with_states();
    append(&home, used("a"));
    let before = home.files();
    for name in [STATE, "head"] {
        let path = home.path_of(name);
        let away = path.with_extension("away");
        std::fs::rename(&path, &away).unwrap();
        std::os::unix::fs::symlink(&away, &path).unwrap();
        let error = home.log().append(&[used("b")]).unwrap_err();
        assert!(matches!(error, AuditError::Fs(_)), "{error}");
        std::fs::rename(&away, &path).unwrap();
        assert_eq!(home.files(), before, "{name}");
    }
    append(&home, used("b"));
    assert_eq!(verified(&home).findings, []);
}

#[test]
fn threads_that_append_over_rotations_leave_no_gap() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let home = &home;
            scope.spawn(move || {
                for call in 0..20 {
                    let log = home.log().with_segment_size(8 * 1024);
                    let events = vec![used(&format!("{thread}.{call}")); 1 + call % 3];
                    drop(log.append(&events).unwrap());
                }
            });
        }
    });
    assert_eq!(home.checked_lines().len(), 8 * (7 + 14 + 18));
    assert!(segments(&home) > 5);
    assert_eq!(verified(&home).findings, []);
}
