//! Files that a person names for output, which nobody else may read.

use std::io::Write;
use std::path::Path;

use super::exit::Failure;

/// Checks that [`write`] may replace what is at `path`, if anything.
///
/// # Errors
/// When it is not a regular file, but a link, a device or the like.
pub fn check_replaceable(path: &Path) -> Result<(), Failure> {
    // Check the link itself, not its target.
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(Failure::failed(
            "file",
            format!("{} is not a regular file", path.display()),
        )
        .hint("give another name".to_owned())),
        _ => Ok(()),
    }
}

/// Writes the file atomically and not readable by others: a reader sees either the old file or the
/// new one.
///
/// # Errors
/// When it cannot be written, or is not a regular file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        Failure::failed("file", format!("cannot write {}: {error}", path.display()))
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    // tempfile creates its files with mode 0600.
    let mut file = tempfile::Builder::new()
        .prefix(".nightlatch-")
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(|error| failed(&error))?;
    file.write_all(bytes).map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    check_replaceable(path)?;
    let persisted = file.persist(path);
    persisted.map(drop).map_err(|error| failed(&error.error))
}
