//! The database of a restore before it is in its place: beside it, so that it is put there by a
//! rename within one file system, wherever the database is configured to be.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nightlatch_platform::fs::{Dir, FsError};

use super::BackupError;
use super::copy::copy_content;

/// What SQLite keeps beside a database and would apply to one of the same name.
pub const LEFTOVERS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// The end of the name of an unfinished database.
const UNFINISHED: &str = ".restoring";

/// A file beside a database whose name ends in `end` as well.
pub fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(end);
    PathBuf::from(path)
}

/// The unfinished database of a restore.
pub struct Staged {
    place: PathBuf,
    path: PathBuf,
}

#[allow(clippy::disallowed_methods)] // the directory need not be private to this user
impl Staged {
    /// Whether an unfinished restore left one for this database.
    pub fn is_left(database: &Path) -> bool {
        beside(database, UNFINISHED).symlink_metadata().is_ok()
    }

    /// Removes what an unfinished restore left, the database itself last.
    pub fn remove(database: &Path) -> Result<(), BackupError> {
        let path = beside(database, UNFINISHED);
        let rest = LEFTOVERS.map(|end| beside(&path, end));
        for path in rest.iter().chain([&path]) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(FsError::new("remove", path, error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Creates an empty file (0600) that is durably there.
    pub fn create(database: &Path) -> Result<Self, BackupError> {
        let path = beside(database, UNFINISHED);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let created = options.open(&path);
        created.map_err(|error| FsError::new("create", &path, error))?;
        sync_names(&path)?;
        Ok(Self {
            place: database.to_owned(),
            path,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the file `name` of a backup into it.
    pub fn fill(&self, backup: &Dir, name: &str) -> Result<(), BackupError> {
        let source = backup.open_file(name)?;
        let path = backup.path().join(name);
        let source = source.ok_or_else(|| BackupError::Missing(path.clone()))?;
        let copy = OpenOptions::new().write(true).open(&self.path);
        let copy = copy.map_err(|error| FsError::new("open", &self.path, error))?;
        copy_content(source, copy, &path)?;
        Ok(())
    }

    /// Puts the finished database in its place, durably.
    pub fn put_in_place(&self) -> Result<(), BackupError> {
        let renamed = std::fs::rename(&self.path, &self.place);
        renamed.map_err(|error| FsError::new("rename", &self.path, error))?;
        sync_names(&self.place)
    }
}

/// Makes the names in the directory of a file durable.
#[cfg(unix)]
#[allow(clippy::disallowed_methods)] // the directory need not be private to this user
fn sync_names(file: &Path) -> Result<(), BackupError> {
    let parent = file.parent().filter(|path| !path.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(|error| FsError::new("sync", parent, error).into())
}

/// Windows has no such thing.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)] // as its twin
fn sync_names(_: &Path) -> Result<(), BackupError> {
    Ok(())
}
