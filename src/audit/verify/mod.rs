//! Verification: whether a log is what was once sealed, told by its own lines and a public key.
//!
//! It needs the segments and nothing else of ours, on any machine, and trusts none of them. Segments
//! are verified beside each other: the first line of each names the key of the next one's.

mod anchor;
mod descent;
mod finding;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;
mod seals;
mod segment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::error::AuditError;
use super::hash::LineHash;
use super::line::Link;
use super::progress::Progress;
use super::sealing::Sealing;
use super::segment::{OPENINGS, SegmentName, segments};
use super::state_file::{BadState, STATE_FILE, load_beside};
use crate::crypto::sign::PublicKey;
use crate::fs::{Archive, FsError};
use descent::Descent;
use seals::Seals;
use segment::{Report, Task, verify_segment};

pub use anchor::{Anchor, BadAnchor};
pub use finding::{Finding, Problem};

/// No more findings than this are kept, the first ones; the others are counted.
const KEPT: usize = 1000;

/// What to verify, and against what.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = std::sync::Arc::new(nightlatch::Dir::open_or_create(&scratch.path().join("home"))?);
/// use nightlatch::AuditLog;
/// use nightlatch::audit::{Details, Event, Progress, Verifier};
/// use nightlatch::clock::SystemClock;
///
/// let log = AuditLog::new(home.clone(), std::sync::Arc::new(SystemClock));
/// log.append_durable(&[Event::new(Details::LoginAttempt)])?;
///
/// let directory = home.path().join("audit");
/// let verified = Verifier::new(&directory).run(&Progress::default())?;
/// assert!(verified.is_good(), "{:?}", verified.findings);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    directory: PathBuf,
    fingerprint: Option<PublicKey>,
    anchor: Option<Anchor>,
    fast: bool,
    threads: usize,
}

/// What a log turned out to be.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
    /// How many more things are wrong than are named.
    pub more_findings: u64,
    /// Files of the log.
    pub segments: u64,
    /// Lines in them.
    pub lines: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Seals whose signatures were verified.
    pub seals: u64,
    /// The number of the first event there is.
    pub first_seq: Option<u64>,
    /// The number and the hash of the last.
    pub last: Option<(u64, LineHash)>,
    /// The last event that a seal covers.
    pub sealed_through: Option<u64>,
    /// The log's first public key, in hexadecimal, as the log itself tells it.
    pub fingerprint: Option<String>,
    /// Whether the fingerprint was compared with one that was given.
    pub fingerprint_given: bool,
    /// Whether the sealing state was there, which shows a cut end.
    pub state_seen: bool,
    /// Whether the log ends in the middle of a line: it is being written, or a crash tore it.
    pub ends_torn: bool,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.more_findings == 0
    }
}

