//! Every way to tamper with a log that we could think of, on random logs.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use nightlatch_core::crypto::{hex, sha256};

pub(super) type Files = BTreeMap<String, Vec<u8>>;

const DAY: i64 = 86_400_000_000_000;

/// A step of a test.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Use(usize),
    SignIn,
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..5_usize).prop_map(Step::Use),
        2 => Just(Step::SignIn),
        1 => prop_oneof![Just(60), Just(-5), Just(86_400)].prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 8..24)
}

/// A log of several segments, with a sealed last line, then `unsealed` lines without a seal.
pub(super) fn log_of(steps: &[Step], unsealed: usize) -> Home {
    let home = Home::new();
    let log = || home.log().with_segment_size(6 * 1024);
    for (at, step) in steps.iter().enumerate() {
        match *step {
            Step::Use(count) => drop(log().append(&vec![used(&at.to_string()); count]).unwrap()),
            Step::SignIn => drop(log().append(&[Event::new(Details::LoginAttempt)]).unwrap()),
            Step::Wait(seconds) => home.shift(seconds * 1_000_000_000),
        }
    }
    home.shift(DAY);
    home.log().append_durable(&[used("opens")]).unwrap();
    home.log()
        .append_durable(&[Event::new(Details::LoginAttempt)])
        .unwrap();
    for _ in 0..unsealed {
        drop(home.log().append(&[used("late")]).unwrap());
    }
    home
}

/// All lines of the log, with the names of their segments.
pub(super) fn lines_of(files: &Files) -> Vec<(String, String)> {
    let segments = files.iter().filter(|(name, _)| name.starts_with('0'));
    segments
        .flat_map(|(name, bytes)| {
            let text = std::str::from_utf8(bytes).unwrap();
            text.lines().map(|line| (name.clone(), line.to_owned()))
        })
        .collect()
}

