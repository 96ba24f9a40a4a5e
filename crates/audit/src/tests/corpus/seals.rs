//! Dropped seals, added lines without a seal, and rewritten days; and what a writer that was taken
//! over can sign.

use super::bases::{days, days_from, uses};
use super::case::{Case, Files, is_sealed, lines_of, rechain, with_lines, without_seal};
use super::forge::{DAY, Forge, SECOND, said, time};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(dropped());
    cases.extend(keyless());
    cases.extend(rewritten());
    cases.extend(signed());
    cases
}

/// A line without its seal, which anybody can remove without another change.
fn dropped() -> Vec<Case> {
    let forge = days();
    let log = forge.log();
    let lines = lines_of(&log);
    let sealed: Vec<_> = (0..lines.len())
        .filter(|&at| is_sealed(&lines[at].1))
        .collect();
    let mut cases = Vec::new();
    for &at in &sealed {
        let mut lines = lines.clone();
        lines[at].1 = without_seal(&lines[at].1);
        let name = format!("no seal on line {at}");
        cases.push(Case::new(name, with_lines(&log, &lines), &[6, 7, 8, 11]).noted(&forge));
    }
    let case = |what: &str, from: usize, to: usize| {
        let mut lines = lines.clone();
        for (_, line) in &mut lines[from..to] {
            *line = without_seal(line);
        }
        Case::new(what, with_lines(&log, &lines), &[6, 7, 8, 11]).noted(&forge)
    };
    let second = lines
        .iter()
        .position(|(name, _)| *name != lines[0].0)
        .unwrap();
    cases.push(case("no seal at all", 0, lines.len()));
    cases.push(case("no seal but the first", 1, lines.len()));
    cases.push(case("a day without seals", second + 1, lines.len() - 20));
    cases.push(case("no seal on a first day", 1, second));
    // A seal from another line, or from another log.
    let seal = |line: &str| line[line.find(",\"seal\":{").unwrap()..].to_owned();
    let other = lines_of(&days_from(7).log());
    for (what, from) in [
        ("another line", &lines[sealed[3]].1),
        ("another log", &other[sealed[2]].1),
    ] {
        if is_sealed(from) {
            let mut lines = lines.clone();
            lines[sealed[2]].1 = without_seal(&lines[sealed[2]].1)
                .trim_end_matches('}')
                .to_owned()
                + &seal(from);
            cases.push(
                Case::new(
                    format!("the seal of {what}"),
                    with_lines(&log, &lines),
                    &[7],
                )
                .noted(&forge),
            );
        }
    }
    cases
}

/// Lines that anybody can append: correct except that no seal follows.
fn keyless() -> Vec<Case> {
    let mut cases = Vec::new();
    for count in [1, 15, 16, 17, 400, 10_000] {
        for torn in [&b""[..], b"{", &[b'x'; 65_535], &[b'x'; 65_536]] {
            if count == 10_000 && torn.len() > 1 {
                continue;
            }
            let mut forge = days();
            let mut log = forge.log();
            forge.unsealed(&uses(count));
            forge
                .files
                .get_mut(&forge.segment)
                .unwrap()
                .extend_from_slice(torn);
            log.insert(forge.segment.clone(), forge.files[&forge.segment].clone());
            let is_honest = count < 16 && torn.len() < 65_536;
            let may: &[u8] = if is_honest { &[] } else { &[8] };
            let name = format!("{count} keyless lines and {} bytes", torn.len());
            cases.push(Case::new(name, log, may).noted(&forge));
        }
    }
    // A forged segment, after the last one looks closed.
    let mut forge = days();
    let mut log = forge.log();
    let mut other = days_from(9);
    other.last.clone_from(&forge.last);
    other.fingerprint.clone_from(&forge.fingerprint);
    other.files.clear();
    other.open();
    other.work(5);
    log.extend(other.files.clone());
    cases.push(Case::new("a segment sealed by others", log, &[6, 7, 11]).noted(&forge));
    // The same after a closing line without a seal.
    let mut log = forge.log();
    let details = format!("{{\"segment\":\"{}\"}}", forge.segment);
    forge.unsealed(&[("SEGMENT_CLOSED", details)]);
    log.extend(forge.files.clone());
    other.last.clone_from(&forge.last);
    other.files.clear();
    other.open();
    log.extend(other.files);
    cases.push(Case::new("a close without a seal, and a segment", log, &[6, 7, 8]).noted(&forge));
    cases
}

