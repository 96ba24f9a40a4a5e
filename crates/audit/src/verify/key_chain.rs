//! The chain of keys from the fingerprint to the first line of every segment.

use super::finding::{Finding, Findings, Problem};
use super::snapshot::Snapshot;
use crate::opening::FirstLine;
use crate::reader::{Found, Lines, Section};
use crate::seal::Seal;
use crate::segment::{OPENINGS, SegmentName};
use nightlatch_core::crypto::sign::{PublicKey, verify};
use nightlatch_platform::fs::{Archive, FsError};

/// The keys that verify the segments' first lines; each is announced by the first line before it.
pub(super) struct KeyChain {
    /// The key for the first line of each segment, if known.
    keys: Vec<Option<PublicKey>>,
    /// The log's first key, as the log names it.
    pub(super) fingerprint: Option<PublicKey>,
    /// The first lines of the removed segments, in the order of the file.
    pub(super) removed: Vec<FirstLine>,
}

impl KeyChain {
    /// Follows the first lines of all segments, beginning with the removed ones.
    pub(super) fn read(
        archive: &Archive,
        snapshot: &Snapshot,
        findings: &mut Findings,
    ) -> Result<Self, FsError> {
        let mut chain = Self {
            keys: Vec::with_capacity(snapshot.segments.len()),
            fingerprint: None,
            removed: Vec::new(),
        };
        let mut key = None;
        let first = snapshot.segments.first();
        if let Some(first) = first.filter(|first| first.name.first() > 1) {
            let mut removed = Removed::default();
            if snapshot.has_removed {
                removed.read(archive, first.name, findings)?;
            } else {
                removed.find(findings, 0);
            }
            key = removed.key_of(first.first.as_ref(), findings);
            chain.removed = removed.lines;
        }
        let present = snapshot
            .segments
            .iter()
            .filter_map(|segment| segment.first.as_ref());
        let mut all = chain.removed.iter().chain(present);
        chain.fingerprint = all.find_map(FirstLine::fingerprint);
        for segment in &snapshot.segments {
            if segment.name.first() == 1 {
                key = chain.fingerprint;
            }
            chain.keys.push(key);
            key = segment.first.as_ref().and_then(FirstLine::next_segment);
        }
        Ok(chain)
    }

    /// The key for the first line of the segment at this index.
    pub(super) fn key_of(&self, at: usize) -> Option<PublicKey> {
        self.keys[at]
    }
}

/// The progress through `removed.jsonl`.
#[derive(Default)]
struct Removed {
    lines: Vec<FirstLine>,
    fingerprint: Option<PublicKey>,
    /// The key for the next line.
    key: Option<PublicKey>,
    last_seq: u64,
    is_broken: bool,
}

impl Removed {
    fn read(
        &mut self,
        archive: &Archive,
        first: SegmentName,
        findings: &mut Findings,
    ) -> Result<(), FsError> {
        let Some(file) = archive.open_file(OPENINGS)? else {
            self.find(findings, 0);
            return Ok(());
        };
        let failed = |error| FsError::new("read", archive.path().join(OPENINGS), error);
        let end = file.metadata().map_err(failed)?.len();
        let mut lines = Lines::new(Section { file, at: 0, end });
        let mut at = 0;
        while let Some(found) = lines.next_line().map_err(failed)? {
            at += 1;
            let line = match found {
                Found::Line(line) => FirstLine::parse(line),
                Found::TooLong => None,
            };
            self.line(at, line, first, findings);
        }
        if lines.ends_torn() {
            self.line(at + 1, None, first, findings);
        }
        Ok(())
    }

    /// Advances by one line, which is `None` if it is not canonical.
    fn line(
        &mut self,
        at: u64,
        line: Option<FirstLine>,
        first: SegmentName,
        findings: &mut Findings,
    ) {
        let Some(line) = line else {
            self.key = None;
            return self.find(findings, at);
        };
        // An interrupted removal leaves lines about segments that still exist.
        if line.seq >= first.first() {
            return;
        }
        if line.seq == 1 && self.last_seq == 0 {
            self.fingerprint = line.fingerprint();
            self.key = self.fingerprint;
        }
        let name = SegmentName::starting_at(line.seq);
        let fits = line.seq > self.last_seq
            && line.hash_is_right
            && self.key.is_some_and(|key| is_sealed_by(&line, &key))
            && line.opens(name, self.fingerprint, self.key);
        if !fits {
            self.find(findings, at);
        }
        self.key = line.next_segment();
        self.last_seq = line.seq;
        self.lines.push(line);
    }

    /// The key for `first`, the first line of the first segment that exists.
    fn key_of(&self, first: Option<&FirstLine>, findings: &mut Findings) -> Option<PublicKey> {
        if self.is_broken {
            return None;
        }
        let names = |line: &FirstLine| line.opened.as_ref().and_then(|opened| opened.key);
        let leads_here = |key: &PublicKey| first.is_none_or(|line| names(line) == Some(*key));
        let key = self.key.filter(leads_here);
        if key.is_none() {
            add(findings, 0);
        }
        key
    }

    fn find(&mut self, findings: &mut Findings, line: u64) {
        self.is_broken = true;
        add(findings, line);
    }
}

fn add(findings: &mut Findings, line: u64) {
    let finding = Finding {
        file: OPENINGS.to_owned(),
        line,
        seq: None,
        problem: Problem::RemovedLines,
    };
    findings.add(0, finding);
}

fn is_sealed_by(line: &FirstLine, key: &PublicKey) -> bool {
    line.seal.is_some_and(|seal| {
        let message = Seal::message(&line.hash, &seal.next, seal.next_segment.as_ref());
        verify(key, &message, &seal.signature)
    })
}