pub(super) fn with_lines(files: &Files, lines: &[(String, String)]) -> Files {
    let mut files = files.clone();
    files.retain(|name, _| name == STATE);
    for (name, line) in lines {
        let bytes = files.entry(name.clone()).or_default();
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    files
}

/// Recomputes numbers and hashes, as somebody without the keys can.
pub(super) fn rechain(lines: &mut [(String, String)]) {
    let mut prev = "0".repeat(64);
    for (at, (_, line)) in lines.iter_mut().enumerate() {
        let (body, rest) = line.split_once(",\"hash\":\"").unwrap();
        let (_, body) = body.split_once(',').unwrap();
        let (body, _) = body.rsplit_once("\"prev\":\"").unwrap();
        let body = format!("{{\"seq\":{},{body}\"prev\":\"{prev}\"", at + 1);
        prev = hex(&sha256(body.as_bytes()));
        *line = format!("{body},\"hash\":\"{prev}{}", &rest[64..]);
    }
}

pub(super) fn is_sealed(line: &str) -> bool {
    line.contains(",\"seal\":{")
}

pub(super) fn without_seal(line: &str) -> String {
    line.split_once(",\"seal\":{").unwrap().0.to_owned() + "}"
}

#[derive(Clone, Copy, Debug)]
enum Tampering {
    EditByte,
    EditEnd,
    DeleteLine,
    InsertLine,
    SwapLines,
    DuplicateLine,
    EditAndRechain,
    DeleteAndRechain,
    StripSeal,
    RemoveSegment,
    RenameSegment,
    CutTail,
    RollBack,
    Replace,
}

const TAMPERINGS: [Tampering; 14] = [
    Tampering::EditByte,
    Tampering::EditEnd,
    Tampering::DeleteLine,
    Tampering::InsertLine,
    Tampering::SwapLines,
    Tampering::DuplicateLine,
    Tampering::EditAndRechain,
    Tampering::DeleteAndRechain,
    Tampering::StripSeal,
    Tampering::RemoveSegment,
    Tampering::RenameSegment,
    Tampering::CutTail,
    Tampering::RollBack,
    Tampering::Replace,
];

fn anchor_of(home: &Home) -> Anchor {
    let result = verified(home);
    let (seq, hash) = result.last.unwrap();
    let fingerprint = result.fingerprint.unwrap();
    let json = format!("{{\"seq\":{seq},\"hash\":\"{hash}\",\"fingerprint\":\"{fingerprint}\"}}");
    Anchor::parse(&json).unwrap()
}

fn run(home: &Home, change: impl FnOnce(Verifier) -> Verifier) -> Verification {
    let verifier = change(Verifier::new(&home.audit()));
    verifier.run(&Progress::default()).unwrap()
}

/// Whether there is a finding in `file`, at `line` or after it.
fn is_named(found: &Verification, file: &str, line: usize) -> bool {
    found
        .findings
        .iter()
        .any(|finding| finding.file == file && finding.line >= line as u64)
}

fn has(found: &Verification, problem: &Problem) -> bool {
    found
        .findings
        .iter()
        .any(|finding| finding.problem == *problem)
}

fn line_in_file(lines: &[(String, String)], at: usize) -> usize {
    at - lines
        .iter()
        .position(|(name, _)| *name == lines[at].0)
        .unwrap()
        + 1
}

/// Tampers with the log once and checks the findings.
#[allow(clippy::too_many_lines)] // one arm for each way
fn tamper(home: &Home, how: Tampering, one: Index, two: Index) -> Result<(), TestCaseError> {
    let files = home.files();
    let mut lines = lines_of(&files);
    // The last line with a seal.
    let last_seal = lines.iter().rposition(|(_, line)| is_sealed(line)).unwrap();
    let at = one.index(last_seal + 1);
    let (file, line) = (lines[at].0.clone(), line_in_file(&lines, at));
    let mut names: Vec<_> = files
        .keys()
        .filter(|name| name.starts_with('0'))
        .cloned()
        .collect();
    match how {
        Tampering::EditByte => {
            let mut bytes = lines[at].1.clone().into_bytes();
            let place = two.index(bytes.len());
            bytes[place] ^= 1 << (place % 7);
            // A line end there makes it two lines.
            let mut files = files.clone();
            let start = end_of(&files[&file], line - 1);
            files.get_mut(&file).unwrap()[start + place] = bytes[place];
            home.put(&files);
            let found = verified(home);
            // If the last sealed line is malformed, nothing vouches for it; head and state show
            // that it is missing.
            let seq = at as u64 + 1;
            let is_cut = at == last_seal && has(&found, &Problem::CutEnd { seq });
            prop_assert!(is_named(&found, &file, line) || is_cut);
        }
        Tampering::EditEnd => {
            let mut files = files.clone();
            let end = end_of(&files[&file], line) - 1;
            files.get_mut(&file).unwrap()[end] = b' ';
            home.put(&files);
            let found = verified(home);
            prop_assert!(!found.is_good());
            // At the end of the log there is no line to name, except the missing one.
            let seq = last_seal as u64 + 1;
            let is_cut = at + 2 >= lines.len() && has(&found, &Problem::CutEnd { seq });
            prop_assert!(is_named(&found, &file, line) || is_cut);
        }
        Tampering::DeleteLine => {
            lines.remove(at);
            home.put(&with_lines(&files, &lines));
            let found = verified(home);
            prop_assert!(!found.is_good());
            let (from, to) = (at as u64 + 1, at as u64 + 1);
            let missing = has(&found, &Problem::Missing { from, to });
            prop_assert!(at == last_seal || missing || has(&found, &Problem::Misnamed));
        }
        Tampering::InsertLine | Tampering::DuplicateLine => {
            let source = if matches!(how, Tampering::InsertLine) {
                two.index(lines.len())
            } else {
                at
            };
            let copy = (file.clone(), lines[source].1.clone());
            lines.insert(at, copy);
            home.put(&with_lines(&files, &lines));
            prop_assert!(is_named(&verified(home), &file, line));
        }
        Tampering::SwapLines => {
            let other = (at + 1 + two.index(last_seal)) % (last_seal + 1);
            let (a, b) = (lines[at].1.clone(), lines[other].1.clone());
            lines[at].1 = b;
            lines[other].1 = a;
            home.put(&with_lines(&files, &lines));
            let first = at.min(other);
            let found = verified(home);
            prop_assert!(is_named(
                &found,
                &lines[first].0,
                line_in_file(&lines, first)
            ));
        }
        Tampering::EditAndRechain | Tampering::DeleteAndRechain => {
            let seal = (at..lines.len())
                .find(|&at| is_sealed(&lines[at].1))
                .unwrap();
            let (seal_file, seal_line) = (lines[seal].0.clone(), line_in_file(&lines, seal));
            if matches!(how, Tampering::EditAndRechain) {
                lines[at].1 = lines[at].1.replacen("\"uid\":1000", "\"uid\":1001", 1);
                rechain(&mut lines);
                home.put(&with_lines(&files, &lines));
                let found = verified(home);
                let first = found
                    .findings
                    .first()
                    .map(|found| (found.file.clone(), found.line));
                prop_assert_eq!(
                    first,
                    Some((seal_file, seal_line as u64)),
                    "the seal over the edit"
                );
                prop_assert_eq!(&found.findings[0].problem, &Problem::ForeignSeal);
            } else {
                lines.remove(at);
                rechain(&mut lines);
                home.put(&with_lines(&files, &lines));
                prop_assert!(!verified(home).is_good());
            }
            // The fast mode finds it as well: the chain ends with a seal that it verifies.
            prop_assert!(!run(home, Verifier::fast).is_good());
        }
        Tampering::StripSeal => {
            let seal = (at..lines.len())
                .find(|&at| is_sealed(&lines[at].1))
                .unwrap();
            lines[seal].1 = without_seal(&lines[seal].1);
            home.put(&with_lines(&files, &lines));
            let found = verified(home);
            prop_assert!(!found.is_good());
            prop_assert!(is_named(&found, &lines[seal].0, 1) || seal == last_seal);
        }
        Tampering::RemoveSegment => {
            let gone = names.remove(one.index(names.len()));
            let mut files = files.clone();
            files.remove(&gone);
            home.put(&files);
            let found = verified(home);
            prop_assert!(!found.is_good());
            match names.iter().find(|name| **name > gone) {
                Some(next) if names[0] < gone => prop_assert!(is_named(&found, next, 1)),
                Some(_) => prop_assert!(has(&found, &Problem::UnrecordedPrune)),
                None => {
                    let seq = last_seal as u64 + 1;
                    let cut = Problem::CutEnd { seq };
                    prop_assert!(has(&found, &cut));
                }
            }
        }
        Tampering::RenameSegment => {
            let old = &names[one.index(names.len())];
            let number: u64 = old[..16].parse().unwrap();
            let new = match two.index(3) {
                0 => format!("{:016}.jsonl", number + 1),
                1 => format!("{old}.bak"),
                _ => "log.jsonl".to_owned(),
            };
            let mut files = files.clone();
            let bytes = files.remove(old).unwrap();
            files.insert(new.clone(), bytes);
            home.put(&files);
            let found = verified(home);
            prop_assert!(found.findings.iter().any(|finding| finding.file == new));
        }
        Tampering::CutTail => {
            let seals: Vec<_> = (0..last_seal)
                .filter(|&at| is_sealed(&lines[at].1))
                .collect();
            let end = seals[one.index(seals.len())];
            lines.truncate(end + 1);
            home.put(&with_lines(&files, &lines));
            let seq = last_seal as u64 + 1;
            let cut = Problem::CutEnd { seq };
            prop_assert!(has(&verified(home), &cut));
            // In a copy, the head reveals it. Without both nobody can know, and the result says so.
            std::fs::remove_file(home.path_of(STATE)).unwrap();
            let head = home.audit().join("head");
            std::fs::write(&head, &files["head"]).unwrap();
            let found = verified(home);
            prop_assert!(has(&found, &cut) && found.findings[0].problem.rule() == 11);
            std::fs::remove_file(&head).unwrap();
            let found = verified(home);
            prop_assert_eq!((&found.findings[..], found.end_checked), (&[][..], false));
        }
        Tampering::RollBack => {
            home.log()
                .append_durable(&[Event::new(Details::LoginAttempt)])
                .unwrap();
            let anchor = anchor_of(home);
            home.put(&files);
            prop_assert_eq!(verified(home).findings, [], "by itself it is what it was");
            let seq = anchor.seq;
            let found = run(home, |verifier| verifier.anchor(anchor.clone()));
            prop_assert_eq!(&found.findings[0].problem, &Problem::BeforeAnchor { seq });
            home.log()
                .append_durable(&[Event::new(Details::LoginSuccess)])
                .unwrap();
            home.log()
                .append_durable(&[Event::new(Details::LoginSuccess)])
                .unwrap();
            let found = run(home, |verifier| verifier.anchor(anchor));
            prop_assert_eq!(&found.findings[0].problem, &Problem::AnchorMismatch { seq });
        }
        Tampering::Replace => {
            let (anchor, fingerprint) = (anchor_of(home), verified(home).fingerprint.unwrap());
            let other = log_of(
                &[Step::SignIn, Step::Use(3), Step::Wait(86_400), Step::SignIn],
                2,
            );
            home.put(&other.files());
            prop_assert_eq!(verified(home).findings, [], "by itself it is a log");
            let is_wrong =
                |found: &Finding| matches!(found.problem, Problem::WrongFingerprint { .. });
            let found = run(home, |verifier| verifier.fingerprint(&fingerprint).unwrap());
            prop_assert!(found.findings.iter().any(is_wrong));
            let found = run(home, |verifier| verifier.anchor(anchor));
            let is_other = |found: &Finding| matches!(found.problem, Problem::OtherAnchors { .. });
            prop_assert!(found.findings.iter().any(is_other));
            // With the old state beside it, or with the old fingerprint, it is found as well.
            let mut mixed = other.files();
            mixed.insert(STATE.to_owned(), files[STATE].clone());
            home.put(&mixed);
            prop_assert!(!verified(home).is_good());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_tampering_is_found_and_named_and_an_honest_log_is_good(
        steps in steps(),
        unsealed in 0..4_usize,
        places in proptest::collection::vec((any::<Index>(), any::<Index>()), TAMPERINGS.len()),
    ) {
        let home = log_of(&steps, unsealed);
        let files = home.files();
        let good = run(&home, |verifier| verifier.threads(1));
        prop_assert_eq!(&good.findings, &[]);
        prop_assert_eq!(good.lines, home.all_lines().len() as u64);
        let fingerprint = good.fingerprint.clone().unwrap();
        for threads in [2, 3, 16] {
            for fast in [false, true] {
                let result = run(&home, |verifier| {
                    let verifier = verifier.threads(threads).fingerprint(&fingerprint).unwrap();
                    if fast { verifier.fast() } else { verifier }
                });
                prop_assert_eq!(&result.findings, &[]);
                prop_assert_eq!((result.lines, result.last), (good.lines, good.last));
            }
        }
        let anchored = run(&home, |verifier| verifier.anchor(anchor_of(&home)));
        prop_assert_eq!(anchored.findings, []);
        for (how, (one, two)) in TAMPERINGS.into_iter().zip(places) {
            home.put(&files);
            tamper(&home, how, one, two)
                .map_err(|error| TestCaseError::fail(format!("{how:?}: {error}")))?;
        }
    }
}
