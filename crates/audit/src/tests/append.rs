use super::*;

#[test]
fn nothing_is_touched_before_the_first_event() {
    let home = Home::new();
    let log = home.log();
    assert!(!home.audit().exists());
    log.append_durable(&[used("a")]).unwrap();
    assert_eq!(home.names(), ["0000000000000001.jsonl", "head"]);
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(home.audit()), mode(home.segment())), (0o700, 0o600));
}

#[test]
fn lines_continue_each_other_across_calls_and_processes() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    home.log().append_durable(&[used("c")]).unwrap();
    let lines = home.checked_lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["timestamp"], "2025-11-20T23:41:07.123456Z");
    let id: uuid::Uuid = lines[0]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(
        id.get_timestamp().unwrap().to_unix(),
        (1_763_682_067, 123_000_000)
    );
    assert_ne!(lines[0]["id"], lines[1]["id"]);
}

#[test]
fn no_events_write_no_more_than_the_line_that_opens_the_log() {
    let home = Home::new();
    home.log().append_durable(&[]).unwrap();
    let opened = home.bytes();
    assert_eq!(home.all_lines().len(), 1);
    home.log().append_durable(&[]).unwrap();
    assert_eq!(home.bytes(), opened);
    home.log().append_durable(&[used("a")]).unwrap();
    assert_eq!(home.checked_lines().len(), 1);
}

#[test]
fn many_threads_leave_no_gap_and_an_unbroken_chain() {
    const THREADS: usize = 8;
    const CALLS: usize = 50;
    let home = Home::new();
    let shared = home.log();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shared, own) = (&shared, home.log());
            scope.spawn(move || {
                let log = if thread % 2 == 0 { shared } else { &own };
                for call in 0..CALLS {
                    let batch = vec![used(&format!("{thread}.{call}")); 1 + call % 3];
                    drop(log.append(&batch).unwrap());
                }
            });
        }
    });
    let per_thread: usize = (0..CALLS).map(|call| 1 + call % 3).sum();
    assert_eq!(home.checked_lines().len(), THREADS * per_thread);
}

/// The types of the lines, without those that open and close segments.
fn types(lines: &[serde_json::Value]) -> Vec<&str> {
    let types = lines.iter().map(|line| line["event_type"].as_str());
    types.map(Option::unwrap).collect()
}

#[test]
fn a_torn_append_is_moved_aside_and_recorded() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    let before = home.files();
    home.log().append_durable(&[used("b"), used("c")]).unwrap();
    let whole = home.bytes();
    let sealed = before["0000000000000001.jsonl"].len();
    for length in [
        sealed + 1,
        end_of(&whole, 3),
        end_of(&whole, 3) + 40,
        whole.len() - 1,
    ] {
        let mut files = before.clone();
        files.insert(
            "0000000000000001.jsonl".to_owned(),
            whole[..length].to_vec(),
        );
        home.put(&files);
        home.log().append_durable(&[used("d")]).unwrap();
        let lines = home.checked_lines();
        assert_eq!(
            types(&lines),
            ["SESSION_VALIDATED", "AUDIT_REPAIRED", "SESSION_VALIDATED"]
        );
        let details = &lines[1]["details"];
        assert_eq!(details["segment"], "0000000000000001.jsonl");
        assert_eq!(details["reason"], "unsealed");
        assert_eq!(details["bytes"], length - sealed);
        let complete = memchr::memchr_iter(b'\n', &whole[sealed..length]).count();
        assert_eq!(details["lines"], complete);
        let name = details["quarantine"].as_str().unwrap();
        assert!(name.starts_with("unsealed-3-"), "{name}");
        let quarantine = home.audit().join(name);
        assert_eq!(std::fs::read(&quarantine).unwrap(), &whole[sealed..length]);
        let mode = std::fs::metadata(&quarantine).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        home.log().append_durable(&[used("d")]).unwrap();
        assert_eq!(home.checked_lines().len(), 4, "recorded once");
        assert_eq!(verified(&home).findings, []);
    }
}

