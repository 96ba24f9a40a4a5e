//! The position of the next line.

use std::fs::File;
use std::path::PathBuf;

use super::error::AuditError;
use super::line::Link;
use super::segment::SegmentName;
use nightlatch_platform::fs::Dir;

/// The position of the next line, and the line it continues.
pub(super) struct End {
    pub(super) segment: SegmentName,
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// The length of the sealed appends, in bytes.
    pub(super) length: u64,
    pub(super) last: Link,
}

impl End {
    /// Creates the segment after the line `last`, or opens the empty one that a crash left.
    pub(super) fn after(dir: &Dir, last: Link) -> Result<Self, AuditError> {
        let segment = SegmentName::starting_at(last.seq + 1);
        let name = segment.to_string();
        Ok(Self {
            segment,
            file: dir.open_append(&name)?,
            path: dir.path().join(name),
            length: 0,
            last,
        })
    }

    /// Undoes an append.
    pub(super) fn cut_back(&self) {
        // The first failure is the one to report. If this fails too, the next append moves the
        // bytes aside.
        let _ = self.file.set_len(self.length);
    }
}
