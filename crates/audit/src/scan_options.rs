//! How a log is read.

use super::reader::CHUNK;

/// How a log is read. Except for `counts_all`, the options do not affect the result.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanOptions {
    /// Bytes per read.
    pub(super) chunk: usize,
    /// Bytes that a thread takes at a time.
    pub(super) piece: u64,
    /// A range this short is read and not bisected further.
    pub(super) narrow: u64,
    /// The number of threads; if `None`, the number of processors.
    pub(super) threads: Option<usize>,
    /// Whether the matches that are not returned are counted. If not, nothing is read that is older
    /// than the piece with the oldest event that is returned.
    pub(super) counts_all: bool,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            chunk: CHUNK,
            piece: 8 * 1024 * 1024,
            narrow: 16 * 1024,
            threads: None,
            counts_all: true,
        }
    }
}
