//! Checks on open files.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, chmodat, fchmod, fstat, open, statat};
use rustix::io::Errno;

use super::content::read_bounded;
use super::error::{FsError, FsProblem};
use super::private_group::is_private_group;

/// Permission bits of everyone except the owner.
pub(super) const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const GROUP_WRITE: u32 = 0o020;

/// How a directory and its contents may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read and write. Access by other users is removed first.
    Use,
    /// Read only. No mode is changed, and nothing is created, changed or removed.
    Look,
}

/// Checks that an open file is private to this user. With `Access::Use`, removes other users' read
/// access. A file that may be new is made readable and writable to its owner, whatever the umask
/// left of its mode.
pub(super) fn check_own_file(
    file: &File,
    path: &Path,
    may_be_new: bool,
    access: Access,
) -> Result<(), FsError> {
    let failed = |operation, error| FsError::new(operation, path, std::io::Error::from(error));
    let stat = fstat(file).map_err(|error| failed("inspect", error))?;
    if let Some(mode) = judge(&stat, path)?
        && access == Access::Use
    {
        closed(fchmod(file, mode), &stat, path)?;
    }
    let ours = Mode::RUSR | Mode::WUSR;
    if may_be_new && permission_bits(&stat) & 0o600 != 0o600 {
        fchmod(file, ours).map_err(|error| failed("set the mode of", error))?;
    }
    Ok(())
}

/// Creates the directory at `path` and its missing parents, closed to other users whatever the
/// umask: whoever could write to one of them could replace our home.
pub(super) fn create_closed(path: &Path) -> Result<(), FsError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| FsError::new("create", path, error))
}

/// Restores the owner's permissions on a newly created directory, in case the umask removed them.
pub(super) fn open_to_owner(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
) -> Result<(), FsError> {
    let failed = |error| FsError::new("inspect", path, std::io::Error::from(error));
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_directory && permission_bits(&stat) & 0o700 != 0o700 {
        chmodat(parent, name, Mode::RWXU, AtFlags::empty()).map_err(failed)?;
    }
    Ok(())
}

/// Refuses anything except a private regular file of this user. Returns the mode to set when others
/// may read it.
pub(super) fn judge(stat: &Stat, path: &Path) -> Result<Option<Mode>, FsError> {
    let problem = |problem| FsError::new("use", path, problem);
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(problem(FsProblem::NotRegular));
    }
    check_owner(stat, path)?;
    let mode = permission_bits(stat);
    if mode & OTHERS_WRITE != 0 {
        return Err(problem(FsProblem::WritableByOthers { mode }));
    }
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // platform-dependent width
    let links = u64::from(stat.st_nlink);
    if links > 1 {
        return Err(problem(FsProblem::HardLinked { links }));
    }
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation)] // 12 bits; 16 on macOS
    let closed = (mode & !OTHERS) as rustix::fs::RawMode;
    Ok((mode & OTHERS != 0).then(|| Mode::from_raw_mode(closed)))
}

/// Reports the result of closing something to other users. A read-only disk keeps its modes:
/// nothing can be written there anyway, and the file may be needed for locking.
pub(super) fn closed(
    result: rustix::io::Result<()>,
    stat: &Stat,
    path: &Path,
) -> Result<(), FsError> {
    let (path_shown, mode) = (path.display(), permission_bits(stat));
    match result {
        Ok(()) => {
            tracing::warn!(path = %path_shown, mode = format_args!("{mode:04o}"), "was open to others; closed");
        }
        Err(Errno::ROFS) => {
            tracing::warn!(path = %path_shown, mode = format_args!("{mode:04o}"), "is open to others");
        }
        Err(error) => {
            let error = std::io::Error::from(error);
            return Err(FsError::new("close to others", path, error));
        }
    }
    Ok(())
}

/// Whether the open `file` was unlinked since.
pub fn has_lost_name(file: &File) -> bool {
    fstat(file).is_ok_and(|stat| stat.st_nlink == 0)
}

