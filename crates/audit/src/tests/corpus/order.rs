//! Lines and files that were truncated, left out, moved, duplicated, renamed or inserted.

use super::bases::days;
use super::case::{Case, Entry, Files, Lines, is_sealed, lines_of, number_of, with_lines};
use super::forge::{Forge, Random, segment_name};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(cuts());
    cases.extend(cuts_within());
    cases.extend(moves());
    cases.extend(segments());
    cases.extend(names());
    cases
}

fn logged() -> (Forge, Files, Lines) {
    let forge = days();
    let log = forge.log();
    let lines = lines_of(&log);
    (forge, log, lines)
}

/// The log truncated after every line. Without a head, a log that ends with a seal is valid; an
/// anchor distinguishes it from the original.
fn cuts() -> Vec<Case> {
    let (forge, log, lines) = logged();
    let mut cases = Vec::new();
    let seals: Vec<_> = (0..lines.len())
        .filter(|&at| is_sealed(&lines[at].1))
        .collect();
    for end in 1..lines.len() {
        // A crash may leave a head that is one append behind; an anchor names the exact end.
        let cut = with_lines(&log, &lines[..end]);
        cases.push(Case::new(format!("cut after line {end}"), cut.clone(), &[8, 11]).noted(&forge));
        if end % 4 == 0 {
            let mut cut = cut;
            cut.remove("head");
            let case = Case::new(format!("cut after line {end}, no head"), cut, &[8, 12]);
            cases.push(case.anchored(forge.anchor()).noted(&forge));
        }
    }
    let mut cut = with_lines(&log, &lines[..=seals[seals.len() - 3]]);
    cut.remove("head");
    cases.push(Case::honest("cut at a seal, and nothing noted", cut).noted(&forge));
    cases
}

/// The log truncated within a line.
fn cuts_within() -> Vec<Case> {
    let (forge, log, _) = logged();
    let mut random = Random::new(20);
    let cut = |_| {
        let mut log = log.clone();
        let file = log.get_mut(&forge.segment).unwrap();
        let end = random.below(file.len() - 1);
        file.truncate(end);
        Case::new(format!("cut at byte {end}"), log, &[8, 11]).noted(&forge)
    };
    (0..12).map(cut).collect()
}

/// Lines left out, duplicated, moved and swapped.
fn moves() -> Vec<Case> {
    let (forge, log, lines) = logged();
    let mut random = Random::new(21);
    let mut cases = Vec::new();
    let may = &[4, 5, 6, 7, 8, 9, 11];
    for _ in 0..14 {
        let (one, two) = (random.below(lines.len()), random.below(lines.len()));
        let mut case = |what: &str, changed: Lines| {
            if changed != lines {
                cases.push(Case::new(what, with_lines(&log, &changed), may).noted(&forge));
            }
        };
        let mut changed = lines.clone();
        changed.remove(one);
        case(&format!("line {one} left out"), changed);
        let mut changed = lines.clone();
        changed.insert(one, lines[one].clone());
        case(&format!("line {one} twice"), changed);
        let mut changed = lines.clone();
        let line = changed[one].1.clone();
        let place = (changed[two].0.clone(), line);
        changed.insert(two, place);
        case(&format!("line {one} before line {two} too"), changed);
        let mut changed = lines.clone();
        changed[one].1.clone_from(&lines[two].1);
        changed[two].1.clone_from(&lines[one].1);
        case(&format!("lines {one} and {two} swapped"), changed);
    }
    // A whole append left out, with its seal.
    let seals: Vec<_> = (0..lines.len())
        .filter(|&at| is_sealed(&lines[at].1))
        .collect();
    for pair in seals.windows(2).step_by(3) {
        let mut changed = lines.clone();
        changed.drain(pair[0] + 1..=pair[1]);
        let name = format!("the append that ends in line {} left out", pair[1]);
        cases.push(Case::new(name, with_lines(&log, &changed), may).noted(&forge));
    }
    cases
}

