//! Where the next line goes.

use std::fs::File;
use std::path::PathBuf;

use super::error::AuditError;
use super::line::Link;
use super::segment::SegmentName;
use nightlatch_platform::fs::Dir;

/// Where the next line goes and what it continues.
pub(super) struct End {
    pub(super) segment: SegmentName,
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// The bytes of sealed appends.
    pub(super) length: u64,
    pub(super) last: Link,
}

impl End {
    /// Creates the segment after the line `last`, or takes the one that a crash left empty.
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

    /// Takes back what was appended.
    pub(super) fn cut_back(&self) {
        // The failure to report is the first one. Should this fail as well, the next append moves what
        // is left aside.
        let _ = self.file.set_len(self.length);
    }
}