pub(super) fn check_owner(stat: &Stat, path: &Path) -> Result<(), FsError> {
    if stat.st_uid == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(FsError::new(
            "use",
            path,
            FsProblem::ForeignOwner { owner: stat.st_uid },
        ))
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_lossless)] // `mode_t` is 16 bits on macOS
pub(super) fn permission_bits(stat: &Stat) -> u32 {
    (stat.st_mode as u32) & 0o7777
}

/// The dangling link that makes `path` lead nowhere, if any: a file was meant to be there.
fn dangling_link(path: &Path) -> Option<&Path> {
    let there = path
        .ancestors()
        .find(|above| std::fs::symlink_metadata(above).is_ok())?;
    let is_link = std::fs::symlink_metadata(there).is_ok_and(|found| found.is_symlink());
    (is_link && std::fs::metadata(there).is_err()).then_some(there)
}

/// Reads a file that the user edits and may have linked to from elsewhere (the configuration), at
/// most `limit` bytes; `None` when there is none.
///
/// Links are followed; a dangling one is an error. The file must be regular, belong to this user or
/// to root, and be writable by its owner only. A group with no other member may write as well:
/// under the umask 002 that many systems give their users, editors leave a mode of 0664.
///
/// # Errors
/// When it does not meet these rules, is too long, or cannot be read.
pub fn read_user_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FsError> {
    let Some((file, stat)) = open_regular(path)? else {
        return Ok(None);
    };
    if stat.st_uid != 0 {
        check_owner(&stat, path)?;
    }
    let mode = permission_bits(&stat);
    let is_private =
        mode & OTHERS_WRITE == GROUP_WRITE && is_private_group(stat.st_uid, stat.st_gid);
    if mode & OTHERS_WRITE != 0 && !is_private {
        return Err(FsError::new(
            "use",
            path,
            FsProblem::WritableByOthers { mode },
        ));
    }
    read_bounded(&file, path, limit).map(Some)
}

/// The content of the regular file at `path`, whoever owns it or may write to it; `None` when there
/// is none. Only for content that is acceptable from anybody.
///
/// # Errors
/// When it is not regular, too long, or cannot be read.
pub fn read_any_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FsError> {
    match open_regular(path)? {
        Some((file, _)) => read_bounded(&file, path, limit).map(Some),
        None => Ok(None),
    }
}

fn open_regular(path: &Path) -> Result<Option<(File, Stat)>, FsError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => {
            return match dangling_link(path) {
                Some(link) => Err(FsError::new("open", link, FsProblem::DanglingLink)),
                None => Ok(None),
            };
        }
        // If a parent in the path is a file, there is no such file either.
        Err(Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(FsError::new("open", path, std::io::Error::from(error))),
    };
    let stat =
        fstat(&file).map_err(|error| FsError::new("inspect", path, std::io::Error::from(error)))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FsError::new("use", path, FsProblem::NotRegular));
    }
    Ok(Some((file, stat)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_an_error_and_no_absent_file() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        symlink(at("gone.toml"), at("config.toml")).unwrap();
        symlink(at("gone"), at("directory")).unwrap();
        symlink(at("config.toml"), at("again.toml")).unwrap();
        for name in ["config.toml", "directory/config.toml", "again.toml"] {
            let error = read_user_file(&at(name), 100).unwrap_err();
            assert!(matches!(error.problem, FsProblem::DanglingLink), "{error}");
        }
        std::fs::write(at("gone.toml"), "here").unwrap();
        let read = read_user_file(&at("again.toml"), 100).unwrap();
        assert_eq!(read.as_deref(), Some(&b"here"[..]));
        // A link that leads to a directory does not dangle, even if the file does not exist.
        std::fs::create_dir(at("gone")).unwrap();
        assert!(
            read_user_file(&at("directory/config.toml"), 100)
                .unwrap()
                .is_none()
        );
        assert!(
            read_user_file(&at("none/config.toml"), 100)
                .unwrap()
                .is_none()
        );
    }
}