/// Segments left out, exchanged, joined and emptied.
fn segments() -> Vec<Case> {
    let (forge, log, lines) = logged();
    let names: Vec<_> = log
        .keys()
        .filter(|name| name.starts_with('0'))
        .cloned()
        .collect();
    let [first, second, third] = &names[..] else {
        panic!("{names:?}");
    };
    let case = |what: &str, may: &[u8], change: &dyn Fn(&mut Files)| {
        let mut log = log.clone();
        change(&mut log);
        Case::new(what, log, may).noted(&forge)
    };
    let renamed = |from: &str, to: String| {
        let mut log = log.clone();
        let bytes = log.remove(from).unwrap();
        log.insert(to.clone(), bytes);
        Case::new(format!("{from} as {to}"), log, &[4, 5, 6, 7, 8, 10, 11]).noted(&forge)
    };
    let joined = |log: &mut Files| {
        let bytes = log.remove(second).unwrap();
        log.get_mut(first).unwrap().extend_from_slice(&bytes);
    };
    let exchanged = |log: &mut Files| {
        let (one, two) = (log[second].clone(), log[third].clone());
        log.insert(second.clone(), two);
        log.insert(third.clone(), one);
    };
    let split = |log: &mut Files| {
        let at = lines.iter().position(|(name, _)| name == second).unwrap() + 4;
        let mut lines = lines.clone();
        let name = segment_name(number_of(&lines[at].1));
        let moved = lines[at..].iter_mut().filter(|(name, _)| name == second);
        moved.for_each(|line| line.0.clone_from(&name));
        *log = with_lines(log, &lines);
    };
    vec![
        case("no first segment", &[10], &|log| drop(log.remove(first))),
        case("no second segment", &[4, 5, 6, 7], &|log| {
            drop(log.remove(second));
        }),
        case("no third segment", &[11], &|log| drop(log.remove(third))),
        case("no segment", &[1, 11, 12], &|log| {
            log.retain(|name, _| name == "head");
        }),
        case("no file", &[1, 12], &Files::clear),
        case("an empty first segment", &[4, 5, 6], &|log| {
            log.get_mut(first).unwrap().clear();
        }),
        case("an empty second segment", &[4, 5, 6], &|log| {
            log.get_mut(second).unwrap().clear();
        }),
        case("an empty third segment", &[11], &|log| {
            log.get_mut(third).unwrap().clear();
        }),
        case("only empty segments", &[1, 6, 11, 12], &|log| {
            for (_, bytes) in log.iter_mut().filter(|(name, _)| name.starts_with('0')) {
                bytes.clear();
            }
        }),
        case("two segments in one file", &[6, 7, 9], &joined),
        case("two segments exchanged", &[4, 5, 6, 7, 11], &exchanged),
        case("a segment in two files", &[6, 7], &split),
        case("a segment twice", &[4, 5, 6, 7, 11], &|log| {
            let name = segment_name(number_of(&lines[lines.len() - 1].1) + 1);
            log.insert(name, log[third].clone());
        }),
        renamed(second, segment_name(number_of_name(second) + 1)),
        renamed(second, segment_name(number_of_name(second) - 1)),
        renamed(first, segment_name(2)),
        renamed(third, segment_name(9_999_999_999_999_999)),
    ]
}

fn number_of_name(name: &str) -> u64 {
    name[..16].parse().unwrap()
}

/// Names like those of the log's files.
fn names() -> Vec<Case> {
    let (forge, log, _) = logged();
    let mut cases = Vec::new();
    for name in [
        "0000000000000000.jsonl",
        "1.jsonl",
        "00000000000000001.jsonl",
        "0000000000000001.jsonl.bak",
        "0000000000000001.jsonl~",
        ".0000000000000001.jsonl.swp",
        "000000000000000a.jsonl",
        "+000000000000001.jsonl",
        "0000000000000001.jsonl\n",
        "old.jsonl",
        "removed.jsonl.old",
        ".jsonl",
        "\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}.jsonl",
    ] {
        let mut log = log.clone();
        log.insert(name.to_owned(), b"x\n".to_vec());
        cases.push(Case::new(format!("a file {name:?}"), log, &[1]).noted(&forge));
    }
    let case = |what: &str, may: &[u8], name: &str, entry: Entry| {
        Case::new(what, log.clone(), may)
            .with(name, entry)
            .noted(&forge)
    };
    let new = segment_name(forge.last.0 + 1);
    let (second, third) = (log.keys().nth(1).unwrap(), &forge.segment);
    let moved = |what: &str, name: &str, may: &[u8]| {
        let mut log = log.clone();
        let bytes = log.remove(name).unwrap();
        log.insert("moved".to_owned(), bytes);
        Case::new(what, log, may)
            .with(name, Entry::Link("moved"))
            .noted(&forge)
    };
    cases.extend([
        case("a link to /dev/zero", &[1], &new, Entry::Link("/dev/zero")),
        case("a link to nothing", &[1], &new, Entry::Link("nothing")),
        case("a pipe", &[1], &new, Entry::Pipe),
        case("a directory", &[1], &new, Entry::Directory),
        case(
            "a link by another name",
            &[1],
            "x.jsonl",
            Entry::Link("/dev/zero"),
        ),
        case(
            "a removed.jsonl that is a pipe",
            &[1],
            "removed.jsonl",
            Entry::Pipe,
        ),
        case("a head that is a pipe", &[11], "head", Entry::Pipe),
        case(
            "a head that is a link",
            &[11],
            "head",
            Entry::Link("/dev/zero"),
        ),
        case(
            "a head that is a directory",
            &[11],
            "head",
            Entry::Directory,
        ),
        moved("a segment that is a link", second, &[1, 4, 5, 6, 7]),
        moved("a last segment that is a link", third, &[1, 11]),
        moved("a head that is a link to one", "head", &[11]),
    ]);
    let mut extra = log;
    for name in [
        "notes.txt",
        "unsealed-5-00000000000000ab.part",
        "pruning",
        "anchors.json",
        "0000000000000001",
    ] {
        extra.insert(name.to_owned(), b"x\n".to_vec());
    }
    cases.push(Case::honest("other files", extra).noted(&forge));
    cases
}
