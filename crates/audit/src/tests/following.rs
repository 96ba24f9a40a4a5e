//! Follows the log while segments are added and removed.

use super::*;

fn only_used() -> Query {
    Query {
        types: vec![EventType::SessionValidated.into()],
        ..Query::default()
    }
}

#[test]
fn following_goes_on_across_segments_and_misses_nothing() {
    let home = Home::new();
    let log = home.log();
    log.append_durable(&[used("a")]).unwrap();
    let reader = log.reader();
    let mut follow = reader.follow_from(&only_used(), log.query(&only_used()).unwrap().end);
    home.set_day(1, 0);
    log.append_durable(&[used("b")]).unwrap();
    assert_eq!(actions(&follow.poll().unwrap()), ["b"]);
    assert!(follow.poll().unwrap().is_empty());
    // The rest of one segment, a whole one and the beginning of a third, at once.
    log.append_durable(&[used("c")]).unwrap();
    home.set_day(2, 0);
    log.append_durable(&[used("d")]).unwrap();
    home.set_day(3, 0);
    log.append_durable(&[used("e")]).unwrap();
    assert_eq!(actions(&follow.poll().unwrap()), ["c", "d", "e"]);
    assert_eq!(follow.unreadable(), 0);
}

#[test]
fn following_goes_on_when_segments_are_pruned_even_the_one_it_was_in() {
    let home = Home::new();
    let log = home.log();
    let retention = Retention::new(Duration::from_secs(2 * 86_400)).unwrap();
    log.append_durable(&[used("a")]).unwrap();
    // One follower that keeps up, and one whose last segment is gone.
    let end = log.query(&only_used()).unwrap().end;
    let reader = log.reader();
    let mut keeps_up = reader.follow_from(&only_used(), end);
    let mut stays_behind = reader.follow_from(&only_used(), end);
    let mut seen = Vec::new();
    for day in 1..=6 {
        home.set_day(day, 0);
        log.append_durable(&[used(&day.to_string())]).unwrap();
        seen.extend(actions(&keeps_up.poll().unwrap()));
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(log.prune(retention).unwrap().segments.len(), 2);
    assert!(keeps_up.poll().unwrap().is_empty());
    log.append_durable(&[used("7")]).unwrap();
    assert_eq!(actions(&keeps_up.poll().unwrap()), ["7"]);
    assert_eq!(
        actions(&stays_behind.poll().unwrap()),
        ["2", "3", "4", "5", "6", "7"]
    );
    assert_eq!((keeps_up.unreadable(), stays_behind.unreadable()), (0, 0));
}
