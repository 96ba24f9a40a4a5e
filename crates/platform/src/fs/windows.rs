//! Files on Windows: copies are read; there is no home.
//!
//! A file of ours is closed to everyone else. On Windows that takes an access control list of our
//! own making, which is not there yet. So no home is opened or created, rather than one that others
//! may read: a [`Dir`] cannot exist, and nothing that needs one can be reached.

#[path = "survey/found.rs"]
mod found;

use std::convert::Infallible;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt as WindowsFileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::content::{Durability, read_bounded};
use super::error::{FsError, FsProblem};
pub use found::Survey;

/// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a link itself, not what it leads to.
const NO_FOLLOW: u32 = 0x0020_0000;
/// `FILE_FLAG_BACKUP_SEMANTICS`: without it a directory cannot be opened, nor told apart.
const ANY_KIND: u32 = 0x0200_0000;

/// Reading and writing at a place in a file, by the names of other systems. Unlike there, the file's
/// own position moves.
pub trait FileExt {
    /// Reads at `offset`: how many bytes, fewer than asked for perhaps, 0 at the end.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buffer` with what stands at `offset`.
    ///
    /// # Errors
    /// When the file ends before, or the system's.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// The system's.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

impl FileExt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.seek_read(buffer, offset)
    }

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.seek_write(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A directory whose files may be anybody's and are only read: an auditor's copy. What is in it must
/// prove itself by its content.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
}

impl Archive {
    /// Opens the directory at `path`. It is not held open, as it is elsewhere: one that is put in
    /// its place meanwhile is read instead, and proves itself or not.
    ///
    /// # Errors
    /// When there is none, or it may not be read.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let found = std::fs::metadata(path).map_err(|error| FsError::new("open", path, error))?;
        if !found.is_dir() {
            return Err(FsError::new("open", path, FsProblem::NotDirectory));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the files in it, in no order; names that are not Unicode are left out.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        let failed = |error| FsError::new("list", &self.path, error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }

    /// Opens the directory `name` in it; `None` when there is none.
    ///
    /// # Errors
    /// When it is something else, a link among it, or may not be read.
    pub fn subdir(&self, name: &str) -> Result<Option<Self>, FsError> {
        let path = self.path.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => Ok(Some(Self { path })),
            Ok(_) => Err(FsError::new("open", path, FsProblem::NotDirectory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FsError::new("open", path, error)),
        }
    }

    /// Opens the regular file `name` for reading; `None` when there is none.
    ///
    /// # Errors
    /// When it is something else, a link among it, or may not be read.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, FsError> {
        let path = self.path.join(name);
        let opened = open(&path, NO_FOLLOW)?;
        if let Some((_, metadata)) = &opened {
            if metadata.is_symlink() {
                return Err(FsError::new("open", path, FsProblem::Symlink));
            }
            check_regular(metadata, &path)?;
        }
        Ok(opened.map(|(file, _)| file))
    }
}

/// Opens what stands at `path` for reading, and looks at it; `None` when there is nothing.
fn open(path: &Path, flags: u32) -> Result<Option<(File, Metadata)>, FsError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags | ANY_KIND);
    let opened = options
        .open(path)
        .and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::new("open", path, error)),
    }
}

fn check_regular(metadata: &Metadata, path: &Path) -> Result<(), FsError> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(FsError::new("use", path, FsProblem::NotRegular))
    }
}

/// Reads a file that the user edits (the configuration), of at most `limit` bytes; `None` when there
/// is none.
///
/// Accepted: who may write to it is not looked at, as it is elsewhere. What it limits are sessions,
/// and there are none on this platform.
///
/// # Errors
/// When it is not a regular file, too long, or cannot be read.
pub fn read_user_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FsError> {
    let Some((file, metadata)) = open(path, 0)? else {
        return Ok(None);
    };
    check_regular(&metadata, path)?;
    read_bounded(&file, path, limit).map(Some)
}

/// As [`read_user_file`]: who may write to it is not looked at here.
///
/// # Errors
/// As [`read_user_file`].
pub fn read_any_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FsError> {
    read_user_file(path, limit)
}

/// Whether an open file has lost its name since: in a copy, nobody removes one.
pub fn has_lost_name(_: &File) -> bool {
    false
}

