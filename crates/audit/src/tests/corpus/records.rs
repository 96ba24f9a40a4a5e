//! Removals, the head, fingerprints and anchors.

use super::bases::{REMOVED, days, days_to_prune, pruned, pruned_with, uses};
use super::case::{Case, Entry, hash_of, lines_of, number_of};
use super::forge::{Forge, said, time};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(removals());
    cases.extend(unrecorded());
    cases.extend(removed_lines());
    cases.extend(holds());
    cases.extend(heads());
    cases
}

/// Wrong records of a removal, signed by the log's own writer.
#[allow(clippy::too_many_lines)] // a list
fn removals() -> Vec<Case> {
    let changed = |what: &str, from: &str, to: &str| {
        let forge = pruned_with(|body| {
            assert!(body.contains(from), "{what}");
            body.replacen(from, to, 1)
        });
        Case::new(what, forge.log(), &[10]).noted(&forge)
    };
    let details = days_to_prune().pruned(REMOVED, 86_400);
    let value = |key: &str| {
        let from = details.find(&format!("\"{key}\":")).unwrap();
        let rest = &details[from..];
        rest[..rest.find([',', '}']).unwrap()].to_owned()
    };
    let mut cases = Vec::new();
    for (key, other) in [("segments", "99"), ("first_seq", "2"), ("first_seq", "0")] {
        let false_one = format!("\"{key}\":{other}");
        let what = format!("a removal with a false {key}, {other}");
        cases.push(changed(&what, &value(key), &false_one));
    }
    let of_another_day = "\"from\":\"2025-01-01T00:00:00.000000Z\"";
    // A time contains colons, so the value of the detail ends at the next comma.
    cases.push(changed(
        "a removal with a false from",
        &value("from"),
        of_another_day,
    ));
    for key in [
        "segments",
        "first_seq",
        "last_seq",
        "last_hash",
        "from",
        "to",
        "retention_seconds",
    ] {
        let value = value(key);
        let none = format!("\"{key}\":null");
        cases.push(changed(
            &format!("a removal with no {key}"),
            &value,
            "\"note\":1",
        ));
        cases.push(changed(
            &format!("a removal with a null {key}"),
            &value,
            &none,
        ));
    }
    let forge = days_to_prune();
    let last: u64 = value("last_seq")["\"last_seq\":".len()..].parse().unwrap();
    for (what, key, to) in [
        (
            "of one line less",
            "last_seq",
            format!("\"last_seq\":{}", last - 1),
        ),
        (
            "of one line more",
            "last_seq",
            format!("\"last_seq\":{}", last + 1),
        ),
        (
            "of lines to come",
            "last_seq",
            "\"last_seq\":9999".to_owned(),
        ),
        (
            "of another hash",
            "last_hash",
            format!("\"last_hash\":\"{}\"", "0".repeat(64)),
        ),
        (
            "of another end",
            "to",
            format!("\"to\":\"{}\"", time(forge.now)),
        ),
        ("of an earlier end", "to", format!("\"to\":\"{}\"", time(0))),
        (
            "under a longer retention",
            "retention_seconds",
            "\"retention_seconds\":8640000".to_owned(),
        ),
        (
            "under a retention without end",
            "retention_seconds",
            format!("\"retention_seconds\":{}", u64::MAX),
        ),
        (
            "under a negative retention",
            "retention_seconds",
            "\"retention_seconds\":-1".to_owned(),
        ),
        ("with a time zone", "to", value("to").replace('Z', "+00:00")),
    ] {
        cases.push(changed(&format!("a removal {what}"), &value(key), &to));
    }
    for (days, rules) in [(3, &[][..]), (4, &[12]), (400, &[12])] {
        let forge = pruned();
        let name = format!("a retention of {days} days");
        cases.push(
            Case::new(name, forge.log(), rules)
                .kept_for(days)
                .noted(&forge),
        );
    }
    // A later removal that is too early, of segments that still exist.
    let mut forge = pruned();
    let details = forge.pruned(REMOVED + 3, 86_400);
    forge.append(&[("AUDIT_PRUNED", details)]);
    forge.work(1);
    cases.push(Case::new("a second removal, too early", forge.log(), &[10]).noted(&forge));
    cases
}

