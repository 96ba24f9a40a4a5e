//! The records of removals.

use super::super::super::line::Link;
use super::super::super::line_writer::{self, Stamp};
use super::*;
use nightlatch_core::id::SessionId;

/// The line after `last` as somebody without keys can write it.
fn forged(last: Link, details: Details) -> Vec<u8> {
    let mut line = Vec::new();
    let origin = Origin::new("ws1", 1000, 4242, Some("pts/3"));
    let stamp = Stamp {
        origin: &origin,
        timestamp: Timestamp::from_unix_nanos(START + 7 * 86_400_000_000_000),
        id: uuid::Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0001),
    };
    line_writer::write(&mut line, last, &Event::new(details), &stamp, |_| None);
    line
}

#[test]
fn a_line_that_somebody_without_keys_appends_lifts_no_hold() {
    let home = Home::new();
    home.use_on(0..=6);
    let session = SessionId::from_bytes([0x5E; 16]);
    let name = "case-7".parse().unwrap();
    home.log()
        .add_hold(&name, None, "alice@example.com", session)
        .unwrap();
    let names = home.names();
    let newest = names.iter().rfind(|name| name.starts_with('0')).unwrap();
    let path = home.audit().join(newest);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes
        .trim_ascii_end()
        .rsplit(|&byte| byte == b'\n')
        .next()
        .unwrap();
    let last = line::Line::parse(last).unwrap().link().unwrap();
    bytes.extend(forged(
        last,
        Details::AuditHoldRemoved { hold: name.clone() },
    ));
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(home.log().holds().unwrap().len(), 1);
    assert_eq!(home.log().prune(days(2)).unwrap().segments, []);
    // Somebody with a session lifts it.
    home.log()
        .remove_hold(&name, "alice@example.com", session)
        .unwrap();
    assert_eq!(home.log().prune(days(2)).unwrap().segments.len(), 2);
}

#[test]
fn nothing_is_removed_of_segments_in_which_a_line_was_changed() {
    for action in ["a", "b"] {
        let home = Home::new();
        home.use_on(0..=6);
        let mut files = files(&home);
        let (name, bytes) = files
            .iter_mut()
            .find(|(name, _)| name.starts_with('0'))
            .unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        // Its own hash is correct; what follows continues another.
        let opening = line::Line::parse(lines[0].trim_end().as_bytes()).unwrap();
        let action = Action::new(action);
        let changed = forged(
            opening.link().unwrap(),
            Details::SessionValidated { action },
        );
        *bytes = [lines[0].as_bytes(), &changed, lines[2].as_bytes()].concat();
        let name = name.clone();
        put(&home, &files);
        let error = home.log().prune(days(2)).unwrap_err();
        assert!(error.to_string().contains(&name), "{error}");
        assert_eq!(records(&home), []);
        let mut after = self::files(&home);
        after.remove("pruning");
        files.remove("pruning");
        assert_eq!(after, files);
    }
}

/// A crash follows each of the two records.
#[test]
fn a_removal_on_record_is_not_recorded_again_when_more_grew_old_before_the_next_crash() {
    let home = Home::new();
    home.use_on(0..=8);
    let before = files(&home);
    let gone = home.log().prune(days(2)).unwrap().segments;
    let mut cut_short = files(&home);
    let name = gone[3].name.to_string();
    cut_short.insert(name.clone(), before[&name].clone());
    put(&home, &cut_short);
    home.use_on([9]);
    let recorded = files(&home);
    home.log().prune(days(2)).unwrap();
    // The first lines of two segments are saved, and the removal of one is on record.
    let kept = files(&home)["removed.jsonl"].clone();
    put(&home, &recorded);
    std::fs::write(home.audit().join("removed.jsonl"), kept).unwrap();
    removed_on_record(&home);
    let later = home.log().prune(days(2)).unwrap().segments;
    let told = [(4, gone[3].last_seq), (1, later[1].last_seq)];
    assert_eq!(records(&home), told);
    removed_on_record(&home);
}

#[test]
fn a_removal_is_recorded_with_its_span_and_the_retention() {
    let home = Home::new();
    home.use_on(0..=6);
    let gone = home.log().prune(days(2)).unwrap().segments;
    let query = Query {
        types: vec![EventType::AuditPruned.into()],
        ..Query::default()
    };
    let found = home.log().query(&query).unwrap();
    assert_eq!(found.total, 1);
    let details: serde_json::Value = serde_json::from_str(found.events[0].details.get()).unwrap();
    let day = |day: u32| {
        let start = Timestamp::from_unix_nanos(START);
        start.plus(day * Duration::from_secs(DAY)).to_rfc3339()
    };
    assert_eq!((gone.len(), details["segments"].as_u64()), (2, Some(2)));
    assert_eq!(details["first_seq"], 1);
    assert_eq!(details["last_seq"], 6);
    assert_eq!(details["from"], day(0));
    assert_eq!(details["to"], day(2));
    assert_eq!(details["retention_seconds"], 2 * DAY);
    removed_on_record(&home);
}

/// Returns a late time first, and earlier ones afterwards.
struct SetBack {
    asked: AtomicI64,
    to: i64,
}

impl Clock for SetBack {
    fn now(&self) -> Moment {
        let late = self.asked.swap(self.to, Ordering::Relaxed);
        Moment {
            wall: Timestamp::from_unix_nanos(late),
            boot: BootTime::from_nanos(0),
        }
    }

    fn boot(&self) -> std::io::Result<Boot> {
        Ok(Boot {
            id: [0; 16],
            clock_shifted: false,
        })
    }

    fn sleep(&self, _: Duration) {}
}

#[test]
fn a_clock_set_back_while_pruning_waits_leaves_no_early_record() {
    let home = Home::new();
    home.use_on(0..=6);
    let now = home.clock.0.load(Ordering::Relaxed);
    let clock = SetBack {
        asked: AtomicI64::new(now),
        to: now - 6 * 86_400_000_000_000,
    };
    let log = AuditLog::new(home.dir.clone(), Arc::new(clock));
    assert_eq!(log.prune(days(2)).unwrap(), Pruning::default());
    assert_eq!(records(&home), []);
    assert_eq!(home.log().prune(days(2)).unwrap().segments.len(), 2);
    removed_on_record(&home);
}

#[test]
fn nothing_is_removed_when_the_first_lines_of_earlier_removals_are_incomplete() {
    let home = Home::new();
    home.use_on(0..=6);
    home.log().prune(days(2)).unwrap();
    home.use_on([7]);
    let before = files(&home);
    let lines = String::from_utf8(before["removed.jsonl"].clone()).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    let changed = [
        String::new(),
        format!("{}\n", lines[0]),
        format!("{}\n", lines[1]),
        format!("{}\n{}\n", lines[1], lines[0]),
        format!("{0}\n{0}\n{1}\n", lines[0], lines[1]),
        format!("{}\n{}", lines[0], lines[1]),
        format!("{}\n{}\n", lines[0].replace("ws1", "ws2"), lines[1]),
    ];
    for changed in changed {
        let mut files = before.clone();
        files.insert("removed.jsonl".to_owned(), changed.clone().into_bytes());
        put(&home, &files);
        let error = home.log().prune(days(2)).unwrap_err();
        assert!(error.to_string().contains("removed.jsonl"), "{error}");
        assert_eq!(self::files(&home), files, "{changed}");
    }
    put(&home, &before);
    assert_eq!(home.log().prune(days(2)).unwrap().segments.len(), 1);
    removed_on_record(&home);
}
