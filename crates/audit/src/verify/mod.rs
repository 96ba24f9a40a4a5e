//! Verification: checks a log for tampering, by the numbered rules in docs/formats.md.
//!
//! It needs only the log's files and a public key, works on any machine, and trusts none of the
//! files. Segments are verified in parallel: the first line of each announces the key of the next
//! one's first line.

mod anchor;
mod anchors;
mod end;
mod finding;
mod join;
mod key_chain;
#[cfg(any(test, fuzzing, feature = "test-util"))]
pub(crate) mod properties;
mod records;
mod result;
mod seals;
mod segment;
mod sessions;
mod snapshot;
mod unsealed;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::AuditError;
use super::lost_end::{LostEnd, journal_before_boot};
use super::progress::Progress;
use super::sealer::Sealer;
use super::state_file::{BadState, load_beside};
use end::{judge_head, judge_state, state_name};
use finding::Findings;
use join::Join;
use key_chain::KeyChain;
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_platform::fs::{Archive, FsError};
use snapshot::{Segment, Snapshot};
use unsealed::UnsealedEnd;
use work::{Done, Work};

pub use anchor::{Anchor, BadAnchor};
pub use anchors::Anchors;
pub use finding::{Finding, Problem};
pub use result::{AnchorCounts, Removal, Repaired, Verification, Warning, WarningReason};

/// How many times verification restarts when segments are removed while it runs.
const RESTARTS: u32 = 3;
/// The minimum number of bytes for another thread to be worthwhile.
const SHARE: u64 = 256 * 1024;

/// Configures and runs a verification.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = std::sync::Arc::new(nightlatch_platform::fs::Dir::open_or_create(&scratch.path().join("home"))?);
/// use nightlatch_audit::AuditLog;
/// use nightlatch_audit::{Details, Event, Progress, Verifier};
/// use nightlatch_platform::clock::SystemClock;
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
    anchors: Anchors,
    retention: Option<Duration>,
    expects_state: bool,
    boot: [u8; 16],
    fast: bool,
    threads: usize,
}

