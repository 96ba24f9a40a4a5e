//! Files on Windows: copies can be read, but there is no home.
//!
//! A file of ours must be closed to everyone else. On Windows that takes an access control list,
//! which is not implemented yet. So no home is opened or created, rather than one that others may
//! read: a [`Dir`] cannot exist, and nothing that needs one can be reached.

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

/// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a link itself, not its target.
const NO_FOLLOW: u32 = 0x0020_0000;
/// `FILE_FLAG_BACKUP_SEMANTICS`: needed to open a directory and inspect it.
const ANY_KIND: u32 = 0x0200_0000;

/// Reading and writing at an offset, with the method names of other systems. Unlike there, this
/// moves the file's own position.
pub trait FileExt {
    /// Reads at `offset`. Returns the number of bytes read, which may be fewer than requested; 0 at
    /// the end.
    ///
    /// # Errors
    /// From the system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// When the file ends before, or from the system.
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
    /// From the system.
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

/// A read-only directory whose files may be anybody's: an auditor's copy. Its content must prove
/// itself.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
}

impl Archive {
    /// Opens the directory at `path`. Unlike on other systems it is not held open: a directory that
    /// replaces it meanwhile is read instead, and its content must prove itself as well.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let found = std::fs::metadata(path).map_err(|error| FsError::new("open", path, error))?;
        if !found.is_dir() {
            return Err(FsError::new("open", path, FsProblem::NotDirectory));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The path at which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its files, unordered, without those that are not Unicode.
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

    /// Opens the subdirectory `name`; `None` when there is none.
    ///
    /// # Errors
    /// When it is something else, such as a link, or cannot be read.
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
    /// When it is something else, such as a link, or cannot be read.
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

/// Opens `path` for reading and returns its metadata; `None` when there is nothing.
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

/// Reads a file that the user edits (the configuration), at most `limit` bytes; `None` when there
/// is none.
///
/// Accepted: unlike on other systems, it is not checked who may write to the file. The file limits
/// sessions, and there are none on this platform.
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

/// As [`read_user_file`], because it is not checked here who may write to the file.
///
/// # Errors
/// As [`read_user_file`].
pub fn read_any_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FsError> {
    read_user_file(path, limit)
}

/// Whether an open file was deleted since: nobody deletes files in a copy.
pub fn has_lost_name(_: &File) -> bool {
    false
}

/// Reports that the directory at `home` cannot be used or, if there is none, created.
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

/// A directory closed to everyone else; never exists on this platform.
#[derive(Debug)]
pub struct Dir {
    none: Infallible,
}

/// A lock on a directory; never exists on this platform.
#[derive(Debug)]
pub struct DirLock {
    none: Infallible,
    /// Held until the lock is dropped, as on other systems.
    _file: File,
}

impl DirLock {
    /// Cannot be called, because nothing is ever locked.
    ///
    /// # Errors
    /// Never.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        match self.none {}
    }
}

impl Dir {
    /// `None` when nothing exists at `path`.
    ///
    /// # Errors
    /// When something exists there: it cannot be used on this platform.
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

    /// Refuses, because the directory would not be private.
    ///
    /// # Errors
    /// Always.
    pub fn open_or_create(path: &Path) -> Result<Self, FsError> {
        Err(FsError::new("create", path, FsProblem::NoPrivateFiles))
    }
}

/// The methods of a private directory on other systems. No value exists to call them on.
macro_rules! never {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        #[allow(missing_docs, clippy::missing_errors_doc)] // as on other systems
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

#[allow(missing_docs, clippy::missing_errors_doc)] // as on other systems
impl Dir {
    pub fn own_names(&mut self) -> Result<Vec<String>, FsError> {
        match self.none {}
    }

    pub fn into_used(self) -> Result<Self, FsError> {
        match self.none {}
    }
}

/// Cannot be called, because there is no such directory.
///
/// # Errors
/// Never.
pub fn check_unopened(dir: &Dir, _: &str) -> Result<bool, FsError> {
    match dir.none {}
}
