//! What the commands ask of the system itself, on Windows.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::Duration;

use nightlatch::clock::{Clock, SystemClock};
use tempfile::NamedTempFile;

use super::exit::Failure;

/// None: there are no such files here.
pub fn read(_: &Path, _: usize) -> Option<Vec<u8>> {
    None
}

/// Refuses: no home is written to on this platform yet.
pub fn check_writable(_: &Path) -> io::Result<()> {
    let why = "no home is written to on this platform yet";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// Whether both paths lead to the same file, but for hard links.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|found| Some(found) == real(other))
}

/// Whether a shell would run it: its name says so.
pub fn is_executable(found: &Metadata) -> bool {
    found.is_file()
}

/// A new file in `dir`, for those for whom the directory is.
pub fn file_for_all(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().tempfile_in(dir)
}

/// None: users have no numbers here.
pub fn user() -> Option<u32> {
    None
}

/// Signals that end a program: they are left alone here.
pub struct Interruption;

impl Interruption {
    /// Holds nothing back.
    ///
    /// # Errors
    /// Never.
    #[allow(clippy::unnecessary_wraps)] // the same face as where there are signals
    pub fn catch() -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Waits for nothing.
    #[allow(clippy::unused_self)] // as above
    pub fn wait_to_write(&mut self) -> bool {
        true
    }

    /// Waits so long.
    #[allow(clippy::unused_self)] // as above
    pub fn wait(&mut self, time: Duration) -> bool {
        SystemClock.sleep(time);
        true
    }
}
