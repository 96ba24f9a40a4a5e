//! When lines are sealed, with what, and what a crash leaves.

use super::line::LINE_LIMIT;
use super::sealing::{STATE_FILE, Sealing};
use super::*;
use crate::crypto::kdf::derive;
use crate::crypto::{Key, labels};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

fn append(home: &Home, event: Event) {
    home.log().append_durable(&[event]).unwrap();
}

fn last_is_sealed(home: &Home) -> bool {
    home.all_lines().last().unwrap().get("seal").is_some()
}

fn segments(home: &Home) -> usize {
    home.names()
        .iter()
        .filter(|name| name.starts_with('0'))
        .count()
}

/// The two seeds in the state: of the next segment, and of the next seal.
fn seeds(bytes: &[u8]) -> Vec<(Key, Key)> {
    let key =
        |slot: &[u8], at: usize| Key::init_with(|into| into.copy_from_slice(&slot[at..at + 32]));
    let slots = bytes.chunks(512).filter(|slot| slot.starts_with(b"NLseal"));
    slots.map(|slot| (key(slot, 48), key(slot, 80))).collect()
}

fn state(home: &Home) -> Vec<u8> {
    std::fs::read(home.audit().join(STATE_FILE)).unwrap()
}

#[test]
fn the_use_of_a_session_waits_for_a_seal_and_nothing_else_does() {
    let home = Home::new();
    append(&home, used("a"));
    for (details, _) in super::catalogue::catalogue() {
        let event_type = details.event_type().as_str();
        if event_type.starts_with("SEGMENT_") {
            continue;
        }
        let waits = [
            "SESSION_VALIDATED",
            "SESSION_EXTENDED",
            "COMMAND_STARTED",
            "COMMAND_FINISHED",
            "COMMAND_REFUSED",
        ];
        append(&home, Event::new(details));
        assert_eq!(
            last_is_sealed(&home),
            !waits.contains(&event_type),
            "{event_type}"
        );
    }
}

#[test]
fn one_event_to_be_sealed_at_once_seals_the_last_of_its_append() {
    let home = Home::new();
    append(&home, used("a"));
    let batch = [used("b"), Event::new(Details::LoginAttempt), used("c")];
    home.log().append_durable(&batch).unwrap();
    let sealed: Vec<_> = home
        .all_lines()
        .iter()
        .map(|line| line.get("seal").is_some())
        .collect();
    assert_eq!(sealed, [true, false, false, false, true]);
}

#[test]
fn an_event_60_seconds_after_the_last_seal_is_sealed_and_none_before() {
    let home = Home::new();
    append(&home, used("opens"));
    home.shift(60 * SECOND - 1);
    append(&home, used("59.999999999 s"));
    assert!(!last_is_sealed(&home));
    home.shift(1);
    append(&home, used("60 s"));
    assert!(last_is_sealed(&home));
    home.shift(30 * SECOND);
    append(&home, used("from the new seal on"));
    assert!(!last_is_sealed(&home));
}

#[test]
fn the_128th_event_after_the_last_seal_is_sealed_and_none_before() {
    let home = Home::new();
    append(&home, used("1"));
    for number in 2..=127 {
        drop(home.log().append(&[used(&number.to_string())]).unwrap());
    }
    assert!(
        home.checked_lines()
            .iter()
            .all(|line| line.get("seal").is_none())
    );
    assert_eq!(
        verified(&home).findings,
        [],
        "so many may be without a seal"
    );
    append(&home, used("128"));
    assert!(last_is_sealed(&home));
    append(&home, used("129"));
    assert!(!last_is_sealed(&home));
}

