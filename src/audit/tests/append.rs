use super::*;

#[test]
fn nothing_is_touched_before_the_first_event() {
    let home = Home::new();
    let log = home.log();
    assert!(!home.audit().exists());
    log.append_durable(&[used("a")]).unwrap();
    assert_eq!(home.names(), ["0000000000000001.jsonl", "seal"]);
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

#[test]
fn a_torn_last_line_is_moved_aside_and_recorded() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let whole = home.bytes();
    let second = end_of(&whole, 2);
    std::fs::write(home.segment(), &whole[..second + 40]).unwrap();

    home.log().append_durable(&[used("c")]).unwrap();
    let lines = home.checked_lines();
    let types: Vec<_> = lines
        .iter()
        .map(|line| line["event_type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        ["SESSION_VALIDATED", "AUDIT_REPAIRED", "SESSION_VALIDATED"]
    );
    let details = &lines[1]["details"];
    assert_eq!(details["segment"], "0000000000000001.jsonl");
    assert_eq!(details["torn_bytes"], 40);
    let quarantine = home.audit().join(details["quarantine"].as_str().unwrap());
    assert!(
        details["quarantine"]
            .as_str()
            .unwrap()
            .starts_with("torn-3-")
    );
    assert_eq!(
        std::fs::read(&quarantine).unwrap(),
        &whole[second..second + 40]
    );
    assert_eq!(
        std::fs::metadata(&quarantine).unwrap().permissions().mode() & 0o777,
        0o600
    );

    home.log().append_durable(&[used("d")]).unwrap();
    assert_eq!(home.checked_lines().len(), 4, "recorded once");
}

#[test]
fn a_repair_that_was_not_recorded_is_recorded_by_the_next_process() {
    let home = Home::new();
    home.log().append_durable(&[used("a")]).unwrap();
    std::fs::write(
        home.audit().join("torn-3-00000000000000ab.part"),
        "{\"seq\"",
    )
    .unwrap();
    std::fs::write(home.audit().join("torn-1-00000000000000ab.part"), "old").unwrap();
    home.log().append_durable(&[used("b")]).unwrap();
    let lines = home.checked_lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[1]["details"]["quarantine"],
        "torn-3-00000000000000ab.part"
    );
    assert_eq!(lines[1]["details"]["torn_bytes"], 6);
}

#[test]
fn a_damaged_last_line_lets_nothing_follow() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let good = String::from_utf8(home.bytes()).unwrap();
    let last = good.lines().next_back().unwrap();
    let with_last = |line: &str| good.replace(last, line);
    let cases = [
        (with_last("not an event"), Damage::NotAnEvent),
        (with_last(""), Damage::NotAnEvent),
        (with_last("{\"seq\":2}"), Damage::NotAnEvent),
        (
            with_last(&last.replace("\"seq\":3,", "\"seq\":0,")),
            Damage::NotAnEvent,
        ),
        (
            with_last(&last.replace("\"seq\":3,", "\"seq\":18446744073709551615,")),
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
        (with_last(&"x".repeat(200_000)), Damage::LineTooLong),
    ];
    for (content, expected) in cases {
        std::fs::write(home.segment(), &content).unwrap();
        let error = home.log().append(&[used("c")]).unwrap_err();
        let AuditError::Damaged { segment, damage } = &error else {
            panic!("{error}");
        };
        assert_eq!((segment, *damage), (&home.segment(), expected));
        assert!(error.to_string().contains("0000000000000001.jsonl"));
        assert!(error.hint().unwrap().contains("keep it as evidence"));
        assert_eq!(home.bytes(), content.as_bytes(), "left as it was");
    }
}

#[test]
fn no_truncation_panics_or_loses_a_complete_line() {
    let home = Home::new();
    let dir = home.dir.subdir_or_create("audit").unwrap();
    // Of before the first line, so that none of them is missing.
    sealing::Sealing::generate().unwrap().save(&dir).unwrap();
    let state = home.files().remove("seal").unwrap();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let whole = home.bytes();
    let ends: Vec<_> = (0..=3).map(|count| end_of(&whole, count)).collect();
    for length in 0..=whole.len() {
        if length % 7 > 0 && !ends.iter().any(|&end| end.abs_diff(length) < 4) {
            continue;
        }
        home.put(&BTreeMap::from([
            ("seal".to_owned(), state.clone()),
            (
                "0000000000000001.jsonl".to_owned(),
                whole[..length].to_vec(),
            ),
        ]));
        let complete = ends.iter().filter(|&&end| end <= length).count() - 1;
        let kept = ends[complete];
        let torn = length > kept;

        let read = home.log().query(&Query::default()).unwrap();
        assert_eq!(
            (read.total, read.unreadable),
            (complete as u64, 0),
            "{length}"
        );

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
        // It does, but the one before it was not closed.
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

/// The limit on file size belongs to a process, so the writing is done by another one: this test
/// binary again, running only the test below.
#[test]
fn a_write_the_system_cuts_short_is_undone() {
    let home = Home::new();
    home.log().append_durable(&[used("a"), used("b")]).unwrap();
    let before = home.bytes();
    assert!(before.len() < 4096);
    // One block of `ulimit -f` is 512 or 1024 bytes, by shell; either ends within the batch.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "audit::tests::append::append_twenty_events",
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
fn append_twenty_events() {
    let path = PathBuf::from(std::env::var_os("AUDIT_TEST_HOME").unwrap());
    let dir = Arc::new(Dir::open(&path).unwrap().unwrap());
    let clock = Arc::new(Still(AtomicI64::new(START)));
    let log = AuditLog::new(dir, clock).with_origin(Origin::new("ws1", 1000, 4242, None));
    match log.append(&vec![used("x"); 20]) {
        Ok(_) => println!("appended"),
        Err(error) => println!("refused: {error}"),
    }
}
