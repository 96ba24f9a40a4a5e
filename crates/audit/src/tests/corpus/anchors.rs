//! Anchors that do not match, with any text around them.

use super::bases::{days, pruned, uses};
use super::case::{Case, Files, hash_of, lines_of, number_of, with_lines};
use super::forge::Forge;

pub(super) fn cases() -> Vec<Case> {
    let forge = days();
    let log = forge.log();
    let lines = lines_of(&log);
    let case = |what: &str, anchors: String| Case::new(what, log.clone(), &[12]).anchored(anchors);
    let (seq, hash) = forge.last.clone();
    let mut cases = Vec::new();
    let mut wrong = Case::new("another fingerprint", log.clone(), &[12]);
    wrong.fingerprint = Some("0".repeat(64));
    cases.push(wrong);
    cases.push(case(
        "an anchor of a line to come",
        forge.anchor_of(seq + 1, &hash),
    ));
    cases.push(case(
        "an anchor of another line",
        forge.anchor_of(seq - 1, &hash),
    ));
    cases.push(case(
        "an anchor of another hash",
        forge.anchor_of(seq, &"0".repeat(64)),
    ));
    cases.push(case("a wrong anchor among good ones", {
        let good = |line: &str| forge.anchor_of(number_of(line), &hash_of(line));
        let mut anchors: Vec<_> = lines.iter().map(|(_, line)| good(line)).collect();
        anchors[7] = forge.anchor_of(8, &"1".repeat(64));
        anchors.concat()
    }));
    cases.push(case("an anchor of another log", {
        let mut other = Forge::new(70);
        other.open();
        other.anchor()
    }));
    // Set back and continued differently: each log is valid, but the two form a fork.
    let fork = |seed: u64| {
        let mut forge = days();
        forge.random = super::forge::Random::new(seed);
        forge.work(4);
        forge
    };
    let (one, two) = (fork(71), fork(72));
    let both = format!("{}{}", one.anchor(), two.anchor());
    let name = "a fork, held against what it forked from";
    cases.push(Case::new(name, one.log(), &[12]).anchored(both).noted(&one));
    let syslog = |forge: &Forge| {
        let ((seq, hash), fingerprint) = (&forge.last, &forge.fingerprint);
        format!("x nightlatch[1]: audit anchor seq={seq} hash={hash} fingerprint={fingerprint}\n")
    };
    let mut three = days();
    three.append(&uses(1));
    let (mut four, mut end) = (days(), days());
    four.random = super::forge::Random::new(73);
    four.append(&uses(1));
    end.append(&uses(1));
    let fork = format!("{}{}", syslog(&three), syslog(&four));
    let line = fork.replace('\n', " ");
    let case = Case::new("two anchors of one number", end.log(), &[12]).anchored(fork);
    cases.push(case);
    let case = Case::new("the two on one line", end.log(), &[12]).anchored(line);
    cases.push(case);
    // An anchor of the events that were set back, from a log that was pruned since.
    let (mut older, newer) = (pruned(), pruned());
    older.work(2);
    let log: Files = newer.log();
    cases.push(Case::new("set back before an anchor", log, &[12]).anchored(older.anchor()));
    cases.extend(spelled_otherwise());
    cases.extend(of_nothing());
    cases
}

/// A wrong anchor between bytes that a system log may have around it.
fn spelled_otherwise() -> Vec<Case> {
    let forge = days();
    let ((seq, _), fingerprint) = (&forge.last, &forge.fingerprint);
    let hash = "0".repeat(64);
    let spelled = |parts: [&[u8]; 4]| {
        let [before, one, other, after] = parts;
        let (seq, hash) = (format!("seq={seq}"), format!("hash={hash}"));
        let fingerprint = format!("fingerprint={fingerprint}");
        let parts = [
            before,
            seq.as_bytes(),
            one,
            hash.as_bytes(),
            other,
            fingerprint.as_bytes(),
            after,
        ];
        parts.concat()
    };
    let found: [(&str, [&[u8]; 4]); 5] = [
        ("no UTF-8 after it", [b"", b" ", b" ", b"\xff"]),
        (
            "no UTF-8 before it and in it",
            [b"\xe2", b"\xff", b" \x80", b""],
        ),
        (
            "a letter of two bytes after it",
            ["é".as_bytes(), b" ", b" ", "é".as_bytes()],
        ),
        (
            "quotation marks around it",
            ["“".as_bytes(), b" ", b" ", "”".as_bytes()],
        ),
        ("carriage returns in it", [b"\r", b"\r", b"\r", b"\r"]),
    ];
    let case = |(what, parts): (&str, _)| {
        let name = format!("a wrong anchor with {what}");
        Case::new(name, forge.log(), &[12]).anchored(spelled(parts))
    };
    found.into_iter().map(case).collect()
}

/// Anchors of a log without a fingerprint, or without events.
fn of_nothing() -> Vec<Case> {
    let (forge, pruned) = (days(), pruned());
    let anchors = format!("{}{}", forge.anchor(), forge.anchor_of(1, &"0".repeat(64)));
    let mut cases = vec![
        Case::new("anchors of no log at all", Files::new(), &[1, 12]).anchored(anchors.clone()),
    ];
    let mut lines = lines_of(&forge.log());
    lines.retain(|(name, _)| *name == lines_of(&forge.log())[0].0);
    lines[0].1 = "garbled".to_owned();
    let garbled = with_lines(&forge.log(), &lines);
    let may = [1, 2, 3, 4, 5, 6, 7, 8, 11];
    cases.push(Case::new("anchors of a garbled log", garbled, &may).anchored(anchors.clone()));
    lines.truncate(1);
    let may = [2, 11, 12];
    let nothing = with_lines(&forge.log(), &lines);
    cases.push(Case::new("anchors of a garbled line", nothing, &may).anchored(anchors));
    let mut empty = pruned.log();
    let first = lines_of(&empty)[0].0.clone();
    empty.retain(|name, _| !name.starts_with('0'));
    empty.insert(first, Vec::new());
    let anchor = pruned.anchor_of(1, &"0".repeat(64));
    let case = Case::new(
        "an anchor of before an empty segment",
        empty,
        &[1, 10, 11, 12],
    );
    cases.push(case.anchored(anchor));
    cases
}