#[test]
fn a_clock_that_was_set_back_opens_a_segment_and_so_seals_what_came_before() {
    let home = Home::new();
    append(&home, used("a"));
    home.shift(-1);
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

/// With the labels alone, as docs/formats.md has them.
#[test]
fn each_seed_is_derived_one_way_from_the_one_before_and_the_old_ones_are_erased() {
    let home = Home::new();
    let dir = home.dir.subdir_or_create("audit").unwrap();
    Sealing::generate().unwrap().save(&dir).unwrap();
    let (mut segment, _) = seeds(&state(&home)).remove(0);
    let mut used_up: Vec<Key> = Vec::new();
    let next_of = |seed: &Key, label| derive(seed, label, &[]);
    for _ in 0..2 {
        append(&home, used("opens the segment"));
        let mut seal = next_of(&segment, labels::AUDIT_FIRST_SEAL);
        let next = next_of(&segment, labels::AUDIT_NEXT_SEGMENT);
        used_up.push(std::mem::replace(&mut segment, next));
        for _ in 0..3 {
            let bytes = state(&home);
            let found = seeds(&bytes);
            assert_eq!(found.len(), 1, "the other slot is erased");
            assert_eq!(found[0].0.expose(), segment.expose());
            assert_eq!(found[0].1.expose(), seal.expose());
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
            append(&home, Event::new(Details::LoginAttempt));
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
    home.shift(-1);
    append(&home, used("back before midnight"));
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

/// A log with seals, stretches without, and rotations; and the state after each append.
fn with_states() -> (Home, Vec<Vec<u8>>) {
    let home = Home::new();
    let dir = home.dir.subdir_or_create("audit").unwrap();
    Sealing::generate().unwrap().save(&dir).unwrap();
    let mut states = vec![state(&home)];
    for step in 0..12 {
        match step % 4 {
            0 => append(&home, used("a")),
            1 => append(&home, Event::new(Details::LoginAttempt)),
            2 => append(&home, used("b")),
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
        files.insert(STATE_FILE.to_owned(), old.clone());
        home.put(&files);
        let before = home.all_lines().len();
        assert_eq!(
            verified(&home).findings,
            [],
            "state {at}, before it is brought up to date"
        );
        append(&home, used("on"));
        append(&home, Event::new(Details::LoginAttempt));
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
    append(&home, Event::new(Details::LoginAttempt));
    let before = home.files();
    home.shift(DAY);
    append(&home, used("b"));
    let after = home.files();
    let (old, new) = ("0000000000000001.jsonl", "0000000000000005.jsonl");
    // The line that closes, then the new segment, byte by byte, all before the state is saved.
    for length in (0..=after[new].len()).step_by(11).chain([after[new].len()]) {
        let mut files = after.clone();
        files.insert(STATE_FILE.to_owned(), before[STATE_FILE].clone());
        files.insert(new.to_owned(), after[new][..length].to_vec());
        home.put(&files);
        append(&home, used("on"));
        assert_eq!(verified(&home).findings, [], "{length}");
        assert_eq!(segments(&home), 2);
    }
    for length in before[old].len()..=after[old].len() {
        let mut files = before.clone();
        files.insert(old.to_owned(), after[old][..length].to_vec());
        home.put(&files);
        append(&home, used("on"));
        assert_eq!(verified(&home).findings, [], "{length}");
        assert_eq!(segments(&home), 2);
    }
}

fn refused(home: &Home) -> Damage {
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
    without.remove(STATE_FILE);
    home.put(&without);
    assert_eq!(refused(&home), Damage::NoSealState);
    assert_eq!(verified(&home).findings, [], "what there is, is sound");
    for damaged in [
        vec![],
        vec![0; 1024],
        files[STATE_FILE].iter().map(|byte| byte ^ 1).collect(),
    ] {
        let mut files = files.clone();
        files.insert(STATE_FILE.to_owned(), damaged);
        home.put(&files);
        assert_eq!(refused(&home), Damage::NoSealState);
        assert_eq!(verified(&home).findings[0].problem, Problem::BadState);
    }
}

#[test]
fn a_damaged_state_is_not_replaced_by_that_of_a_new_log() {
    let (home, _) = with_states();
    let mut files = home.files();
    files.retain(|name, _| name == STATE_FILE);
    for byte in files.get_mut(STATE_FILE).unwrap() {
        *byte ^= 1;
    }
    home.put(&files);
    assert_eq!(refused(&home), Damage::NoSealState);
}

#[test]
fn a_log_that_was_cut_before_its_last_seal_is_refused() {
    let (home, _) = with_states();
    append(&home, Event::new(Details::LoginAttempt));
    let files = home.files();
    let (last, bytes) = files
        .iter()
        .rfind(|(name, _)| name.starts_with('0'))
        .unwrap();
    let sealed = home.all_lines().len() as u64;
    for lines in 0..memchr::memchr_iter(b'\n', bytes).count() {
        let mut files = files.clone();
        files.insert(last.clone(), bytes[..end_of(bytes, lines)].to_vec());
        home.put(&files);
        assert_eq!(refused(&home), Damage::CutShort, "{lines}");
        let found = verified(&home).findings;
        assert_eq!(
            found.last().unwrap().problem,
            Problem::CutEnd { seq: sealed },
            "{lines}"
        );
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
    files.insert(STATE_FILE.to_owned(), behind);
    home.put(&files);
    append(&home, used("c"));
    assert_eq!(verified(&home).findings, []);
    assert_eq!(home.checked_lines().len(), 1 + 5 * 128 + 1);
}

#[test]
fn a_state_that_is_far_behind_the_log_is_refused_without_reading_all_of_it() {
    let home = Home::new();
    append(&home, used("a"));
    let mut files = home.files();
    append(&home, used("b"));
    let mut bytes = home.bytes();
    let place = end_of(&bytes, 1);
    bytes.splice(place..place, "x\n".repeat(8 * 1024 * 1024).into_bytes());
    files.insert("0000000000000001.jsonl".to_owned(), bytes);
    home.put(&files);
    assert_eq!(refused(&home), Damage::OldSealState);
}

#[test]
fn a_state_of_another_log_is_refused() {
    let (home, _) = with_states();
    let (other, states) = with_states();
    let mut files = home.files();
    for foreign in [&state(&other), &states[0], &states[2]] {
        files.insert(STATE_FILE.to_owned(), foreign.clone());
        home.put(&files);
        assert_eq!(refused(&home), Damage::ForeignSeal);
    }
}

/// Puts a directory in the state's place between its being read and its being written.
struct Thief(Arc<Still>, PathBuf);

impl Clock for Thief {
    fn now(&self) -> Moment {
        std::fs::rename(&self.1, self.1.with_extension("away")).unwrap();
        std::fs::create_dir(&self.1).unwrap();
        self.0.now()
    }

    fn boot(&self) -> std::io::Result<Boot> {
        self.0.boot()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }
}

#[test]
fn nothing_is_appended_when_the_state_cannot_be_saved() {
    let (home, _) = with_states();
    append(&home, used("a"));
    let before = home.files();
    let path = home.audit().join(STATE_FILE);
    let thief = Thief(home.clock.clone(), path.clone());
    let log = AuditLog::new(home.dir.clone(), Arc::new(thief));
    let error = log
        .append(&[Event::new(Details::LoginAttempt)])
        .unwrap_err();
    assert!(error.to_string().contains("seal"), "{error}");
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    assert_eq!(home.files(), before);
    append(&home, Event::new(Details::LoginAttempt));
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
                    let event = match call % 5 {
                        0 => Event::new(Details::LoginAttempt),
                        _ => used(&format!("{thread}.{call}")),
                    };
                    drop(log.append(&[event]).unwrap());
                }
            });
        }
    });
    assert_eq!(home.checked_lines().len(), 160);
    assert!(segments(&home) > 5);
    assert_eq!(verified(&home).findings, []);
}