impl Verifier {
    /// Of the segments in `directory`, everything.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            fingerprint: None,
            anchor: None,
            fast: false,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }

    /// Compares the log's first key with one noted before, 64 hexadecimal digits.
    ///
    /// # Errors
    /// When it is none; the error is what was given.
    pub fn fingerprint(mut self, fingerprint: &str) -> Result<Self, BadAnchor> {
        let digits = fingerprint.trim().to_ascii_lowercase();
        let key = PublicKey::parse(digits.as_bytes()).ok_or(BadAnchor::Fingerprint)?;
        self.fingerprint = Some(key);
        Ok(self)
    }

    /// Compares with what was noted of the log at another time.
    #[must_use]
    pub fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// Verifies the chain of all lines, all seals of the last segment, and of the others only those of
    /// their first and last lines. It finds every change by somebody who did not have the log's next
    /// keys. What it leaves out: whoever took the machine over while a segment was open had the key of
    /// the next one, and may have written that segment anew from its first line on before closing it;
    /// only the seals within it, whose keys were erased by then, tell.
    #[must_use]
    pub fn fast(mut self) -> Self {
        self.fast = true;
        self
    }

    /// How many segments are verified at the same time: by default, as many as there are processors.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Verifies. What is wrong with the log is in the answer.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn run(&self, progress: &Progress) -> Result<Verification, AuditError> {
        let archive = Archive::open(&self.directory)?;
        let mut result = Verification {
            fingerprint_given: self.fingerprint.is_some(),
            ..Verification::default()
        };
        // Before the segments: what is appended from here on cannot make it be ahead of them.
        let saved = load_beside(&self.directory)?;
        let mut names = archive.names()?;
        names.sort_unstable();
        let segments = regular(&archive, segments(&names), &mut result)?;
        let state = state(saved, &mut result);
        result.segments = segments.len() as u64;
        strange_files(&names, &mut result);
        if segments.is_empty() {
            let seq = state.as_ref().map_or(0, |state| state.last().seq);
            let problem = if seq > 0 {
                Problem::CutEnd { seq }
            } else {
                Problem::NoLog
            };
            result.about_log(problem);
            return Ok(result);
        }
        let descent = Descent::read(
            &archive,
            &segments,
            self.expected_fingerprint(),
            &mut result,
        )?;
        let watched: Vec<u64> = state
            .iter()
            .map(|state| state.last().seq)
            .chain(self.anchor.iter().map(|anchor| anchor.seq))
            .collect();
        let reports = self.verify_segments(&archive, &segments, &descent, &watched, progress)?;
        self.join(reports, state.as_ref(), &descent, &mut result);
        Ok(result)
    }

    fn expected_fingerprint(&self) -> Option<PublicKey> {
        self.fingerprint
            .or(self.anchor.as_ref().map(|anchor| anchor.fingerprint))
    }

    fn verify_segments(
        &self,
        archive: &Archive,
        segments: &[SegmentName],
        descent: &Descent,
        watched: &[u64],
        progress: &Progress,
    ) -> Result<Vec<(SegmentName, Report)>, FsError> {
        for name in segments {
            let path = archive.path().join(name.to_string());
            if let Some(file) = archive.open_file(&name.to_string())? {
                let inspected = file.metadata();
                let inspected = inspected.map_err(|error| FsError::new("inspect", &path, error))?;
                progress.expect(inspected.len());
            }
        }
        // No more of them are open at the same time than there are threads.
        let verify = |at: usize, name: SegmentName, seals: &mut Seals| {
            // Removed since it was listed: told of as missing, by the numbers.
            let Some(file) = archive.open_file(&name.to_string())? else {
                return Ok(None);
            };
            let task = Task {
                name,
                file,
                path: archive.path().join(name.to_string()),
                key: descent.key_of(name),
                is_last: at + 1 == segments.len(),
                fast: self.fast,
                watched,
                progress,
            };
            let report = verify_segment(task, seals)?;
            Ok(Some((name, report)))
        };
        let next = AtomicUsize::new(0);
        let done: Vec<_> = segments.iter().map(|_| Mutex::new(None)).collect();
        let foreign = Mutex::new(BTreeMap::new());
        let work = || {
            let mut seals = Seals::default();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(&name) = segments.get(at) else {
                    break;
                };
                let report = verify(at, name, &mut seals);
                if let Ok(mut slot) = done[at].lock() {
                    *slot = Some(report);
                }
            }
            let mut found = seals.finish();
            // Each segment is in one thread's map only.
            let mut foreign = foreign.lock().unwrap_or_else(PoisonError::into_inner);
            foreign.append(&mut found);
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads.min(segments.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut foreign = foreign.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.iter()
            .filter_map(take)
            .filter_map(Result::transpose)
            .map(|done| {
                done.map(|(name, mut report)| {
                    if let Some(foreign) = foreign.remove(&name) {
                        foreign.tell(name, &mut report);
                    }
                    (name, report)
                })
            })
            .collect()
    }

    /// Judges how the segments fit each other, the state and the anchor.
    fn join(
        &self,
        reports: Vec<(SegmentName, Report)>,
        state: Option<&Sealing>,
        descent: &Descent,
        result: &mut Verification,
    ) {
        let mut last: Option<Link> = None;
        let mut next_key = None;
        result.first_seq = reports.first().map(|(name, _)| name.first());
        let mut noted = Vec::new();
        let mut prunes = Vec::new();
        let mut first_continues = None;
        for (name, report) in reports {
            match (last, report.continues) {
                (Some(last), continues)
                    if name.first() != last.seq + 1
                        || continues.is_some_and(|hash| hash != last.hash) =>
                {
                    let problem = if name.first() > last.seq + 1 {
                        let (from, to) = (last.seq + 1, name.first() - 1);
                        Problem::Missing { from, to }
                    } else if name.first() <= last.seq {
                        let expected = last.seq + 1;
                        Problem::OutOfOrder { expected }
                    } else {
                        Problem::Unchained
                    };
                    result.about(&name.to_string(), 1, Some(name.first()), problem);
                }
                (None, continues) => first_continues = continues,
                // The two chains of keys must tell the same of a first line.
                (Some(last), Some(_))
                    if next_key.is_some_and(|key| Some(key) != descent.key_of(name)) =>
                {
                    let file = name.to_string();
                    result.about(&file, 1, Some(last.seq + 1), Problem::ForeignSeal);
                }
                _ => {}
            }
            next_key = report.next_key;
            result.lines += report.lines;
            result.bytes += report.bytes;
            result.seals += report.seals;
            report
                .findings
                .into_iter()
                .for_each(|finding| result.add(finding));
            result.more_findings += report.more_findings;
            result.sealed_through = report.sealed_through.or(result.sealed_through);
            result.ends_torn = report.torn;
            noted.extend(report.watched);
            prunes.extend(report.prunes);
            last = report.last.or(last);
        }
        result.last = last.map(|last| (last.seq, last.hash));
        descent.judge_prunes(&prunes, first_continues, result);
        let end = last.map_or(0, |last| last.seq);
        // Files without a line prove nothing: that is no log that is as it was sealed.
        if last.is_none()
            && result.findings.is_empty()
            && state.is_none_or(|state| state.last().seq == 0)
        {
            result.about_log(Problem::NoLog);
        }
        if let Some(state) = state {
            judge_state(state, &noted, result);
        }
        if let Some(anchor) = &self.anchor {
            anchor.judge(end, &noted, result);
        }
        if let (Some(expected), Some(found)) = (self.expected_fingerprint(), &result.fingerprint) {
            let expected = expected.to_string();
            if *found != expected {
                let found = found.clone();
                result.about_log(Problem::WrongFingerprint { expected, found });
            }
        }
    }
}

