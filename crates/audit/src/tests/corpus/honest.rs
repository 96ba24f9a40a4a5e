//! Logs that were not tampered with.

use super::bases::{REMOVED, days, days_to_prune, pruned, uses};
use super::case::{Case, hash_of, lines_of, number_of, with_lines};
use super::forge::{DAY, Forge, SECOND, said};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let forge = days();
    let log = forge.log();
    cases.push(Case::honest("three days", log.clone()).noted(&forge));
    cases.push(Case::honest("no fingerprint noted", log.clone()));
    let mut without_head = log.clone();
    without_head.remove("head");
    cases.push(Case::honest("no head", without_head).noted(&forge));
    cases.push(
        Case::honest("anchored", log.clone())
            .anchored(forge.anchor())
            .noted(&forge),
    );
    cases.extend(ends());
    cases.extend(segments());
    cases.extend(removals());
    cases.extend(anchors());
    for seed in 100..110 {
        let mut forge = Forge::new(seed);
        forge.open();
        for _ in 0..forge.random.below(5) {
            let appends = forge.random.below(12);
            forge.work(appends);
            forge.next_day();
        }
        cases.push(Case::honest(format!("some days {seed}"), forge.log()).noted(&forge));
    }
    cases
}

/// Unsealed ends, as a crash leaves them.
fn ends() -> Vec<Case> {
    let mut cases = Vec::new();
    let torn = |length| vec![b'x'; length];
    for (lines, bytes) in [
        (0, torn(1)),
        (0, b"{\"seq\":99,\"id\":\"0197".to_vec()),
        (0, torn(65_535)),
        (0, vec![0; 4096]),
        (1, Vec::new()),
        (15, Vec::new()),
        (15, torn(65_535)),
    ] {
        let mut forge = days();
        let head = forge.head();
        forge.unsealed(&uses(lines));
        let mut log = forge.files.clone();
        log.get_mut(&forge.segment)
            .unwrap()
            .extend_from_slice(&bytes);
        log.insert("head".to_owned(), head);
        let name = format!("{lines} unsealed lines and {} bytes", bytes.len());
        cases.push(Case::honest(name, log).noted(&forge));
    }
    let mut forge = days();
    let head = forge.head();
    forge.work(1);
    let mut log = forge.log();
    log.insert("head".to_owned(), head);
    cases.push(Case::honest("head one append behind", log));
    // Malformed lines may also come from a crash, as long as no seal follows.
    let mut log = forge.log();
    log.get_mut(&forge.segment)
        .unwrap()
        .extend_from_slice(b"no line\n\n\xff\0\n");
    cases.push(Case::honest("garbage in the unsealed end", log).noted(&forge));
    cases
}

fn segments() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut forge = Forge::new(3);
    forge.open();
    cases.push(Case::honest("only opened", forge.log()));
    forge.append(&uses(16));
    cases.push(Case::honest("an append of sixteen", forge.log()));
    forge.close();
    cases.push(Case::honest("ends closed", forge.log()).noted(&forge));
    let name = super::forge::segment_name(forge.last.0 + 1);
    for (what, bytes) in [("empty", &b""[..]), ("torn", b"{\"seq\":")] {
        let mut log = forge.log();
        log.insert(name.clone(), bytes.to_vec());
        cases.push(Case::honest(format!("an {what} new segment"), log).noted(&forge));
    }
    forge.now -= 3600 * SECOND;
    forge.open();
    forge.work(3);
    forge.close();
    forge.now -= 2 * DAY;
    forge.open();
    forge.work(3);
    cases.push(Case::honest("a clock set back", forge.log()).noted(&forge));
    let mut forge = Forge::new(4);
    forge.open();
    forge.append(&[said(
        "AUDIT_NOTE",
        "{\"deep\":[[[1,-9223372036854775808,18446744073709551615]]]}",
    )]);
    forge.append(&[said("A", "{\"\":\"\u{feff}\\b\\t\\n\\f\\r\\\"\\\\\\u001f\u{7f}\u{2028}\",\",\\\"hash\\\":\\\"\":{\"hash\":\"x\"}}")]);
    forge.append_with(&uses(1), |body| {
        body.replace("\"alice@example.com\"", "null")
    });
    forge.append_with(&uses(1), |body| {
        body.replace("\"uid\":1000", "\"uid\":4294967295")
    });
    forge.append_with(&uses(1), |body| body.replace("\"pid\":4242", "\"pid\":0"));
    cases.push(Case::honest("every kind of value", forge.log()).noted(&forge));
    cases
}

