//! Reads the pieces of a plan, with as many threads as are worthwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::error::AuditError;
use super::files::Files;
use super::filter::{Filter, Verdict};
use super::plan::{Piece, Plan};
use super::progress::Progress;
use super::query::{Limit, LimitUnit, Query};
use super::reader::{Block, Blocks, Section};
use super::record::Record;
use super::scan_options::ScanOptions;
use nightlatch_platform::fs::FsError;

/// The result of a scan.
pub(super) struct Newest {
    pub(super) events: Vec<Record>,
    pub(super) total: u64,
    pub(super) unreadable: u64,
    /// Whether everything was read; if not, older events may match.
    pub(super) is_complete: bool,
    /// Lines that were to be returned but are not events.
    spoilt: u64,
}

/// The results so far.
struct Tally {
    limit: usize,
    /// Matching lines by piece; in total not many more than the limit.
    kept: BTreeMap<usize, VecDeque<Vec<u8>>>,
    total: u64,
    unreadable: u64,
    is_complete: bool,
    failed: Option<AuditError>,
}

impl Tally {
    /// How many matches of the piece `at` can be among the newest.
    fn room(&self, at: usize) -> usize {
        let newer: usize = self
            .kept
            .range(at + 1..)
            .map(|(_, lines)| lines.len())
            .sum();
        self.limit.saturating_sub(newer)
    }

    fn add(&mut self, at: usize, count: Count) {
        self.total += count.total;
        self.unreadable += count.unreadable;
        let lines = count.newest;
        if !lines.is_empty() {
            self.kept.insert(at, lines);
        }
        while let Some((&oldest, _)) = self.kept.first_key_value()
            && self.room(oldest) == 0
        {
            self.kept.remove(&oldest);
        }
    }
}

/// The newest events of `plan` that match `query`, newest last, and the total number of matches.
pub(super) fn newest(
    files: &Files<'_>,
    plan: &Plan,
    query: &Query,
    options: &ScanOptions,
    progress: &Progress,
) -> Result<Newest, AuditError> {
    progress.expect(plan.pieces.iter().map(Piece::bytes).sum());
    let found = newest_by(files, plan, query, &Filter::new(query), options, progress)?;
    if found.spoilt == 0 {
        return Ok(found);
    }
    // Lines that only begin and end like events displaced real ones: the log was tampered with, so
    // scan again and parse every match.
    let nobody = Progress::default();
    let strict = Filter::new(query).strict();
    newest_by(files, plan, query, &strict, options, &nobody)
}

fn newest_by(
    files: &Files<'_>,
    plan: &Plan,
    query: &Query,
    filter: &Filter,
    options: &ScanOptions,
    progress: &Progress,
) -> Result<Newest, AuditError> {
    let limit = match query.limit_unit {
        LimitUnit::Events => query.limit,
        LimitUnit::Rows => Limit::of_rows(query.limit),
    };
    let limit = usize::from(limit.get());
    let tally = Mutex::new(Tally {
        limit,
        kept: BTreeMap::new(),
        total: 0,
        unreadable: 0,
        is_complete: true,
        failed: None,
    });
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Read the newest pieces first: matches in older pieces then only need counting.
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some(at) = plan.pieces.len().checked_sub(turn + 1) else {
                return;
            };
            let room = lock(&tally).room(at);
            if room == 0 && !options.counts_all {
                lock(&tally).is_complete = false;
                return;
            }
            let mut count = Count::new(room);
            let scanned = piece(files, &plan.pieces[at], filter, options.chunk, |verdict| {
                count.take(&verdict);
            });
            progress.add(plan.pieces[at].bytes());
            let mut tally = lock(&tally);
            match scanned {
                Ok(()) => tally.add(at, count),
                Err(error) => {
                    tally.failed.get_or_insert(error);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads(plan, options) {
            scope.spawn(work);
        }
        work();
    });
    let mut tally = tally
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(error) = tally.failed.take() {
        return Err(error);
    }
    let lines: Vec<_> = tally.kept.into_values().flatten().collect();
    let oldest = lines.len().saturating_sub(limit);
    let kept = &lines[oldest..];
    let events: Vec<_> = kept.iter().filter_map(|line| Record::parse(line)).collect();
    let spoilt = (kept.len() - events.len()) as u64;
    Ok(Newest {
        events,
        total: tally.total,
        unreadable: tally.unreadable,
        is_complete: tally.is_complete,
        spoilt,
    })
}

/// Reading a short log takes less time than starting a thread.
fn threads(plan: &Plan, options: &ScanOptions) -> usize {
    let pieces = plan.pieces.len();
    if pieces < 2 {
        return 1;
    }
    let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    options.threads.unwrap_or_else(available).min(pieces)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic leaves a result either fully counted or not counted, and the panic propagates.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The results of one piece.
struct Count {
    room: usize,
    newest: VecDeque<Vec<u8>>,
    total: u64,
    unreadable: u64,
}

impl Count {
    fn new(room: usize) -> Self {
        Self {
            room,
            newest: VecDeque::new(),
            total: 0,
            unreadable: 0,
        }
    }

    fn take(&mut self, verdict: &Verdict<'_>) {
        match verdict {
            Verdict::Match(line) => {
                self.total += 1;
                if self.room == 0 {
                    return;
                }
                // Reuse the memory of the oldest line, so that a long log is read without
                // allocating.
                let mut kept = if self.newest.len() == self.room {
                    self.newest.pop_front().unwrap_or_default()
                } else {
                    Vec::new()
                };
                kept.clear();
                kept.extend_from_slice(line);
                self.newest.push_back(kept);
            }
            Verdict::Unreadable => self.unreadable += 1,
            Verdict::Other => {}
        }
    }
}

/// Passes the verdict on every line of `piece` to `each`, in order. Does nothing if the segment was
/// removed after planning.
pub(super) fn piece(
    files: &Files<'_>,
    piece: &Piece,
    filter: &Filter,
    chunk: usize,
    mut each: impl FnMut(Verdict<'_>),
) -> Result<(), AuditError> {
    let name = piece.segment.to_string();
    let Some(file) = files.open_file(&name)? else {
        return Ok(());
    };
    let failed = |error| FsError::new("read", files.path().join(&name), error);
    let section = Section {
        file,
        at: piece.start,
        end: piece.end,
    };
    let mut blocks = Blocks::new(section, chunk);
    while let Some(block) = blocks.next().map_err(failed)? {
        match block {
            Block::Lines(lines) => filter.judge_block(blocks.bytes(lines), &mut each),
            Block::TooLong if filter.looks_at_all() => each(Verdict::Unreadable),
            Block::TooLong => {}
        }
    }
    if piece.is_end && blocks.ends_torn() && filter.looks_at_all() {
        each(Verdict::Unreadable);
    }
    Ok(())
}
