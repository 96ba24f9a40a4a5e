//! What verification finds and what it does not, case by case.

use proptest::prelude::*;
use proptest::sample::Index;

use super::tampering::{Step, lines_of, log_of, without_seal};
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

/// The segment of the home with the last event, and its bytes.
fn last_segment(home: &Home) -> (PathBuf, Vec<u8>) {
    let files = home.files();
    let name = files.keys().rfind(|name| name.starts_with('0')).unwrap();
    (home.audit().join(name), files[name].clone())
}

#[test]
fn up_to_15_lines_and_a_torn_one_after_the_last_seal_are_not_events() {
    let home = log_of(&[Step::SignIn], 0);
    let honest = home.verifies();
    let (path, bytes) = last_segment(&home);
    let line = lines_of(&home.files()).pop().unwrap().1;
    let line = without_seal(&line);
    for (more, torn) in [(1, 0), (15, 0), (0, 1), (0, 65_535), (15, 65_535)] {
        for line in [line.as_str(), "", "garbage\0"] {
            let end = [
                format!("{line}\n").repeat(more).into_bytes(),
                vec![b'{'; torn],
            ]
            .concat();
            std::fs::write(&path, [bytes.clone(), end.clone()].concat()).unwrap();
            let found = home.verifies();
            assert_eq!(found.unsealed_lines, more as u64);
            assert_eq!(found.unsealed_bytes, end.len() as u64);
            assert_eq!((found.lines, found.last), (honest.lines, honest.last));
        }
    }
    for (more, torn) in [(16, 0), (16, 1), (10_000, 1), (0, 65_536), (1, 70_000)] {
        let end = [
            format!("{line}\n").repeat(more).into_bytes(),
            vec![b'{'; torn],
        ]
        .concat();
        std::fs::write(&path, [bytes.clone(), end].concat()).unwrap();
        let found = verified(&home);
        assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
        assert_eq!(found.findings[0].problem, Problem::UnsealedEnd);
        assert_eq!(found.lines, honest.lines);
    }
}

#[test]
fn an_append_under_way_is_no_finding() {
    let home = log_of(&[Step::SignIn], 0);
    let before = home.files();
    home.log()
        .append_durable(&[
            Event::new(Details::LoginAttempt),
            Event::new(Details::LoginSuccess),
        ])
        .unwrap();
    let (path, bytes) = last_segment(&home);
    let lines = memchr::memchr_iter(b'\n', &bytes).count();
    // State and head are written after the lines.
    home.put(&before);
    for length in end_of(&bytes, lines - 2)..=bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let found = home.verifies();
        let is_whole = length == bytes.len();
        assert_eq!(
            found.unsealed_bytes == 0,
            is_whole || length == end_of(&bytes, lines - 2)
        );
        assert!(found.end_checked);
    }
}

#[test]
fn a_log_is_verified_while_it_is_appended_to() {
    let home = log_of(&[Step::SignIn], 0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                let _ = home.log().append(&[used("a"), used("b")]).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let found = verified(&home);
            assert_eq!(found.findings, []);
        }
    });
}

#[test]
fn a_damaged_first_line_does_not_put_the_blame_on_the_segments_after_it() {
    let steps = [Step::SignIn, Step::Wait(86_400)].repeat(4);
    let home = log_of(&steps, 0);
    let files = home.files();
    for name in files.keys().filter(|name| name.starts_with('0')) {
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

/// They are verified in one batch, which only shows that something in it is wrong.
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
    let at = end_of(&bytes, 1);
    bytes.splice(at..at, "garbage\n".repeat(5000).into_bytes());
    files.insert("0000000000000001.jsonl".to_owned(), bytes);
    home.put(&files);
    let found = verified(&home);
    assert!(found.findings.len() == 1000 && found.more_findings > 4000);
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
            // Only root can change the owner; other users verify what everyone can read.
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
    // Links are not followed.
    let result = Verifier::new(empty.path())
        .run(&Progress::default())
        .unwrap();
    let found: Vec<_> = result.findings.iter().map(|found| &found.problem).collect();
    assert_eq!(found, [&Problem::StrangeFile, &Problem::NoLog]);
}

#[test]
fn a_state_that_cannot_be_read_is_a_finding_with_lines_and_without() {
    let home = log_of(&[Step::SignIn], 1);
    let files = home.files();
    let state = &files[STATE];
    let flipped = state.iter().map(|byte| byte ^ 1).collect();
    for damaged in [vec![], vec![0; 512], state[..511].to_vec(), flipped] {
        home.put(&[(STATE.to_owned(), damaged.clone())].into());
        let found = verified(&home).findings;
        let problems: Vec<_> = found.iter().map(|found| &found.problem).collect();
        assert_eq!(problems, [&Problem::NoLog, &Problem::BadState]);
        let mut with_log = files.clone();
        with_log.insert(STATE.to_owned(), damaged);
        home.put(&with_log);
        assert_eq!(verified(&home).findings[0].problem, Problem::BadState);
    }
}

#[test]
fn a_sealing_state_behind_a_link_is_a_finding() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    let seal = home.dir.path().join("seal");
    std::fs::rename(&seal, home.dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &seal).unwrap();
    let found = Verifier::new(&home.audit()).in_home();
    let found = found.run(&Progress::default()).unwrap();
    let problems: Vec<_> = found
        .findings
        .iter()
        .map(|finding| finding.problem.name())
        .collect();
    assert_eq!(problems, [Problem::BadState.name()]);
}
