//! States after a loss of power, and what the journal restores.

use super::hash::LineHash;
use super::line::Link;
use super::seal::{FIRST, append, begin, refused, state};
use super::state_file::JOURNAL_SIZE;
use super::*;
use crate::sealer::{Role, SECTOR, Sealer};
use nightlatch_core::crypto::sign::KeyPair;
use nightlatch_core::crypto::{Key, sha256};

/// A log that ends with three appends of two lines, and the end of each.
fn with_a_journal() -> (Home, Vec<usize>) {
    let home = Home::new();
    append(&home, used("a"));
    let mut ends = vec![home.bytes().len()];
    for name in ["b", "c", "d"] {
        home.log()
            .append_durable(&[used(name), used(name)])
            .unwrap();
        ends.push(home.bytes().len());
    }
    (home, ends)
}

#[test]
fn lines_that_a_loss_of_power_took_are_put_back_from_the_journal() {
    let (home, ends) = with_a_journal();
    let files = home.files();
    let whole = &files[FIRST];
    // The lost bytes may be missing from any place on, or read as zeros.
    for length in (ends[0] - 300..whole.len())
        .step_by(97)
        .chain([0, ends[1], whole.len() - 1])
    {
        for zeros in [0, 40, whole.len()] {
            let mut segment = whole[..length].to_vec();
            segment.extend(vec![0; zeros.min(whole.len() - length)]);
            let is_spoilt = segment.len() > length;
            let mut files = files.clone();
            files.insert(FIRST.to_owned(), segment);
            home.put(&files);
            home.reboot();
            append(&home, used("on"));
            assert_eq!(&home.bytes()[..whole.len()], whole, "{length}");
            let lines = home.all_lines();
            let repairs: Vec<_> = lines
                .iter()
                .filter(|line| line["event_type"] == "AUDIT_REPAIRED")
                .map(|line| line["details"]["reason"].as_str().unwrap())
                .collect();
            let expected: &[&str] = if is_spoilt {
                &["unsealed", "lost"]
            } else {
                &["lost"]
            };
            assert_eq!(repairs, expected, "{length}");
            assert_eq!(verified(&home).findings, []);
        }
    }
}

#[test]
fn an_end_that_is_gone_within_a_boot_is_not_put_back() {
    let (home, ends) = with_a_journal();
    let mut files = home.files();
    let cut = files[FIRST][..ends[2]].to_vec();
    files.insert(FIRST.to_owned(), cut);
    home.put(&files);
    assert_eq!(refused(&home), Damage::CutShort);
    assert!(!verified(&home).is_good());
}

#[test]
fn a_journal_that_does_not_lead_to_the_last_line_puts_nothing_back() {
    let (home, ends) = with_a_journal();
    let files = home.files();
    home.reboot();
    for at in [4096, 4096 + ends[1], 4096 + ends[3] - 1] {
        let mut files = files.clone();
        files.insert(FIRST.to_owned(), files[FIRST][..ends[1]].to_vec());
        files.get_mut(STATE).unwrap()[at] ^= 1;
        home.put(&files);
        assert_eq!(refused(&home), Damage::CutShort, "{at}");
    }
}

#[test]
fn a_journal_that_is_full_begins_again_and_what_it_had_is_durable() {
    let home = Home::new();
    begin(&home);
    let mut start = 0;
    let mut begun_again = 0;
    for _ in 0..60 {
        home.log().append_durable(&vec![used("a"); 16]).unwrap();
        let bytes = state(&home);
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let (offset, journal_start) = (number(184), number(216));
        assert!(offset - journal_start <= JOURNAL_SIZE);
        if journal_start != start {
            begun_again += 1;
            start = journal_start;
        }
        let length = usize::try_from(offset - journal_start).unwrap();
        let from = usize::try_from(journal_start).unwrap();
        assert_eq!(bytes[4096..4096 + length], home.bytes()[from..]);
    }
    assert!(begun_again >= 2, "{begun_again}");
}

/// Verifies the log in its home, as `audit verify` does.
fn in_boot(home: &Home) -> Verification {
    let boot = [home.clock.1.load(Ordering::Relaxed); 16];
    let verifier = Verifier::new(&home.audit()).in_home().in_boot(boot);
    verifier.run(&Progress::default()).unwrap()
}

/// Like [`in_boot`], and checks that the quick summary that `doctor` uses agrees on the end.
fn in_place(home: &Home) -> Verification {
    let found = in_boot(home);
    let is_end_cut = found.findings.iter().any(|finding| {
        let problem = &finding.problem;
        matches!(problem, Problem::CutEnd { .. })
    });
    let boot = [home.clock.1.load(Ordering::Relaxed); 16];
    match look(&home.audit(), boot) {
        Ok(summary) => {
            let summary = summary.unwrap();
            assert!(!is_end_cut);
            assert_eq!(summary.lost, found.lost_lines);
            assert_eq!(summary.last_seq, found.last.unwrap().0);
        }
        Err(error) => assert!(!found.is_good(), "{error}"),
    }
    found
}