#[test]
fn lines_that_the_program_did_not_seal_are_never_sealed_by_a_later_append() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    let honest = home.files();
    let text = String::from_utf8(home.bytes()).unwrap();
    let last = text.lines().next_back().unwrap();
    let (_, hash) = last.split_once(",\"hash\":\"").unwrap();
    // Correct numbers, hashes and chain, made without a key.
    for count in [1, 15, 16, 400, 10_000] {
        for torn in ["", "{"] {
            let mut prev = hash[..64].to_owned();
            let mut forged = text.clone();
            for seq in 3..3 + count {
                let line = last.replacen("\"seq\":2,", &format!("\"seq\":{seq},"), 1);
                let (body, _) = line.split_once(",\"prev\":\"").unwrap();
                let body = format!("{body},\"prev\":\"{prev}\"");
                prev =
                    nightlatch_core::crypto::hex(&nightlatch_core::crypto::sha256(body.as_bytes()));
                forged.push_str(&format!("{body},\"hash\":\"{prev}\"}}\n"));
            }
            forged.push_str(torn);
            let mut files = honest.clone();
            files.insert(
                "0000000000000001.jsonl".to_owned(),
                forged.clone().into_bytes(),
            );
            home.put(&files);
            assert_eq!(verified(&home).is_good(), count < 16, "{count}");
            home.log().append_durable(&[used("b")]).unwrap();
            let lines = home.checked_lines();
            assert_eq!(
                types(&lines),
                ["SESSION_VALIDATED", "AUDIT_REPAIRED", "SESSION_VALIDATED"]
            );
            let details = &lines[1]["details"];
            assert_eq!(details["lines"], count);
            let aside = home.audit().join(details["quarantine"].as_str().unwrap());
            assert_eq!(
                std::fs::read(aside).unwrap(),
                forged.as_bytes()[text.len()..]
            );
            assert_eq!(verified(&home).findings, []);
        }
    }
}

#[test]
fn an_append_that_reached_the_log_and_not_the_state_is_kept() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    let before = home.files();
    for count in [1, 5] {
        for number in 0..count {
            let batch = [used(&format!("{number}")), used("b")];
            home.log().append_durable(&batch).unwrap();
        }
        let mut files = home.files();
        for name in [STATE, "head"] {
            files.insert(name.to_owned(), before[name].clone());
        }
        home.put(&files);
        home.log().append_durable(&[used("on")]).unwrap();
        let lines = home.checked_lines();
        assert_eq!(types(&lines), vec!["SESSION_VALIDATED"; 2 + 2 * count]);
        assert_eq!(verified(&home).findings, []);
        home.put(&before);
    }
}

#[test]
fn a_repair_that_was_not_recorded_is_recorded_by_the_next_process() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    for (name, bytes) in [
        ("unsealed-3-00000000000000ab.part", "{\"seq\"\n:"),
        ("unsealed-1-00000000000000ab.part", "old"),
    ] {
        std::fs::write(home.audit().join(name), bytes).unwrap();
    }
    home.log().append_durable(&[used("b")]).unwrap();
    let lines = home.checked_lines();
    assert_eq!(lines.len(), 3);
    let details = &lines[1]["details"];
    assert_eq!(details["quarantine"], "unsealed-3-00000000000000ab.part");
    assert_eq!(
        (&details["bytes"], &details["lines"]),
        (&8.into(), &1.into())
    );
}

#[test]
fn a_damaged_last_line_lets_nothing_follow() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let good = String::from_utf8(home.bytes()).unwrap();
    let files = home.files();
    let last = good.lines().next_back().unwrap();
    let with_last = |line: &str| good.replace(last, line);
    let padded = |line: &str| format!("{line}{}", "x".repeat(last.len() - line.len()));
    let cases = [
        (with_last("not an event"), Damage::CutShort),
        (with_last(""), Damage::CutShort),
        (with_last(&padded("{\"seq\":3}")), Damage::NotAnEvent),
        (with_last(&padded("not an event")), Damage::NotAnEvent),
        (
            with_last(&last.replace("\"seq\":3,", "\"seq\":0,")),
            Damage::NotAnEvent,
        ),
        (
            with_last(&last.replace("\"b\"", "\"B\"")),
            Damage::WrongHash,
        ),
        (
            with_last(&last.replace("\"uid\":1000", "\"uid\":1001")),
            Damage::WrongHash,
        ),
        (with_last(&"x".repeat(200_000)), Damage::NotAnEvent),
    ];
    for (content, expected) in cases {
        let mut changed = files.clone();
        changed.insert(
            "0000000000000001.jsonl".to_owned(),
            content.clone().into_bytes(),
        );
        home.put(&changed);
        let error = home.log().append(&[used("c")]).unwrap_err();
        let AuditError::Damaged { segment, damage } = &error else {
            panic!("{error}");
        };
        assert_eq!(
            (segment, *damage),
            (&home.segment(), expected),
            "{content:.20}"
        );
        assert!(error.to_string().contains("0000000000000001.jsonl"));
        assert_eq!(home.files(), changed, "left as it was");
    }
}