impl Verification {
    fn about(&mut self, file: &str, line: u64, seq: Option<u64>, problem: Problem) {
        self.add(Finding {
            file: file.to_owned(),
            line,
            seq,
            problem,
        });
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < KEPT {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }

    fn about_log(&mut self, problem: Problem) {
        self.about("", 0, None, problem);
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().ok().and_then(|mut slot| slot.take())
}

/// The segments that are files. A link or a pipe by the name of one is none: what it leads to could
/// be another the next time.
fn regular(
    archive: &Archive,
    named: Vec<SegmentName>,
    result: &mut Verification,
) -> Result<Vec<SegmentName>, FsError> {
    let mut segments = Vec::with_capacity(named.len());
    for name in named {
        match archive.open_file(&name.to_string()) {
            Ok(_) => segments.push(name),
            Err(error) if error.io_kind().is_some() => return Err(error),
            Err(_) => result.about(&name.to_string(), 0, None, Problem::StrangeFile),
        }
    }
    Ok(segments)
}

/// Names what looks like a part of the log and is none: a segment that was renamed.
fn strange_files(names: &[String], result: &mut Verification) {
    for name in names {
        if name.contains(".jsonl")
            && name != OPENINGS
            && segments(std::slice::from_ref(name)).is_empty()
        {
            result.about(name, 0, None, Problem::StrangeFile);
        }
    }
}

/// The sealing state, when it is there: a copy need not have it, and of a log that was never `begun`
/// it may not have been written.
fn state(saved: Option<Result<Sealing, BadState>>, result: &mut Verification) -> Option<Sealing> {
    match saved? {
        Ok(state) => {
            result.state_seen = true;
            Some(state)
        }
        Err(BadState) => {
            result.about(STATE_FILE, 0, None, Problem::BadState);
            None
        }
    }
}

fn judge_state(state: &Sealing, noted: &[Link], result: &mut Verification) {
    let Link { seq, hash } = state.last();
    if seq > result.sealed_through.unwrap_or(0) {
        result.about_log(Problem::CutEnd { seq });
    } else if noted
        .iter()
        .any(|link| link.seq == seq && link.hash != hash)
    {
        result.about_log(Problem::StateMismatch { seq });
    }
}
