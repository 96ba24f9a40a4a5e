//! The first lines of removed segments, which lead from the fingerprint to the remaining ones.

use super::error::{AuditError, Damage};
use super::opening::Opening;
use super::segment::{OPENINGS, SegmentName};
use nightlatch_platform::fs::{Dir, Durability, read_bounded};

/// Enough for the first lines of several centuries, at one segment a day.
const LIMIT: usize = 64 * 1024 * 1024;

/// The contents of `removed.jsonl`, in order.
pub(super) struct Removed {
    openings: Vec<Opening>,
}

impl Removed {
    /// Reads the file, if there is one. `first` is the oldest remaining segment.
    ///
    /// # Errors
    /// When it cannot be read, or does not lead from event 1 to `first` without a gap. Nothing may
    /// be removed then, because what remains is evidence.
    pub(super) fn load(dir: &Dir, first: &Opening) -> Result<Self, AuditError> {
        let path = dir.path().join(OPENINGS);
        let bytes = match dir.open_file(OPENINGS)? {
            Some(file) => read_bounded(&file, &path, LIMIT)?,
            None => Vec::new(),
        };
        let damaged = || AuditError::damaged(&path, Damage::RemovedLines);
        let mut openings: Vec<Opening> = Vec::new();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let opening = line.strip_suffix(b"\n").and_then(Opening::parse);
            let opening = opening.ok_or_else(damaged)?;
            let continues = match openings.last() {
                Some(before) => opening.follows(before),
                None => opening.segment.first() == 1,
            };
            if !continues {
                return Err(damaged());
            }
            openings.push(opening);
        }
        // An interrupted removal leaves lines about segments that still exist.
        let gone = openings.partition_point(|opening| opening.segment < first.segment);
        let leads_here = match gone.checked_sub(1).map(|at| &openings[at]) {
            Some(last) => first.follows(last),
            None => first.segment.first() == 1,
        };
        if leads_here {
            Ok(Self { openings })
        } else {
            Err(damaged())
        }
    }

    /// Whether the file has the first line of `segment`.
    pub(super) fn has(&self, segment: SegmentName) -> bool {
        let found = self
            .openings
            .binary_search_by_key(&segment, |opening| opening.segment);
        found.is_ok()
    }

    /// Replaces the file with its lines and `more`. Lines of `more` that it already has stay in
    /// place, so that each segment appears once, in ascending order.
    pub(super) fn add<'a>(
        &mut self,
        dir: &Dir,
        more: impl Iterator<Item = &'a Opening>,
    ) -> Result<(), AuditError> {
        for opening in more {
            if !self.has(opening.segment) {
                self.openings.push(opening.clone());
            }
        }
        let mut bytes = Vec::new();
        for opening in &self.openings {
            bytes.extend_from_slice(&opening.line);
            bytes.push(b'\n');
        }
        dir.write_atomic(OPENINGS, &bytes, Durability::Synced)?;
        Ok(())
    }
}
