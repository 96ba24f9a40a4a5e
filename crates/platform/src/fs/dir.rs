//! A private directory, held open; everything in it is accessed through the handle.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fchmod, fstat, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use super::content::Durability;
use super::error::{FsError, FsProblem};
use super::file::{
    Access, OTHERS, check_own_file, check_owner, closed, create_closed, open_to_owner,
    permission_bits,
};
use super::names::{all_names_in, names_by, names_in};

const DIRECTORY_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Prefix of half-written files; [`Dir::sweep_temporary`] removes those left by a crash.
const TEMPORARY_PREFIX: &str = ".tmp-";

/// An open directory that belongs to this user and is closed to everyone else. One that is opened
/// only to look keeps its mode.
#[derive(Debug)]
pub struct Dir {
    handle: OwnedFd,
    path: PathBuf,
    access: Access,
}

impl Dir {
    /// Opens the directory at `path`, which must not be a link; `None` when there is none.
    ///
    /// Removes permission bits of group and others.
    ///
    /// # Errors
    /// When it is a link, not a directory, another user's, or cannot be opened.
    pub fn open(path: &Path) -> Result<Option<Self>, FsError> {
        Self::open_at(CWD, path.as_os_str(), path, Access::Use)
    }

    /// As [`Dir::open`], but read-only: no mode in it is changed, and operations that would create,
    /// change or remove something in it are refused.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn open_to_look(path: &Path) -> Result<Option<Self>, FsError> {
        Self::open_at(CWD, path.as_os_str(), path, Access::Look)
    }

    /// The same directory and handle, now opened for use: access by other users is removed.
    ///
    /// # Errors
    /// When that fails.
    pub fn into_used(self) -> Result<Self, FsError> {
        let stat = fstat(&self.handle).map_err(|error| self.error("inspect", "", error))?;
        close_directory(&self.handle, &stat, &self.path)?;
        Ok(Self {
            access: Access::Use,
            ..self
        })
    }

    /// Whether it was opened read-only.
    pub fn is_only_looked_at(&self) -> bool {
        self.access == Access::Look
    }

    /// Whether `name` exists, whatever it is.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn contains(&self, name: &str) -> Result<bool, FsError> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.error("inspect", name, error)),
        }
    }

    /// The names of all entries, unordered, with invalid UTF-8 replaced.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn all_names(&self) -> Result<Vec<String>, FsError> {
        all_names_in(&self.handle).map_err(|error| self.error("list", "", error))
    }

    /// As [`Dir::open`], but creates the directory (and its parents, equally private) when there is
    /// none.
    ///
    /// # Errors
    /// As [`Dir::open`], and when it cannot be created.
    pub fn open_or_create(path: &Path) -> Result<Self, FsError> {
        if let Some(dir) = Self::open(path)? {
            return Ok(dir);
        }
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            create_closed(parent)?;
        }
        Self::create_at(CWD, path.as_os_str(), path)
    }

    /// Opens the subdirectory `name`; `None` when there is none.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn subdir(&self, name: &str) -> Result<Option<Self>, FsError> {
        let path = self.path.join(name);
        Self::open_at(self.handle.as_fd(), OsStr::new(name), &path, self.access)
    }

    /// Opens the subdirectory `name`, and creates it when there is none.
    ///
    /// # Errors
    /// As [`Dir::open`], and when it cannot be created.
    pub fn subdir_or_create(&self, name: &str) -> Result<Self, FsError> {
        if let Some(dir) = self.subdir(name)? {
            return Ok(dir);
        }
        self.may_change("create", name)?;
        Self::create_at(self.handle.as_fd(), OsStr::new(name), &self.path.join(name))
    }

    fn create_at(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Self, FsError> {
        match mkdirat(parent, name, DIRECTORY_MODE) {
            Ok(()) => open_to_owner(parent, name, path)?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(FsError::new("create", path, io::Error::from(error))),
        }
        Self::open_at(parent, name, path, Access::Use)?
            .ok_or_else(|| FsError::new("open", path, io::Error::from(io::ErrorKind::NotFound)))
    }

    fn open_at(
        parent: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        access: Access,
    ) -> Result<Option<Self>, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // With a trailing slash, the system would follow a link.
        let bytes = name.as_bytes();
        let trimmed = bytes
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(bytes, |at| &bytes[..=at]);
        let name = OsStr::from_bytes(trimmed);
        let handle = match openat(parent, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(None),
            Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
                let problem = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                        FsProblem::Symlink
                    }
                    Ok(_) => FsProblem::NotDirectory,
                    Err(_) => FsProblem::Io(error.into()),
                };
                return Err(FsError::new("open", path, problem));
            }
            Err(error) => return Err(FsError::new("open", path, io::Error::from(error))),
        };
        let stat = fstat(&handle)
            .map_err(|error| FsError::new("inspect", path, io::Error::from(error)))?;
        check_owner(&stat, path)?;
        if access == Access::Use {
            close_directory(&handle, &stat, path)?;
        }
        Ok(Some(Self {
            handle,
            path: path.to_owned(),
            access,
        }))
    }

    /// Refuses operations that would change a directory opened read-only.
    fn may_change(&self, operation: &'static str, name: &str) -> Result<(), FsError> {
        match self.access {
            Access::Use => Ok(()),
            Access::Look => {
                let path = self.path.join(name);
                Err(FsError::new(operation, path, FsProblem::OnlyLookedAt))
            }
        }
    }

    /// The path at which the directory was opened; for messages, and for functions that only take
    /// paths.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's device and inode, which identify it while it is open.
    ///
    /// # Errors
    /// When the system refuses.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)] // `dev_t` is signed on macOS
    pub fn device_and_inode(&self) -> Result<(u64, u64), FsError> {
        let stat = fstat(&self.handle).map_err(|error| self.error("inspect", "", error))?;
        Ok((stat.st_dev as u64, stat.st_ino as u64))
    }

    /// The directory's path without links, checked to lead to this directory still. For libraries
    /// that take a path and refuse any link in it.
    ///
    /// # Errors
    /// When the path now leads elsewhere, or the system refuses.
    pub fn real_path(&self) -> Result<PathBuf, FsError> {
        use std::os::unix::fs::MetadataExt;
        let failed = |error| FsError::new("open", &self.path, error);
        let real = std::fs::canonicalize(&self.path).map_err(failed)?;
        // Only inspect it: opening it as ours would change the mode of a directory that may not be
        // ours.
        let there = std::fs::symlink_metadata(&real).map_err(failed)?;
        if (there.dev(), there.ino()) != self.device_and_inode()? {
            let moved = io::Error::other("another directory stands in its place");
            return Err(failed(moved));
        }
        Ok(real)
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    /// The open handle, for relative system calls.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Opens `name` for reading; `None` when there is none.
    ///
    /// # Errors
    /// When it is not a private regular file of this user (see the module), or cannot be opened.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, FsError> {
        self.open_if_there(name, OFlags::RDONLY)
    }

    /// Opens `name` for reading and appending, and creates it (0600) when there is none.
    ///
    /// # Errors
    /// As [`Dir::open_file`].
    pub fn open_append(&self, name: &str) -> Result<File, FsError> {
        self.open_with(name, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)
    }

    /// Opens `name` for reading and writing, and creates it (0600) when there is none.
    ///
    /// # Errors
    /// As [`Dir::open_file`].
    pub fn open_update(&self, name: &str) -> Result<File, FsError> {
        self.open_with(name, OFlags::RDWR | OFlags::CREATE)
    }

    /// Opens `name` for reading and writing, or only for reading if the directory is read-only;
    /// `None` when there is none.
    ///
    /// # Errors
    /// As [`Dir::open_file`].
    pub fn open_existing(&self, name: &str) -> Result<Option<File>, FsError> {
        match self.access {
            Access::Use => self.open_if_there(name, OFlags::RDWR),
            Access::Look => self.open_file(name),
        }
    }

    /// Creates `name` (0600) for reading and writing; it must not exist yet.
    ///
    /// # Errors
    /// When it exists already, or cannot be created.
    pub fn create_new(&self, name: &str) -> Result<File, FsError> {
        self.open_with(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    fn open_if_there(&self, name: &str, flags: OFlags) -> Result<Option<File>, FsError> {
        match self.open_with(name, flags) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open_with(&self, name: &str, flags: OFlags) -> Result<File, FsError> {
        if flags.contains(OFlags::CREATE) {
            self.may_change("create", name)?;
        }
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let path = self.path.join(name);
        let file = openat(&self.handle, name, flags, FILE_MODE)
            .map(File::from)
            .map_err(|error| {
                match error {
                    Errno::LOOP | Errno::MLINK => FsError::new("open", &path, FsProblem::Symlink),
                    // The error for opening a socket, or a FIFO without a reader for writing.
                    Errno::NXIO | Errno::ISDIR => {
                        FsError::new("open", &path, FsProblem::NotRegular)
                    }
                    error => FsError::new("open", &path, io::Error::from(error)),
                }
            })?;
        check_own_file(&file, &path, flags.contains(OFlags::CREATE), self.access)?;
        Ok(file)
    }

    /// Replaces the file `name` with `content` atomically: writes a new file beside it and renames
    /// that over it. A reader sees the old content or the new, never a part.
    ///
    /// # Errors
    /// When the system refuses; `name` then keeps its old content.
    pub fn write_atomic(
        &self,
        name: &str,
        content: &[u8],
        durability: Durability,
    ) -> Result<(), FsError> {
        use std::io::Write;
        let (mut file, temporary) = self.create_temporary()?;
        let written = (|| {
            file.write_all(content)?;
            if durability == Durability::Synced {
                file.sync_all()?;
            }
            renameat(&self.handle, &temporary, &self.handle, name)?;
            Ok::<_, io::Error>(())
        })();
        if let Err(error) = written {
            // Report the first failure; the next sign-in sweeps leftovers.
            let _ = unlinkat(&self.handle, &temporary, AtFlags::empty());
            return Err(self.error("write", name, error));
        }
        match durability {
            Durability::Synced => self.sync(),
            Durability::Volatile => Ok(()),
        }
    }

    /// Creates an empty file (0600) under a temporary name, to be renamed when it is finished.
    /// Returns the file and its name. [`Dir::sweep_temporary`] removes those left by a crash.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create_temporary(&self) -> Result<(File, String), FsError> {
        let name = temporary_name().map_err(|error| self.error("create", "", error))?;
        self.create_new(&name).map(|file| (file, name))
    }

    /// Renames `from` to `to` within the directory.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FsError> {
        self.may_change("rename", from)?;
        renameat(&self.handle, from, &self.handle, to)
            .map_err(|error| self.error("rename", from, error))
    }

    /// Removes `name`, which may also be an empty directory; of a link, the link itself. Returns
    /// whether there was anything.
    ///
    /// # Errors
    /// When the system refuses; a directory that is not empty stays.
    pub fn unlink(&self, name: &str) -> Result<bool, FsError> {
        self.may_change("remove", name)?;
        let removed = match unlinkat(&self.handle, name, AtFlags::empty()) {
            // For a directory, Linux returns the first error, and POSIX specifies the second.
            Err(Errno::ISDIR | Errno::PERM) => unlinkat(&self.handle, name, AtFlags::REMOVEDIR),
            other => other,
        };
        match removed {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.error("remove", name, error)),
        }
    }

    /// Makes changes of names in the directory durable.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync(&self) -> Result<(), FsError> {
        rustix::fs::fsync(&self.handle).map_err(|error| self.error("sync", "", error))
    }

    /// The names of the files in the directory, unordered. Leaves out names that are not UTF-8,
    /// which are not ours.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> Result<Vec<String>, FsError> {
        names_in(&self.handle).map_err(|error| self.error("list", "", error))
    }

    /// As [`Dir::names`], but lists through this handle, without opening the directory again.
    /// `&mut` ensures that nobody else is listing through it.
    ///
    /// # Errors
    /// As [`Dir::names`].
    pub fn own_names(&mut self) -> Result<Vec<String>, FsError> {
        names_by(&self.handle).map_err(|error| self.error("list", "", error))
    }

    /// Removes half-written files that a crash left behind. Call it under the directory's lock.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sweep_temporary(&self) -> Result<(), FsError> {
        for name in self.names()? {
            if name.starts_with(TEMPORARY_PREFIX) {
                self.unlink(&name)?;
            }
        }
        Ok(())
    }

    fn error(&self, operation: &'static str, name: &str, error: impl Into<io::Error>) -> FsError {
        let path = if name.is_empty() {
            self.path.clone()
        } else {
            self.path.join(name)
        };
        FsError::new(operation, path, error.into())
    }
}

/// Removes all permissions except the owner's.
fn close_directory(handle: &OwnedFd, stat: &Stat, path: &Path) -> Result<(), FsError> {
    if permission_bits(stat) & OTHERS == 0 {
        return Ok(());
    }
    closed(fchmod(handle, DIRECTORY_MODE), stat, path)
}

/// A random name for a file that is not finished yet.
fn temporary_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!(
        "{TEMPORARY_PREFIX}{:016x}",
        u64::from_le_bytes(random)
    ))
}

#[cfg(test)]
mod tests;
