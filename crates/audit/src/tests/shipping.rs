//! A reader that keeps only a number gets every event once, whatever happened to the log meanwhile.

use proptest::prelude::*;

use super::*;

const DAY: u64 = 24 * 3600;

/// Everything after `after`, in batches of `limit`: the numbers, and the removed ranges.
fn numbers_after(home: &Home, after: u64, limit: usize) -> (Vec<u64>, Vec<(u64, u64)>) {
    let log = home.log();
    let reader = log.reader();
    let mut events = reader.events_after(&Query::default(), after);
    let (mut numbers, mut removed) = (Vec::new(), Vec::new());
    loop {
        let next = events.poll(limit).unwrap();
        removed.extend(next.removed.map(|range| (*range.start(), *range.end())));
        numbers.extend(next.events.iter().map(|record| record.seq));
        if next.is_end {
            return (numbers, removed);
        }
    }
}

fn poll(log: &AuditLog, after: u64, limit: usize) -> Result<NextEvents, AuditError> {
    let reader = log.reader();
    reader.events_after(&Query::default(), after).poll(limit)
}

fn last(home: &Home) -> u64 {
    home.log().anchor().unwrap().unwrap().seq
}

fn prune(home: &Home) {
    let retention = Retention::new(Duration::from_secs(DAY)).unwrap();
    home.log().prune(retention).unwrap();
}

#[test]
fn every_number_is_found_again_in_whatever_segment_it_is() {
    let home = Home::new();
    home.use_on(0..5);
    let last = last(&home);
    for after in 0..=last {
        for limit in [1, 3, 100] {
            let (numbers, removed) = numbers_after(&home, after, limit);
            assert_eq!(numbers, (after + 1..=last).collect::<Vec<_>>(), "{after}");
            assert_eq!(removed, []);
        }
    }
}

#[test]
fn events_that_were_removed_are_reported_and_the_rest_is_given() {
    let home = Home::new();
    home.use_on(0..12);
    prune(&home);
    let log = home.log();
    let first = log.query(&Query::default()).unwrap().events[0].seq;
    assert!(first > 4, "something was removed");
    let rest: Vec<_> = (first..=last(&home)).collect();
    assert_eq!(
        numbers_after(&home, 2, 5),
        (rest.clone(), vec![(3, first - 1)])
    );
    assert_eq!(numbers_after(&home, first - 1, 5), (rest, vec![]));
}

#[test]
fn a_log_that_ends_before_the_number_was_set_back() {
    let home = Home::new();
    home.use_on(0..3);
    let end = last(&home);
    let set_back = |after| match poll(&home.log(), after, 10) {
        Err(AuditError::SetBack { last, after: told }) => {
            assert_eq!(told, after);
            Some(last)
        }
        other => {
            other.unwrap();
            None
        }
    };
    assert_eq!(set_back(end), None);
    assert_eq!(set_back(end + 1), Some(end));
    assert_eq!(set_back(u64::MAX), Some(end));
    assert_eq!(poll(&Home::new().log(), 0, 1).unwrap().events.len(), 0);
    let gone = Home::new();
    assert!(matches!(
        poll(&gone.log(), 1, 1),
        Err(AuditError::SetBack { last: 0, after: 1 })
    ));
}

#[test]
fn what_no_seal_covers_is_not_given_until_it_is_sealed() {
    let home = Home::new();
    home.use_on([0]);
    let end = last(&home);
    let mut bytes = home.bytes();
    let sealed = bytes.len();
    let line = bytes[..sealed - 1]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .unwrap()
        + 1;
    let text = String::from_utf8(bytes[line..].to_vec()).unwrap();
    let next = text.replace(&format!("\"seq\":{end},"), &format!("\"seq\":{},", end + 1));
    let unsealed = next.split(",\"seal\":").next().unwrap().to_owned() + "}\n";
    bytes.extend_from_slice(unsealed.as_bytes());
    std::fs::write(home.segment(), &bytes).unwrap();
    assert_eq!(numbers_after(&home, end, 10), (vec![], vec![]));
    // The next append moves it aside and takes its number.
    home.log().append_durable(&[used("b")]).unwrap();
    let (numbers, _) = numbers_after(&home, end, 10);
    assert_eq!(numbers, (end + 1..=last(&home)).collect::<Vec<_>>());
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    NextDay,
    Prune,
    Read(usize),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..20_usize).prop_map(Step::Append),
        3 => Just(Step::NextDay),
        1 => Just(Step::Prune),
        3 => (1..9_usize).prop_map(Step::Read),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_reader_that_restarts_with_its_last_number_gets_exactly_the_rest(steps in steps()) {
        let home = Home::new();
        let mut day = 0;
        // The number that the reader keeps.
        let mut kept = 0;
        for step in steps {
            match step {
                Step::Append(count) => {
                    let events: Vec<_> = (0..count).map(|_| used("a")).collect();
                    home.log().append_durable(&events).unwrap();
                }
                Step::NextDay => {
                    day += 1;
                    home.set_day(day, 0);
                }
                Step::Prune => prune(&home),
                Step::Read(limit) => {
                    let next = poll(&home.log(), kept, limit).unwrap();
                    if let Some(removed) = next.removed {
                        prop_assert_eq!(*removed.start(), kept + 1);
                        kept = *removed.end();
                    }
                    for record in next.events {
                        prop_assert_eq!(record.seq, kept + 1, "neither doubled nor skipped");
                        kept = record.seq;
                    }
                }
                Step::Restart => {
                    home.reboot();
                    let (numbers, removed) = numbers_after(&home, kept, 3);
                    for (first, last) in removed {
                        prop_assert_eq!(first, kept + 1);
                        kept = last;
                    }
                    for number in numbers {
                        prop_assert_eq!(number, kept + 1);
                        kept = number;
                    }
                }
            }
        }
    }
}
