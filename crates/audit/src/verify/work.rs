//! Verifying segments on several threads, and putting them together in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::join::Join;
use super::key_chain::KeyChain;
use super::seals::{Batches, Seals};
use super::segment::{Report, Task, verify_segment};
use super::snapshot::Snapshot;
use crate::progress::Progress;
use nightlatch_platform::fs::{Archive, FsError};

/// The segments to be verified.
pub(super) struct Work<'a> {
    pub(super) archive: &'a Archive,
    pub(super) snapshot: &'a Snapshot,
    pub(super) chain: &'a KeyChain,
    pub(super) watched: &'a [u64],
    /// How much of the last segment is sealed.
    pub(super) sealed: u64,
    /// The last bytes of that, where the file lacks them.
    pub(super) missing: &'a [u8],
    pub(super) fast: bool,
    /// Whether to stop when a segment was removed meanwhile.
    pub(super) stops: bool,
    pub(super) progress: &'a Progress,
}

/// How it ended.
#[allow(clippy::large_enum_variant)] // there is one
pub(super) enum Done<'a> {
    All(Join<'a>),
    /// A segment was removed meanwhile.
    Vanished,
}

/// Segments that were verified: they are put together in order, however the threads finish.
struct Ordered<'a> {
    join: Join<'a>,
    next: usize,
    waiting: BTreeMap<usize, Option<Report>>,
    failed: Option<FsError>,
    vanished: bool,
}

impl<'a> Work<'a> {
    /// Verifies all segments with so many threads.
    pub(super) fn run(&self, threads: usize, join: Join<'a>) -> Result<Done<'a>, FsError> {
        let ordered = Mutex::new(Ordered {
            join,
            next: 0,
            waiting: BTreeMap::new(),
            failed: None,
            vanished: false,
        });
        let batches = Batches::new(threads);
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut seals = Seals::new(&batches);
            while !stopped.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= self.snapshot.segments.len() {
                    break;
                }
                let report = self.segment(at, &mut seals);
                let mut ordered = ordered.lock().unwrap_or_else(PoisonError::into_inner);
                if ordered.add(at, report, self.stops) {
                    stopped.store(true, Ordering::Relaxed);
                }
            }
            seals.finish();
            batches.help();
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        let mut ordered = ordered.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = ordered.failed {
            return Err(error);
        }
        if ordered.vanished {
            return Ok(Done::Vanished);
        }
        ordered.join.findings.append(batches.finish());
        Ok(Done::All(ordered.join))
    }

    /// Verifies the segment at this place; `None` when it was removed since it was listed.
    fn segment(&self, at: usize, seals: &mut Seals<'_>) -> Result<Option<Report>, FsError> {
        let segment = &self.snapshot.segments[at];
        let name = segment.name;
        let Some(file) = self.archive.open_file(&name.to_string())? else {
            return Ok(None);
        };
        let is_last = at + 1 == self.snapshot.segments.len();
        let task = Task {
            name,
            file,
            path: self.archive.path().join(name.to_string()),
            size: if is_last { self.sealed } else { segment.size },
            missing: if is_last { self.missing } else { &[] },
            key: self.chain.key_of(at),
            fingerprint: self.chain.fingerprint,
            is_last,
            fast: self.fast,
            watched: self.watched,
            progress: self.progress,
        };
        verify_segment(&task, seals).map(Some)
    }
}

impl Ordered<'_> {
    /// Adds what the segment at this place turned out to be: whether the work is to stop.
    fn add(
        &mut self,
        at: usize,
        report: Result<Option<Report>, FsError>,
        stops_when_vanished: bool,
    ) -> bool {
        match report {
            Err(error) => {
                self.failed.get_or_insert(error);
                return true;
            }
            Ok(None) if stops_when_vanished => {
                self.vanished = true;
                return true;
            }
            Ok(report) => self.waiting.insert(at, report),
        };
        while let Some(report) = self.waiting.remove(&self.next) {
            self.next += 1;
            if let Some(report) = report {
                self.join.add(report);
            }
        }
        false
    }
}