/// Missing days without a valid record.
fn unrecorded() -> Vec<Case> {
    let mut cases = Vec::new();
    let gone = |forge: &mut Forge, count: usize| forge.remove(count);
    for count in 1..=3 {
        let mut forge = days_to_prune();
        gone(&mut forge, count);
        cases.push(Case::new(format!("{count} days gone"), forge.log(), &[10]).noted(&forge));
        let mut log = forge.log();
        log.remove("removed.jsonl");
        cases.push(
            Case::new(format!("{count} days gone without a trace"), log, &[10]).noted(&forge),
        );
    }
    // More was removed than recorded.
    let mut forge = pruned();
    gone(&mut forge, REMOVED + 1);
    cases.push(Case::new("a day more than recorded", forge.log(), &[10]).noted(&forge));
    // The record exists, but has no seal.
    let mut forge = days_to_prune();
    let head = forge.head();
    let details = forge.pruned(REMOVED, 86_400);
    forge.unsealed(&[("AUDIT_PRUNED", details)]);
    gone(&mut forge, REMOVED);
    let mut log = forge.log();
    log.insert("head".to_owned(), head);
    cases.push(Case::new("a removal that is not sealed", log, &[10]).noted(&forge));
    // Between sealed lines, with a correct hash.
    let mut forge = days_to_prune();
    let details = forge.pruned(REMOVED, 86_400);
    forge.append(&[said("AUDIT_PRUNEDX", &details)]);
    gone(&mut forge, REMOVED);
    cases.push(Case::new("a removal by another name", forge.log(), &[10]).noted(&forge));
    cases
}

