//! From the fingerprint to the first line of every segment.

use std::collections::BTreeMap;
use std::fs::File;

use super::Verification;
use super::finding::Problem;
use crate::audit::hash::LineHash;
use crate::audit::kind::EventType;
use crate::audit::line::Link;
use crate::audit::reader::{Found, Lines};
use crate::audit::record::Record;
use crate::audit::seal::{Parts, Seal};
use crate::audit::segment::{OPENINGS, SegmentName};
use crate::crypto::sign::{PublicKey, verify};
use crate::fs::{Archive, FsError};

/// The keys of the segments' first lines, each named by the first line before it.
pub(super) struct Descent {
    keys: BTreeMap<SegmentName, PublicKey>,
    first: SegmentName,
}

/// What a first line says of keys.
struct Opening {
    segment: SegmentName,
    fingerprint: PublicKey,
    own: PublicKey,
    hash: LineHash,
    seal: Seal,
}

impl Opening {
    fn is_sealed_with(&self, key: &PublicKey) -> bool {
        let Seal {
            next,
            next_segment,
            signature,
        } = &self.seal;
        let message = Seal::message(&self.hash, next, next_segment.as_ref());
        verify(key, &message, signature)
    }
}

impl Descent {
    /// Follows the first lines, of removed segments too, as far as they are there.
    pub(super) fn read(
        archive: &Archive,
        segments: &[SegmentName],
        expected: Option<PublicKey>,
        result: &mut Verification,
    ) -> Result<Self, FsError> {
        let first = segments[0];
        let mut removed = removed(archive)?;
        removed.retain(|opening| opening.segment < first);
        let mut present = Vec::new();
        for &segment in segments {
            let opening = match archive.open_file(&segment.to_string())? {
                Some(file) => {
                    let path = archive.path().join(segment.to_string());
                    first_line(file).map_err(|error| FsError::new("read", path, error))?
                }
                None => None,
            };
            present.push((
                segment,
                opening.filter(|opening| opening.segment == segment),
            ));
        }
        let openings = || present.iter().filter_map(|(_, opening)| opening.as_ref());
        let told = removed.iter().chain(openings()).next();
        let told = told.map(|opening| opening.fingerprint);
        result.fingerprint = told.map(|key| key.to_string());
        // The first key is the fingerprint; where nobody noted it, the log's own word has to do.
        let mut key = expected.or(told);
        let start = removed.first().map_or(first, |opening| opening.segment);
        let mut leads_from_the_start = start.first() == 1;
        for opening in &removed {
            leads_from_the_start &= key.is_some_and(|key| opening.is_sealed_with(&key));
            key = opening.seal.next_segment;
        }
        if !removed.is_empty()
            && let (_, Some(opening)) = &present[0]
        {
            leads_from_the_start &= key == Some(opening.own);
        }
        if !leads_from_the_start {
            // Without what came before, what remains can only vouch for itself.
            key = None;
            result.about_log(Problem::BrokenDescent);
        }
        let mut keys = BTreeMap::new();
        for (segment, opening) in &present {
            let own = opening.as_ref().map(|opening| opening.own);
            if let Some(key) = key.or(own) {
                keys.insert(*segment, key);
            }
            // After a first line that is damaged, which is found where it stands, the next is held
            // against its own word, lest what is sound after it be blamed.
            key = opening
                .as_ref()
                .and_then(|opening| opening.seal.next_segment);
        }
        Ok(Self { keys, first })
    }

    /// What verifies the first line of `segment`.
    pub(super) fn key_of(&self, segment: SegmentName) -> Option<PublicKey> {
        self.keys.get(&segment).copied()
    }

    /// Whether the removal of what is not there any more is on record.
    pub(super) fn judge_prunes(
        &self,
        prunes: &[Link],
        continues: Option<LineHash>,
        result: &mut Verification,
    ) {
        let removed_through = self.first.first() - 1;
        if removed_through == 0 {
            if continues.is_some_and(|hash| hash != LineHash::ZERO) {
                let name = self.first.to_string();
                result.about(&name, 1, Some(1), Problem::Unchained);
            }
            return;
        }
        let recorded = prunes.iter().any(|prune| {
            prune.seq > removed_through
                || prune.seq == removed_through && Some(prune.hash) == continues
        });
        if !recorded {
            result.about_log(Problem::UnrecordedPrune);
        }
    }
}

/// The first lines of segments that were removed, oldest first.
fn removed(archive: &Archive) -> Result<Vec<Opening>, FsError> {
    let Some(file) = archive.open_file(OPENINGS)? else {
        return Ok(Vec::new());
    };
    let mut lines = Lines::new(file);
    let mut openings = Vec::new();
    let failed = |error| FsError::new("read", archive.path().join(OPENINGS), error);
    while let Some(line) = lines.next_line().map_err(failed)? {
        if let Found::Line(line) = line {
            openings.extend(opening(line));
        }
    }
    openings.sort_by_key(|opening| opening.segment);
    // A removal that a crash interrupted was begun anew.
    openings.dedup_by(|a, b| a.segment == b.segment && a.hash == b.hash);
    Ok(openings)
}

fn first_line(file: File) -> std::io::Result<Option<Opening>> {
    match Lines::new(file).next_line()? {
        Some(Found::Line(line)) => Ok(opening(line)),
        _ => Ok(None),
    }
}

/// A first line that is one by its form and its hash.
fn opening(line: &[u8]) -> Option<Opening> {
    #[derive(serde::Deserialize)]
    struct Opened<'a> {
        fingerprint: &'a str,
        key: &'a str,
    }
    let parts = Parts::of(line).filter(Parts::hash_is_right)?;
    let record =
        Record::parse(line).filter(|record| record.event_type == EventType::SegmentOpened)?;
    let opened: Opened<'_> = serde_json::from_str(record.details.get()).ok()?;
    Some(Opening {
        segment: SegmentName::starting_at(record.seq),
        fingerprint: PublicKey::parse(opened.fingerprint.as_bytes())?,
        own: PublicKey::parse(opened.key.as_bytes())?,
        hash: parts.hash,
        seal: parts.seal?,
    })
}
