//! What the commands ask of the system itself.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Access, Mode, OFlags};
use tempfile::NamedTempFile;

/// Up to `limit` bytes of a small file of the system's, such as those of `/proc`; `None` where there is
/// none, or it may not be read.
pub fn read(path: &Path, limit: usize) -> Option<Vec<u8>> {
    // A pipe would keep us waiting.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::with_capacity(limit.min(4096));
    file.take(limit as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether this process may write to what is at `path`.
pub fn check_writable(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, Access::WRITE_OK)?)
}

/// Whether both paths lead to the same file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    identity(one).is_some_and(|found| Some(found) == identity(other))
}

/// Whether a shell would run it.
pub fn is_executable(found: &Metadata) -> bool {
    found.is_file() && found.permissions().mode() & 0o111 != 0
}

/// A new file in `dir` that everybody may read.
pub fn file_for_all(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)
}

/// The number of the user this process runs as.
#[allow(clippy::unnecessary_wraps)] // the same face as where users have no number
pub fn user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}