/// Finds that the directory at `home` cannot be used or, where there is none, created.
pub fn survey(home: &Path, _: &[&str]) -> Survey {
    let (exists, refused) = match Dir::open(home) {
        Ok(_) => (false, Dir::open_or_create(home).err()),
        Err(error) => (
            matches!(error.problem, FsProblem::NoPrivateFiles),
            Some(error),
        ),
    };
    Survey {
        exists,
        entries: 0,
        refused: refused.into_iter().collect(),
        open: Vec::new(),
    }
}

/// A directory that is closed to everyone else: none, on this platform.
#[derive(Debug)]
pub struct Dir {
    none: Infallible,
}

/// A lock on a directory that does not exist on this platform.
#[derive(Debug)]
pub struct DirLock {
    none: Infallible,
    /// Held, as elsewhere, until the lock is dropped.
    _file: File,
}

impl DirLock {
    /// Cannot be called: nothing is locked.
    ///
    /// # Errors
    /// Never.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        match self.none {}
    }
}

impl Dir {
    /// `None` when nothing stands at `path`.
    ///
    /// # Errors
    /// When something does: it cannot be used here.
    pub fn open(path: &Path) -> Result<Option<Self>, FsError> {
        match std::fs::symlink_metadata(path) {
            Ok(_) => Err(FsError::new("use", path, FsProblem::NoPrivateFiles)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FsError::new("open", path, error)),
        }
    }

    /// As [`Dir::open`].
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn open_to_look(path: &Path) -> Result<Option<Self>, FsError> {
        Self::open(path)
    }

    /// Refuses: what would be created there would not be private.
    ///
    /// # Errors
    /// Always.
    pub fn open_or_create(path: &Path) -> Result<Self, FsError> {
        Err(FsError::new("create", path, FsProblem::NoPrivateFiles))
    }
}

/// What a directory of ours offers elsewhere. No value exists to call it on.
macro_rules! never {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        #[allow(missing_docs, clippy::missing_errors_doc)] // as where there is one
        impl Dir {
            $(pub fn $name(&self, $(_: $argument),*) -> $result {
                match self.none {}
            })*
        }
    };
}

never! {
    path() -> &Path;
    is_only_looked_at() -> bool;
    contains(&str) -> Result<bool, FsError>;
    all_names() -> Result<Vec<String>, FsError>;
    device_and_inode() -> Result<(u64, u64), FsError>;
    real_path() -> Result<PathBuf, FsError>;
    subdir(&str) -> Result<Option<Self>, FsError>;
    subdir_or_create(&str) -> Result<Self, FsError>;
    open_file(&str) -> Result<Option<File>, FsError>;
    open_append(&str) -> Result<File, FsError>;
    open_update(&str) -> Result<File, FsError>;
    open_existing(&str) -> Result<Option<File>, FsError>;
    create_new(&str) -> Result<File, FsError>;
    create_temporary() -> Result<(File, String), FsError>;
    write_atomic(&str, &[u8], Durability) -> Result<(), FsError>;
    rename(&str, &str) -> Result<(), FsError>;
    unlink(&str) -> Result<bool, FsError>;
    sync() -> Result<(), FsError>;
    disable_copy_on_write() -> Result<bool, FsError>;
    names() -> Result<Vec<String>, FsError>;
    sweep_temporary() -> Result<(), FsError>;
    lock() -> Result<DirLock, FsError>;
    lock_within(std::time::Duration) -> Result<Option<DirLock>, FsError>;
    is_locked() -> Result<bool, FsError>;
    lock_file(&str) -> Result<DirLock, FsError>;
}

#[allow(missing_docs, clippy::missing_errors_doc)] // as where there is one
impl Dir {
    pub fn own_names(&mut self) -> Result<Vec<String>, FsError> {
        match self.none {}
    }

    pub fn into_used(self) -> Result<Self, FsError> {
        match self.none {}
    }
}

/// As if `name` in `dir` were opened; there is no such directory.
///
/// # Errors
/// Never.
pub fn check_unopened(dir: &Dir, _: &str) -> Result<bool, FsError> {
    match dir.none {}
}
