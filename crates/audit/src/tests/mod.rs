//! The log as its callers see it: on disk, with a separate home per test.
#![allow(clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]
#![allow(
    clippy::format_push_string,
    clippy::large_stack_arrays,
    clippy::similar_names
)]

mod anchoring;
mod append;
pub(super) mod catalogue;
mod corpus;
mod datagrams;
mod events;
mod export;
mod following;
mod forwarding;
mod group;
mod holds;
mod journal;
mod query;
mod reading;
mod retention;
mod rows;
mod scan;
mod seal;
mod shipping;
mod tampering;
mod unknown_types;
mod vectors;
mod verify;
mod verify_noted;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use super::*;
use nightlatch_core::clock::{Boot, BootTime, Clock, Moment, Timestamp};
use nightlatch_platform::fs::Dir;

/// 2025-11-20T23:41:07.123456Z
const START: i64 = 1_763_682_067_123_456_000;

/// The sealing state, in the home.
const STATE: &str = "seal/state";

/// A clock that stands still until it is moved, and its boot.
struct Still(AtomicI64, AtomicU8);

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment {
            wall: Timestamp::from_unix_nanos(self.0.load(Ordering::Relaxed)),
            boot: BootTime::from_nanos(0),
        }
    }

    fn boot(&self) -> std::io::Result<Boot> {
        Ok(Boot {
            id: [self.1.load(Ordering::Relaxed); 16],
            clock_shifted: false,
        })
    }

    fn sleep(&self, duration: Duration) {
        let nanos = i64::try_from(duration.as_nanos()).unwrap();
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }
}

struct Home {
    _temp: tempfile::TempDir,
    dir: Arc<Dir>,
    clock: Arc<Still>,
}

impl Home {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_or_create(&temp.path().join("home")).unwrap();
        Self {
            _temp: temp,
            dir: Arc::new(dir),
            clock: Arc::new(Still(AtomicI64::new(START), AtomicU8::new(1))),
        }
    }

    fn log(&self) -> AuditLog {
        let origin = Origin::new("ws1", 1000, 4242, Some("pts/3"));
        AuditLog::new(self.dir.clone(), self.clock.clone()).with_origin(origin)
    }

    /// Sets the clock to this many days and seconds after the start.
    fn set_day(&self, day: i64, seconds: i64) {
        let seconds = day * 86_400 + seconds;
        let nanos = START + seconds * 1_000_000_000;
        self.clock.0.store(nanos, Ordering::Relaxed);
    }

    /// Uses the log once on each of these days.
    fn use_on(&self, days: impl IntoIterator<Item = i64>) {
        for day in days {
            self.set_day(day, 0);
            self.log().append_durable(&[used("a")]).unwrap();
        }
    }

    /// Asserts that the log verifies, including its seals.
    #[track_caller]
    fn verifies(&self) -> Verification {
        let verifier = Verifier::new(&self.audit()).threads(1);
        let found = verifier.run(&Progress::default()).unwrap();
        assert!(found.is_good(), "{:?}", found.findings);
        found
    }

    fn audit(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    fn segment(&self) -> PathBuf {
        self.audit().join("0000000000000001.jsonl")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.segment()).unwrap()
    }

    /// Simulates a restart of the machine.
    fn reboot(&self) {
        self.clock.1.fetch_add(1, Ordering::Relaxed);
    }

    /// Moves the clock, forward or back.
    fn shift(&self, nanos: i64) {
        self.clock.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The path of a file of the log; [`STATE`] is beside the log's directory.
    fn path_of(&self, name: &str) -> PathBuf {
        if name == STATE {
            self.dir.path().join(STATE)
        } else {
            self.audit().join(name)
        }
    }

    /// The files of the log and the sealing state, by name, if they exist.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let names = self.names().into_iter().chain([STATE.to_owned()]);
        names
            .filter_map(|name| {
                let bytes = std::fs::read(self.path_of(&name)).ok()?;
                Some((name, bytes))
            })
            .collect()
    }

    /// Replaces all files of the log and its state with `files`.
    fn put(&self, files: &BTreeMap<String, Vec<u8>>) {
        for name in self.names() {
            std::fs::remove_file(self.audit().join(name)).unwrap();
        }
        let _ = std::fs::remove_file(self.path_of(STATE));
        for (name, bytes) in files {
            let path = self.path_of(name);
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// The lines of all segments, without those that open and close them; see [`Home::all_lines`].
    fn checked_lines(&self) -> Vec<serde_json::Value> {
        let mut lines = self.all_lines();
        assert_eq!(lines[0]["event_type"], "SEGMENT_OPENED");
        lines.retain(|line| !line["event_type"].as_str().unwrap().starts_with("SEGMENT_"));
        lines
    }

    /// The lines of all segments, with every hash recomputed from raw bytes, using only what an
    /// auditor knows of the format.
    fn all_lines(&self) -> Vec<serde_json::Value> {
        let files = self.files().into_iter();
        let segments = files.filter(|(name, _)| name.starts_with('0'));
        let text: Vec<u8> = segments.flat_map(|(_, bytes)| bytes).collect();
        let text = String::from_utf8(text).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let mut prev = "0".repeat(64);
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let (hashed, hash) = line.split_once(",\"hash\":\"").unwrap();
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["seq"], at + 1);
            assert_eq!(value["prev"], prev.as_str());
            assert_eq!(
                &hash[..64],
                nightlatch_core::crypto::hex(&nightlatch_core::crypto::sha256(hashed.as_bytes()))
            );
            prev = hash[..64].to_owned();
            lines.push(value);
        }
        lines
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.audit())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The end of the first `count` lines.
fn end_of(bytes: &[u8], count: usize) -> usize {
    let ends = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1);
    [0].into_iter().chain(ends).nth(count).unwrap()
}

/// Runs a full verification of the log of `home`.
fn verified(home: &Home) -> Verification {
    Verifier::new(&home.audit())
        .run(&Progress::default())
        .unwrap()
}

fn used(action: &str) -> Event {
    Event::new(Details::SessionValidated {
        action: Action::new(action),
    })
}

fn actions(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .filter(|record| record.event_type != EventType::SegmentOpened)
        .map(|record| {
            let details: serde_json::Value = serde_json::from_str(record.details.get()).unwrap();
            details["action"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}

impl AuditLog {
    fn query_by(
        &self,
        query: &Query,
        options: &super::scan_options::ScanOptions,
        progress: &Progress,
    ) -> Result<QueryResult, AuditError> {
        self.reader().query_by(query, options, progress)
    }
}
