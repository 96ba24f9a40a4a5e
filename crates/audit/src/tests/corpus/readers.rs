//! Readers see everything that verifies: no line is missing from a list, a search or an export.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::case::Entry;
use super::forge::{Forge, Random};
use crate::tests::Home;
use crate::{ExportFormat, Limit, Progress, Query, Record, Verifier};

/// Checks all logs of the corpus that verify, and as many others that are made and tampered with at
/// random.
pub(super) fn every_line_of_what_verifies_is_read() {
    let mut read = 0;
    // The other test checks that these verify.
    for case in super::cases().iter().filter(|case| case.is_honest()) {
        let files = case.entries.iter().filter_map(|(name, entry)| match entry {
            Entry::Bytes(bytes) => Some((name.clone(), bytes.clone())),
            _ => None,
        });
        read_all(&case.name, &home_of(files));
        read += 1;
    }
    for seed in 1000..1150 {
        let mut random = Random::new(seed);
        let mut forge = Forge::new(seed);
        forge.open();
        for _ in 0..random.below(4) {
            let appends = random.below(6);
            forge.work(appends);
            forge.next_day();
        }
        let appends = random.below(6);
        forge.work(appends);
        let mut files = forge.log();
        if random.below(3) > 0 {
            tamper(&mut random, &mut files);
        }
        let home = home_of(files);
        let found = Verifier::new(&home.audit())
            .threads(1)
            .run(&Progress::default());
        if found.unwrap().is_good() {
            read_all(&format!("random {seed}"), &home);
            read += 1;
        }
    }
    assert!(read > 100, "{read}");
}

/// A change after which the log may still verify: at its end, or in a head.
fn tamper(random: &mut Random, files: &mut super::case::Files) {
    let count = random.below(files.len());
    let last = files
        .keys()
        .rfind(|name| name.starts_with('0'))
        .unwrap()
        .clone();
    let name = files.keys().nth(count).unwrap().clone();
    match random.below(5) {
        0 => drop(files.remove("head")),
        1 => {
            files.remove("head");
            let file = files.get_mut(&last).unwrap();
            let length = random.below(file.len());
            file.truncate(length);
        }
        2 => files
            .get_mut(&last)
            .unwrap()
            .extend_from_slice(b"{\"seq\":1}\n\0{"),
        _ => {
            let file = files.get_mut(&name).unwrap();
            let place = random.below(file.len());
            file[place] ^= 1 << random.below(8);
        }
    }
}

fn home_of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Home {
    let home = Home::new();
    home.dir.subdir_or_create("audit").unwrap();
    for (name, bytes) in files {
        let path = home.audit().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    home
}

fn read_all(name: &str, home: &Home) {
    let lines = vouched_for(home);
    let records = matching(home, &Query::default());
    let raw: Vec<_> = records
        .iter()
        .map(|record| record.raw.as_bytes().to_vec())
        .collect();
    assert!(
        raw == lines,
        "{name}: {} lines, {} are listed",
        lines.len(),
        raw.len()
    );
    let mut exported = Vec::new();
    for record in &records {
        ExportFormat::Jsonl.append(&mut exported, record, None);
    }
    assert!(
        exported == [lines.join(&b'\n'), b"\n".to_vec()].concat(),
        "{name}: exported"
    );
    let newest = home
        .log()
        .query(&Query {
            limit: Limit::MAX,
            ..Query::default()
        })
        .unwrap();
    assert_eq!(
        (newest.total, newest.unreadable),
        (lines.len() as u64, 0),
        "{name}"
    );
    let newest: Vec<_> = newest.events.iter().map(|record| record.seq).collect();
    let from = records.len().saturating_sub(usize::from(Limit::MAX.get()));
    assert!(
        newest
            .iter()
            .eq(records[from..].iter().map(|record| &record.seq)),
        "{name}"
    );
    // Search for each record individually; in a long log, for some of them.
    for record in records.iter().step_by(1 + records.len() / 40) {
        for query in searches(record) {
            let found = matching(home, &query);
            let is_found = found.iter().any(|found| found.raw == record.raw);
            assert!(is_found, "{name}: event {} by {query:?}", record.seq);
        }
    }
}

/// The queries that must find the event.
fn searches(record: &Record) -> Vec<Query> {
    let all = Query::default;
    let time = Query {
        since: Some(record.timestamp),
        until: Some(record.timestamp.plus(Duration::from_nanos(1))),
        ..all()
    };
    let named = Query {
        types: vec![record.event_type.clone()],
        ..all()
    };
    let of_user = record.username.iter().map(|user| Query {
        user: Some(user.clone()),
        ..all()
    });
    let of_session = record.session_id.iter().map(|session| Query {
        session: Some(*session),
        ..all()
    });
    let mut queries: Vec<_> = of_user.chain(of_session).collect();
    queries.extend([
        Query {
            types: named.types.clone(),
            ..time.clone()
        },
        time,
        named,
    ]);
    queries
}

fn matching(home: &Home, query: &Query) -> Vec<Record> {
    let mut records = Vec::new();
    let summary = home.log().for_each(query, &Progress::default(), |record| {
        records.push(record.clone());
        ControlFlow::Continue(())
    });
    assert_eq!(summary.unwrap().unreadable, 0);
    records
}

/// The lines of the log up to its last seal, without their line ends.
fn vouched_for(home: &Home) -> Vec<Vec<u8>> {
    let verified = Verifier::new(&home.audit())
        .run(&Progress::default())
        .unwrap();
    let segments = home.files().into_iter().filter(|(name, _)| {
        name.starts_with('0')
            && std::path::Path::new(name)
                .extension()
                .is_some_and(|is| is == "jsonl")
    });
    let lines = segments.flat_map(|(_, bytes)| {
        let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
        let mut lines: Vec<_> = lines.collect();
        // The part after the last line end.
        lines.pop();
        lines
    });
    lines
        .take(usize::try_from(verified.lines).unwrap())
        .collect()
}
