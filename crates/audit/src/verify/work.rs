//! Verifies segments on several threads, and joins them in order.

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

/// The segments to verify, and how.
pub(super) struct Work<'a> {
    pub(super) archive: &'a Archive,
    pub(super) snapshot: &'a Snapshot,
    pub(super) chain: &'a KeyChain,
    pub(super) watched: &'a [u64],
    /// How many bytes of the last segment are sealed.
    pub(super) sealed: u64,
    /// The last of those bytes if the file lacks them.
    pub(super) missing: &'a [u8],
    pub(super) fast: bool,
    /// Whether to stop if a segment was removed meanwhile.
    pub(super) stops: bool,
    pub(super) progress: &'a Progress,
}

/// How the work ended.
#[allow(clippy::large_enum_variant)] // there is only one value
pub(super) enum Done<'a> {
    All(Join<'a>),
    /// A segment was removed meanwhile.
    Vanished,
}

/// Segments that were verified; they are joined in order, whichever thread finishes first.
struct Ordered<'a> {
    join: Join<'a>,
    next: usize,
    waiting: BTreeMap<usize, Option<Report>>,
    failed: Option<FsError>,
    vanished: bool,
}

impl<'a> Work<'a> {
    /// Verifies all segments on this many threads.
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

    /// Verifies the segment at this index; `None` if it was removed after it was listed.
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
    /// Adds the result of the segment at this index. Returns whether to stop.
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