#[test]
fn no_crash_in_an_append_panics_or_loses_an_earlier_line() {
    let home = Home::new();
    drop(home.dir.subdir_or_create("audit").unwrap());
    // A state from before the first line, so that no line is missing.
    let mut sealer = sealer::Sealer::generate().unwrap();
    state_file::StateFile::create(&home.dir, &mut sealer).unwrap();
    let state = home.files().remove(STATE).unwrap();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let whole = home.bytes();
    // The first line is a separate append; the other two form one.
    let ends = [0, end_of(&whole, 1), end_of(&whole, 3)];
    for length in 0..=whole.len() {
        if length % 7 > 0 && !ends.iter().any(|&end| end.abs_diff(length) < 4) {
            continue;
        }
        home.put(&BTreeMap::from([
            (STATE.to_owned(), state.clone()),
            (
                "0000000000000001.jsonl".to_owned(),
                whole[..length].to_vec(),
            ),
        ]));
        let kept = *ends.iter().rfind(|&&end| end <= length).unwrap();
        let complete = memchr::memchr_iter(b'\n', &whole[..kept]).count();
        let torn = length > kept;

        home.log().append_durable(&[used("c")]).unwrap();
        let lines = home.all_lines();
        assert_eq!(
            lines.len(),
            complete.max(1) + usize::from(torn) + 1,
            "{length}"
        );
        assert_eq!(home.bytes()[..kept], whole[..kept], "{length}");
        if torn {
            let repaired = &lines[complete.max(1)];
            let name = repaired["details"]["quarantine"].as_str().unwrap();
            let aside = std::fs::read(home.audit().join(name)).unwrap();
            assert_eq!(aside, &whole[kept..length], "{length}");
        }
        assert_eq!(verified(&home).findings, [], "{length}");
    }
}

#[test]
fn a_segment_that_does_not_continue_the_one_before_it_is_refused() {
    for (name, content, damage) in [
        ("0000000000000005.jsonl", "", Damage::Gap),
        // It does, but the previous segment was not closed.
        ("0000000000000004.jsonl", "", Damage::Gap),
        ("0000000000000004.jsonl", "{\"se", Damage::Gap),
        ("0000000000000002.jsonl", "{\"se", Damage::Gap),
    ] {
        let home = Home::new();
        home.log().append_durable(&[used("a"), used("b")]).unwrap();
        std::fs::write(home.audit().join(name), content).unwrap();
        let error = home.log().append(&[used("c")]).unwrap_err();
        assert!(
            matches!(&error, AuditError::Damaged { damage: found, .. } if *found == damage),
            "{error}"
        );
    }
}

#[test]
fn a_log_others_could_write_or_that_is_a_link_is_refused() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    std::fs::set_permissions(home.segment(), PermissionsExt::from_mode(0o620)).unwrap();
    assert!(matches!(
        home.log().append(&[used("b")]),
        Err(AuditError::Fs(_))
    ));
    let elsewhere = home.audit().join("elsewhere");
    std::fs::rename(home.segment(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.segment()).unwrap();
    assert!(matches!(
        home.log().append(&[used("b")]),
        Err(AuditError::Fs(_))
    ));
    assert!(home.log().query(&Query::default()).is_err());
}

/// The file size limit applies to a process, so another process writes: this test binary, started
/// again to run only the test below.
#[test]
fn a_write_the_system_cuts_short_is_undone() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let before = home.bytes();
    assert!(before.len() < 4096);
    // A block of `ulimit -f` is 512 or 1024 bytes, depending on the shell; both limits are within
    // the batch.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::append::append_sixteen_events",
            "--ignored",
        ])
        .arg("--nocapture")
        .env("AUDIT_TEST_HOME", home.dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("refused: the audit log: cannot write to"),
        "{said}"
    );
    assert_eq!(home.bytes(), before);
    home.log().append_durable(&[used("c")]).unwrap();
    assert_eq!(home.checked_lines().len(), 3);
}

#[test]
#[ignore = "the child of another test"]
#[allow(clippy::disallowed_macros)]
fn append_sixteen_events() {
    let path = PathBuf::from(std::env::var_os("AUDIT_TEST_HOME").unwrap());
    let dir = Arc::new(Dir::open(&path).unwrap().unwrap());
    let clock = Arc::new(Still(AtomicI64::new(START), AtomicU8::new(1)));
    let log = AuditLog::new(dir, clock).with_origin(Origin::new("ws1", 1000, 4242, None));
    match log.append(&vec![used("x"); 16]) {
        Ok(_) => println!("appended"),
        Err(error) => println!("refused: {error}"),
    }
}