/// The first lines of removed segments.
fn removed_lines() -> Vec<Case> {
    let forge = pruned();
    let log = forge.log();
    let text = String::from_utf8(log["removed.jsonl"].clone()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let with = |what: String, text: String| {
        let mut log = log.clone();
        log.insert("removed.jsonl".to_owned(), text.into_bytes());
        Case::new(what, log, &[6, 10, 11, 12]).noted(&forge)
    };
    let mut cases = Vec::new();
    for at in 0..REMOVED {
        let mut left_out = lines.clone();
        left_out.remove(at);
        cases.push(with(
            format!("removed line {at} left out"),
            left_out.concat(),
        ));
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        cases.push(with(format!("removed line {at} twice"), twice.concat()));
        let mut swapped = lines.clone();
        swapped.swap(at, (at + 1) % REMOVED);
        cases.push(with(format!("removed line {at} moved"), swapped.concat()));
        for (what, from, to) in [
            ("edited", "alice@", "mallory@"),
            ("with a space", "\"uid\":", "\"uid\": "),
            ("with another seal", "\"sig\":\"", "\"sig\":\"0"),
            ("without a seal", ",\"seal\"", "}\n"),
            ("of another type", "SEGMENT_OPENED", "SEGMENT_OPENEX"),
        ] {
            let changed = lines[at].replacen(from, to, 1);
            let mut lines = lines.clone();
            lines[at] = &changed;
            cases.push(with(format!("removed line {at} {what}"), lines.concat()));
        }
    }
    cases.push(with("no removed line".to_owned(), String::new()));
    cases.push(with(
        "a removed line too many".to_owned(),
        format!("{text}{{}}\n"),
    ));
    cases.push(with(
        "removed lines with a torn end".to_owned(),
        format!("{text}{{"),
    ));
    cases.push(with(
        "a line before the removed ones".to_owned(),
        format!("\n{text}"),
    ));
    cases.push(with(
        "removed lines without a line end".to_owned(),
        text[..text.len() - 1].to_owned(),
    ));
    cases.push(with(
        "a removed line without end".to_owned(),
        "x".repeat(100_000),
    ));
    let other = String::from_utf8(
        {
            let mut other = Forge::new(50);
            other.open();
            other.next_day();
            other.next_day();
            other.remove(2);
            other.files
        }["removed.jsonl"]
            .clone(),
    );
    cases.push(with(
        "removed lines of another log".to_owned(),
        other.unwrap(),
    ));
    let mut without = log.clone();
    without.remove("removed.jsonl");
    cases.push(Case::new("no removed.jsonl", without.clone(), &[10]).noted(&forge));
    let link = Case::new("a removed.jsonl that is a link", without, &[1, 10]);
    cases.push(
        link.with("removed.jsonl", Entry::Link("/dev/zero"))
            .noted(&forge),
    );
    // With lines of existing segments, which are not checked.
    let first = lines_of(&log)[0].1.clone();
    cases.push(
        Case::honest("a removed line of a segment that is there", {
            let mut log = log.clone();
            log.insert(
                "removed.jsonl".to_owned(),
                format!("{text}{first}\n").into_bytes(),
            );
            log
        })
        .noted(&forge),
    );
    cases
}

/// Removals while a hold was in force.
fn holds() -> Vec<Case> {
    let hold = |event_type, name: &str| said(event_type, &format!("{{\"hold\":\"{name}\"}}"));
    let case = |what: &str, before: &[super::forge::Said], rules: &[u8]| {
        let mut forge = days_to_prune();
        for event in before {
            forge.append(std::slice::from_ref(event));
        }
        let details = forge.pruned(REMOVED, 86_400);
        forge.append(&[("AUDIT_PRUNED", details)]);
        forge.remove(REMOVED);
        forge.append(&[hold("AUDIT_HOLD_REMOVED", "case-7")]);
        Case::new(what, forge.log(), rules).noted(&forge)
    };
    let (added, removed) = ("AUDIT_HOLD_ADDED", "AUDIT_HOLD_REMOVED");
    let named = |name: &str, other: &str, rules: &[u8]| {
        let details = |name: &str| match name {
            "" => "{}".to_owned(),
            name => format!("{{\"hold\":{name}}}"),
        };
        let before = [said(added, &details(name)), said(removed, &details(other))];
        case(
            &format!("the hold {name}, and {other} removed"),
            &before,
            rules,
        )
    };
    let mut cases: Vec<_> = [
        ("null", "\"null\""),
        ("null", "\"None\""),
        ("", "\"null\""),
        ("true", "\"true\""),
        ("true", "\"True\""),
        ("1", "\"1\""),
        ("1", "true"),
        ("[1,2]", "\"[1, 2]\""),
        ("[1,2]", "\"[1,2]\""),
        ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"),
    ]
    .into_iter()
    .map(|(name, other)| named(name, other, &[10]))
    .collect();
    let same = ["null", "true", "1", "[1,2]", "\"\\\"é\\n\""];
    cases.extend(same.map(|name| named(name, name, &[])));
    cases.push(named("", "null", &[]));
    cases.extend([
        case("a removal under a hold", &[hold(added, "case-7")], &[10]),
        case(
            "a removal under the second hold",
            &[
                hold(added, "case-7"),
                hold(added, "case-8"),
                hold(removed, "case-8"),
            ],
            &[10],
        ),
        case(
            "a removal under a hold that came back",
            &[
                hold(added, "case-7"),
                hold(removed, "case-7"),
                hold(added, "case-7"),
            ],
            &[10],
        ),
        case(
            "a removal after a hold",
            &[hold(added, "case-7"), hold(removed, "case-7")],
            &[],
        ),
    ]);
    cases
}

fn heads() -> Vec<Case> {
    let forge = days();
    let log = forge.log();
    let head = String::from_utf8(log["head"].clone()).unwrap();
    let with = |what: &str, head: Vec<u8>| {
        let mut log = log.clone();
        log.insert("head".to_owned(), head);
        Case::new(what, log, &[11]).noted(&forge)
    };
    let edited = |what: &str, from: &str, to: &str| {
        assert!(head.contains(from), "{what}");
        with(what, head.replacen(from, to, 1).into_bytes())
    };
    let lines = lines_of(&log);
    let hash = &forge.last.1;
    let empty = {
        let mut log = log.clone();
        log.insert("head".to_owned(), Vec::new());
        Case::honest("an empty head", log).noted(&forge)
    };
    let mut cases = vec![
        empty,
        with("a head of garbage", b"garbage".to_vec()),
        with("a head of zeros", vec![0; 512]),
        with("a head of spaces", vec![b' '; 512]),
        with(
            "a head without its spaces",
            head.trim_end().as_bytes().to_vec(),
        ),
        with("a head with a byte more", format!("{head} ").into_bytes()),
        with(
            "a head with a line more",
            format!("{head}{head}").into_bytes(),
        ),
        with(
            "a head without its line end",
            head.trim_end_matches('\n').as_bytes().to_vec(),
        ),
        edited("a head of another spelling", "\"seq\":", "\"seq\": "),
        edited("a head with a key more", "\"sig\"", "\"note\":1,\"sig\""),
        edited("a head of another hash", hash, &"0".repeat(64)),
        edited("a head of another log", &forge.fingerprint, &"1".repeat(64)),
        edited("a head of another number", "\"seq\":", "\"seq\":1"),
        edited(
            "a head of number 0",
            &format!("\"seq\":{}", forge.last.0),
            "\"seq\":0",
        ),
        edited("a head with another signature", "\"sig\":\"", "\"sig\":\"0"),
        with("the head of another log", {
            let mut other = Forge::new(60);
            other.open();
            other.head()
        }),
    ];
    // Signed for an earlier line with the current key.
    for at in [0, lines.len() / 2, lines.len() - 2] {
        let line = (number_of(&lines[at].1), hash_of(&lines[at].1));
        let head = forge.head_of(&line, &forge.fingerprint);
        cases.push(with(&format!("a head that names line {at}"), head));
    }
    let wrong = forge.head_of(&forge.last, &"1".repeat(64));
    cases.push(with("a head signed for another fingerprint", wrong));
    let next = forge.head_of(
        &(forge.last.0 + 1, forge.last.1.clone()),
        &forge.fingerprint,
    );
    cases.push(with("a head signed for a line to come", next));
    // Earlier heads: they leave the end unchecked, which is not a finding.
    let mut later = days();
    for behind in 1..8 {
        later.append(&uses(1));
        let mut log = later.log();
        log.insert("head".to_owned(), head.clone().into_bytes());
        cases.push(Case::honest(format!("a head {behind} appends behind"), log).noted(&forge));
    }
    cases
}
