//! Lines that a loss of power took from the end of the log, but which the journal beside the
//! sealing state has. They count as present, because the next append restores them.
//!
//! Nothing is trusted that the writer would not restore: the state must be from another boot, the
//! remaining lines must be a prefix of the journal, and the journal must lead from the line before
//! it to the last sealed one. Truncating such lines hides nothing.

use std::fs::File;
use std::path::Path;

use super::line::LINE_LIMIT;
use super::opening::FirstLine;
use super::recovery::leads_to;
use super::sealer::Sealer;
use super::segment_tail::line_before;
use super::state_file::{JOURNAL_SIZE, journal_beside};
use nightlatch_platform::fs::{FileExt, FsError};

/// The journal of the log in `directory`, if `sealer` was saved before the boot `boot`.
pub(super) fn journal_before_boot(
    directory: &Path,
    sealer: &Sealer,
    boot: [u8; 16],
) -> Result<Option<Vec<u8>>, FsError> {
    if !sealer.is_of_earlier_boot(boot) {
        return Ok(None);
    }
    journal_beside(directory, sealer)
}

/// What is missing at the end of the last segment.
pub(super) struct LostEnd {
    /// The length of the part that is present.
    pub(super) kept: u64,
    /// The bytes after that, up to the end of the last sealed line.
    pub(super) missing: Vec<u8>,
}

impl LostEnd {
    /// Compares `file`, which has `size` bytes, with `sealer` and its `journal`. `None` if nothing
    /// is missing, or a loss of power does not explain it.
    pub(super) fn find(
        file: &File,
        size: u64,
        sealer: &Sealer,
        journal: &[u8],
    ) -> std::io::Result<Option<Self>> {
        let (start, end) = (sealer.journal_start, sealer.place().offset);
        // Blocks may have been allocated for more lines than the state counts.
        if !(start..=end.saturating_add(JOURNAL_SIZE)).contains(&size) {
            return Ok(None);
        }
        let before = match start {
            0 => None,
            _ => match line_before(file, start)? {
                Ok(link) => Some(link),
                Err(_) => return Ok(None),
            },
        };
        let mut there = vec![0; usize::try_from(size - start).unwrap_or_default()];
        file.read_exact_at(&mut there, start)?;
        // Blocks that were allocated but never written read as zeros.
        let written = there.iter().rposition(|&byte| byte != 0);
        let written = written.map_or(0, |at| at + 1);
        let is_explained = written < journal.len()
            && journal.starts_with(&there[..written])
            && leads_to(journal, before, sealer.last());
        Ok(is_explained.then(|| Self {
            kept: start + written as u64,
            missing: journal[written..].to_vec(),
        }))
    }

    /// The first line of the segment `file`, completed if a part is missing.
    pub(super) fn first_line(&self, file: &File) -> std::io::Result<Option<FirstLine>> {
        if self.kept >= LINE_LIMIT as u64 {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(self.kept).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0)?;
        bytes.extend_from_slice(&self.missing);
        let line = bytes.split(|&byte| byte == b'\n').next();
        Ok(line.and_then(FirstLine::parse))
    }

    /// The number of lines that are missing, wholly or in part.
    pub(super) fn lines(&self) -> u64 {
        memchr::memchr_iter(b'\n', &self.missing).count() as u64
    }
}
