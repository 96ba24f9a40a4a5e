//! What verification finds: every way to tamper with a log that we could think of, on random logs.

use proptest::prelude::*;
use proptest::sample::Index;

use super::sealing::STATE_FILE;
use super::*;
use crate::crypto::{hex, sha256};

type Files = BTreeMap<String, Vec<u8>>;

const DAY: i64 = 86_400_000_000_000;

/// What a test appends.
#[derive(Clone, Copy, Debug)]
enum Step {
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

/// A log of several segments, closed by a sealed line; then `unsealed` lines without a seal.
fn log_of(steps: &[Step], unsealed: usize) -> Home {
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

/// All lines of the log, and the name of the segment each is in.
fn lines_of(files: &Files) -> Vec<(String, String)> {
    let segments = files.iter().filter(|(name, _)| name.starts_with('0'));
    segments
        .flat_map(|(name, bytes)| {
            let text = std::str::from_utf8(bytes).unwrap();
            text.lines().map(|line| (name.clone(), line.to_owned()))
        })
        .collect()
}

fn with_lines(files: &Files, lines: &[(String, String)]) -> Files {
    let mut files = files.clone();
    files.retain(|name, _| name == STATE_FILE);
    for (name, line) in lines {
        let bytes = files.entry(name.clone()).or_default();
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    files
}

/// Numbers and hashes computed anew, as somebody without the keys can.
fn rechain(lines: &mut [(String, String)]) {
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

fn is_sealed(line: &str) -> bool {
    line.contains(",\"seal\":{")
}

fn without_seal(line: &str) -> String {
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

/// Whether something is found in `file`, at `line` or after it.
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

/// Tampers with the log once and judges what is found.
fn tamper(home: &Home, how: Tampering, one: Index, two: Index) -> Result<(), TestCaseError> {
    let files = home.files();
    let mut lines = lines_of(&files);
    // The last line but those that no seal covers.
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
            prop_assert!(is_named(&verified(home), &file, line));
        }
        Tampering::EditEnd => {
            let mut files = files.clone();
            let end = end_of(&files[&file], line) - 1;
            files.get_mut(&file).unwrap()[end] = b' ';
            home.put(&files);
            let found = verified(home);
            prop_assert!(!found.is_good());
            // Behind the last line of all there is nothing to name; the state tells.
            prop_assert!(is_named(&found, &file, line) || at + 1 == lines.len());
        }
        Tampering::DeleteLine => {
            lines.remove(at);
            home.put(&with_lines(&files, &lines));
            let found = verified(home);
            prop_assert!(!found.is_good());
            let (from, to) = (at as u64 + 1, at as u64 + 1);
            let named = has(&found, &Problem::Missing { from, to });
            prop_assert!(at == last_seal || named || has(&found, &Problem::Misnamed));
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
            let seal = (at..).find(|&at| is_sealed(&lines[at].1)).unwrap();
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
            // Not the fast way either: the chain ends in a seal that it verifies.
            prop_assert!(!run(home, Verifier::fast).is_good());
        }
        Tampering::StripSeal => {
            let seal = (at..).find(|&at| is_sealed(&lines[at].1)).unwrap();
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
            // Without the state nothing tells, which SECURITY.md says.
            std::fs::remove_file(home.audit().join(STATE_FILE)).unwrap();
            prop_assert_eq!(verified(home).findings, []);
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
            prop_assert!(found.findings.iter().any(is_wrong));
            // With the old state beside it, or under the old fingerprint's name, it shows as well.
            let mut mixed = other.files();
            mixed.insert(STATE_FILE.to_owned(), files[STATE_FILE].clone());
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

    #[test]
    fn no_garbage_makes_verification_panic_or_pass(
        garbage in proptest::collection::vec(any::<u8>(), 1..2000),
        file in any::<Index>(),
        place in any::<Index>(),
    ) {
        let home = log_of(&[Step::SignIn, Step::Wait(86_400), Step::SignIn], 0);
        let files = home.files();
        let names: Vec<_> = files.keys().cloned().collect();
        let name = &names[file.index(names.len())];
        let mut whole = files.clone();
        whole.insert(name.clone(), garbage.clone());
        whole.insert(segment::OPENINGS.to_owned(), garbage.clone());
        home.put(&whole);
        prop_assert!(!verified(&home).is_good());
        let mut inside = files;
        let bytes = inside.get_mut(name).unwrap();
        let at = place.index(bytes.len());
        bytes.splice(at..at, garbage.into_iter().chain([b'\n']));
        home.put(&inside);
        let found = verified(&home);
        prop_assert!(!found.is_good() || name == STATE_FILE);
    }
}

#[test]
fn a_number_as_large_as_can_be_is_no_line() {
    let home = log_of(&[Step::SignIn], 0);
    let text = String::from_utf8(home.bytes()).unwrap();
    let text = text.replace("{\"seq\":2,", "{\"seq\":18446744073709551615,");
    std::fs::write(home.segment(), text).unwrap();
    assert_eq!(verified(&home).findings[0].problem, Problem::NotALine);
}

/// By design: what no seal covers yet is protected by nothing but its permissions.
#[test]
fn what_is_written_anew_after_the_last_seal_is_not_found_before_it_should_be_sealed() {
    let home = log_of(&[Step::SignIn], 3);
    let files = home.files();
    let mut lines = lines_of(&files);
    let last = lines.len() - 1;
    let event = "\"event_type\":\"SESSION_VALIDATED\"";
    let write = |lines: &mut Vec<(String, String)>| {
        rechain(lines);
        home.put(&with_lines(&files, lines));
        verified(&home).findings
    };
    lines[last - 1].1 = lines[last - 1].1.replace("\"late\"", "\"never\"");
    assert_eq!(write(&mut lines), []);
    // What should have been sealed at once, or by its time, shows.
    let honest = lines[last - 1].1.clone();
    let time = "\"timestamp\":\"2025-11-2";
    let digit = honest.split_once(time).unwrap().1.chars().next().unwrap();
    let dishonest = [
        honest.replace(event, "\"event_type\":\"LOGIN_SUCCESS\""),
        honest.replace(event, "\"event_type\":\"NOTHING_KNOWN\""),
        honest.replace(&format!("{time}{digit}"), &format!("{time}9")),
        honest.replace(&format!("{time}{digit}"), "\"timestamp\":\"2025-11-10"),
    ];
    for line in dishonest {
        lines[last - 1].1 = line;
        let found = write(&mut lines);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].problem, Problem::UnsealedEnd);
        assert_eq!(
            (&found[0].file, found[0].seq),
            (&lines[last].0, Some(last as u64))
        );
    }
    lines[last - 1].1 = honest;
    let more = lines[last].clone();
    lines.extend(std::iter::repeat_n(more, 200));
    let found = write(&mut lines);
    let sealed = lines.iter().rposition(|(_, line)| is_sealed(line)).unwrap() as u64 + 1;
    assert_eq!(
        (found[0].seq, &found[0].problem),
        (Some(sealed + 128), &Problem::UnsealedEnd)
    );
}

#[test]
fn an_append_under_way_is_no_finding() {
    let home = log_of(&[Step::SignIn], 0);
    home.log()
        .append_durable(&[
            Event::new(Details::LoginAttempt),
            Event::new(Details::LoginSuccess),
        ])
        .unwrap();
    let (name, bytes) = home
        .files()
        .into_iter()
        .rfind(|(name, _)| name != STATE_FILE)
        .unwrap();
    let result = |length: usize| {
        std::fs::write(home.audit().join(&name), &bytes[..length]).unwrap();
        std::fs::remove_file(home.audit().join(STATE_FILE)).ok();
        verified(&home)
    };
    let lines = memchr::memchr_iter(b'\n', &bytes).count();
    let torn = result(end_of(&bytes, lines - 1) + 9);
    assert!(torn.is_good() && torn.ends_torn, "{:?}", torn.findings);
    let cut = result(end_of(&bytes, lines - 1));
    assert_eq!(cut.findings[0].problem, Problem::UnsealedEnd);
}

#[test]
fn a_damaged_first_line_does_not_put_the_blame_on_the_segments_after_it() {
    let steps = [Step::SignIn, Step::Wait(86_400)].repeat(4);
    let home = log_of(&steps, 0);
    let files = home.files();
    for name in files.keys().filter(|name| *name != STATE_FILE) {
        let mut damaged = files.clone();
        damaged.get_mut(name).unwrap()[100] ^= 1;
        home.put(&damaged);
        let found = verified(&home).findings;
        assert!(!found.is_empty());
        assert!(
            found
                .iter()
                .all(|found| found.file == *name && found.line == 1),
            "{found:?}"
        );
    }
}

#[test]
fn findings_are_bounded_and_the_rest_counted_and_the_first_is_kept() {
    let home = log_of(&[Step::SignIn], 0);
    let mut files = home.files();
    let mut bytes = files["0000000000000001.jsonl"].clone();
    let at = end_of(&bytes, 1) - 10;
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    bytes.extend_from_slice("garbage\n".repeat(5000).as_bytes());
    files.insert("0000000000000001.jsonl".to_owned(), bytes);
    home.put(&files);
    let found = verified(&home);
    assert!(found.findings.len() < 120 && found.more_findings > 4800);
    assert_eq!(
        (found.findings[0].line, &found.findings[0].problem),
        (1, &Problem::ForeignSeal)
    );
    for number in 0..1500 {
        files.insert(format!("x{number}.jsonl"), Vec::new());
    }
    home.put(&files);
    let found = verified(&home);
    assert_eq!(found.findings.len(), 1000);
    assert!(found.more_findings > 5000);
}

#[test]
fn a_copy_of_the_segments_alone_verifies_whoever_owns_it_and_is_left_as_it_was() {
    let home = log_of(&[Step::SignIn, Step::Wait(86_400), Step::SignIn], 2);
    let fingerprint = verified(&home).fingerprint.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for (name, bytes) in home.files() {
        let path = copy.path().join(&name);
        if name != STATE_FILE {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
            // Only root can give it away; everybody else verifies what is readable to all.
            let _ = std::os::unix::fs::chown(&path, Some(54_321), Some(54_321));
        }
    }
    let set = |mode| {
        std::fs::set_permissions(copy.path(), std::fs::Permissions::from_mode(mode)).unwrap()
    };
    set(0o555);
    let names = || std::fs::read_dir(copy.path()).unwrap().count();
    let before = names();
    let verifier = Verifier::new(copy.path())
        .fingerprint(&fingerprint)
        .unwrap();
    let result = verifier.run(&Progress::default()).unwrap();
    assert_eq!((result.findings, result.state_seen), (vec![], false));
    assert_eq!(names(), before);
    set(0o755);
}

#[test]
fn a_directory_without_a_log_says_so() {
    let empty = tempfile::tempdir().unwrap();
    let result = Verifier::new(empty.path())
        .run(&Progress::default())
        .unwrap();
    assert_eq!(result.findings[0].problem, Problem::NoLog);
    assert!(
        Verifier::new(&empty.path().join("none"))
            .run(&Progress::default())
            .is_err()
    );
    let link = empty.path().join("0000000000000001.jsonl");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    assert!(
        Verifier::new(empty.path())
            .run(&Progress::default())
            .is_err(),
        "a link is not followed"
    );
}
