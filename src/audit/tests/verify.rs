//! What verification finds and what it does not, case by case.

use proptest::prelude::*;
use proptest::sample::Index;

use super::tampering::{Step, is_sealed, lines_of, log_of, rechain, with_lines};
use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

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
        prop_assert!(!found.is_good() || name == STATE);
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
        .rfind(|(name, _)| name != STATE)
        .unwrap();
    let result = |length: usize| {
        std::fs::write(home.audit().join(&name), &bytes[..length]).unwrap();
        std::fs::remove_file(home.path_of(STATE)).ok();
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
    for name in files.keys().filter(|name| *name != STATE) {
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

/// They are verified in one batch, which only tells that something in it is wrong.
#[test]
fn foreign_seals_of_several_segments_are_each_named_where_they_stand() {
    let home = Home::new();
    home.use_on(0..4);
    let mut files = home.files();
    let mut expected = Vec::new();
    for name in home
        .names()
        .into_iter()
        .filter(|name| name.starts_with('0'))
        .skip(1)
        .take(2)
    {
        // The last digit of the signature that closes the segment.
        let bytes = files.get_mut(&name).unwrap();
        let at = bytes.len() - "0\"}}\n".len();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        expected.push((name, lines, Problem::ForeignSeal));
    }
    home.put(&files);

    for threads in [1, 3] {
        let verifier = Verifier::new(&home.audit()).threads(threads);
        let found = verifier.run(&Progress::default()).unwrap();
        let named = found.findings.into_iter();
        let named: Vec<_> = named
            .map(|found| (found.file, found.line, found.problem))
            .collect();
        assert_eq!(named, expected);
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
        if name != STATE {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
            // Only root can give it away; everybody else verifies what is readable to all.
            let _ = std::os::unix::fs::chown(&path, Some(54_321), Some(54_321));
        }
    }
    let set = |mode| {
        std::fs::set_permissions(copy.path(), std::fs::Permissions::from_mode(mode)).unwrap();
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
    // A link is not followed.
    let result = Verifier::new(empty.path())
        .run(&Progress::default())
        .unwrap();
    let found: Vec<_> = result.findings.iter().map(|found| &found.problem).collect();
    assert_eq!(found, [&Problem::StrangeFile, &Problem::NoLog]);
}

#[test]
fn a_state_that_was_never_written_in_full_is_no_log_and_with_a_log_it_is_damaged() {
    let home = log_of(&[Step::SignIn], 1);
    let files = home.files();
    let state = &files[STATE];
    for unwritten in [
        vec![],
        vec![0; 512],
        vec![0; 1024],
        state[512..700].to_vec(),
    ] {
        let alone = [(STATE.to_owned(), unwritten.clone())].into();
        home.put(&alone);
        let problems = verified(&home).findings;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].problem, Problem::NoLog);
        let mut with_log = files.clone();
        with_log.insert(STATE.to_owned(), unwritten);
        home.put(&with_log);
        assert_eq!(verified(&home).findings[0].problem, Problem::BadState);
    }
    // What was a state once and is none any more was damaged, whether or not lines are left.
    let damaged = state.iter().map(|byte| byte ^ 1).collect();
    home.put(&[(STATE.to_owned(), damaged)].into());
    assert_eq!(verified(&home).findings[0].problem, Problem::BadState);
    // And a log is begun where none was.
    home.put(&[(STATE.to_owned(), vec![])].into());
    home.log().append_durable(&[used("first")]).unwrap();
    home.verifies();
}