impl Verifier {
    /// A full verification of the log in `directory`.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            fingerprint: None,
            anchors: Anchors::default(),
            retention: None,
            expects_state: false,
            boot: [0; 16],
            fast: false,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }

    /// Compares the log's first key with a fingerprint noted earlier, 64 hexadecimal digits.
    ///
    /// # Errors
    /// When `fingerprint` does not have that form.
    pub fn fingerprint(mut self, fingerprint: &str) -> Result<Self, BadAnchor> {
        let digits = fingerprint.trim().to_ascii_lowercase();
        let key = PublicKey::parse(digits.as_bytes()).ok_or(BadAnchor::Fingerprint)?;
        self.fingerprint = Some(key);
        Ok(self)
    }

    /// Compares the log with an anchor noted earlier.
    #[must_use]
    pub fn anchor(self, anchor: Anchor) -> Self {
        self.anchors(Anchors::one(anchor, "the anchor"))
    }

    /// Compares the log with these anchors, in addition to those given before. Anchors of other
    /// logs are counted and ignored, unless all anchors are from other logs.
    #[must_use]
    pub fn anchors(mut self, anchors: Anchors) -> Self {
        self.anchors.extend(anchors);
        self
    }

    /// Reports events that were removed sooner than this after the last of them.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = Some(retention);
        self
    }

    /// The log is in its home, so a missing sealing state is a finding.
    #[must_use]
    pub fn in_home(mut self) -> Self {
        self.expects_state = true;
        self
    }

    /// The log is on the running system, whose boot has this id (zeros if the system has none).
    /// After a loss of power before this boot, lines missing from the log's end are not a finding
    /// if the journal beside the sealing state has them for the next append to restore; they are
    /// verified, too. A head that is one append ahead of the log and the state is not a finding
    /// either.
    #[must_use]
    pub fn in_boot(mut self, id: [u8; 16]) -> Self {
        self.boot = id;
        self
    }

    /// Checks all rules, but verifies only the signatures of the last segment, and those of the
    /// first and the last line of every other one. This misses a forgery: whoever took over the
    /// machine while a segment was open had the key of the next segment's first line, and may have
    /// rewritten the open segment from its first line on before closing it. Only the seals within
    /// it, whose keys were erased by then, show that.
    #[must_use]
    pub fn fast(mut self) -> Self {
        self.fast = true;
        self
    }

    /// The number of threads; by default, the number of processors.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Runs the verification; the result lists what is wrong with the log. The log may grow
    /// meanwhile: only what exists at the start is verified.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn run(&self, progress: &Progress) -> Result<Verification, AuditError> {
        for _ in 0..RESTARTS {
            if let Some(result) = self.attempt(progress, false)? {
                return Ok(result);
            }
        }
        Ok(self.attempt(progress, true)?.unwrap_or_default())
    }

    /// `None` if a segment was removed meanwhile and this is not the last attempt (`is_last`).
    fn attempt(
        &self,
        progress: &Progress,
        is_last: bool,
    ) -> Result<Option<Verification>, AuditError> {
        let archive = Archive::open(&self.directory)?;
        // Load the state before the segments: later appends then cannot put it ahead of them.
        let state = load_beside(&self.directory)?;
        let journal = self.journal(state.as_ref())?;
        let mut findings = Findings::default();
        let mut snapshot = Snapshot::take(&archive, &mut findings)?;
        let lost = lost_end(&archive, snapshot.segments.last_mut(), journal)?;
        let chain = KeyChain::read(&archive, &snapshot, &mut findings)?;
        let missing = lost.as_ref().map_or(&[][..], |lost| &lost.missing);
        let end = match &lost {
            Some(lost) => {
                let size = lost.kept + missing.len() as u64;
                Some(Some(UnsealedEnd::none(size)))
            }
            None => unsealed_end(&archive, snapshot.segments.last())?,
        };
        let Some(end) = end else {
            return Ok(if is_last {
                Some(Verification::default())
            } else {
                None
            });
        };
        let mut watched = self.watched(&snapshot, state.as_ref());
        watched.sort_unstable();
        watched.dedup();
        let bytes: u64 = snapshot.segments.iter().map(|segment| segment.size).sum();
        progress.expect(bytes);
        let share = usize::try_from(bytes / SHARE).unwrap_or(usize::MAX);
        let mut join = Join::new(&snapshot, &chain, self.retention);
        join.findings.append(findings);
        join.result.lost_lines = lost.as_ref().map_or(0, LostEnd::lines);
        join.result.lost_bytes = missing.len() as u64;
        let work = Work {
            archive: &archive,
            snapshot: &snapshot,
            chain: &chain,
            watched: &watched,
            sealed: end.map_or(0, |end| end.sealed),
            missing,
            fast: self.fast,
            stops: !is_last,
            progress,
        };
        match work.run(self.threads.min(1 + share), join)? {
            Done::All(join) => Ok(Some(self.judge(join, &snapshot, &chain, end, state))),
            Done::Vanished => Ok(None),
        }
    }

    /// The state and its journal, if they were saved before this boot.
    fn journal<'a>(
        &self,
        state: Option<&'a Result<Sealer, BadState>>,
    ) -> Result<Option<(&'a Sealer, Vec<u8>)>, FsError> {
        let Some(Ok(state)) = state else {
            return Ok(None);
        };
        let journal = journal_before_boot(&self.directory, state, self.boot)?;
        Ok(journal.map(|journal| (state, journal)))
    }

    /// The numbers of the lines that anchors, the head or the state name.
    fn watched(&self, snapshot: &Snapshot, state: Option<&Result<Sealer, BadState>>) -> Vec<u64> {
        let head = snapshot.head.flatten().map(|head| head.last.seq);
        let state = state.and_then(|state| state.as_ref().ok());
        let state = state.map(|state| state.last().seq);
        self.anchors.numbers().chain(head).chain(state).collect()
    }

    /// Checks what concerns the whole log.
    fn judge(
        &self,
        mut join: Join<'_>,
        snapshot: &Snapshot,
        chain: &KeyChain,
        end: Option<UnsealedEnd>,
        state: Option<Result<Sealer, BadState>>,
    ) -> Verification {
        join.finish();
        if let (Some(end), Some(last)) = (end, snapshot.segments.last()) {
            join.result.unsealed_lines = end.lines;
            join.result.unsealed_bytes = end.bytes;
            if !end.is_of_one_append() {
                join.about_file(&last.name.to_string(), Problem::UnsealedEnd);
            }
        }
        if join.result.lines + join.result.unsealed_lines == 0 {
            join.about_log(Problem::NoLog);
        }
        join.result.segments = snapshot.segments.len() as u64;
        join.result.first_seq = (join.result.lines > 0)
            .then(|| {
                snapshot
                    .segments
                    .first()
                    .map(|segment| segment.name.first())
            })
            .flatten();
        join.result.fingerprint = chain.fingerprint.map(|key| key.to_string());
        let sealer = state.as_ref().and_then(|state| state.as_ref().ok());
        let lost = sealer.filter(|state| state.is_of_earlier_boot(self.boot));
        judge_head(&mut join, snapshot, chain.fingerprint, lost);
        if self.expects_state && state.is_none() && join.result.lines > 0 {
            join.about_file(&state_name(), Problem::MissingState);
        }
        judge_state(&mut join, state);
        self.compare(&mut join, chain.fingerprint);
        let (findings, more) = std::mem::take(&mut join.findings).finish();
        Verification {
            findings,
            more_findings: more,
            ..join.result
        }
    }

    /// Compares the log with the fingerprint and the anchors.
    fn compare(&self, join: &mut Join<'_>, fingerprint: Option<PublicKey>) {
        if let (Some(expected), Some(found)) = (self.fingerprint, fingerprint)
            && expected != found
        {
            let (expected, found) = (expected.to_string(), found.to_string());
            join.about_log(Problem::WrongFingerprint { expected, found });
        }
        let first = join.result.first_seq.unwrap_or(1);
        let last = join.result.last.map_or(0, |(seq, _)| seq);
        let watched = std::mem::take(&mut join.watched);
        let judged = |problem| join.about_log(problem);
        let counts = self
            .anchors
            .judge(fingerprint, (first, last), &watched, judged);
        join.result.fingerprint_given = self.fingerprint.is_some() || counts.given > 0;
        join.result.anchors = counts;
    }
}

