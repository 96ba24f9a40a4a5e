//! What the commands need from the operating system, on Windows.

use std::fs::Metadata;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use nightlatch_core::clock::Clock;
use nightlatch_platform::clock::SystemClock;
use tempfile::NamedTempFile;

use super::exit::Failure;

/// Always `None`: Windows has no such files.
pub fn read(_: &Path, _: usize) -> Option<Vec<u8>> {
    None
}

/// Always fails: no home can be written to on Windows yet.
pub fn check_writable(_: &Path) -> io::Result<()> {
    let why = "no home is written to on this platform yet";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// Whether both paths lead to the same file; hard links are not recognized.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|found| Some(found) == real(other))
}

/// Whether a shell would run the file, judged by its name.
pub fn is_executable(found: &Metadata) -> bool {
    found.is_file()
}

/// A new file in `dir`, with the directory's permissions.
pub fn file_for_all(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().tempfile_in(dir)
}

/// Always `None`: users have no numeric ids on Windows.
pub fn user() -> Option<u32> {
    None
}

/// Standard output; nothing secret is printed on Windows yet.
pub struct Unbuffered;

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Signals are not deferred on Windows.
pub struct Interruption;

impl Interruption {
    /// Defers nothing.
    ///
    /// # Errors
    /// Never.
    #[allow(clippy::unnecessary_wraps)] // same signature as where there are signals
    pub fn catch() -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Does not wait.
    #[allow(clippy::unused_self)] // as above
    pub fn wait_to_write(&mut self) -> bool {
        true
    }

    /// Waits this long.
    #[allow(clippy::unused_self)] // as above
    pub fn wait(&mut self, time: Duration) -> bool {
        SystemClock.sleep(time);
        true
    }
}