fn removals() -> Vec<Case> {
    let mut cases = Vec::new();
    let forge = pruned();
    let log = forge.log();
    cases.push(Case::honest("pruned", log.clone()).noted(&forge));
    cases.push(Case::honest("pruned in time", log.clone()).kept_for(3));
    // A crash before, between and after the deletions of the files.
    for left in 0..=REMOVED {
        let mut forge = days_to_prune();
        let details = forge.pruned(REMOVED, 86_400);
        forge.append(&[("AUDIT_PRUNED", details)]);
        let mut log = forge.log();
        forge.remove(REMOVED);
        log.insert(
            "removed.jsonl".to_owned(),
            forge.files["removed.jsonl"].clone(),
        );
        let names: Vec<_> = log
            .keys()
            .filter(|name| name.starts_with('0'))
            .take(left)
            .cloned()
            .collect();
        for name in names {
            log.remove(&name);
        }
        cases.push(Case::honest(format!("removal of {left} segments"), log).noted(&forge));
    }
    let mut forge = pruned();
    forge.next_day();
    let details = forge.pruned(REMOVED + 1, 86_400);
    forge.append(&[("AUDIT_PRUNED", details)]);
    forge.remove(REMOVED + 1);
    cases.push(Case::honest("pruned twice", forge.log()).noted(&forge));
    let mut forge = days_to_prune();
    for (event_type, hold) in [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("REMOVED", "a"),
        ("REMOVED", "b"),
    ] {
        let event_type = if event_type == "ADDED" {
            "AUDIT_HOLD_ADDED"
        } else {
            "AUDIT_HOLD_REMOVED"
        };
        forge.append(&[said(event_type, &format!("{{\"hold\":\"{hold}\"}}"))]);
    }
    let details = forge.pruned(REMOVED, 86_400);
    forge.append(&[("AUDIT_PRUNED", details)]);
    forge.append(&[said(
        "AUDIT_HOLD_ADDED",
        "{\"hold\":\"c\",\"reason\":\"case 7\"}",
    )]);
    forge.remove(REMOVED);
    cases.push(Case::honest("no hold any more", forge.log()).noted(&forge));
    cases
}

fn anchors() -> Vec<Case> {
    let mut cases = Vec::new();
    let (early, mut forge) = (days_to_prune().anchor_of_first(), pruned());
    let other = days();
    let (fifth, first) = (other.anchor(), forge.anchor());
    forge.work(2);
    let anchors = format!("{first}{}", forge.anchor());
    cases.push(Case::honest("anchors of two ends", forge.log()).anchored(anchors));
    cases.push(
        Case::honest("an anchor from before a removal", forge.log())
            .anchored(format!("{early}{first}")),
    );
    cases.push(
        Case::honest("an anchor of another log beside", forge.log())
            .anchored(format!("{fifth}{first}")),
    );
    let (seq, hash) = &forge.last;
    let syslog = format!(
        "Nov 20 10:00:00 ws1 nightlatch[4242]: audit anchor seq={seq} hash={hash} fingerprint={}\n\
         Nov 20 10:00:01 ws1 cron[1]: something else\n\n\u{1b}[0m\0\n",
        forge.fingerprint
    );
    cases.push(Case::honest("an anchor of the system log", forge.log()).anchored(syslog));
    let lines = lines_of(&forge.log());
    let many: String = lines
        .iter()
        .cycle()
        .take(5_000)
        .map(|(_, line)| forge.anchor_of(number_of(line), &hash_of(line)))
        .collect();
    assert!(number_of(&lines[0].1) > 1 && with_lines(&forge.log(), &lines) == forge.log());
    cases.push(Case::honest("five thousand anchors", forge.log()).anchored(many));
    cases
}