/// What a loss of power took from the last segment, according to the state and its journal.
fn lost_end(
    archive: &Archive,
    segment: Option<&mut Segment>,
    journal: Option<(&Sealer, Vec<u8>)>,
) -> Result<Option<LostEnd>, FsError> {
    let (Some(segment), Some((state, journal))) = (segment, journal) else {
        return Ok(None);
    };
    let name = segment.name.to_string();
    let file = archive.open_file(&name)?;
    let Some(file) = file.filter(|_| segment.name.first() == state.place().segment) else {
        return Ok(None);
    };
    let failed = |error| FsError::new("read", archive.path().join(&name), error);
    let lost = LostEnd::find(&file, segment.size, state, &journal).map_err(failed)?;
    if let Some(lost) = lost.as_ref().filter(|_| segment.first.is_none()) {
        segment.first = lost.first_line(&file).map_err(failed)?;
    }
    Ok(lost)
}

/// What follows the last seal: `Some(None)` if there is no segment, `None` if the last one was
/// removed meanwhile.
#[allow(clippy::option_option)] // the only caller tells the two apart at once
fn unsealed_end(
    archive: &Archive,
    last: Option<&Segment>,
) -> Result<Option<Option<UnsealedEnd>>, FsError> {
    let Some(last) = last else {
        return Ok(Some(None));
    };
    let name = last.name.to_string();
    let Some(file) = archive.open_file(&name)? else {
        return Ok(None);
    };
    let end = UnsealedEnd::read(&file, last.size);
    let end = end.map_err(|error| FsError::new("read", archive.path().join(name), error))?;
    Ok(Some(Some(end)))
}