#[test]
fn lines_that_the_next_append_puts_back_are_verified_and_no_finding() {
    let (home, ends) = with_a_journal();
    let files = home.files();
    let whole = &files[FIRST];
    home.reboot();
    for length in [0, 200, ends[0] - 1, ends[1], ends[2] + 7, whole.len() - 1] {
        for zeros in [0, whole.len() - length, whole.len() - length + 4096] {
            let mut files = files.clone();
            let mut segment = whole[..length].to_vec();
            segment.extend(vec![0; zeros]);
            files.insert(FIRST.to_owned(), segment);
            home.put(&files);
            let found = in_place(&home);
            assert_eq!(found.findings, [], "{length}");
            let lines = memchr::memchr_iter(b'\n', &whole[length..]).count();
            assert_eq!(found.lost_lines, lines as u64);
            assert_eq!(found.lost_bytes, (whole.len() - length) as u64);
            assert_eq!((found.lines, found.seals), (8, 5), "{length}");
            assert!(found.end_checked);
            // As in a copy, where the boot has no meaning.
            assert!(!verified(&home).is_good(), "{length}");
            append(&home, used("on"));
            let found = in_place(&home);
            assert_eq!((found.findings.len(), found.lost_lines), (0, 0));
        }
    }
}

#[test]
fn a_missing_end_that_a_loss_of_power_does_not_explain_is_found_in_place() {
    let (home, ends) = with_a_journal();
    let files = home.files();
    let cut = |end: usize| {
        let mut files = files.clone();
        files.insert(FIRST.to_owned(), files[FIRST][..end].to_vec());
        files
    };
    // Within a boot.
    home.put(&cut(ends[2]));
    assert!(!in_place(&home).is_good());
    home.reboot();
    assert!(in_place(&home).is_good());
    // The remaining part was changed.
    let mut edited = cut(ends[2]);
    edited.get_mut(FIRST).unwrap()[ends[2] - 2] ^= 1;
    home.put(&edited);
    assert!(!in_place(&home).is_good());
    // The journal does not lead to the last line.
    for at in [4096, 4096 + ends[1], 4096 + ends[3] - 1] {
        let mut files = cut(ends[2]);
        files.get_mut(STATE).unwrap()[at] ^= 1;
        home.put(&files);
        assert!(!in_place(&home).is_good(), "{at}");
    }
    // It does, but with a seal that is not the log's.
    let mut files = cut(ends[2]);
    let state = files.get_mut(STATE).unwrap();
    let digit = &mut state[4096 + ends[3] - 5];
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    home.put(&files);
    let names: Vec<_> = in_place(&home).findings;
    assert!(
        names
            .iter()
            .any(|finding| finding.problem == Problem::ForeignSeal),
        "{names:?}"
    );
}

const HEAD: &str = "head";

/// A log of one append, and the heads of the two appends that followed it.
fn with_heads_ahead() -> (Home, BTreeMap<String, Vec<u8>>, [Vec<u8>; 2]) {
    let (home, _) = with_a_journal();
    let files = home.files();
    let heads = ["e", "f"].map(|name| {
        home.log()
            .append_durable(&[used(name), used(name)])
            .unwrap();
        home.files()[HEAD].clone()
    });
    (home, files, heads)
}

fn with_head(files: &BTreeMap<String, Vec<u8>>, head: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = files.clone();
    files.insert(HEAD.to_owned(), head.to_vec());
    files
}

#[test]
fn a_head_of_one_append_that_a_loss_of_power_took_is_no_finding() {
    let (home, files, [head, _]) = with_heads_ahead();
    home.put(&with_head(&files, &head));
    // Within a boot, and in a copy, it is a finding.
    assert!(!in_boot(&home).is_good());
    home.reboot();
    assert!(!verified(&home).is_good());
    let found = in_place(&home);
    assert_eq!(found.findings, []);
    let last = found.last.unwrap().0;
    assert_eq!(found.lost_through, Some(last + 2));
    assert!(found.end_checked);
    append(&home, used("on"));
    let found = in_place(&home);
    assert_eq!((found.findings.len(), found.lost_through), (0, None));
    assert_eq!(found.last.unwrap().0, last + 1);
}

#[test]
fn a_head_that_the_state_does_not_make_excuses_no_cut_end() {
    let (home, files, [head, further]) = with_heads_ahead();
    let now = home.files();
    home.reboot();
    let is_found = |files: &BTreeMap<String, Vec<u8>>| {
        home.put(files);
        let found = in_boot(&home);
        let is_cut = |problem: &Problem| matches!(problem, Problem::CutEnd { .. });
        assert_eq!(found.lost_through, None);
        found
            .findings
            .iter()
            .any(|finding| is_cut(&finding.problem))
    };
    // Two appends ahead.
    assert!(is_found(&with_head(&files, &further)));
    // The log was truncated, its state is the current one, and the journal was emptied.
    let mut cut = with_head(&files, &head);
    let mut state = now[STATE].clone();
    state[4096..].fill(0);
    cut.insert(STATE.to_owned(), state);
    assert!(is_found(&cut));
    // The state was forged, and matches the head.
    for is_announced in [true, false] {
        let mut made = files[STATE].clone();
        made[80..112].fill(9);
        if !is_announced {
            made[232..264]
                .copy_from_slice(KeyPair::of(&Key::random().unwrap()).public().as_bytes());
        }
        let check = sha256(&made[..264]);
        made[264..296].copy_from_slice(&check);
        let mut sealer = Sealer::decode(made[..SECTOR].try_into().unwrap()).unwrap();
        let seq = sealer.last().seq + 2;
        let hash = LineHash::of(b"made up");
        sealer.seal(Role::Inner, Link { seq, hash }, sealer.sealed_at());
        let forged = sealer.head().unwrap().encode();
        let mut forged = with_head(&files, &forged);
        forged.insert(STATE.to_owned(), made);
        assert!(is_found(&forged));
    }
}