/// Rewritten days: without seals, with invented ones, or as a whole log.
fn rewritten() -> Vec<Case> {
    let forge = days();
    let log = forge.log();
    let lines = lines_of(&log);
    let mut cases = Vec::new();
    // From some line on, with correct hashes and the old seals, or none.
    for from in [0, 2, lines.len() / 3, lines.len() / 2, lines.len() - 2] {
        for keeps_seals in [true, false] {
            let mut lines = lines.clone();
            for (_, line) in &mut lines[from..] {
                *line = line.replacen("alice@", "mallory@", 1);
                if !keeps_seals {
                    *line = without_seal(line);
                }
            }
            rechain(&mut lines, from);
            let name = format!("rewritten from line {from}, seals {keeps_seals}");
            let may = &[5, 6, 7, 8, 11];
            cases.push(Case::new(name, with_lines(&log, &lines), may).noted(&forge));
        }
    }
    // With other keys: only the fingerprint reveals it.
    for seed in 30..34 {
        let other = days_from(seed);
        cases.push(Case::new(format!("another log {seed}"), other.log(), &[12]).noted(&forge));
        let case = Case::new(
            format!("another log {seed}, and an anchor"),
            other.log(),
            &[12],
        );
        cases.push(case.anchored(forge.anchor()));
    }
    // One day of another log among those of this one.
    let other = days_from(35).log();
    let names: Vec<_> = log.keys().filter(|name| name.starts_with('0')).collect();
    for (at, name) in names.iter().enumerate() {
        let bytes = other
            .iter()
            .filter(|(name, _)| name.starts_with('0'))
            .nth(at)
            .unwrap()
            .1;
        let mut log = log.clone();
        log.insert((*name).clone(), bytes.clone());
        let may = &[4, 5, 6, 7, 11, 12];
        cases.push(Case::new(format!("day {at} of another log"), log, may).noted(&forge));
    }
    // Naming this log's fingerprint does not help.
    let mut other = Forge::new(36);
    other.fingerprint.clone_from(&forge.fingerprint);
    other.open();
    other.work(5);
    cases.push(Case::new("the fingerprint of this log", other.log(), &[6, 7]).noted(&forge));
    cases
}

/// Logs that only a writer with the log's keys can make, each of which breaks one rule.
fn signed() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |what: &str, rule: u8, write: &dyn Fn(&mut Forge)| {
        let mut forge = days();
        write(&mut forge);
        forge.work(2);
        cases.push(Case::new(what, forge.log(), &[rule]).noted(&forge));
    };
    let one = || uses(1);
    let prev = |body: String, prev: &str| format!("{}{prev}\"", &body[..body.len() - 65]);
    case("a number left out", 4, &|forge| {
        let next = forge.last.0 + 1;
        forge.append_with(&uses(1), |body| {
            body.replacen(
                &format!("{{\"seq\":{next}"),
                &format!("{{\"seq\":{}", next + 1),
                1,
            )
        });
    });
    case("a number twice", 4, &|forge| {
        forge.last.0 -= 1;
        forge.append(&uses(1));
    });
    case("a link to nothing", 5, &|forge| {
        forge.append_with(&uses(1), |body| prev(body, &"0".repeat(64)));
    });
    case("a link past a line", 5, &|forge| {
        let before = forge.last.1.clone();
        forge.append(&uses(1));
        forge.append_with(&uses(1), |body| prev(body, &before));
    });
    case("a segment that links to nothing", 5, &|forge| {
        forge.close();
        forge.open_with(|body| prev(body, &"0".repeat(64)));
    });
    case("a segment opened within one", 6, &|forge| {
        forge.append(&[said("SEGMENT_OPENED", "{}")]);
    });
    case("a segment closed within one", 6, &|forge| {
        forge.append(&[said("SEGMENT_CLOSED", "{}")]);
    });
    case("a segment that is not closed", 6, &|forge| {
        forge.now += DAY;
        forge.open();
    });
    case("a segment closed as something else", 6, &|forge| {
        forge.close_with(|body| body.replacen("SEGMENT_CLOSED", "SEGMENT_CLOSES", 1));
        forge.open();
    });
    case("a segment opened as something else", 6, &|forge| {
        forge.close();
        forge.open_with(|body| body.replacen("SEGMENT_OPENED", "SEGMENT_OPENS", 1));
    });
    for (what, from, to) in [
        ("file", "{\"segment\":\"0", "{\"segment\":\"1"),
        ("no file", "{\"segment\":", "{\"piece\":"),
        ("fingerprint", "\"fingerprint\":\"", "\"fingerprint\":\"x"),
        ("no key", "\"key\":", "\"door\":"),
    ] {
        case(&format!("a segment of another {what}"), 6, &|forge| {
            forge.close();
            forge.open_with(|body| body.replacen(from, to, 1));
        });
    }
    case("seventeen lines with one seal", 8, &|forge| {
        forge.append(&uses(17));
    });
    case("forty lines with one seal", 8, &|forge| {
        forge.append(&uses(40));
    });
    case("a time that goes back", 9, &|forge| {
        forge.now -= SECOND;
        forge.append(&one());
    });
    case("a time that goes back by the least", 9, &|forge| {
        forge.append(&one());
        forge.now -= 1;
        forge.append(&one());
    });
    case("a time that goes back within an append", 9, &|forge| {
        let earlier = time(forge.now - SECOND);
        let now = time(forge.now);
        forge.append_with(&uses(3), |body| body.replacen(&now, &earlier, 1));
    });
    case("the next day", 9, &|forge| {
        forge.now += DAY;
        forge.append(&one());
    });
    case("the day before", 9, &|forge| {
        forge.now -= DAY;
        forge.append(&one());
    });
    case("a close on the next day", 9, &|forge| {
        let (now, tomorrow) = (time(forge.now), time(forge.now + DAY));
        forge.append(&one());
        forge.close_with(|body| body.replacen(&now, &tomorrow, 1));
        forge.open();
    });
    cases.push(closed_with_another_key());
    cases
}

/// A SEGMENT_CLOSED whose seal announces another key than the first line did.
fn closed_with_another_key() -> Case {
    let mut forge = days();
    forge.append(&[said("SEGMENT_CLOSED", "{}")]);
    let log: Files = forge.log();
    Case::new("a close that names another key", log, &[6]).noted(&forge)
}
