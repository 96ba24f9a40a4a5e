//! How a log is read.

use super::reader::CHUNK;

/// How a log is read, which changes nothing of what is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanOptions {
    /// Bytes read at a time.
    pub(super) chunk: usize,
    /// Bytes one thread takes at a time.
    pub(super) piece: u64,
    /// A stretch this short is read rather than halved on.
    pub(super) narrow: u64,
    /// As many as there are processors when `None`.
    pub(super) threads: Option<usize>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            chunk: CHUNK,
            piece: 8 * 1024 * 1024,
            narrow: 16 * 1024,
            threads: None,
        }
    }
}
